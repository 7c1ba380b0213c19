"""Checkpoints of meta-trainings: tensors in safetensors, all else in JSON; nothing that runs code."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autometa.errors import ResumeError

_NAME = "checkpoint"
FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All of a meta-training that it needs to go on."""

    identity: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    numbers: Mapping[str, Any]
    looks: list[dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Write it, then let it take the place of the one before: a kill at any moment leaves one of them whole."""
        folder.mkdir(parents=True, exist_ok=True)
        number = int(self.numbers["step"])
        tensors = {
            f"{part}/{name}": value.detach().cpu().contiguous()
            for part in ("weights", "best", "optimizer")
            for name, value in getattr(self, part).items()
        }
        file = folder / f"{_NAME}-{number}.safetensors"
        save_file(tensors, file)
        plain = {"format": FORMAT, "tensors": file.name, "identity": dict(self.identity)}
        plain |= {"numbers": dict(self.numbers), "looks": self.looks}
        waiting = folder / f"{_NAME}.json.new"
        waiting.write_text(json.dumps(plain))
        os.replace(waiting, folder / f"{_NAME}.json")
        for other in folder.glob(f"{_NAME}-*.safetensors"):
            if other != file:
                other.unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path, module: nn.Module) -> "Checkpoint | None":
        """The folder's checkpoint, on the module's device; None where there is none."""
        file = folder / f"{_NAME}.json"
        if not file.is_file():
            return None
        plain = json.loads(file.read_text())
        device = next((str(value.device) for value in module.state_dict().values()), "cpu")
        parts: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "optimizer": {}}
        for key, value in load_file(folder / plain["tensors"], device=device).items():
            part, _, name = key.partition("/")
            parts[part][name] = value.cpu() if name.endswith(":step") else value
        return cls(identity=plain["identity"], numbers=plain["numbers"], looks=plain["looks"], **parts)

    def check(self, mine: Mapping[str, Any], folder: Path) -> None:
        """It must be of the training that is to go on.

        Raises:
            ResumeError: It is another one's; the message names what differs.
        """
        if dict(self.identity) != dict(mine):
            name = next(key for key in [*mine, *self.identity] if mine.get(key) != self.identity.get(key))
            raise ResumeError(
                f"The training in {folder} is another one: its {name} is {self.identity.get(name)!r}, but here it is "
                f"{mine.get(name)!r}. Name another folder, or pass what was passed then."
            )
