"""What the classifier and the regressor have in common: parameters, fit, and the model in memory."""

import contextlib
import numbers
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from autometa.api import TuneResult, tune
from autometa.datasets import Dataset
from autometa.estimators import _inputs
from autometa.estimators._workers import POOLS
from autometa.knowledge import KnowledgeBase


@dataclass(frozen=True, slots=True)
class SearchFacts:
    """What is known of the search behind a fitted estimator.

    Attributes:
        metric: Its name, such as ``roc_auc``.
        score: Mean over the splits of the model's out-of-fold predictions, in the metric's natural unit.
        honest_score: The same with the ensemble chosen anew for each split, without it; None for one model.
        fold_scores: The model's score on each split.
        weights: The ensemble: weight by trial number.
        n_trials: How many trials ended, well or not.
        seed: Of everything that was random; as ``random_state`` it repeats the search.
        seconds: How long it took.
        notes: What was assumed, skipped or limited.
    """

    metric: str
    score: float
    honest_score: float | None
    fold_scores: tuple[float, ...]
    weights: dict[int, float]
    n_trials: int
    seed: int
    seconds: float
    notes: tuple[str, ...]


class AutoMetaEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of both estimators; use `AutoMetaClassifier` or `AutoMetaRegressor`."""

    def __init__(
        self,
        *,
        time_limit: float | None = None,
        trials: int | None = None,
        jobs: int | None = None,
        memory_limit: int | None = None,
        random_state: Any = None,
        metric: str | None = None,
        cv: Any = 5,
        warm_start: str | bool = "auto",
        candidates: Sequence[str] | None = None,
        ensemble_size: int = 8,
        learn: bool = False,
        output: str | os.PathLike[str] | None = None,
        kb: KnowledgeBase | None = None,
        mlflow: bool | str = False,
    ) -> None:
        self.time_limit = time_limit
        self.trials = trials
        self.jobs = jobs
        self.memory_limit = memory_limit
        self.random_state = random_state
        self.metric = metric
        self.cv = cv
        self.warm_start = warm_start
        self.candidates = candidates
        self.ensemble_size = ensemble_size
        self.learn = learn
        self.output = output
        self.kb = kb
        self.mlflow = mlflow

    @property
    def best_pipeline_(self) -> Any:
        """The fitted scikit-learn pipeline of the model's member with the best cross-validated score.

        It takes ``model_.schema.apply(table)`` and answers class codes: places in ``classes_``.
        """
        check_is_fitted(self, "model_")
        best = max if self.model_.card["direction"] == "maximize" else min
        scores = [member.score for member in self.model_.members]
        return self.model_.pipelines[scores.index(best(scores))]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.non_deterministic = self.trials is None or self.time_limit is not None or self.jobs != 1
        return tags

    def _search(self, dataset: Dataset, **options: Any) -> Self:
        """Search, and take everything that is needed for predictions into memory."""
        seed = _seed(self.random_state)
        with _folder(self.output) as folder:
            found = tune(
                dataset,
                time_limit=self.time_limit,
                trials=self.trials,
                jobs=self.jobs,
                memory_limit=self.memory_limit,
                seed=seed,
                metric=self.metric,
                warm_start=_warm_starter(self.warm_start),
                candidates=self.candidates,
                ensemble_size=self.ensemble_size,
                learn=self.learn,
                output=folder,
                kb=self.kb,
                mlflow=self.mlflow,
                cv=self.cv,
                report=self.output is not None,
                workers=POOLS.lend,
                **options,
            )
            self._take(found, seed)
        self.search_folder_ = None if self.output is None else folder
        return self

    def _take(self, found: TuneResult, seed: int) -> None:
        model = found.model
        _ = model.pipelines  # read now: a temporary folder is about to go
        self.model_ = model
        self.leaderboard_ = found.leaderboard
        self.search_ = SearchFacts(
            metric=found.metric.name,
            score=found.score,
            honest_score=found.honest_score,
            fold_scores=found.fold_scores,
            weights=found.weights,
            n_trials=len(found.trials),
            seed=seed,
            seconds=found.seconds,
            notes=found.notes,
        )

    def _read(self, X: Any) -> pd.DataFrame:
        """X of a prediction, as the model wants it."""
        check_is_fitted(self, "model_")
        frame, _ = _inputs.to_frame(self, X, reset=False)
        return frame.set_axis(self._columns, axis=1)

    def _check_y(self, y: Any) -> None:
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")


@contextlib.contextmanager
def _folder(output: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The search's folder: the user's, or one that is gone afterwards."""
    if output is not None:
        yield Path(output).absolute()  # workers that are kept may run in another folder
        return
    with tempfile.TemporaryDirectory(prefix="autometa-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary) / "search"


def _warm_starter(warm_start: str | bool) -> str:
    """scikit-learn's own warm_start is a bool, and generic code sets it to False."""
    if isinstance(warm_start, bool):
        return "auto" if warm_start else "none"
    return warm_start


def _seed(random_state: Any) -> int:
    """scikit-learn's word to ours. None is a fresh seed each time, and never touches NumPy's global state."""
    if random_state is None:
        return secrets.randbelow(2**31)
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
