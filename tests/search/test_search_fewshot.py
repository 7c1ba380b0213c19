"""A search over the few-shot zoo: trials, pruning, resume, what the base learns and gives back."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from characters import draw_characters

from autometa.errors import OptionError, ResumeError, UnknownNameError
from autometa.fewshot import Form, load_learner, read_card
from autometa.knowledge import KnowledgeBase
from autometa.search._fewshot_options import FewShotOptions
from autometa.search._fewshot_run import tune_few_shot
from autometa.search._fewshot_setup import config_of, setup, space_for

FORM = Form(shape=(1, 28, 28), n_way=3, n_shot=1, n_base=60)


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_characters(tmp_path_factory.mktemp("drawn"), n_alphabets=20)


def options(characters: Path, **changes: object) -> FewShotOptions:
    quick = {"time_limit": None, "trials": 3, "n_way": 3, "n_episodes": 16, "n_judged": 20, "n_final": 20}
    return FewShotOptions(tasks=str(characters), **{**quick, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", space_for(FORM)["algorithm"].choices)
def test_every_algorithm_has_a_learner_and_the_way_back(algorithm: str) -> None:
    space = space_for(FORM)
    for seed in range(3):
        drawn = space.sample(np.random.default_rng(seed))
        config = space.project({**drawn, "algorithm": algorithm, "width": 8, "backbone": "conv4"})
        made = setup(config, FORM, n_episodes=640, seed=0)
        assert made.learner.name == algorithm
        assert space.project(config_of(made.learner, made.recipe)) == config
        spent = made.recipe.n_steps * made.recipe.episodes_per_step * made.share
        assert not made.learner.ability.trained or 300 < spent < 1300


def test_vectors_have_no_choice_of_a_backbone() -> None:
    form = Form(shape=(7,), n_way=3, n_shot=1, n_base=60)
    space = space_for(form)
    assert "backbone" not in [one.name for one in space.hyperparameters]
    assert setup(space.default(), form, n_episodes=100, seed=0).learner.spec.name == "mlp"


def test_the_best_learner_is_kept_judged_and_remembered(characters: Path, tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    found = tune_few_shot(options(characters, trials=6, pruner="none"), tmp_path / "run", kb=kb)
    assert len(found.leaderboard) == 6
    assert found.best.value == found.leaderboard["score"].max()
    assert 0.34 < found.evaluation.accuracy <= 1.0
    assert found.evaluation.n_episodes == 20
    learner, card = load_learner(found.learner), read_card(found.learner)
    assert learner.name == found.best.candidate == card["config"]["algorithm"]
    assert (tmp_path / "run" / "leaderboard.csv").is_file()
    runs = kb.runs("few_shot")
    done = runs[runs["fidelity"] == 1.0]
    assert len(done) == 6
    assert done["value"].max() == found.best.value
    assert set(runs["metric"]) == {"accuracy"}
    # The same tasks do not advise themselves; others do.
    again = tune_few_shot(options(characters, trials=1, seed=1), tmp_path / "again", kb=kb)
    assert again.best.origin.strategy == "default"
    other = tune_few_shot(options(characters, trials=1, n_way=2), tmp_path / "other", kb=kb)
    assert other.best.origin.strategy not in ("default", "sampler")
    assert other.best.origin.dataset_id == runs["dataset_id"].iloc[0]
    cold = tune_few_shot(options(characters, trials=1, n_way=2, warm_start="none"), tmp_path / "cold", kb=kb)
    assert cold.best.origin.strategy == "default"


def test_a_killed_search_goes_on(characters: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "autometa", "fewshot", "tune", "--tasks", str(characters), "--n-way", "3"]
    command += [
        "--episodes",
        "16",
        "--trials",
        "3",
        "--jobs",
        "1",
        "--no-mlflow",
        "--no-learn",
        "--output",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while '"autometa.report"' not in _journal(folder) and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    resumed = subprocess.run([*command, "--resume", "--json"], capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["accuracy"] > 0.34
    board = (folder / "leaderboard.csv").read_text().splitlines()
    assert sum(",complete," in line or ",pruned," in line for line in board) >= 3
    with pytest.raises(ResumeError, match="begun with n_way=3, but now it is 2"):
        tune_few_shot(options(characters, n_way=2), folder, resume=True)


def _journal(folder: Path) -> str:
    file = folder / "study.journal"
    return file.read_text() if file.is_file() else ""


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"trials": None}, OptionError, "needs an end"),
        ({"n_way": 1}, OptionError, "n_way must be at least 2, but got 1"),
        ({"n_judged": 1}, OptionError, "n_judged must be at least 2, but got 1"),
        ({"n_episodes": 3}, OptionError, "at least 8, one per look"),
        ({"warm_start": "nearest"}, OptionError, "auto or none"),
        ({"pruner": "best"}, UnknownNameError, "best"),
        ({"time_limit": -1.0}, OptionError, "above 0"),
    ],
)
def test_impossible_options_say_so(
    changes: dict[str, object], error: type[Exception], says: str, characters: Path
) -> None:
    with pytest.raises(error, match=says):
        options(characters, **changes)


def test_too_many_ways_for_half_of_the_validation_classes(characters: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="30-way 1-shot episodes need 30 classes"):
        tune_few_shot(options(characters, n_way=30), tmp_path / "run")
