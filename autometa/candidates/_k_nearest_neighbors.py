"""k nearest neighbours."""

from typing import Any, ClassVar, Self

import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._prepare import scaled
from autometa.candidates._weights import Floats
from autometa.candidates._wrapped import Settings, Wrapped, WrappedClassifier, WrappedRegressor
from autometa.datasets import TableSchema
from autometa.errors import OptionError
from autometa.records import Config


class _Unweighted(Wrapped):
    """Refuses weights, which the nearest rows have no use for, rather than ignore them."""

    def fit(self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Keep (n, d) X and (n,) y.

        Raises:
            OptionError: There are weights.
        """
        if sample_weight is not None:
            raise OptionError(
                "k_nearest_neighbors cannot weigh rows, but got a sample_weight. Leave it out, or take a candidate "
                "whose takes_weights is true."
            )
        return super().fit(X, y)  # type: ignore[no-any-return]


class NeighborsClassifier(_Unweighted, WrappedClassifier):
    """scikit-learn's `KNeighborsClassifier`; all rows are neighbours where there are fewer than k."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        return KNeighborsClassifier(**_at_most(self.settings, X.shape[0])).fit(X, y)


class NeighborsRegressor(_Unweighted, WrappedRegressor):
    """scikit-learn's `KNeighborsRegressor`; all rows are neighbours where there are fewer than k."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        return KNeighborsRegressor(**_at_most(self.settings, X.shape[0])).fit(X, y)


def _at_most(settings: Settings, n_rows: int) -> dict[str, Any]:
    return {**settings, "n_neighbors": min(settings["n_neighbors"], n_rows)}


class KNearestNeighbors(Candidate):
    """Votes, or means, of the k nearest rows."""

    name: ClassVar[str] = "k_nearest_neighbors"
    effort: ClassVar[int] = 1
    reference: ClassVar[str] = "Cover, Hart (1967), Nearest neighbor pattern classification, IEEE Trans. Inf. Theory 13"
    cost: ClassVar[FitCost | None] = FitCost(start=0.021, scale=0.0076, rows=1.65, columns=0.75, classes=0.04)

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Scaled numbers and one-hot categories."""
        return scaled(schema, scaling=str(config["scaling"]), seed=seed)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `NeighborsClassifier` or `NeighborsRegressor`."""
        settings = {name: config[name] for name in ("n_neighbors", "weights", "p")} | {"n_jobs": n_threads}
        return NeighborsRegressor(settings) if schema.task == "regression" else NeighborsClassifier(settings)
