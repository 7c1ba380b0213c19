"""Probabilities that mean what they say: two numbers learned from predictions of rows that models had not seen."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

TINY = 1e-15
"""What a probability of 0 is taken for before its logarithm is."""
_MOST_ROWS = 5000  # two numbers are learned from no more
_WORTH = 1e-3  # share of the log-loss that a calibration must save, on rows that it was not learned from


@dataclass(frozen=True, slots=True)
class Calibration:
    """Makes probabilities less or more sure, and never certain.

    ``p ** (1 / temperature)``, normalized, of which ``smoothing`` gives way to the class frequencies. The first is
    temperature scaling (Guo, Pleiss, Sun, Weinberger, 2017, "On Calibration of Modern Neural Networks", ICML, section
    4.2), the second keeps a single sure mistake from costing more than all else.

    Attributes:
        temperature: Above 1 less sure, below 1 more.
        smoothing: Share of the class frequencies, in [0, 1).
        frequencies: Of the classes, summing to 1.
    """

    temperature: float
    smoothing: float
    frequencies: tuple[float, ...]

    def apply(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities, shape (n, n_classes), rows summing to 1."""
        raised = np.maximum(probabilities, TINY) ** (1.0 / self.temperature)
        raised /= raised.sum(axis=1, keepdims=True)
        return np.asarray((1.0 - self.smoothing) * raised + self.smoothing * np.array(self.frequencies))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(float(plain["temperature"]), float(plain["smoothing"]), tuple(map(float, plain["frequencies"])))


def calibrated(values: Floats, calibration: Calibration | None) -> Floats:
    """What a calibration makes of predictions; None leaves them as they are."""
    return values if calibration is None else calibration.apply(values)


def learn(probabilities: Floats, y: npt.NDArray[np.int64], sample_weights: Floats | None = None) -> Calibration:
    """The calibration with the least log-loss on these rows themselves; what that is elsewhere, `calibrate` says."""
    return _learned(probabilities, y, np.ones(len(y)) if sample_weights is None else sample_weights)


def calibrate(
    probabilities: Floats,
    y: npt.NDArray[np.int64],
    folds: npt.NDArray[np.int64],
    *,
    sample_weights: Floats | None = None,
) -> tuple[Calibration, Floats] | None:
    """The calibration with the least log-loss, where it is worth having.

    Args:
        probabilities: Of rows that the model had not seen, shape (n, n_classes).
        y: Class codes, shape (n,).
        folds: Split of each row, shape (n,); with a single one, five parts are made of it.
        sample_weights: How much each row counts, shape (n,); None counts all alike.

    Returns:
        The calibration, and the probabilities calibrated for each fold by what was learned from the others. None where
        these are not better by a thousandth than the probabilities as they are.
    """
    weights = np.ones(len(y)) if sample_weights is None else sample_weights
    parts = folds if folds.min() != folds.max() else np.arange(len(folds)) % 5
    crossed = np.empty_like(probabilities)
    for part in np.unique(parts):
        inside = parts != part
        crossed[~inside] = _learned(probabilities[inside], y[inside], weights[inside]).apply(probabilities[~inside])
    if log_loss(crossed, y, weights) > (1.0 - _WORTH) * log_loss(probabilities, y, weights):
        return None
    return _learned(probabilities, y, weights), crossed


def log_loss(probabilities: Floats, y: npt.NDArray[np.int64], weights: Floats) -> float:
    """Mean negative logarithm of the true class's probability, in nats."""
    total = np.maximum(probabilities.sum(axis=1), TINY)
    right = np.clip(probabilities[np.arange(len(y)), y] / total, TINY, 1.0)
    return float(-(weights @ np.log(right)) / weights.sum())


def _learned(probabilities: Floats, y: npt.NDArray[np.int64], weights: Floats) -> Calibration:
    from scipy.optimize import minimize

    counts = np.bincount(y, weights, minlength=probabilities.shape[1])
    thin = slice(None, None, -(-len(y) // _MOST_ROWS))
    some, right, counted = probabilities[thin], y[thin], weights[thin]
    frequencies = tuple(float(one) for one in (counts + 1e-3) / (counts + 1e-3).sum())

    def of(theta: Floats) -> Calibration:
        return Calibration(math.exp(theta[0]), math.exp(theta[1]), frequencies)

    def loss(theta: Floats) -> float:
        return log_loss(of(theta).apply(some), right, counted)

    found = minimize(
        loss,
        np.array([0.0, math.log(1e-3)]),
        method="L-BFGS-B",
        bounds=[(math.log(0.2), math.log(5.0)), (math.log(1e-6), math.log(0.2))],
    )
    return of(found.x)
