"""The base that ships: complete, valid, within range, and small."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from autometa import config, metrics
from autometa.knowledge import RUN_COLUMNS, KnowledgeBase, SourceInfo
from autometa.records import TASK_TYPES, TaskType
from autometa.spaces import load_space

AUTO_SKLEARN = "auto-sklearn 0.15.0"
UNIT = ("accuracy", "average_precision", "balanced_accuracy", "f1", "precision", "recall", "roc_auc")


@pytest.fixture(scope="module")
def kb() -> KnowledgeBase:
    return KnowledgeBase.open_default(overlay=False)


@pytest.fixture(scope="module")
def sources(kb: KnowledgeBase) -> dict[str, SourceInfo]:
    return {one.name: one for one in kb.info().sources}


@pytest.fixture(scope="module")
def runs(kb: KnowledgeBase) -> pd.DataFrame:
    return kb.runs("tabular").merge(kb.datasets()["task"], left_on="dataset_id", right_index=True)


@pytest.fixture(scope="module")
def published(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["source"] == AUTO_SKLEARN]


def test_counts_are_those_of_the_published_tables(sources: dict[str, SourceInfo]) -> None:
    source = sources[AUTO_SKLEARN]
    assert source.datasets == {"binary": 125, "multiclass": 83, "regression": 111}
    assert source.meta_features == 319
    assert source.datasets_with_runs >= 260


@pytest.mark.parametrize(
    ("name", "datasets", "configurations"),
    [("HPOBench MLP", 8, 30_000), ("HPOLib FCNet", 4, 62_208), ("NAS-Bench-201", 3, 15_625)],
)
def test_the_tabular_benchmarks_are_whole(
    sources: dict[str, SourceInfo], name: str, datasets: int, configurations: int
) -> None:
    found = sources[name]
    assert found.datasets_with_runs == sum(found.datasets.values()) == datasets
    assert found.configurations == configurations
    assert set(found.runs.values()) == {datasets * configurations}


def test_our_own_measurements_are_there(kb: KnowledgeBase, sources: dict[str, SourceInfo]) -> None:
    found = sources["autometa"]
    assert found.datasets_with_runs >= 83
    assert found.datasets["regression"] >= 15
    runs = kb.runs("tabular")
    runs = runs[runs["source"] == "autometa"]
    assert runs["candidate"].nunique() == 11
    settings = ["dataset_id", *(name for name in runs if name not in RUN_COLUMNS)]
    tried = runs[settings].astype("str").drop_duplicates().groupby("dataset_id").size()
    assert len(tried) == found.datasets_with_runs
    assert tried.min() >= 150
    assert tried.sum() >= 12_000


@pytest.mark.parametrize("space", ["hpobench_mlp", "hpolib_fcnet", "nas_bench_201"])
def test_configurations_of_a_tabular_benchmark_are_valid(kb: KnowledgeBase, space: str) -> None:
    read = load_space(space)
    dataset = kb.count_runs().query("space == @space")["dataset_id"].iloc[0]
    rows = kb.runs(space, dataset_ids=[dataset])[list(read.names)].drop_duplicates()
    for row in rows.sample(200, random_state=0).to_dict("records"):
        read.validate(read.from_row({str(name): value for name, value in row.items()}))


def test_every_source_is_credited(sources: dict[str, SourceInfo]) -> None:
    for one in sources.values():
        assert one.source is not None
        assert one.source.licence in ("Apache-2.0", "BSD-3-Clause", "MIT")
        assert one.source.citation
        assert one.source.url.startswith("https://")


def test_auto_sklearn_is_credited(sources: dict[str, SourceInfo]) -> None:
    source = sources[AUTO_SKLEARN].source
    assert source is not None
    assert source.licence == "BSD-3-Clause"
    assert source.copyright.startswith("Copyright (c)")
    assert source.copyright in (config.shipped("meta_db") / source.licence_file).read_text()
    assert any("Efficient and robust" in one for one in source.citation)
    assert any("Auto-sklearn 2.0" in one for one in source.citation)


def test_reported_counts_agree_with_the_content(sources: dict[str, SourceInfo]) -> None:
    info = sources[AUTO_SKLEARN]
    assert info.source is not None
    said = info.source.counts
    assert said["runs"]["mapped"] + said["runs"]["projected"] == info.n_runs
    assert said["runs"]["projected"] == info.projected_runs
    assert sum(said["reasons"].values()) == said["configurations"]["dropped"]


def test_checksums_hold() -> None:
    root = config.shipped("meta_db")
    files = json.loads((root / "manifest.json").read_text())["files"]
    assert {str(path.relative_to(root)) for path in root.rglob("*.parquet")} == set(files)
    for name, sealed in files.items():
        data = (root / name).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (sealed["sha256"], sealed["n_bytes"]), name


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in config.shipped("meta_db").rglob("*") if path.is_file()) < 20_000_000


@pytest.mark.parametrize("task", TASK_TYPES)
def test_every_configuration_is_valid_for_its_task(runs: pd.DataFrame, task: TaskType) -> None:
    space = load_space("tabular", task=task)
    rows = runs.loc[runs["task"] == task, [name for name in runs if name in space]]
    rows = rows[~rows.astype("str").duplicated()]
    assert len(rows) > 50
    for row in rows.to_dict("records"):
        space.validate(space.from_row({str(name): value for name, value in row.items()}))


def test_metrics_are_ours_and_point_the_right_way(runs: pd.DataFrame) -> None:
    said = {(row["metric"], row["task"]): row["direction"] for row in runs.to_dict("records")}
    assert len(said) > 30
    for (name, task), direction in said.items():
        metric = metrics.resolve(name, task)
        assert metric.name == name
        assert metric.direction == direction


def test_values_are_possible(runs: pd.DataFrame) -> None:
    measured = runs[runs["status"] == "complete"]
    scores = measured[measured["metric"].str.startswith(UNIT)]
    assert scores["value"].between(0, 1).all()
    errors = measured[measured["direction"] == "minimize"]
    assert (errors["value"] >= 0).all()
    assert (measured[measured["metric"] == "r2"]["value"] <= 1).all()
    assert np.isfinite(measured["value"]).all()


def test_good_configurations_have_good_values(published: pd.DataFrame) -> None:
    """Were losses taken for scores, or the other way round, the medians would be near 0."""
    medians = published.groupby("metric")["value"].median()
    assert medians["accuracy"] > 0.85
    assert medians["roc_auc"] > 0.9
    assert medians["r2"] > 0.6
    assert medians["log_loss"] < 0.5


def test_root_and_mean_squared_errors_agree(published: pd.DataFrame) -> None:
    setting = ["dataset_id", *(name for name in load_space("tabular").names if name in published)]
    rmse, mse = (published.loc[published["metric"] == name, [*setting, "value"]] for name in ("rmse", "mse"))
    both = rmse.merge(mse, on=setting)
    assert len(both) > 40
    np.testing.assert_allclose(both["value_x"] ** 2, both["value_y"], rtol=1e-6)
