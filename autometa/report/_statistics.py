"""What the predictions and the trials add up to; NumPy only, no markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NORMAL_95 = 1.959964
_CURVE_POINTS = 300


def confusion(y: npt.NDArray[Any], predicted: npt.NDArray[Any], n_classes: int) -> Ints:
    """Counts of shape (n_classes, n_classes): actual class by predicted class."""
    flat = np.bincount(y.astype(np.int64) * n_classes + predicted.astype(np.int64), minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """A reliability curve: mean probability and observed share in bins of equal width, with 95 % Wilson intervals.

    ``error`` is the expected calibration error: the gap between the two, weighted by the bins' counts
    (Guo, Pleiss, Sun, Weinberger (2017), On calibration of modern neural networks, section 2).
    """

    counts: Ints
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    error: float


def reliability(probability: Floats, happened: npt.NDArray[np.bool_], bins: int = 10) -> Reliability:
    """Compare probabilities, shape (n,), with what happened; empty bins are left out."""
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    used = counts > 0
    n = counts[used].astype(np.float64)
    predicted = np.bincount(place, weights=probability, minlength=bins)[used] / n
    observed = np.bincount(place, weights=happened, minlength=bins)[used] / n
    z2 = _NORMAL_95**2
    middle = (observed + z2 / (2 * n)) / (1 + z2 / n)
    reach = _NORMAL_95 / (1 + z2 / n) * np.sqrt(observed * (1 - observed) / n + z2 / (4 * n**2))
    error = float(np.sum(n * np.abs(predicted - observed)) / max(1.0, n.sum()))
    low, high = np.minimum(observed, middle - reach), np.maximum(observed, middle + reach)
    return Reliability(counts[used].astype(np.int64), predicted, observed, low, high, error)


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """How well probabilities rank the positive class: the ROC and the precision-recall curve, thinned for plotting."""

    false_positive: Floats
    true_positive: Floats
    area: float
    recall: Floats
    precision: Floats
    average_precision: float


def ranking(probability: Floats, positive: npt.NDArray[np.bool_]) -> Ranking | None:
    """Both curves, ties as one step; None where one of the classes has no row."""
    n_positive = int(positive.sum())
    if n_positive in (0, len(positive)):
        return None
    order = np.argsort(-probability, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    hits = np.cumsum(positive[order])[ends].astype(np.float64)
    true_positive = np.insert(hits / n_positive, 0, 0.0)
    false_positive = np.insert((ends + 1 - hits) / (len(order) - n_positive), 0, 0.0)
    precision = hits / (ends + 1)
    recall = true_positive[1:]
    kept, kept_late = _along(false_positive, true_positive), _along(recall, precision)
    return Ranking(
        false_positive[kept],
        true_positive[kept],
        float(np.trapezoid(true_positive, false_positive)),
        recall[kept_late],
        precision[kept_late],
        float(np.sum(np.diff(true_positive) * precision)),
    )


def _along(x: Floats, y: Floats) -> Ints:
    """Positions of points at about equal steps along a curve."""
    if len(x) <= _CURVE_POINTS:
        return np.arange(len(x))
    length = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
    near = np.searchsorted(length, np.linspace(0.0, length[-1], _CURVE_POINTS))
    return np.unique(np.concatenate(([0], np.minimum(near, len(x) - 1), [len(x) - 1])))


def running_best(values: Sequence[float], *, maximize: bool) -> Floats:
    """The best value so far, after each of them."""
    accumulate = np.maximum.accumulate if maximize else np.minimum.accumulate
    return np.asarray(accumulate(np.asarray(values, dtype=np.float64)))


def explained_by_groups(values: Sequence[float], groups: Sequence[str]) -> float | None:
    """Share of the variance of the values' ranks that lies between groups, adjusted for their number, 0 to 1.

    Eta squared of the Kruskal-Wallis test, (H - k + 1) / (n - k); Tomczak, Tomczak (2014), The need to report effect
    size estimates revisited, Trends in Sport Sciences 21. None where there are too few values.
    """
    names = sorted(set(groups))
    n, k = len(values), len(names)
    if k < 2 or n <= k:
        return None
    ranks = midranks(np.asarray(values, dtype=np.float64))
    total = float(np.sum((ranks - ranks.mean()) ** 2))
    if total == 0.0:
        return 0.0
    codes = np.array([names.index(group) for group in groups])
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=ranks) / sizes
    h = (n - 1) * float(np.sum(sizes * (means - ranks.mean()) ** 2)) / total
    return min(1.0, max(0.0, (h - k + 1) / (n - k)))


def midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse].astype(np.float64)


def robust_range(values: Floats, *, keep: float | None = None, reach: float = 3.0) -> tuple[float, float]:
    """Smallest and largest value, without those that lie far outside the middle half; ``keep`` is always inside."""
    low, high = np.quantile(values, [0.25, 0.75])
    width = reach * (high - low)
    inside = values[(values >= low - width) & (values <= high + width)] if width > 0 else values
    least, most = float(inside.min()), float(inside.max())
    return (least, most) if keep is None else (min(least, keep), max(most, keep))


def grid(x: Floats, y: Floats, bins: int = 48) -> tuple[Floats, Floats, Ints]:
    """Counts on a grid, shape (bins, bins) with y along the first axis, and the centres of its columns and rows."""
    counts, y_edges, x_edges = np.histogram2d(y, x, bins=bins, range=[_span(y), _span(x)])
    return (x_edges[1:] + x_edges[:-1]) / 2, (y_edges[1:] + y_edges[:-1]) / 2, counts.astype(np.int64)


def _span(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if high - low > 1e-12 * max(abs(low), abs(high)):
        return low, high
    room = 0.5 * max(abs(low), 1.0)
    return low - room, high + room
