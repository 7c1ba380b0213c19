"""What a training of an optimizer leaves behind in MLflow: its curves and its card."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autometa.cli._training_record import TrainingRecord, resume_command
from autometa.records import SearchInfo

if TYPE_CHECKING:
    from autometa.learned_optimizers import RuleLook, RuleTrained


class Record(TrainingRecord):
    """Use as a context manager around the training; without `finish` the run counts as killed."""

    def __init__(
        self, folder: Path, kinds: str, seed: int, settings: Mapping[str, str], mlflow: bool | str, *, resume: bool
    ) -> None:
        """``mlflow`` is False for none, True for the user's own store, or a tracking URI."""
        info = SearchInfo(
            name=folder.name,
            dataset_name=kinds,
            dataset_id=kinds,
            task="regression",
            metric="late_loss",
            direction="minimize",
            seed=seed,
            folder=str(folder.resolve()),
            what="training",
            resume=resume_command(),
            settings=settings,
        )
        super().__init__(folder, info, mlflow, resume=resume)

    def look(self, look: "RuleLook") -> None:
        """A point of each curve: the loss, and the late loss on each kind of optimizees."""
        values = {"loss": look.loss, "seconds": look.seconds, "late_loss": _mean(look.validation)}
        values |= {f"late_loss_{name}": value for name, value in look.validation.items()}
        self.point(look.step, values)

    def finish(self, done: "RuleTrained") -> None:
        """The result."""
        summary: dict[str, float | str] = {"stopped": done.stopped, "best_step": float(done.best_step)}
        best = next((look for look in reversed(done.looks) if look.best), None)
        self.result(summary | ({} if best is None else {"score": _mean(best.validation)}))


def _mean(validation: Mapping[str, float]) -> float:
    """The geometric mean, by which looks are compared; NaN where a loss is none."""
    values = list(validation.values())
    usable = values and all(value > 0 and math.isfinite(value) for value in values)
    return math.exp(sum(map(math.log, values)) / len(values)) if usable else math.nan
