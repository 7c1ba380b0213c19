"""The tracker of ``--no-mlflow``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from autometa.records import SearchInfo, TrialReport
from autometa.tracking._base import Tracker


class NullTracker(Tracker):
    """Records nothing."""

    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        """Do nothing."""

    def trial(self, report: TrialReport) -> None:
        """Do nothing."""

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def finish(self, summary: Mapping[str, float | str], artifacts: Sequence[Path]) -> None:
        """Do nothing."""

    def close(self, timeout: float | None = None) -> None:
        """Do nothing."""
