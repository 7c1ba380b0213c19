"""The optimizer of the outer loop: annealed, clipped, and kept in a checkpoint."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

Schedule = Literal["constant", "halving", "cosine", "linear"]
_HALVINGS = 8


def annealed(schedule: Schedule, progress: float) -> float:
    """What a learning rate is multiplied by when the share ``progress`` of the training is over.

    ``halving`` halves it eight times in all, ``cosine`` ends at a hundredth, ``linear`` at zero.
    """
    if schedule == "halving":
        return float(0.5 ** math.floor(progress * _HALVINGS))
    if schedule == "cosine":
        return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0 - progress if schedule == "linear" else 1.0


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


class OuterOptimizer:
    """Adam or gradient descent on the weights of a module.

    Args:
        module: What is meta-trained.
        optimizer: ``adam`` or ``sgd``.
        lr: Learning rate at the start.
        schedule: How it goes on.
        clip: Largest norm of the gradient; 0 leaves it.
        clip_value: Largest entry of the gradient; 0 leaves it.
        weight_decay: Of the optimizer.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        optimizer: Literal["adam", "sgd"] = "adam",
        lr: float = 1e-3,
        schedule: Schedule = "constant",
        clip: float = 0.0,
        clip_value: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        self._module, self._lr, self._schedule = module, lr, schedule
        self._clip, self._clip_value = clip, clip_value
        params = [value for value in module.parameters() if value.requires_grad] or [nn.Parameter(torch.zeros(0))]
        kind = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
        self._optimizer: torch.optim.Optimizer = kind(params, lr=lr, weight_decay=weight_decay)

    def zero_grad(self) -> None:
        """Forget gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def step(self, progress: float) -> None:
        """Clip, then step with the rate of this moment."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._lr * annealed(self._schedule, progress)
        if self._clip:
            nn.utils.clip_grad_norm_(self._module.parameters(), self._clip)
        if self._clip_value:
            nn.utils.clip_grad_value_(self._module.parameters(), self._clip_value)
        self._optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """All tensors of the optimizer, as ``name:slot``."""
        names = {id(value): name for name, value in self._module.named_parameters()}
        found = {}
        for param, slots in self._optimizer.state.items():
            for slot, value in slots.items():
                if isinstance(value, Tensor) and id(param) in names:
                    found[f"{names[id(param)]}:{slot}"] = value.detach().clone()
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        params = dict(self._module.named_parameters())
        for key, value in state.items():
            name, _, slot = key.rpartition(":")
            self._optimizer.state[params[name]][slot] = value.clone()
