"""Support vector machines with a kernel."""

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._prepare import scaled
from autometa.candidates._weights import Floats
from autometa.candidates._wrapped import WrappedClassifier, WrappedRegressor
from autometa.datasets import TableSchema
from autometa.records import Config

_MAX_ITER = 100_000
_FOLDS = 3


class SupportVectorClassifier(WrappedClassifier):
    """scikit-learn's `SVC` with probabilities after Platt (1999), *Probabilistic outputs for SVMs*.

    One machine on all rows; the sigmoid on its decision values is fitted to those of three folds. A class
    with a single row cannot be held out, and the sigmoid is then fitted to the machine's own rows, which
    makes it too sure of itself.
    """

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        n_folds = min(_FOLDS, int(np.bincount(y).min()))
        rows = np.arange(y.size)
        folds: Any = [(rows, rows)]
        if n_folds >= 2:
            folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.settings["random_state"])
        return CalibratedClassifierCV(SVC(**self.settings), cv=folds, ensemble=False).fit(X, y, sample_weight=weights)


class SupportVectorRegressor(WrappedRegressor):
    """scikit-learn's `SVR` on the standardised target, so that C and epsilon mean the same everywhere."""

    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        machine = TransformedTargetRegressor(SVR(**self.settings), transformer=StandardScaler())
        # SVR has no random_state, yet draws a number that it never uses from the global one.
        state = np.random.get_state()
        try:
            return machine.fit(X, y, sample_weight=weights)
        finally:
            np.random.set_state(state)


class SVM(Candidate):
    """A support vector machine with an RBF, polynomial or sigmoid kernel."""

    name: ClassVar[str] = "svm"
    effort: ClassVar[int] = 3
    reference: ClassVar[str] = "Cortes, Vapnik (1995), Support-vector networks, Machine Learning 20"
    cost: ClassVar[FitCost | None] = FitCost(start=0.00091, scale=0.11, rows=1.87, columns=0.75, classes=0.63)
    bags: ClassVar[bool] = True
    takes_weights: ClassVar[bool] = True

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Scaled numbers and one-hot categories."""
        return scaled(schema, scaling=str(config["scaling"]), seed=seed)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `SupportVectorClassifier` or `SupportVectorRegressor`."""
        settings = {name: value for name, value in config.items() if name != "scaling"}
        settings["max_iter"] = _MAX_ITER
        if schema.task == "regression":
            return SupportVectorRegressor(settings)
        return SupportVectorClassifier({**settings, "random_state": seed})
