"""Any pandas column as one of the few plain dtypes that the rest of the package knows."""

import datetime as dt
import decimal
import numbers
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from autometa.datasets._arrow import to_series
from autometa.datasets._base import Table
from autometa.datasets._names import repair
from autometa.datasets._words import combined, settle, word_of


def plain_table(frame: pd.DataFrame) -> Table:
    """A frame with the promises of `Table`: names, index and dtypes; columns that cannot be used are left out.

    The frame that was passed is not changed.
    """
    names, notes = repair(list(frame.columns))
    remarks = [*notes, *_index_notes(frame)]
    columns: dict[str, pd.Series[Any]] = {}
    for position, name in enumerate(names):
        column, remark = plain_column(frame.iloc[:, position])
        if column is not None:
            columns[name] = column
        if remark:
            remarks.append(f"Column {name!r}: {remark}.")
    return Table(pd.DataFrame(columns, index=pd.RangeIndex(len(frame)), copy=False), tuple(remarks))


def plain_column(column: "pd.Series[Any]", *, as_words: bool = False) -> tuple["pd.Series[Any] | None", str]:
    """The column in a plain dtype with a fresh ``RangeIndex``, or None, and a remark on what was done.

    ``as_words``: no numbers are made of words.
    """
    if not (isinstance(column.index, pd.RangeIndex) and column.index.start == 0 and column.index.step == 1):
        column = column.reset_index(drop=True)
    dtype = column.dtype
    if isinstance(dtype, pd.SparseDtype):
        column = column.astype(dtype.subtype)
        dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(column), ""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]"), "times are in UTC"
    if isinstance(dtype, pd.PeriodDtype):
        return column.dt.to_timestamp().astype("datetime64[us]"), ""
    if isinstance(dtype, pd.ArrowDtype):
        converted = to_series(pa.chunked_array(pa.array(column)))
        return (
            (None, f"{dtype} cannot be used; the column is left out")
            if converted is None
            else plain_column(converted, as_words=as_words)
        )
    if isinstance(dtype, pd.StringDtype):
        settled = settle(combined(column), as_words=as_words)
        return pd.Series(settled.values), settled.note
    return _by_kind(column, as_words)


def _by_kind(column: "pd.Series[Any]", as_words: bool) -> tuple["pd.Series[Any] | None", str]:
    kind = column.dtype.kind
    if kind == "b":
        return column, ""
    if kind in "iuf":
        return _numeric(column), ""
    if kind == "M":
        return column.astype("datetime64[us]"), ""
    if kind == "m":
        return column.dt.total_seconds(), "durations are read as seconds"
    if kind == "c":
        return None, "complex numbers cannot be used; the column is left out"
    return _objects(column, as_words)


def _numeric(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """int64, uint64 or float64; a nullable integer with gaps becomes float64."""
    if column.dtype.kind == "f" or column.isna().any():
        return pd.Series(column.to_numpy(dtype=np.float64, na_value=np.nan))
    wide = column.dtype.kind == "u" and column.max() > np.iinfo(np.int64).max
    return pd.Series(column.to_numpy(dtype=np.uint64 if wide else np.int64))


def _categories(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Categories as words; two that share a spelling become one, and an empty word means missing."""
    words = [_word(value) for value in column.cat.categories]
    unique = list(dict.fromkeys(word for word in words if word != ""))
    place = {word: code for code, word in enumerate(unique)}
    codes = np.array([*(place.get(word, -1) for word in words), -1])[column.cat.codes]
    return pd.Series(pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(pd.Index(unique, dtype="str"))))


def _objects(column: "pd.Series[Any]", as_words: bool) -> tuple["pd.Series[Any] | None", str]:
    """A column of Python objects, by what they are."""
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "empty":
        return pd.Series(np.full(len(column), np.nan)), ""
    if kind == "string":
        return plain_column(column.astype("str"), as_words=as_words)
    if kind == "boolean":
        return column.astype("boolean"), ""
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return pd.Series(_floats(column)), ""
    if kind in ("datetime", "datetime64", "date"):
        moments = pd.to_datetime(column, utc=True, errors="coerce")
        return plain_column(moments)[0], ""
    foreign = next((value for value in column if not isinstance(value, _SCALAR) and value is not pd.NA), None)
    if foreign is not None:
        return None, f"values such as {type(foreign).__name__} cannot be used; the column is left out"
    settled = settle(combined(pd.Series([_word(value) for value in column], dtype="str")), as_words=as_words)
    return pd.Series(settled.values), settled.note


_SCALAR = (str, bool, np.bool_, numbers.Real, decimal.Decimal, dt.date, dt.time, dt.timedelta, type(None), type(pd.NaT))


def _word(value: Any) -> Any:
    """The one spelling of a value among words; missing stays missing."""
    if isinstance(value, str):
        return value
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return np.nan
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        return word_of(float(value))
    if isinstance(value, dt.datetime) and value.time() == dt.time(0):
        return value.date().isoformat()
    return str(value)


def _floats(column: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    values = np.array([np.nan if pd.isna(value) else float(value) for value in column], dtype=np.float64)
    whole = np.isfinite(values).all() and len(values) and all(isinstance(value, numbers.Integral) for value in column)
    return values.astype(np.int64) if whole and np.abs(values).max() < 2**53 else values


def _index_notes(frame: pd.DataFrame) -> list[str]:
    named = [str(name) for name in frame.index.names if name is not None]
    if not named:
        return []
    return [f"The index ({', '.join(named)}) is not used; call reset_index() to make it a column."]
