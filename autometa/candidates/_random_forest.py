"""Random forests."""

from collections.abc import Mapping
from typing import ClassVar

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._forest import (
    WeightedRandomForestClassifier,
    WeightedRandomForestRegressor,
    forest_settings,
    prepare_trees,
)
from autometa.datasets import TableSchema
from autometa.records import Config


class RandomForest(Candidate):
    """Bagged trees that try a random share of the columns at each split; missing numbers natively."""

    name: ClassVar[str] = "random_forest"
    reference: ClassVar[str] = "Breiman (2001), Random forests, Machine Learning 45"
    cost: ClassVar[FitCost | None] = FitCost(start=0.15, scale=0.46, rows=1.12, columns=0.48, classes=0.61)
    powers: ClassVar[Mapping[str, float]] = {"n_estimators": 0.87}
    takes_weights: ClassVar[bool] = True
    native_missing: ClassVar[bool] = True
    plenty: ClassVar[Mapping[str, int | float]] = {"n_estimators": 200}

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Ordinal codes, target means and plain numbers."""
        return prepare_trees(schema, seed=seed)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """scikit-learn's forest."""
        settings = forest_settings(config, schema=schema, seed=seed, n_threads=n_threads)
        if schema.task == "regression":
            return WeightedRandomForestRegressor(**settings)
        return WeightedRandomForestClassifier(**settings)
