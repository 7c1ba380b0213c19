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

import contextlib
import io
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from autometa.candidates import TRUSTED_TYPES, Candidate
from autometa.datasets import Column, TableSchema
from autometa.errors import InvalidConfigError, OptionError
from autometa.records import TASK_TYPES, Config, ConfigValue, TaskType
from autometa.spaces import Hyperparameter, SearchSpace

Make = Callable[[], Candidate]

_COSTLY = ("n_estimators", "iterations", "max_iter", "n_blocks", "width", "ensemble_size")
_THREADS = ("n_jobs", "n_threads", "nthread", "num_threads", "thread_count")
_N_CLASSES: Mapping[TaskType, int] = {"binary": 2, "multiclass": 3, "regression": 0}


class Table:
    """A small table that can be learned: ``X`` as `TableSchema.apply` returns it, ``y``, and its schema."""

    def __init__(self, task: TaskType, *, n: int = 72, texts: bool = False, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        size, colour = rng.normal(size=n), rng.integers(0, 3, n)
        score = size + 1.5 * (colour == 1) + 0.1 * rng.normal(size=n)
        columns: dict[str, Any] = {
            "size": size,
            "gaps": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "zeros": np.where(rng.random(n) < 0.9, 0.0, 1e6),
            "colour": _strings(np.array(["red", "green", "blue"])[colour]),
            "town": _strings([None if i % 11 == 0 else f"town {i % 60}" for i in range(n)]),
        }
        kinds = {"size": "numeric", "gaps": "numeric", "zeros": "numeric", "colour": "categorical"}
        kinds["town"] = "categorical"
        if texts:
            day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="h")
            columns["day"] = pd.Series(day).mask(rng.random(n) < 0.1).astype("datetime64[us]")
            words = [None if i % 9 == 0 else f"the parcel number {i} arrived" for i in range(n)]
            columns["note"] = _strings(words)
            kinds |= {"day": "datetime", "note": "text"}
        self.X = pd.DataFrame(columns)
        cuts = np.quantile(score, np.linspace(0, 1, _N_CLASSES[task] + 1)[1:-1]) if task != "regression" else []
        self.y = score if task == "regression" else np.digitize(score, cuts)
        self.schema = TableSchema(
            columns=tuple(Column(name, kind, "made so") for name, kind in kinds.items()),  # type: ignore[arg-type]
            target="target",
            target_reason="made so",
            task=task,
            task_reason="made so",
            classes=tuple(range(_N_CLASSES[task])),
        )

    @property
    def task(self) -> TaskType:
        """The schema's task."""
        return self.schema.task


def _strings(values: Any) -> "pd.Series[Any]":
    return pd.Series(values, dtype="str")


def tasks(make: Make) -> list[TaskType]:
    """The task types that a candidate says it learns."""
    return [task for task in TASK_TYPES if task in make().tasks]


def cheap(space: SearchSpace, config: Config) -> Config:
    """The same configuration with as few trees, rounds and units as the space allows."""
    low = {one.name: int(one.bounds[0]) for one in space.hyperparameters if one.name in _COSTLY}
    return {name: low.get(name, value) for name, value in config.items()}


def quick(make: Make, task: TaskType) -> Config:
    """The defaults of a task, made cheap."""
    space = make().space_for(task)
    return cheap(space, space.default())


def fitted(make: Make, table: Table, config: Config | None = None, *, seed: int = 0) -> Pipeline:
    """A pipeline of the candidate, by default of its cheap defaults, fitted on a table."""
    chosen = quick(make, table.task) if config is None else config
    return make().build(chosen, schema=table.schema, seed=seed).fit(table.X, table.y)


def predict(pipeline: Pipeline, X: pd.DataFrame, task: TaskType) -> npt.NDArray[np.float64]:
    """Probabilities of shape (n, K), or predictions of shape (n,) for regression."""
    values = pipeline.predict(X) if task == "regression" else pipeline.predict_proba(X)
    return np.asarray(values, dtype=np.float64)


def describe(pipeline: Pipeline) -> str:
    """Everything that a pipeline was built with, as a text that two equal pipelines share."""
    return repr(sorted((name, _plain(value)) for name, value in pipeline.get_params(deep=True).items()))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseEstimator):
        return type(value).__name__
    if isinstance(value, Mapping):
        return sorted((str(key), _plain(entry)) for key, entry in value.items())
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    named = type(value).__module__.startswith("autometa.")
    return (type(value).__name__, _plain(vars(value))) if named else repr(value)


@contextlib.contextmanager
def silence_required() -> Iterator[None]:
    """Fail on warnings and on anything printed."""
    printed = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        warnings.simplefilter("error")
        yield
    assert not printed.getvalue(), f"Nothing may be printed, but got {printed.getvalue()[:200]!r}."


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
        table.X = table.X.assign(size=3.0, gaps=np.nan, colour=_strings(["red"] * len(table.X)))
        later = Table(task, seed=1).X.assign(colour=_strings(["violet"] * len(table.X)))
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
        gone = table.X.assign(day=pd.Series(pd.NaT, table.X.index, dtype="datetime64[us]"), note=_strings(table.y * 0))
        assert np.isfinite(predict(everything, gone, task)).all()
        for name in ("size", "colour", "day", "note"):
            narrow = _only(table, name)
            assert np.isfinite(predict(fitted(make, narrow), narrow.X, task)).all(), f"Fails on {name} alone."
            narrow.X = narrow.X.iloc[[0] * len(narrow.X)].reset_index(drop=True)
            assert np.isfinite(predict(fitted(make, narrow), narrow.X, task)).all(), f"Fails on one {name}."


def _only(table: Table, name: str) -> Table:
    narrow = Table(table.task)
    columns = tuple(column for column in table.schema.columns if column.name == name)
    narrow.X, narrow.schema = table.X[[name]], replace(table.schema, columns=columns)
    return narrow


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
)
