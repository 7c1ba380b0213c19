"""What has been measured, one line each, kept as it comes."""

import json
import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from autometa.errors import ResumeError
from autometa.records import Config, TrialStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One configuration on one table.

    Attributes:
        dataset_id: The table.
        stage: Why it was measured: one of `STAGES`.
        config: The configuration.
        status: ``complete``, or why there are no scores; ``timeout`` also where the probe foresaw it.
        scores: By metric, one for each split; None where the metric is not defined.
        seconds: Spent in fits and predictions; None where it was cut off.
        reason: Why there are no scores, in words.
        created: When, in ISO 8601.
    """

    dataset_id: str
    stage: str
    config: Config
    status: TrialStatus
    scores: Mapping[str, list[float | None]] = field(default_factory=dict)
    seconds: float | None = None
    reason: str = ""
    created: str = ""

    def mean(self, metric: str) -> float:
        """The mean over the splits; NaN where the metric is not defined on one of them, or nothing was scored."""
        of_splits = self._of_splits(metric)
        return sum(of_splits) / len(of_splits)

    def spread(self, metric: str) -> float:
        """The standard deviation over the splits, with n - 1; NaN where the mean is, and of a single split."""
        of_splits = self._of_splits(metric)
        return statistics.stdev(of_splits) if len(of_splits) > 1 and math.isfinite(sum(of_splits)) else math.nan

    def _of_splits(self, metric: str) -> list[float]:
        return [math.nan if score is None else score for score in self.scores.get(metric, [None])]


class Journal:
    """A file of JSON lines; a line that a crash cut off is dropped when the file is opened."""

    def __init__(self, path: Path) -> None:
        """Open or begin the file.

        Raises:
            ResumeError: A line within the file is damaged.
        """
        self.path = path
        self.measured: list[Measured] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.is_file() else b""
        whole = content[: content.rfind(b"\n") + 1]
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self.measured.append(Measured(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ResumeError(
                    f"Line {number} of {path} is damaged ({error}). Delete the line; what it held is measured again."
                ) from error
        self._file = open(path, "ab")  # noqa: SIM115 - open as long as the journal
        self._file.truncate(len(whole))

    def add(self, one: Measured) -> None:
        """Append a line, and see it on disk."""
        self._file.write(json.dumps(asdict(one), ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.measured.append(one)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
