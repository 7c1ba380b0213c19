"""``autometa optimizers``: list, train, evaluate, resume."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from autometa.cli import optimizers
from autometa.cli.main import main
from autometa.cli.optimizers import app
from autometa.errors import ResumeError, TableError
from autometa.learned_optimizers import (
    OPTIMIZEES,
    RULES,
    LSTMOptimizer,
    RuleLook,
    compare,
    load_rule,
    make_rule,
    save_rule,
)
from autometa.learned_optimizers._keeping import FORMAT, KIND
from autometa.metatraining import read_card

runner = CliRunner()
QUICK = ["--steps", "6", "--validate-every", "2", "--horizon", "5", "--problems", "3", "--threads", "1", "--seed", "1"]
ON_QUADRATICS = ["--optimizees", "quadratic", *QUICK, "--no-mlflow"]
SMALL = ["--option", "n_hidden=4", "--option", "n_layers=1"]


def ask(*words: object) -> Result:
    return runner.invoke(app, [str(word) for word in words], catch_exceptions=False)


def train(rule: str, out: Path, *more: object) -> str:
    done = ask("train", rule, "--output", out, *more)
    assert done.exit_code == 0, done.output
    return done.stdout


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_rule(folder).state_dict())


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    for name in "ab":
        rows = [f"{i % 7},{'red' if i % 3 else 'blue'},{'yes' if i % 2 else 'no'}" for i in range(30)]
        (folder / f"{name}.csv").write_text("\n".join(["size,colour,class", *rows]))
    (folder / "README.md").write_text("No table.")
    return folder


def test_list_names_every_rule_and_every_kind() -> None:
    found = json.loads(ask("list", "--json").stdout)
    assert set(found["rules"]) == set(RULES.names())
    assert set(found["optimizees"]) == set(OPTIMIZEES.names())
    assert all(one["paper"] and one["inputs"] and one["options"] for one in found["rules"].values())
    assert found["rules"]["meta_learner_lstm"]["needs_loss"] is True
    assert found["optimizees"]["digits_mlp"]["options"]["width"] == 20
    shown = ask("list").stdout
    assert all(name in shown for name in (*RULES.names(), *OPTIMIZEES.names()))


def test_list_and_eval_know_what_is_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autometa.metatraining._cards.shipped", lambda kind: tmp_path)
    card = {"optimizees": [{"name": "quadratic", "n_dimensions": 10}], "steps": 7, "seconds": 1.5}
    save_rule(make_rule("rnnprop"), tmp_path / "models" / "mine", card)
    told = json.loads(ask("list", "--json").stdout)["trained"]
    assert told == {"mine": {"rule": "rnnprop", "optimizees": ["quadratic"], "steps": 7, "seconds": 1.5}}
    assert "mine (rnnprop, on quadratic)" in ask("list").stdout
    assert "mine on quadratic" in ask("eval", "mine", "--steps", 2, "--problems", 2, "--threads", 1).stdout


def test_a_trained_rule_is_evaluated_beside_tuned_optimizers(tmp_path: Path) -> None:
    said = train("lstm", tmp_path / "q", *ON_QUADRATICS)
    line = r"step 6 of 6, \d+ s, about 0 s left: loss [\d.]+, quadratic [\d.]+"
    assert re.search(line, said), said
    assert f"autometa optimizers eval {tmp_path / 'q'}" in said
    asked = ("eval", tmp_path / "q", "--steps", 4, "--problems", 3, "--seed", 2, "--threads", 1)
    found, again = (json.loads(ask(*asked, "--json").stdout) for _ in range(2))
    assert found == again
    curves = {one["name"]: one for one in found["optimizees"]["quadratic"]["curves"]}
    assert set(curves) == {"learned", "sgd", "nesterov", "rmsprop", "adam"}
    assert curves["learned"]["lr"] is None
    assert all(one["lr"] > 0 for name, one in curves.items() if name != "learned")
    assert len({one["losses"][0] for one in curves.values()}) == 1  # all start from the same points
    assert all(len(one["losses"]) == len(one["errors"]) == 5 for one in curves.values())
    shown = ask(*asked).stdout
    assert all(word in shown for word in ("start", "step 2", "step 4", "late", "nesterov", "±"))


def test_one_problem_has_no_standard_error_and_json_no_nan(tmp_path: Path) -> None:
    train("adam", tmp_path / "a", *ON_QUADRATICS)
    told = ask("eval", tmp_path / "a", "--steps", 2, "--problems", 1, "--threads", 1, "--json").stdout
    assert "NaN" not in told
    (curve, *_) = json.loads(told)["optimizees"]["quadratic"]["curves"]
    assert curve["errors"] == [None] * 3


def test_a_rule_is_evaluated_on_what_it_was_trained_on_unless_asked_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autometa.learned_optimizers.compare", partial(compare, rates=(0.01, 0.1)))
    two = ("--optimizees", "digits_mlp", "--optimizees", "quadratic", "--width", 3, *QUICK, "--no-mlflow", *SMALL)
    said = train("rnnprop", tmp_path / "r", *two)
    assert re.search(r"digits_mlp [\d.]+, quadratic [\d.]+", said)
    asked = ("eval", tmp_path / "r", "--steps", 2, "--problems", 2, "--threads", 1, "--json")
    found = json.loads(ask(*asked).stdout)["optimizees"]
    assert found["digits_mlp"]["description"]["width"] == 3
    assert set(found) == {"digits_mlp", "quadratic"}
    found = json.loads(ask(*asked, "--width", 4).stdout)["optimizees"]
    assert found["digits_mlp"]["description"]["width"] == 4
    found = json.loads(ask(*asked, "--optimizees", "digits_conv").stdout)["optimizees"]
    assert set(found) == {"digits_conv"}


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train("lstm", tmp_path / "whole", *ON_QUADRATICS, *SMALL)
    with monkeypatch.context() as patch:
        patch.setattr(optimizers, "_tell", _stops_at(4))
        assert ask("train", "lstm", "--output", tmp_path / "cut", *ON_QUADRATICS, *SMALL).exit_code != 0
    assert not (tmp_path / "cut" / "card.json").exists()
    said = train("lstm", tmp_path / "cut", *ON_QUADRATICS, *SMALL, "--resume")
    assert re.findall(r"step (\d) of 6", said) == ["4", "6"]
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(value, cut[name]) for name, value in whole.items())
    cards = [read_card(tmp_path / name, KIND, FORMAT) for name in ("whole", "cut")]
    assert cards[0]["curve"] == cards[1]["curve"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's use of SQLAlchemy
def test_a_training_draws_its_curves_in_mlflow_and_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    from autometa.tracking import resolve

    tracked = ("--optimizees", "quadratic", *QUICK, *SMALL)
    monkeypatch.setattr("sys.argv", ["/usr/bin/autometa", "optimizers", "train", "lstm", "--output", "a q", "--resume"])
    with monkeypatch.context() as patch:
        patch.setattr(optimizers, "_tell", _stops_at(4))
        assert ask("train", "lstm", "--output", tmp_path / "q", *tracked).exit_code != 0
    train("lstm", tmp_path / "q", *tracked, "--resume")
    client = MlflowClient(tracking_uri=resolve(None).uri)
    experiment = client.get_experiment_by_name("autometa")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["rule"] == "lstm"
    assert run.data.params["n_hidden"] == "4"
    curve = client.get_metric_history(run.info.run_id, "late_loss_quadratic")
    assert [point.step for point in curve] == [2, 4, 6]
    assert run.data.metrics["loss"] > 0
    assert run.data.metrics["score"] == pytest.approx(min(point.value for point in curve))
    note = run.data.tags["mlflow.note.content"]
    assert note.endswith("options as they were: `autometa optimizers train lstm --output 'a q' --resume`")


def _stops_at(step: int) -> Callable[[object, RuleLook, float], None]:
    def tell(shown: object, look: RuleLook, limit: float) -> None:
        if look.step == step:
            raise KeyboardInterrupt

    return tell


def test_a_finished_training_is_neither_overwritten_nor_done_again(tmp_path: Path) -> None:
    train("adam", tmp_path / "a", *ON_QUADRATICS)
    with pytest.raises(ResumeError, match=r"holds a training already\. Go on with it by --resume"):
        train("adam", tmp_path / "a", *ON_QUADRATICS)
    assert "step" not in train("adam", tmp_path / "a", *ON_QUADRATICS, "--resume")
    with pytest.raises(ResumeError, match=r"its options\.lr is 0\.01, but here it is 0\.1"):
        train("adam", tmp_path / "a", *ON_QUADRATICS, "--option", "lr=0.1", "--resume")


def test_tables_of_a_folder_are_learned_from(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_tables = ("--optimizees", "table_mlp", "--width", 3, "--batch-size", 8, *QUICK, "--no-mlflow", *SMALL)
    (tables / "broken.csv").write_text("size,class\n1,2\n2,3\n")
    said = train("lstm", tmp_path / "t", "--tables", tables, *on_tables)
    assert "note: broken.csv is left out: At least 10 rows" in said
    card = read_card(tmp_path / "t", KIND, FORMAT)
    assert card["tables"] == ["a.csv", "b.csv"]
    assert card["optimizees"][0]["n_tables"] == 2
    monkeypatch.setattr("autometa.learned_optimizers.compare", partial(compare, rates=(0.01, 0.1)))
    asked = ("eval", tmp_path / "t", "--tables", tables, "--steps", 2, "--problems", 2, "--threads", 1, "--json")
    assert json.loads(ask(*asked).stdout)["optimizees"]["table_mlp"]["description"]["n_tables"] == 2


def test_tables_of_a_plan_are_read_as_they_are_measured(tables: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    entries = [
        {"id": "mine/a", "table": "tables/a.csv", "target": "colour"},
        {"id": "mine/gone", "table": "tables/gone.csv"},
        {"id": "scikit-learn/diabetes", "table": "scikit-learn:diabetes", "target": "target"},
    ]
    plan.write_text(json.dumps({"name": "mine", "space": "tabular", "max_rows": 100, "datasets": entries}))
    on_tables = ("--optimizees", "table_mlp", "--width", 3, *QUICK, "--no-mlflow", *SMALL)
    said = train("lstm", tmp_path / "t", "--plan", plan, *on_tables)
    assert "mine/gone is left out" in said
    assert read_card(tmp_path / "t", KIND, FORMAT)["tables"] == ["mine/a", "scikit-learn/diabetes"]


def test_folders_without_a_usable_table_are_refused(tables: Path, tmp_path: Path) -> None:
    for file in tables.glob("*.csv"):
        file.write_text("size,class\n1,2\n2,3\n")
    with pytest.raises(TableError, match=r"can be learned from\. b\.csv is left out: At least 10 rows"):
        train("lstm", tmp_path / "t", "--optimizees", "table_mlp", "--tables", tables, *QUICK)


BAD = [
    (["train", "lsmt"], "Unknown learned optimizer 'lsmt'. Did you mean 'lstm'?"),
    (["train", "lstm", "--optimizees", "quadratics"], "Unknown kind of optimizees 'quadratics'. Did you mean"),
    (["train", "lstm", "--optimizees", "mnist_mlp"], "mnist_mlp needs MNIST's files. Name their folder with --data"),
    (["train", "lstm", "--optimizees", "mnist_mlp", "--data", "."], ". has no t10k-images-idx3-ubyte"),
    (["train", "lstm", "--option", "size=4"], "lstm has no option 'size'. Known: n_hidden, n_layers"),
    (["train", "lstm", "--option", "n_hidden"], "NAME=VALUE, but got 'n_hidden'"),
    (["train", "lstm", "--option", "n_hidden=many"], "Option n_hidden of lstm is a whole number of at least 1, but"),
    (["train", "lstm", "--option", "preprocessing=loud"], "is one of log_and_sign, none, but got 'loud'"),
    (["train", "adam", "--option", "beta1=1.5"], "adam cannot be made with beta1=1.5"),
    (["train", "lstm", "--optimizees", "table_mlp", "--tables", "empty"], "--tables empty: the folder holds no table"),
    (["train", "lstm", "--optimizees", "table_mlp", "--tables", "no"], "--tables names a folder of tables, but no is"),
    (["train", "lstm", "--optimizees", "table_mlp", "--plan", "no.yaml"], "The plan no.yaml cannot be read"),
    (["train", "lstm", "--packages", "wheels"], "--packages wheels is where the tables of a plan come from"),
    (["train", "lstm", "--horizon", "5", "--unroll-length", "9"], "unroll length 9 exceeds the horizon 5. Lower it"),
    (["train", "lstm", "--horizon", "5", "--first-horizon", "9"], "first_horizon to 5, but first_horizon is 9. Lower"),
    (["train", "lstm", "--horizon", "0"], "horizon"),
    (["train", "lstm", "--objective", "mean"], "objective is one of sum, log, but got 'mean'"),
    (["train", "lstm", "--estimator", "magic"], "estimator is one of backpropagation, evolution, but got 'magic'"),
    (["train", "lstm", "--lr", "-1"], "lr is a positive number, but got -1.0"),
    (["train", "lstm", "--scaling", "-1"], "scaling is at least 0, but got -1.0. Raise it"),
    (["train", "lstm", "--validate-every", "0"], "validate_every is at least 1, but got 0"),
    (["train", "lstm", "--device", "abacus"], "no device 'abacus' here"),
    (
        ["train", "lstm", "--optimizees", "quadratic", "--width", "4"],
        "quadratic takes no width. Leave it out, or use it",
    ),
    (["train", "lstm", "--width", "0"], "width of digits_mlp is at least 1, but got 0"),
    (["train", "lstm", "--activation", "loud"], "activation is one of sigmoid, relu, tanh, but got 'loud'"),
    (["train", "lstm", "--steps", "0"], "Invalid value for '--steps'"),
    (["eval", "nothing"], "'nothing' is neither a folder nor a shipped learned optimizer"),
    (["eval", "empty"], "empty holds no learned optimizer"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_ends_with_code_2_and_the_way_out(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(sys, "argv", ["autometa", "optimizers", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]


def test_what_no_kind_takes_is_refused_by_eval(tmp_path: Path) -> None:
    train("adam", tmp_path / "a", *ON_QUADRATICS)
    with pytest.raises(ValueError, match=r"quadratic takes no width\. It takes: n_dimensions"):
        ask("eval", tmp_path / "a", "--width", 4)


def test_a_trained_lstm_is_a_torch_optimizer(tmp_path: Path) -> None:
    train("lstm", tmp_path / "q", *ON_QUADRATICS)
    model = torch.nn.Linear(2, 1)
    optimizer = LSTMOptimizer.from_pretrained(tmp_path / "q", model.parameters())
    before = model.weight.detach().clone()
    model(torch.ones(3, 2)).square().mean().backward()
    optimizer.step()
    assert not torch.equal(before, model.weight)


@pytest.mark.parametrize("estimator", ["backpropagation", pytest.param("evolution", marks=pytest.mark.slow)])
def test_two_processes_learn_what_one_learns(estimator: str, tmp_path: Path) -> None:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    ours = ["--optimizees", "digits_mlp", "--width", "3", "--coordinates", "0", "--estimator", estimator, *QUICK[:-6]]
    ours += ["--problems", "4", "--threads", "1", "--seed", "1", "--no-mlflow", "--device", "cpu", *SMALL]
    command = [*start, "-m", "autometa", "optimizers", "train", "lstm", *ours, "--output", str(tmp_path / "two")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("step 6 of 6") == done.stdout.count("kept in") == 1  # one process tells
    train("lstm", tmp_path / "one", *ours)
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-5, msg=name)
    curves = [read_card(tmp_path / name, KIND, FORMAT)["curve"] for name in ("one", "two")]
    assert [look[1] for look in curves[0]] == pytest.approx([look[1] for look in curves[1]], rel=1e-4)
