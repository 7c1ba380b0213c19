"""Extremely randomised trees."""

from collections.abc import Mapping
from typing import ClassVar

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._forest import (
    WeightedExtraTreesClassifier,
    WeightedExtraTreesRegressor,
    forest_settings,
    prepare_trees,
)
from autometa.datasets import TableSchema
from autometa.records import Config


class ExtraTrees(Candidate):
    """Trees whose split points are drawn at random; missing numbers natively."""

    name: ClassVar[str] = "extra_trees"
    reference: ClassVar[str] = "Geurts, Ernst, Wehenkel (2006), Extremely randomized trees, Machine Learning 63"
    cost: ClassVar[FitCost | None] = FitCost(start=0.058, scale=0.26, rows=0.91, columns=0.38, classes=0.48)
    powers: ClassVar[Mapping[str, float]] = {"n_estimators": 0.87}
    takes_weights: ClassVar[bool] = True
    native_missing: ClassVar[bool] = True
    plenty: ClassVar[Mapping[str, int | float]] = {"n_estimators": 200}

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Ordinal codes, target means and plain numbers."""
        return prepare_trees(schema, seed=seed)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """scikit-learn's extremely randomised trees."""
        settings = forest_settings(config, schema=schema, seed=seed, n_threads=n_threads)
        if schema.task == "regression":
            return WeightedExtraTreesRegressor(**settings)
        return WeightedExtraTreesClassifier(**settings)
