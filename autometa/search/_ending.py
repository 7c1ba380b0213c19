"""What the end of a search hands to others: figures for the tracker, the test table for the process that scores it."""

from dataclasses import replace

from autometa.datasets import Dataset, LabelledRows
from autometa.search._clock import Clock
from autometa.search._finish import Finished
from autometa.search._trials import TrialLoop


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
