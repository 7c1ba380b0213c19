"""Metrics by name: any scikit-learn scorer, in its natural unit and direction.

scikit-learn negates losses so that greater is always better (``neg_log_loss``). People read ``log_loss``.
A `Metric` therefore carries the natural name, the direction and the scorer behind it.
"""

import difflib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.errors import OptionError
from autometa.records import Direction, TaskType

_SHORT = {
    "rmse": "neg_root_mean_squared_error",
    "mse": "neg_mean_squared_error",
    "mae": "neg_mean_absolute_error",
    "medae": "neg_median_absolute_error",
    "rmsle": "neg_root_mean_squared_log_error",
    "msle": "neg_mean_squared_log_error",
    "mape": "neg_mean_absolute_percentage_error",
    "brier": "neg_brier_score",
    "auc": "roc_auc",
}
_REGRESSION = {
    "d2_absolute_error_score",
    "explained_variance",
    "neg_max_error",
    "neg_mean_absolute_error",
    "neg_mean_absolute_percentage_error",
    "neg_mean_gamma_deviance",
    "neg_mean_poisson_deviance",
    "neg_mean_squared_error",
    "neg_mean_squared_log_error",
    "neg_median_absolute_error",
    "neg_root_mean_squared_error",
    "neg_root_mean_squared_log_error",
    "r2",
}
_CLUSTERING = {
    "adjusted_mutual_info_score",
    "adjusted_rand_score",
    "completeness_score",
    "fowlkes_mallows_score",
    "homogeneity_score",
    "mutual_info_score",
    "normalized_mutual_info_score",
    "rand_score",
    "v_measure_score",
}
_NATURAL = {
    "neg_root_mean_squared_error": "rmse",
    "neg_mean_squared_error": "mse",
    "neg_mean_absolute_error": "mae",
    "neg_median_absolute_error": "medae",
    "neg_root_mean_squared_log_error": "rmsle",
    "neg_mean_squared_log_error": "msle",
    "neg_mean_absolute_percentage_error": "mape",
}
_DEFAULT: dict[TaskType, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}

# Metrics whose good configurations are worth trying when the base has none for the metric asked for.
_RELATED: dict[TaskType, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "balanced_accuracy", "accuracy", "f1"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro"),
    "regression": ("rmse", "mse", "r2", "mae"),
}


@dataclass(frozen=True, slots=True)
class Metric:
    """A scikit-learn scorer in its natural unit, or a metric of the user's own, of which only values are known.

    ``name`` is what people read and what the knowledge base stores; ``scorer_name`` is scikit-learn's, None for a
    metric of one's own, which has ``own_direction`` instead.
    """

    name: str
    scorer_name: str | None
    own_direction: Direction | None = None

    @property
    def direction(self) -> Direction:
        """Which way is better, in the natural unit."""
        if self.own_direction is not None:
            return self.own_direction
        return "minimize" if str(self.scorer_name).startswith("neg_") else "maximize"

    @property
    def calibrated(self) -> bool:
        """Whether it is best where probabilities mean what they say, so that calibrating them helps."""
        return self.scorer_name in ("neg_log_loss", "neg_brier_score")

    def score(
        self, predictions: "Predictions", y: npt.ArrayLike, weights: npt.NDArray[np.float64] | None = None
    ) -> float:
        """Score stored predictions in the metric's natural unit.

        Args:
            predictions: Of n rows.
            y: The truth, shape (n,).
            weights: How much each row counts, shape (n,); None counts all alike.

        Raises:
            OptionError: The metric does not fit these predictions, or takes no weights; scikit-learn's own words are
                quoted.
        """
        from sklearn.metrics import get_scorer, log_loss

        if self.scorer_name is None:
            raise OptionError(f"Metric {self.name!r} is one of your own, and cannot be computed from predictions.")
        try:
            if self.scorer_name == "neg_log_loss" and isinstance(predictions, ClassPredictions):
                # The scorer takes the classes from y, and a small fold may lack one.
                labels, shares = predictions.classes_, predictions.predict_proba(None)
                return float(log_loss(y, shares, labels=labels, sample_weight=weights))
            weighted = {} if weights is None else {"sample_weight": weights}
            value = float(get_scorer(self.scorer_name)(predictions, np.zeros((len(predictions), 0)), y, **weighted))
        except TypeError as error:
            if weights is None:
                raise
            raise OptionError(
                f"Metric {self.name!r} takes no weights ({error}). Choose another metric, or leave the weights out."
            ) from error
        except ValueError as error:
            raise OptionError(f"Metric {self.name!r} cannot score these predictions: {error}") from error
        return value if self.direction == "maximize" else -value

    def better(self, a: float, b: float) -> bool:
        """Whether ``a`` is strictly better than ``b``."""
        return a > b if self.direction == "maximize" else a < b

    def loss(self, value: float) -> float:
        """The value with its sign turned, where needed, so that smaller is better."""
        return -value if self.direction == "maximize" else value


def resolve(name: str | None, task: TaskType, *, weighted: bool = False) -> Metric:
    """The metric of that name; None takes the task's default.

    Accepts scikit-learn's scorer names (``neg_log_loss``, ``roc_auc``) and short ones (``log_loss``,
    ``rmse``, ``mae``). For a multiclass task ``roc_auc`` means ``roc_auc_ovr``.

    Raises:
        OptionError: scikit-learn has no such scorer, it does not fit the task, or it takes no weights and ``weighted``
            asks for them.
    """
    from sklearn.metrics import get_scorer_names

    asked = name or _DEFAULT[task]
    known = get_scorer_names()
    scorer = _SHORT.get(asked, asked)
    if scorer not in known and f"neg_{scorer}" in known:
        scorer = f"neg_{scorer}"
    if task == "multiclass" and scorer == "roc_auc":
        scorer = "roc_auc_ovr"
    if scorer not in known:
        near = difflib.get_close_matches(asked, names(task), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise OptionError(f"Unknown metric {asked!r}.{hint} For a {task} task use one of: {_listed(task)}.")
    metric = Metric(_natural(scorer), scorer)
    if not _fits(metric, task):
        raise OptionError(f"Metric {asked!r} does not fit a {task} task. Use one of: {_listed(task)}.")
    if weighted:
        y, values = _probe(task)
        metric.score(stored(values, task), y, np.ones(len(y)))
    return metric


def names(task: TaskType) -> list[str]:
    """Names of the metrics that fit a task, in alphabetical order."""
    from sklearn.metrics import get_scorer_names

    metrics = (Metric(_natural(scorer), scorer) for scorer in get_scorer_names())
    return sorted(metric.name for metric in metrics if _fits(metric, task))


def _listed(task: TaskType) -> str:
    return ", ".join(names(task))


@cache
def _fits(metric: Metric, task: TaskType) -> bool:
    if metric.scorer_name in _CLUSTERING or (metric.scorer_name in _REGRESSION) != (task == "regression"):
        return False
    from sklearn.exceptions import UndefinedMetricWarning

    y, values = _probe(task)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UndefinedMetricWarning)  # such as top-2 accuracy of two classes
            return math.isfinite(metric.score(stored(values, task), y))
    except (OptionError, UndefinedMetricWarning):
        return False


def _probe(task: TaskType) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """A tiny task of that type that every fitting metric can score."""
    if task == "regression":
        return np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.5])
    n_classes = 2 if task == "binary" else 3
    y = np.repeat(np.arange(n_classes), 2)
    return y, (np.eye(n_classes)[np.roll(y, 1)] + 0.5) / (1 + 0.5 * n_classes)


def own(name: str, direction: Direction) -> Metric:
    """A metric of the user's own, such as the value of a study on something else than a table."""
    return Metric(name, None, direction)


def related(metric: Metric, task: TaskType | None) -> Sequence[str]:
    """Metric names to look for in a knowledge base: the metric itself, then its nearest relatives."""
    if task is None or metric.scorer_name is None:
        return (metric.name,)
    first = ("roc_auc",) if metric.name.startswith("roc_auc") else ()
    return tuple(dict.fromkeys((metric.name, *first, *_RELATED[task])))


def _natural(scorer: str) -> str:
    return _NATURAL.get(scorer, scorer.removeprefix("neg_"))


class Predictions:
    """Stored predictions in the shape of a fitted regressor, so that any scorer can score them.

    ``values`` are of shape (n_rows,), float64.
    """

    _estimator_type = "regressor"

    def __init__(self, values: npt.NDArray[np.float64]) -> None:
        """See the class."""
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        tags = Tags(estimator_type=self._estimator_type, target_tags=TargetTags(required=True))
        if self._estimator_type == "classifier":
            tags.classifier_tags = ClassifierTags()
        else:
            tags.regressor_tags = RegressorTags()
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any) -> "Predictions":
        """Present because scorers ask for it; stored predictions cannot be fitted."""
        raise TypeError("Stored predictions cannot be fitted.")

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The stored predictions."""
        return self._values


class ClassPredictions(Predictions):
    """Stored class probabilities in the shape of a fitted classifier.

    ``values`` are of shape (n_rows, n_classes); class k has the label k.
    """

    _estimator_type = "classifier"

    @property
    def classes_(self) -> npt.NDArray[np.int64]:
        """The class codes, in column order."""
        return np.arange(self._values.shape[1])

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """The most probable class of each row."""
        return np.asarray(self._values.argmax(axis=1))

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """The stored probabilities."""
        return self._values


def stored(values: npt.NDArray[np.float64], task: TaskType) -> Predictions:
    """Wrap out-of-fold or test predictions of a task for scoring."""
    return Predictions(values) if task == "regression" else ClassPredictions(values)
