"""XGBoost."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._prepare import coded
from autometa.candidates._weights import Floats
from autometa.candidates._wrapped import WrappedClassifier, WrappedRegressor
from autometa.datasets import TableSchema
from autometa.records import Config


class XGBoostClassifier(WrappedClassifier):
    """XGBoost's `XGBClassifier`, told which columns are categories."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        from xgboost import XGBClassifier

        return XGBClassifier(**self.settings, feature_types=_types(X, self.n_categorical)).fit(
            X, y, sample_weight=weights
        )


class XGBoostRegressor(WrappedRegressor):
    """XGBoost's `XGBRegressor`, told which columns are categories."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        from xgboost import XGBRegressor

        return XGBRegressor(**self.settings, feature_types=_types(X, self.n_categorical)).fit(
            X, y, sample_weight=weights
        )


def _types(X: Any, n_categorical: int) -> list[str]:
    return ["c"] * n_categorical + ["q"] * (X.shape[1] - n_categorical)


class XGBoost(Candidate):
    """Boosted trees on histograms, missing values and categories natively."""

    name: ClassVar[str] = "xgboost"
    effort: ClassVar[int] = 1
    reference: ClassVar[str] = "Chen, Guestrin (2016), XGBoost, KDD"
    cost: ClassVar[FitCost | None] = FitCost(start=0.084, scale=0.046, rows=0.81, columns=0.82, classes=1.31)
    powers: ClassVar[Mapping[str, float]] = {"n_estimators": 0.6, "max_depth": 0.27}
    bags: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True
    requires: ClassVar[str | None] = "xgboost"
    extra: ClassVar[str | None] = "boosting"
    native_missing: ClassVar[bool] = True
    native_categories: ClassVar[bool] = True

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Category codes and plain numbers."""
        return coded(schema, seed=seed)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """An `XGBoostClassifier` or `XGBoostRegressor`."""
        settings = {
            **config,
            "tree_method": "hist",
            "enable_categorical": True,
            "random_state": seed,
            "n_jobs": n_threads,
            "verbosity": 0,
        }
        n_categorical = len(schema.names("categorical"))
        if schema.task == "regression":
            return XGBoostRegressor(settings, n_categorical)
        return XGBoostClassifier(settings, n_categorical)
