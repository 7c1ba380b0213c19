"""scikit-learn's histogram gradient boosting."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn import ensemble
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._prepare import coded
from autometa.candidates._weights import Floats
from autometa.candidates._wrapped import WrappedClassifier, WrappedRegressor
from autometa.datasets import TableSchema
from autometa.records import Config

_HELD_OUT = 0.1


class HistogramClassifier(WrappedClassifier):
    """scikit-learn's `HistGradientBoostingClassifier`.

    Early stopping holds out a tenth of the rows, each class in its share; where a class has a single row,
    or the tenth has fewer rows than there are classes, there is none to hold out and no early stopping.
    """

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        counts = np.bincount(y)
        divisible = counts.min() >= 2 and y.size * _HELD_OUT >= counts.size
        stopping = bool(self.settings["early_stopping"] and divisible)
        settings = {**self.settings, "early_stopping": stopping, "validation_fraction": _HELD_OUT}
        return ensemble.HistGradientBoostingClassifier(**settings).fit(_observed(X), y, weights)


class HistogramRegressor(WrappedRegressor):
    """scikit-learn's `HistGradientBoostingRegressor`."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        return ensemble.HistGradientBoostingRegressor(**self.settings).fit(_observed(X), y, weights)


def _observed(X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """X with zeros in columns that are wholly missing, which scikit-learn cannot bin."""
    return np.where(np.isnan(X).all(axis=0), 0.0, X)


class HistGradientBoosting(Candidate):
    """Boosted trees on binned columns, missing values natively, categories by codes and target means.

    scikit-learn's own categories would put a `functools.partial` into the saved model, which no one should
    trust a file to name; codes with target means score at least as well.
    """

    name: ClassVar[str] = "hist_gradient_boosting"
    reference: ClassVar[str] = "Friedman (2001), Greedy function approximation, Annals of Statistics 29"
    cost: ClassVar[FitCost | None] = FitCost(start=0.13, scale=0.021, rows=0.94, columns=0.76, classes=1.23)
    powers: ClassVar[Mapping[str, float]] = {"max_iter": 0.51, "max_leaf_nodes": 0.16}
    bags: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True
    native_missing: ClassVar[bool] = True

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Category codes, target means and plain numbers, at the double precision that scikit-learn bins."""
        return coded(schema, seed=seed, dtype="float64", always_means=True)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `HistogramClassifier` or `HistogramRegressor`; its threads follow ``OMP_NUM_THREADS``."""
        settings = {**config, "random_state": seed}
        return HistogramRegressor(settings) if schema.task == "regression" else HistogramClassifier(settings)
