"""The format of a space: dictionaries in, checked spaces out, and where each mistake stands."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

from autometa.errors import SpaceError
from autometa.records import TASK_TYPES, TaskType
from autometa.spaces._checks import TYPES
from autometa.spaces._hyperparameter import Condition, Hyperparameter
from autometa.spaces._rules import Path, RuleError, did_you_mean, sentence
from autometa.spaces._space import SearchSpace

_SPACE_KEYS = ("name", "summary", "reference", "tasks", "requires", "hyperparameters", "compose")
_HYPERPARAMETER_KEYS = (
    *("type", "low", "high", "log", "step", "choices", "default", "before", "when", "tasks", "reference"),
)
_COMPOSE_KEYS = ("choice", "default", "members")

Resolve = Callable[[str], SearchSpace]
"""Finds the space of a member by name; raises SpaceError, or KeyError where there is none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where entries were written: a file with its lines, or a dictionary."""

    source: str
    base: Path = ()
    lines: Mapping[Path, int] = field(default_factory=dict)

    def at(self, *path: str | int) -> "Place":
        """The place of a part."""
        return Place(self.source, (*self.base, *path), self.lines)

    def fail(self, rule: str, path: Path = ()) -> NoReturn:
        """Raise `SpaceError` with the file and the line, or with the path inside the dictionary."""
        full = (*self.base, *path)
        known = next((full[:n] for n in range(len(full), -1, -1) if full[:n] in self.lines), None)
        source = self.source if known is None else f"{self.source}:{self.lines[known]}"
        raise SpaceError(sentence(source, full, rule)) from None


def build(entries: object, place: Place, resolve: Resolve, *, fallback_name: str = "custom") -> SearchSpace:
    """Make a space of what a file or a dictionary says.

    Args:
        entries: Plain values.
        place: Where they were written.
        resolve: Finds members that are given by name.
        fallback_name: Name of a space that says none.

    Raises:
        SpaceError: A rule is broken.
    """
    space = _mapping(entries, place, "a space")
    _check_keys(space, _SPACE_KEYS, place)
    if ("hyperparameters" in space) == ("compose" in space):
        both = "got both" if "compose" in space else "got neither"
        place.fail(f"a space has either hyperparameters or compose, but {both}.")
    head = {key: _text(space, key, place) for key in ("name", "summary", "reference", "requires") if key in space}
    name = head.get("name", fallback_name)
    try:
        if "compose" in space:
            return _composed(name, space, place, resolve)
        listed = _mapping(space["hyperparameters"], place.at("hyperparameters"), "hyperparameters")
        return SearchSpace(
            name,
            tuple(_hyperparameter(key, entry, place.at("hyperparameters", key)) for key, entry in listed.items()),
            head.get("summary", ""),
            head.get("reference", ""),
            _tasks(space, place),
            head.get("requires"),
        )
    except RuleError as error:
        place.fail(error.rule, error.path)


def _hyperparameter(name: str, entries: object, place: Place) -> Hyperparameter:
    said = _mapping(entries, place, "a hyperparameter")
    _check_keys(said, _HYPERPARAMETER_KEYS, place)
    for key in ("type", "default"):
        if key not in said:
            place.fail(f"a hyperparameter needs a {key}, but has none. Add {key}: ...")
    if said["type"] not in TYPES:
        hint = did_you_mean(said["type"], TYPES)
        place.fail(f"type must be float, int or categorical, but got {said['type']!r}.{hint}", ("type",))
    try:
        return Hyperparameter(
            name,
            said["type"],
            said["default"],
            **{key: said[key] for key in ("low", "high", "log", "step", "before") if key in said},
            choices=tuple(_listed(said, "choices", place)),
            when=_conditions(said, place),
            tasks=_tasks(said, place),
            reference=_text(said, "reference", place),
        )
    except RuleError as error:
        place.fail(error.rule, error.path)


def _conditions(said: Mapping[str, Any], place: Place) -> tuple[Condition, ...]:
    when = _mapping(said.get("when", {}), place.at("when"), "when")
    if "when" in said and not when:
        place.fail("a condition names a parent and its values, but got none. Drop when.", ("when",))
    return tuple(Condition(parent, tuple(_listed(when, parent, place.at("when")))) for parent in when)


def _composed(name: str, space: Mapping[str, Any], place: Place, resolve: Resolve) -> SearchSpace:
    inside = place.at("compose")
    said = _mapping(space["compose"], inside, "compose")
    _check_keys(said, _COMPOSE_KEYS, inside)
    for key in _COMPOSE_KEYS:
        if key not in said:
            inside.fail(f"compose needs {', '.join(_COMPOSE_KEYS)}, but has no {key}. Add {key}: ...")
    for key in ("tasks", "requires"):
        if key in space:
            place.fail(f"a composed space has the {key} of its members. Drop {key}.", (key,))
    entries = _listed(said, "members", inside)
    members = [_member(entry, inside.at("members", position), resolve) for position, entry in enumerate(entries)]
    default = _text(said, "default", inside)
    names = [member.name for member in members]
    if names and default not in names:
        inside.fail(f"the default must be a member, but got {default!r}.{did_you_mean(default, names)}", ("default",))
    return SearchSpace.compose(
        name,
        members,
        choice=_text(said, "choice", inside),
        default=default,
        summary=_text(space, "summary", place),
        reference=_text(space, "reference", place),
    )


def _member(entry: object, place: Place, resolve: Resolve) -> SearchSpace:
    if isinstance(entry, Mapping):
        if "name" not in entry:
            place.fail("a member needs a name, but has none. Add name: ...")
        return build(entry, place, resolve)
    if not isinstance(entry, str):
        place.fail(f"a member is a space's name or its entries, but got {entry!r}.")
    try:
        return resolve(entry)
    except KeyError as error:
        place.fail(str(error.args[0]))


def _mapping(value: object, place: Place, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        place.fail(f"{what} must be entries of the form key: value, but got {value!r}.")
    for key in value:
        if not isinstance(key, str):
            place.fail(f"a key must be a text, but got {key!r}.")
    return value


def _listed(said: Mapping[str, Any], key: str, place: Place) -> list[Any]:
    value = said.get(key, [])
    if not isinstance(value, list | tuple):
        place.fail(f"{key} must be a list, but got {value!r}. Write [{value}].", (key,))
    return list(value)


def _text(said: Mapping[str, Any], key: str, place: Place) -> str:
    value = said.get(key, "")
    if not isinstance(value, str) or (key in said and not value.strip()):
        place.fail(f"{key} must be a text, but got {value!r}.", (key,))
    return value


def _tasks(said: Mapping[str, Any], place: Place) -> tuple[TaskType, ...]:
    if "tasks" not in said:
        return TASK_TYPES
    tasks = _listed(said, "tasks", place)
    if not tasks:
        place.fail(f"tasks must name at least one of {', '.join(TASK_TYPES)}, but got none.", ("tasks",))
    for position, task in enumerate(tasks):
        if task not in TASK_TYPES or task in tasks[:position]:
            known, hint = ", ".join(TASK_TYPES), did_you_mean(task, TASK_TYPES) if task not in TASK_TYPES else ""
            place.fail(f"tasks must be some of {known}, each once, but got {task!r}.{hint}", ("tasks", position))
    return cast("tuple[TaskType, ...]", tuple(tasks))


def _check_keys(said: Mapping[str, Any], known: Collection[str], place: Place) -> None:
    for key in said:
        if key not in known:
            hint = did_you_mean(key, known)
            place.fail(f"there is no key {key!r}.{hint} Known: {', '.join(known)}.", (key,))
