"""From Arrow columns to pandas columns."""

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def to_series(column: Any) -> "pd.Series[Any] | None":
    """An Arrow column in pandas; None for what no table can use: lists, structs, maps, bytes.

    Decimals become float64, dates and timestamps ``datetime64``; dictionaries become categories.
    """
    kind = column.type
    if pa.types.is_nested(kind) or _is_binary(kind):
        return None
    if pa.types.is_decimal(kind):
        column = pc.cast(column, pa.float64())
    try:
        values: pd.Series[Any] = column.to_pandas(date_as_object=False)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return None
    return values


def _is_binary(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))
