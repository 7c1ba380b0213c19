"""What each column is, and why."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from autometa.datasets._dates import DateOrder, parse_dates, spoken
from autometa.datasets._words import MISSING_AMONG_NUMBERS, combined, integers, partly_numbers

ColumnKind = Literal[
    "numeric", "categorical", "datetime", "text", "identifier", "constant", "group", "weight", "ignored"
]
FEATURE_KINDS: tuple[ColumnKind, ...] = ("numeric", "categorical", "datetime", "text")
COLUMN_KINDS: tuple[ColumnKind, ...] = (*FEATURE_KINDS, "identifier", "constant")
"""What a column can be by its values; a group, a weight or an ignored column is one because the user says so."""
Written = Literal["words", "truth"]

_NAMED_LIKE_KEY = re.compile(
    r"(?:^|[^a-z0-9])(?:id|ids|uid|uuid|guid|key|idx|index|row|rowid|rownum|row_?names?|record)(?:[^a-z0-9]+(?:level|no|nr|number|\d+))*[^a-z0-9]*$"
    r"|^unnamed: ?\d+$"
)
_CAMEL_KEY = re.compile(r"[a-z](?:I[Dd]|Key|Index)$")
# Text: a person's sentence rather than a label.
_TEXT_WORDS, _TEXT_LENGTH, _TEXT_DISTINCT = 3.0, 20.0, 0.5
# A column of numbers may hold a few words such as "error" before it stops being one of numbers.
_STRAY_WORDS, _STRAY_SHARE, _STRAY_NUMBERS = 3, 0.05, 20
_KEY_ROWS = 10


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: what it is taken for, and why.

    ``date_order`` says how a datetime column is written in text files. ``stray`` are words that stand for a
    missing value in this column only. ``written`` says how the categories came: as ``words``, which then stay as
    they are written in every later table ("007" is no 7), or as ``truth`` values, which may come as words or as 0
    and 1; None: by a declaration, or as numbers.
    """

    name: str
    kind: ColumnKind
    reason: str
    date_order: DateOrder | None = None
    stray: tuple[str, ...] = ()
    written: Written | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "reason": self.reason,
            "date_order": self.date_order,
            "stray": list(self.stray),
            "written": self.written,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Column":
        """The column that `to_json` described."""
        texts = (values["name"], values["kind"], values["reason"], values["date_order"])
        return cls(*texts, stray=tuple(values["stray"]), written=values.get("written"))


def infer_column(name: str, values: "pd.Series[Any]") -> Column:
    """What a plain column is.

    In this order: no value that varies: constant. Numbers: numeric, unless they are whole, distinct in every
    row, and either named like a key or an unbroken sequence in order: identifier. Booleans and declared
    categories: categorical. Words: datetime if all are dates, numeric if all but a few are numbers, text if
    they are long and mostly distinct, identifier if none repeats, else categorical.

    A column with one value and gaps is not constant: whether a value is there may matter.
    """
    present = len(values) - count_missing(values)
    if present == 0:
        return Column(name, "constant", "no value")
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _infer_categories(name, values, present)
    if values.dtype.kind in "iuf":
        return _infer_numbers(name, values, present)
    if values.dtype.kind == "M":
        constant = present == len(values) and values.min() == values.max()
        return Column(name, *(("constant", "one date only") if constant else ("datetime", "stored as dates")))
    if not isinstance(values.dtype, pd.StringDtype):
        constant = present == len(values) and values.nunique() == 1
        if constant:
            return Column(name, "constant", "one value only")
        return Column(name, "categorical", "true or false", written="truth")
    return _infer_words(name, values, present)


def count_missing(values: "pd.Series[Any]") -> int:
    """How many values are missing; for plain numbers ten times as fast as pandas, which shows in wide tables."""
    if values.dtype.kind in "iuf" and isinstance(values.dtype, np.dtype):
        numbers = values.to_numpy()
        return int(np.count_nonzero(np.isnan(numbers))) if numbers.dtype.kind == "f" else 0
    return int(values.isna().sum())


def given(name: str, kind: ColumnKind, values: "pd.Series[Any]") -> Column:
    """The column with the kind that the user demands, and what reading it as that kind needs."""
    column = Column(name, kind, "as given", written=_written(values) if kind in ("categorical", "text") else None)
    if not isinstance(values.dtype, (pd.StringDtype, pd.CategoricalDtype)):
        return column
    guessed = infer_column(name, values.astype("str")) if kind in ("numeric", "datetime") else column
    return replace(column, date_order=guessed.date_order, stray=guessed.stray) if guessed.kind == kind else column


def _infer_categories(name: str, values: "pd.Series[Any]", present: int) -> Column:
    distinct = values.nunique()
    if distinct == 1 and present == len(values):
        return Column(name, "constant", f"only {str(values.iloc[0])!r}")
    return Column(name, "categorical", f"declared categories, {distinct} in use")


def _infer_numbers(name: str, values: "pd.Series[Any]", present: int) -> Column:
    numbers = values.to_numpy()
    low, high = np.fmin.reduce(numbers), np.fmax.reduce(numbers)
    if low == high and present == len(values):
        return Column(name, "constant", f"only {low:g}")
    if not integers(numbers):
        return Column(name, "numeric", "numbers with fractions")
    if present == len(values):
        if len(values) >= _KEY_ROWS and _counts(numbers):
            return Column(
                name, "identifier", f"an unbroken sequence from {values.iloc[0]:.0f} to {values.iloc[-1]:.0f}"
            )
        if named_like_key(name) and values.is_unique:
            return Column(name, "identifier", "whole numbers, distinct in every row, and named like a key")
    return Column(name, "numeric", "whole numbers")


def _counts(values: npt.NDArray[Any]) -> bool:
    """Whether each value is one more, or each one less, than the one before."""
    first, last, steps = float(values[0]), float(values[-1]), len(values) - 1
    if abs(last - first) != steps or max(abs(first), abs(last)) > 2**53:
        return False
    return bool((values == np.linspace(first, last, steps + 1).round()).all())


def named_like_key(name: str) -> bool:
    """Whether a name says that its column identifies rows: id, customer_id, PassengerId, index, Unnamed: 0."""
    return bool(_NAMED_LIKE_KEY.search(name.lower()) or _CAMEL_KEY.search(name))


def _infer_words(name: str, values: "pd.Series[Any]", present: int) -> Column:
    counts = pc.value_counts(combined(values).drop_null())
    unique = counts.field("values")
    distinct = len(unique)
    if distinct == 1 and present == len(values):
        return Column(name, "constant", f"only {unique[0].as_py()!r}")
    dates = as_dates(unique)
    if dates is not None:
        return Column(name, "datetime", f"dates written {spoken(dates)}", date_order=dates)
    stray = _stray_words(counts, present)
    if stray:
        listed = ", ".join(map(repr, stray))
        return Column(name, "numeric", f"numbers; {listed} among them read as missing", stray=stray)
    if distinct > _TEXT_DISTINCT * present and _reads_like_text(unique):
        return Column(name, "text", f"sentences, {distinct} distinct of {present}", written="words")
    if distinct == present >= _KEY_ROWS:
        return Column(name, "identifier", "words of which none repeats")
    reason = f"{distinct} different words" if distinct > 1 else "one word, or missing"
    return Column(name, "categorical", reason, written=_written(values))


def _written(values: "pd.Series[Any]") -> Written | None:
    if values.dtype.kind == "b" or isinstance(values.dtype, pd.BooleanDtype):
        return "truth"
    if not isinstance(values.dtype, pd.StringDtype):
        return None
    return "truth" if values.isin(["True", "False", np.nan]).all() and values.notna().any() else "words"


def as_dates(unique: Any) -> DateOrder | None:
    """The order in which distinct words are dates, or None; words for missing among them do not count."""
    parsed = parse_dates(unique.slice(0, 20)) or parse_dates(without_gaps(unique.slice(0, 100)))
    if parsed is None:
        return None
    whole = parse_dates(without_gaps(unique))
    return None if whole is None else whole[1]


def without_gaps(words: Any) -> Any:
    """Words with those that mean missing among dates and numbers as null."""
    gaps = pc.is_in(words, value_set=pa.array(MISSING_AMONG_NUMBERS, words.type))
    return pc.if_else(gaps, pa.scalar(None, words.type), words)


def _stray_words(counts: Any, present: int) -> tuple[str, ...]:
    """The few words in a column that is one of numbers otherwise; empty where it is not."""
    unique = counts.field("values")
    numbers, strange = partly_numbers(unique)
    if len(unique) - numbers.null_count < max(_STRAY_NUMBERS, len(unique) // 2):
        return ()
    found = dict(
        zip(unique.filter(strange).to_pylist(), counts.field("counts").filter(strange).to_pylist(), strict=True)
    )
    rows = sum(count for word, count in found.items() if word not in MISSING_AMONG_NUMBERS)
    words = sum(word not in MISSING_AMONG_NUMBERS for word in found)
    return tuple(sorted(found)) if words <= _STRAY_WORDS and rows <= max(_STRAY_SHARE * present, 1) else ()


def _reads_like_text(unique: Any) -> bool:
    sample = unique.slice(0, 2000)
    length = pc.mean(pc.utf8_length(sample)).as_py()
    spaces = pc.mean(pc.count_substring_regex(sample, r"\s+")).as_py()
    return bool(length >= _TEXT_LENGTH and spaces + 1 >= _TEXT_WORDS)
