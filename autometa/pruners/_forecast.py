"""How trials go on: the probability that one ends better, by how others of its study and of other datasets did."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from autometa.evidence import Curves

Floats = npt.NDArray[np.float64]

_BELIEF = 0.9  # probability, before any trial, that the target's curves are like those of some other dataset
_MOST_CURVES = 100
_TAIL = 5.0  # degrees of freedom of residuals
_BAD = 0.75
_STEEPEST = 3.0
_SMOOTHED = 0.3
_MEDIAN_ERROR = math.pi / 2  # variance of a median of normal numbers, in units of that of their mean
_NEGLIGIBLE = 1e-4
_OWN_SLOPES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
_OWN_SCALES = np.geomspace(0.02, 2.0, 12)


@dataclass(frozen=True, slots=True, eq=False)
class Relation:
    """Final losses of a dataset, from those at one fidelity: an offset, plus slope times loss, plus a residual.

    Attributes:
        slope: Dimensionless.
        scale: Of the residuals, in the metric's unit.
        above: Losses at the fidelity above the best there, shape (n,).
        residuals: What came of these configurations beside the line, shape (n,).
    """

    slope: float
    scale: float
    above: Floats
    residuals: Floats


def relation(curves: Curves, fidelity: float) -> Relation | None:
    """What a dataset says of a fidelity; None where it has too few curves there, or all ended alike.

    The line goes through the better three quarters at the fidelity (Theil-Sen), the residuals are of all.
    """
    then, end = curves.at(fidelity)
    if len(then) < 5:
        return None
    chosen = np.argsort(then, kind="stable")[np.linspace(0, len(then) - 1, min(len(then), _MOST_CURVES)).astype(int)]
    then, end = then[chosen], end[chosen]
    better = slice(0, max(5, math.ceil(_BAD * len(then))))
    spread = float(np.quantile(end, _BAD) - end.min())
    if not spread > 0:
        return None
    slope = min(max(_theil_sen(then[better], end[better]), 0.0), _STEEPEST)
    beside = end - slope * then
    residuals = beside - np.median(beside[better])
    scale = 1.4826 * float(np.median(np.abs(residuals[better])))
    return Relation(slope, max(scale, 0.01 * spread), then - then[0], residuals)


def _theil_sen(x: Floats, y: Floats) -> float:
    """The median slope between two points; 0 where all have the same x."""
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] - x[first]
    some = apart != 0
    return float(np.median((y[second] - y[first])[some] / apart[some])) if some.any() else 0.0


def chance(relations: Sequence[Relation], then: Floats, end: Floats, now: float, bar: float) -> float:
    """The probability that a trial ends below a bar.

    Each dataset is a hypothesis of what the target's curves are like, but for an offset; beside them stand lines of
    many slopes and scales for targets that are like none. Each counts as much as the target's own finished trials make
    it probable, so these decide the more of them there are.

    Args:
        relations: Of the datasets, at the trial's fidelity.
        then: Losses of the finished trials where the trial is now, shape (n,), n >= 2.
        end: Their final losses, shape (n,).
        now: The trial's loss.
        bar: The loss that it must go below.
    """
    then, end = _without_the_worst(then, end)
    n = len(end)
    unit = float(np.ptp(end)) or float(np.ptp(then))
    own = [(slope, scale * unit) for slope in _OWN_SLOPES for scale in _OWN_SCALES] if unit > 0 else []
    if not own and not relations:
        return 1.0
    slopes = np.array([*(one.slope for one in relations), *(slope for slope, _ in own)])
    scales = np.array([*(one.scale for one in relations), *(scale for _, scale in own)])
    beside = end - slopes[:, None] * then
    offsets = np.median(beside, axis=1)
    shares = _shares(len(relations), (beside - offsets[:, None]) / scales[:, None], scales)
    gaps = bar - offsets - slopes * now
    below = stdtr(_TAIL, gaps / (scales * math.sqrt(1 + _MEDIAN_ERROR / n)))
    above = max(0.0, now - float(then.min()))
    for i, one in enumerate(relations):
        if shares[i] > _NEGLIGIBLE:
            below[i] = _below(one, float(gaps[i]), above, n)
    return float(shares @ below)


def _shares(n_relations: int, residuals: Floats, scales: Floats) -> Floats:
    """The probability of each hypothesis; residuals are in units of its scale, shape (n_hypotheses, n)."""
    n_own = len(scales) - n_relations
    belief = _BELIEF if n_relations and n_own else float(n_relations > 0)
    prior = np.repeat([belief / max(n_relations, 1), (1 - belief) / max(n_own, 1)], [n_relations, n_own])
    fits = -(_TAIL + 1) / 2 * np.log1p(residuals**2 / _TAIL).sum(axis=1)
    odds = np.log(prior) + fits - (residuals.shape[1] - 1) * np.log(scales)
    shares = np.exp(odds - odds.max())
    return np.asarray(shares / shares.sum())


def _below(one: Relation, gap: float, above: float, n: int) -> float:
    """How probable a residual below the gap is, by the configurations that stood alike: about as far above the best."""
    width = 0.5 * float(np.median(one.above)) + one.scale
    weights = -0.5 * ((one.above - above) / width) ** 2
    weights = np.exp(weights - weights.max())
    blurred = one.scale * math.sqrt(_SMOOTHED**2 + _MEDIAN_ERROR / n)
    return float(weights @ ndtr((gap - one.residuals) / blurred) / weights.sum())


def _without_the_worst(then: Floats, end: Floats) -> tuple[Floats, Floats]:
    """Finished trials but those that ended far worse than the median: they tell nothing of the good ones."""
    best, median = float(end.min()), float(np.median(end))
    if len(end) < 6 or median <= best:
        return then, end
    kept = end <= best + 4 * (median - best)
    return then[kept], end[kept]
