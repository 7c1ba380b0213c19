"""CatBoost."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier, DummyRegressor

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._prepare import coded
from autometa.candidates._weights import Floats
from autometa.candidates._wrapped import Wrapped, WrappedClassifier, WrappedRegressor
from autometa.datasets import TableSchema
from autometa.records import Config

_MISSING, _UNKNOWN = -1, -2


class _CatBoosted(Wrapped):
    """Tells CatBoost at `fit` which columns are categories, and at prediction how many threads to use.

    CatBoost changes ``cat_features`` when it is given to the constructor, which breaks `sklearn.clone`. It
    refuses a table in which no column varies; the mean, or the shares of the classes, stand in then.
    """

    def _boost(self, model: Any, X: npt.NDArray[Any], y: npt.NDArray[Any], weights: Floats | None) -> Any:
        categories = list(range(self.n_categorical))
        return model.fit(self._frame(X), y, cat_features=categories, sample_weight=weights)

    def _frame(self, X: npt.NDArray[Any]) -> pd.DataFrame:
        # CatBoost takes category codes as integers only, so they cannot share an array with numbers.
        codes = pd.DataFrame(X[:, : self.n_categorical].astype(np.int32))
        numbers = pd.DataFrame(X[:, self.n_categorical :], columns=range(self.n_categorical, X.shape[1]))
        return pd.concat([codes, numbers], axis=1)

    @property
    def _threads(self) -> dict[str, int]:
        is_constant = isinstance(self.model_, DummyClassifier | DummyRegressor)
        return {} if is_constant else {"thread_count": self.settings["thread_count"]}


class CatBoostedClassifier(WrappedClassifier, _CatBoosted):
    """CatBoost's `CatBoostClassifier`."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        from catboost import CatBoostClassifier

        if not _varies(X):
            return DummyClassifier().fit(X, y, weights)
        return self._boost(CatBoostClassifier(**self.settings), X, y, weights)

    def _probabilities(self, X: Any) -> npt.NDArray[Any]:
        return np.asarray(self.model_.predict_proba(self._frame(X), **self._threads))


class CatBoostedRegressor(WrappedRegressor, _CatBoosted):
    """CatBoost's `CatBoostRegressor`."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        from catboost import CatBoostRegressor

        if not _varies(X) or np.ptp(y) == 0:
            return DummyRegressor().fit(X, y, weights)
        return self._boost(CatBoostRegressor(**self.settings), X, y, weights)

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Predictions for (n, d) X, of shape (n,)."""
        return np.asarray(self.model_.predict(self._frame(X), **self._threads), dtype=np.float64)


def _varies(X: npt.NDArray[Any]) -> bool:
    """Whether some column holds two different values; missing counts as a value."""
    filled = np.where(np.isnan(X), np.inf, X)
    return bool((filled != filled[:1]).any())


class CatBoost(Candidate):
    """Boosted oblivious trees with ordered target statistics of categories, missing values natively."""

    name: ClassVar[str] = "catboost"
    effort: ClassVar[int] = 3
    reference: ClassVar[str] = "Prokhorenkova et al. (2018), CatBoost, NeurIPS"
    cost: ClassVar[FitCost | None] = FitCost(start=0.16, scale=0.055, rows=0.99, columns=0.76, classes=1.47)
    powers: ClassVar[Mapping[str, float]] = {"iterations": 0.74, "depth": 0.97}
    bags: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True
    requires: ClassVar[str | None] = "catboost"
    extra: ClassVar[str | None] = "boosting"
    native_missing: ClassVar[bool] = True
    native_categories: ClassVar[bool] = True

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """All category codes, however many, and plain numbers."""
        return coded(schema, seed=seed, missing=_MISSING, unknown=_UNKNOWN, max_categories=None)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `CatBoostedClassifier` or `CatBoostedRegressor`."""
        settings = {
            **config,
            "random_seed": seed,
            "thread_count": n_threads,
            "allow_writing_files": False,
            "verbose": False,
            # Combinations of categories cost most of the time and, on six tables, changed nothing or for the worse.
            "max_ctr_complexity": 1,
        }
        n_categorical = len(schema.names("categorical"))
        if schema.task == "regression":
            return CatBoostedRegressor(settings, n_categorical)
        return CatBoostedClassifier(settings, n_categorical)
