"""One dimension: which values it takes, which is nearest, how it is drawn, encoded and shown."""

import pickle
from typing import Any

import numpy as np
import optuna
import pytest

from autometa.errors import SpaceError
from autometa.records import ConfigValue
from autometa.spaces import Condition, Hyperparameter

RATE = Hyperparameter("rate", "float", 0.1, 0.001, 10, log=True)
SHARE = Hyperparameter("share", "float", 0.5, 0, 1, step=0.1)
OFFSET = Hyperparameter("offset", "float", 0, -1, 1)
DEPTH = Hyperparameter("depth", "int", 3, 1, 8)
WIDTH = Hyperparameter("width", "int", 64, 1, 1024, log=True)
EVEN = Hyperparameter("even", "int", 4, 2, 10, step=2)
KERNEL = Hyperparameter("kernel", "categorical", "rbf", choices=("rbf", "poly"))
WEIGHT = Hyperparameter("weight", "categorical", None, choices=(None, "balanced"))
MIXED = Hyperparameter("mixed", "categorical", 2, choices=(None, True, 2, 0.5, "2", "True"))


@pytest.mark.parametrize(
    ("one", "value"),
    [
        (RATE, 0.001),
        (RATE, 10.0),
        (RATE, 1),
        (RATE, np.float64(1)),
        (SHARE, 0.3),
        (SHARE, 0.1 + 0.2),
        (DEPTH, 8),
        (EVEN, 6),
        (KERNEL, "poly"),
        (KERNEL, np.str_("poly")),
        (WEIGHT, None),
        *((MIXED, choice) for choice in MIXED.choices),
    ],
)
def test_a_value_inside_is_allowed(one: Hyperparameter, value: object) -> None:
    assert one.problem(value) is None


@pytest.mark.parametrize(
    ("one", "value", "problem"),
    [
        (RATE, 10.1, "is 10.1, outside [0.001, 10] log"),
        (RATE, float("nan"), "is nan, outside [0.001, 10] log"),
        (RATE, float("inf"), "is inf, outside [0.001, 10] log"),
        (RATE, True, "is True (bool), not a number in [0.001, 10] log"),
        (RATE, "1", "is '1' (str), not a number in [0.001, 10] log"),
        (RATE, None, "is None (NoneType), not a number in [0.001, 10] log"),
        (SHARE, 0.35, "is 0.35, between the steps of [0, 1] step 0.1"),
        (DEPTH, 0, "is 0, outside [1, 8]"),
        (DEPTH, 1.0, "is 1.0 (float), not an int in [1, 8]"),
        (DEPTH, True, "is True (bool), not an int in [1, 8]"),
        (DEPTH, np.int64(2), "is np.int64(2) (int64), not an int in [1, 8]"),
        (EVEN, 3, "is 3, between the steps of [2, 10] step 2"),
        (KERNEL, "linear", "is 'linear', none of 'rbf', 'poly'"),
        (WEIGHT, "None", "is 'None' (str), none of None, 'balanced'"),
        (WEIGHT, False, "is False (bool), none of None, 'balanced'"),
        (MIXED, 1, "is 1 (int), none of None, True, 2, 0.5, '2', 'True'"),
        (MIXED, 2.0, "is 2.0 (float), none of None, True, 2, 0.5, '2', 'True'"),
        (KERNEL, ["rbf"], "is ['rbf'] (list), none of 'rbf', 'poly'"),
    ],
)
def test_a_value_outside_is_refused_with_the_reason(one: Hyperparameter, value: object, problem: str) -> None:
    assert one.problem(value) == problem


@pytest.mark.parametrize(
    ("one", "value", "nearest"),
    [
        (RATE, 100, 10.0),
        (RATE, -5, 0.001),
        (RATE, float("inf"), 10.0),
        (RATE, float("-inf"), 0.001),
        (RATE, 5, 5.0),
        (RATE, float("nan"), 0.1),
        (RATE, "5", 0.1),
        (RATE, True, 0.1),
        (RATE, None, 0.1),
        (RATE, np.float32(0.5), 0.5),
        (SHARE, 0.34, 0.3),
        (SHARE, 0.1 + 0.2, 0.3),
        (SHARE, 0.36, 0.4),
        (SHARE, 7, 1.0),
        (DEPTH, 3.4, 3),
        (DEPTH, 3.6, 4),
        (DEPTH, 2.0, 2),
        (DEPTH, 99, 8),
        (DEPTH, np.int64(5), 5),
        (WIDTH, 2.44, 2),  # the middle of 2 and 3 on a logarithmic scale is sqrt(6) = 2.449
        (WIDTH, 2.46, 3),
        (WIDTH, 0, 1),
        (WIDTH, 1023.6, 1024),
        (EVEN, 5.1, 6),
        (EVEN, 7, 6),  # half-way between 6 and 8: two steps, the even number
        (EVEN, -3, 2),
        (KERNEL, "linear", "rbf"),
        (WEIGHT, "None", None),
        (MIXED, 2.0, 2),
        (MIXED, 1, 2),
        (OFFSET, -0.0, 0.0),
    ],
)
def test_the_nearest_value_is_on_the_own_scale_and_of_the_own_type(
    one: Hyperparameter, value: object, nearest: ConfigValue
) -> None:
    found = one.nearest(value)
    assert (type(found), found) == (type(nearest), nearest)
    assert one.problem(found) is None


def test_the_default_of_a_float_range_becomes_a_float() -> None:
    assert (type(OFFSET.default), type(OFFSET.low)) == (float, float)


@pytest.mark.parametrize(
    ("one", "values", "expected"),
    [
        (RATE, [0.001, 0.1, 10], [0, 0.5, 1]),
        (OFFSET, [-1, 0.5, 1], [0, 0.75, 1]),
        (DEPTH, [1, 8], [0, 1]),
        (WIDTH, [1, 32, 1024], [0, 0.5, 1]),
        (Hyperparameter("point", "int", 3, 3, 3), [3], [0]),
    ],
)
def test_numbers_are_encoded_by_their_place_in_the_range(
    one: Hyperparameter, values: list[float], expected: list[float]
) -> None:
    assert one.unit(np.array(values, dtype=np.float64)) == pytest.approx(expected)


@pytest.mark.parametrize("one", [RATE, SHARE, OFFSET, DEPTH, WIDTH, EVEN, KERNEL, WEIGHT, MIXED])
def test_samples_are_inside_and_reach_everything(one: Hyperparameter) -> None:
    rng = np.random.default_rng(0)
    drawn = [one.sample(rng) for _ in range(300)]
    assert all(one.problem(value) is None for value in drawn)
    assert all(one.nearest(value) == value for value in drawn)
    if one in (SHARE, DEPTH, EVEN, KERNEL, WEIGHT, MIXED):
        everything = {SHARE: 11, DEPTH: 8, EVEN: 5, KERNEL: 2, WEIGHT: 2, MIXED: 6}[one]
        assert len({(type(value), value) for value in drawn}) == everything


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (RATE, optuna.distributions.FloatDistribution(0.001, 10, log=True)),
        (SHARE, optuna.distributions.FloatDistribution(0, 1, step=0.1)),
        (DEPTH, optuna.distributions.IntDistribution(1, 8)),
        (WIDTH, optuna.distributions.IntDistribution(1, 1024, log=True)),
        (EVEN, optuna.distributions.IntDistribution(2, 10, step=2)),
        (WEIGHT, optuna.distributions.CategoricalDistribution((None, "balanced"))),
    ],
)
def test_the_optuna_distribution_is_the_same_range(
    one: Hyperparameter, expected: optuna.distributions.BaseDistribution
) -> None:
    assert one.distribution() == expected


def test_true_and_one_make_different_hyperparameters() -> None:
    one, true = (Hyperparameter("a", "categorical", value, choices=(value,)) for value in (1, True))
    assert one != true
    assert one == Hyperparameter("a", "categorical", 1, choices=(1,))
    assert len({one, true}) == 2
    assert one != "a"


def test_texts_are_quoted_only_where_they_could_be_mistaken() -> None:
    assert KERNEL.labels == ("rbf", "poly")
    assert WEIGHT.labels == ("None", "balanced")
    assert MIXED.labels == ("None", "True", "2", "0.5", "'2'", "'True'")


def test_numpy_values_become_plain() -> None:
    one = Hyperparameter("n", "int", np.int64(2), np.int64(1), np.int64(3))  # type: ignore[arg-type]
    assert {type(value) for value in (one.default, one.low, one.high)} == {int}
    choice = Hyperparameter("c", "categorical", 1, choices=tuple(np.array([1, 2])))
    assert choice.choices == (1, 2)
    assert {type(value) for value in choice.choices} == {int}


def test_a_broken_rule_names_the_hyperparameter_and_survives_pickling() -> None:
    with pytest.raises(SpaceError) as caught:
        Hyperparameter("C", "float", 1, 3, 2)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert str(copy).startswith("hyperparameter 'C': low: low must not exceed high")


@pytest.mark.parametrize(
    "entries",
    [
        {"type": "categorical", "choices": [[]], "default": 1},
        {"type": "categorical", "choices": [1], "default": 1, "log": True},
        {"type": "float", "low": "a", "high": 1, "default": 1},
        {"type": "float", "low": 0, "high": 1, "default": 1, "when": (Condition("a", (1,)), Condition("a", (2,)))},
    ],
)
def test_rules_hold_for_hyperparameters_made_in_python(entries: dict[str, Any]) -> None:
    with pytest.raises(SpaceError):
        Hyperparameter("name", **entries)


def test_a_categorical_one_has_no_bounds() -> None:
    with pytest.raises(TypeError, match="'kernel' is categorical"):
        KERNEL.bounds  # noqa: B018
