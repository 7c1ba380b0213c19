"""Counting runs without holding them: only the columns that are counted by are read."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from autometa.knowledge._columns import RUN_COLUMNS
from autometa.knowledge._info import KnowledgeBaseInfo, SourceInfo
from autometa.knowledge._keys import Words, config_keys, words_of
from autometa.knowledge._layer import Layer
from autometa.knowledge._manifest import SCHEMA_VERSION, Source
from autometa.knowledge._parts import count_by
from autometa.knowledge._selection import Selection

Layers = Sequence[tuple[Layer, frozenset[str]]]

_COUNTED = ("dataset_id", "metric", "direction", "source", "status", "projected")


def count_runs(layers: Layers) -> pd.DataFrame:
    """See `KnowledgeBase.count_runs`."""
    frames = []
    for layer, hidden in layers:
        for space in layer.spaces():
            counts = layer.runs_of(space).fold(_count, Selection(hidden=hidden), _COUNTED)
            frames.append(counts.to_pandas().assign(space=space))
    columns = ["space", *_COUNTED]
    if not frames:
        return pd.DataFrame({**{name: pd.Series(dtype="str") for name in columns}, "n": pd.Series(dtype="int64")})
    total = pd.concat(frames)
    summed: pd.DataFrame = total.groupby(columns, as_index=False, dropna=False)["n"].sum()
    return summed


def describe(layers: Layers, datasets: pd.DataFrame, meta_features: pd.DataFrame) -> KnowledgeBaseInfo:
    """See `KnowledgeBase.info`."""
    manifests = [manifest for layer, _ in layers if (manifest := layer.manifest())]
    recorded = {source.name: source for manifest in manifests for source in manifest.sources}
    runs, configurations = count_runs(layers), _configurations(layers)
    files = [(layer, name) for layer, _ in layers for name in layer.data_files()]
    names = dict.fromkeys([*recorded, *datasets["source"], *runs["source"]])
    return KnowledgeBaseInfo(
        paths=tuple(layer.url for layer, _ in layers),
        schema_version=min((manifest.schema_version for manifest in manifests), default=SCHEMA_VERSION),
        n_datasets=len(datasets),
        n_meta_features=len(meta_features),
        n_qualities=meta_features.shape[1],
        n_runs=int(runs["n"].sum()),
        n_bytes=sum(layer.store.size(name) for layer, name in files),
        n_files=len(files),
        spaces={str(space): int(n) for space, n in runs.groupby("space")["n"].sum().items()},
        sources=tuple(
            _source_info(name, recorded.get(name), datasets, meta_features, runs, configurations.get(name, 0))
            for name in names
        ),
    )


def _count(tables: Iterator[pa.Table]) -> pa.Table:
    return count_by(tables, _COUNTED)


def _configurations(layers: Layers) -> Mapping[str, int]:
    """Distinct configurations of each source, per space."""
    found: dict[tuple[str, str], list[Words]] = {}
    for layer, hidden in layers:
        for space in layer.spaces():
            folder = layer.runs_of(space)
            by_source = folder.fold(_distinct, Selection(hidden=hidden), ["source", *folder.hyperparameters()])
            for source, hashes in by_source.items():
                found.setdefault((space, source), []).append(hashes)
    counts: dict[str, int] = {}
    for (_, source), parts in found.items():
        counts[source] = counts.get(source, 0) + len(_once(np.concatenate(parts)))
    return counts


def _distinct(tables: Iterator[pa.Table]) -> Mapping[str, Words]:
    """Hashes of the configurations of each source, each once. Half a key is enough to count."""
    seen: dict[str, list[Words]] = {}
    for table in tables:
        hashes = words_of(config_keys(table))[:, 0]
        sources = table.column("source").combine_chunks().dictionary_encode()
        codes = sources.indices.to_numpy()
        for code, source in enumerate(sources.dictionary.to_pylist()):
            seen.setdefault(source, []).append(_once(hashes[codes == code]))
    return {source: _once(np.concatenate(parts)) for source, parts in seen.items()}


def _once(hashes: Words) -> Words:
    """Each number once, in order; much quicker than numpy.unique, which since 2.3 builds a hash table."""
    ordered = np.sort(hashes)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def _source_info(
    name: str,
    source: Source | None,
    datasets: pd.DataFrame,
    meta_features: pd.DataFrame,
    runs: pd.DataFrame,
    configurations: int,
) -> SourceInfo:
    mine = datasets[datasets["source"] == name]
    rows = runs[runs["source"] == name]
    metrics = rows.groupby("metric")["n"].sum()
    return SourceInfo(
        name=name,
        source=source,
        datasets={str(task): int(count) for task, count in mine["task"].value_counts().sort_index().items()},
        datasets_with_runs=rows["dataset_id"].nunique(),
        meta_features=int(meta_features.index.isin(mine.index).sum()),
        configurations=configurations,
        projected_runs=int(rows.loc[rows["projected"].fillna(False).astype(bool), "n"].sum()),
        runs={str(metric): int(count) for metric, count in metrics.sort_index().items()},
    )


def hyperparameters_in(names: Sequence[str]) -> list[str]:
    """Columns that are no `RUN_COLUMNS`, in alphabetical order."""
    return sorted(set(names) - set(RUN_COLUMNS))
