"""A second table with the target, such as rows that were held out for a test."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from autometa.datasets._names import repair
from autometa.datasets._plain import plain_table
from autometa.datasets._read import read_table
from autometa.datasets._roles import to_weights
from autometa.datasets._schema import TableSchema
from autometa.datasets._target import near
from autometa.errors import TableError


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Rows in the shape of a dataset that was learned from.

    ``X`` and ``y`` are as in `Dataset`; ``weights`` is float64, or None where the dataset has no weight column or
    the table lacks it. ``notes`` are sentences for people.
    """

    X: pd.DataFrame
    y: "pd.Series[Any]"
    weights: "pd.Series[Any] | None" = None
    notes: tuple[str, ...] = ()


def read_rows(source: str | os.PathLike[str] | pd.DataFrame, schema: TableSchema) -> LabelledRows:
    """Read a table that has the target and the columns of the one that was learned from.

    Use it for rows that were held out. Rows without a target are left out, with a note. Other columns are ignored.

    Args:
        source: A table file (see `read_table`), or a frame; a frame is not changed.
        schema: That of the dataset or of the model.

    Raises:
        TableError: The table cannot be read, lacks the target or a feature, has a label that was not learned, a
            value that does not fit its column, or no row with a target.
    """
    if isinstance(source, pd.DataFrame):
        notes, frame = plain_table(source).notes, source.set_axis(repair(list(source.columns))[0], axis=1)
    else:
        table = read_table(source, words=schema.words)
        notes, frame = table.notes, table.frame
    names = [str(name) for name in frame.columns]
    if schema.target not in names:
        raise TableError(
            f"The table must hold the target {schema.target!r} to be compared with, but it does not."
            f"{near(schema.target, names)}"
        )
    numbers = schema.target_numbers(frame[schema.target])
    kept = ~np.isnan(numbers)
    left_out = int((~kept).sum())
    if not kept.any():
        raise TableError(f"At least one row needs a value of the target {schema.target!r}, but none has one.")
    if left_out:
        rows = "1 row" if left_out == 1 else f"{left_out} rows"
        notes = (*notes, f"{rows} without a value of {schema.target!r} left out.")
    X = schema.apply(frame)
    weights, remarks = _weights(frame, schema, kept)
    values = numbers[kept] if schema.task == "regression" else numbers[kept].astype(np.int64)
    X = X if kept.all() else X[kept].reset_index(drop=True)
    return LabelledRows(X, pd.Series(values, name=schema.target), weights, (*notes, *remarks))


def _weights(frame: pd.DataFrame, schema: TableSchema, kept: Any) -> tuple["pd.Series[Any] | None", tuple[str, ...]]:
    name = next((column.name for column in schema.columns if column.kind == "weight"), None)
    if name is None:
        return None, ()
    if name not in frame.columns:
        return None, (f"The table has no weights ({name!r}): every row counts the same.",)
    plain = plain_table(frame[[name]]).frame
    if name not in plain:
        raise TableError(f"The weights in {name!r} must be numbers.")
    return to_weights(plain[name], kept, name), ()
