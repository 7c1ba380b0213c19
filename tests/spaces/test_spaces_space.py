"""Whole spaces: conditions, checks, projections, encodings, keys, rows, parts and compositions, by hand."""

import copy
import dataclasses
import pickle
import time
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from autometa.errors import InvalidConfigError, SpaceError
from autometa.records import Config
from autometa.spaces import SearchSpace, load_space

SVM: dict[str, Any] = {
    "name": "svm",
    "summary": "A kernel machine",
    "hyperparameters": {
        "kernel": {"type": "categorical", "choices": ["rbf", "poly", "sigmoid"], "default": "rbf"},
        "C": {"type": "float", "low": 0.01, "high": 100, "log": True, "default": 1},
        "degree": {"type": "int", "low": 2, "high": 5, "default": 3, "when": {"kernel": ["poly"]}},
        "coef0": {"type": "float", "low": -1, "high": 1, "default": 0, "when": {"kernel": ["poly", "sigmoid"]}},
        "scale": {"type": "float", "low": 0, "high": 1, "default": 0.5, "when": {"degree": [4, 5]}},
        "weights": {"type": "categorical", "choices": [None, "balanced"], "default": None, "tasks": ["binary"]},
    },
}
RIDGE: dict[str, Any] = {
    "name": "ridge",
    "tasks": ["regression"],
    "requires": "numpy",
    "hyperparameters": {"alpha": {"type": "float", "low": 0, "high": 1, "default": 0.5}},
}
SPACE = SearchSpace.from_dict(SVM)
BOTH = SearchSpace.compose("both", [SPACE, SearchSpace.from_dict(RIDGE)], default="ridge")
POLY: Config = {"kernel": "poly", "C": 1.0, "degree": 4, "coef0": 0.0, "scale": 0.5, "weights": None}


def test_the_default_holds_what_is_active() -> None:
    assert SPACE.default() == {"kernel": "rbf", "C": 1.0, "weights": None}
    assert BOTH.default() == {"candidate": "ridge", "ridge.alpha": 0.5}


def test_children_of_children_are_active_only_with_all_their_ancestors() -> None:
    assert SPACE.active(POLY) == ("kernel", "C", "degree", "coef0", "scale", "weights")
    assert SPACE.active({**POLY, "degree": 3}) == ("kernel", "C", "degree", "coef0", "weights")
    assert SPACE.active({**POLY, "kernel": "rbf"}) == ("kernel", "C", "weights")
    assert SPACE.active({}) == ("kernel", "C", "weights")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kernel": "rbf", "weights": None}, "C is missing (default 1.0)"),
        ({"kernel": "rbf", "C": 1, "weights": None, "degree": 2}, "degree is inactive, since it exists only"),
        ({"kernel": "rbf", "C": 1, "weights": None, "coef0": 0}, "only where kernel in {poly, sigmoid}"),
        ({"kernel": "rbf", "C": 1, "weights": None, "kernal": 0}, "kernal is unknown (did you mean kernel?)"),
        ({"kernel": "rbf", "C": 1, "weights": None, "xyz": 0}, "xyz is unknown."),
        ({"kernel": "rbf", "C": 1000.0, "weights": None}, "C is 1000.0, outside [0.01, 100] log"),
        ({"kernel": "rbf", "C": 1, "weights": "None"}, "weights is 'None' (str), none of None, 'balanced'"),
        ({"kernel": "linear", "C": 1, "weights": None}, "kernel is 'linear', none of 'rbf', 'poly', 'sigmoid'"),
        ({**POLY, "degree": 4.0}, "degree is 4.0 (float), not an int in [2, 5]"),
        ({**POLY, "degree": True}, "degree is True (bool)"),
        ({"kernel": "rbf", "C": 1, "weights": None, 5: 0}, "5 is unknown"),
    ],
)  # fmt: skip
def test_validate_says_what_is_wrong(config: Any, message: str) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        SPACE.validate(config)
    assert str(caught.value).startswith("The configuration is not in space 'svm': ")
    assert message in str(caught.value)
    assert "SearchSpace.project" in str(caught.value)


def test_validate_says_everything_at_once() -> None:
    assert len(SPACE.problems({"C": 1000.0, "degree": 2, "x": 1})) == 5


@pytest.mark.parametrize("config", [None, [], "kernel"])
def test_validate_refuses_what_is_no_dict(config: Any) -> None:
    with pytest.raises(InvalidConfigError, match="is a dict"):
        SPACE.validate(config)


def test_an_int_is_fine_where_a_float_is_asked_for() -> None:
    SPACE.validate({"kernel": "rbf", "C": 1, "weights": None})


def test_project_moves_fills_and_drops_and_says_so() -> None:
    config = {"kernel": "poly", "C": 1000, "degree": 3.6, "scale": 0.1, "gamma": 2, "weights": "all"}
    projected, changes = SPACE.project_with_changes(config)
    assert projected == {"kernel": "poly", "C": 100.0, "degree": 4, "coef0": 0.0, "scale": 0.1, "weights": None}
    assert changes == (
        "C set to 100.0: it is 1000, outside [0.01, 100] log",
        "degree set to 4: it is 3.6 (float), not an int in [2, 5]",
        "coef0 set to 0.0: it is missing",
        "weights set to None: it is 'all', none of None, 'balanced'",
        "gamma dropped: gamma is unknown",
    )
    assert SPACE.project({"kernel": "rbf", "degree": 2}) == SPACE.default()


def test_numpy_scalars_are_no_change() -> None:
    config: Any = {"kernel": np.str_("poly"), "C": np.float64(2), "degree": np.int64(3), "coef0": 0.0, "weights": None}
    projected, changes = SPACE.project_with_changes(config)
    assert changes == ()
    assert {type(value) for value in projected.values()} == {str, float, int, type(None)}


def test_nothing_is_near_an_unknown_member() -> None:
    with pytest.raises(
        InvalidConfigError, match=r"near candidate = 'rigde'\. Did you mean 'ridge'\? It has: svm, ridge\."
    ):
        BOTH.project({"candidate": "rigde"})
    with pytest.raises(InvalidConfigError, match=r"with svm\.C must say which candidate"):
        BOTH.project({"svm.C": 1.0})
    assert BOTH.project({}) == BOTH.default()


def test_the_encoding_by_hand() -> None:
    nan = np.nan
    names = ("kernel=rbf", "kernel=poly", "kernel=sigmoid", "C", "degree", "coef0", "scale", "weights=None")
    assert SPACE.feature_names() == (*names, "weights=balanced")
    encoded = SPACE.encode([POLY, {"kernel": "rbf", "C": 100.0, "weights": "balanced"}])
    expected = [[0, 1, 0, 0.5, 2 / 3, 0.5, 0.5, 1, 0], [1, 0, 0, 1, nan, nan, nan, 0, 1]]
    np.testing.assert_allclose(encoded, expected)


def test_only_configs_of_the_space_are_encoded() -> None:
    with pytest.raises(InvalidConfigError, match="degree is inactive"):
        SPACE.encode([SPACE.default(), {**SPACE.default(), "degree": 2}])


def test_encoding_ten_thousand_configs_of_the_largest_space_takes_about_a_second() -> None:
    space = load_space("tabular")
    rng = np.random.default_rng(0)
    configs = [space.sample(rng) for _ in range(1000)] * 10
    start = time.perf_counter()
    space.encode(configs)
    assert time.perf_counter() - start < 3  # 0.5 s on an idle machine


def test_keys_ignore_order_and_spelling_of_numbers_but_no_types() -> None:
    assert SPACE.key({"kernel": "rbf", "C": 1, "weights": None}) == '{"C":1.0,"kernel":"rbf","weights":null}'
    assert SPACE.key({"weights": None, "C": np.float64(1), "kernel": "rbf"}) == SPACE.key(SPACE.default())
    assert SPACE.key({"coef0": -0.0}) == SPACE.key({"coef0": 0})
    assert SPACE.key({"weights": None}) != SPACE.key({"weights": "None"})
    assert SPACE.key({"C": 0.1 + 0.2}) != SPACE.key({"C": 0.3})
    assert SPACE.key({"degree": np.int64(3)}) == SPACE.key({"degree": 3})  # type: ignore[dict-item]


def test_a_row_becomes_a_config_of_plain_values() -> None:
    frame = pd.DataFrame([SPACE.to_row(POLY), SPACE.to_row(SPACE.default())]).assign(dataset_id="d", value=0.5)
    assert frame["degree"].dtype == np.float64
    rows = frame.to_dict("records")
    assert SPACE.from_row({str(name): value for name, value in rows[0].items()}) == POLY
    assert SPACE.from_row({str(name): value for name, value in rows[1].items()}) == SPACE.default()


@pytest.mark.parametrize("null", [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_every_null_is_none_where_none_is_a_choice_and_absent_elsewhere(null: object) -> None:
    row = {"kernel": "rbf", "C": np.float64(1), "degree": null, "coef0": null, "weights": null}
    assert SPACE.from_row(row) == SPACE.default()
    assert SPACE.from_row({"kernel": null, "C": 1.0}) == {"C": 1.0, "weights": None}


def test_a_row_is_typed_but_not_judged() -> None:
    row = {"kernel": "linear", "C": np.int64(5000), "weights": "balanced"}
    assert SPACE.from_row(row) == {"kernel": "linear", "C": 5000.0, "weights": "balanced"}
    assert type(SPACE.from_row(row)["C"]) is float


def test_a_row_that_lacks_an_active_value_keeps_the_children_of_its_default() -> None:
    poly = SPACE.restrict({"kernel": ["poly"]})
    assert poly.from_row({"degree": 4.0, "C": 1.0}) == {"C": 1.0, "degree": 4, "weights": None}
    assert poly.project(poly.from_row({"degree": 4.0, "C": 1.0}))["degree"] == 4


def test_choices_come_back_from_columns_that_widened_them() -> None:
    hyperparameters: dict[str, Any] = {
        "p": {"type": "categorical", "choices": [1, 2], "default": 2},
        "flag": {"type": "categorical", "choices": [True, False], "default": False},
        "mixed": {"type": "categorical", "choices": ["auto", 8, True, None], "default": 8},
    }
    space = SearchSpace.from_dict({"hyperparameters": hyperparameters})
    assert space.name == "custom"
    found = space.from_row({"p": 1.0, "flag": np.bool_(True), "mixed": "8"})
    assert [(type(value), value) for value in found.values()] == [(int, 1), (bool, True), (int, 8)]
    assert space.from_row({"p": 2, "flag": 0.0, "mixed": "True"}) == {"p": 2, "flag": False, "mixed": True}
    assert space.from_row({"p": 3, "flag": None, "mixed": "other"}) == {"p": 3, "mixed": "other"}


def test_restricting_a_choice_drops_children_and_moves_the_default() -> None:
    part = SPACE.restrict({"kernel": ["sigmoid", "rbf"]})
    assert part["kernel"].choices == ("rbf", "sigmoid")
    assert part.names == ("kernel", "C", "coef0", "weights")
    assert part["coef0"].when[0].values == ("sigmoid",)
    assert SPACE.restrict({"kernel": ["sigmoid"]}).default() == {
        "kernel": "sigmoid",
        "C": 1.0,
        "coef0": 0.0,
        "weights": None,
    }
    assert SPACE.names == ("kernel", "C", "degree", "coef0", "scale", "weights")


def test_restricting_a_range_moves_the_default_and_drops_children() -> None:
    part = SPACE.restrict({"C": (10, 1e9), "degree": (1.5, 3.9)})
    assert part["C"].bounds == (10.0, 100.0)
    assert part["C"].default == 10.0
    assert part["degree"].range_text == "[2, 3]"
    assert "scale" not in part.names
    assert SPACE.restrict({"C": (float("-inf"), float("inf"))}) == SPACE


def test_restricting_a_grid_stays_on_it() -> None:
    hyperparameters = {
        "n": {"type": "int", "low": 1, "high": 13, "step": 3, "default": 1},
        "x": {"type": "float", "low": 0, "high": 1, "step": 0.1, "default": 0.9},
    }
    part = SearchSpace.from_dict({"hyperparameters": hyperparameters}).restrict({"n": (2, 12), "x": (0.25, 0.75)})
    assert (part["n"].bounds, part["n"].default) == ((4, 10), 4)
    assert (part["x"].bounds, part["x"].default) == ((0.3, 0.7), 0.7)


def test_restricting_the_candidate_keeps_its_members() -> None:
    part = BOTH.restrict({"candidate": ["svm"], "svm.kernel": ["rbf", "poly"], "svm.C": (1, 10)})
    assert part.member_names == ("svm",)
    assert part["candidate"].default == "svm"
    assert part.branch("svm") == SPACE.restrict({"kernel": ["rbf", "poly"], "C": (1, 10)})
    assert "ridge.alpha" not in part


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"kernal": ["rbf"]}, "no hyperparameter 'kernal' to restrict. Did you mean 'kernel'?"),
        ({"kernel": ["rfb"]}, "kernel has no choice 'rfb'. Did you mean 'rbf'? Its choices: rbf, poly, sigmoid."),
        ({"kernel": []}, "kernel needs at least one choice"),
        ({"kernel": "rbf"}, "kernel is restricted by a list of choices, but got 'rbf'"),
        ({"C": (200, 300)}, "Nothing of C [0.01, 100] log lies within (200, 300)."),
        ({"C": [1, 2, 3]}, "C is restricted by (low, high), but got (1, 2, 3)."),
        ({"C": (1, float("nan"))}, "C is restricted by (low, high)"),
        ({"C": 5}, "C is restricted by (low, high), but got 5"),
        ({"degree": (2.1, 2.9)}, "Nothing of degree [2, 5] lies within"),
    ],
)
def test_an_impossible_restriction_is_refused(limits: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        SPACE.restrict(limits)
    assert message in str(caught.value)


def test_a_task_drops_hyperparameters_and_their_children() -> None:
    entries = copy.deepcopy(SVM)
    entries["hyperparameters"]["kernel"]["tasks"] = ["binary"]
    assert SearchSpace.from_dict(entries).for_task("regression").names == ("C",)
    assert SPACE.for_task("binary").names == SPACE.names


def test_composing_prefixes_names_and_conditions() -> None:
    assert BOTH.names[:3] == ("candidate", "svm.kernel", "svm.C")
    assert BOTH["svm.degree"].when[0].parent == "candidate"
    assert BOTH["svm.degree"].when[1].parent == "svm.kernel"
    assert BOTH.tasks == ("binary", "multiclass", "regression")
    assert BOTH.branch("svm") == SPACE
    assert [member.requires for member in BOTH.members] == [None, "numpy"]


def test_strip_and_add_prefix_are_inverse() -> None:
    whole = BOTH.add_prefix("svm", POLY)
    assert whole["candidate"] == "svm"
    assert whole["svm.degree"] == 4
    assert BOTH.strip(whole) == POLY
    with pytest.raises(InvalidConfigError, match="not composed"):
        SPACE.strip(POLY)
    with pytest.raises(InvalidConfigError, match="degree is missing"):
        BOTH.add_prefix("svm", {"kernel": "poly", "C": 1, "coef0": 0, "weights": None})
    with pytest.raises(SpaceError, match=r"no member 'smv'\. Did you mean 'svm'\?"):
        BOTH.add_prefix("smv", POLY)


def test_compositions_nest() -> None:
    outer = SearchSpace.compose("outer", [BOTH, SearchSpace.from_dict({**RIDGE, "name": "plain"})], choice="family")
    config: Config = {"family": "both", "both.candidate": "svm", **{f"both.svm.{k}": v for k, v in POLY.items()}}
    outer.validate(config)
    assert BOTH.strip(outer.strip(config)) == POLY
    assert outer.choices == {"family", "both.candidate"}
    with pytest.raises(InvalidConfigError, match=r"near both\.candidate = 'rigde'\. Did you mean 'ridge'\?"):
        outer.project({"family": "both", "both.candidate": "rigde"})


def test_a_composition_of_nothing_or_of_twins_is_refused() -> None:
    with pytest.raises(SpaceError, match=r"space 'empty': compose\.members: a composed space needs at least one"):
        SearchSpace.compose("empty", [])
    with pytest.raises(SpaceError, match=r"compose\.members\.1: .* got 'svm' again"):
        SearchSpace.compose("twins", [SPACE, SPACE])


def test_spaces_are_immutable_hashable_and_equal_by_content() -> None:
    same = SearchSpace.from_dict(copy.deepcopy(SVM))
    assert same == SPACE
    assert len({same, SPACE, pickle.loads(pickle.dumps(SPACE)), copy.deepcopy(SPACE)}) == 1
    assert SPACE != "svm"
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPACE.name = "other"  # type: ignore[misc]


def test_the_fingerprint_follows_ranges_but_not_words() -> None:
    reworded = {**copy.deepcopy(SVM), "summary": "Other words"}
    reworded["hyperparameters"]["C"]["reference"] = "Someone (2020)"
    assert SearchSpace.from_dict(reworded) != SPACE
    assert SearchSpace.from_dict(reworded).fingerprint == SPACE.fingerprint
    for key, value in (("high", 1000), ("default", 2), ("log", False)):
        changed = copy.deepcopy(SVM)
        changed["hyperparameters"]["C"][key] = value
        assert SearchSpace.from_dict(changed).fingerprint != SPACE.fingerprint
    assert len(SPACE.fingerprint) == 64


def test_people_can_read_it() -> None:
    assert repr(BOTH) == "SearchSpace('both', 8 hyperparameters, 2 members)"
    assert SPACE.describe().splitlines() == [
        "svm: A kernel machine",
        "name     type         range                 default  when",
        "kernel   categorical  {rbf, poly, sigmoid}  rbf",
        "C        float        [0.01, 100] log       1.0",
        "degree   int          [2, 5]                3        kernel = poly",
        "coef0    float        [-1, 1]               0.0      kernel in {poly, sigmoid}",
        "scale    float        [0, 1]                0.5      degree in {4, 5}",
        "weights  categorical  {None, balanced}      None",
    ]


def test_hyperparameters_are_found_by_name() -> None:
    assert SPACE["C"].high == 100
    assert "C" in SPACE
    assert "D" not in SPACE
    with pytest.raises(InvalidConfigError, match=r"no hyperparameter 'kernal'\. Did you mean 'kernel'\?"):
        SPACE["kernal"]


def test_plain_optuna_distributions_make_a_space() -> None:
    distributions = {
        "lr": FloatDistribution(1e-4, 1, log=True),
        "share": FloatDistribution(0, 1, step=0.25),
        "depth": IntDistribution(1, 9),
        "width": IntDistribution(1, 100, log=True),
        "even": IntDistribution(2, 8, step=2),
        "kind": CategoricalDistribution([None, True, 1.5, "a"]),
    }
    space = SearchSpace.from_distributions(distributions, name="mine")
    assert space.distributions() == distributions
    assert space.default() == {
        "lr": pytest.approx(0.01),
        "share": 0.5,
        "depth": 5,
        "width": 10,
        "even": 6,
        "kind": None,
    }
    assert SearchSpace.from_distributions(distributions, defaults={"depth": 2, "kind": "a"}).default()["depth"] == 2
    study = optuna.create_study()
    study.enqueue_trial(space.default())
    assert space.suggest(study.ask()) == space.default()


@pytest.mark.parametrize(
    ("distributions", "defaults", "message"),
    [
        ({"lr": 0.1}, {}, "'lr' must be an Optuna distribution"),
        ({"lr": FloatDistribution(0, 1)}, {"lr": 2}, "hyperparameter 'lr': default: the default must lie inside"),
        ({"lr": FloatDistribution(0, 1)}, {"rl": 1}, "A default is given for 'rl'"),
        ({"k": CategoricalDistribution([1, True])}, {}, "equal in Python"),
        ({"k": CategoricalDistribution([float("nan")])}, {}, "a finite number"),
    ],
)
def test_distributions_that_make_no_space_are_refused(distributions: Any, defaults: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        SearchSpace.from_distributions(distributions, defaults=defaults)
    assert message in str(caught.value)


def test_a_space_without_hyperparameters_works() -> None:
    space = SearchSpace.from_dict({"name": "nothing", "hyperparameters": {}})
    assert space.default() == space.project({}) == {}
    assert space.encode([{}, {}]).shape == (2, 0)
    assert space.describe().startswith("nothing\n")
