import importlib.util
import subprocess
import sys

import pytest
from sklearn.pipeline import Pipeline

from autometa.candidates import CANDIDATES, available, build, member_config
from autometa.datasets import TableSchema
from autometa.errors import InvalidConfigError, OptionError, UnknownNameError
from autometa.records import TASK_TYPES, Config, TaskType
from autometa.spaces import load_space
from autometa.testing.candidates import Table


def schema(task: TaskType = "binary") -> TableSchema:
    return Table(task, n=8).schema


@pytest.mark.parametrize("task", TASK_TYPES)
def test_available_names_what_learns_the_task(task: TaskType) -> None:
    names = available(task)
    assert ("ridge" in names) == (task == "regression")
    assert ("logistic_regression" in names) == (task != "regression")
    assert {"lightgbm", "mlp", "svm"} <= set(names)
    assert names == sorted(names)


def test_a_candidate_without_its_library_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "xgboost" not in available("binary")
    assert "lightgbm" in available("binary")
    config = CANDIDATES.create("xgboost").space_for("binary").default()
    with pytest.raises(OptionError, match=r"pip install 'autometa\[boosting\]'"):
        CANDIDATES.create("xgboost").build(config, schema=schema(), seed=0)


def test_the_tabular_space_has_exactly_these_candidates() -> None:
    assert set(load_space("tabular").member_names) == set(CANDIDATES.names())


@pytest.mark.parametrize("name", CANDIDATES.names())
def test_the_candidate_says_the_same_as_its_space(name: str) -> None:
    candidate = CANDIDATES.create(name)
    needs_boosting = name in ("catboost", "xgboost")
    assert candidate.requires == (name if needs_boosting else None)
    assert candidate.space.name == name
    assert CANDIDATES.entry(name).reference
    for task in TASK_TYPES:
        members = load_space("tabular", task=task).member_names
        assert (name in members) == CANDIDATES.entry(name).tags[task]


def test_build_takes_a_configuration_of_tabular() -> None:
    space = load_space("tabular", task="binary")
    config = space.default()
    pipeline = build(config, schema=schema(), seed=3, n_threads=2)
    assert isinstance(pipeline, Pipeline)
    assert list(pipeline.named_steps) == ["prepare", "model"]
    settings = pipeline["model"].settings
    assert settings["num_leaves"] == config["lightgbm.num_leaves"]
    assert (settings["random_state"], settings["n_jobs"]) == (3, 2)


def test_member_config_strips_the_prefix() -> None:
    config: Config = {"candidate": "ridge", "ridge.alpha": 2.0, "ridge.target": "identity"}
    assert member_config(config) == ("ridge", {"alpha": 2.0, "target": "identity"})


def test_a_configuration_without_candidate_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="names its candidate, but got candidate=None"):
        build({"svm.C": 1.0}, schema=schema(), seed=0)


def test_a_hyperparameter_of_another_candidate_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match=r"'svm\.<name>', but got 'ridge\.alpha'"):
        build({"candidate": "svm", "ridge.alpha": 1.0}, schema=schema(), seed=0)


def test_an_unknown_candidate_is_named_with_its_nearest_neighbour() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'lightgbm'"):
        build({"candidate": "lightgmb"}, schema=schema(), seed=0)


def test_a_hyperparameter_of_another_task_is_refused() -> None:
    space = CANDIDATES.create("random_forest").space_for("binary")
    with pytest.raises(InvalidConfigError, match=r"class_weight|criterion"):
        CANDIDATES.create("random_forest").build(space.default(), schema=schema("regression"), seed=0)


def test_importing_the_candidates_imports_no_heavy_library() -> None:
    code = (
        "import sys, autometa.candidates as c; c.available('binary');"
        "print([m for m in ('torch', 'lightgbm', 'xgboost', 'catboost', 'skrub', 'optuna') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
