"""One folder of a knowledge base: how it is read and added to."""

import io
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._compaction import compact_runs
from autometa.knowledge._files import parquet, run_parquet, seal
from autometa.knowledge._manifest import (
    MANIFEST,
    SCHEMA_VERSION,
    Manifest,
    Source,
    new_manifest,
    parse_manifest,
    timestamp,
)
from autometa.knowledge._parts import RunFolder, damaged
from autometa.knowledge._removal import remove_rows
from autometa.knowledge._rewriting import recover
from autometa.knowledge._selection import Selection
from autometa.knowledge._store import Store, part_name
from autometa.records import DatasetRecord, MetaFeatures

DATASET_COLUMNS = ("name", "openml_id", "task", "content_hash", "source")
KEYED = ("datasets", "meta_features")
"""Tables with one row per dataset: a main file, and parts that were added since."""

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
_SCHEMAS = {"datasets": _DATASET_SCHEMA, "meta_features": pa.schema([_DATASET_SCHEMA.field("dataset_id")])}
_ATTEMPTS = 50
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
        self._stamp: object = None
        self._manifest = self._open()
        self._tables: dict[str, tuple[object, pd.DataFrame]] = {}
        self._folders: dict[str, RunFolder] = {}

    @property
    def url(self) -> str:
        """What people read in messages."""
        return self.store.url

    def manifest(self) -> Manifest | None:
        """The manifest as it is now; None for a base that nothing was written to yet."""
        stamp = self.store.stamp(MANIFEST)
        if stamp is not None and stamp != self._stamp:
            self._manifest = parse_manifest(self.store.read(MANIFEST), self.url)
            self._stamp = stamp
        return self._manifest

    def datasets(self) -> pd.DataFrame:
        """Index ``dataset_id``; see `KnowledgeBase.datasets`."""
        return self._keyed("datasets")[1][list(DATASET_COLUMNS)]

    def meta_features(self) -> pd.DataFrame:
        """Index ``dataset_id``; see `KnowledgeBase.meta_features`."""
        return self._keyed("meta_features")[1].copy(deep=False)

    def state_of(self, name: str) -> object:
        """Equal for as long as a table of datasets stays as it is."""
        return self._keyed(name)[0]

    def spaces(self) -> list[str]:
        """Names of the spaces that have runs."""
        return [name for name in self.store.folders("runs") if self.runs_of(name).parts()]

    def runs_of(self, space: str) -> RunFolder:
        """The runs of a space, there or yet to come."""
        if not _SPACE.fullmatch(space):
            raise KnowledgeBaseError(
                f"The name of a space may hold letters, digits, '_', '-' and '.', but got {space!r}."
            )
        return self._folders.setdefault(space, RunFolder(self.store, space))

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
        self._add(self.runs_of(space).path, runs, run_parquet)

    def add_source(self, source: Source, licence_text: str = "") -> None:
        """Record a source; see `KnowledgeBase.add_source`."""
        with self.writing():
            if licence_text:
                self.store.write(source.licence_file, licence_text.encode())
            source = replace(source, imported=source.imported or timestamp())
            self._change_manifest(lambda manifest: manifest.with_source(source))

    def remove_sources(self, names: Collection[str]) -> None:
        """Take sources, and the texts of licences that no other source names, out of the manifest."""
        with self.writing():
            before = self.manifest() or new_manifest()
            self._change_manifest(lambda manifest: manifest.without_sources(names))
            kept = {source.licence_file for source in before.sources if source.name not in names}
            for source in before.sources:
                if source.name in names and source.licence_file and source.licence_file not in kept:
                    self.store.delete(source.licence_file)

    def remove_runs(self, space: str, selection: Selection) -> int:
        """Take runs out by replacing the parts that hold some; how many."""
        with self.rewriting():
            folder = self.runs_of(space)
            recover(self.store, folder.path, self.reseal)
            return remove_rows(folder, selection, self.reseal)

    def remove_datasets(self, ids: Collection[str]) -> int:
        """Take records and descriptions out; how many datasets had one."""
        gone: set[str] = set()
        with self.rewriting():
            for name in reversed(KEYED):
                frame = self._keyed(name)[1]
                gone |= set(frame.index[frame.index.isin(list(ids))])
                self._gather_keyed(name, without=ids)
            self._seal_all()
        return len(gone)

    def compact(self) -> None:
        """Gather parts; see `KnowledgeBase.compact`."""
        with self.rewriting():
            for name in KEYED:
                self._gather_keyed(name)
            for space in self.store.folders("runs"):
                folder = self.runs_of(space)
                recover(self.store, folder.path, self.reseal)
                compact_runs(folder, self.reseal)
            self._seal_all()

    def data_files(self) -> list[str]:
        """Names of all Parquet files that count."""
        keyed = [name for folder in ("", *KEYED) for name in self._parts(folder)]
        return keyed + self._parts_of_runs()

    def _open(self) -> Manifest | None:
        try:
            found: list[str] = []
            for _ in range(2):  # again after the listing: another process may have begun the base meanwhile
                self._stamp = self.store.stamp(MANIFEST)
                if self._stamp is not None:
                    return parse_manifest(self.store.read(MANIFEST), self.url)
                found = found or [*self.store.files(""), *self.store.folders("")]
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
    def writing(self) -> Iterator[None]:
        """Around every write: what it needs, and what its errors become.

        Raises:
            KnowledgeBaseError: The base is read-only, or cannot be written.
        """
        if self.read_only:
            raise KnowledgeBaseError(
                f"The knowledge base {self.url} was opened read-only. Open it for writing, or add to an "
                "overlay: KnowledgeBase.open_default()."
            )
        try:
            if self.store.stamp(MANIFEST) is None:
                self.store.create(MANIFEST, new_manifest().to_json())
            elif (self.manifest() or new_manifest()).schema_version < SCHEMA_VERSION:
                self._change_manifest(Manifest.lifted)
            yield
        except OSError as error:
            raise KnowledgeBaseError(
                f"The knowledge base {self.url} cannot be written: {error}. Check the folder's permissions and "
                "free space; AUTOMETA_HOME moves the user's own base elsewhere."
            ) from error

    @contextmanager
    def rewriting(self) -> Iterator[None]:
        """Around whatever replaces files: one process at a time, where the file system has locks."""
        with self.writing(), self.store.locked("rewriting"):
            yield

    def _change_manifest(self, change: Callable[[Manifest], Manifest]) -> None:
        with self.store.locked("manifest"):
            before = self.manifest() or new_manifest()
            after = change(before)
            if after != before:
                self.store.write(MANIFEST, after.to_json())

    def reseal(self, gone: Collection[str], new: Collection[str]) -> None:
        """Take checksums of files that are gone out of the manifest, and put those of new ones in."""
        sealed = {name: seal(self.store, name) for name in new}
        self._change_manifest(
            lambda manifest: manifest.with_files(
                {name: one for name, one in manifest.files.items() if name not in gone} | sealed
            )
        )

    def _seal_all(self) -> None:
        known = (self.manifest() or new_manifest()).files
        runs, main = self._parts_of_runs(), self._parts("")
        self.reseal({*known} - {*runs, *main}, [name for name in [*main, *runs] if name not in known])

    def _add(self, folder: str, table: pa.Table, encode: Callable[[pa.Table], bytes] = parquet) -> None:
        if table.num_rows:
            with self.writing():
                self.store.write(part_name(folder), encode(table))

    def _parts(self, folder: str) -> list[str]:
        try:
            return [name for name in self.store.files(folder) if name.endswith(".parquet")]
        except OSError as error:
            raise damaged(self.store, folder or self.url, error) from error

    def _parts_of_runs(self) -> list[str]:
        return [name for space in self.store.folders("runs") for name in self.runs_of(space).parts()]

    def _keyed(self, name: str) -> tuple[object, pd.DataFrame]:
        """A table with one row per dataset, and its state; a row that was added later replaces an earlier one."""
        main = f"{name}.parquet"
        for attempt in range(_ATTEMPTS):
            parts = self._parts(name)  # first: parts go only after the file that gathers them is in place
            stamp = self.store.stamp(main)
            state = (stamp, tuple(parts))
            if name in self._tables and self._tables[name][0] == state:
                return self._tables[name]
            try:
                tables = [self._read(file) for file in [*([main] if stamp else []), *parts]]
                break
            except FileNotFoundError as error:  # a compaction moved rows between the listing and the reading
                if attempt == _ATTEMPTS - 1:
                    raise damaged(self.store, name, error) from error
        frame = _newest(pa.concat_tables([_SCHEMAS[name].empty_table(), *tables], promote_options="permissive"))
        self._tables[name] = (state, frame.astype(float) if name == "meta_features" else frame)
        return self._tables[name]

    def _gather_keyed(self, name: str, without: Collection[str] = ()) -> None:
        """Write a table of datasets as one file, then delete the parts that it was made of, oldest first."""
        parts, main = self._parts(name), f"{name}.parquet"
        frame = self._keyed(name)[1]
        kept = frame[~frame.index.isin(list(without))].sort_index()
        if not parts and len(kept) == len(frame):
            return
        self.reseal([main], [])  # a checksum must not outlive what it is of
        schema = _DATASET_SCHEMA if name == "datasets" else None
        table = pa.Table.from_pandas(kept.reset_index(), schema=schema, preserve_index=False)
        self.store.write(main, parquet(table.replace_schema_metadata(None)))
        for part in parts:
            self.store.delete(part)

    def _read(self, name: str) -> pa.Table:
        try:
            return pq.read_table(io.BytesIO(self.store.read(name)))
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise damaged(self.store, name, error) from error


def _newest(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame.drop_duplicates("dataset_id", keep="last").set_index("dataset_id")
