"""LightGBM."""

from typing import Any, ClassVar

import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._prepare import coded
from autometa.candidates._wrapped import WrappedClassifier, WrappedRegressor
from autometa.datasets import TableSchema
from autometa.records import Config


class LightGBMClassifier(WrappedClassifier):
    """LightGBM's `LGBMClassifier`, told which columns are categories."""

    def _learn(self, X: Any, y: npt.NDArray[Any]) -> Any:
        from lightgbm import LGBMClassifier

        return LGBMClassifier(**self.settings).fit(X, y, categorical_feature=list(range(self.n_categorical)))


class LightGBMRegressor(WrappedRegressor):
    """LightGBM's `LGBMRegressor`, told which columns are categories."""

    def _learn(self, X: Any, y: npt.NDArray[Any]) -> Any:
        from lightgbm import LGBMRegressor

        return LGBMRegressor(**self.settings).fit(X, y, categorical_feature=list(range(self.n_categorical)))


class LightGBM(Candidate):
    """Leaf-wise boosted trees, missing values and categories natively."""

    name: ClassVar[str] = "lightgbm"
    effort: ClassVar[int] = 1
    reference: ClassVar[str] = "Ke et al. (2017), LightGBM, NeurIPS"
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
