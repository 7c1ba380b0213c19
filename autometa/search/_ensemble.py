"""Greedy ensemble selection on out-of-fold predictions.

Caruana, Niculescu-Mizil, Crew, Ksikes (2004), Ensemble selection from libraries of models, ICML, section 2:
start empty, add with replacement whichever model improves the ensemble's score most, keep the best prefix.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from autometa.metrics import Metric, stored
from autometa.records import TaskType

Array = npt.NDArray[np.float64]
PARTS_OF_ONE = 5


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Weights by trial number, largest first, adding up to 1.

    ``score`` is the weighted predictions' mean score over the folds. The same predictions chose the weights,
    so it flatters; ``honest_score`` does not: for each fold the selection is repeated on the other folds'
    predictions and scored on that fold. It is None where the time did not suffice. ``honest`` are those predictions.
    """

    weights: Mapping[int, float]
    score: float
    honest_score: float | None
    honest: Array


def select(
    predictions: Mapping[int, Array],
    y: npt.NDArray[np.generic],
    folds: npt.NDArray[np.int64],
    *,
    metric: Metric,
    task: TaskType,
    sample_weights: Array | None = None,
    max_members: int = 8,
    rounds: int = 25,
    max_rows: int = 20_000,
    deadline: float = inf,
) -> Ensemble:
    """Choose trials and their weights.

    Args:
        predictions: Out-of-fold predictions by trial number, best trial first: (n_rows, n_classes) or (n_rows,).
        y: Target, shape (n_rows,).
        folds: Split of each row, shape (n_rows,).
        metric: What to improve.
        task: Shapes the predictions.
        sample_weights: How much each row counts, shape (n_rows,); None counts all alike.
        max_members: How many different models may be chosen.
        rounds: How many models are added, repeats included.
        max_rows: Larger tables are thinned to this many rows for the selection; scores use every row.
        deadline: `time.monotonic` seconds at which the selection takes what it has.

    Raises:
        ValueError: ``predictions`` is empty.
    """
    if not predictions:
        raise ValueError("Ensemble selection needs the predictions of at least one trial.")
    numbers = list(predictions)
    library = np.stack([predictions[number] for number in numbers])
    rows = np.arange(0, len(y), -(-len(y) // max_rows))

    def choose(inside: npt.NDArray[np.int64]) -> Array:
        counted = None if sample_weights is None else sample_weights[inside]
        losses = _batch_loss(metric, task, y[inside], counted)
        return _greedy(library[:, inside], losses, max_members, rounds, deadline)

    def score(values: Array) -> float:
        return float(np.mean(fold_scores(values, y, folds, metric=metric, task=task, sample_weights=sample_weights)))

    weights = choose(rows)
    order = np.argsort(-weights, kind="stable")
    honest = _chosen_anew(library, choose, folds, rows)
    return Ensemble(
        {numbers[i]: float(weights[i]) for i in order if weights[i] > 0},
        score(_blend(library, weights)),
        None if time.monotonic() > deadline else score(honest),
        honest,
    )


def fold_scores(
    values: Array,
    y: npt.NDArray[np.generic],
    folds: npt.NDArray[np.int64],
    *,
    metric: Metric,
    task: TaskType,
    sample_weights: Array | None = None,
) -> tuple[float, ...]:
    """The metric of out-of-fold predictions, split by split; trials report the mean."""
    scores = []
    for fold in np.unique(folds):
        inside = folds == fold
        counted = None if sample_weights is None else sample_weights[inside]
        scores.append(metric.score(stored(values[inside], task), y[inside], counted))
    return tuple(scores)


def _chosen_anew(
    library: Array,
    choose: Callable[[npt.NDArray[np.int64]], Array],
    folds: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
) -> Array:
    """Each row's blend with weights that were chosen without its split; a single split is cut into parts for that."""
    parts = folds if folds.min() != folds.max() else np.arange(len(folds)) % PARTS_OF_ONE
    values: Array = np.empty_like(library[0])
    for part in np.unique(parts):
        outside = parts == part
        inside = rows[parts[rows] != part]
        values[outside] = _blend(library[:, outside], choose(inside if len(inside) else rows))
    return values


def _blend(library: Array, weights: Array) -> Array:
    return np.tensordot(weights, library, axes=1)


def _greedy(library: Array, losses: Callable[[Array], Array], max_members: int, rounds: int, deadline: float) -> Array:
    total = np.zeros_like(library[0])
    chosen: list[int] = []
    best, best_length = inf, 1
    for size in range(1, rounds + 1):
        loss = losses((total[None] + library) / size)
        if len(set(chosen)) == max_members:
            loss[~np.isin(np.arange(len(loss)), chosen)] = inf
        pick = int(np.argmin(loss))
        chosen.append(pick)
        total += library[pick]
        if loss[pick] < best - 1e-12:
            best, best_length = float(loss[pick]), size
        if time.monotonic() > deadline:
            break
    weights = np.bincount(chosen[:best_length], minlength=len(library)).astype(np.float64)
    return np.asarray(weights / weights.sum())


def _batch_loss(
    metric: Metric, task: TaskType, y: npt.NDArray[np.generic], counted: Array | None = None
) -> Callable[[Array], Array]:
    """Loss of many predictions at once, shape (n_models, n_rows[, n_classes]) to (n_models,).

    The common metrics are vectorised because selection evaluates thousands of blends; every other one goes
    through its scorer. Tests hold both to the same values.
    """
    rows = np.arange(len(y))
    codes = y.astype(np.int64) if task != "regression" else rows
    share = np.full(len(y), 1 / len(y)) if counted is None else counted / counted.sum()
    if metric.scorer_name == "neg_log_loss":
        tiny = np.finfo(np.float64).eps

        def log_loss(batch: Array) -> Array:
            normalised = batch[:, rows, codes] / batch.sum(axis=2)
            return np.asarray(-np.log(np.clip(normalised, tiny, 1 - tiny)) @ share, np.float64)

        return log_loss
    if metric.scorer_name == "roc_auc" and task == "binary" and counted is None:
        positive = codes == 1
        n_positive, n_negative = int(positive.sum()), int((~positive).sum())
        if n_positive and n_negative:

            def roc_auc(batch: Array) -> Array:
                ranks = rankdata(batch[:, :, 1], axis=1)[:, positive].sum(axis=1)
                return np.asarray(-(ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))

            return roc_auc
    if metric.scorer_name == "accuracy":
        return lambda batch: np.asarray(-((batch.argmax(axis=2) == codes) @ share))
    if metric.scorer_name in ("neg_root_mean_squared_error", "neg_mean_squared_error"):
        target = y.astype(np.float64)
        power = 0.5 if "root" in metric.scorer_name else 1.0
        return lambda batch: np.asarray((((batch - target) ** 2) @ share) ** power)

    def scored(batch: Array) -> Array:
        return np.array([metric.loss(metric.score(stored(values, task), y, counted)) for values in batch], np.float64)

    return scored
