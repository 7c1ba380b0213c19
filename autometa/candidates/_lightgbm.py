"""LightGBM."""

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


class LightGBMClassifier(WrappedClassifier):
    """LightGBM's `LGBMClassifier`, told which columns are categories."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        from lightgbm import LGBMClassifier

        categories = list(range(self.n_categorical))
        return LGBMClassifier(**self.settings).fit(X, y, weights, categorical_feature=categories)


class LightGBMRegressor(WrappedRegressor):
    """LightGBM's `LGBMRegressor`, told which columns are categories."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        from lightgbm import LGBMRegressor

        categories = list(range(self.n_categorical))
        return LGBMRegressor(**self.settings).fit(X, y, weights, categorical_feature=categories)


class LightGBM(Candidate):
    """Leaf-wise boosted trees, missing values and categories natively."""

    name: ClassVar[str] = "lightgbm"
    effort: ClassVar[int] = 1
    reference: ClassVar[str] = "Ke et al. (2017), LightGBM, NeurIPS"
    cost: ClassVar[FitCost | None] = FitCost(start=0.025, scale=0.047, rows=0.75, columns=0.71, classes=1.3)
    powers: ClassVar[Mapping[str, float]] = {"n_estimators": 0.59, "num_leaves": 0.14}
    bags: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True
    native_missing: ClassVar[bool] = True
    native_categories: ClassVar[bool] = True

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Category codes and plain numbers."""
        return coded(schema, seed=seed, dtype="float64")

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `LightGBMClassifier` or `LightGBMRegressor`."""
        settings = {
            **config,
            "subsample_freq": 1,
            "random_state": seed,
            "n_jobs": n_threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        n_categorical = len(schema.names("categorical"))
        if schema.task == "regression":
            return LightGBMRegressor(settings, n_categorical)
        return LightGBMClassifier(settings, n_categorical)
