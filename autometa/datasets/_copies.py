"""Rows that are exact copies of others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.datasets._words import combined

Codes = npt.NDArray[np.uint64]

_FIRST, _MORE = 8, 40
_CHANCE_ROWS = 10_000
_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class Copies:
    """How many test rows are copies of training rows, and how many of them have a twin with the same target."""

    copies: int
    with_same_target: int


def copied(
    X: pd.DataFrame, y: npt.NDArray[Any], splits: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
) -> Copies:
    """Test rows whose X equals that of a row that is trained on in the same split; missing equals missing."""
    rows, codes = _repeated(X)
    if not len(rows):
        return Copies(0, 0)
    place = np.full(len(X), -1)
    place[rows] = np.arange(len(rows))
    with_target = _mixed(codes, _code(pd.Series(y[rows])))
    alike, same = np.zeros(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for seen, found in ((codes, alike), (with_target, same)):
        _, numbers = np.unique(seen, return_inverse=True)
        for train, test in splits:
            train, test = place[train], place[test]
            train, test = train[train >= 0], test[test >= 0]
            trained = np.zeros(len(rows), dtype=bool)
            trained[numbers[train]] = True
            found[test] |= trained[numbers[test]]
    return Copies(int(alike.sum()), int(same.sum()))


def copies_by_chance(X: pd.DataFrame, *, seed: int) -> bool:
    """Whether so many equal rows are no wonder, since there are few possible rows.

    Measured by shuffling each column by itself: what is still repeated then is chance. Columns that go together make
    more repeats than that, so half of what there is suffices.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(X))[:_CHANCE_ROWS]) if len(X) > _CHANCE_ROWS else np.arange(len(X))
    there, shuffled = np.zeros(len(rows), dtype=np.uint64), np.zeros(len(rows), dtype=np.uint64)
    for codes in _columns(X, rows):
        there = _mixed(there, codes)
        shuffled = _mixed(shuffled, codes[rng.permutation(len(rows))])
    return bool(_is_repeated(shuffled).sum() >= _is_repeated(there).sum() / 2)


def _repeated(X: pd.DataFrame) -> tuple[npt.NDArray[np.int64], Codes]:
    """The rows that come more than once, and a code for each that equal rows share.

    A few columns are looked at first, and the others only for the rows that are still alike: most tables have none.
    """
    rows, codes = np.arange(len(X)), np.zeros(len(X), dtype=np.uint64)
    kinds = [dtype.kind for dtype in X.dtypes]
    places = sorted(range(len(kinds)), key=lambda place: kinds[place] != "f")
    for first, last in pairwise((0, _FIRST, _MORE, len(places))):
        for column in _columns(X.iloc[:, places[first:last]], rows):
            codes = _mixed(codes, column)
        repeated = _is_repeated(codes)
        rows, codes = rows[repeated], codes[repeated]
        if not len(rows):
            break
    return rows, codes


def _columns(X: pd.DataFrame, rows: npt.NDArray[np.int64]) -> Iterator[Codes]:
    for place in range(X.shape[1]):
        column = X.iloc[:, place]
        yield _code(column if len(rows) == len(X) else column.iloc[rows])


def _code(column: "pd.Series[Any]") -> Codes:
    """A number for each value, the same for equal ones; missing values are equal."""
    kind = column.dtype.kind
    if kind == "f":
        values = column.to_numpy() + 0.0
        values[np.isnan(values)] = np.nan
        return values.view(np.uint64)
    if kind in "iM":
        return column.to_numpy().view(np.uint64)
    indices = combined(column).dictionary_encode().indices
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False)).astype(np.int64).view(np.uint64)


def _mixed(codes: Codes, more: Codes) -> Codes:
    """One 64-bit code of two, by the finisher of SplitMix64 (Steele, Lea and Flood 2014)."""
    mixed = (codes ^ (more + _MULTIPLIERS[0])) * _MULTIPLIERS[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MULTIPLIERS[1]
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MULTIPLIERS[2]
    return mixed ^ (mixed >> np.uint64(31))


def _is_repeated(codes: Codes) -> npt.NDArray[np.bool_]:
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    same = ordered[1:] == ordered[:-1]
    repeated = np.zeros(len(codes), dtype=bool)
    repeated[order[1:][same]] = True
    repeated[order[:-1][same]] = True
    return repeated
