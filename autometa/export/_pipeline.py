"""A saved model as one scikit-learn pipeline: raw table in, labels or numbers out."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.ensemble import VotingClassifier, VotingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Bunch

from autometa import candidates
from autometa.calibration import Calibration
from autometa.datasets import TableSchema
from autometa.errors import OptionError, TableError
from autometa.model import Model

TRUSTED_TYPES: tuple[str, ...] = (
    *candidates.TRUSTED_TYPES,
    "autometa.export._pipeline.LabelledClassifier",
    "autometa.export._pipeline.TableShape",
    "sklearn.utils._bunch.Bunch",
)
"""What `skops.io.load` must trust to load an exported pipeline; a plug-in's candidate adds its own types."""


class TableShape(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Brings a raw table into the shape that a model was trained on: `autometa.datasets.TableSchema.apply`.

    ``schema`` is what `TableSchema.to_json` gives.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learns nothing; the columns are those of the schema.

        Raises:
            TableError: X lacks a column, or is no DataFrame.
        """
        self.transform(X)
        return self._ready()

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        """(n, m) raw table to the (n, d) features, in order.

        Raises:
            TableError: X lacks a column, holds what cannot be read as its kind, or is no DataFrame.
        """
        if not isinstance(X, pd.DataFrame):
            raise TableError(
                f"The pipeline takes a pandas DataFrame with the columns by name, but got {type(X).__name__}. "
                "Wrap it: pandas.DataFrame(X, columns=pipeline.feature_names_in_)."
            )
        return TableSchema.from_json(self.schema).apply(X)

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Names of the features."""
        return np.array(TableSchema.from_json(self.schema).names(), dtype=object)

    def _ready(self) -> Self:
        self.feature_names_in_ = self.get_feature_names_out()
        self.n_features_in_ = len(self.feature_names_in_)
        return self


class LabelledClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of class codes, spoken to in labels.

    ``estimator`` learns codes 0..K-1 and ``schema`` (`TableSchema.to_json`) knows their labels. ``classes_`` are
    sorted, as scikit-learn's metrics take for granted, so the columns of `predict_proba` may stand in another order
    than those of `autometa.Model`. A class that is missing in training has probability 0, before ``calibration``
    (`Calibration.to_json`, or None) is applied.
    """

    def __init__(self, estimator: Any, schema: Mapping[str, Any], calibration: Mapping[str, Any] | None = None) -> None:
        self.estimator = estimator
        self.schema = schema
        self.calibration = calibration

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a clone of ``estimator`` on (n, d) X and n labels.

        Raises:
            TableError: A label is none of the schema's.
        """
        codes = TableSchema.from_json(self.schema).encode_target(y)
        return self._take(clone(self.estimator).fit(X, codes))

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of shape (n, K), columns as in ``classes_``."""
        seen = np.asarray(self.estimator_.predict_proba(X), dtype=np.float64)
        by_code = np.zeros((len(seen), len(self.classes_)))
        by_code[:, np.asarray(self.estimator_.classes_, dtype=np.int64)] = seen
        if self.calibration is not None:
            by_code = Calibration.from_json(self.calibration).apply(by_code)
        values = np.empty_like(by_code)
        values[:, self._places] = by_code
        return values

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable label of each row; of equal ones that with the smallest code."""
        by_code = self.predict_proba(X)[:, self._places]
        labels: npt.NDArray[Any] = TableSchema.from_json(self.schema).decode_target(by_code.argmax(axis=1))
        return labels

    @property
    def _places(self) -> npt.NDArray[np.intp]:
        """Of each code, its column."""
        n_classes = len(self.classes_)
        labels = TableSchema.from_json(self.schema).decode_target(np.arange(n_classes))
        return np.searchsorted(self.classes_, labels)

    def _take(self, fitted: Any) -> Self:
        self.estimator_ = fitted
        schema = TableSchema.from_json(self.schema)
        self.classes_ = np.sort(schema.decode_target(np.arange(len(schema.classes))))
        return self


def pipeline(model: Model, *, member: int | None = None, whole: bool = False) -> Pipeline:
    """A model, or one of its members, as a fitted scikit-learn pipeline.

    It takes raw tables and answers in the table's own labels, can be pickled, saved with skops, cloned, fitted
    again and passed to whatever takes an estimator. Its steps are ``table`` (`TableShape`) and ``model``; a single
    member of a regression has ``table``, ``prepare`` and ``model``. Whoever loads it needs autometa installed, whose
    transformers it holds.

    Args:
        model: A loaded model.
        member: Place of the member in ``model.members``; None takes the one with the most weight.
        whole: Take all members: scikit-learn's `VotingClassifier` or `VotingRegressor` with their weights, and the
            model's calibration. Members have calibrations of their own, with which they also stand alone.

    Raises:
        OptionError: There is no such member, or both options are given.
    """
    if whole and member is not None:
        raise OptionError(f"whole=True takes all members, but member={member} names one. Leave one of them out.")
    fitted = _vote(model) if whole else model.pipelines[chosen_member(model, member)]
    schema = model.schema.to_json()
    table = TableShape(schema)._ready()
    if model.task != "regression":
        chosen = model.calibration if whole else model.members[chosen_member(model, member)].calibration
        labelled = LabelledClassifier(clone(fitted), schema, _plain(chosen))._take(fitted)
        return Pipeline([("table", table), ("model", labelled)])
    steps = fitted.steps if isinstance(fitted, Pipeline) else [("model", fitted)]
    return Pipeline([("table", table), *steps])


def chosen_member(model: Model, member: int | None = None) -> int:
    """The place of a member, by default of the one with the most weight.

    Raises:
        OptionError: There is no such member.
    """
    if member is None:
        return int(np.argmax([one.weight for one in model.members]))
    if not 0 <= member < len(model.members):
        listed = ", ".join(f"{place} ({one.candidate})" for place, one in enumerate(model.members))
        raise OptionError(f"member must be one of {listed}, but got {member}.")
    return member


def plugin_types(model: Model) -> tuple[str, ...]:
    """The types beyond `TRUSTED_TYPES` that the candidates of a model's members ask to trust."""
    members = {member.candidate for member in model.members}
    return tuple(name for one in sorted(members) for name in candidates.CANDIDATES.create(one).trusted_types)


def _plain(calibration: Calibration | None) -> dict[str, Any] | None:
    return None if calibration is None else calibration.to_json()


def _vote(model: Model) -> VotingClassifier | VotingRegressor:
    """The ensemble in scikit-learn's own words, fitted."""
    fitted = list(model.pipelines)
    names = [f"{place:02d}-{one.candidate}" for place, one in enumerate(model.members)]
    weights = [one.weight for one in model.members]
    if model.task == "regression":
        vote = VotingRegressor([(n, clone(one)) for n, one in zip(names, fitted, strict=True)], weights=weights)
    else:
        codes = list(range(len(model.classes)))
        coded = {**model.schema.to_json(), "classes": codes}
        # Members that never saw a class have no column for it, which a vote cannot add up.
        fitted = [
            one
            if list(one.classes_) == codes and member.calibration is None
            else LabelledClassifier(clone(one), coded, _plain(member.calibration))._take(one)
            for one, member in zip(fitted, model.members, strict=True)
        ]
        estimators = [(n, clone(one)) for n, one in zip(names, fitted, strict=True)]
        vote = VotingClassifier(estimators, voting="soft", weights=weights)
        vote.le_ = LabelEncoder().fit(codes)
        vote.classes_ = vote.le_.classes_
    vote.estimators_ = fitted
    vote.named_estimators_ = Bunch(**dict(zip(names, fitted, strict=True)))
    return vote
