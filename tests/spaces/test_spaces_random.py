"""Promises that hold for any space, over spaces drawn at random: every type, nested conditions, compositions."""

import json
import math
import warnings
from typing import Any, Literal

import numpy as np
import optuna
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.errors import InvalidConfigError
from autometa.records import TASK_TYPES, Config
from autometa.spaces import Condition, Hyperparameter, SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)

CHOICES = (None, True, 2, 0.5, "a", "b", "None", "2", "")
anything = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
quick = settings(deadline=None, max_examples=25)


@st.composite
def hyperparameters(draw: st.DrawFn, name: str, parents: list[Hyperparameter]) -> Hyperparameter:
    kinds: tuple[Literal["float", "int", "categorical"], ...] = ("float", "int", "categorical")
    kind = draw(st.sampled_from(kinds))
    settings: dict[str, Any] = {"tasks": tuple(draw(st.sets(st.sampled_from(TASK_TYPES), min_size=1)))}
    conditional: bool = draw(st.booleans())
    if parents and conditional:
        parent = draw(st.sampled_from(parents))
        possible = parent.choices or tuple(range(int(parent.bounds[0]), int(parent.bounds[0]) + 3))
        possible = tuple(value for value in possible if parent.problem(value) is None)
        values = draw(st.lists(st.sampled_from(possible), min_size=1, unique=True))
        settings["when"] = (Condition(parent.name, tuple(values)),)
    if kind == "categorical":
        choices = draw(st.lists(st.sampled_from(CHOICES), min_size=1, max_size=5, unique=True))
        return Hyperparameter(name, kind, draw(st.sampled_from(choices)), choices=tuple(choices), **settings)
    low, width, step = _range(draw, kind)
    log = low > 0 and step is None and draw(st.booleans())
    bare = Hyperparameter(name, kind, low, low, low + width, log, step, **settings)
    default = bare.sample(np.random.default_rng(draw(st.integers(0, 99))))
    return Hyperparameter(name, kind, default, low, low + width, log, step, **settings)


def _range(draw: st.DrawFn, kind: str) -> tuple[Any, Any, Any]:
    if kind == "int":
        step = draw(st.sampled_from((None, 1, 3)))
        return draw(st.integers(-20, 20)), (step or 1) * draw(st.integers(0, 300)), step
    if draw(st.booleans()):
        return draw(st.integers(-4, 4)) / 4, 0.25 * draw(st.integers(0, 40)), 0.25
    low = draw(st.one_of(st.floats(-1e3, 1e3), st.floats(1e-10, 1.0)))
    return low, draw(st.floats(0, 1e4)), None


@st.composite
def leaves(draw: st.DrawFn, name: str = "leaf") -> SearchSpace:
    made: list[Hyperparameter] = []
    for position in range(draw(st.integers(0, 6))):
        parents = [one for one in made if one.type != "float"]
        made.append(draw(hyperparameters(f"h{position}", parents)))
    return SearchSpace(name, tuple(made), requires=draw(st.sampled_from((None, "numpy"))))


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    shape = draw(st.sampled_from(("leaf", "composed", "nested")))
    if shape == "leaf":
        return draw(leaves())
    inner = SearchSpace.compose("inner", [draw(leaves("a")), draw(leaves("b"))], choice="which", default="b")
    if shape == "composed":
        return inner
    return SearchSpace.compose("outer", [draw(leaves("c")), inner], default=draw(st.sampled_from(("c", "inner"))))


def samples(space: SearchSpace, n: int = 8) -> list[Config]:
    rng = np.random.default_rng(0)
    return [space.default(), *(space.sample(rng) for _ in range(n))]


def typed(config: Config) -> dict[str, tuple[type, object]]:
    return {name: (type(value), value) for name, value in config.items()}


@quick
@given(spaces())
def test_samples_are_inside_and_stay_where_they_are(space: SearchSpace) -> None:
    for config in samples(space):
        space.validate(config)
        assert typed(space.project(config)) == typed(config)


def _lacks_a_member(space: SearchSpace, config: dict[str, Any]) -> bool:
    return any(name not in config or space[name].problem(config[name]) for name in space.choices)


@quick
@given(spaces(), st.data())
def test_whatever_is_projected_comes_out_inside_once_and_for_all(space: SearchSpace, data: st.DataObject) -> None:
    names = st.sampled_from((*space.names, "unknown"))
    config: dict[str, Any] = {
        **data.draw(st.sampled_from(samples(space))),
        **data.draw(st.dictionaries(names, anything)),
    }
    try:
        projected, changes = space.project_with_changes(config)
    except InvalidConfigError:
        assert _lacks_a_member(space, config)
        return
    space.validate(projected)
    assert space.project_with_changes(projected) == (projected, ())
    assert bool(changes) == bool(space.problems(config))


@quick
@given(spaces())
def test_optuna_suggests_and_returns_configs_of_the_space(space: SearchSpace) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(4):
            trial = study.ask()
            space.validate(space.suggest(trial))
            assert {name: space.distributions()[name] for name in trial.distributions} == trial.distributions
        for config in samples(space, 4):
            study.enqueue_trial(config)
            assert typed(space.suggest(study.ask())) == typed(config)
            assert typed(space.suggest(optuna.trial.FixedTrial(config))) == typed(config)


@quick
@given(spaces())
def test_encodings_are_in_the_unit_cube_and_nan_where_inactive(space: SearchSpace) -> None:
    configs = samples(space)
    encoded = space.encode(configs)
    assert encoded.shape == (len(configs), len(space.feature_names()))
    assert len(set(space.feature_names())) == encoded.shape[1]
    assert ((encoded >= 0) & (encoded <= 1) | np.isnan(encoded)).all()
    for config, row in zip(configs, encoded, strict=True):
        known = sum(len(one.choices) or 1 for one in space.hyperparameters if one.name in config)
        assert (~np.isnan(row)).sum() == known


@quick
@given(spaces(), st.data())
def test_a_larger_number_is_encoded_no_smaller(space: SearchSpace, data: st.DataObject) -> None:
    for one in space.hyperparameters:
        if one.type != "categorical":
            rng = np.random.default_rng(data.draw(st.integers(0, 99)))
            values = np.sort(np.array([one.sample(rng) for _ in range(9)], dtype=np.float64))
            assert (np.diff(one.unit(values)) >= 0).all()


@quick
@given(spaces())
def test_keys_are_equal_for_equal_configs_only(space: SearchSpace) -> None:
    known: dict[str, object] = {}
    for config in samples(space, 20):
        assert known.setdefault(space.key(config), typed(config)) == typed(config)
        assert space.key(dict(reversed(config.items()))) == space.key(config)
        assert space.key(space.project(json.loads(space.key(config)))) == space.key(config)


@quick
@given(spaces())
def test_rows_come_back_from_a_table(space: SearchSpace) -> None:
    configs = samples(space)
    frame = pd.DataFrame([space.to_row(config) for config in configs])
    for config, row in zip(configs, frame.to_dict("records"), strict=True):
        assert typed(space.from_row({str(name): value for name, value in row.items()})) == typed(config)


@quick
@given(spaces())
def test_a_space_survives_its_dictionary(space: SearchSpace) -> None:
    copy = SearchSpace.from_dict(json.loads(json.dumps(space.to_dict())))
    assert copy == space
    assert hash(copy) == hash(space)
    assert copy.fingerprint == space.fingerprint
    assert copy.describe() == space.describe()


@quick
@given(spaces(), st.sampled_from(TASK_TYPES))
def test_the_space_of_a_task_is_part_of_the_whole(space: SearchSpace, task: Any) -> None:
    part = space.for_task(task)
    assert set(part.names) <= set(space.names)
    for config in samples(part):
        projected, changes = space.project_with_changes(config)
        assert {name: projected[name] for name in config} == config
        assert all("is missing" in change for change in changes)


@quick
@given(spaces(), st.data())
def test_restrictions_stay_inside_and_keep_everything_reachable(space: SearchSpace, data: st.DataObject) -> None:
    if not space.hyperparameters:
        return
    one = data.draw(st.sampled_from(space.hyperparameters))
    if one.type == "categorical":
        part = space.restrict({one.name: data.draw(st.lists(st.sampled_from(one.choices), min_size=1, unique=True))})
    else:
        low, high = one.bounds
        part = space.restrict({one.name: (low, low + (high - low) * data.draw(st.floats(0, 1)))})
    seen: set[str] = set()
    for config in samples(part, 30):
        part.validate(config)
        space.validate(config)
        seen |= set(config)
    assert seen <= set(part.names)


@pytest.mark.parametrize("log", [False, True])
def test_samples_fill_the_range_evenly_on_its_own_scale(log: bool) -> None:
    one = Hyperparameter("x", "float", 1, 1e-3, 1e3, log)
    rng = np.random.default_rng(0)
    drawn = one.unit(np.array([one.sample(rng) for _ in range(4000)], dtype=np.float64))
    assert np.histogram(drawn, bins=4, range=(0, 1))[0] == pytest.approx(1000, abs=100)


def test_every_value_of_a_logarithmic_int_range_is_drawn_and_small_ones_more_often() -> None:
    one = Hyperparameter("n", "int", 1, 1, 8, log=True)
    rng = np.random.default_rng(0)
    counts = np.bincount([int(str(one.sample(rng))) for _ in range(4000)], minlength=9)[1:]
    expected = [4000 * math.log((n + 0.5) / (n - 0.5)) / math.log(8.5 / 0.5) for n in range(1, 9)]
    assert counts == pytest.approx(expected, rel=0.2)
