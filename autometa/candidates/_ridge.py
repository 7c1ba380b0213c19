"""Ridge regression."""

import warnings
from typing import Any, ClassVar

import numpy.typing as npt
from scipy.linalg import LinAlgWarning
from sklearn import linear_model
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._prepare import scaled
from autometa.candidates._transformers import QuantileNormalizer
from autometa.candidates._weights import Floats
from autometa.candidates._wrapped import WrappedRegressor
from autometa.datasets import TableSchema
from autometa.records import Config, TaskType

_PRODUCTS_OF = 30


class RidgeRegressor(WrappedRegressor):
    """scikit-learn's `Ridge`, on the target itself or on its normal scores."""

    def __init__(self, settings: dict[str, Any], normal_scores: bool = False, random_state: int = 0) -> None:
        super().__init__(settings)
        self.normal_scores = normal_scores
        self.random_state = random_state

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        model = linear_model.Ridge(**self.settings)
        if self.normal_scores:
            scores = QuantileNormalizer(output_distribution="normal", random_state=self.random_state)
            model = TransformedTargetRegressor(model, transformer=scores, check_inverse=False)
        with warnings.catch_warnings():
            # A tiny penalty on collinear columns: ill-conditioned on purpose, and the fold's score judges it.
            warnings.simplefilter("ignore", LinAlgWarning)
            return model.fit(X, y, sample_weight=weights)


class Ridge(Candidate):
    """Ridge regression, optionally with products of numeric columns and a normalised target."""

    name: ClassVar[str] = "ridge"
    effort: ClassVar[int] = 1
    reference: ClassVar[str] = "Hoerl, Kennard (1970), Ridge regression, Technometrics 12"
    cost: ClassVar[FitCost | None] = FitCost(start=0.022, scale=0.0064, rows=1.09, columns=1.01, classes=0.0)
    takes_weights: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskType]] = frozenset(("regression",))

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Scaled numbers, with squares and products if asked for, and one-hot categories."""
        products = _PRODUCTS_OF if config["polynomial"] else 0
        return scaled(schema, scaling=str(config["scaling"]), seed=seed, polynomial=products)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `RidgeRegressor`."""
        return RidgeRegressor(
            {"alpha": config["alpha"]}, normal_scores=config["target"] == "quantile", random_state=seed
        )
