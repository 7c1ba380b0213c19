"""Bases of schema version 1: read, added to, and read again."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autometa.errors import KnowledgeBaseError
from autometa.knowledge import SCHEMA_VERSION, KnowledgeBase
from autometa.knowledge._manifest import parse_manifest
from autometa.records import DatasetRecord, MetaFeatures

PART = "runs/demo/part-01a205c7-db5f-7ac4-989f-90ef707cea01.parquet"


def write_parquet(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sink = io.BytesIO()
    statistics = [name for name in ("dataset_id", "metric") if name in table.column_names]
    options = {"compression": "zstd", "compression_level": 6, "use_dictionary": False}
    pq.write_table(table, sink, write_statistics=statistics, **options)
    path.write_bytes(sink.getvalue())


def old_base(folder: Path, **hyperparameters: list[object]) -> Path:
    """A base as autometa 0.1.0 wrote it in version 1: two runs on one dataset, byte for byte in that layout."""
    schema = pa.schema(
        [
            pa.field("dataset_id", pa.string(), nullable=False),
            pa.field("metric", pa.string(), nullable=False),
            pa.field("direction", pa.string(), nullable=False),
            pa.field("value", pa.float64()),
            pa.field("fidelity", pa.float64()),
            pa.field("duration", pa.float64()),
            pa.field("status", pa.string()),
            pa.field("source", pa.string()),
            pa.field("created", pa.timestamp("us", tz="UTC")),
            pa.field("projected", pa.bool_()),
        ]
    )
    created = pd.Timestamp("2026-11-23", tz="UTC")
    row = {"dataset_id": "a", "metric": "roc_auc", "direction": "maximize", "fidelity": 1.0, "status": "complete"}
    row |= {"source": "old", "created": created, "projected": False}
    table = pa.Table.from_pylist([row | {"value": 0.7, "duration": 2.5}, row | {"value": 0.8}], schema=schema)
    for name, values in ({"depth": [3, 4]} | hyperparameters).items():
        table = table.append_column(name, pa.array(values))
    write_parquet(folder / PART, table)
    ids = pa.field("dataset_id", pa.string(), nullable=False)
    texts = [pa.field(name, pa.string()) for name in ("name", "task", "content_hash", "source")]
    datasets = pa.schema([ids, texts[0], pa.field("openml_id", pa.int64()), *texts[1:]])
    record = {"dataset_id": "a", "name": "first", "openml_id": 31, "task": "binary", "source": "old"}
    write_parquet(folder / "datasets.parquet", pa.Table.from_pylist([record], schema=datasets))
    described = pa.schema([ids, pa.field("NumberOfInstances", pa.float64())])
    features = {"dataset_id": "a", "NumberOfInstances": 9.0}
    write_parquet(folder / "meta_features.parquet", pa.Table.from_pylist([features], schema=described))
    source: dict[str, Any] = {
        "name": "old",
        "licence": "MIT",
        "copyright": "",
        "citation": [],
        "url": "",
        "version": "",
    }
    source |= {"released": "", "imported": "2026-11-23T00:21:53Z", "licence_file": "", "counts": {}}
    head: dict[str, Any] = {"format": "autometa knowledge base", "schema_version": 1, "created": "2026-11-23T00:21:53Z"}
    head |= {"written_by": "autometa 0.1.0", "sources": [source], "files": {}}
    (folder / "manifest.json").write_text(json.dumps(head, indent=2) + "\n")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def version(folder: Path) -> int:
    return int(json.loads((folder / "manifest.json").read_text())["schema_version"])


def test_a_base_of_version_1_is_read_as_it_is(tmp_path: Path) -> None:
    before = files(old_base(tmp_path))
    for read_only in (True, False):
        kb = KnowledgeBase(tmp_path, read_only=read_only)
        runs = kb.runs("demo")
        assert runs["value"].tolist() == [0.7, 0.8]
        assert runs["depth"].tolist() == [3, 4]
        assert runs["duration"].tolist()[0] == 2.5
        assert runs[["spread", "repeats"]].isna().all(axis=None)
        assert kb.datasets().loc["a", "openml_id"] == 31
        assert kb.meta_features().loc["a", "NumberOfInstances"] == 9.0
        assert kb.info().schema_version == 1
        assert kb.verify() == ()
    assert files(tmp_path) == before


def test_the_first_write_lifts_the_base_and_keeps_what_it_has(tmp_path: Path) -> None:
    old = files(old_base(tmp_path))
    kb = KnowledgeBase(tmp_path)
    frame = pd.DataFrame({"value": [0.9], "spread": [0.05], "repeats": [10], "depth": [5]})
    kb.add_runs("a", "demo", frame, metric="roc_auc", direction="maximize")
    assert version(tmp_path) == SCHEMA_VERSION == 2
    assert {name: data for name, data in files(tmp_path).items() if name in old and name != "manifest.json"} == {
        name: data for name, data in old.items() if name != "manifest.json"
    }
    for again in (kb, KnowledgeBase(tmp_path)):
        runs = again.runs("demo").sort_values("value", ignore_index=True)
        assert runs["depth"].tolist() == [3, 4, 5]
        assert runs["spread"].isna().tolist() == [True, True, False]
        assert runs["repeats"].tolist()[2] == 10
        assert [source.name for source in again.sources()] == ["old"]


def test_what_version_1_has_is_not_new(tmp_path: Path) -> None:
    kb = KnowledgeBase(old_base(tmp_path))
    assert kb.add_run_table("demo", kb.runs("demo"), only_new=True) == 0


@pytest.mark.parametrize("write", ["dataset", "source", "compact"])
def test_every_kind_of_write_lifts(tmp_path: Path, write: str) -> None:
    from autometa.knowledge import Source

    kb = KnowledgeBase(old_base(tmp_path))
    if write == "dataset":
        kb.add_dataset(DatasetRecord("b", "second", "binary", "user"), MetaFeatures("b", {"X": 1.0}))
    elif write == "source":
        kb.add_source(Source("new", "MIT"))
    else:
        kb.compact()
    assert version(tmp_path) == 2
    assert KnowledgeBase(tmp_path).runs("demo")["depth"].tolist() == [3, 4]
    assert "old" in {source.name for source in KnowledgeBase(tmp_path).sources()}


def test_an_older_autometa_refuses_a_lifted_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KnowledgeBase(old_base(tmp_path)).compact()
    monkeypatch.setattr("autometa.knowledge._manifest.SCHEMA_VERSION", 1)
    with pytest.raises(KnowledgeBaseError, match=r"schema version 2, but autometa .* reads up to 1. Install"):
        parse_manifest((tmp_path / "manifest.json").read_bytes(), "kb")


def test_old_and_new_parts_are_compacted_together(tmp_path: Path) -> None:
    kb = KnowledgeBase(old_base(tmp_path))
    frame = pd.DataFrame({"value": [0.9], "spread": [0.05], "width": [5]})
    kb.add_runs("a", "demo", frame, metric="roc_auc", direction="maximize")
    before = kb.runs("demo")
    kb.compact()
    assert len(list(tmp_path.glob("runs/demo/*.parquet"))) == 1
    pd.testing.assert_frame_equal(KnowledgeBase(tmp_path).runs("demo"), before)


def test_a_hyperparameter_that_took_a_new_name_is_told_apart(tmp_path: Path) -> None:
    kb = KnowledgeBase(old_base(tmp_path, spread=[1.5, 2.5]))
    with pytest.raises(KnowledgeBaseError, match=rf"{Path(PART).name}.*hyperparameter 'spread'.*'spread_'"):
        kb.runs("demo")
