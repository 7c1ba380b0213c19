from pathlib import Path
from typing import Any

import pytest
import skops.io
import typer
from export_models import save_model, table
from typer.testing import CliRunner, Result

from autometa import export
from autometa.candidates._ridge import RidgeRegressor
from autometa.cli.export import export as command
from autometa.datasets import Dataset
from autometa.errors import AutometaError, ModelError, OptionError
from autometa.export._graph import Graph
from autometa.export._registry import CONVERTERS

app = typer.Typer()
app.command()(command)


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def search(tmp_path: Path, datasets: dict[str, Dataset]) -> Path:
    """What a search leaves behind, as far as the export is concerned."""
    save_model(tmp_path / "search" / "model", datasets["regression"], {"ridge": 0.3, "lightgbm": 0.7})
    datasets["regression"].to_folder(tmp_path / "search" / "work" / "data")
    return tmp_path / "search"


def test_both_forms_are_written_and_checked(search: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    files = tmp_path / "m.onnx", tmp_path / "m.skops"
    done = invoke(search, "--onnx", files[0], "--pipeline", files[1])
    assert done.exit_code == 0, done.output
    assert f"Written: {files[1]} (scikit-learn pipeline, member 1 of 2: lightgbm, weight 0.70)" in done.stdout
    assert f"Written: {files[0]} (ONNX, " in done.stdout
    assert "all 2 members" in done.stdout
    assert "takes: size (double), count (double), colour (string)" in done.stdout
    assert "gives: prediction (double)" in done.stdout
    assert done.stdout.count("check: 100 rows, worst difference to the model") == 2
    loaded = skops.io.load(files[1], trusted=list(export.TRUSTED_TYPES))
    assert loaded.predict(table("regression")).shape == (100,)


def test_the_whole_model_and_another_member(search: Path, tmp_path: Path) -> None:
    file = tmp_path / "m.skops"
    assert "all 2 members" in invoke(search, "--pipeline", file, "--whole").stdout
    done = invoke(search / "model", "--pipeline", file, "--member", 0)
    assert "member 0 of 2: ridge, weight 0.30" in done.stdout
    assert "check: 100 rows, worst difference to the model 0.0e+00" in done.stdout


def test_without_the_rows_nothing_is_checked_and_that_is_said(search: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    (search / "model").rename(tmp_path / "moved")
    done = invoke(tmp_path / "moved", "--onnx", tmp_path / "m.onnx", "--pipeline", tmp_path / "m.skops")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("check: none, since the search folder holds no rows") == 2


def test_a_file_that_predicts_something_else_ends_with_an_error(
    search: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    honest = CONVERTERS[RidgeRegressor]

    def wrong(graph: Graph, step: Any, x: str) -> str:
        return graph.op("Add", honest(graph, step, x), 0.1)

    monkeypatch.setitem(CONVERTERS, RidgeRegressor, wrong)
    done = invoke(search, "--onnx", tmp_path / "m.onnx")
    assert isinstance(done.exception, AutometaError)
    assert "differs from the model by more than 0.0001 in 100 of 100 rows" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Say what to write"),
        (("--onnx", "m.pb"), "--onnx must end in .onnx, got 'm.pb'"),
        (("--pipeline", "m.pkl"), "--pipeline must end in .skops, got 'm.pkl'"),
        (("--onnx", "nowhere/m.onnx"), "nowhere, which is no folder"),
        (("--onnx", "m.onnx", "--whole"), "Add --pipeline FILE.skops"),
        (("--pipeline", "m.skops", "--opset", "18"), "Add --onnx FILE.onnx"),
        (("--pipeline", "m.skops", "--member", "7"), "member must be one of 0 (ridge), 1 (lightgbm), but got 7"),
    ],
)
def test_wrong_options_are_named(
    search: Path, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(search)
    done = invoke(search, *arguments)
    assert isinstance(done.exception, OptionError)
    assert message in str(done.exception)


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    done = invoke(tmp_path, "--pipeline", tmp_path / "m.skops")
    assert isinstance(done.exception, ModelError)
