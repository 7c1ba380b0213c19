"""Columns that are there for something else than learning: groups, times, weights, and those to leave out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.datasets._convert import to_kind, to_numbers
from autometa.datasets._plain import plain_column
from autometa.datasets._target import near
from autometa.datasets._types import Column, ColumnKind, given, infer_column
from autometa.errors import TableError

_REASONS: Mapping[ColumnKind, str] = {
    "group": "given as the group column",
    "weight": "given as the weight column",
    "ignored": "given as a column to ignore",
}


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Who has which part.

    ``group`` and ``weight`` are a column's name, or one value per row, or None.
    """

    group: "str | pd.Series[Any] | None" = None
    time: str | None = None
    weight: "str | pd.Series[Any] | None" = None
    ignored: tuple[str, ...] = ()

    @property
    def kinds(self) -> dict[str, ColumnKind]:
        """The columns that are not learned from, and why."""
        kinds: dict[str, ColumnKind] = dict.fromkeys(self.ignored, "ignored")
        if isinstance(self.group, str):
            kinds[self.group] = "group"
        if isinstance(self.weight, str):
            kinds[self.weight] = "weight"
        return kinds

    @property
    def columns(self) -> frozenset[str]:
        """Every column that has a part, and so cannot be the target."""
        return frozenset(self.kinds) | ({self.time} if self.time is not None else frozenset())

    def column(self, name: str) -> Column | None:
        """The column as the schema keeps it, if it is one that is not learned from."""
        kind = self.kinds.get(name)
        return None if kind is None else Column(name, kind, _REASONS[kind])


@dataclass(frozen=True, slots=True, eq=False)
class RoleValues:
    """What `Dataset` keeps of them, and sentences for people."""

    groups: "pd.Series[Any] | None" = None
    times: "pd.Series[Any] | None" = None
    weights: "pd.Series[Any] | None" = None
    notes: tuple[str, ...] = ()


def roles(
    names: Sequence[str],
    n_rows: int,
    *,
    group: Any,
    time_column: str | None,
    weight: Any,
    ignore: Sequence[str],
    target: str | None,
    kinds: Collection[str],
) -> Roles:
    """Check who is to have which part.

    Raises:
        TableError: A column is not there, is the target, has two parts, or has a kind as well; values given instead
            of a column are not one per row.
    """
    if isinstance(ignore, str):
        raise TableError(f"The columns to ignore are a list of names, but got the text {ignore!r}. Pass [{ignore!r}].")
    if time_column is not None and not isinstance(time_column, str):
        raise TableError(f"The time column is given by its name, but got a {type(time_column).__name__}.")
    parts = [("group", group), ("time", time_column), ("weight", weight)]
    parts = [(part, name) for part, name in parts if isinstance(name, str)]
    parts += [("ignored", name) for name in dict.fromkeys(ignore)]
    taken: dict[str, str] = {}
    for part, name in parts:
        _check(part, str(name), names, target, taken)
        if name in kinds and part != "time":
            raise TableError(f"A kind was given for {name!r}, but it is the {part} column and not learned from.")
        taken[str(name)] = part
    return Roles(
        _per_row("group", group, n_rows), time_column, _per_row("weight", weight, n_rows), tuple(dict.fromkeys(ignore))
    )


def role_values(
    frame: pd.DataFrame, parts: Roles, kept: npt.NDArray[np.bool_], kinds: Mapping[str, ColumnKind]
) -> RoleValues:
    """Groups, times and weights of the rows that are kept.

    Raises:
        TableError: A time or a weight is missing or is none; there is but one group or one time.
    """
    groups, notes = _groups(frame, parts.group, kept)
    weights = None
    if parts.weight is not None:
        values = frame[parts.weight] if isinstance(parts.weight, str) else parts.weight
        weights = to_weights(values, kept, parts.weight if isinstance(parts.weight, str) else None)
    times = None if parts.time is None else _times(frame[parts.time], parts.time, kept, kinds.get(parts.time))
    return RoleValues(groups, times, weights, notes)


def to_weights(values: "pd.Series[Any]", kept: npt.NDArray[np.bool_], name: str | None) -> "pd.Series[Any]":
    """Weights of the rows that are kept, as float64.

    Raises:
        TableError: One is missing, no number, infinite or negative, or all are zero.
    """
    who = "The weights" if name is None else f"The weights in {name!r}"
    out = "Correct the value, drop the row, or leave the weights out."
    try:
        infinite = np.isinf(values.to_numpy()) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
        numbers = to_numbers(values, Column(name or "weight", "numeric", "weights")).to_numpy()
    except TableError as error:
        raise TableError(f"{who} must be numbers. {str(error).partition(' It was taken')[0]} {out}") from error
    rules = (
        (infinite, "be finite"),
        (np.isnan(numbers), "be there in every row"),
        (numbers < 0, "be 0 or more"),
    )
    for broken, rule in rules:
        rows = np.flatnonzero(broken & kept)
        if len(rows):
            value = values.iloc[rows[0]]
            found = "none" if pd.isna(value) else f"{value}"
            more = f" ({len(rows)} rows in all)" if len(rows) > 1 else ""
            raise TableError(f"{who} must {rule}, but row {rows[0] + 1} has {found}{more}. {out}")
    if not numbers[kept].any():
        raise TableError(f"{who} are 0 in every row: nothing would be learned. {out}")
    return pd.Series(numbers[kept], name=name or "weight")


def _check(part: str, name: str, names: Sequence[str], target: str | None, taken: Mapping[str, str]) -> None:
    if name not in names:
        wanted = "to ignore" if part == "ignored" else f"for the part of {part}"
        raise TableError(f"The table has no column {name!r} {wanted}.{near(name, names)}")
    if name == target:
        raise TableError(f"{name!r} is the target and cannot be {_article(part)} too. Choose another column.")
    if name in taken:
        raise TableError(
            f"A column has one part, but {name!r} is given as {_article(taken[name])} and as {_article(part)}. "
            "Decide for one."
        )


def _article(part: str) -> str:
    return "an ignored column" if part == "ignored" else f"the {part} column"


def _per_row(part: str, given_as: Any, n_rows: int) -> "str | pd.Series[Any] | None":
    """A name, or one value per row as a plain column."""
    if given_as is None or isinstance(given_as, str):
        return given_as
    values = given_as if isinstance(given_as, pd.Series) else np.asarray(given_as)
    if values.ndim != 1 or len(values) != n_rows:
        shape = f"{len(values)} values" if values.ndim == 1 else f"the shape {values.shape}"
        raise TableError(
            f"The {part} is a column's name or one value per row, but the table has {n_rows} rows and got {shape}."
        )
    plain, remark = plain_column(pd.Series(values))
    if plain is None:
        raise TableError(f"The {part} of a row is a number or a word, but {remark.partition(';')[0]}.")
    return plain


def _groups(
    frame: pd.DataFrame, group: "str | pd.Series[Any] | None", kept: npt.NDArray[np.bool_]
) -> tuple["pd.Series[Any] | None", tuple[str, ...]]:
    """Codes in the order in which the groups appear; a row without a group is one by itself."""
    if group is None:
        return None, ()
    name, values = (group, frame[group]) if isinstance(group, str) else ("group", group)
    codes, unique = pd.factorize(values[kept])
    codes = codes.astype(np.int64)
    missing = np.flatnonzero(codes < 0)
    codes[missing] = len(unique) + np.arange(len(missing))
    total = len(unique) + len(missing)
    if total < 2:
        raise TableError(
            f"Rows of one group stay together, so at least 2 groups are needed, but every row has the same {name!r}. "
            "Choose another group column, or none."
        )
    notes = [f"{total} groups by {name!r}: rows of one group are never parted."]
    if len(missing):
        rows = f"{len(missing)} rows have" if len(missing) > 1 else "1 row has"
        notes.append(f"{rows} no value of {name!r}: each is a group of its own.")
    return pd.Series(codes, name=name), tuple(notes)


def _times(
    values: "pd.Series[Any]", name: str, kept: npt.NDArray[np.bool_], kind: ColumnKind | None
) -> "pd.Series[Any]":
    """int64 or float64 that sorts as the column does: dates as microseconds since 1970, numbers as they are."""
    column = infer_column(name, values) if kind is None else given(name, kind, values)
    whole = values.dtype.kind == "i"
    if values.dtype.kind not in "iufM" and column.kind not in ("numeric", "datetime"):
        seen = values.dropna()
        found = f"holds {str(seen.iloc[0])!r}" if len(seen) else "holds nothing"
        raise TableError(
            f"The time column must hold dates or numbers, but {name!r} {found} ({column.reason}). "
            "Write dates as 2024-01-31 or 31.01.2024, or choose another column."
        )
    if column.kind == "datetime" or values.dtype.kind == "M":
        column = Column(name, "datetime", column.reason, date_order=column.date_order)
        moments = to_kind(values, column)[kept]
        missing = int(moments.isna().sum())
        order: npt.NDArray[Any] = moments.to_numpy().astype("datetime64[us]").view(np.int64)
    else:
        order = values.to_numpy()[kept] if whole else to_numbers(values, column).to_numpy()[kept]
        missing = 0 if whole else int(np.isnan(order).sum())
    if missing:
        raise TableError(
            f"Every row needs a time, but {missing} of {int(kept.sum())} rows have none in {name!r}. "
            "Fill them in, drop the rows, or leave the time column out."
        )
    if order.min() == order.max():
        raise TableError(f"The time column {name!r} is the same in every row and orders nothing. Choose another.")
    return pd.Series(order, name=name)
