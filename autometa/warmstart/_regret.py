"""Regret of configurations on datasets where nobody tried them, estimated from those that were tried."""

import math

import numpy as np
import numpy.typing as npt

from autometa.evidence import Evidence

Floats = npt.NDArray[np.float64]

# How many runs at hand the belief counts for that an untried configuration is as bad as the median one.
PRIOR_WEIGHT = 0.25

# Share of all pairs of configurations that count as near to each other, and how many neighbours each has at
# least, on average, in a small base. With `PRIOR_WEIGHT`, in the middle of a wide plateau when the best
# configurations of held-out datasets in auto-sklearn's tables are to be met.
NEAR_SHARE = 0.15
MIN_NEIGHBORS = 2

_MAX_PAIRED = 1000
_CHUNK = 512


def estimate_regret(evidence: Evidence, candidates: npt.NDArray[np.int64]) -> Floats:
    """Regret of each candidate on each dataset; shape (len(candidates), n_advisers), in [0, 1].

    What was measured stands as measured. Elsewhere it is a Nadaraya-Watson estimate (Nadaraya 1964) over the
    runs of the dataset, pulled towards 1 by `PRIOR_WEIGHT` where few of them are near: on a dataset with one
    run, a configuration is as good as it is like that one.

    Args:
        evidence: The runs.
        candidates: Positions in ``evidence.configs``.
    """
    regret, count = measured(evidence)
    estimates = regret[candidates]
    unknown = count[candidates] == 0
    if not unknown.any():
        return estimates
    encoded = evidence.space.encode(evidence.configs)
    width = _bandwidth(encoded)
    for start in range(0, len(candidates), _CHUNK):
        part = slice(start, start + _CHUNK)
        kernel = np.exp(-squared_distances(encoded[candidates[part]], encoded) / width)
        guess = (kernel @ regret + PRIOR_WEIGHT) / (kernel @ count + PRIOR_WEIGHT)
        estimates[part] = np.where(unknown[part], guess, estimates[part])
    return estimates


def _bandwidth(encoded: Floats) -> float:
    """Squared distance below which the near pairs lie: it needs no unit and knows no number of dimensions."""
    step = math.ceil(len(encoded) / _MAX_PAIRED)
    some = encoded[::step]
    if len(some) < 2:
        return 1.0
    pairs = squared_distances(some, some)[np.triu_indices(len(some), k=1)]
    share = min(0.5, max(NEAR_SHARE, MIN_NEIGHBORS / (len(some) - 1)))
    width = float(np.quantile(pairs, share))
    return width if width > 0 else 1.0


def squared_distances(left: Floats, right: Floats) -> Floats:
    """Squared Euclidean distances between encoded configurations; shape (len(left), len(right)).

    A hyperparameter that is inactive (NaN) on one side only counts 1, the whole width of its range; on both
    sides nothing.
    """
    return np.maximum(0.0, _features(left) @ _features(right, swapped=True).T)


def mean_squared_distances(left: Floats, right: Floats, weights: Floats) -> Floats:
    """Weighted mean of each row's `squared_distances` to all rows of ``right``; shape (len(left),).

    ``weights`` has shape (len(right),) and sums to 1. Rounded to 12 digits, so that the order of rows cannot decide.
    """
    mean: Floats = np.maximum(0.0, _features(left) @ (_features(right, swapped=True).T @ weights)).round(12)
    return mean


def _features(encoded: Floats, *, swapped: bool = False) -> Floats:
    """Rows whose products are the distances: (x-y)^2 where both are active, plus 1 where only one is."""
    active = (~np.isnan(encoded)).astype(np.float64)
    values = np.nan_to_num(encoded, nan=0.0)
    squares = values**2
    if swapped:
        return np.hstack([active, squares, values, 1.0 - active, active])
    return np.hstack([squares, active, -2.0 * values, active, 1.0 - active])


def measured(evidence: Evidence) -> tuple[Floats, Floats]:
    """Regret (0 where unknown) and number of measurements (0 or 1); shape (n_configs, n_advisers) each."""
    shape = len(evidence.configs), len(evidence.advisers)
    regret, count = np.zeros(shape), np.zeros(shape)
    at = evidence.runs["config"].to_numpy(), evidence.runs["adviser"].to_numpy()
    regret[at] = evidence.runs["regret"].to_numpy()
    count[at] = 1.0
    return regret, count
