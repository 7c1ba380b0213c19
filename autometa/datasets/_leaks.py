"""Signs that a score will be too good to be true."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.datasets._copies import copied, copies_by_chance
from autometa.datasets._dataset import Dataset
from autometa.datasets._rows import LabelledRows
from autometa.datasets._telling import Glance, glance, telling_columns
from autometa.datasets._words import integers

Split = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]

# A few copies among many rows change no score.
_COPIES, _COPIES_SHARE = 5, 0.01
_NEARLY_ALL, _KEY_ROWS = 0.9, 50
_IN_ORDER = 0.999


def find_leaks(dataset: Dataset, splits: Sequence[Split], *, seed: int) -> list[str]:
    """Look for what would make a score on held-out rows too good: what the model will not have in earnest.

    Columns that all but number the rows; held-out rows that are copies of rows trained on; a column that predicts the
    target alone while the others do not; groups that a split parts. A table of which all this is true by nature (few
    possible rows, many columns that each tell the target) is not reported.

    Args:
        dataset: What is learned from.
        splits: Row numbers (training, test) of each fold.
        seed: Of the rows that are looked at where there are many.

    Returns:
        Sentences for people: what was seen, why it matters, and the way out. Empty if nothing was.
    """
    seen = glance(dataset, seed=seed)
    said = [*_identifiers(dataset, seen), *_copied_rows(dataset, splits, seed)]
    said += [_telling(name, score, metric) for name, score, metric in telling_columns(dataset, seen, splits, seed=seed)]
    return [*said, *_parted_groups(dataset, splits)]


def find_test_leaks(dataset: Dataset, rows: LabelledRows, *, seed: int = 0) -> list[str]:
    """Look for rows of a test table that are exact copies of rows that were trained on.

    Args:
        dataset: What was learned from.
        rows: The test table, read with the dataset's schema.
        seed: Of the rows that are looked at where there are many.

    Returns:
        Sentences for people; empty if all is well.
    """
    X = pd.concat([dataset.X, rows.X], ignore_index=True)
    y = np.concatenate([dataset.y.to_numpy(), rows.y.to_numpy()])
    n = len(dataset.X)
    found = copied(X, y, [(np.arange(n), np.arange(n, len(X)))])
    if _too_few(found.copies, len(rows.X)) or copies_by_chance(X, seed=seed):
        return []
    return [
        f"{found.copies} of {len(rows.X)} test rows are exact copies of rows that were trained on "
        f"({found.with_same_target} with the same target), so the test score rewards remembering. "
        "Remove them from the test table."
    ]


def _too_few(copies: int, n_rows: int) -> bool:
    return copies < _COPIES or copies < _COPIES_SHARE * n_rows


def _copied_rows(dataset: Dataset, splits: Sequence[Split], seed: int) -> list[str]:
    tested = np.zeros(len(dataset.y), dtype=bool)
    for _, test in splits:
        tested[test] = True
    held_out = int(tested.sum())
    found = copied(dataset.X, dataset.y.to_numpy(), splits)
    if _too_few(found.copies, held_out) or copies_by_chance(dataset.X, seed=seed):
        return []
    return [
        f"{found.copies} of {held_out} held-out rows are exact copies of rows that are trained on "
        f"({found.with_same_target} with the same target), so the score rewards remembering. Remove the copies from "
        "the table, or keep rows that belong together in one fold with --group COLUMN."
    ]


def _telling(name: str, score: float, metric: str) -> str:
    return (
        f"Column {name!r} predicts the target alone ({metric} {score:.4f}). If it is known only once the target is, "
        f"the score is worth nothing: leave it out with --ignore {_shell(name)}."
    )


def _parted_groups(dataset: Dataset, splits: Sequence[Split]) -> list[str]:
    if dataset.groups is None:
        return []
    codes = dataset.groups.to_numpy()
    trained, parted = np.zeros(codes.max() + 1, dtype=bool), np.zeros(codes.max() + 1, dtype=bool)
    for train, test in splits:
        trained[:] = False
        trained[codes[train]] = True
        parted[codes[test]] |= trained[codes[test]]
    if not parted.any():
        return []
    return [
        f"{np.count_nonzero(parted)} of {len(parted)} groups of {dataset.groups.name!r} have rows in training and in "
        "test at once, so the score rewards knowing the group. Use splits that keep groups together."
    ]


def _identifiers(dataset: Dataset, seen: Glance) -> list[str]:
    if len(dataset.y) < _KEY_ROWS:
        return []
    said, words = [], set(dataset.schema.names("categorical"))
    time = None if dataset.times is None else dataset.times.name
    for name, codes in zip(seen.names, seen.X.T, strict=True):
        if name in words and len(np.unique(codes[:1000])) > _NEARLY_ALL * min(len(codes), 1000):
            said += _nearly_unique(name, dataset.X[name])
    for name in dataset.schema.names("numeric"):
        if name != time:
            said += _counting(name, dataset.X[name].to_numpy())
    return said


def _nearly_unique(name: str, words: "pd.Series[Any]") -> list[str]:
    n, distinct = len(words), words.nunique()
    if distinct <= _NEARLY_ALL * n:
        return []
    return [
        f"Column {name!r} all but names the rows: {distinct} different words in {n} rows. It can be remembered but not "
        f"learned from: leave it out with --ignore {_shell(name)}, or, if rows with one word belong together, use "
        f"--group {_shell(name)}."
    ]


def _counting(name: str, values: npt.NDArray[np.float64]) -> list[str]:
    """Whole numbers that (nearly) only rise, or only fall, from row to row."""
    if not (_one_way(values[:_KEY_ROWS]) and integers(values) and _one_way(values)):
        return []
    return [
        f"Column {name!r} counts with the rows: whole numbers, of which nearly each is "
        f"{'larger' if values[-1] > values[0] else 'smaller'} than the one before. If it only numbers the rows, or the "
        f"table is sorted by what it tells, leave it out with --ignore {_shell(name)}; if it is the order in time, use "
        f"--time-column {_shell(name)}."
    ]


def _one_way(values: npt.NDArray[np.float64]) -> bool:
    steps = np.diff(values)
    share = max(np.count_nonzero(steps > 0), np.count_nonzero(steps < 0)) / len(steps)
    return bool(share >= _IN_ORDER)


def _shell(name: str) -> str:
    return name if name.replace("_", "").isalnum() else f"'{name}'"
