"""A plain column in the dtype that its kind has in X."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from autometa.datasets._dates import parse_dates, spoken
from autometa.datasets._types import Column, count_missing, without_gaps
from autometa.datasets._words import combined, parse_numbers, partly_numbers, word_of
from autometa.errors import TableError

_TRUTH = dict.fromkeys(("true", "t", "yes", "y", "1"), "True") | dict.fromkeys(("false", "f", "no", "n", "0"), "False")


def to_kind(values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    """The values as X holds them: float64, ``str`` or ``datetime64[us]``.

    Infinities become missing. A word that is neither a number (a date) nor known to mean a missing value is
    an error, never a silent gap.

    Raises:
        TableError: A value cannot be read as the column's kind.
    """
    if count_missing(values) == len(values):
        return _nothing(len(values), column)
    if column.kind == "numeric":
        return to_numbers(values, column)
    if column.kind == "datetime":
        return _to_dates(values, column)
    return _to_truth(values, column) if column.written == "truth" else to_words(values)


def to_numbers(values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    """float64 without infinities."""
    if values.dtype.kind == "M":
        raise TableError(f"Column {column.name!r} is numeric, but holds dates. {_advice(column)}")
    if isinstance(values.dtype, (pd.StringDtype, pd.CategoricalDtype)):
        numbers = _words_to_numbers(values, column)
    else:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(numbers)
    return pd.Series(np.where(infinite, np.nan, numbers) if infinite.any() else numbers)


def to_words(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """``str``; numbers and dates get the one spelling that they have everywhere."""
    if isinstance(values.dtype, (pd.StringDtype, pd.CategoricalDtype)):
        return values.astype("str")
    if values.dtype.kind in "iuf":
        places, numbers = pd.factorize(values.to_numpy())
        return _spread([word_of(number) for number in numbers.tolist()], places)
    if values.dtype.kind == "M":
        midnight = bool((values.dropna().dt.normalize() == values.dropna()).all())
        written: pd.Series[Any] = values.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M:%S").astype("str")
        return written
    codes, unique = pd.factorize(values.astype("boolean"))
    return _spread([str(bool(value)) for value in unique.tolist()], codes)


def _to_truth(values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    """True and False as words; from numbers and from other words for them, too."""
    words = to_words(values)
    codes, unique = pd.factorize(words)
    strange = [word for word in unique if word.strip().lower() not in _TRUTH]
    if strange:
        raise _unreadable(pa.array(strange, pa.large_string()), words, column, "true or false")
    return _spread([_TRUTH[word.strip().lower()] for word in unique], codes)


def infinities(values: "pd.Series[Any]") -> int:
    """How many values are infinite."""
    return int(np.isinf(values.to_numpy()).sum()) if values.dtype.kind == "f" else 0


def _spread(words: list[str], codes: Any) -> "pd.Series[Any]":
    return pd.Series(pd.array([*words, np.nan], dtype="str").take(codes))


def _nothing(n_rows: int, column: Column) -> "pd.Series[Any]":
    if column.kind == "numeric":
        return pd.Series(np.full(n_rows, np.nan))
    missing = np.full(n_rows, None, dtype=object)
    return pd.Series(missing, dtype="datetime64[us]" if column.kind == "datetime" else "str")


def _words_to_numbers(values: "pd.Series[Any]", column: Column) -> Any:
    encoded = combined(values.astype("str")).dictionary_encode()
    gaps = pc.is_in(encoded.dictionary, value_set=pa.array(column.stray, pa.large_string()))
    words = without_gaps(pc.if_else(gaps, pa.scalar(None, pa.large_string()), encoded.dictionary))
    parsed = parse_numbers(words)
    if parsed is None and words.null_count < len(words):
        _, strange = partly_numbers(words)
        raise _unreadable(words.filter(strange), values, column, "a number")
    numbers = pa.nulls(len(words), pa.float64()) if parsed is None else parsed[0]
    return pc.take(numbers, encoded.indices).to_numpy(zero_copy_only=False)


def _to_dates(values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    if values.dtype.kind == "M":
        return values.astype("datetime64[us]")
    if not isinstance(values.dtype, (pd.StringDtype, pd.CategoricalDtype)):
        raise TableError(f"Column {column.name!r} holds dates, but here it holds numbers. {_advice(column)}")
    encoded = combined(values.astype("str")).dictionary_encode()
    words = without_gaps(encoded.dictionary)
    parsed = parse_dates(words, column.date_order)
    if parsed is None and words.null_count < len(words):
        strange = [
            word for word in words.to_pylist() if word and parse_dates(pa.array([word]), column.date_order) is None
        ]
        form = f"a date written {spoken(column.date_order)}" if column.date_order else "a date"
        raise _unreadable(pa.array(strange or words.to_pylist(), pa.large_string()), values, column, form)
    dates = np.full(len(words), np.datetime64("NaT"), dtype="datetime64[us]") if parsed is None else parsed[0]
    places = pc.fill_null(encoded.indices, len(dates)).to_numpy(zero_copy_only=False)
    return pd.Series(np.append(dates, np.datetime64("NaT"))[places])


def _unreadable(strange: Any, values: "pd.Series[Any]", column: Column, wanted: str) -> TableError:
    word = strange[0].as_py() if len(strange) else None
    found = (
        f"row {int((values == word).to_numpy().argmax()) + 1} holds {word!r}" if word is not None else "a row does not"
    )
    return TableError(f"Column {column.name!r} must hold {wanted} in every row, but {found}. {_advice(column)}")


def _advice(column: Column) -> str:
    return (
        f"It was taken for {column.kind} ({column.reason}). Correct the value, or choose another kind for the column."
    )
