"""k nearest neighbours."""

from typing import Any, ClassVar

import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from autometa.candidates._base import Candidate
from autometa.candidates._prepare import scaled
from autometa.candidates._wrapped import Settings, WrappedClassifier, WrappedRegressor
from autometa.datasets import TableSchema
from autometa.records import Config


class NeighborsClassifier(WrappedClassifier):
    """scikit-learn's `KNeighborsClassifier`; all rows are neighbours where there are fewer than k."""

    def _learn(self, X: Any, y: npt.NDArray[Any]) -> Any:
        return KNeighborsClassifier(**_at_most(self.settings, X.shape[0])).fit(X, y)


class NeighborsRegressor(WrappedRegressor):
    """scikit-learn's `KNeighborsRegressor`; all rows are neighbours where there are fewer than k."""

    def _learn(self, X: Any, y: npt.NDArray[Any]) -> Any:
        return KNeighborsRegressor(**_at_most(self.settings, X.shape[0])).fit(X, y)


def _at_most(settings: Settings, n_rows: int) -> dict[str, Any]:
    return {**settings, "n_neighbors": min(settings["n_neighbors"], n_rows)}


class KNearestNeighbors(Candidate):
    """Votes, or means, of the k nearest rows."""

    name: ClassVar[str] = "k_nearest_neighbors"
    effort: ClassVar[int] = 1
    reference: ClassVar[str] = "Cover, Hart (1967), Nearest neighbor pattern classification, IEEE Trans. Inf. Theory 13"

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Scaled numbers and one-hot categories."""
        return scaled(schema, scaling=str(config["scaling"]), seed=seed)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `NeighborsClassifier` or `NeighborsRegressor`."""
        settings = {name: config[name] for name in ("n_neighbors", "weights", "p")} | {"n_jobs": n_threads}
        return NeighborsRegressor(settings) if schema.task == "regression" else NeighborsClassifier(settings)
