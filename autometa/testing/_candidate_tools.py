"""What the checks of candidates share: small tables, and candidates fitted on them."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from autometa.candidates import Candidate
from autometa.datasets import Column, TableSchema
from autometa.records import TASK_TYPES, Config, TaskType
from autometa.spaces import SearchSpace

Make = Callable[[], Candidate]

_COSTLY = ("n_estimators", "iterations", "max_iter", "n_blocks", "width", "ensemble_size", "n_steps")
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
            "colour": strings(np.array(["red", "green", "blue"])[colour]),
            "town": strings([None if i % 11 == 0 else f"town {i % 60}" for i in range(n)]),
        }
        kinds = {"size": "numeric", "gaps": "numeric", "zeros": "numeric", "colour": "categorical"}
        kinds["town"] = "categorical"
        if texts:
            day = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="h")
            columns["day"] = pd.Series(day).mask(rng.random(n) < 0.1).astype("datetime64[us]")
            words = [None if i % 9 == 0 else f"the parcel number {i} arrived" for i in range(n)]
            columns["note"] = strings(words)
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


def strings(values: Any) -> "pd.Series[Any]":
    """A column of texts or categories."""
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


def weighted(make: Make, table: Table, weights: npt.ArrayLike) -> Pipeline:
    """A pipeline of the candidate's cheap defaults, fitted on a table whose rows have weights."""
    pipeline = make().build(quick(make, table.task), schema=table.schema, seed=0)
    return pipeline.fit(table.X, table.y, model__sample_weight=np.asarray(weights, dtype=np.float64))


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


def only(table: Table, *names: str) -> Table:
    """The same rows with only these columns."""
    narrow = Table(table.task, n=len(table.X))
    columns = tuple(column for column in table.schema.columns if column.name in names)
    narrow.X, narrow.y = table.X[list(names)], table.y
    narrow.schema = replace(table.schema, columns=columns)
    return narrow
