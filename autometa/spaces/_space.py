"""A search space: named hyperparameters, the conditions between them, and everything done with their values."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from autometa.errors import InvalidConfigError, SpaceError
from autometa.records import TASK_TYPES, Config, ConfigValue, TaskType
from autometa.spaces import _composition, _encoding, _judging, _narrowing, _rows, _text
from autometa.spaces._conditions import Requirements, check_conditions
from autometa.spaces._hyperparameter import Hyperparameter
from autometa.spaces._rules import RuleError, did_you_mean

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, eq=False, repr=False)
class SearchSpace:
    """Named hyperparameters with conditions; immutable, equal and hashable by content, picklable.

    Load one with `load_space`, or make one with `from_dict`, `from_distributions` or `compose`. A
    configuration of the space is a dict with exactly the active hyperparameters: those whose conditions
    hold. Inactive ones are absent, never None, since None is a value of its own.

    Attributes:
        name: A file name without suffix; what the knowledge base files runs under.
        hyperparameters: All of them, parents before children.
        summary: What it is, in a line.
        reference: Where it comes from.
        tasks: Task types that it fits.
        requires: The module that whoever builds from it needs, if any.
        choice: In a composed space, the hyperparameter that names the member; else None.
        members: In a composed space, the members' own spaces, without prefix.

    Raises:
        SpaceError: A rule is broken, such as a condition on a hyperparameter that comes later.
    """

    name: str
    hyperparameters: tuple[Hyperparameter, ...]
    summary: str = ""
    reference: str = ""
    tasks: tuple[TaskType, ...] = TASK_TYPES
    requires: str | None = None
    choice: str | None = None
    members: tuple["SearchSpace", ...] = ()

    def __post_init__(self) -> None:
        try:
            _check_name(self.name)
            check_conditions(self.hyperparameters)
        except RuleError as error:
            raise RuleError(error.rule, error.path, f"space {self.name!r}") from None

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any], *, task: TaskType | None = None) -> "SearchSpace":
        """Make a space of what a YAML file would hold, conditions included.

        The members of a ``compose`` entry are names of shipped spaces, or dictionaries like this one.

        >>> space = SearchSpace.from_dict({"name": "mine", "hyperparameters": {
        ...     "lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True, "default": 0.01}}})
        >>> space.default()
        {'lr': 0.01}

        Args:
            entries: ``hyperparameters`` or ``compose``; besides them name (default "custom"), summary,
                reference, tasks, requires.
            task: Keep only what exists for this task type; None keeps all.

        Raises:
            SpaceError: A rule is broken; the message says where.
        """
        from autometa.spaces._load import from_dict

        space = from_dict(entries)
        return space if task is None else space.for_task(task)

    @classmethod
    def from_yaml(cls, path: str | PathLike[str], *, task: TaskType | None = None) -> "SearchSpace":
        """Read a space from a YAML file; its members may lie in the same folder.

        Raises:
            SpaceError: There is no such file, or a rule is broken; the message names the line.
        """
        from autometa.spaces._load import from_file

        space = from_file(path)
        return space if task is None else space.for_task(task)

    @classmethod
    def from_distributions(
        cls,
        distributions: Mapping[str, "optuna.distributions.BaseDistribution"],
        *,
        name: str = "custom",
        defaults: Mapping[str, ConfigValue] | None = None,
    ) -> "SearchSpace":
        """Make a space of plain Optuna distributions, without conditions.

        Args:
            distributions: By hyperparameter name.
            name: The space's name.
            defaults: Default values; where missing, the middle of a range or the first choice.

        Raises:
            SpaceError: A distribution or a default cannot be used; the message names it.
        """
        from autometa.spaces._optuna import hyperparameters

        return cls(name, hyperparameters(distributions, defaults or {}))

    @classmethod
    def compose(
        cls,
        name: str,
        members: Sequence["SearchSpace"],
        *,
        choice: str = "candidate",
        default: str | None = None,
        summary: str = "",
        reference: str = "",
    ) -> "SearchSpace":
        """Join spaces under a choice between them: ``C`` of the member ``svm`` becomes ``svm.C``.

        Args:
            name: Name of the composed space.
            members: The spaces to choose from; their names must differ.
            choice: Name of the hyperparameter that names the member.
            default: Default member; None, or one that is not there, takes the first.
            summary: What it is, in a line.
            reference: Where the idea comes from.

        Raises:
            SpaceError: There is no member, or two have the same name.
        """
        flat = _composition.flatten(name, members, choice=choice, default=default)
        tasks = tuple(task for task in TASK_TYPES if any(task in member.tasks for member in members))
        return cls(name, flat, summary, reference, tasks, None, choice, tuple(members))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    def __reduce__(self) -> tuple[Any, ...]:
        parts = (self.name, self.hyperparameters, self.summary, self.reference, self.tasks, self.requires)
        return type(self), (*parts, self.choice, self.members)

    def __repr__(self) -> str:
        members = f", {len(self.members)} members" if self.members else ""
        return f"SearchSpace({self.name!r}, {len(self.hyperparameters)} hyperparameters{members})"

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Hyperparameter:
        """The hyperparameter of that name; an unknown one raises `InvalidConfigError` with the nearest."""
        try:
            return self._by_name[name]
        except KeyError:
            hint = did_you_mean(name, self.names)
            raise InvalidConfigError(f"Space {self.name!r} has no hyperparameter {name!r}.{hint}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all hyperparameters, in order."""
        return tuple(self._by_name)

    @property
    def member_names(self) -> tuple[str, ...]:
        """Names of the members of a composed space."""
        return tuple(member.name for member in self.members)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what a search depends on: names, types, ranges, defaults and conditions.

        Summaries, references and task types do not count, so that better words do not change it.
        """
        return hashlib.sha256(json.dumps([self.name, *map(_matter, self.hyperparameters)]).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """What a YAML file would hold, as plain values; the inverse of `from_dict`."""
        return _text.to_dict(self)

    def describe(self) -> str:
        """A table for people: each hyperparameter with its type, range, default and conditions."""
        return _text.describe(self)

    def default(self) -> Config:
        """The default configuration."""
        return self._walk(lambda one: one.default)

    def sample(self, rng: np.random.Generator) -> Config:
        """A configuration drawn uniformly, on the logarithmic scale where a range has one."""
        return self._walk(lambda one: one.sample(rng))

    def suggest(self, trial: "optuna.trial.BaseTrial") -> Config:
        """Ask an Optuna trial for a configuration, define-by-run.

        Optuna's parameter names are the hyperparameters' own, so a configuration can be enqueued as it is.
        """
        return self._walk(lambda one: one.suggest(trial))

    def distributions(self) -> dict[str, "optuna.distributions.BaseDistribution"]:
        """Every hyperparameter's Optuna distribution, of all branches."""
        return {one.name: one.distribution() for one in self.hyperparameters}

    def active(self, config: Mapping[str, object]) -> tuple[str, ...]:
        """Names of the hyperparameters whose conditions hold in a configuration, in order."""
        return self.requirements.active(config)

    def problems(self, config: Mapping[str, object]) -> tuple[str, ...]:
        """Everything that keeps a configuration from being in the space, in words; empty if it is in it."""
        return _judging.problems(self, config)

    def validate(self, config: Mapping[str, object]) -> None:
        """Check that a configuration has exactly the active hyperparameters, each inside its range.

        Types count: True is not 1, and 1.0 is no int; an int is fine where a float is asked for.

        Raises:
            InvalidConfigError: It has not; the message says everything that is wrong.
        """
        if not isinstance(config, Mapping):
            raise InvalidConfigError(f"A configuration is a dict of values by name, but got {config!r}.")
        if not _judging.is_inside(self, config):
            raise InvalidConfigError(
                f"The configuration is not in space {self.name!r}: {'; '.join(self.problems(config))}. "
                "SearchSpace.project gives the nearest one that is."
            )

    def project(self, config: Mapping[str, object]) -> Config:
        """The nearest configuration in the space: old runs, other ranges, missing and surplus names.

        Numbers move to the nearest allowed one, unknown categories and missing names take the default,
        inactive and unknown names are dropped.

        Raises:
            InvalidConfigError: In a composed space, the member is unknown or not named: nothing is near.
        """
        return self.project_with_changes(config)[0]

    def project_with_changes(self, config: Mapping[str, object]) -> tuple[Config, tuple[str, ...]]:
        """`project`, and what it changed, in words; empty where the configuration was in the space.

        Raises:
            InvalidConfigError: As `project`.
        """
        return _judging.project(self, config)

    def encode(self, configs: Sequence[Mapping[str, ConfigValue]]) -> npt.NDArray[np.float64]:
        """Configurations as numbers in [0, 1], for models and distances.

        A numeric hyperparameter takes one column, logarithmic where its range is; a categorical one a one-hot block.
        NaN = inactive. `feature_names` names the columns.

        Args:
            configs: Configurations of the space.

        Returns:
            Array of shape (len(configs), len(feature_names())).

        Raises:
            InvalidConfigError: One of them is not in the space.
        """
        return _encoding.encode(self, configs)

    def feature_names(self) -> tuple[str, ...]:
        """Names of `encode`'s columns, such as ``svm.C`` and ``svm.kernel=rbf``."""
        return _encoding.feature_names(self)

    def key(self, config: Mapping[str, ConfigValue]) -> str:
        """A canonical text: equal for equal configurations, different for different ones."""
        known = self._by_name
        said = {name: known[name].canonical(value) if name in known else value for name, value in config.items()}
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_spelt)

    def from_row(self, row: Mapping[str, object]) -> Config:
        """The configuration in a row of a knowledge base, which has a column for every hyperparameter.

        Inactive hyperparameters are left out; None stays where it is a choice of an active one. One without a value has
        that of `Hyperparameter.before`, or is left out, too. Values take their hyperparameter's type (a nullable int
        column may have become float) but are not judged: `validate` or `project` comes next.

        Args:
            row: Values by name; NumPy's and pandas' scalars and nulls are fine, other names are ignored.
        """
        return _rows.from_row(self, row)

    def up_to_date(self, config: Mapping[str, Any]) -> Config:
        """An old configuration with the values that hyperparameters had before they were added, and no others."""
        return _rows.up_to_date(self, config)

    def to_row(self, config: Mapping[str, ConfigValue]) -> Config:
        """A configuration with None for every inactive hyperparameter; `from_row` is the inverse."""
        return {name: config.get(name) for name in self._by_name}

    def restrict(self, limits: Mapping[str, Sequence[ConfigValue]]) -> "SearchSpace":
        """A part of the space: some of a hyperparameter's choices, or a narrower range.

        Children that can no longer be active disappear; a default that fell out moves to the nearest or first value.

        Args:
            limits: By name: the choices that stay, or ``(low, high)`` for a numeric hyperparameter.

        Raises:
            SpaceError: A name or a choice is unknown, or nothing would be left.
        """
        return _narrowing.restrict(self, limits)

    def for_task(self, task: TaskType) -> "SearchSpace":
        """The part of the space that exists for a task type.

        Raises:
            SpaceError: Nothing of it fits the task.
        """
        return _narrowing.for_task(self, task)

    def branch(self, member: str) -> "SearchSpace":
        """The own space of a member of a composed space, without prefix.

        Raises:
            SpaceError: There is no such member.
        """
        for one in self.members:
            if one.name == member:
                return one
        hint = did_you_mean(member, self.member_names)
        available = ", ".join(self.member_names) or "none, it is not composed"
        raise SpaceError(f"Space {self.name!r} has no member {member!r}.{hint} Members: {available}.")

    def strip(self, config: Mapping[str, ConfigValue]) -> Config:
        """A member's own configuration, from one of the composed space: without choice and prefix.

        Raises:
            InvalidConfigError: The configuration is not in the space, or the space is not composed.
        """
        return _composition.strip(self, config)

    def add_prefix(self, member: str, config: Mapping[str, ConfigValue]) -> Config:
        """A configuration of the composed space, from a member's own; the inverse of `strip`.

        Raises:
            SpaceError: There is no such member.
            InvalidConfigError: The configuration is not in the member's space.
        """
        return _composition.add_prefix(self, member, config)

    @cached_property
    def _by_name(self) -> dict[str, Hyperparameter]:
        return {one.name: one for one in self.hyperparameters}

    @cached_property
    def requirements(self) -> Requirements:
        """What each hyperparameter needs of its ancestors to be active."""
        return Requirements(self.hyperparameters)

    @cached_property
    def choices(self) -> frozenset[str]:
        """Names of the hyperparameters that name a member: `choice`, and those of members that are composed."""
        own = [self.choice] if self.choice is not None else []
        nested = [f"{member.name}.{name}" for member in self.members for name in member.choices]
        return frozenset((*own, *nested))

    @cached_property
    def _content(self) -> str:
        return json.dumps(self.to_dict())

    def _walk(self, pick: Callable[[Hyperparameter], ConfigValue]) -> Config:
        config: Config = {}
        for one in self.hyperparameters:
            if self.requirements.hold(one.name, config):
                config[one.name] = pick(one)
        return config


def _matter(one: Hyperparameter) -> list[object]:
    return [one.name, {key: value for key, value in one.to_dict().items() if key not in ("tasks", "reference")}]


def _spelt(value: object) -> object:
    """How a key spells what JSON cannot: NumPy's scalars as plain values."""
    return value.item() if isinstance(value, np.generic) else repr(value)


def _check_name(name: object) -> None:
    allowed = isinstance(name, str) and name.strip("._-") and name.isascii()
    if not allowed or not all(letter.isalnum() or letter in "._-" for letter in str(name)):
        raise RuleError(f"a space's name has letters, digits and . _ - only, but got {name!r}.", ("name",))
