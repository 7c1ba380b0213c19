"""What goes into the MLP: numbers scaled and clipped, flags, category codes. NumPy only."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MAX_ONE_HOT = 8
"""Categories of a column that becomes one-hot flags; one with more is embedded (RealMLP, app. A: 8)."""

_FAR = 1e6
_TINY = 4 * float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True)
class Inputs:
    """n rows in the form that a `TabularNet` takes.

    ``numeric`` is (n, n_numeric), ``flags`` (n, n_flags), both float32; ``codes`` (n, n_embedded) int64.
    """

    numeric: npt.NDArray[np.float32]
    flags: npt.NDArray[np.float32]
    codes: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InputPlan:
    """How a table becomes `Inputs`, learned from the training rows.

    ``center`` and ``scale`` have one entry per numeric column, ``missing`` says which of them get a flag
    for "was missing". ``levels`` has one entry per category column: the number of codes 0, 1, ..., where
    the last stands for "missing" if ``missing_level`` says so. Every other code is unknown.
    """

    center: Floats
    scale: Floats
    missing: npt.NDArray[np.bool_]
    levels: npt.NDArray[np.int64]
    missing_level: npt.NDArray[np.bool_]

    @classmethod
    def learn(cls, X: Floats, n_categorical: int) -> "InputPlan":
        """Learn from (n, d) rows whose first ``n_categorical`` columns are codes; NaN is missing."""
        codes, numbers = X[:, :n_categorical], X[:, n_categorical:]
        missing_level, missing = _any_missing(codes), _any_missing(numbers)
        known = np.where(np.isnan(codes), -1.0, codes).max(axis=0, initial=-1.0)
        center, scale = _robust_scaling(numbers)
        levels = known.astype(np.int64) + 1 + missing_level
        return cls(center, scale, missing, levels, missing_level)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Levels of each embedded column."""
        return tuple(int(n) for n in self.levels if n > MAX_ONE_HOT)

    @property
    def n_flags(self) -> int:
        """Columns of ``Inputs.flags``."""
        one_hot = self.levels[self.levels <= MAX_ONE_HOT]
        return int(np.where(one_hot == 2, 1, one_hot).sum() + self.missing.sum())

    def apply(self, X: Floats) -> Inputs:
        """Turn (n, d) rows into `Inputs`."""
        n_categorical = len(self.levels)
        codes = self._codes(X[:, :n_categorical])
        numbers = X[:, n_categorical:]
        flags = [np.isnan(numbers[:, self.missing])]
        flags += [_flags(codes[:, j], n) for j, n in enumerate(self.levels) if n <= MAX_ONE_HOT]
        embedded = self.levels > MAX_ONE_HOT
        return Inputs(
            numeric=self._numbers(numbers).astype(np.float32),
            flags=np.hstack(flags).astype(np.float32),
            codes=np.where(codes < 0, self.levels, codes)[:, embedded],
        )

    def _codes(self, raw: Floats) -> npt.NDArray[np.int64]:
        """Codes with -1 for unknown."""
        missing = np.where(self.missing_level, self.levels - 1, -1)
        codes = np.where(np.isnan(raw), missing, np.nan_to_num(raw)).astype(np.int64)
        beyond = (codes >= self.levels - self.missing_level) & ~np.isnan(raw)
        return np.where(beyond, -1, codes)

    def _numbers(self, raw: Floats) -> Floats:
        """Scaled, smoothly clipped to (-3, 3), 0 where missing (RealMLP, sec. 3)."""
        with np.errstate(over="ignore"):
            scaled = np.nan_to_num((raw - self.center) * self.scale, nan=0.0)
        bounded = np.clip(scaled, -_FAR, _FAR)
        return np.asarray(bounded / np.sqrt(1.0 + (bounded / 3.0) ** 2))


def _any_missing(columns: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isnan(columns).any(axis=0))


def _robust_scaling(numbers: Floats) -> tuple[Floats, Floats]:
    """Median and 1 / interquartile range of each column.

    Where the quartiles coincide the whole range counts, as 2; a constant column is scaled to 0. A column
    without any number has the centre 0.
    """
    if numbers.shape[1] == 0:
        return np.empty(0), np.empty(0)
    filled = np.where(np.isnan(numbers).all(axis=0), 0.0, numbers)
    least, low, center, high, most = np.nanquantile(filled, (0.0, 0.25, 0.5, 0.75, 1.0), axis=0)
    with np.errstate(over="ignore"):
        quartiles, span = high - low, most - least
    spread = np.where(quartiles > 0, quartiles, span / 2)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > _TINY)
    return center, scale


def _flags(codes: npt.NDArray[np.int64], levels: int) -> Floats:
    """One-hot codes; two levels share one column of -1 and 1. Unknown is all zeros."""
    if levels == 2:
        return np.where(codes < 0, 0.0, 2.0 * codes - 1.0).reshape(-1, 1)
    return np.equal.outer(codes, np.arange(levels)).astype(np.float64)


def holdout_split(
    y: npt.NDArray[Any], fraction: float, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row numbers to train on and to validate on.

    Of n rows, ``fraction`` are held out, but at least 10 of them as long as that is no more than a
    quarter. Class codes (integers) are held out in proportion, and the last row of a class never is, so
    each class can be learned. With fewer than 4 rows, or one row per class, nothing can be spared, and all
    rows serve as both.
    """
    wanted = max(round(fraction * len(y)), min(len(y) // 4, 10))
    order = rng.permutation(len(y))
    rank, size = _rank_in_class(y[order])
    # Rows sorted by their relative rank within their class: each prefix holds every class in proportion.
    spare = np.flatnonzero(rank < size - 1)
    chosen = spare[np.argsort((rank[spare] + 0.5) / size[spare], kind="stable")][:wanted]
    if len(chosen) == 0:
        return order, order
    return np.delete(order, chosen), order[chosen]


def _rank_in_class(y: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row, how many of its class come before it, and how many there are; floats are one class."""
    if y.dtype.kind == "f":
        return np.arange(len(y)), np.full(len(y), len(y))
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    grouped = np.argsort(codes, kind="stable")
    first = np.cumsum(counts) - counts
    rank = np.empty(len(y), dtype=np.int64)
    rank[grouped] = np.arange(len(y)) - np.repeat(first, counts)
    return rank, counts[codes]
