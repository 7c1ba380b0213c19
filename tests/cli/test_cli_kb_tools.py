import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from autometa.cli import kb_tools
from autometa.errors import KnowledgeBaseError, OptionError, UnknownNameError
from autometa.knowledge import KnowledgeBase, Source
from autometa.records import DatasetRecord, MetaFeatures

runner = CliRunner()
app = typer.Typer()
kb_tools.register(app)


def base(folder: Path) -> str:
    """Two datasets of two sources, one with runs of two configurations."""
    kb = KnowledgeBase(folder)
    kb.add_source(Source("s", "MIT"))
    kb.add_source(Source("t", "CC0-1.0"))
    small = {"NumberOfInstances": 100.0, "NumberOfFeatures": 4.0, "NumberOfClasses": 2.0, "SkewnessMean": 0.5}
    kb.add_dataset(DatasetRecord("one", "First", "binary", "s", openml_id=31), MetaFeatures("one", small))
    large = small | {"NumberOfInstances": 5000.0, "SkewnessMean": float("nan")}
    kb.add_dataset(DatasetRecord("two", "Second", "multiclass", "t"), MetaFeatures("two", large))
    frame = pd.DataFrame({"value": [0.25, 0.75], "spread": [None, 0.5], "depth": [3, 4], "rate": [0.123456789, None]})
    kb.add_runs("one", "demo", frame, metric="accuracy", direction="maximize", source="s")
    return str(folder)


def said(*arguments: str, code: int = 0) -> str:
    shown = runner.invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert shown.exit_code == code, shown.output
    return shown.stdout


@pytest.fixture
def kb(tmp_path: Path) -> str:
    return base(tmp_path / "kb")


def test_list_shows_datasets_with_their_sizes(kb: str) -> None:
    shown = said("list", "--kb", kb)
    for text in ("2 datasets", "one", "two", "binary", "multiclass", "5,000"):
        assert text in shown


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["one", "two"]),
        (["--task", "binary"], ["one"]),
        (["--task", "regression"], []),
        (["--source", "T"], ["two"]),
        (["--search", "SEC"], ["two"]),
        (["--search", "o"], ["one", "two"]),
        (["--sort", "rows"], ["two", "one"]),
        (["--sort", "runs"], ["one", "two"]),
    ],
)
def test_list_filters_and_sorts(kb: str, options: list[str], expected: list[str]) -> None:
    rows = json.loads(said("list", "--kb", kb, "--json", *options))
    assert [row["dataset_id"] for row in rows] == expected


def test_list_as_json_has_plain_values(kb: str) -> None:
    first, second = json.loads(said("list", "--kb", kb, "--json"))
    assert first | {"spaces": 1} == {
        "dataset_id": "one",
        "name": "First",
        "task": "binary",
        "source": "s",
        "openml_id": 31,
        "rows": 100,
        "features": 4,
        "classes": 2,
        "runs": 2,
        "spaces": 1,
    }
    assert (second["openml_id"], second["runs"]) == (None, 0)


@pytest.mark.parametrize("name", ["one", "first", "openml:31"])
def test_show_finds_a_dataset_by_any_name(kb: str, name: str) -> None:
    shown = said("show", name, "--kb", kb)
    for text in ("one (First)", "openml:31", "MIT", "SkewnessMean", "accuracy 0.75 ± 0.5", "depth=4"):
        assert text in shown, text
    assert "depth=3" not in shown
    assert "rate=0.1235" in said("show", name, "--kb", kb, "--best", "2")


def test_show_as_json_is_complete(kb: str) -> None:
    report = json.loads(said("show", "one", "--kb", kb, "--json", "--best", "2"))
    assert report["record"]["openml_id"] == 31
    assert report["meta_features"]["NumberOfInstances"] == 100.0
    assert report["runs"][0] | {} == {
        "space": "demo",
        "metric": "accuracy",
        "direction": "maximize",
        "n_runs": 2,
        "n_complete": 2,
        "best": 0.75,
        "median": 0.5,
        "sources": ["s"],
    }
    assert [one["config"] for one in report["best"]] == [{"depth": 4}, {"depth": 3, "rate": 0.123456789}]
    assert json.loads(said("show", "two", "--kb", kb, "--json"))["meta_features"]["SkewnessMean"] is None


def test_show_of_an_unknown_dataset_names_the_nearest(kb: str) -> None:
    shown = runner.invoke(app, ["show", "Frist", "--kb", kb])
    assert isinstance(shown.exception, UnknownNameError)
    assert "Did you mean 'one'" in str(shown.exception)


def test_show_of_a_name_that_several_have_lists_them(kb: str) -> None:
    KnowledgeBase(kb).add_dataset(DatasetRecord("three", "second", "binary", "s"))
    shown = runner.invoke(app, ["show", "Second", "--kb", kb])
    assert isinstance(shown.exception, UnknownNameError)
    assert "three" in str(shown.exception)


def table(folder: Path) -> str:
    frame = pd.DataFrame(
        {"a": [i * i % 11 for i in range(40)], "b": [i * i % 7 for i in range(40)], "target": ["x", "y"] * 20}
    )
    frame.to_csv(folder / "mine.csv", index=False)
    return str(folder / "mine.csv")


def test_nearest_tells_distances_and_why(kb: str, tmp_path: Path) -> None:
    shown = said("nearest", table(tmp_path), "--kb", kb)
    assert "mine: binary, 40 rows, 2 features" in shown
    assert shown.index("one") < shown.index("two")
    assert "NumberOfInstances 5000 (here 40)" in shown
    content = json.loads(said("nearest", table(tmp_path), "--kb", kb, "--json", "-n", "1"))
    (first,) = content["nearest"]
    assert (first["dataset_id"], first["name"], first["runs"]) == ("one", "First", 2)
    assert first["gaps"]["NumberOfInstances"] == pytest.approx(first["distance"])
    assert content["itself"] == []


def test_nearest_leaves_the_table_itself_out(kb: str, tmp_path: Path) -> None:
    from autometa.datasets import read_dataset

    content_hash = read_dataset(table(tmp_path)).content_hash
    record = DatasetRecord("mine", "other name", "binary", "s", content_hash=content_hash)
    KnowledgeBase(kb).add_dataset(record, MetaFeatures("mine", {"NumberOfInstances": 40.0}))
    shown = said("nearest", table(tmp_path), "--kb", kb)
    assert "Left out, since it is the table itself: mine" in shown


def test_export_writes_a_base_or_csv(kb: str, tmp_path: Path) -> None:
    assert "1 datasets, 2 runs" in said("export", str(tmp_path / "part"), "--dataset", "one", "--kb", kb)
    assert list(KnowledgeBase(tmp_path / "part").datasets().index) == ["one"]
    content = json.loads(said("export", str(tmp_path / "csv"), "--format", "csv", "--kb", kb, "--json"))
    assert content["files"] == ["datasets.csv", "meta_features.csv", "runs_demo.csv", "sources.csv"]
    assert len(pd.read_csv(tmp_path / "csv" / "runs_demo.csv")) == 2


def test_export_refuses_a_folder_that_is_there(kb: str) -> None:
    shown = runner.invoke(app, ["export", kb, "--kb", kb])
    assert isinstance(shown.exception, KnowledgeBaseError)


def test_merge_twice_adds_once(kb: str, tmp_path: Path) -> None:
    target = str(tmp_path / "target")
    assert "Added 2 datasets (new or completed), 2 runs of demo, 2 sources" in said("merge", kb, "--kb", target)
    again = json.loads(said("merge", kb, "--kb", target, "--json"))
    assert again == {"datasets": 0, "runs": {}, "sources": 0, "disagreements": []}


def test_merge_goes_to_the_users_own_base_by_default(kb: str) -> None:
    said("merge", kb)
    assert "one" in KnowledgeBase.open_default().datasets().index


def test_merge_of_a_missing_base_is_an_error(tmp_path: Path) -> None:
    shown = runner.invoke(app, ["merge", str(tmp_path / "typo")])
    assert isinstance(shown.exception, KnowledgeBaseError)


def test_verify_ends_with_1_where_something_is_wrong_and_says_how_to_mend_it(kb: str) -> None:
    assert "Nothing is wrong." in said("verify", "--kb", kb)
    assert json.loads(said("verify", "--kb", kb, "--json")) == []
    frame = pd.DataFrame({"value": [0.5]})
    KnowledgeBase(kb).add_runs("stray", "demo", frame, metric="accuracy", direction="maximize", source="s")
    shown = said("verify", "--kb", kb, code=1)
    assert "orphan rows" in shown
    assert "kb remove --dataset" in shown
    (finding,) = json.loads(said("verify", "--kb", kb, "--json", code=1))
    assert (finding["rule"], finding["count"], finding["repairable"]) == ("orphan rows", 1, False)


def test_verify_repairs_what_it_can(kb: str) -> None:
    again = KnowledgeBase(kb)
    again.add_run_table("demo", again.runs("demo"))
    assert "kb verify --repair" in said("verify", "--kb", kb, code=1)
    assert "Nothing is wrong." in said("verify", "--kb", kb, "--repair")
    assert len(again.runs("demo")) == 2


def test_compact_tells_what_it_gathered(kb: str) -> None:
    assert "5 files before, 3 now" in said("compact", "--kb", kb)
    assert json.loads(said("compact", "--kb", kb, "--json")) == {"files_before": 3, "files_after": 3}


def test_remove_asks_first(kb: str) -> None:
    asked = runner.invoke(app, ["remove", "--source", "s", "--kb", kb], input="n\n")
    assert asked.exit_code == 1
    assert f"Remove all of source 's' from {kb}?" in asked.output
    assert KnowledgeBase(kb).info().n_runs == 2
    asked = runner.invoke(app, ["remove", "--source", "s", "--kb", kb], input="y\n")
    assert "Removed 2 runs and 1 datasets" in asked.output
    assert list(KnowledgeBase(kb).datasets().index) == ["two"]


def test_remove_tells_what_it_kept(kb: str) -> None:
    frame = pd.DataFrame({"value": [0.5]})
    KnowledgeBase(kb).add_runs("two", "demo", frame, metric="accuracy", direction="maximize", source="s")
    shown = said("remove", "--source", "t", "--yes", "--kb", kb)
    assert "Kept 1 datasets on which other sources have runs: two" in shown
    removed = json.loads(said("remove", "--dataset", "two", "--yes", "--json", "--kb", kb))
    assert removed == {"runs": 1, "datasets": 1, "sources": [], "kept_datasets": []}


def test_remove_needs_to_be_told_what(kb: str) -> None:
    shown = runner.invoke(app, ["remove", "--kb", kb])
    assert isinstance(shown.exception, OptionError)


def test_what_ships_is_not_removed() -> None:
    shown = runner.invoke(app, ["remove", "--source", "auto-sklearn 0.15.0", "--yes"])
    assert isinstance(shown.exception, KnowledgeBaseError)
    assert "read-only" in str(shown.exception)


@pytest.mark.parametrize("command", ["list", "show", "nearest", "export", "merge", "verify", "compact", "remove"])
def test_help_is_there(command: str) -> None:
    assert "--json" in said(command, "--help")


def test_the_module_loads_nothing_heavy() -> None:
    code = (
        "import sys, autometa.cli.kb_tools\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'sklearn', 'torch', 'optuna', 'mlflow', 'openml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
