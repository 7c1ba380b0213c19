"""Loading spaces by name: tasks, members, and time."""

import subprocess
import sys
import time

import pytest

from autometa.errors import SpaceError
from autometa.spaces import SearchSpace, load_space, space_names


def test_every_shipped_space_has_a_name() -> None:
    assert {"tabular", "svm", "lightgbm"} <= set(space_names())
    assert all(load_space(name).name == name for name in space_names())


def test_a_task_keeps_what_exists_for_it() -> None:
    assert "epsilon" in load_space("svm")
    assert "epsilon" not in load_space("svm", task="binary")
    assert "class_weight" not in load_space("svm", task="regression")


def test_a_task_keeps_the_members_that_fit_it() -> None:
    regression = load_space("tabular", task="regression")
    assert "ridge" in regression.member_names
    assert "logistic_regression" not in regression.member_names
    assert "svm.epsilon" in regression
    assert "svm.class_weight" not in regression
    assert regression.tasks == ("regression",)


def test_a_space_that_does_not_fit_the_task_is_refused() -> None:
    with pytest.raises(SpaceError, match="'ridge' fits regression tasks, but this is a binary task"):
        load_space("ridge", task="binary")


def test_members_restrict_the_choice_and_keep_the_files_order() -> None:
    space = load_space("tabular", members=["svm", "ridge"])
    assert space["candidate"].choices == space.member_names == ("ridge", "svm")
    assert all(name == "candidate" or name.split(".")[0] in ("svm", "ridge") for name in space.names)


def test_the_first_member_is_the_default_where_the_default_is_left_out() -> None:
    assert load_space("tabular").default()["candidate"] == "lightgbm"
    assert load_space("tabular", members=["svm", "lightgbm"]).default()["candidate"] == "lightgbm"
    assert load_space("tabular", members=["mlp", "svm"]).default()["candidate"] == "svm"


def test_members_that_do_not_fit_the_task_are_left_out() -> None:
    assert load_space("tabular", task="binary", members=["ridge", "svm"]).member_names == ("svm",)
    with pytest.raises(SpaceError, match="fits regression tasks"):
        load_space("tabular", task="binary", members=["ridge"])


def test_unknown_members_and_no_members_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"no member 'smv'\. Did you mean 'svm'\?"):
        load_space("tabular", members=["smv"])
    with pytest.raises(SpaceError, match="needs at least one member"):
        load_space("tabular", members=[])
    with pytest.raises(SpaceError, match="none, it is not composed"):
        load_space("svm", members=["svm"])


def test_members_say_what_they_require() -> None:
    needs = {member.name: member.requires for member in load_space("tabular").members if member.requires}
    assert needs == {"xgboost": "xgboost", "catboost": "catboost"}


def test_a_task_can_be_given_with_a_dictionary() -> None:
    entries = load_space("svm").to_dict()
    assert SearchSpace.from_dict(entries, task="binary") == load_space("svm", task="binary")


def test_loading_the_largest_space_is_quick() -> None:
    load_space("tabular")
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        load_space("tabular", task="binary")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.03


def test_importing_and_loading_needs_no_heavy_library() -> None:
    heavy = ("optuna", "torch", "mlflow", "sklearn", "pandas", "pyarrow")
    code = f"""
import sys, time
from autometa.spaces import load_space
import numpy
space = load_space("tabular")
space.project(space.sample(numpy.random.default_rng(0)))
print([name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
