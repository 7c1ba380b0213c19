"""Columns of runs: their types in Parquet, and back to pandas."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from autometa.errors import InputError, KnowledgeBaseError

Kind = Literal["bool", "int", "float", "str", "json"]

RUN_SCHEMA = pa.schema(
    [
        pa.field("dataset_id", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("direction", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("spread", pa.float64()),
        pa.field("repeats", pa.int64()),
        pa.field("fidelity", pa.float64()),
        pa.field("duration", pa.float64()),
        pa.field("status", pa.string()),
        pa.field("source", pa.string()),
        pa.field("created", pa.timestamp("us", tz="UTC")),
        pa.field("projected", pa.bool_()),
    ]
)

VERSION_KEY = b"autometa_schema"
"""Marks the Parquet schema of runs since version 2, with the version as its value."""

RUN_COLUMNS: tuple[str, ...] = tuple(RUN_SCHEMA.names)
"""Columns of `KnowledgeBase.runs` that are not hyperparameters, in order."""

_TYPES: dict[Kind, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "json": pa.string(),
}
_PYTHON: dict[type, Kind] = {bool: "bool", int: "int", float: "float", str: "str"}
_JSON = {b"encoding": b"json"}
_PANDAS = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
_DTYPES: dict[str, Kind] = {"bool": "bool", "boolean": "bool", "int64": "int", "Int64": "int", "float64": "float"}


def kind_of(values: Iterable[object]) -> Kind | None:
    """The narrowest kind that holds every value; None where all are None."""
    kinds = {_PYTHON[type(value)] for value in values if value is not None}
    if not kinds:
        return None
    if kinds == {"int", "float"}:
        return "float"
    return kinds.pop() if len(kinds) == 1 else "json"


@lru_cache(maxsize=64)
def space_kinds(space: str) -> Mapping[str, Kind]:
    """Kinds of a shipped space's hyperparameters; empty for a space that autometa does not ship."""
    from autometa.spaces import load_space

    try:
        hyperparameters = load_space(space).hyperparameters
    except InputError:
        return {}
    kinds: dict[str, Kind | None] = {}
    for one in hyperparameters:
        kinds[one.name] = one.type if one.type in ("int", "float") else kind_of(one.choices)
    return {name: kind for name, kind in kinds.items() if kind is not None}


def encode_column(name: str, values: pd.Series, kind: Kind | None) -> tuple[pa.Field, pa.Array] | None:
    """A hyperparameter's column as Arrow; None where it is null throughout, which needs no column.

    Raises:
        KnowledgeBaseError: A value is not a plain one, or does not fit the hyperparameter's type.
    """
    typed = _DTYPES.get(str(values.dtype), "str" if isinstance(values.dtype, pd.StringDtype) else None)
    if typed is not None and (kind in (None, typed) or (typed, kind) == ("int", "float")):
        return _typed_column(name, values, kind or typed)
    plain = [_plain(name, value) for value in values.tolist()]
    found = kind_of(plain)
    if found is None:
        return None
    kind = kind or found
    if kind == "json":
        texts = [None if value is None else json.dumps(value) for value in plain]
        return pa.field(name, pa.string(), metadata=_JSON), pa.array(texts, pa.string())
    if kind == "int" and found == "float":
        plain = [int(value) if isinstance(value, float) and value.is_integer() else value for value in plain]
        found = kind_of(plain)
    if found != kind and (found, kind) != ("int", "float"):
        wrong = next(v for v in plain if v is not None and kind_of([v]) != kind)
        raise KnowledgeBaseError(
            f"Column {name!r} must hold {kind} values or nothing, as its hyperparameter does, but got {wrong!r}."
        )
    return pa.field(name, _TYPES[kind]), pa.array(plain, _TYPES[kind])


def _typed_column(name: str, values: pd.Series, kind: Kind) -> tuple[pa.Field, pa.Array] | None:
    """A column whose dtype says all: no need to look at each value."""
    column = pa.array(values, _TYPES[kind], from_pandas=True)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return None if column.null_count == len(column) else (pa.field(name, _TYPES[kind]), column)


def _plain(name: str, value: object) -> bool | int | float | str | None:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if type(value) in _PYTHON:
        return value  # type: ignore[return-value]
    raise KnowledgeBaseError(
        f"Column {name!r} must hold True, False, numbers, text or nothing, but got {value!r} "
        f"({type(value).__name__}). Columns besides {', '.join(RUN_COLUMNS[3:])} are hyperparameters."
    )


def kinds_in(schema: pa.Schema, part: str) -> dict[str, Kind]:
    """Kinds of the hyperparameters that a part has, given its schema and its name.

    Raises:
        KnowledgeBaseError: A part of schema version 1 has a hyperparameter whose name means something else since.
    """
    taken = {"spread", "repeats"} & set(schema.names)
    if taken and VERSION_KEY not in (schema.metadata or {}):
        name = min(taken)
        raise KnowledgeBaseError(
            f"{part}, of schema version 1, has a hyperparameter {name!r}, which is the name of a column of all runs "
            f"since version 2. Rename the column in that file, for instance to '{name}_'."
        )
    return {field.name: _kind_in(field) for field in schema if field.name not in RUN_COLUMNS}


def _kind_in(field: pa.Field) -> Kind:
    if is_json(field):
        return "json"
    if pa.types.is_boolean(field.type):
        return "bool"
    if pa.types.is_integer(field.type):
        return "int"
    return "float" if pa.types.is_floating(field.type) else "str"


def merge_kinds(kinds: dict[str, Kind], others: Mapping[str, Kind]) -> bool:
    """Widen ``kinds`` so that one scan can read both; False, and no change, where only JSON could hold both."""
    changed = {name: kind for name, kind in others.items() if kinds.get(name) != kind}
    for name, kind in changed.items():
        if name in kinds:
            if {kinds[name], kind} != {"int", "float"}:
                return False
            changed[name] = "float"
    kinds.update(changed)
    return True


def run_schema(kinds: Mapping[str, Kind]) -> pa.Schema:
    """The schema of runs with these hyperparameters."""
    fields = [pa.field(name, _TYPES[kind], metadata=_JSON if kind == "json" else None) for name, kind in kinds.items()]
    return pa.schema([*RUN_SCHEMA, *fields])


def unify(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of many: a column that some lack is null there, one of mixed types becomes JSON text."""
    names = dict.fromkeys(name for table in tables for name in table.column_names)
    clashing = [name for name in names if name not in RUN_COLUMNS and _clashes(name, tables)]
    tables = [_as_json(table, clashing) for table in tables]
    return pa.concat_tables(tables, promote_options="permissive")


def _clashes(name: str, tables: Sequence[pa.Table]) -> bool:
    kinds = {_kind_in(table.schema.field(name)) for table in tables if name in table.column_names}
    return len(kinds) > 1 and kinds != {"int", "float"}


def is_json(field: pa.Field) -> bool:
    """Whether a column holds JSON text."""
    return (field.metadata or {}).get(b"encoding") == b"json"


def _as_json(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in set(names) & set(table.column_names):
        position = table.column_names.index(name)
        if not is_json(table.schema.field(position)):
            values = table.column(position).to_pylist()
            texts = [None if value is None else json.dumps(value) for value in values]
            field = pa.field(name, pa.string(), metadata=_JSON)
            table = table.set_column(position, field, pa.array(texts, pa.string()))
    return table


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Runs as pandas shows them.

    Hyperparameters that are whole numbers or booleans take pandas' nullable types, so that ``n_neighbors``
    stays 5 beside a null and does not become 5.0.
    """
    frame: pd.DataFrame = table.to_pandas(types_mapper=_PANDAS.get)
    for name in table.column_names:
        if is_json(table.schema.field(name)):
            texts = table.column(name).to_pylist()
            restored = [None if text is None else json.loads(text) for text in texts]
            frame[name] = pd.Series(restored, index=frame.index, dtype=object)
    return frame.assign(projected=frame["projected"].fillna(False).astype(bool))
