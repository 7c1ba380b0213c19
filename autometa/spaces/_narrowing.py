"""Smaller spaces from larger ones: fewer choices, narrower ranges, one task type."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from autometa.errors import SpaceError
from autometa.records import ConfigValue, TaskType
from autometa.spaces._conditions import merge_conditions
from autometa.spaces._hyperparameter import Condition, Hyperparameter
from autometa.spaces._rules import did_you_mean
from autometa.spaces._values import plain

if TYPE_CHECKING:
    from autometa.spaces._space import SearchSpace

Limits = Mapping[str, Sequence[ConfigValue]]


def for_task(space: "SearchSpace", task: TaskType) -> "SearchSpace":
    """See `SearchSpace.for_task`."""
    if task not in space.tasks:
        raise SpaceError(f"Space {space.name!r} fits {', '.join(space.tasks)} tasks, but this is a {task} task.")
    if space.members:
        return _with_members(space, [for_task(member, task) for member in space.members if task in member.tasks])
    kept = [one for one in space.hyperparameters if task in one.tasks]
    return replace(space, hyperparameters=without_dead(kept), tasks=(task,))


def restrict(space: "SearchSpace", limits: Limits) -> "SearchSpace":
    """See `SearchSpace.restrict`."""
    for name in limits:
        if name not in space:
            hint = did_you_mean(name, space.names)
            raise SpaceError(f"Space {space.name!r} has no hyperparameter {name!r} to restrict.{hint}")
    if space.members:
        return _restrict_members(space, limits)
    narrowed = [_narrow(one, limits[one.name]) if one.name in limits else one for one in space.hyperparameters]
    return replace(space, hyperparameters=without_dead(narrowed))


def keep_members(space: "SearchSpace", names: Iterable[str]) -> "SearchSpace":
    """A composed space with only the named members, in the space's own order.

    Raises:
        SpaceError: A name is unknown, or none is left.
    """
    wanted = [space.branch(name).name for name in names]
    if not wanted:
        raise SpaceError(f"Space {space.name!r} needs at least one member, but none was named.")
    return _with_members(space, [member for member in space.members if member.name in wanted])


def without_dead(hyperparameters: Sequence[Hyperparameter]) -> tuple[Hyperparameter, ...]:
    """Those that can still be active, their conditions reduced to what their parents can still be."""
    alive: dict[str, Hyperparameter] = {}
    needs: dict[str, dict[str, tuple[ConfigValue, ...]]] = {}
    for one in hyperparameters:
        if any(condition.parent not in alive for condition in one.when):
            continue
        when = tuple(_possible(condition, alive[condition.parent]) for condition in one.when)
        merged = merge_conditions(when, needs)
        if all(merged.values()):
            alive[one.name] = one if when == one.when else replace(one, when=when)
            needs[one.name] = merged
    return tuple(alive.values())


def _possible(condition: Condition, parent: Hyperparameter) -> Condition:
    return Condition(condition.parent, tuple(value for value in condition.values if parent.problem(value) is None))


def _with_members(space: "SearchSpace", members: Sequence["SearchSpace"]) -> "SearchSpace":
    head = space.hyperparameters[0]
    return type(space).compose(
        space.name,
        members,
        choice=head.name,
        default=str(head.default),
        summary=space.summary,
        reference=space.reference,
    )


def _restrict_members(space: "SearchSpace", limits: Limits) -> "SearchSpace":
    head = space.hyperparameters[0]
    kept = _narrow(head, limits[head.name]).choices if head.name in limits else head.choices
    members = []
    for member in space.members:
        if member.name in kept:
            prefix = f"{member.name}."
            own = {name.removeprefix(prefix): limits[name] for name in limits if name.startswith(prefix)}
            members.append(restrict(member, own) if own else member)
    return _with_members(space, members)


def _narrow(one: Hyperparameter, limit: Sequence[ConfigValue]) -> Hyperparameter:
    if isinstance(limit, str) or not isinstance(limit, Sequence):
        wanted = "(low, high)" if one.type != "categorical" else "a list of choices"
        raise SpaceError(f"{one.name} is restricted by {wanted}, but got {limit!r}.")
    limit = [plain(value) for value in limit]
    if one.type != "categorical":
        return _narrow_range(one, limit)
    positions = {one.index(value) for value in limit}
    unknown = [value for value in limit if one.index(value) is None]
    if unknown or not positions:
        what = f"has no choice {unknown[0]!r}" if unknown else "needs at least one choice"
        hint = did_you_mean(unknown[0], one.labels) if unknown else ""
        raise SpaceError(f"{one.name} {what}.{hint} Its choices: {', '.join(one.labels)}.")
    choices = tuple(choice for position, choice in enumerate(one.choices) if position in positions)
    default = one.default if one.index(one.default) in positions else choices[0]
    return replace(one, choices=choices, default=default)


def _narrow_range(one: Hyperparameter, limit: Sequence[ConfigValue]) -> Hyperparameter:
    ends = [end for end in limit if isinstance(end, int | float) and not isinstance(end, bool) and end == end]
    if len(limit) != 2 or len(ends) != 2:
        raise SpaceError(f"{one.name} is restricted by (low, high), but got {tuple(limit)!r}.")
    start, stop = one.bounds
    low, high = max(ends[0], start), min(ends[1], stop)
    if low <= high and (one.type == "int" or one.step is not None):
        step = one.step or 1
        low = start + step * math.ceil((low - start) / step - 1e-8)
        high = start + step * math.floor((high - start) / step + 1e-8)
    if low > high:
        raise SpaceError(f"Nothing of {one.name} {one.range_text} lies within {tuple(limit)!r}.")
    low, high = (cast("float", one.nearest(end)) for end in (low, high))
    narrowed = replace(one, low=low, high=high, default=low)
    return replace(narrowed, default=narrowed.nearest(one.default))
