"""`AutoMetaClassifier`."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_sample_weight

from autometa.estimators import _inputs
from autometa.estimators._base import AutoMetaEstimator
from autometa.knowledge import KnowledgeBase


class AutoMetaClassifier(ClassifierMixin, AutoMetaEstimator):  # type: ignore[misc]
    """A classifier that searches for its model, starting from what worked on other tables.

    Use it where scikit-learn expects an estimator: in pipelines, `cross_val_score`, stacking. `autometa.tune` is the
    same search for tables in files, and can be resumed.

    X is a DataFrame of any types (numbers, words, categories, dates, missing values) or an array; numbers in an array
    are always taken as numbers. Missing values are fine; infinities count as missing. A fitted estimator needs no
    file: it can be pickled and copied, and predicts without Optuna, MLflow or the knowledge base.

    Args:
        time_limit: Seconds for one fit; 300 if neither it nor ``trials`` is given.
        trials: Number of trials after which the search ends.
        jobs: Trials at the same time; by default one per core.
        memory_limit: Megabytes for one trial.
        random_state: Seed of everything that is random: an int, a ``RandomState``, or None for a fresh one. With an
            int, ``trials`` and ``jobs=1`` the same call gives the same model.
        metric: What the search improves: any scikit-learn scorer; by default roc_auc or log_loss. `score` is
            accuracy, as in every classifier.
        cv: How trials are judged: folds (5), repeated folds ("5x3"), "holdout", a scikit-learn splitter, or pairs of
            row numbers.
        warm_start: ``auto`` or True, another warm starter's name, or ``none`` or False.
        candidates: Names of the candidates to search; by default every installed one.
        ensemble_size: Models at most in the ensemble; 1 gives the best model alone.
        learn: Whether the knowledge base may keep the search's configurations and scores (never rows); off, because a
            cross-validation would add a dataset for each of its fits. Fits of estimators never advise each other: in a
            cross-validation, one fit learns from the rows that another is tested on.
        output: Folder to keep the whole search in; by default it happens in a temporary one.
        kb: Knowledge base; by default the shipped one with the user's own runs over it.
        mlflow: Whether to track the search: False, True for the user's own MLflow store, or a tracking URI.
        class_weight: ``auto`` (balances where the metric counts classes alike), ``balanced``, None, or a dict of
            label to weight.

    Attributes:
        classes_: The labels, in the order of `predict_proba`'s columns.
        n_features_in_: Number of columns.
        feature_names_in_: Their names, where X had any.
        leaderboard_: One row per trial, best first.
        search_: Metric, scores, seed, notes: a `SearchFacts`.
        model_: The `autometa.Model`, in memory.
        best_pipeline_: The model's best member as a scikit-learn pipeline.
        search_folder_: The folder of the search, or None without ``output``.

    Example:
        >>> from autometa import AutoMetaClassifier
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True, as_frame=True)
        >>> model = AutoMetaClassifier(trials=2, jobs=1, candidates=["logistic_regression"], random_state=0)
        >>> model.fit(X, y).score(X, y) > 0.9
        True
        >>> model.predict_proba(X).shape
        (150, 3)
    """

    def __init__(
        self,
        *,
        time_limit: float | None = None,
        trials: int | None = None,
        jobs: int | None = None,
        memory_limit: int | None = None,
        random_state: Any = None,
        metric: str | None = None,
        cv: Any = 5,
        warm_start: str | bool = "auto",
        candidates: Sequence[str] | None = None,
        ensemble_size: int = 8,
        learn: bool = False,
        output: str | os.PathLike[str] | None = None,
        kb: KnowledgeBase | None = None,
        mlflow: bool | str = False,
        class_weight: str | Mapping[Any, float] | None = "auto",
    ) -> None:
        super().__init__(
            time_limit=time_limit,
            trials=trials,
            jobs=jobs,
            memory_limit=memory_limit,
            random_state=random_state,
            metric=metric,
            cv=cv,
            warm_start=warm_start,
            candidates=candidates,
            ensemble_size=ensemble_size,
            learn=learn,
            output=output,
            kb=kb,
            mlflow=mlflow,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Self:
        """Search for a model.

        Args:
            X: Table of shape (n_rows, n_columns); at least 10 rows.
            y: Labels of shape (n_rows,): words, whole numbers, booleans or numbers.
            sample_weight: What each row counts, in fits and in scores, shape (n_rows,).
            groups: Rows of one group are held out together, shape (n_rows,).

        Raises:
            ValueError: The input or a parameter breaks a rule.
            SearchError: No model came out of it.
        """
        self._check_y(y)
        frame, typed = _inputs.to_frame(self, X, reset=True)
        classes, codes = _inputs.to_labels(y, len(frame))
        weights = self._weights(_inputs.to_weights(sample_weight, frame), classes, codes)
        columns = _inputs.column_names(self, frame)
        dataset = _inputs.to_dataset(
            frame.set_axis(columns, axis=1),
            codes,
            target=_inputs.target_name(y),
            task="binary" if len(classes) == 2 else "multiclass",
            typed=typed,
            classes=classes,
            weights=weights,
            groups=_inputs.to_groups(groups, len(frame)),
        )
        told = self.class_weight if isinstance(self.class_weight, str) else "none"
        self._search(dataset, class_weight=told)
        self.classes_, self._columns = classes, columns
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Labels of shape (n_rows,), of y's own type."""
        places = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[places])

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of shape (n_rows, n_classes), columns in the order of ``classes_``."""
        table = self._read(X)
        return np.asarray(self.model_.predict_proba(table))

    def _weights(
        self,
        weights: npt.NDArray[np.float64] | None,
        classes: npt.NDArray[Any],
        codes: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float64] | None:
        """Weights of the rows times those of their classes.

        Raises:
            ValueError: Rows of only one class are left.
        """
        if isinstance(self.class_weight, Mapping):
            by_class = compute_sample_weight(dict(self.class_weight), classes[codes])
            weights = by_class if weights is None else weights * by_class
        if weights is not None and len(np.unique(codes[weights > 0])) < 2:
            raise ValueError("A classifier needs weights above 0 in at least 2 classes; here only one class has any.")
        return weights
