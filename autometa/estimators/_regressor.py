"""`AutoMetaRegressor`."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin

from autometa.estimators import _inputs
from autometa.estimators._base import AutoMetaEstimator


class AutoMetaRegressor(RegressorMixin, AutoMetaEstimator):  # type: ignore[misc]
    """A regressor that searches for its model, starting from what worked on other tables.

    Use it where scikit-learn expects an estimator. Parameters and attributes are those of `AutoMetaClassifier`, but
    for ``class_weight`` and ``classes_``. By default the search improves rmse; `score` is R², as in every regressor.

    Example:
        >>> from autometa import AutoMetaRegressor
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
        >>> model = AutoMetaRegressor(trials=2, jobs=1, candidates=["ridge"], random_state=0).fit(X, y)
        >>> model.score(X, y) > 0.4
        True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Search for a model.

        Args:
            X: Table of shape (n_rows, n_columns); at least 10 rows.
            y: Numbers of shape (n_rows,).
            sample_weight: What each row counts, in fits and in scores, shape (n_rows,).
            groups: Rows of one group are held out together, shape (n_rows,).

        Raises:
            ValueError: The input or a parameter breaks a rule.
            SearchError: No model came out of it.
        """
        self._check_y(y)
        frame, typed = _inputs.to_frame(self, X, reset=True)
        columns = _inputs.column_names(self, frame)
        dataset = _inputs.to_dataset(
            frame.set_axis(columns, axis=1),
            _inputs.to_numbers(y, len(frame)),
            target=_inputs.target_name(y),
            task="regression",
            typed=typed,
            weights=_inputs.to_weights(sample_weight, frame),
            groups=_inputs.to_groups(groups, len(frame)),
        )
        self._search(dataset)
        self._columns = columns
        return self

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Numbers of shape (n_rows,)."""
        table = self._read(X)
        return np.asarray(self.model_.predict(table))
