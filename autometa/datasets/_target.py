"""What is to be predicted: which column, which task, which labels."""

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.datasets._convert import to_numbers, to_words
from autometa.datasets._types import Column, infer_column
from autometa.datasets._words import integers
from autometa.errors import TableError
from autometa.records import TASK_TYPES, TaskType

Label = str | int | float | bool

USUAL_NAMES = ("target", "class", "label", "y")
_FEW = 20
_LARGEST = 1e150


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A target that was understood.

    ``values`` are codes 0..K-1 as float64 or numbers; NaN where the row has none. ``notes`` say what was
    bent, such as multiclass becoming binary.
    """

    task: TaskType
    reason: str
    classes: tuple[Label, ...]
    values: npt.NDArray[np.float64]
    notes: tuple[str, ...] = ()


def choose_target(names: Sequence[str], asked: str | None, taken: Collection[str] = ()) -> tuple[str, str]:
    """The target's name, and why it is this one; never a column that is ``taken`` for something else.

    Raises:
        TableError: The one that was asked for is not there, or nothing is left.
    """
    if asked is not None:
        if asked not in names:
            raise TableError(f"The table has no column {asked!r} to predict.{near(asked, names)}")
        return asked, "as given"
    names = [name for name in names if name not in taken]
    if not names:
        raise TableError("No column is left to predict. Leave out fewer columns, or name the target with --target.")
    lower = {name.lower(): name for name in reversed(names)}
    for usual in USUAL_NAMES:
        if usual in lower:
            return lower[usual], f"a column called {lower[usual]}"
    last = "the last column that is left" if taken else "the last column"
    return names[-1], f"{last}; none is called {', '.join(USUAL_NAMES[:-1])} or {USUAL_NAMES[-1]}"


def near(name: str, names: Sequence[str]) -> str:
    """Which names could have been meant."""
    folded = {other.lower(): other for other in names}
    close = [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3)]
    if close:
        return f" Did you mean {' or '.join(map(repr, close))}?"
    listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f" Columns: {listed}."


def understand(name: str, values: "pd.Series[Any]", task: TaskType | None) -> Target:
    """Infer the task of a target column, or check the one that was asked for.

    Words, booleans and declared categories are classes. Whole numbers are classes if they are at most 20
    different ones and each comes more than once; all other numbers are for regression.

    Raises:
        TableError: The target cannot be learned, or does not fit the task.
    """
    if task is not None and task not in TASK_TYPES:
        raise TableError(f"Unknown task {task!r}. Use one of: {', '.join(TASK_TYPES)}.")
    column = infer_column(name, values)
    if values.dtype.kind == "M" or column.kind == "datetime":
        raise TableError(f"The target {name!r} holds dates, which cannot be predicted. Turn them into numbers first.")
    if column.kind == "numeric" and isinstance(values.dtype, pd.StringDtype):
        values = to_numbers(values, column)
    numeric = values.dtype.kind in "iuf"
    if numeric:
        values = values.where(np.isfinite(values)) if values.dtype.kind == "f" else values
    _check_varies(name, values)
    if task == "regression" or (task is None and numeric and not _few_and_repeated(values)):
        return _regression(name, values, task)
    return _classification(name, values, task, numeric)


def label_codes(values: "pd.Series[Any]", classes: Sequence[Label]) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Codes of labels, NaN where there is none, and the labels that are no class."""
    words = to_words(values)
    codes = pd.Index([_spelling(label) for label in classes], dtype="str").get_indexer(pd.Index(words))
    unknown = (codes < 0) & words.notna().to_numpy()
    return np.where(codes < 0, np.nan, codes), sorted(set(words[unknown]))


def _spelling(label: Label) -> str:
    return label if isinstance(label, str) else str(to_words(pd.Series([label])).iloc[0])


def _check_varies(name: str, values: "pd.Series[Any]") -> None:
    distinct = values.nunique()
    if distinct == 0:
        raise TableError(f"The target {name!r} has no value at all. Choose another with --target.")
    if distinct == 1:
        only = values.dropna().iloc[0]
        raise TableError(f"The target {name!r} is {only!s} in every row: there is nothing to learn. Choose another.")


def _few_and_repeated(values: "pd.Series[Any]") -> bool:
    counts = values.value_counts()
    return len(counts) <= _FEW and int(counts.min()) > 1 and integers(values)


def _regression(name: str, values: "pd.Series[Any]", task: TaskType | None) -> Target:
    if values.dtype.kind not in "iuf":
        values = _numbers_for_regression(name, to_words(values))
    numbers = values.to_numpy(dtype=np.float64)
    largest = float(np.nanmax(np.abs(numbers)))
    if largest > _LARGEST:
        raise TableError(
            f"The squares of a regression's target must be finite, so no value may be beyond {_LARGEST:g}, but "
            f"{name!r} holds {largest:g}. Predict its logarithm, or leave such rows out."
        )
    if task is not None:
        return Target("regression", "as given", (), numbers)
    distinct = values.nunique()
    what = "with fractions" if not integers(values) else "that are whole"
    return Target("regression", f"numbers {what}, {distinct} different", (), numbers)


def _numbers_for_regression(name: str, words: "pd.Series[Any]") -> "pd.Series[Any]":
    try:
        return to_numbers(words, Column(name, "numeric", "the target of a regression"))
    except TableError as error:
        raise TableError(
            f"Regression needs a target of numbers, but {name!r} holds {words.dropna().iloc[0]!r}. "
            "Use --task binary or multiclass, or choose another target."
        ) from error


def _classification(name: str, values: "pd.Series[Any]", task: TaskType | None, numeric: bool) -> Target:
    classes = _classes(values)
    present = int(values.notna().sum())
    if len(classes) > present / 2:
        raise TableError(
            f"A class must come more than once to be learned, but the target {name!r} has {len(classes)} classes in "
            f"{present} rows. Choose another target{', or use --task regression' if numeric else ''}."
        )
    found: TaskType = "binary" if len(classes) == 2 else "multiclass"
    if task == "binary" and found != "binary":
        raise TableError(
            f"A binary task needs exactly 2 classes, but {name!r} has {len(classes)}: {_listed(classes)}. "
            "Use --task multiclass."
        )
    notes = (
        ("The task is binary, not multiclass: the target has 2 classes.",)
        if task == "multiclass" and found == "binary"
        else ()
    )
    if task is not None:
        reason = "as given"
    elif numeric:
        reason = f"{len(classes)} different whole numbers (at most {_FEW}), each more than once"
    else:
        reason = f"{len(classes)} different {'truth values' if classes == (False, True) else 'words'}"
    codes, _ = label_codes(values, classes)
    return Target(found, reason, classes, codes, (*notes, *_single_notes(codes, classes)))


def _classes(values: "pd.Series[Any]") -> tuple[Label, ...]:
    """The labels in order, as Python values; words that spell booleans or whole numbers are those."""
    unique = values.dropna().unique()
    if values.dtype.kind in "iuf":
        whole = integers(values)
        return tuple(sorted(int(value) if whole else float(value) for value in unique))
    words = sorted({str(word) for word in to_words(pd.Series(unique))})
    if words == ["False", "True"]:
        return (False, True)
    if all(_is_whole(word) for word in words):
        return tuple(sorted(int(word) for word in words))
    return tuple(words)


def _is_whole(word: str) -> bool:
    digits = word.removeprefix("-")
    return digits.isdecimal() and digits.isascii() and str(int(word)) == word and len(digits) < 16


def _single_notes(codes: npt.NDArray[np.float64], classes: tuple[Label, ...]) -> tuple[str, ...]:
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(classes))
    single = [classes[position] for position in np.flatnonzero(counts == 1)]
    if not single:
        return ()
    return (f"Only one row each has the class {_listed(single)}: folds cannot be stratified by it.",)


def _listed(labels: Sequence[Label]) -> str:
    return ", ".join(map(str, labels[:8])) + (f" and {len(labels) - 8} more" if len(labels) > 8 else "")
