"""From a table of runs to what is stored."""

from typing import Any, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._columns import RUN_COLUMNS, RUN_SCHEMA, encode_column, space_kinds
from autometa.records import Direction, TrialStatus

_TEXTS = ("dataset_id", "metric", "direction", "status", "source")
_NUMBERS = ("value", "spread", "fidelity", "duration")
_REQUIRED = ("dataset_id", "metric", "direction", "value")


def encode_runs(frame: pd.DataFrame, space: str) -> pa.Table:
    """Check a table of runs and give its columns their types, ordered by dataset for quick filters.

    Raises:
        KnowledgeBaseError: A rule is broken; the message names the column, the value and the rule.
    """
    _check_names(frame)
    frame = _with_defaults(frame)
    for name in _TEXTS:
        _check_text(frame, name)
    frame = frame.assign(**{name: _numbers(frame[name], name) for name in _NUMBERS})
    _check_values(frame)
    frame["repeats"] = _repeats(frame["repeats"])
    frame = frame.assign(created=_created(frame["created"]), projected=_projected(frame["projected"]))
    frame = frame.sort_values(["dataset_id", "metric"], kind="stable", ignore_index=True)
    runs = pa.table([_arrow(frame[field.name], field) for field in RUN_SCHEMA], schema=RUN_SCHEMA)
    kinds = space_kinds(space)
    for name in frame.columns:
        if name not in RUN_COLUMNS:
            column = encode_column(name, frame[name], kinds.get(name))
            if column is not None:
                runs = runs.append_column(*column)
    return runs


def _arrow(values: pd.Series, field: pa.Field) -> pa.Array:
    if pa.types.is_timestamp(field.type):
        naive = values.dt.tz_convert(None).to_numpy()
        return pa.array(naive, pa.timestamp(field.type.unit), from_pandas=True).cast(field.type)
    if pa.types.is_floating(field.type):
        return pa.array(values.to_numpy(), field.type, from_pandas=True)
    column = pa.array(values, field.type, from_pandas=True)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _check_names(frame: pd.DataFrame) -> None:
    odd = [name for name in frame.columns if not isinstance(name, str) or not name]
    if odd:
        raise KnowledgeBaseError(f"Columns of runs are named by text, but got {odd[0]!r}.")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise KnowledgeBaseError(f"Columns of runs have distinct names, but {twice!r} occurs twice.")
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise KnowledgeBaseError(
            f"A table of runs needs the column {missing[0]!r}; it has {', '.join(map(str, frame.columns)) or 'none'}."
        )


def _with_defaults(frame: pd.DataFrame) -> pd.DataFrame:
    defaults: dict[str, Any] = {
        "spread": np.nan,
        "repeats": pd.NA,
        "fidelity": 1.0,
        "duration": np.nan,
        "status": "complete",
        "source": "user",
        "created": pd.Timestamp.now(tz="UTC"),
        "projected": False,
    }
    return frame.assign(**{name: value for name, value in defaults.items() if name not in frame.columns})


def _check_text(frame: pd.DataFrame, name: str) -> None:
    rules = {"direction": get_args(Direction), "status": get_args(TrialStatus)}
    for value in pd.unique(frame[name]):
        if not isinstance(value, str) or not value:
            raise KnowledgeBaseError(f"Column {name!r} of runs must hold text, but got {value!r}.")
        if name in rules and value not in rules[name]:
            raise KnowledgeBaseError(f"{name} must be one of {', '.join(rules[name])}, but got {value!r}.")


def _numbers(values: pd.Series, name: str) -> pd.Series:
    if pd.api.types.is_bool_dtype(values):
        raise KnowledgeBaseError(f"Column {name!r} of runs must hold numbers, but got {bool(values.iloc[0])!r}.")
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = values[numbers.isna() & values.notna()]
    if len(wrong):
        raise KnowledgeBaseError(f"Column {name!r} of runs must hold numbers, but got {wrong.iloc[0]!r}.")
    return numbers


def _check_values(frame: pd.DataFrame) -> None:
    finished = frame["status"] == "complete"
    wrong = frame[finished & ~np.isfinite(frame["value"])]
    if len(wrong):
        raise KnowledgeBaseError(
            f"A complete run needs a finite value, but row {wrong.index[0]!r} has {wrong['value'].iloc[0]}. "
            "Give it another status, such as 'crash', or leave it out."
        )
    fidelity = frame["fidelity"]
    wrong = frame[~((fidelity > 0) & (fidelity <= 1))]
    if len(wrong):
        raise KnowledgeBaseError(f"fidelity must be above 0 and at most 1, but got {wrong['fidelity'].iloc[0]}.")
    wrong = frame[frame["duration"] < 0]
    if len(wrong):
        raise KnowledgeBaseError(f"duration must not be negative, but got {wrong['duration'].iloc[0]} s.")
    spread = frame["spread"].dropna()
    wrong = spread[(spread < 0) | np.isinf(spread)]
    if len(wrong):
        raise KnowledgeBaseError(f"spread must be finite and not negative, but got {wrong.iloc[0]}.")


def _repeats(values: pd.Series) -> pd.Series:
    numbers = _numbers(values, "repeats")
    wrong = numbers.dropna()
    wrong = wrong[(wrong < 1) | (wrong % 1 != 0)]
    if len(wrong):
        raise KnowledgeBaseError(f"repeats must be a whole number from 1 on, but got {wrong.iloc[0]}.")
    return numbers.astype("Int64")


def _created(values: pd.Series) -> pd.Series:
    try:
        return pd.to_datetime(values, utc=True).dt.as_unit("us")
    except (ValueError, TypeError) as error:
        raise KnowledgeBaseError(f"Column 'created' of runs must hold dates with times: {error}") from error


def _projected(values: pd.Series) -> pd.Series:
    if not pd.api.types.is_bool_dtype(values) or values.isna().any():
        raise KnowledgeBaseError("Column 'projected' of runs must hold True or False throughout.")
    return values.astype(bool)
