"""Whether a configuration lies in a space, and the nearest one that does."""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from autometa.errors import InvalidConfigError
from autometa.records import Config
from autometa.spaces._hyperparameter import Hyperparameter
from autometa.spaces._rules import did_you_mean
from autometa.spaces._text import condition_text
from autometa.spaces._values import plain

if TYPE_CHECKING:
    from autometa.spaces._space import SearchSpace


def is_inside(space: "SearchSpace", config: Mapping[str, object]) -> bool:
    """Whether a configuration has no problem; much quicker than looking for words for one."""
    active = space.active(config)
    return len(active) == len(config) and all(
        name in config and space[name].problem(config[name]) is None for name in active
    )


def problems(space: "SearchSpace", config: Mapping[str, object]) -> tuple[str, ...]:
    """See `SearchSpace.problems`."""
    found = []
    for one in space.hyperparameters:
        active = space.requirements.hold(one.name, config)
        if one.name in config:
            problem = one.problem(config[one.name]) if active else _why_inactive(one)
            found += [f"{one.name} {problem}"] if problem is not None else []
        elif active:
            found.append(f"{one.name} is missing (default {one.default!r})")
    return (*found, *(_why_unknown(space, name) for name in config if name not in space))


def project(space: "SearchSpace", config: Mapping[str, object]) -> tuple[Config, tuple[str, ...]]:
    """See `SearchSpace.project_with_changes`."""
    projected: Config = {}
    changes: list[str] = []
    for one in space.hyperparameters:
        given = one.name in config
        if not space.requirements.hold(one.name, projected):
            changes += [f"{one.name} dropped: it {_why_inactive(one)}"] if given else []
            continue
        if one.name in space.choices:
            _check_member(space, one, config)
        value = plain(config[one.name]) if given else one.default
        problem = one.problem(value) if given else "is missing"
        projected[one.name] = one.nearest(value)
        if problem is not None:
            changes.append(f"{one.name} set to {projected[one.name]!r}: it {problem}")
    changes += [f"{name} dropped: {_why_unknown(space, name)}" for name in config if name not in space]
    return projected, tuple(changes)


def _check_member(space: "SearchSpace", choice: Hyperparameter, config: Mapping[str, object]) -> None:
    """A member that the space does not have is near to none that it has."""
    known = ", ".join(choice.labels)
    if choice.name in config:
        named = config[choice.name]
        if choice.index(named) is None:
            hint = did_you_mean(named, choice.labels)
            raise InvalidConfigError(
                f"Nothing in space {space.name!r} is near {choice.name} = {named!r}.{hint} It has: {known}."
            )
        return
    orphans = [name for name in config if name in space and space.requirements.involve(name, choice.name)]
    if orphans:
        raise InvalidConfigError(
            f"A configuration of space {space.name!r} with {orphans[0]} must say which {choice.name} it belongs to. "
            f"Add {choice.name}, one of: {known}."
        )


def _why_inactive(one: Hyperparameter) -> str:
    return f"is inactive, since it exists only where {' and '.join(condition_text(part) for part in one.when)}"


def _why_unknown(space: "SearchSpace", name: object) -> str:
    near = difflib.get_close_matches(str(name), space.names, n=1)
    return f"{name} is unknown" + (f" (did you mean {near[0]}?)" if near else "")
