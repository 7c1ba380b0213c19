"""``autometa fewshot``: list, train, evaluate, resume."""

import json
import re
from pathlib import Path

import pytest
import torch
from characters import draw_characters
from typer.testing import CliRunner

from autometa.cli.fewshot import app
from autometa.errors import InputError
from autometa.fewshot import LEARNERS, load_learner, read_card, shipped_learners
from autometa.knowledge import KnowledgeBase

runner = CliRunner()
QUICK = [
    "--steps",
    "6",
    "--validate-every",
    "3",
    "--width",
    "4",
    "--n-way",
    "3",
    "--threads",
    "1",
    "--seed",
    "1",
    "--no-mlflow",
]


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_characters(tmp_path_factory.mktemp("characters"))


def train(algorithm: str, characters: Path, out: Path, *more: str) -> str:
    done = runner.invoke(
        app,
        ["train", algorithm, "--tasks", str(characters), "--output", str(out), *QUICK, *more],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def test_list_tells_what_every_learner_can_do() -> None:
    shown = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert set(shown) == set(LEARNERS.names())
    assert shown["maml"]["order"] == "second"
    assert shown["prototypical"]["any_way"] is True
    assert all(entry["paper"] for entry in shown.values())
    assert "maml_plus_plus" in runner.invoke(app, ["list"]).stdout


@pytest.mark.parametrize("name", sorted(shipped_learners()))
def test_shipped_learners_work_at_once_and_are_small(name: str, characters: Path) -> None:
    folder = shipped_learners()[name]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1_000_000
    assert read_card(folder)["tasks"]["licence"].startswith("MIT")
    asked = ["eval", name, "--tasks", "glyphs", "--episodes", "20", "--json", "--device", "cpu"]
    found = json.loads(runner.invoke(app, asked, catch_exceptions=False).stdout)
    assert found["accuracy"] > 0.75  # learned from Omniglot, asked about printed characters


def test_the_learners_that_are_promised_are_shipped() -> None:
    promised = {"prototypical", "matching", "relation", "maml_plus_plus", "anil", "snail"}
    assert promised <= set(shipped_learners())
    assert "snail" in runner.invoke(app, ["list"]).stdout.splitlines()[-1]


def test_a_trained_learner_is_evaluated_on_any_folder_of_images(characters: Path, tmp_path: Path) -> None:
    said = train("prototypical", characters, tmp_path / "p")
    assert re.search(r"step 6 of 6, 6 episodes, \d+ s: loss \d.\d{4}, validation \d+\.\d\d% ± \d+\.\d\d%", said)
    card = read_card(tmp_path / "p")
    assert card["n_train_classes"] + card["n_validation_classes"] == 24
    assert card["steps"] in (3, 6)
    asked = ["eval", str(tmp_path / "p"), "--tasks", str(characters), "--n-way", "5", "--n-shot", "1"]
    asked += ["--episodes", "60", "--seed", "0", "--json", "--device", "cpu"]
    first, again = (json.loads(runner.invoke(app, asked, catch_exceptions=False).stdout) for _ in range(2))
    assert first == again
    assert first["accuracy"] > 0.5
    assert 0 < first["ci95"] < 0.2
    assert first["n_query"] == 7  # eight drawers, one of them labelled
    told = runner.invoke(app, [*asked[:-3], "--rotations"], catch_exceptions=False).stdout
    assert re.search(
        r"prototypical on .*, 5-way 1-shot: \d+\.\d\d% ± .*60 episodes, norm running: each query", told, re.S
    )


def test_training_goes_on_where_it_stopped(characters: Path, tmp_path: Path) -> None:
    train("maml", characters, tmp_path / "m", "--option", "inner_lr=0.2")
    assert load_learner(tmp_path / "m").options.inner_lr == 0.2
    said = train("maml", characters, tmp_path / "m", "--option", "inner_lr=0.2", "--resume")
    assert "step" not in said.replace("episodes", "")  # nothing is left to do
    with pytest.raises(InputError, match=r"its options\.inner_lr is 0\.2, but here it is 0\.3"):
        train("maml", characters, tmp_path / "m", "--option", "inner_lr=0.3", "--resume")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "nothing"], "neither a folder nor a shipped few-shot learner"),
        (["train", "maml", "--start", "nobody"], "neither a folder nor a shipped few-shot learner"),
        (["train", "siamese", "--freeze-backbone"], "name a start"),
        (["train", "mamel"], "Did you mean 'maml'"),
        (["train", "maml", "--tasks", "omniglot"], "--data FOLDER"),
        (["train", "maml", "--tasks", "elsewhere"], "neither a path nor one of glyphs"),
        (["train", "maml", "--device", "abacus"], "no device 'abacus'"),
        (["train", "maml", "--option", "inner_lr"], "NAME=VALUE"),
        (["train", "maml", "--norm", "loud"], "norm is one of transductive"),
        (["train", "maml", "--backbone", "conv5"], "Unknown backbone 'conv5'. Did you mean 'conv4'"),
    ],
)
def test_bad_input_names_the_way_out(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=re.escape(message)):
        runner.invoke(app, words, catch_exceptions=False)
    assert not list(tmp_path.iterdir())


def test_a_training_is_kept_in_the_knowledge_base_with_its_curve(characters: Path, tmp_path: Path) -> None:
    train("maml", characters, tmp_path / "m", "--option", "inner_lr=0.2")
    train("maml", characters, tmp_path / "n", "--no-learn")
    runs = KnowledgeBase.open_default().runs("few_shot")
    assert runs["algorithm"].tolist() == ["maml", "maml"]
    assert runs["fidelity"].tolist() == [0.5, 1.0]
    assert runs["inner_lr"].tolist() == [0.2, 0.2]
    assert runs["value"].is_monotonic_increasing
    assert runs["dataset_id"].str.fullmatch(r"few-shot characters0 [0-9a-f]{12} 3-way 1-shot").all()


def test_a_learner_begins_with_a_shipped_one_whose_backbone_stays(characters: Path, tmp_path: Path) -> None:
    more = ("--width", "64", "--start", "prototypical", "--freeze-backbone", "--train-query", "2")
    train("siamese", characters, tmp_path / "s", *more)
    start = load_learner(shipped_learners()["prototypical"]).state_dict()
    after = load_learner(tmp_path / "s").state_dict()
    assert all(torch.equal(value, after[name]) for name, value in start.items())
    assert read_card(tmp_path / "s")["start"]["algorithm"] == "prototypical"
    # A search begins with no other learner, so the knowledge base would promise it too much.
    assert KnowledgeBase.open_default().runs("few_shot").empty


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's use of SQLAlchemy
def test_a_training_draws_its_curves_in_mlflow(characters: Path, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from autometa.tracking import resolve

    quick = [one for one in QUICK if one != "--no-mlflow"]
    command = ["train", "prototypical", "--tasks", str(characters), "--output", str(tmp_path / "p"), *quick]
    assert runner.invoke(app, command, catch_exceptions=False).exit_code == 0
    client = MlflowClient(tracking_uri=resolve(None).uri)
    experiment = client.get_experiment_by_name("autometa")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["algorithm"] == "prototypical"
    curve = client.get_metric_history(run.info.run_id, "validation_accuracy")
    assert [point.step for point in curve] == [3, 6]
    assert 0 < curve[-1].value <= 1
    assert "loss" in run.data.metrics
