"""Which runs are asked for: as a filter for Arrow, and as a test of what a stretch of a file can hold."""

import functools
import operator
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_FIELDS = {"dataset_ids": "dataset_id", "metrics": "metric", "sources": "source"}


@dataclass(frozen=True)
class Selection:
    """Runs of these datasets, metrics and sources; None takes all. ``hidden`` datasets are left out."""

    dataset_ids: frozenset[str] | None = None
    metrics: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    hidden: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(
        cls,
        dataset_ids: Iterable[str] | None = None,
        *,
        metrics: Iterable[str] | None = None,
        sources: Iterable[str] | None = None,
        hidden: frozenset[str] = frozenset(),
    ) -> "Selection":
        """The selection with these values."""
        return cls(_frozen(dataset_ids), _frozen(metrics), _frozen(sources), hidden)

    def without(self, hidden: frozenset[str]) -> "Selection":
        """The same selection with more datasets hidden."""
        return Selection(self.dataset_ids, self.metrics, self.sources, self.hidden | hidden)

    def expression(self) -> Any:
        """As an Arrow expression; None where nothing is left out."""
        terms = [~_is_one_of("dataset_id", self.hidden)] if self.hidden else []
        for name, column in _FIELDS.items():
            values = getattr(self, name)
            if values is not None:
                terms.append(_is_one_of(column, values))
        return functools.reduce(operator.and_, terms) if terms else None

    def of_table(self, table: pa.Table) -> pa.Table:
        """The rows of a table that are asked for; it has the columns that this depends on."""
        masks = [(name, getattr(self, name)) for name in _FIELDS]
        kept = [_is_among(table, _FIELDS[name], values) for name, values in masks if values is not None]
        if self.hidden:
            kept.append(pc.invert(_is_among(table, "dataset_id", self.hidden)))
        return table.filter(functools.reduce(pc.and_, kept)) if kept else table

    @property
    def columns(self) -> frozenset[str]:
        """Columns that it depends on."""
        asked = {column for name, column in _FIELDS.items() if getattr(self, name) is not None}
        return frozenset({*asked, *(["dataset_id"] if self.hidden else [])})

    def may_be_within(self, first: str, last: str) -> bool:
        """Whether a dataset that is asked for may lie between two ids, both included."""
        if self.dataset_ids is None:
            return True
        at = bisect_left(self._ordered, first)
        return at < len(self._ordered) and self._ordered[at] <= last

    @functools.cached_property
    def _ordered(self) -> list[str]:
        return sorted(self.dataset_ids or ())


def in_groups(rows: dict[str, int], size: int) -> Iterator[list[str]]:
    """Ids, in order, in groups of at most ``size`` rows; an id that has more is a group of its own.

    Args:
        rows: How many rows each id has.
        size: Rows in a group.
    """
    group: list[str] = []
    held = 0
    for one in sorted(rows):
        if group and held + rows[one] > size:
            yield group
            group, held = [], 0
        group.append(one)
        held += rows[one]
    if group:
        yield group


def _frozen(values: Iterable[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _is_among(table: pa.Table, column: str, values: frozenset[str]) -> pa.ChunkedArray:
    return pc.is_in(table.column(column), value_set=pa.array(sorted(values), pa.string()))


def _is_one_of(column: str, values: Iterable[str]) -> Any:
    return pc.field(column).isin(pa.array(sorted(values), pa.string()))
