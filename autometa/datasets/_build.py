"""From a table to something that can be learned from."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.datasets._convert import infinities, to_kind
from autometa.datasets._dataset import UNLABELLED, Dataset
from autometa.datasets._hash import content_hash
from autometa.datasets._plain import plain_table
from autometa.datasets._read import read_table
from autometa.datasets._roles import Roles, role_values, roles
from autometa.datasets._schema import TableSchema
from autometa.datasets._target import Target, choose_target, near, understand
from autometa.datasets._types import COLUMN_KINDS, FEATURE_KINDS, Column, ColumnKind, given, infer_column
from autometa.errors import TableError
from autometa.records import TaskType

MIN_ROWS = 10


def read_dataset(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    target: str | None = None,
    task: TaskType | None = None,
    name: str | None = None,
    kinds: Mapping[str, ColumnKind] | None = None,
    group: str | npt.ArrayLike | None = None,
    time_column: str | None = None,
    weight: str | npt.ArrayLike | None = None,
    ignore: Sequence[str] = (),
) -> Dataset:
    """Read a table and infer what each column is and what is to be predicted.

    Args:
        source: A table file (see `read_table`), or a frame; a frame is not changed.
        target: The column to predict; by default one called target, class, label or y, else the last.
        task: Overrides the inferred task.
        name: What to call the dataset; by default the file's name.
        kinds: Columns whose kind is known better than it can be guessed.
        group: Column whose rows with one value belong together (a customer, a patient) and may not be parted
            between training and test; or one value per row, in the table's order. Not learned from.
        time_column: Column of dates or numbers by which the rows are ordered, where the future must not help to
            predict the past. Learned from where it would be without this.
        weight: Column of what each row counts, 0 or more; or one value per row. Not learned from.
        ignore: Columns that are not learned from.

    Raises:
        TableError: The table cannot be read, or cannot be learned from: fewer than 10 rows, no usable
            column, a target that is not there, is constant or does not fit the task; or a group, time, weight or
            ignored column breaks a rule.
    """
    table = plain_table(source) if isinstance(source, pd.DataFrame) else read_table(source)
    frame, names = table.frame, list(table.frame.columns)
    if not names:
        raise TableError("The table has no column that can be used. It needs a target and at least one other column.")
    parts = roles(
        names,
        len(frame),
        group=group,
        time_column=time_column,
        weight=weight,
        ignore=ignore,
        target=target,
        kinds=kinds or {},
    )
    target_name, target_reason = choose_target(names, target, parts.columns)
    _check_kinds(kinds or {}, names, target_name)
    understood = understand(target_name, frame[target_name], task)
    kept = ~np.isnan(understood.values)
    _check_rows(int(kept.sum()), len(frame), target_name)
    columns = _columns(frame, target_name, kinds or {}, parts)
    X, unlabelled, notes = _features(frame, columns, kept, _kept_without(kept, understood.task))
    y = _target_values(understood, kept, target_name)
    schema = TableSchema(columns, target_name, target_reason, understood.task, understood.reason, understood.classes)
    given_parts = role_values(frame, parts, kept, kinds or {})
    told = (*table.notes, *understood.notes, *_dropped_rows(kept, target_name, understood.task))
    told += (*notes, *_dropped_columns(schema))
    told += given_parts.notes
    title = name or ("table" if isinstance(source, pd.DataFrame) else _stem(Path(source)))
    groups, times, weights = given_parts.groups, given_parts.times, given_parts.weights
    fingerprint = content_hash(X, y, schema.classes, groups=groups, times=times, weights=weights)
    return Dataset(
        X,
        y,
        schema,
        title,
        fingerprint,
        notes=told,
        groups=groups,
        times=times,
        weights=weights,
        unlabelled=unlabelled,
    )


def _check_kinds(kinds: Mapping[str, ColumnKind], names: list[str], target: str) -> None:
    for column, kind in kinds.items():
        if column not in names:
            raise TableError(f"A kind was given for the column {column!r}, which is not there.{near(column, names)}")
        if column == target:
            raise TableError(f"{column!r} is the target and has no kind; its task can be given instead.")
        if kind in ("group", "weight", "ignored"):
            raise TableError(
                f"{column!r} is made {kind} by naming it as such (group, weight, ignore), not by its kind."
            )
        if kind not in COLUMN_KINDS:
            raise TableError(f"Unknown kind {kind!r} for the column {column!r}. Use one of: {', '.join(COLUMN_KINDS)}.")


def _check_rows(usable: int, total: int, target: str) -> None:
    if usable < MIN_ROWS:
        with_target = "" if usable == total else f" with a value of {target!r}"
        raise TableError(f"At least {MIN_ROWS} rows are needed to learn from, but the table has {usable}{with_target}.")


def _columns(frame: pd.DataFrame, target: str, kinds: Mapping[str, ColumnKind], parts: Roles) -> tuple[Column, ...]:
    columns = tuple(
        parts.column(str(name))
        or (given(str(name), kinds[str(name)], values) if name in kinds else infer_column(str(name), values))
        for name, values in frame.items()
        if name != target
    )
    if not any(column.kind in FEATURE_KINDS for column in columns):
        seen = "; ".join(f"{column.name}: {column.kind} ({column.reason})" for column in columns[:5])
        raise TableError(
            f"The table has no column to learn from besides the target {target!r}. {seen or 'Is the delimiter right?'}"
        )
    return columns


def _features(
    frame: pd.DataFrame, columns: tuple[Column, ...], kept: Any, without: npt.NDArray[np.int64]
) -> tuple[pd.DataFrame, pd.DataFrame | None, list[str]]:
    """X, the same of some rows ``without`` a target, if any, and notes on what was made missing."""
    notes, features, more = [], {}, {}
    for column in columns:
        if column.kind not in FEATURE_KINDS:
            continue
        raw = frame[column.name]
        infinite = infinities(raw) if column.kind == "numeric" else 0
        if infinite:
            notes.append(f"Column {column.name!r}: {infinite} infinite {_plural(infinite, 'value')} read as missing.")
        if column.stray:
            notes.append(f"Column {column.name!r}: {column.reason}.")
        values = to_kind(raw, column)
        features[column.name] = values if kept.all() else values[kept].reset_index(drop=True)
        more[column.name] = values.iloc[without].reset_index(drop=True)
    unlabelled = pd.DataFrame(more, copy=False) if len(without) else None
    return pd.DataFrame(features, index=pd.RangeIndex(int(kept.sum())), copy=False), unlabelled, notes


def _kept_without(kept: Any, task: TaskType) -> npt.NDArray[np.int64]:
    """Rows without a target that are kept all the same: of a classification, evenly over the table."""
    without = np.flatnonzero(~kept) if task != "regression" else np.empty(0, dtype=np.int64)
    return without if len(without) <= UNLABELLED else without[np.linspace(0, len(without) - 1, UNLABELLED, dtype=int)]


def _target_values(target: Target, kept: Any, name: str) -> "pd.Series[Any]":
    values = target.values[kept]
    return pd.Series(values if target.task == "regression" else values.astype(np.int64), name=name)


def _dropped_rows(kept: Any, target: str, task: TaskType) -> list[str]:
    missing = int((~kept).sum())
    but = ", but for candidates that learn from such rows" if task != "regression" else ""
    return [f"{missing} {_plural(missing, 'row')} without a value of {target!r} left out{but}."] if missing else []


def _dropped_columns(schema: TableSchema) -> list[str]:
    listed = [f"{column.name} ({column.kind}: {column.reason})" for column in schema.dropped]
    more = f" and {len(listed) - 20} more" if len(listed) > 20 else ""
    return [f"Not learned from: {', '.join(listed[:20])}{more}."] if listed else []


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"


def _stem(path: Path) -> str:
    return path.name.split(".")[0] or path.name
