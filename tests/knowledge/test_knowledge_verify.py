"""Every kind of damage is found, told with a way out, and mended where nothing is lost."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autometa import config
from autometa.errors import KnowledgeBaseError
from autometa.knowledge import Finding, KnowledgeBase, Source
from autometa.knowledge._rewriting import RECORD
from autometa.knowledge._verify_runs import inside_of
from autometa.records import DatasetRecord, MetaFeatures
from autometa.spaces import load_space


def record(dataset_id: str, source: str = "user") -> DatasetRecord:
    return DatasetRecord(dataset_id, dataset_id, "binary", source)


def add(kb: KnowledgeBase, rows: list[dict[str, Any]], *, space: str = "demo", metric: str = "accuracy") -> None:
    kb.add_runs("a", space, pd.DataFrame(rows), metric=metric, direction="maximize")


def base(folder: Path) -> KnowledgeBase:
    kb = KnowledgeBase(folder)
    kb.add_dataset(record("a"), MetaFeatures("a", {"NumberOfInstances": 9.0}))
    add(kb, [{"value": 0.5, "depth": 1}, {"value": 0.6, "depth": 2}])
    kb.compact()
    return kb


def found(folder: Path) -> list[tuple[str, int, bool]]:
    findings = KnowledgeBase(folder).verify()
    for one in findings:
        assert isinstance(one, Finding)
        assert one.what
        assert one.mend.endswith(".")
        assert json.dumps(one.to_json())
    return [(one.rule, one.count, one.repairable) for one in findings]


def part(folder: Path) -> Path:
    (path,) = folder.glob("runs/demo/*.parquet")
    return path


def change_runs(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Write a part of runs that the library would not: such as another program's, or a damaged one."""
    path = part(folder)
    schema = pq.read_schema(path)
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    content = json.loads((folder / "manifest.json").read_text())
    del content["files"][str(path.relative_to(folder))]
    (folder / "manifest.json").write_text(json.dumps(content))


def test_a_sound_base_has_no_findings(tmp_path: Path) -> None:
    base(tmp_path)
    assert found(tmp_path) == []


def test_what_ships_is_sound() -> None:
    assert KnowledgeBase.open_default(overlay=False).verify() == ()
    assert config.shipped("meta_db").is_dir()


def test_a_changed_file_fails_its_checksum(tmp_path: Path) -> None:
    base(tmp_path)
    table = pq.read_table(part(tmp_path))
    pq.write_table(table.slice(1), part(tmp_path))
    assert found(tmp_path) == [("checksums", 1, False)]


def test_a_damaged_file_is_named_and_the_rest_is_checked_all_the_same(tmp_path: Path) -> None:
    kb = base(tmp_path)
    kb.add_runs("stray", "demo", pd.DataFrame({"value": [0.5]}), metric="accuracy", direction="maximize")
    (first, _) = sorted(tmp_path.glob("runs/demo/*.parquet"))
    first.write_bytes(b"damaged")
    assert found(tmp_path) == [("unreadable", 1, False), ("orphan rows", 1, False)]
    (tmp_path / "datasets.parquet").write_bytes(b"damaged")
    assert ("unreadable", 1, False) in found(tmp_path)


def test_a_missing_file_is_named_and_compacting_accepts_the_loss(tmp_path: Path) -> None:
    kb = base(tmp_path)
    part(tmp_path).unlink()
    assert found(tmp_path) == [("missing", 1, False)]
    kb.compact()
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("value", float("nan"), "values"),
        ("value", 1.5, "ranges"),
        ("value", -0.5, "ranges"),
        ("fidelity", 0.0, "ranges"),
        ("fidelity", 2.0, "ranges"),
        ("duration", -1.0, "ranges"),
        ("spread", -1.0, "ranges"),
        ("repeats", 0, "ranges"),
        ("status", "done", "status"),
        ("direction", "minimize", "direction"),
        ("source", "nobody", "unknown sources"),
        ("dataset_id", "b", "orphan rows"),
        ("depth", 1, "duplicates"),
    ],
)
def test_a_row_that_breaks_a_rule_is_found(tmp_path: Path, column: str, value: object, rule: str) -> None:
    base(tmp_path)

    def spoil(rows: list[dict[str, Any]]) -> None:
        rows[1][column] = value
        if rule == "duplicates":
            rows[1]["value"] = rows[0]["value"]

    change_runs(tmp_path, spoil)
    assert found(tmp_path) == [(rule, 1, rule == "duplicates")]


def test_runs_without_a_dataset_are_found_and_not_lost_by_compacting(tmp_path: Path) -> None:
    kb = base(tmp_path)
    table = pq.read_table(part(tmp_path))
    nullable = table.schema.set(0, pa.field("dataset_id", pa.string()))
    rows = [{**row, "dataset_id": None} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=nullable), tmp_path / "runs" / "demo" / "part-1.parquet")
    before = {path: path.read_bytes() for path in tmp_path.glob("runs/demo/*.parquet")}
    assert found(tmp_path) == [("orphan rows", 2, False)]
    with pytest.raises(KnowledgeBaseError, match=r"4 runs .* only 2 of them have a dataset id. They stay"):
        kb.compact()
    assert {path: path.read_bytes() for path in tmp_path.glob("runs/demo/*.parquet")} == before
    assert found(tmp_path) == [("orphan rows", 2, False)]


def test_bounds_of_metrics_with_averages_and_of_errors_are_known(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(record("a"))
    for metric, value in (("f1_macro", 1.1), ("roc_auc_ovr", -0.1), ("rmse", -1.0), ("r2", 1.1), ("own", 99.0)):
        direction: Any = "minimize" if metric == "rmse" else "maximize"
        kb.add_runs("a", "demo", pd.DataFrame({"value": [value]}), metric=metric, direction=direction)
    findings = kb.verify()
    assert {one.rule for one in findings} == {"ranges"}
    assert {one.what.split()[0] for one in findings} == {"f1_macro", "roc_auc_ovr", "rmse", "r2"}


def test_configurations_are_held_against_the_shipped_space(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(record("a"))
    good = load_space("svm", task="binary").default()
    rows = [good | {"value": 0.5}, good | {"value": 0.5, "C": 1e9}, good | {"value": 0.5, "strange": 1}]
    add(kb, rows, space="svm")
    (one,) = kb.verify()
    assert (one.rule, one.count) == ("configurations", 2)
    assert "C is 1000000000.0, outside" in one.what


def test_the_check_of_whole_columns_agrees_with_the_space(tmp_path: Path) -> None:
    import numpy as np

    kb, rng = KnowledgeBase(tmp_path), np.random.default_rng(0)
    space = load_space("tabular", task="binary")
    rows: list[dict[str, Any]] = []
    for _ in range(120):
        config_ = space.sample(rng)
        name = str(rng.choice(list(config_)))
        if rng.random() < 0.5 and isinstance(config_[name], float):
            config_[name] = float(config_[name] or 0) * 1e6
        if rng.random() < 0.3:
            config_.pop(name)
        rows.append(dict(config_))
    frame = pd.DataFrame([row | {"value": 0.5} for row in rows])
    kb.add_runs("a", "tabular", frame, metric="accuracy", direction="maximize")
    said = inside_of(space, kb.run_table("tabular")).tolist()
    expected = [not space.problems(space.from_row(row)) and space.from_row(row).keys() >= row.keys() for row in rows]
    assert said == expected
    assert 20 < sum(expected) < 100


def test_meta_features_out_of_range_and_of_unknown_datasets_are_found(tmp_path: Path) -> None:
    kb = base(tmp_path)
    kb.add_dataset(record("b"), MetaFeatures("b", {"ClassProbabilityMax": 1.5, "NumberOfFeatures": -1.0}))
    kb._writable.add_meta_features([MetaFeatures("stray", {"KurtosisMean": float("inf")})])
    assert sorted(found(tmp_path)) == [("orphan rows", 1, False), *[("ranges", 1, False)] * 3]


def test_a_source_without_an_entry_is_found_and_recording_it_mends_that(tmp_path: Path) -> None:
    kb = base(tmp_path)
    kb.add_dataset(record("b", source="elsewhere"))
    assert found(tmp_path) == [("unknown sources", 1, False)]
    kb.add_source(Source("elsewhere", "MIT"))
    assert found(tmp_path) == []


def test_layers_know_each_others_datasets_and_sources(tmp_path: Path) -> None:
    below, above = KnowledgeBase(tmp_path / "below"), KnowledgeBase(tmp_path / "above")
    below.add_source(Source("s", "MIT"))
    below.add_dataset(record("a", source="s"))
    above.add_runs("a", "demo", pd.DataFrame({"value": [0.5]}), metric="m", direction="maximize", source="s")
    assert KnowledgeBase.layered([below, above]).verify() == ()
    assert {one.rule for one in above.verify()} == {"orphan rows", "unknown sources"}


def test_old_leftovers_are_found_and_deleted_young_ones_left_to_their_writers(tmp_path: Path) -> None:
    kb = base(tmp_path)
    old, young = tmp_path / "runs" / "demo" / ".x.tmp", tmp_path / ".y.tmp"
    for path in (old, young):
        path.write_bytes(b"")
    os.utime(old, (time.time() - 7200,) * 2)
    assert found(tmp_path) == [("leftovers", 1, True)]
    kb.repair()
    assert (old.exists(), young.exists()) == (False, True)
    assert found(tmp_path) == []


def test_an_interrupted_compaction_is_found_and_finished(tmp_path: Path) -> None:
    kb = base(tmp_path)
    name = str(part(tmp_path).relative_to(tmp_path))
    state = {"generation": 1, "phase": "replacing", "new": [name], "old": ["runs/demo/part-0.parquet"]}
    (tmp_path / "runs" / "demo" / RECORD).write_text(json.dumps(state))
    (tmp_path / "runs" / "demo" / "part-0.parquet").write_bytes(part(tmp_path).read_bytes())
    assert found(tmp_path) == [("interrupted", 1, True)]
    assert len(kb.runs("demo")) == 2
    kb.repair()
    assert found(tmp_path) == []
    assert part(tmp_path).name == name.rpartition("/")[2]


def test_repair_keeps_one_of_equal_runs_and_the_one_that_says_more(tmp_path: Path) -> None:
    kb = base(tmp_path)
    add(kb, [{"value": 0.5, "depth": 1, "spread": 0.1, "repeats": 5}, {"value": 0.7, "depth": 3}])
    add(kb, [{"value": 0.5, "depth": 1.0}])
    assert found(tmp_path) == [("duplicates", 2, True)]
    kb.repair()
    runs = KnowledgeBase(tmp_path).runs("demo")
    assert sorted(runs["value"]) == [0.5, 0.6, 0.7]
    assert runs.loc[runs["value"] == 0.5, "repeats"].tolist() == [5]
    assert found(tmp_path) == []


def test_repair_of_a_read_only_base_is_refused(tmp_path: Path) -> None:
    base(tmp_path)
    with pytest.raises(KnowledgeBaseError, match="opened read-only"):
        KnowledgeBase(tmp_path, read_only=True).repair()
