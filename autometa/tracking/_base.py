"""What a search tells a tracker, and when."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from autometa.records import SearchInfo, TrialReport


class Tracker(ABC):
    """Writes a search down in a place where people compare searches.

    The search calls, always from one thread and in this order::

        start(info)          once, before the first trial; a resumed search passes the earlier run's id
        measure(step, values)    any number of times: the course of what the search itself does, such as one training
        trial(report)        once per trial when it ends; may also be called when it begins (status
                             "running"), and again on resume: a trial that is recorded is left alone
        finish(summary, artifacts)   once, when the result is written; not after a crash or a second Ctrl-C
        close()              always, in a ``finally``; a search closed without `finish` counts as killed

    All but the last return at once, whatever the tracker's store does meanwhile; only `close` may wait, and
    only as long as it was told to. No method raises because tracking failed, was called out of order or
    got odd values: what went wrong is named in `problems`, which the search shows once in its log and report.
    """

    def __init__(self) -> None:
        """Begin without problems."""
        self.problems: list[str] = []

    @property
    def run_id(self) -> str | None:
        """The store's id of this search, to be kept for `start` on resume; None while it is not known."""
        return None

    @abstractmethod
    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        """Begin a search, or go on with the one of that id."""

    @abstractmethod
    def trial(self, report: TrialReport) -> None:
        """Record one trial."""

    @abstractmethod
    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers by name at a step, as points of curves."""

    @abstractmethod
    def finish(self, summary: Mapping[str, float | str], artifacts: Sequence[Path]) -> None:
        """Record the result: ``summary`` in numbers and words, ``artifacts`` as copies of files and folders.

        The artifacts must stay where they are until `close` returns.
        """

    @abstractmethod
    def close(self, timeout: float | None = None) -> None:
        """Let everything be written, and leave neither process nor thread behind.

        Args:
            timeout: Seconds that this may take; None leaves it to the tracker.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
