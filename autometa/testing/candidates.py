"""What every candidate must do, as checks that plug-in authors can run too.

Each ``check_*`` takes a function that makes a candidate, and raises ``AssertionError`` where a promise of
`autometa.candidates.Candidate` is broken::

    import pytest
    from autometa.testing.candidates import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_candidate(check):
        check(MyCandidate)

The checks prove manners, not merit; only `check_learns` asks for a little of that.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from autometa.candidates import TRUSTED_TYPES
from autometa.datasets import TableSchema
from autometa.errors import InvalidConfigError, OptionError
from autometa.records import TASK_TYPES, Config, ConfigValue
from autometa.spaces import Hyperparameter, SearchSpace
from autometa.testing._candidate_tools import (
    Make,
    Table,
    cheap,
    describe,
    fitted,
    only,
    predict,
    quick,
    silence_required,
    strings,
    tasks,
    weighted,
)

__all__ = ["CHECKS", "Make", "Table", "cheap", "describe", "fitted", "predict", "quick", "silence_required", "tasks"]

_THREADS = ("n_jobs", "n_threads", "nthread", "num_threads", "thread_count")


def check_configs_fit(make: Make) -> None:
    """The defaults and three random configurations build, fit and predict, silently, for each task."""
    for task in tasks(make):
        table, space = Table(task), make().space_for(task)
        samples = [space.sample(np.random.default_rng(seed)) for seed in range(3)]
        for config in (cheap(space, one) for one in [space.default(), *samples]):
            with silence_required():
                values = predict(fitted(make, table, config), table.X, task)
            assert np.isfinite(values).all(), f"{config} predicts NaN or infinity for a {task} task."


def check_every_hyperparameter_matters(make: Make) -> None:
    """Each hyperparameter is accepted, and two values of it make two different pipelines."""
    for task in tasks(make):
        table, space = Table(task), make().space_for(task)
        for one in space.hyperparameters:
            base = _activate(space, one)
            built = [
                make().build(space.project({**base, one.name: value}), schema=table.schema, seed=0)
                for value in _two_values(one)
            ]
            assert describe(built[0]) != describe(built[1]), f"{one.name} has no effect for a {task} task."


def _activate(space: SearchSpace, one: Hyperparameter) -> Config:
    base = space.default()
    for condition in one.when:
        base |= {**_activate(space, space[condition.parent]), condition.parent: condition.values[0]}
    return base


def _two_values(one: Hyperparameter) -> Sequence[ConfigValue]:
    if one.type == "categorical":
        return one.choices[:2]
    low, high = one.bounds
    return (int(low), int(high)) if one.type == "int" else (low, high)


def check_bad_configs_raise(make: Make) -> None:
    """An unknown name, a missing one and a task that is not learned each raise, by name."""
    for task in TASK_TYPES:
        schema = Table(task, n=8).schema
        if task not in make().tasks:
            _must_raise(OptionError, make, make().space.default(), schema)
            continue
        default = make().space_for(task).default()
        _must_raise(InvalidConfigError, make, {**default, "no_such_hyperparameter": 1}, schema)
        _must_raise(InvalidConfigError, make, dict(list(default.items())[1:]), schema)


def _must_raise(error: type[Exception], make: Make, config: Config, schema: TableSchema) -> None:
    try:
        make().build(config, schema=schema, seed=0)
    except error:
        return
    raise AssertionError(f"{config} for a {schema.task} task must raise {error.__name__}.")


def check_same_seed_same_predictions(make: Make) -> None:
    """The seed decides everything: the global random states neither matter nor move."""
    for task in tasks(make):
        table, runs = Table(task), []
        for global_seed in (1, 2):
            np.random.seed(global_seed)
            random.seed(global_seed)
            before = _global_states()
            runs.append(predict(fitted(make, table, seed=5), table.X, task))
            assert before == _global_states(), f"A {task} fit moves a global random state."
        np.testing.assert_array_equal(runs[0], runs[1], err_msg=f"Same seed, but another {task} prediction.")


def _global_states() -> list[str]:
    states = [repr(random.getstate()), repr([np.asarray(part).tolist() for part in np.random.get_state()])]
    if (torch := sys.modules.get("torch")) is not None:
        states.append(repr(torch.random.get_rng_state().tolist()))
    return states


def check_hard_tables(make: Make) -> None:
    """Missing values, constant columns, a single or unseen category, a column wholly missing."""
    for task in tasks(make):
        table = Table(task)
        table.X = table.X.assign(size=3.0, gaps=np.nan, colour=strings(["red"] * len(table.X)))
        later = Table(task, seed=1).X.assign(colour=strings(["violet"] * len(table.X)))
        later.loc[:3, ["size", "zeros", "colour", "town"]] = np.nan
        with silence_required():
            values = predict(fitted(make, table), later, task)
        assert np.isfinite(values).all(), f"A hard {task} table gives NaN or infinity."


def check_column_kinds(make: Make) -> None:
    """Datetimes and texts are learned from too; tables of one kind, and of one value, work."""
    task = tasks(make)[0]
    table = Table(task, texts=True)
    with silence_required():
        everything = fitted(make, table)
        gone = table.X.assign(day=pd.Series(pd.NaT, table.X.index, dtype="datetime64[us]"), note=strings(table.y * 0))
        assert np.isfinite(predict(everything, gone, task)).all()
        for name in ("size", "colour", "day", "note"):
            narrow = only(table, name)
            assert np.isfinite(predict(fitted(make, narrow), narrow.X, task)).all(), f"Fails on {name} alone."
            narrow.X = narrow.X.iloc[[0] * len(narrow.X)].reset_index(drop=True)
            assert np.isfinite(predict(fitted(make, narrow), narrow.X, task)).all(), f"Fails on one {name}."


def check_fit_and_predict_are_pure(make: Make) -> None:
    """The table stays as it is; a row's prediction depends on that row alone."""
    for task in tasks(make):
        table = Table(task)
        original = table.X.copy(deep=True)
        pipeline = fitted(make, table)
        whole = predict(pipeline, table.X, task)
        pd.testing.assert_frame_equal(table.X, original)
        part = predict(pipeline, table.X.iloc[10:15], task)
        np.testing.assert_allclose(part, whole[10:15], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(predict(pipeline, table.X, task), whole)


def check_clone(make: Make) -> None:
    """`sklearn.clone` works before and after `fit`, and what comes out fits to the same predictions."""
    for task in tasks(make):
        table = Table(task)
        pipeline = fitted(make, table)
        fresh = clone(pipeline)
        unfitted = make().build(quick(make, task), schema=table.schema, seed=0)
        assert describe(fresh) == describe(unfitted), f"Fitting on a {task} task changes the parameters."
        again = predict(fresh.fit(table.X, table.y), table.X, task)
        np.testing.assert_array_equal(again, predict(pipeline, table.X, task))


def check_skops_round_trip(make: Make) -> None:
    """skops loads what it saved, trusting `TRUSTED_TYPES` only, with the same predictions."""
    from skops.io import dumps, get_untrusted_types, loads

    for task in tasks(make):
        table, space = Table(task, texts=True), make().space_for(task)
        for config in _each_choice(space):
            pipeline = fitted(make, table, config)
            data = dumps(pipeline)
            unknown = set(get_untrusted_types(data=data)) - set(TRUSTED_TYPES)
            assert not unknown, f"{config} needs types that are not trusted: {sorted(unknown)}."
            loaded = loads(data, trusted=list(TRUSTED_TYPES))
            np.testing.assert_array_equal(predict(loaded, table.X, task), predict(pipeline, table.X, task))


def _each_choice(space: SearchSpace) -> list[Config]:
    """Cheap configurations in which every choice of every categorical hyperparameter occurs."""
    categorical = [one for one in space.hyperparameters if one.type == "categorical"]
    rounds = max((len(one.choices) for one in categorical), default=1)
    return [
        cheap(
            space,
            space.project({**space.default(), **{one.name: one.choices[i % len(one.choices)] for one in categorical}}),
        )
        for i in range(rounds)
    ]


def check_probabilities(make: Make) -> None:
    """Probabilities have a column per class that is there, in code order, and sum to 1; rare classes too."""
    for task in (task for task in tasks(make) if task != "regression"):
        table = Table(task)
        without_first = np.where(table.y == 0, 1, table.y)
        singleton = np.where(np.arange(len(table.y)) == 7, 0, without_first)
        for y in (table.y, singleton, *([without_first] if task == "multiclass" else [])):
            table.y = y
            with silence_required():
                pipeline = fitted(make, table)
                values = predict(pipeline, table.X, task)
            np.testing.assert_array_equal(pipeline.classes_, np.unique(y))
            assert values.shape == (len(y), len(np.unique(y)))
            assert (values >= 0).all()
            np.testing.assert_allclose(values.sum(axis=1), 1.0, atol=1e-6)
            named = pipeline.classes_[values.argmax(axis=1)]
            clear = np.sort(values, axis=1)[:, -1] - np.sort(values, axis=1)[:, -2] > 1e-6
            np.testing.assert_array_equal(pipeline.predict(table.X)[clear], named[clear])


def check_threads(make: Make) -> None:
    """Every thread setting anywhere in the pipeline is what was asked for."""
    for task in tasks(make):
        for n_threads in (1, 2):
            schema = Table(task, n=8).schema
            pipeline = make().build(quick(make, task), schema=schema, seed=0, n_threads=n_threads)
            for name, value in _thread_settings(pipeline.get_params(deep=True)):
                allowed = (n_threads, None) if name.startswith("prepare") else (n_threads,)
                assert value in allowed, f"{name} is {value} where {n_threads} threads were asked for."


def _thread_settings(params: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _thread_settings(value, f"{path}{name}.")
        elif name.rpartition("__")[2] in _THREADS:
            yield f"{path}{name}", value


def check_learns(make: Make) -> None:
    """With its defaults, it beats the mean or the most frequent class on an easy table, by far."""
    for task in tasks(make):
        table, later = Table(task, n=240), Table(task, n=240, seed=1)
        config = make().space_for(task).default()
        prediction = fitted(make, table, config).predict(later.X)
        if task == "regression":
            share = np.mean((later.y - prediction) ** 2) / np.var(later.y)
            assert share < 0.5, f"It leaves {share:.0%} of the variance of an easy table unexplained."
        else:
            right = np.mean(later.y == prediction)
            assert right > 0.7, f"It gets {right:.0%} of an easy {task} table right."


def check_equal_weights_are_no_weights(make: Make) -> None:
    """Weights that are all the same, whatever they are, change nothing; those that hardly differ, hardly anything.

    A learner that draws at random may draw anew for the latter, so they may move predictions by a tenth of the
    target's spread.
    """
    for task in tasks(make) if make().takes_weights else ():
        table = Table(task, n=144)
        plain = predict(fitted(make, table), table.X, task)
        unit = np.std(table.y) if task == "regression" else 1.0
        nearly = 1 + 1e-6 * np.random.default_rng(0).random(len(table.y))
        for weights, tolerance in ((np.full(len(table.y), 7.0), 1e-3), (nearly, 0.1)):
            moved = np.abs(predict(weighted(make, table, weights), table.X, task) - plain).mean() / unit
            assert moved <= tolerance, f"Weights near {weights[0]:g} move {task} predictions by {moved:.3f}."


def check_weights_matter(make: Make) -> None:
    """Where two groups of rows contradict each other, predictions follow the one with the greater weight."""
    for task in tasks(make) if make().takes_weights else ():
        once, table = (only(Table(task, n=n), "size", "gaps", "zeros") for n in (144, 288))
        table.X = pd.concat([once.X, once.X], ignore_index=True)
        other = once.y.max() + once.y.min() - once.y if task == "regression" else (once.y + 1) % (once.y.max() + 1)
        table.y = np.concatenate([once.y, other])
        first = np.repeat([20.0, 1.0], len(once.y))
        followed = [_agreement(weighted(make, table, one), once) for one in (first, first[::-1])]
        assert followed[0] > followed[1] + 0.1, f"Weights do not decide between contradictory {task} rows: {followed}."


def _agreement(pipeline: Pipeline, table: Table) -> float:
    """Mean probability of the right class, or slope of the predictions over the target."""
    values = predict(pipeline, table.X, table.task)
    if table.task == "regression":
        return float(np.cov(values, table.y)[0, 1] / np.var(table.y))
    return float(values[np.arange(len(table.y)), table.y].mean())


def check_rows_of_weight_zero_do_not_decide(make: Make) -> None:
    """A row of weight 0 may have any target, and a class that has no other rows is not there."""
    for task in tasks(make) if make().takes_weights else ():
        table = only(Table(task, n=144), "size", "gaps", "zeros")
        weights = np.where(np.arange(len(table.y)) % 3, 2.0, 0.0)
        runs = []
        for shift in (0, 1, 5):
            table.y = np.where(weights > 0, table.y, np.roll(table.y, shift))
            runs.append(predict(weighted(make, table, weights), table.X, task))
        for run in runs[1:]:
            np.testing.assert_allclose(run, runs[0], atol=1e-6, err_msg=f"{task} rows of weight 0 decide.")
        if task == "multiclass":
            with silence_required():
                without_last = weighted(make, table, table.y < 2)
            np.testing.assert_array_equal(without_last.classes_, [0, 1])


def check_weights_are_taken_or_refused(make: Make) -> None:
    """A candidate that takes no weights raises on them, and one that does raises on those that are none."""
    for task in tasks(make):
        table = Table(task)
        good = np.arange(1.0, len(table.y) + 1)
        wrong = [-good, good[1:], 0 * good, np.where(good == 3, np.nan, good)]
        for weights in wrong if make().takes_weights else [good, np.ones_like(good)]:
            try:
                weighted(make, table, weights)
            except (TypeError, ValueError):
                continue
            raise AssertionError(f"A {task} fit with the weights {weights[:4]}... must raise.")


def check_a_limited_fit_can_be_repeated(make: Make) -> None:
    """Where the model has a `time_limit`, a fit that it ended is repeated to the bit from its record."""
    for task in tasks(make):
        table = Table(task)
        fresh = make().build(quick(make, task), schema=table.schema, seed=0)
        if "time_limit" not in fresh["model"].get_params(deep=False):
            continue
        for limit in (1e-6, 0.03):
            limited = clone(fresh).set_params(model__time_limit=limit).fit(table.X, table.y)
            record = limited["model"].training_record_
            assert record or limit > 1e-3, f"A {task} fit without any time leaves no record."
            assert all(type(value) is int for value in record.values()), f"{record} must hold integers by name."
            again = clone(fresh).set_params(model__replay=json.loads(json.dumps(record))).fit(table.X, table.y)
            same = np.array_equal(predict(again, table.X, task), predict(limited, table.X, task))
            assert same, f"A {task} fit from the record {record} is another."
            assert again["model"].training_record_ == record, "A repeated fit has another record."


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_configs_fit,
    check_every_hyperparameter_matters,
    check_bad_configs_raise,
    check_same_seed_same_predictions,
    check_hard_tables,
    check_column_kinds,
    check_fit_and_predict_are_pure,
    check_clone,
    check_skops_round_trip,
    check_probabilities,
    check_threads,
    check_learns,
    check_equal_weights_are_no_weights,
    check_weights_matter,
    check_rows_of_weight_zero_do_not_decide,
    check_weights_are_taken_or_refused,
    check_a_limited_fit_can_be_repeated,
)
