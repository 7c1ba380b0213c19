"""Estimators that make another library's model once the data are there.

Some choices need the data: how many neighbours there can be, which columns are categories, whether a class
has rows enough for a fold. A wrapper makes them in `fit` and keeps the library's own fitted model, with its
importances and its methods, in ``model_``.
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning

from autometa.candidates._weights import Floats, require_two_classes, weighted_rows

Settings = Mapping[str, Any]


class Wrapped(BaseEstimator, ABC):  # type: ignore[misc]
    """A model of another class, made in `fit`.

    ``settings`` are the keyword arguments of that class; the first ``n_categorical`` columns of X hold
    category codes, the rest numbers.
    """

    def __init__(self, settings: Settings, n_categorical: int = 0) -> None:
        self.settings = settings
        self.n_categorical = n_categorical

    @abstractmethod
    def _learn(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        """Make the model for (n, d) X and (n,) y, and fit it. A classifier's y are codes 0..K-1.

        ``weights`` are (n,) positive numbers that average 1, or None where all rows weigh the same.
        """

    def _learn_quietly(self, X: Any, y: npt.NDArray[Any], weights: Floats | None) -> Any:
        with warnings.catch_warnings():
            # Stopped at its iteration limit, a solver keeps what it has; the fold's score judges it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self._learn(X, y, weights)


class WrappedRegressor(RegressorMixin, Wrapped):  # type: ignore[misc]
    """Wraps a regressor."""

    def fit(self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Make and fit the model on (n, d) X and (n,) y; `weighted_rows` says what weights mean.

        Raises:
            OptionError: The weights are not n numbers of 0 or more, some of them positive.
        """
        X, target, weights = weighted_rows(X, np.asarray(y, dtype=np.float64), sample_weight)
        self.n_features_in_ = X.shape[1]
        self.model_ = self._learn_quietly(X, target, weights)
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Predictions for (n, d) X, of shape (n,)."""
        return np.asarray(self.model_.predict(X), dtype=np.float64)


class WrappedClassifier(ClassifierMixin, Wrapped):  # type: ignore[misc]
    """Wraps a classifier with `predict_proba`; the model sees the classes of this fold as 0..K-1."""

    def fit(self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Make and fit the model on (n, d) X and (n,) class codes; `weighted_rows` says what weights mean.

        A class whose rows all weigh 0 is not there.

        Raises:
            OptionError: The weights are not n numbers of 0 or more, some of them positive in two classes.
        """
        X, labels, weights = weighted_rows(X, np.asarray(y), sample_weight)
        self.n_features_in_ = X.shape[1]
        self.classes_, codes = np.unique(labels, return_inverse=True)
        require_two_classes(codes, sample_weight)
        self.model_ = self._learn_quietly(X, codes, weights)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities for (n, d) X, of shape (n, K), columns as in ``classes_``."""
        values = np.asarray(self._probabilities(X), dtype=np.float64)
        return np.asarray(values / values.sum(axis=1, keepdims=True))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def _probabilities(self, X: Any) -> npt.NDArray[Any]:
        return np.asarray(self.model_.predict_proba(X))
