"""What the end of a search hands to others: its result, figures for the tracker, the test table for who scores it."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from autometa.datasets import Dataset, LabelledRows
from autometa.metrics import Metric
from autometa.records import Note, SearchInfo, TrialReport
from autometa.search._clock import Clock
from autometa.search._finish import Finished
from autometa.search._folder import SearchFolder
from autometa.search._trials import TrialLoop

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found; `autometa.api.TuneResult` is its public face."""

    folder: SearchFolder
    info: SearchInfo
    metric: Metric
    finished: Finished
    reports: tuple[TrialReport, ...]
    leaderboard: pd.DataFrame
    study: "optuna.Study"
    notes: tuple[Note, ...]
    versions: dict[str, str]
    machine: dict[str, str]
    seconds: float


def summary(finished: Finished, loop: TrialLoop, clock: Clock) -> dict[str, float | str]:
    """The result in numbers, for the tracker."""
    scores = {"honest_score": finished.honest_score, "test_score": finished.test_score}
    return {
        "score": finished.score,
        "n_trials": float(len(loop.reports)),
        "n_members": float(len(finished.weights)),
        "seconds": clock.elapsed(),
        **{name: score for name, score in scores.items() if score is not None},
    }


def test_dataset(whole: Dataset, rows: LabelledRows) -> Dataset:
    """The user's test rows as a dataset of their own, for the process that scores them."""
    name = f"{whole.name}-test"
    return replace(whole, X=rows.X, y=rows.y, weights=rows.weights, groups=None, times=None, notes=(), name=name)
