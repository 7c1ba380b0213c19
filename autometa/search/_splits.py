"""Which rows train and which are held out, split by split: the same for every trial of a search."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from autometa.datasets import Dataset
from autometa.errors import OptionError, ResumeError, TableError
from autometa.records import TaskType
from autometa.search._arrays import save_array
from autometa.search._options import parse_cv

Rows = npt.NDArray[np.int64]
Target = npt.NDArray[np.float64] | npt.NDArray[np.int64]
RARE_ROWS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """Row numbers of the table, once per split: those a model learns from and those it is scored on.

    Out-of-fold predictions of a trial are the predictions of `rows`, in that order; a row may be held out in several
    splits, and some rows in none.

    Attributes:
        train: Row numbers to learn from, one array per split.
        test: Row numbers to score on, one array per split, disjoint from that split's ``train``.
        description: Such as ``5 stratified folds``.
    """

    train: tuple[Rows, ...]
    test: tuple[Rows, ...]
    description: str

    def __len__(self) -> int:
        return len(self.test)

    @property
    def rows(self) -> Rows:
        """The row number behind each out-of-fold prediction."""
        return np.concatenate(self.test)

    @property
    def folds(self) -> Rows:
        """The split in which each out-of-fold prediction is made."""
        return np.repeat(np.arange(len(self)), [len(rows) for rows in self.test])

    @property
    def pairs(self) -> list[tuple[Rows, Rows]]:
        """(train, test) of each split."""
        return list(zip(self.train, self.test, strict=True))

    def first(self, n_splits: int) -> "Splits":
        """The first so many splits."""
        if n_splits >= len(self):
            return self
        described = f"{n_splits} of {self.description}"
        return Splits(self.train[:n_splits], self.test[:n_splits], described)

    def within(self, rows: Rows) -> "Splits":
        """The same splits of some rows only; ``rows`` in ascending order."""
        train, test = (tuple(part[np.isin(part, rows)] for part in parts) for parts in (self.train, self.test))
        return Splits(train, test, self.description)

    def save(self, path: Path) -> None:
        """Write the splits as one integer array, which a reader sees whole or not at all."""
        header = [len(self), *(len(rows) for rows in (*self.train, *self.test))]
        save_array(path, np.concatenate([np.array(header, dtype=np.int64), *self.train, *self.test]))

    @classmethod
    def load(cls, path: Path, description: str = "") -> Self:
        """The splits that `save` wrote.

        Raises:
            ResumeError: They are missing or damaged.
        """
        try:
            values = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ResumeError(f"{path} is missing or damaged ({error}); the search cannot go on without it.") from error
        n_splits = int(values[0])
        begins = 1 + 2 * n_splits
        parts = np.split(values[begins:], np.cumsum(values[1:begins])[:-1])
        return cls(tuple(parts[:n_splits]), tuple(parts[n_splits:]), description)


def make_splits(dataset: Dataset, cv: str, *, seed: int) -> Splits:
    """The splits of a table: stratified, or by group, or forward in time, as the table's roles ask.

    With a group column all rows of a group are held out together. With a time column the rows are cut into blocks
    along time, and each block but the first is predicted from all blocks before it; rows of the same time stay
    together.

    Args:
        dataset: Its ``groups`` or ``times`` decide the kind.
        cv: As `parse_cv` reads it.
        seed: Shuffles rows and groups.

    Raises:
        OptionError: Groups and times are both there, or times with repeats.
        TableError: There are too few rows, groups or times.
    """
    folds, repeats, share = parse_cv(cv)
    y = dataset.y.to_numpy()
    if dataset.times is not None:
        if dataset.groups is not None:
            raise OptionError("A table is split by group or forward in time, not both. Give one of the two columns.")
        if repeats > 1:
            raise OptionError(f"Splits forward in time cannot be repeated, got cv={cv!r}. Give a number of folds.")
        return _forward(dataset.times.to_numpy(), folds, share)
    train: list[Rows] = []
    test: list[Rows] = []
    for repeat in range(repeats):
        n_parts = folds if share is None else max(2, round(1 / share))
        parts = _parts(dataset, y, n_parts, seed + repeat)
        for part in range(folds):
            train.append(np.flatnonzero(parts != part))
            test.append(np.flatnonzero(parts == part))
    return Splits(tuple(train), tuple(test), _described(dataset, folds, repeats, share))


def custom_splits(dataset: Dataset, cv: Any) -> Splits:
    """The splits of a scikit-learn splitter, or of pairs of row numbers.

    Args:
        dataset: Its groups are passed to the splitter.
        cv: Has ``split(X, y, groups)``, or yields (train, test) pairs of row numbers or boolean masks.

    Raises:
        OptionError: What it gives are no splits of this table.
    """
    pairs: Iterable[Any]
    if hasattr(cv, "split"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # some say that they ignore groups
                pairs = list(cv.split(dataset.X, dataset.y, dataset.groups))
        except (TypeError, ValueError) as error:
            raise OptionError(f"{type(cv).__name__} cannot split this table: {error}") from error
        description = f"{len(pairs)} splits of {type(cv).__name__}"
    else:
        try:
            pairs = [(train, test) for train, test in cv]
        except (TypeError, ValueError) as error:
            raise OptionError(
                f"cv must be a number of folds, a description such as '5x3', a scikit-learn splitter or (train, test) "
                f"pairs of row numbers, got {type(cv).__name__}: {error}"
            ) from error
        description = f"{len(pairs)} splits of your own"
    n_rows = len(dataset.y)
    parts = [(_row_numbers(train, n_rows), _row_numbers(test, n_rows)) for train, test in pairs]
    if not parts:
        raise OptionError("cv gave no split. Give at least one pair of training and test rows.")
    return Splits(tuple(train for train, _ in parts), tuple(test for _, test in parts), description)


def check_splits(splits: Splits, dataset: Dataset) -> None:
    """See that every split can be learned from and scored.

    Raises:
        OptionError: A split has rows on both sides, no rows, or one class to learn from; the message names it.
    """
    y = dataset.y.to_numpy()
    for number, (train, test) in enumerate(splits.pairs, start=1):
        if not len(train) or not len(test):
            raise OptionError(
                f"Split {number} has {len(train)} rows to learn from and {len(test)} to score on; both need some. "
                "Use fewer folds."
            )
        both = np.intersect1d(train, test)
        if len(both):
            raise OptionError(
                f"Split {number} has {len(both)} rows on both sides, such as row {both[0]}: its score would be that of "
                "a memory. Give disjoint rows."
            )
        if dataset.task != "regression" and len(np.unique(y[train])) < 2:
            raise OptionError(
                f"Split {number} has rows of only one class to learn from. Use fewer folds, or splits that keep at "
                "least two classes in every training part."
            )


def sample_rows(y: Target, task: TaskType, *, keep: int, seed: int) -> Rows:
    """Choose ``keep`` rows that look like all of them: stratified as the folds are.

    Of each class `RARE_ROWS` rows stay where there are that many, also if that makes a rare class less rare: a class
    that is not there cannot be learned.

    Returns:
        Row numbers in ascending order; all of them if there are no more than ``keep``.
    """
    if len(y) <= keep:
        return np.arange(len(y))
    rng = np.random.default_rng([seed, 1])  # the folds' own generator would pick the rows of one fold
    chosen = np.zeros(len(y), dtype=bool)
    chosen[_by_target(y, rng)[np.arange(keep) * len(y) // keep]] = True  # evenly spaced along the sorted target
    if task != "regression":
        for code in np.unique(y):
            missing = RARE_ROWS - np.count_nonzero(chosen[y == code])
            if missing > 0:
                chosen[rng.permutation(np.flatnonzero((y == code) & ~chosen))[:missing]] = True
    return np.flatnonzero(chosen)


def stratified_parts(y: Target, task: TaskType, *, n_parts: int, seed: int) -> Rows:
    """Deal the rows out to parts of equal size that look alike.

    By class for classification; by rank for regression, so that each part sees the whole range of a skewed target.

    Args:
        y: Target of shape (n_rows,): class codes or numbers.
        task: Decides the stratification.
        n_parts: At least 2.
        seed: Shuffles the rows.

    Returns:
        Part numbers 0 .. n_parts-1 of shape (n_rows,).

    Raises:
        TableError: There are fewer rows than parts.
    """
    if len(y) < n_parts:
        raise TableError(f"{n_parts} folds need at least {n_parts} rows, got {len(y)}. Use fewer folds.")
    rng = np.random.default_rng(seed)
    # Rows of one class (or of neighbouring target ranks) lie together and are dealt out like cards: sizes
    # differ by at most one within each class and overall.
    order = _by_target(y, rng)
    parts = np.empty(len(y), dtype=np.int64)
    if task == "regression":
        for start in range(0, len(y), n_parts):
            block = order[start : start + n_parts]
            parts[block] = rng.permutation(n_parts)[: len(block)]
    else:
        parts[order] = np.arange(len(y)) % n_parts
    return parts


def _parts(dataset: Dataset, y: Target, n_parts: int, seed: int) -> Rows:
    if dataset.groups is None:
        return stratified_parts(y, dataset.task, n_parts=n_parts, seed=seed)
    return _group_parts(dataset, y, n_parts, seed)


def _group_parts(dataset: Dataset, y: Target, n_parts: int, seed: int) -> Rows:
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    assert dataset.groups is not None
    groups = dataset.groups.to_numpy()
    n_groups = len(np.unique(groups))
    if n_groups < n_parts:
        raise TableError(
            f"{n_parts} folds need at least {n_parts} groups, but the group column has {n_groups}. Use fewer folds."
        )
    kind: Any = GroupKFold if dataset.task == "regression" else StratifiedGroupKFold
    splitter = kind(n_splits=n_parts, shuffle=True, random_state=seed)
    parts = np.empty(len(y), dtype=np.int64)
    for part, (_, test) in enumerate(splitter.split(np.zeros(len(y)), y, groups)):
        parts[test] = part
    return parts


def _forward(times: npt.NDArray[Any], folds: int, share: float | None) -> Splits:
    order = np.argsort(times, kind="stable").astype(np.int64)
    ordered = times[order]
    first_of_its_time = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    if share is None:
        wanted = np.arange(1, folds + 1) * len(times) // (folds + 1)
    else:
        wanted = np.array([round(len(times) * (1 - share))])
    # A cut never parts rows of the same time: it moves to where the next time begins.
    places = np.searchsorted(first_of_its_time, wanted)
    cuts = np.unique(first_of_its_time[places[places < len(first_of_its_time)]])
    cuts = cuts[cuts > 0]
    if len(cuts) < len(wanted):
        raise TableError(
            f"{folds} splits forward in time need more than {folds} different times that are spread over the rows, but "
            f"the time column has {len(first_of_its_time)}. Use fewer folds, or holdout."
        )
    ends = [*cuts[1:], len(times)]
    train = tuple(np.sort(order[:cut]) for cut in cuts)
    test = tuple(np.sort(order[cut:end]) for cut, end in zip(cuts, ends, strict=True))
    described = f"{folds} splits forward in time" if share is None else f"the last {share:.0%} in time held out"
    return Splits(train, test, described)


def _described(dataset: Dataset, folds: int, repeats: int, share: float | None) -> str:
    kind = "grouped" if dataset.groups is not None else "stratified"
    if share is not None:
        return f"a {kind} hold-out of {1 / max(2, round(1 / share)):.0%}"
    return f"{folds} {kind} folds" + (f", {repeats} times" if repeats > 1 else "")


def _row_numbers(values: Any, n_rows: int) -> Rows:
    array = np.asarray(values)
    if array.dtype == bool and array.shape == (n_rows,):
        return np.flatnonzero(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise OptionError(
            f"cv must give row numbers, or boolean masks of {n_rows} rows, got an array of {array.dtype} "
            f"with shape {array.shape}."
        )
    if array.size and (array.min() < 0 or array.max() >= n_rows):
        raise OptionError(
            f"cv gave row {array.min() if array.min() < 0 else array.max()}, but the rows that have a target are "
            f"0 to {n_rows - 1}."
        )
    return np.unique(array.astype(np.int64))


def _by_target(y: Target, rng: np.random.Generator) -> Rows:
    """Row numbers sorted by the target, equal ones in random order."""
    shuffled = rng.permutation(len(y))
    return shuffled[np.argsort(y[shuffled], kind="stable")]


def mean_train_rows(splits: Splits) -> float:
    """Rows that a model learns from, on average over the splits."""
    return float(np.mean([len(rows) for rows in splits.train]))
