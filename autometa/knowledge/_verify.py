"""Whether a knowledge base is whole and keeps its rules, and putting right what can be without loss."""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._compaction import FILE_ROWS, ordered
from autometa.knowledge._files import seal_of
from autometa.knowledge._finding import Finding
from autometa.knowledge._keys import numbered, row_keys
from autometa.knowledge._layer import DATASET_COLUMNS, Layer
from autometa.knowledge._manifest import SealedFile
from autometa.knowledge._parts import RunFolder, rows_by_dataset
from autometa.knowledge._rewriting import exchange, read_record
from autometa.knowledge._selection import Selection, in_groups
from autometa.knowledge._verify_runs import OWN_SOURCES, Known, check_runs
from autometa.records import TaskType

_ROWS_AT_ONCE = 200_000
_OLD = 3600.0
_ATTEMPTS = 5
_RESTORE = "Restore it from a copy; or delete it, which loses the rows in it, and run kb compact."
_CHANGED = (
    'Restore it from a copy. If it was changed on purpose, delete its entry under "files" of manifest.json, and '
    "kb compact seals it anew."
)
_COMPACT = "kb compact, or kb verify --repair, brings it to an end."

# By how OpenML names its qualities.
_QUALITIES: tuple[tuple[str, str, float, float], ...] = (
    ("starts", "NumberOf", 0.0, np.inf),
    ("starts", "PercentageOf", 0.0, 100.0),
    ("starts", "ClassProbability", 0.0, 1.0),
    ("ends", "AUC", 0.0, 1.0),
    ("ends", "ErrRate", 0.0, 2.0),  # of a regression the relative error, which metafeatures ends there
    ("ends", "Kappa", -1.0, 1.0),
    ("ends", "Entropy", 0.0, np.inf),
    ("ends", "STD", 0.0, np.inf),
)


def verify(layers: Sequence[Layer]) -> tuple[Finding, ...]:
    """See `KnowledgeBase.verify`."""
    known = Known(
        {str(key): str(task) for layer in layers for key, task in _safely(layer, "datasets")["task"].items()},
        {source.name for layer in layers if (manifest := layer.manifest()) for source in manifest.sources},
    )
    found = [one for layer in layers for one in _settled(layer, known)]
    merged: dict[tuple[str, str, str], Finding] = {}
    for one in found:
        key = (one.rule, one.where, one.what)
        merged[key] = replace(one, count=one.count + merged[key].count) if key in merged else one
    return tuple(merged.values())


def repair(layer: Layer) -> None:
    """See `KnowledgeBase.repair`."""
    layer.compact()
    with layer.rewriting():
        for name, age in layer.store.leftovers():
            if age > _OLD:
                layer.store.delete(name)
        for space in layer.spaces():
            _remove_copies(layer, layer.runs_of(space))


def _settled(layer: Layer, known: Known) -> list[Finding]:
    """What is wrong with a layer, none of whose files was replaced meanwhile."""
    for attempt in range(_ATTEMPTS):
        before = set(layer.data_files())
        try:
            found = list(_check_layer(layer, known))
        except KnowledgeBaseError:
            if attempt == _ATTEMPTS - 1 or before <= set(layer.data_files()):
                raise
            continue
        if before <= set(layer.data_files()):
            break
    return found


def _check_layer(layer: Layer, known: Known) -> Iterator[Finding]:
    broken: set[str] = set()
    for finding in _check_files(layer):
        if finding.rule == "unreadable":
            broken.add(finding.where)
        yield finding
    yield from _check_datasets(layer, known)
    yield from _check_meta_features(layer, known)
    for space in layer.store.folders("runs"):
        folder = layer.runs_of(space)
        parts = [part for part in folder.parts() if part not in broken]
        rows = rows_by_dataset(folder, parts)
        yield from _check_ids(folder, parts, sum(rows.values()))
        for ids in in_groups(rows, _ROWS_AT_ONCE):
            for one in check_runs(space, folder.read_parts(parts, Selection.of(ids)), known):
                yield replace(one, where=f"{layer.url}: runs of {one.where}")


def _check_files(layer: Layer) -> Iterator[Finding]:
    manifest = layer.manifest()
    sealed = manifest.files if manifest else {}
    there, hidden = layer.data_files(), set()
    for space in layer.store.folders("runs"):
        record = read_record(layer.store, f"runs/{space}")
        hidden |= {*record.old, *record.new} if record.phase != "done" else set()
        if record.phase != "done":
            what = "a compaction or removal was interrupted, or goes on just now"
            yield Finding("interrupted", f"runs/{space}", what, _COMPACT, 1, True)
    for name in sorted({*sealed} - {*there} - hidden):
        mend = "Restore it from a copy. Without one its rows are lost; kb compact takes it out of the manifest."
        yield Finding("missing", name, "a file that the manifest names is not there", mend)
    for name in there:
        yield from _check_file(layer, name, sealed.get(name))
    for name, age in layer.store.leftovers():
        if age > _OLD:
            what = "a file that a writer which was killed left behind; nothing reads it"
            yield Finding("leftovers", name, what, "kb verify --repair deletes it.", 1, True)


def _check_file(layer: Layer, name: str, sealed: SealedFile | None) -> Iterator[Finding]:
    try:
        data = layer.store.read(name)
        pq.ParquetFile(io.BytesIO(data)).read()
    except (pa.ArrowException, OSError) as error:
        yield Finding("unreadable", name, f"the file is damaged ({' '.join(str(error).split())})", _RESTORE)
        return
    if sealed is not None and seal_of(data) != sealed:
        what = "the checksum is another than in the manifest: the file was changed after it was written"
        yield Finding("checksums", name, what, _CHANGED)


def _check_ids(folder: RunFolder, parts: Sequence[str], n_rows: int) -> Iterator[Finding]:
    footers = folder.footers(parts)
    if sum(one.n_rows for one in footers.values()) == n_rows:
        return
    for part, footer in footers.items():
        without = footer.n_rows - sum(rows_by_dataset(folder, [part]).values())
        if without:
            yield Finding("orphan rows", part, "runs without a dataset id", _RESTORE, without)


def _check_datasets(layer: Layer, known: Known) -> Iterator[Finding]:
    datasets, where = _safely(layer, "datasets"), f"{layer.url}: datasets"
    if not len(datasets):
        return
    wrong = datasets[~datasets["task"].isin(get_args(TaskType))]
    if len(wrong):
        what = f"the task of {wrong.index[0]!r} is {wrong['task'].iloc[0]!r}"
        yield Finding("ranges", where, what, "Add the dataset again with its task type (add_dataset).", len(wrong))
    strange = datasets[~datasets["source"].isin([*known.sources, *OWN_SOURCES])]
    for source, rows in strange.groupby("source", dropna=False):
        mend = "Record the source with its licence (add_source), or remove its rows: kb remove --source."
        yield Finding("unknown sources", where, f"no source {source!r} is recorded", mend, len(rows))


def _check_meta_features(layer: Layer, known: Known) -> Iterator[Finding]:
    described, where = _safely(layer, "meta_features"), f"{layer.url}: meta-features"
    again = "Describe the dataset again: add_dataset with metafeatures.compute of its table."
    orphans = described.index[~described.index.isin(list(known.datasets))]
    if len(orphans):
        what = f"descriptions of datasets that the base does not know, such as {orphans[0]!r}"
        mend = "Add the datasets (add_dataset), or remove the descriptions: kb remove --dataset."
        yield Finding("orphan rows", where, what, mend, len(orphans))
    for name in described.columns:
        low, high = _range_of(str(name))
        values = described[name]
        wrong = values[(values < low) | (values > high) | np.isinf(values)]
        if len(wrong):
            what = f"{name} lies in [{low:g}, {high:g}], but is {wrong.iloc[0]:g} for {wrong.index[0]!r}"
            yield Finding("ranges", where, what, again, len(wrong))


def _range_of(quality: str) -> tuple[float, float]:
    for how, text, low, high in _QUALITIES:
        if quality.startswith(text) if how == "starts" else quality.endswith(text):
            return low, high
    return -np.inf, np.inf


def _safely(layer: Layer, name: str) -> pd.DataFrame:
    """A table of datasets; empty where it cannot be read, which `_check_files` tells."""
    try:
        return layer.datasets() if name == "datasets" else layer.meta_features()
    except KnowledgeBaseError:
        return pd.DataFrame(columns=list(DATASET_COLUMNS) if name == "datasets" else [])


def _remove_copies(layer: Layer, folder: RunFolder) -> None:
    """Keep one of equal runs: the first that says how much the value spreads, else the first."""
    parts = folder.parts()
    double: list[str] = []
    for ids in in_groups(rows_by_dataset(folder, parts), _ROWS_AT_ONCE):
        table = folder.read_parts(parts, Selection.of(ids))
        double += table.filter(pa.array(~_first(table))).column("dataset_id").unique().to_pylist()
    if not double:
        return
    selection = Selection.of(double)
    touched = [part for part in parts if folder.read_parts([part], selection, ["dataset_id"]).num_rows]
    groups = list(in_groups(rows_by_dataset(folder, touched), FILE_ROWS))
    tables = (_deduplicated(folder, touched, ids) for ids in groups)
    exchange(layer.store, folder.path, touched, tables, at_most=len(groups), seal=layer.reseal)


def _deduplicated(folder: RunFolder, parts: Sequence[str], ids: Iterable[str]) -> pa.Table:
    table = folder.read_parts(parts, Selection.of(ids))
    return ordered(table.filter(pa.array(_first(table))))


def _first(table: pa.Table) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which rows are the ones to keep."""
    order = np.argsort(table.column("spread").is_null().to_numpy(), kind="stable")
    keys = row_keys(table).take(pa.array(order))
    first = np.empty(len(order), dtype=bool)
    first[order] = pc.equal(keys, numbered(keys)).to_numpy(zero_copy_only=False)
    return first
