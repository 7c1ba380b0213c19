"""What every search space must do, as checks that authors of spaces and plug-ins can run too.

Each ``check_*`` takes a function that makes a space, and raises ``AssertionError`` where a promise of
`autometa.spaces.SearchSpace` is broken::

    import pytest
    from autometa.spaces import load_space
    from autometa.testing.spaces import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_space(check):
        check(lambda: load_space("./my_space.yaml"))
"""

import json
import math
import pickle
import random
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from autometa.errors import InvalidConfigError, SpaceError
from autometa.records import TASK_TYPES, Config, ConfigValue
from autometa.spaces import Hyperparameter, SearchSpace

Make = Callable[[], SearchSpace]

_N_SAMPLES = 60


def check_the_default_and_samples_are_inside(make: Make) -> None:
    """The default and every sample pass `validate`, and hold exactly the active names, in order."""
    space = make()
    for config in (space.default(), *_samples(space)):
        _check_inside(space, config)
        assert tuple(config) == space.active(config), f"{config} does not hold the active names in order."
        assert all(type(value) in (bool, int, float, str, type(None)) for value in config.values()), config


def check_the_same_seed_gives_the_same_samples(make: Make) -> None:
    """Samples depend on the generator alone, differ where the space has room, and touch no global state."""
    space = make()
    random.seed(1)
    np.random.seed(1)
    first = _samples(space)
    after = random.random(), float(np.random.random())
    random.seed(1)
    np.random.seed(1)
    assert after == (random.random(), float(np.random.random())), "Global random state was touched."
    assert _samples(make()) == first, "The same seed gave other samples."
    if any(_has_room(one) for one in space.hyperparameters):
        assert len({space.key(config) for config in first}) > 1, "All samples are the same."


def check_validate_rejects_what_is_outside(make: Make) -> None:
    """A missing, unknown or inactive name, a wrong type and a value out of range each raise, by name."""
    space = make()
    for config in (space.default(), *_samples(space, n=20)):
        for name, wrong in _spoilt(space, config):
            said = _refusal(partial(space.validate, wrong))
            assert said is not None, f"{wrong} is not in the space, because of {name}, but validate let it pass."
            assert name in said, f"The message does not name {name}: {said}"


def check_project_keeps_what_is_inside(make: Make) -> None:
    """Projecting a configuration of the space changes nothing and reports nothing."""
    space = make()
    for config in (space.default(), *_samples(space)):
        projected, changes = space.project_with_changes(config)
        assert projected == config, f"{config} is in the space, but was moved to {projected}."
        assert not changes, f"Nothing changed, but it said {changes}."
    assert space.project({}) == space.default(), "Nothing at all is nearest to the default."


def check_project_moves_what_is_outside(make: Make) -> None:
    """Whatever is projected comes out inside and stays there; each change is told; the input is unchanged."""
    space = make()
    for config in (space.default(), *_samples(space, n=20)):
        for name, wrong in _spoilt(space, config):
            if name in space.choices:
                continue
            before = dict(wrong)
            projected, changes = space.project_with_changes(wrong)
            assert repr(wrong) == repr(before), f"project changed what it was given: {before} became {wrong}."
            assert not space.problems(projected), f"{wrong} was projected to {projected}, which is outside."
            assert any(name in change for change in changes), f"{name} was changed, but it said {changes}."
            assert space.project(projected) == projected, f"Projecting {projected} twice moved it again."


def check_an_unknown_member_cannot_be_projected(make: Make) -> None:
    """In a composed space nothing is near an unknown member, or a member that is not named."""
    space = make()
    if space.choice is None:
        return
    orphans = {name: value for name, value in space.default().items() if name != space.choice}
    configs: list[Config] = [{space.choice: "no_such_member"}, orphans]
    for config in filter(None, configs):
        said = _refusal(partial(space.project, config))
        assert said is not None, f"{config} was projected to {space.project(config)}, though nothing is near it."
        assert space.choice in said, f"The message does not name {space.choice!r}: {said}"


def check_optuna_suggests_what_is_inside(make: Make) -> None:
    """What Optuna suggests is inside, has our names, and uses the distributions that the space declares."""
    import optuna

    space = make()
    declared = space.distributions()
    assert tuple(declared) == space.names, "The distributions are not those of the space's hyperparameters."
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(25):
        trial = study.ask()
        config = space.suggest(trial)
        _check_inside(space, config)
        assert trial.params == config, f"The trial holds {trial.params}, but {config} was returned."
        for name, used in trial.distributions.items():
            assert declared[name] == used, f"{name}: {used} was suggested, but {declared[name]} is declared."


def check_enqueued_configs_come_back(make: Make) -> None:
    """A configuration that is enqueued in Optuna is suggested as it is, without a warning."""
    import optuna

    space = make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        configs = [space.default(), *_samples(space, n=20)]
        for config in configs:
            study.enqueue_trial(config)
            asked = space.suggest(study.ask())
            assert _same(asked, config), f"{config} was enqueued, but {asked} came back."
        for config in configs:
            fixed = space.suggest(optuna.trial.FixedTrial(config))
            assert _same(fixed, config), f"{config} was fixed, but {fixed} came back."


def check_the_encoding_is_a_unit_cube(make: Make) -> None:
    """Values in [0, 1], NaN exactly where inactive, one-hot blocks, one name per column."""
    space = make()
    configs = [space.default(), *_samples(space)]
    encoded = space.encode(configs)
    names = space.feature_names()
    assert len(set(names)) == len(names), "Two columns have the same name."
    assert encoded.shape == (len(configs), len(names)), f"The shape is {encoded.shape}."
    assert encoded.dtype == np.float64, f"The type is {encoded.dtype}."
    known = encoded[~np.isnan(encoded)]
    assert ((known >= 0) & (known <= 1)).all(), "A value lies outside [0, 1]."
    start = 0
    for one in space.hyperparameters:
        block = encoded[:, start : start + (len(one.choices) or 1)]
        start += block.shape[1]
        inactive = np.array([one.name not in config for config in configs])
        assert (np.isnan(block) == inactive[:, None]).all(), f"{one.name} is not NaN exactly where it is inactive."
        if one.choices:
            rows = block[~inactive]
            assert (np.sort(rows, axis=1)[:, :-1] == 0).all(), f"{one.name} is not encoded as one-hot."
            assert (rows.sum(axis=1) == 1).all(), f"{one.name} is not encoded as one-hot."
    assert space.encode([]).shape == (0, len(names)), "No configurations make no rows."


def check_the_encoding_keeps_order(make: Make) -> None:
    """A larger number is encoded larger; the ends of a range are 0 and 1."""
    space = make()
    for one in space.hyperparameters:
        carrier = _config_with(space, one)
        if one.type == "categorical" or not _has_room(one) or carrier is None:
            continue
        drawn = np.random.default_rng(0)
        values = sorted({*one.bounds, *(_as_number(one.sample(drawn)) for _ in range(20))})
        typed = [int(value) if one.type == "int" else value for value in values]
        column = space.feature_names().index(one.name)
        line = space.encode([space.project({**carrier, one.name: value}) for value in typed])[:, column]
        assert (np.diff(line) > 0).all(), f"{one.name}: {typed} are encoded as {line}."
        assert math.isclose(line[0], 0, abs_tol=1e-12), f"{one.name}: the low end is encoded as {line[0]}."
        assert math.isclose(line[-1], 1, abs_tol=1e-12), f"{one.name}: the high end is encoded as {line[-1]}."


def check_keys_tell_configs_apart(make: Make) -> None:
    """Equal configurations have equal keys, whatever their order; different ones have different keys."""
    space = make()
    known: dict[str, Config] = {}
    for config in (space.default(), *_samples(space)):
        key = space.key(config)
        assert isinstance(json.loads(key), dict), f"The key is not JSON: {key}"
        assert space.key(dict(reversed(config.items()))) == key, f"The order of {config} changes its key."
        assert _same(known.setdefault(key, config), config), f"{config} and {known[key]} have the same key."


def check_rows_come_back(make: Make) -> None:
    """A configuration survives a table with one column per hyperparameter, in which types are widened."""
    space = make()
    configs = [space.default(), *_samples(space)]
    rows = [space.to_row(config) for config in configs]
    assert all(tuple(row) == space.names for row in rows), "A row does not have a column per hyperparameter."
    for frame in (pd.DataFrame(rows), pd.DataFrame(rows, dtype=object)):
        for config, row in zip(configs, frame.to_dict("records"), strict=True):
            back = space.from_row({str(name): value for name, value in row.items()} | {"dataset_id": "x"})
            assert _same(back, config), f"{config} came back from a table as {back}."


def check_copies_are_equal(make: Make) -> None:
    """Dictionary and pickle give an equal space; a different one is not equal; the fingerprint follows."""
    space = make()
    for copy in (SearchSpace.from_dict(json.loads(json.dumps(space.to_dict()))), pickle.loads(pickle.dumps(space))):
        assert copy == space, f"{copy!r} is a copy of {space!r} but is not equal to it."
        assert hash(copy) == hash(space), "Equal spaces have different hashes."
        assert copy.fingerprint == space.fingerprint, "Equal spaces have different fingerprints."
    smaller = next((part for one in space.hyperparameters if (part := _narrower(space, one)) is not None), None)
    assert smaller is None or (smaller != space and smaller.fingerprint != space.fingerprint), (
        "A smaller space is not told apart."
    )


def check_tasks_narrow_the_space(make: Make) -> None:
    """The space of a task is a part of the whole, and is there exactly for the tasks that the space fits."""
    space = make()
    assert space.tasks, "The space fits no task."
    for task in TASK_TYPES:
        try:
            part = space.for_task(task)
        except SpaceError:
            assert task not in space.tasks, f"The space claims to fit {task} tasks, but has nothing for them."
            continue
        assert task in space.tasks, f"The space does not claim to fit {task} tasks, but has a part for them."
        assert set(part.names) <= set(space.names), f"The {task} part has hyperparameters that the whole lacks."
        lacking = [one.name for one in part.hyperparameters if task not in one.tasks]
        assert not lacking, f"The {task} part has {lacking}, which are not for that task."
        for config in (part.default(), *_samples(part, n=10)):
            _check_inside(part, config)


def check_members_strip_and_prefix(make: Make) -> None:
    """A composed space's configuration is its member's own under a prefix, there and back."""
    space = make()
    if space.choice is None:
        return
    for member in space.members:
        assert space.branch(member.name) == member, f"branch({member.name!r}) is not that member."
        for own in (member.default(), *_samples(member, n=5)):
            whole = space.add_prefix(member.name, own)
            _check_inside(space, whole)
            assert whole[space.choice] == member.name, f"{whole} does not name {member.name!r}."
            assert _same(space.strip(whole), own), f"{own} came back as {space.strip(whole)}."


def check_a_restriction_stays_inside(make: Make) -> None:
    """What is left after restricting a hyperparameter lies inside the whole, and keeps to the restriction."""
    space = make()
    for one in space.hyperparameters:
        part = _narrower(space, one)
        if part is None:
            continue
        for config in (part.default(), *_samples(part, n=5)):
            _check_inside(part, config)
            _check_inside(space, config)
            if one.name in config:
                left = part[one.name].problem(config[one.name])
                assert left is None, f"{one.name} was restricted, but {config} was drawn."
        assert part[one.name] != one, f"{one.name} was restricted, but is as it was."


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_the_default_and_samples_are_inside,
    check_the_same_seed_gives_the_same_samples,
    check_validate_rejects_what_is_outside,
    check_project_keeps_what_is_inside,
    check_project_moves_what_is_outside,
    check_an_unknown_member_cannot_be_projected,
    check_optuna_suggests_what_is_inside,
    check_enqueued_configs_come_back,
    check_the_encoding_is_a_unit_cube,
    check_the_encoding_keeps_order,
    check_keys_tell_configs_apart,
    check_rows_come_back,
    check_copies_are_equal,
    check_tasks_narrow_the_space,
    check_members_strip_and_prefix,
    check_a_restriction_stays_inside,
)


def _check_inside(space: SearchSpace, config: Config) -> None:
    said = _refusal(partial(space.validate, config))
    assert said is None, f"{config} was made by {space!r}, or for it, but is not in it. {said}"


def _refusal(call: Callable[[], object]) -> str | None:
    """What `InvalidConfigError` says when something is called; None where it is not raised."""
    try:
        call()
    except InvalidConfigError as error:
        return str(error)
    return None


def _samples(space: SearchSpace, *, n: int = _N_SAMPLES, seed: int = 0) -> list[Config]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(n)]


def _same(a: Config, b: Config) -> bool:
    """Equal in names, values and types; the order of names does not count."""
    return {name: (type(value), value) for name, value in a.items()} == {
        name: (type(value), value) for name, value in b.items()
    }


def _as_number(value: ConfigValue) -> float:
    if not isinstance(value, int | float):
        raise AssertionError(f"{value!r} is not a number.")
    return value


def _has_room(one: Hyperparameter) -> bool:
    return len(one.choices) > 1 if one.type == "categorical" else one.bounds[0] < one.bounds[1]


def _config_with(space: SearchSpace, one: Hyperparameter) -> Config | None:
    """A configuration in which a hyperparameter is active: each ancestor takes the first value that allows it."""
    wanted: Config = {}
    pending = list(one.when)
    while pending:
        condition = pending.pop()
        wanted.setdefault(condition.parent, condition.values[0])
        pending += space[condition.parent].when
    config = space.project(wanted)
    return config if one.name in config else None


def _spoilt(space: SearchSpace, config: Config) -> Iterator[tuple[str, Config]]:
    """Configurations that differ from a good one by one mistake, and the name that the mistake is about."""
    yield "no such name", {**config, "no such name": 1}
    inactive = next((one for one in space.hyperparameters if one.name not in config), None)
    if inactive is not None:
        yield inactive.name, {**config, inactive.name: inactive.default}
    for name in config:
        yield name, {other: value for other, value in config.items() if other != name}
        for wrong in _wrong_values(space[name]):
            yield name, {**config, name: wrong}


def _wrong_values(one: Hyperparameter) -> Iterator[ConfigValue]:
    yield "no such choice"
    if one.type == "categorical":
        yield from (str(choice) for choice in one.choices if not isinstance(choice, str))
        yield from (not choice for choice in one.choices if choice in (0, 1) and not isinstance(choice, bool))
        return
    yield from (None, True, str(one.default), math.nan, math.inf, -math.inf)
    low, high = one.bounds
    if one.type == "int":
        yield from (int(low) - 1, int(high) + 1, float(low))
    else:
        yield from (math.nextafter(low, -math.inf), math.nextafter(high, math.inf))


def _narrower(space: SearchSpace, one: Hyperparameter) -> SearchSpace | None:
    """The space with half of a hyperparameter's room; None where it has none."""
    if not _has_room(one):
        return None
    if one.type == "categorical":
        return space.restrict({one.name: one.choices[: len(one.choices) // 2]})
    low, high = one.bounds
    return space.restrict({one.name: (low, low + (high - low) / 2)})
