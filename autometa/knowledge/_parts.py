"""The runs of one space: parts that others add to, and exchange, while they are read."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._columns import RUN_SCHEMA, Kind, merge_kinds, run_schema, unify
from autometa.knowledge._files import Footer, read_footer, read_groups
from autometa.knowledge._rewriting import RECORD, Rewriting, read_record
from autometa.knowledge._selection import Selection
from autometa.knowledge._store import Store

T = TypeVar("T")

EVERYTHING = Selection()
_ROWS_WORTH_THREADS = 10_000
_BLOCK_ROWS = 1 << 17
_ATTEMPTS = 50


class _Unreadable(Exception):
    """A part cannot be read: it is damaged, or was replaced since it was listed."""

    def __init__(self, part: str, error: Exception) -> None:
        super().__init__(part, error)
        self.part, self.error = part, error


class RunFolder:
    """The folder ``runs/<space>``. Footers are read once, since parts never change."""

    def __init__(self, store: Store, space: str) -> None:
        """See `KnowledgeBase`."""
        self.store = store
        self.path = f"runs/{space}"
        self._footers: dict[str, Footer] = {}
        self._record: tuple[object, Rewriting] = (None, Rewriting())

    def parts(self) -> list[str]:
        """Names of the parts that count at one moment, oldest first; see `autometa.knowledge._rewriting`."""
        record = f"{self.path}/{RECORD}"
        for _ in range(_ATTEMPTS):
            stamp = self.store.stamp(record)
            if stamp != self._record[0]:
                self._record = (stamp, read_record(self.store, self.path))
            names = [name for name in self.store.files(self.path) if name.endswith(".parquet")]
            if self.store.stamp(record) == stamp:
                if len(self._footers) > len(names):
                    self._footers = {name: self._footers[name] for name in names if name in self._footers}
                return [name for name in names if name not in self._record[1].hidden]
        raise KnowledgeBaseError(f"{self.path} of the knowledge base {self.store.url} is rewritten without end.")

    def footers(self, parts: Iterable[str]) -> Mapping[str, Footer]:
        """Footers of parts, in their order.

        Raises:
            KnowledgeBaseError: A part is damaged.
        """
        try:
            return {part: self._footer(part) for part in parts}
        except _Unreadable as wrong:
            raise damaged(self.store, wrong.part, wrong.error) from wrong.error

    def hyperparameters(self) -> list[str]:
        """Names of the columns that are no columns of all runs, in alphabetical order."""

        def names(parts: Sequence[str]) -> list[str]:
            return sorted({name for part in parts for name in self._footer(part).kinds})

        return self._settled(names)

    def read(self, selection: Selection = EVERYTHING, columns: Collection[str] | None = None) -> pa.Table:
        """Runs as one table; all columns by default.

        Raises:
            KnowledgeBaseError: A part is damaged; the message names it.
        """

        def whole(parts: Sequence[str]) -> pa.Table:
            return self._joined(self._scan(parts, selection, columns, whole=True), columns)

        return self._settled(whole)

    def fold(
        self,
        consume: Callable[[Iterator[pa.Table]], T],
        selection: Selection = EVERYTHING,
        columns: Collection[str] | None = None,
    ) -> T:
        """What ``consume`` makes of all runs, which come in tables of bounded size.

        It may be called again from the start, where parts were replaced under it.
        """
        return self._settled(lambda parts: consume(_blocks(self._scan(parts, selection, columns, whole=False))))

    def read_parts(
        self, parts: Sequence[str], selection: Selection = EVERYTHING, columns: Collection[str] | None = None
    ) -> pa.Table:
        """Runs of these parts, for whoever holds the lock that keeps them from being replaced."""
        try:
            return self._joined(self._scan(parts, selection, columns, whole=True), columns)
        except _Unreadable as wrong:
            raise damaged(self.store, wrong.part, wrong.error) from wrong.error

    def _settled(self, read: Callable[[Sequence[str]], T]) -> T:
        """The result of reading parts none of which was replaced meanwhile."""
        for _ in range(_ATTEMPTS):
            parts = self._listed()
            try:
                return read(parts)
            except _Unreadable as wrong:
                failed = wrong
            if set(parts) <= set(self._listed()):
                break
        raise damaged(self.store, failed.part, failed.error) from failed.error

    def _listed(self) -> list[str]:
        try:
            return self.parts()
        except OSError as error:
            raise damaged(self.store, self.path, error) from error

    def _joined(self, tables: Iterable[pa.Table], columns: Collection[str] | None) -> pa.Table:
        joined = [RUN_SCHEMA.empty_table(), *tables]
        if columns is not None:
            joined = [table.select([name for name in columns if name in table.column_names]) for table in joined]
        return unify(joined)

    def _footer(self, part: str) -> Footer:
        if part not in self._footers:
            try:
                self._footers[part] = read_footer(self.store, part)
            except (pa.ArrowException, OSError) as error:
                raise _Unreadable(part, error) from error
        return self._footers[part]

    def _scan(
        self, parts: Iterable[str], selection: Selection, columns: Collection[str] | None, *, whole: bool
    ) -> Iterator[pa.Table]:
        """Tables of what is asked for, in order; ``whole`` lets them be as large as they come."""
        for stretch in self._stretches(parts, selection):
            try:
                if stretch.is_large:
                    yield from self._large(stretch, selection, columns)
                elif whole:
                    yield self._scanner(stretch, selection, columns).to_table()
                else:
                    batches = self._scanner(stretch, selection, columns).to_batches()
                    yield from (pa.Table.from_batches([batch]) for batch in batches if batch.num_rows)
            except (pa.ArrowException, OSError) as error:
                raise _Unreadable(self._culprit(stretch), error) from error

    def _stretches(self, parts: Iterable[str], selection: Selection) -> list["_Stretch"]:
        """What can hold runs that are asked for, in order, cut into as few stretches as scans need."""
        stretches: list[_Stretch] = []
        for part in parts:
            footer = self._footer(part)
            wanted = [i for i, group in enumerate(footer.groups) if _may_hold(group.first, group.last, selection)]
            if not wanted:
                continue
            large = len(footer.groups) > 1
            alone = not stretches or large or stretches[-1].is_large
            if alone or not merge_kinds(stretches[-1].kinds, footer.kinds):
                stretches.append(_Stretch(dict(footer.kinds), large))
            stretches[-1].parts[part] = wanted
            stretches[-1].n_rows += sum(footer.groups[i].n_rows for i in wanted)
        return stretches

    def _large(self, stretch: "_Stretch", selection: Selection, columns: Collection[str] | None) -> Iterator[pa.Table]:
        """One part of many row groups, some of them at a time."""
        ((part, groups),) = stretch.parts.items()
        footer = self._footer(part)
        needed = None if columns is None else dict.fromkeys([*columns, *selection.columns])
        for some in _at_once(groups, footer):
            yield selection.of_table(read_groups(self.store, part, footer, some, needed))

    def _scanner(self, stretch: "_Stretch", selection: Selection, columns: Collection[str] | None) -> Any:
        """Small parts, all in one scan."""
        filesystem, root = self.store.arrow()
        schema = run_schema(stretch.kinds)
        paths = [root + part for part in stretch.parts]
        data = pyarrow.dataset.dataset(paths, schema=schema, format="parquet", filesystem=filesystem)
        return data.scanner(
            columns=None if columns is None else [name for name in columns if name in schema.names],
            filter=selection.expression(),
            # Handing many small parts from thread to thread costs three times what reading them does.
            use_threads=stretch.n_rows >= _ROWS_WORTH_THREADS * len(paths),
        )

    def _culprit(self, stretch: "_Stretch") -> str:
        for part in stretch.parts:
            try:
                if not stretch.is_large:
                    self._scanner(_Stretch(stretch.kinds, False, {part: []}), EVERYTHING, None).to_table()
            except (pa.ArrowException, OSError):
                return part
        return next(iter(stretch.parts))


@dataclass(slots=True)
class _Stretch:
    """Consecutive parts that one scan can read: of each, the numbers of the row groups to look at."""

    kinds: dict[str, Kind]
    is_large: bool
    parts: dict[str, list[int]] = field(default_factory=dict)
    n_rows: int = 0


def damaged(store: Store, name: str, error: Exception) -> KnowledgeBaseError:
    """The error that a file which cannot be read is."""
    said = " ".join(str(error).split())
    return KnowledgeBaseError(
        f"{name} of the knowledge base {store.url} cannot be read ({said}). Restore the file from a copy; "
        "or delete it, which loses the rows in it and nothing else."
    )


def count_by(tables: Iterable[pa.Table], columns: Sequence[str]) -> pa.Table:
    """How often each combination of values occurs: the columns, and ``n``."""
    counts = [table.group_by(columns).aggregate([([], "count_all")]) for table in tables]
    if not counts:
        fields = [RUN_SCHEMA.field(name) for name in columns]
        return pa.schema([*fields, pa.field("n", pa.int64())]).empty_table()
    total = pa.concat_tables(counts).group_by(columns).aggregate([("count_all", "sum")])
    return total.rename_columns([*columns, "n"])


def _may_hold(first: str | None, last: str | None, selection: Selection) -> bool:
    return first is None or last is None or selection.may_be_within(first, last)


def _at_once(groups: Sequence[int], footer: Footer) -> Iterator[list[int]]:
    """Row groups in lots of bounded size."""
    lot: list[int] = []
    rows = 0
    for group in groups:
        if lot and rows + footer.groups[group].n_rows > _BLOCK_ROWS:
            yield lot
            lot, rows = [], 0
        lot.append(group)
        rows += footer.groups[group].n_rows
    if lot:
        yield lot


def _blocks(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small tables joined while they have the same columns, up to some 100,000 rows."""
    held: list[pa.Table] = []
    for table in tables:
        if held and (held[0].schema != table.schema or sum(one.num_rows for one in held) >= _BLOCK_ROWS):
            yield pa.concat_tables(held)
            held = []
        held.append(table)
    if held:
        yield pa.concat_tables(held)


def rows_by_dataset(folder: RunFolder, parts: Sequence[str]) -> dict[str, int]:
    """How many runs each dataset has in these parts."""
    ids = folder.read_parts(parts, columns=["dataset_id"]).column("dataset_id")
    counts = pc.value_counts(ids)
    pairs = zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True)
    return {one: n for one, n in pairs if one is not None}
