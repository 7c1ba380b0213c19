"""Warm-started studies of any objective."""

from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

import autometa
from autometa.errors import OptionError, UnknownNameError
from autometa.knowledge import KnowledgeBase
from autometa.records import Suggestion
from autometa.samplers import TransferSampler
from autometa.testing.samplers import CONDITIONAL, loss

CREDIT = Path(__file__).parents[1] / "examples" / "credit-g.csv"
RATE = FloatDistribution(1e-5, 1, log=True)
LOOSE = {"lr": RATE, "momentum": FloatDistribution(0, 0.99)}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AUTOMETA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def score(lr: float, momentum: float, best: float) -> float:
    return 1 - (abs(lr - best) / (lr + best)) - (momentum - 0.9) ** 2


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    base = KnowledgeBase(tmp_path / "kb")
    for number, best in enumerate((1e-3, 2e-3, 3e-3)):
        grid = [(10 ** (-5 + i / 3), m / 5) for i in range(16) for m in range(5)]
        frame = pd.DataFrame(grid, columns=["lr", "momentum"])
        frame["value"] = [score(lr, momentum, best) for lr, momentum in grid]
        base.add_runs(f"dataset-{number}", "my-net", frame, metric="accuracy", direction="maximize")
    return base


def test_plain_distributions_and_a_base_of_ones_own_are_enough(kb: KnowledgeBase) -> None:
    study = autometa.create_study(LOOSE, kb=kb, space_name="my-net", direction="maximize", seed=0)
    assert isinstance(study, optuna.Study)
    assert study.direction is optuna.study.StudyDirection.MAXIMIZE
    assert study.metric_names == ["accuracy"]

    def objective(trial: optuna.Trial) -> float:
        return score(trial.suggest_float("lr", 1e-5, 1, log=True), trial.suggest_float("momentum", 0, 0.99), 2.5e-3)

    study.optimize(objective, n_trials=8)
    assert study.best_value > 0.9
    origin = study.trials[0].user_attrs["autometa.origin"]
    assert origin["dataset_id"].startswith("dataset-")
    assert origin["reason"]
    assert "autometa.origin" not in study.trials[5].user_attrs


def test_a_conditional_space_suggests_for_itself(kb: KnowledgeBase) -> None:
    study = autometa.create_study(CONDITIONAL, kb=kb, direction="minimize", seed=0)
    study.optimize(lambda trial: loss(CONDITIONAL.suggest(trial)), n_trials=5)
    assert len(study.trials) == 5


def test_a_base_can_be_given_by_its_path_and_a_space_by_a_file(kb: KnowledgeBase, tmp_path: Path) -> None:
    file = tmp_path / "my-net.yaml"
    file.write_text(
        "name: my-net\nhyperparameters:\n"
        "  lr: {type: float, low: 1.0e-5, high: 1.0, log: true, default: 0.01, reference: mine}\n"
        "  momentum: {type: float, low: 0.0, high: 0.99, default: 0.9, reference: mine}\n"
    )
    (first,) = autometa.recommend(file, 1, kb=kb)
    assert first.config == autometa.recommend(LOOSE, 1, kb=tmp_path / "kb", space_name="my-net")[0].config


def test_recommendations_come_best_first_with_reasons(kb: KnowledgeBase) -> None:
    found = autometa.recommend(LOOSE, 4, kb=kb, space_name="my-net")
    assert len(found) == 4
    assert score(found[0].config["lr"], found[0].config["momentum"], 2e-3) > 0.6  # type: ignore[arg-type]
    assert all(one.origin.reason for one in found)
    assert autometa.recommend(LOOSE, 3, kb=kb, space_name="unknown", direction="minimize") == []


def test_a_table_gives_task_metric_and_description_and_does_not_advise_itself() -> None:
    found = autometa.recommend("tabular", 5, dataset=CREDIT)
    assert found
    assert all("credit" not in str(one.origin.dataset_name) for one in found)
    assert all(one.origin.distance is not None for one in found)
    assert found != autometa.recommend("tabular", 5, task="binary")


def test_a_study_that_is_there_goes_on_without_a_second_queue(kb: KnowledgeBase, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"

    def again() -> optuna.Study:
        return autometa.create_study(
            LOOSE,
            kb=kb,
            space_name="my-net",
            direction="maximize",
            storage=url,
            study_name="s",
            load_if_exists=True,
            seed=0,
        )

    first = again()
    queued = len(first.trials)
    assert queued == 3
    assert len(again().trials) == queued
    with pytest.raises(optuna.exceptions.DuplicatedStudyError):
        autometa.create_study(LOOSE, kb=kb, space_name="my-net", direction="maximize", storage=url, study_name="s")


def test_the_sampler_and_the_warm_start_can_be_chosen(kb: KnowledgeBase) -> None:
    usual = autometa.create_study(LOOSE, kb=kb, space_name="my-net", warm_trials=0)
    assert isinstance(usual.sampler, TransferSampler)
    assert not usual.trials
    own = optuna.samplers.RandomSampler(seed=0)
    study = autometa.create_study(LOOSE, kb=kb, space_name="my-net", sampler=own, warm_start="none")
    assert study.sampler is own
    assert not study.trials
    with pytest.raises(UnknownNameError, match="Unknown sampler 'tpee'"):
        autometa.create_study(LOOSE, kb=kb, space_name="my-net", sampler="tpee")


def test_what_is_missing_or_contradicts_is_said(kb: KnowledgeBase) -> None:
    with pytest.raises(OptionError, match="Say which way is better"):
        autometa.create_study({"lr": RATE}, kb=kb)
    with pytest.raises(OptionError, match="direction must be maximize or minimize, got 'up'"):
        autometa.create_study({"lr": RATE}, kb=kb, direction="up")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="better the other way"):
        autometa.recommend("tabular", kb=kb, task="binary", metric="log_loss", direction="maximize")
    with pytest.raises(OptionError, match="Leave one of them out"):
        autometa.recommend("tabular", kb=kb, dataset=autometa.read_dataset(CREDIT), task="regression")
    frame = pd.DataFrame({"lr": [0.1], "value": [1.0]})
    kb.add_runs("dataset-0", "my-net", frame, metric="seconds", direction="minimize")
    with pytest.raises(OptionError, match=r"several metrics for 'my-net': accuracy \(maximize\), seconds \(minimize\)"):
        autometa.create_study(LOOSE, kb=kb, space_name="my-net")
    study = autometa.create_study(LOOSE, kb=kb, space_name="my-net", direction="minimize")
    assert study.metric_names == ["seconds"]


def test_choices_that_a_past_run_lacks_take_their_default(kb: KnowledgeBase) -> None:
    wider = {**LOOSE, "schedule": CategoricalDistribution(["cosine", "constant"])}
    found = autometa.recommend(wider, 2, kb=kb, space_name="my-net")
    assert {one.config["schedule"] for one in found} == {"cosine"}
    assert all(one.origin.projected for one in found)


def test_what_another_worker_has_queued_meanwhile_is_not_queued_again(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, create = optuna.storages.InMemoryStorage(), TransferSampler.opening
    counts = []

    def overtaken(self: TransferSampler, n: int) -> list[Suggestion]:
        found = create(self, n)
        other = optuna.load_study(study_name="shared", storage=storage)
        counts.append(len(other.get_trials()))
        for suggestion in found:
            other.enqueue_trial(suggestion.config)
        return found

    monkeypatch.setattr(TransferSampler, "opening", overtaken)
    study = autometa.create_study(
        LOOSE, kb=kb, space_name="my-net", direction="maximize", seed=0, storage=storage, study_name="shared"
    )
    assert counts == [0]
    assert len(study.get_trials()) == 3
