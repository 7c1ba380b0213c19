"""Regularised logistic regression."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn import linear_model
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._prepare import scaled
from autometa.candidates._weights import Floats
from autometa.candidates._wrapped import WrappedClassifier
from autometa.datasets import TableSchema
from autometa.records import Config, TaskType

_L1_RATIO = {"l2": 0.0, "l1": 1.0}
_NEWTON_LIMIT = 400


class LogisticClassifier(WrappedClassifier):
    """scikit-learn's `LogisticRegression` with the solver that suits the penalty and the size.

    Newton steps for the plain l2 penalty while their matrix is small: a few iterations, whatever C; L-BFGS
    beyond; SAGA (Defazio et al., 2014) wherever there is an l1 part, to a tolerance of 1e-3.
    """

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        n_weights = X.shape[1] * np.unique(y).size
        if self.settings["l1_ratio"] > 0:
            solver = {"solver": "saga", "tol": 1e-3, "max_iter": 300}
        elif n_weights <= _NEWTON_LIMIT:
            solver = {"solver": "newton-cholesky", "max_iter": 50}
        else:
            solver = {"solver": "lbfgs", "max_iter": 300}
        return linear_model.LogisticRegression(**self.settings, **solver).fit(X, y, sample_weight=weights)


class LogisticRegression(Candidate):
    """Logistic regression with an l2, l1 or elastic-net penalty, multinomial for more than two classes."""

    name: ClassVar[str] = "logistic_regression"
    effort: ClassVar[int] = 1
    reference: ClassVar[str] = "Hastie, Tibshirani, Friedman (2009), The Elements of Statistical Learning, section 4.4"
    cost: ClassVar[FitCost | None] = FitCost(start=0.043, scale=0.0074, rows=1.22, columns=0.93, classes=0.9)
    takes_weights: ClassVar[bool] = True
    tasks: ClassVar[frozenset[TaskType]] = frozenset(("binary", "multiclass"))

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Scaled numbers and one-hot categories."""
        return scaled(schema, scaling=str(config["scaling"]), seed=seed)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `LogisticClassifier`."""
        penalty = str(config["penalty"])
        settings = {
            "C": config["C"],
            "l1_ratio": _L1_RATIO.get(penalty, config.get("l1_ratio")),
            "class_weight": config["class_weight"],
            "random_state": seed,
        }
        return LogisticClassifier(settings)
