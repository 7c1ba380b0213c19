"""Parquet files of a knowledge base: how they are written, and what their footers say."""

import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from autometa.knowledge._columns import VERSION_KEY, Kind, kinds_in
from autometa.knowledge._manifest import SCHEMA_VERSION, SealedFile
from autometa.knowledge._store import Store

ROWS_PER_GROUP = 2048
"""Rows that a reader takes or leaves as a whole: few enough that a query for some datasets skips most of a file."""

ROWS_OF_ONE = 8 * ROWS_PER_GROUP
"""Rows of a group that holds one dataset only, of which no query takes a part."""

_COMPACT = {"compression": "zstd", "compression_level": 6, "write_statistics": ["dataset_id", "metric"]}
_QUICK = {"compression": "lz4", "write_statistics": ["dataset_id", "metric"]}
_ROWS_WORTH_SPEED = 1 << 18
_ROWS_WORTH_DICTIONARIES = 1_000


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: its first and last dataset in alphabetical order, None where the file does not say."""

    first: str | None
    last: str | None
    n_rows: int

    @property
    def is_small(self) -> bool:
        """Whether it is of the size that `run_parquet` gives."""
        return self.first is not None and self.n_rows <= (ROWS_OF_ONE if self.first == self.last else ROWS_PER_GROUP)


@dataclass(frozen=True, slots=True)
class Footer:
    """What a part of runs says of itself. ``metadata`` is Arrow's own, kept where there is more than one row group."""

    kinds: Mapping[str, Kind]
    n_rows: int
    groups: tuple[Group, ...]
    metadata: Any

    @property
    def is_sorted(self) -> bool:
        """Whether it is known that datasets come in order, in groups small enough to be skipped."""
        if not all(one.is_small for one in self.groups):
            return False
        pairs = zip(self.groups, self.groups[1:], strict=False)
        return all((one.last or "") <= (after.first or "") for one, after in pairs)


def parquet(table: pa.Table) -> bytes:
    """A table as a file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **_COMPACT, use_dictionary=table.num_rows >= _ROWS_WORTH_DICTIONARIES)
    return sink.getvalue()


def run_parquet(runs: pa.Table) -> bytes:
    """Runs, ordered by dataset, as a part: marked with the version of the schema, in groups that begin with a dataset.

    Statistics are kept for the columns that filters ask for. A group costs per column, whatever its size: no
    dictionaries, which are one more page to read, and in large files of small groups LZ4, since to begin a stream of
    zstd takes longer than to decode it.
    """
    marked = runs.replace_schema_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
    cuts = list(_cuts(marked.column("dataset_id")))
    many = marked.num_rows >= _ROWS_WORTH_SPEED and marked.num_rows <= 2 * ROWS_PER_GROUP * len(cuts)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, marked.schema, **(_QUICK if many else _COMPACT), use_dictionary=False) as writer:
        for start, n_rows in cuts:
            writer.write_table(marked.slice(start, n_rows))
    return sink.getvalue()


def _cuts(ids: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Where groups begin, and how many rows each has: whole datasets, and large ones on their own."""
    lengths = pc.run_end_encode(ids.combine_chunks()).run_ends.to_numpy()
    start, end = 0, 0
    for run_end in lengths.tolist():
        if end > start and run_end - start > ROWS_PER_GROUP:
            yield start, end - start
            start = end
        end = run_end
        while end - start > ROWS_OF_ONE:
            yield start, ROWS_OF_ONE
            start += ROWS_OF_ONE
    if end > start:
        yield start, end - start


def read_footer(store: Store, name: str) -> Footer:
    """The footer of a part of runs.

    Raises:
        OSError: The file is missing or damaged; Arrow's own errors likewise.
        KnowledgeBaseError: A hyperparameter has a name that this schema gave another meaning.
    """
    filesystem, root = store.arrow()
    with pq.ParquetFile(root + name, filesystem=filesystem) as file:
        metadata, kinds = file.metadata, kinds_in(file.schema_arrow, name)
    kept = metadata if metadata.num_row_groups > 1 else None
    return Footer(kinds, metadata.num_rows, _groups(metadata), kept)


def read_groups(
    store: Store, name: str, footer: Footer, groups: Sequence[int], columns: Collection[str] | None
) -> pa.Table:
    """Some row groups of a part."""
    filesystem, root = store.arrow()
    with pq.ParquetFile(root + name, filesystem=filesystem, metadata=footer.metadata) as file:
        there = set(file.schema_arrow.names)
        wanted = None if columns is None else [column for column in columns if column in there]
        return file.read_row_groups(list(groups), columns=wanted)


def _groups(metadata: Any) -> tuple[Group, ...]:
    groups = []
    for position in range(metadata.num_row_groups):
        group = metadata.row_group(position)
        column = next(i for i in range(group.num_columns) if group.column(i).path_in_schema == "dataset_id")
        said = group.column(column).statistics
        known = said is not None and said.has_min_max
        groups.append(Group(said.min if known else None, said.max if known else None, group.num_rows))
    return tuple(groups)


def seal(store: Store, name: str) -> SealedFile:
    """Checksum and size of a file as it is."""
    return seal_of(store.read(name))


def seal_of(data: bytes) -> SealedFile:
    """Checksum and size of a Parquet file."""
    rows = pq.read_metadata(io.BytesIO(data)).num_rows
    return SealedFile(hashlib.sha256(data).hexdigest(), len(data), rows)
