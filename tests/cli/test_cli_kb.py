import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from autometa import config
from autometa.cli.kb import app
from autometa.errors import InputError, KnowledgeBaseError
from autometa.knowledge import KnowledgeBase

runner = CliRunner()


def test_info_counts_the_shipped_base() -> None:
    shown = runner.invoke(app, ["info"])
    assert shown.exit_code == 0
    for text in (
        "HPOBench MLP",
        "HPOLib FCNet",
        "NAS-Bench-201",
        "auto-sklearn 0.15.0",
        "binary 125, multiclass 83, regression 111",
        "mapped",
        "projected",
        "dropped",
        "BSD-3-Clause",
        "Copyright (c) 2014-2021, AutoML Freiburg",
        "Cite: M. Feurer",
        str(config.shipped("meta_db")),
    ):
        assert text in shown.stdout, text


def test_info_as_json_is_complete() -> None:
    shown = runner.invoke(app, ["info", "--json"])
    content = json.loads(shown.stdout)
    assert content["n_datasets"] >= 319 + 15
    assert content["sources"][0]["source"]["licence"] == "BSD-3-Clause"
    assert set(content["sources"][0]["source"]["counts"]["configurations"]) == {"mapped", "projected", "dropped"}


def test_info_of_another_base_shows_runs_without_a_recorded_source(tmp_path: Path) -> None:
    frame = pd.DataFrame({"value": [0.5, 0.6], "depth": [1, 2]})
    KnowledgeBase(tmp_path).add_runs("mine", "demo", frame, metric="roc_auc", direction="maximize")
    shown = runner.invoke(app, ["info", "--kb", str(tmp_path)])
    assert shown.exit_code == 0
    assert "2 runs" in shown.stdout
    assert "user: Runs by metric" in shown.stdout


def test_info_of_a_missing_base_is_an_error(tmp_path: Path) -> None:
    shown = runner.invoke(app, ["info", "--kb", str(tmp_path / "typo")])
    assert isinstance(shown.exception, KnowledgeBaseError)


def test_import_of_a_foreign_path_is_an_error(tmp_path: Path) -> None:
    shown = runner.invoke(app, ["import", "auto-sklearn", str(tmp_path), "--kb", str(tmp_path / "kb")])
    assert isinstance(shown.exception, InputError)


@pytest.mark.parametrize("arguments", [["--help"], ["import", "--help"], ["info", "--help"]])
def test_help_is_there(arguments: list[str]) -> None:
    shown = runner.invoke(app, arguments)
    assert shown.exit_code == 0
    assert "knowledge base" in shown.stdout or "auto-sklearn" in shown.stdout


def test_the_module_loads_nothing_heavy() -> None:
    code = (
        "import sys, autometa.cli.kb\n"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'sklearn', 'torch', 'optuna', 'mlflow', 'openml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


def test_the_knowledge_base_loads_no_learning_library() -> None:
    code = (
        "import sys, autometa.knowledge, autometa.ingest\n"
        "heavy = {'sklearn', 'torch', 'optuna', 'mlflow', 'openml', 'lightgbm', 'skrub'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
