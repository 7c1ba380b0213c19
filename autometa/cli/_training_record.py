"""What every meta-training leaves behind in MLflow: a run whose curves go on when the training is resumed."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from autometa.records import SearchInfo
from autometa.tracking import NullTracker, open_tracker

_RUN = "mlflow_run_id"


def resume_command() -> str:
    """The command that runs, as one that goes on where it was stopped."""
    words = [word for word in sys.argv[1:] if word != "--resume"]
    return shlex.join(["autometa", *words, "--resume"])


class TrainingRecord:
    """Use as a context manager around the training; without `result` the run counts as killed."""

    def __init__(self, folder: Path, info: SearchInfo, mlflow: bool | str, *, resume: bool) -> None:
        """``mlflow`` is False for none, True for the user's own store, or a tracking URI."""
        self._folder, self._info = folder, info
        self._tracker = NullTracker() if mlflow is False else open_tracker(None if mlflow is True else mlflow)
        self._before = (folder / _RUN).read_text() if resume and (folder / _RUN).is_file() else None
        self._started = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracker.close()
        self._keep_run()

    @property
    def problems(self) -> list[str]:
        """What MLflow could not record."""
        return self._tracker.problems

    def point(self, step: int, values: Mapping[str, float]) -> None:
        """A point of each curve."""
        if not self._started:  # not before: what is wrong with the input shows itself earlier
            self._tracker.start(self._info, resume_run_id=self._before)
            self._started = True
        self._tracker.measure(step, values)
        self._keep_run()

    def result(self, summary: Mapping[str, float | str]) -> None:
        """How it ended; a training that had nothing left to do adds nothing."""
        if self._started:
            self._tracker.finish(summary, [self._folder / "card.json"])

    def _keep_run(self) -> None:
        """The run's id for a resumed training; it is known some seconds after the first point."""
        if self._tracker.run_id and self._folder.is_dir():
            (self._folder / _RUN).write_text(self._tracker.run_id)
