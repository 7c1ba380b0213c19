"""What ``autometa recommend`` prints, and that the table's own runs advise nothing."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from autometa.cli.main import app
from autometa.errors import UnknownNameError
from autometa.knowledge import KnowledgeBase
from autometa.records import DatasetRecord, MetaFeatures

runner = CliRunner()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    rows = [f"{i},{i * i % 17},{'yes' if i % 3 else 'no'}" for i in range(60)]
    path.write_text("\n".join(["a,b,class", *rows]) + "\n")
    return path


@pytest.fixture
def kb(tmp_path: Path) -> str:
    base = KnowledgeBase(tmp_path / "kb")
    for name, depth in (("near", 3), ("far", 7), ("mine", 11)):
        size = 60.0 if name != "far" else 90000.0
        base.add_dataset(
            DatasetRecord(f"s/{name}", name, "binary", "s"),
            MetaFeatures(f"s/{name}", {"NumberOfInstances": size, "NumberOfClasses": 2.0}),
        )
        frame = pd.DataFrame(
            {
                "candidate": ["random_forest"] * 2,
                "random_forest.min_samples_leaf": [depth, 20],
                "value": [0.9, 0.4],
            }
        )
        base.add_runs(f"s/{name}", "tabular", frame, metric="roc_auc", direction="maximize")
    return str(tmp_path / "kb")


def said(*arguments: str) -> str:
    shown = runner.invoke(app, ["recommend", *arguments], env={"COLUMNS": "160"}, catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    return shown.stdout


def leaves(table: Path, kb: str, *options: str) -> list[int]:
    found = json.loads(said(str(table), "--kb", kb, "--json", "-n", "9", *options))
    return [one["config"]["random_forest.min_samples_leaf"] for one in found]


def test_it_names_configurations_and_reasons(table: Path, kb: str) -> None:
    shown = said(str(table), "--kb", kb, "-n", "1", "--warm-start", "nearest_datasets")
    assert "random_forest" in shown
    assert "min_samples_leaf = 3" in shown
    assert "'near', the nearest of 2 datasets" in " ".join(shown.split())
    assert "7" not in shown.replace("mine", "")


def test_runs_of_the_table_itself_and_of_excluded_datasets_advise_nothing(table: Path, kb: str) -> None:
    assert set(leaves(table, kb)) == {3, 7, 20}
    assert set(leaves(table, kb, "--exclude-dataset", "near")) == {7, 20}
    assert leaves(table, kb, "--exclude-dataset", "s/near", "--exclude-dataset", "far") == []
    assert "knows nothing of tabular" in said(
        str(table), "--kb", kb, "--exclude-dataset", "near", "--exclude-dataset", "far"
    )


def test_a_dataset_that_is_not_there_cannot_be_excluded(table: Path, kb: str) -> None:
    shown = runner.invoke(app, ["recommend", str(table), "--kb", kb, "--exclude-dataset", "nera"])
    assert isinstance(shown.exception, UnknownNameError)
    assert "Did you mean 'near'?" in str(shown.exception)
