"""What every candidate promises: a configuration in, an unfitted scikit-learn pipeline out."""

import importlib.util
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from autometa.candidates._cost import BY_EFFORT, FitCost
from autometa.datasets import Dataset, TableSchema
from autometa.errors import InvalidConfigError, OptionError
from autometa.records import TASK_TYPES, Config, ConfigValue, TaskType
from autometa.registry import Entry
from autometa.spaces import SearchSpace, load_space


class Candidate(ABC):
    """One learner and the preparation of a table that suits it.

    The search asks `available` once, draws a configuration from `space`, and calls `build` for every fold
    of every trial, in a process of its own. What comes back is a plain pipeline of two steps, ``prepare``
    and ``model``, which the search fits, asks for predictions, and saves with skops.

    What a member promises of the pipelines it builds:

    - ``fit(X, y)`` takes a table as `TableSchema.apply` returns it: numeric columns as float64, categorical
      and text ones as ``str``, datetimes as datetime64, each with missing values; ``y`` are class codes or
      floats. A category that was never seen, a column that is constant or wholly missing in a fold, and a
      class of a single row are everyday cases, not errors. At least two classes must be present.
    - ``predict_proba`` has one column per entry of ``classes_``, in ascending order of the codes. A class
      that the rows of a fold lack has no column; whoever needs all K columns aligns them by ``classes_``.
    - The same configuration, seed and data give the same predictions, and no global random state is read
      or changed.
    - Nothing is printed and no warning is emitted. A solver that reaches its iteration limit keeps what it
      has: stopped early is a milder fit, and the fold's score judges it.
    - ``fit(X, y, model__sample_weight=w)`` weighs rows where `takes_weights` says so, and raises where it does
      not. Weights are relative: only their ratios matter. Those that are all the same are none; a row of
      weight 0 might as well have any other target; a class whose rows all weigh 0 has no column. The
      preparation is not weighted: medians, categories and target means come from all rows alike.
    - A learner that can stop in time has a parameter ``time_limit``, seconds after which `fit` ends with what
      it has, and then also ``replay`` and ``training_record_``. What such a fit gives depends on the speed of
      the machine; ``training_record_``, a flat dict of integers that JSON can hold, says where the clock had a
      say, and is empty where it had none. A fit with that record as ``replay`` looks at no clock, and does the
      same again, to the bit on the same machine.
    - A learner that did otherwise than its parameters say, because these led nowhere, has an attribute ``fallback_``
      that tells so in a clause, "" where it did not; the leaderboard and the report show it.
    - ``skops.io`` saves and loads it with nothing trusted beyond ``TRUSTED_TYPES``.
    - ``n_threads`` reaches every library that has a setting of its own; the others obey
      ``OMP_NUM_THREADS``, which the worker sets.

    A member writes `name`, `prepare` and `model`; a plug-in with a space of its own also overrides
    `space_for`. Modules beyond scikit-learn are imported inside those methods, so that listing the
    candidates stays quick.
    """

    name: ClassVar[str]
    """Registry name, and name of the search space."""

    reference: ClassVar[str] = ""
    """The paper behind the learner."""

    requires: ClassVar[str | None] = None
    """The module of an optional library that this candidate needs, if any."""

    extra: ClassVar[str | None] = None
    """The extra of autometa that installs it, if any."""

    tasks: ClassVar[frozenset[TaskType]] = frozenset(("binary", "multiclass", "regression"))
    """Task types that the candidate can learn."""

    effort: ClassVar[int] = 2
    """How long a fit of some thousand rows takes: 1 = tenths of a second, 2 = about one, 3 = several. A search tries
    the quicker ones of its first configurations first.
    """

    cost: ClassVar[FitCost | None] = None
    """What `fit_seconds` goes by; None goes by `effort`."""

    powers: ClassVar[Mapping[str, float]] = {}
    """With which power of a hyperparameter, relative to its default, the seconds of a fit grow. From the runs of the
    knowledge base: ``benchmarks/config_cost.py``.
    """

    plenty: ClassVar[Mapping[str, int | float]] = {}
    """Values beyond which a hyperparameter costs time and hardly helps; a warm start takes no more of it."""

    trusted_types: ClassVar[tuple[str, ...]] = ()
    """Full names of types in the fitted pipeline beyond ``TRUSTED_TYPES``, such as a plug-in's own estimator.

    A saved model is loaded with these trusted only where the candidate itself is installed.
    """

    native_missing: ClassVar[bool] = False
    """Whether the model itself takes missing numbers; where it does not, the preparation fills them."""

    native_categories: ClassVar[bool] = False
    """Whether the model itself splits categories into groups; where it does not, they become numbers."""

    stops_in_time: ClassVar[bool] = False
    """Whether the learner has a ``time_limit``: it then ends a fit early with what it has, instead of being killed."""

    bags: ClassVar[bool] = False
    """Whether the models of a cross-validation make a model refitted on all rows better when they stand beside it."""

    takes_weights: ClassVar[bool] = False
    """Whether rows can be weighed; where they cannot, weights raise."""

    takes_unlabelled: ClassVar[bool] = False
    """Whether the model's `fit` takes rows without a label as ``X_unlabelled``; the preparation then learns from them
    too, and needs no target.
    """

    def suits(self, dataset: Dataset) -> str | None:
        """Why the candidate takes part in a search of this table where the user has named none.

        Returns:
            A clause for the report; "" where nothing need be said, and None where the candidate stays away.
        """
        return ""

    def space_for(self, task: TaskType | None) -> SearchSpace:
        """The hyperparameters that exist for a task, without prefix; None gives those of all tasks."""
        return _shipped_space(self.name, task)

    @property
    def space(self) -> SearchSpace:
        """The candidate's own hyperparameters, without prefix, over all tasks."""
        return self.space_for(None)

    def available(self) -> bool:
        """Whether the library that the candidate needs is installed. Imports nothing."""
        return self.requires is None or importlib.util.find_spec(self.requires) is not None

    def fit_seconds(
        self, n_rows: int, n_columns: int, n_classes: int = 0, *, config: Mapping[str, ConfigValue] | None = None
    ) -> float:
        """Expected seconds of one fit, on one thread of a current processor.

        With the preparation, and with the prediction of a quarter as many rows. Good to a factor of about three
        for the defaults, which is enough to see what cannot end in time; `FitCost` has the formula,
        ``docs/benchmarks/fit_cost.md`` the measurements.

        Args:
            n_rows: Rows to fit.
            n_columns: Columns of the table, before preparation.
            n_classes: Classes; 0 for a regression.
            config: Hyperparameters without prefix; None means typical ones.
        """
        seconds = (self.cost or BY_EFFORT[self.effort]).seconds(n_rows, n_columns, n_classes)
        for name, power in self.powers.items():
            value, usual = (config or {}).get(name), self.space[name].default
            if isinstance(value, int | float) and isinstance(usual, int | float):
                seconds *= (value / usual) ** power
        return seconds

    def build(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int = 1) -> Pipeline:
        """Make the unfitted pipeline of a configuration.

        Args:
            config: Exactly the active hyperparameters of `space_for(schema.task)`, without prefix; those that were
                added later may be missing (`SearchSpace.up_to_date`).
            schema: The columns and the task that the pipeline will be fitted on.
            seed: Goes into every ``random_state``; 0 or more.
            n_threads: Threads that the model may use; 1 or more.

        Raises:
            InvalidConfigError: A name or a value lies outside the space.
            OptionError: The task is none of `tasks`, or the library in `requires` is not installed.
        """
        if schema.task not in self.tasks:
            fitting = ", ".join(sorted(self.tasks))
            raise OptionError(f"{self.name} learns {fitting} tasks, but this is a {schema.task} task.")
        if not self.available():
            package = f"'autometa[{self.extra}]'" if self.extra else self.requires
            raise OptionError(
                f"{self.name} needs {self.requires}, which is not installed. Install it with: pip install {package}."
            )
        space = self.space_for(schema.task)
        config = space.up_to_date(config)
        space.validate(config)
        prepare = self.prepare(config, schema=schema, seed=seed)
        model = self.model(config, schema=schema, seed=seed, n_threads=n_threads)
        return Pipeline([("prepare", prepare), ("model", model)])

    @abstractmethod
    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Turn the table into the array that the model takes; ``config`` has been validated."""

    @abstractmethod
    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """The unfitted model for ``schema.task``; ``config`` has been validated."""


@cache
def _shipped_space(name: str, task: TaskType | None) -> SearchSpace:
    return load_space(name, task=task)


def candidate_entry(member: type[Candidate]) -> Entry[Candidate]:
    """The registry entry of a candidate class: the first line of its docstring, and its abilities as tags.

    Tags: one per task type, ``native_missing``, ``native_categories``, ``takes_weights``, and ``requires`` (empty if
    nothing).
    """
    summary = (inspect.getdoc(member) or "").partition("\n")[0].removesuffix(".")
    tags: dict[str, str | bool] = {task: task in member.tasks for task in TASK_TYPES}
    tags |= {"native_missing": member.native_missing, "native_categories": member.native_categories}
    tags["takes_weights"] = member.takes_weights
    tags["requires"] = member.requires or ""
    return Entry(member.name, member, summary, member.reference, tags)


def member_config(config: Mapping[str, ConfigValue]) -> tuple[str, Config]:
    """Split a configuration of `tabular` into the candidate's name and its own configuration.

    Raises:
        InvalidConfigError: ``candidate`` is missing, or a name belongs to another candidate.
    """
    name = config.get("candidate")
    if not isinstance(name, str):
        raise InvalidConfigError(
            f"A configuration of 'tabular' names its candidate, but got candidate={name!r}. "
            "Add one, such as {'candidate': 'lightgbm', ...}."
        )
    prefix = f"{name}."
    rest = {key: value for key, value in config.items() if key != "candidate"}
    foreign = sorted(key for key in rest if not key.startswith(prefix))
    if foreign:
        raise InvalidConfigError(
            f"With candidate={name!r} every hyperparameter is named '{prefix}<name>', but got {foreign[0]!r}. Drop it."
        )
    return name, {key.removeprefix(prefix): value for key, value in rest.items()}
