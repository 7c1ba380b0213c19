"""One folder of a knowledge base: how it is read and added to."""

import hashlib
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._columns import RUN_SCHEMA, Kind, kinds_in, merge_kinds, run_schema, unify
from autometa.knowledge._manifest import (
    MANIFEST,
    Manifest,
    SealedFile,
    Source,
    new_manifest,
    parse_manifest,
    timestamp,
)
from autometa.knowledge._store import Store, part_name
from autometa.records import DatasetRecord, MetaFeatures

DATASET_COLUMNS = ("name", "openml_id", "task", "content_hash", "source")
_DATASET_SCHEMA = pa.schema(
    [
        pa.field("dataset_id", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("openml_id", pa.int64()),
        pa.field("task", pa.string()),
        pa.field("content_hash", pa.string()),
        pa.field("source", pa.string()),
    ]
)
_ROWS_WORTH_THREADS = 10_000
_ROWS_WORTH_DICTIONARIES = 1_000
_ATTEMPTS = 50
_FILTERED = ("dataset_id", "metric")
_SPACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Layer:
    """One folder in the layout of a knowledge base.

    Opening reads the manifest and nothing else; tables are read when asked for. Tables of datasets and of
    meta-features are kept until their files change, Parquet footers for good, since parts never change.
    """

    def __init__(self, store: Store, *, read_only: bool) -> None:
        """See `KnowledgeBase`."""
        self.store = store
        self.read_only = read_only
        self._manifest = self._open()
        self._tables: dict[str, tuple[object, pd.DataFrame]] = {}
        self._footers: dict[str, tuple[Mapping[str, Kind], int]] = {}

    @property
    def url(self) -> str:
        """What people read in messages."""
        return self.store.url

    def manifest(self) -> Manifest | None:
        """The manifest as it is now; None for a base that nothing was written to yet."""
        if self.store.stamp(MANIFEST) is not None:
            self._manifest = parse_manifest(self.store.read(MANIFEST), self.url)
        return self._manifest

    def datasets(self) -> pd.DataFrame:
        """Index ``dataset_id``; see `KnowledgeBase.datasets`."""
        frame = self._keyed("datasets", _DATASET_SCHEMA)
        return frame[list(DATASET_COLUMNS)]

    def meta_features(self) -> pd.DataFrame:
        """Index ``dataset_id``; see `KnowledgeBase.meta_features`."""
        return self._keyed("meta_features", pa.schema([_DATASET_SCHEMA.field("dataset_id")])).astype(float)

    def spaces(self) -> list[str]:
        """Names of the spaces that have runs."""
        return [name for name in self.store.folders("runs") if self.store.files(f"runs/{name}")]

    def runs(self, space: str, where: Any = None, columns: Collection[str] | None = None) -> pa.Table:
        """Runs of a space, narrowed by an Arrow expression over `RUN_COLUMNS`; all columns by default."""
        tables = [RUN_SCHEMA.empty_table()]
        for stretch in self._stretches(self._parts(f"runs/{_checked(space)}")):
            tables.append(self._scan(stretch, where, columns))
        if columns is not None:
            tables = [table.select([n for n in columns if n in table.column_names]) for table in tables]
        return unify(tables)

    def add_datasets(self, records: Sequence[DatasetRecord]) -> None:
        """Write one part of datasets."""
        rows = [{name: getattr(record, name) for name in _DATASET_SCHEMA.names} for record in records]
        self._add("datasets", pa.Table.from_pylist(rows, schema=_DATASET_SCHEMA))

    def add_meta_features(self, descriptions: Sequence[MetaFeatures]) -> None:
        """Write one part of meta-features."""
        rows = [{"dataset_id": one.dataset_id, **one.values} for one in descriptions]
        qualities = sorted({name for one in descriptions for name in one.values})
        fields = [pa.field(name, pa.float64()) for name in qualities]
        schema = pa.schema([_DATASET_SCHEMA.field("dataset_id"), *fields])
        self._add("meta_features", pa.Table.from_pylist(rows, schema=schema))

    def add_runs(self, space: str, runs: pa.Table) -> None:
        """Write one part of runs."""
        self._add(f"runs/{_checked(space)}", runs)

    def add_source(self, source: Source, licence_text: str = "") -> None:
        """Record a source; see `KnowledgeBase.add_source`."""
        with self._writing():
            if licence_text:
                self.store.write(source.licence_file, licence_text.encode())
            manifest = self.manifest() or new_manifest()
            source = replace(source, imported=source.imported or timestamp())
            self.store.write(MANIFEST, manifest.with_source(source).to_json())

    def compact(self) -> None:
        """Gather parts of datasets and meta-features; see `KnowledgeBase.compact`."""
        with self._writing():
            for name in ("datasets", "meta_features"):
                parts = self._parts(name)
                if parts:
                    frame = self._keyed(name, _DATASET_SCHEMA if name == "datasets" else None).sort_index()
                    schema = _DATASET_SCHEMA if name == "datasets" else None
                    table = pa.Table.from_pandas(frame.reset_index(), schema=schema, preserve_index=False)
                    self.store.write(f"{name}.parquet", _parquet(table.replace_schema_metadata(None)))
                    for part in parts:
                        self.store.delete(part)
            manifest = self.manifest() or new_manifest()
            sealed = {name: manifest.files.get(name) or self._sealed(name) for name in self._parts_of_runs()}
            sealed |= {name: self._sealed(name) for name in self._parts("")}
            self.store.write(MANIFEST, manifest.with_files(sealed).to_json())

    def data_files(self) -> list[str]:
        """Names of all Parquet files."""
        keyed = [name for folder in ("", "datasets", "meta_features") for name in self._parts(folder)]
        return keyed + self._parts_of_runs()

    def _open(self) -> Manifest | None:
        try:
            if self.store.stamp(MANIFEST) is not None:
                return parse_manifest(self.store.read(MANIFEST), self.url)
            found = [*self.store.files(""), *self.store.folders("")]
            if [name for name in found if not name.startswith((".", "README"))]:
                raise KnowledgeBaseError(
                    f"{self.url} is not a knowledge base: it has no {MANIFEST}. Name another folder; "
                    "one that is missing or empty begins a new base."
                )
        except OSError as error:
            raise KnowledgeBaseError(f"The knowledge base {self.url} cannot be read: {error}") from error
        if self.read_only:
            raise KnowledgeBaseError(
                f"There is no knowledge base at {self.url}. Check the path; opened for writing, "
                "a missing folder begins a new base."
            )
        return None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self.read_only:
            raise KnowledgeBaseError(
                f"The knowledge base {self.url} was opened read-only. Open it for writing, or add to an "
                "overlay: KnowledgeBase.open_default()."
            )
        try:
            if self.store.stamp(MANIFEST) is None:
                self.store.create(MANIFEST, new_manifest().to_json())
            yield
        except OSError as error:
            raise KnowledgeBaseError(
                f"The knowledge base {self.url} cannot be written: {error}. Check the folder's permissions and "
                "free space; AUTOMETA_HOME moves the user's own base elsewhere."
            ) from error

    def _add(self, folder: str, table: pa.Table) -> None:
        if table.num_rows:
            with self._writing():
                self.store.write(part_name(folder), _parquet(table))

    def _parts(self, folder: str) -> list[str]:
        with self._reading(folder or self.url):
            return [name for name in self.store.files(folder) if name.endswith(".parquet")]

    def _parts_of_runs(self) -> list[str]:
        return [name for space in self.store.folders("runs") for name in self._parts(f"runs/{space}")]

    def _keyed(self, name: str, schema: pa.Schema | None) -> pd.DataFrame:
        """A table with one row per dataset; a row that was added later replaces an earlier one."""
        main = f"{name}.parquet"
        for attempt in range(_ATTEMPTS):
            parts = self._parts(name)  # first: parts go only after the file that gathers them is in place
            stamp = self.store.stamp(main)
            state = (stamp, tuple(parts))
            if name in self._tables and self._tables[name][0] == state:
                return self._tables[name][1].copy(deep=False)
            try:
                tables = [self._read(file) for file in [*([main] if stamp else []), *parts]]
                break
            except FileNotFoundError as error:  # a compaction moved rows between the listing and the reading
                if attempt == _ATTEMPTS - 1:
                    raise self._damaged(name, error) from error
        empty = [] if schema is None else [schema.empty_table()]
        frame = _newest(pa.concat_tables([*empty, *tables], promote_options="permissive"))
        self._tables[name] = (state, frame)
        return frame.copy(deep=False)

    def _read(self, name: str) -> pa.Table:
        try:
            return pq.read_table(io.BytesIO(self.store.read(name)))
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(name, error) from error

    def _stretches(self, parts: Iterable[str]) -> list["_Stretch"]:
        """Parts in their order, cut into as few stretches as scans need; footers are read once."""
        stretches: list[_Stretch] = []
        for part in parts:
            if part not in self._footers:
                with self._reading(part):
                    self._footers[part] = self._footer(part)
            kinds, n_rows = self._footers[part]
            if not stretches or not merge_kinds(stretches[-1].kinds, kinds):
                stretches.append(_Stretch(dict(kinds)))
            stretches[-1].parts.append(part)
            stretches[-1].n_rows += n_rows
        return stretches

    def _footer(self, part: str) -> tuple[Mapping[str, Kind], int]:
        filesystem, root = self.store.arrow()
        with pq.ParquetFile(root + part, filesystem=filesystem) as file:
            return kinds_in(file.schema_arrow), file.metadata.num_rows

    def _scan(self, stretch: "_Stretch", where: Any, columns: Collection[str] | None) -> pa.Table:
        filesystem, root = self.store.arrow()
        schema = run_schema(stretch.kinds)
        wanted = None if columns is None else [name for name in columns if name in schema.names]
        # Handing many small parts from thread to thread costs three times what reading them does.
        threads = stretch.n_rows >= _ROWS_WORTH_THREADS * len(stretch.parts)

        def scan(names: Sequence[str]) -> pa.Table:
            paths = [root + name for name in names]
            data = pyarrow.dataset.dataset(paths, schema=schema, format="parquet", filesystem=filesystem)
            return data.to_table(filter=where, columns=wanted, use_threads=threads)

        try:
            return scan(stretch.parts)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(self._culprit(stretch.parts, scan), error) from error

    def _culprit(self, parts: Sequence[str], scan: Callable[[Sequence[str]], pa.Table]) -> str:
        for part in parts:
            try:
                scan([part])
            except (pa.ArrowException, OSError):
                return part
        return parts[0]

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(name, error) from error

    def _damaged(self, name: str, error: Exception) -> KnowledgeBaseError:
        said = " ".join(str(error).split())
        return KnowledgeBaseError(
            f"{name} of the knowledge base {self.url} cannot be read ({said}). Restore the file from a copy; "
            "or delete it, which loses the rows in it and nothing else."
        )

    def _sealed(self, name: str) -> SealedFile:
        data = self.store.read(name)
        rows = pq.read_metadata(io.BytesIO(data)).num_rows
        return SealedFile(hashlib.sha256(data).hexdigest(), len(data), rows)


@dataclass(slots=True)
class _Stretch:
    """Consecutive parts that one scan can read."""

    kinds: dict[str, Kind]
    parts: list[str] = field(default_factory=list)
    n_rows: int = 0


def _newest(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.drop_duplicates("dataset_id", keep="last").set_index("dataset_id")


def _parquet(table: pa.Table) -> bytes:
    """Small parts without what only pays in large ones: dictionaries, and statistics of columns no filter asks for."""
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=6,
        use_dictionary=table.num_rows >= _ROWS_WORTH_DICTIONARIES,
        write_statistics=[name for name in _FILTERED if name in table.column_names],
    )
    return sink.getvalue()


def _checked(space: str) -> str:
    if not _SPACE.fullmatch(space):
        raise KnowledgeBaseError(f"The name of a space may hold letters, digits, '_', '-' and '.', but got {space!r}.")
    return space
