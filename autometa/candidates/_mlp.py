"""A residual network."""

from collections.abc import Mapping
from typing import Any, ClassVar

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor
from autometa.candidates._prepare import coded
from autometa.datasets import TableSchema
from autometa.records import Config, ConfigValue

_UNKNOWN_CODE = -1.0
_OPTIMIZER_COSTS = {"learned": 1.3}  # of the shipped rule; a recurrent one of 20 units would take 16 times AdamW's time


class MLP(Candidate):
    """Residual network with numeric embeddings, as an ensemble that shares its weights.

    The estimators scale, clip and flag missing numbers themselves, because the periodic embedding depends
    on that scale, so the preparation only turns categories, dates and texts into numbers. References:
    `autometa.candidates._mlp_net`.
    """

    name: ClassVar[str] = "mlp"
    reference: ClassVar[str] = "Holzmüller et al. (2024), RealMLP; Gorishniy et al. (2025), TabM"
    cost: ClassVar[FitCost | None] = FitCost(start=0.00091, scale=2.5, rows=1.06, columns=0.25, classes=0.0)
    powers: ClassVar[Mapping[str, float]] = {"width": 0.37, "n_blocks": 0.47, "ensemble_size": 0.33}
    stops_in_time: ClassVar[bool] = True
    bags: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True
    effort: ClassVar[int] = 3
    native_missing: ClassVar[bool] = True
    native_categories: ClassVar[bool] = True

    def fit_seconds(
        self, n_rows: int, n_columns: int, n_classes: int = 0, *, config: Mapping[str, ConfigValue] | None = None
    ) -> float:
        """As of every candidate; updates by a learned optimizer take longer."""
        seconds = super().fit_seconds(n_rows, n_columns, n_classes, config=config)
        return seconds * _OPTIMIZER_COSTS.get(str((config or {}).get("optimizer")), 1.0)

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Category codes first, then numbers with NaN where missing."""
        return coded(schema, seed=seed, dtype="float64", unknown=_UNKNOWN_CODE)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """An `MLPClassifier` or `MLPRegressor`; what the space lacks keeps the estimator's default."""
        fixed: dict[str, Any] = {
            "n_categorical": len(schema.names("categorical")),
            "n_threads": n_threads,
            "random_state": seed,
        }
        estimator = MLPRegressor if schema.task == "regression" else MLPClassifier
        return estimator().set_params(**fixed, **config)
