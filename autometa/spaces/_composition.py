"""One space of several, under a choice between them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from autometa.errors import InvalidConfigError
from autometa.records import Config, ConfigValue
from autometa.spaces._hyperparameter import Condition, Hyperparameter
from autometa.spaces._rules import RuleError

if TYPE_CHECKING:
    from autometa.spaces._space import SearchSpace


def flatten(
    name: str, members: Sequence["SearchSpace"], *, choice: str, default: str | None
) -> tuple[Hyperparameter, ...]:
    """The choice, then every member's hyperparameters under its prefix.

    Raises:
        RuleError: There is no member, or a member's name cannot be a prefix.
    """
    names = _member_names(name, members)
    flat = [Hyperparameter(choice, "categorical", default if default in names else names[0], choices=names)]
    for member in members:
        selected = Condition(choice, (member.name,))
        flat += [_prefixed(one, member.name, selected) for one in member.hyperparameters]
    return tuple(flat)


def strip(space: "SearchSpace", config: Mapping[str, ConfigValue]) -> Config:
    """See `SearchSpace.strip`."""
    if space.choice is None:
        raise InvalidConfigError(f"Space {space.name!r} is not composed, so there is no prefix to strip.")
    space.validate(config)
    prefix = f"{config[space.choice]}."
    return {name.removeprefix(prefix): value for name, value in config.items() if name != space.choice}


def add_prefix(space: "SearchSpace", member: str, config: Mapping[str, ConfigValue]) -> Config:
    """See `SearchSpace.add_prefix`."""
    space.branch(member).validate(config)
    head: Config = {} if space.choice is None else {space.choice: member}
    return head | {f"{member}.{name}": value for name, value in config.items()}


def _member_names(name: str, members: Sequence["SearchSpace"]) -> tuple[str, ...]:
    owner = f"space {name!r}"
    names: list[str] = []
    for position, member in enumerate(members):
        path = ("compose", "members", position)
        if member.name in names:
            raise RuleError(f"a member may stand there once, but got {member.name!r} again.", path, owner)
        if "." in member.name:
            raise RuleError(f"a member's name has no dot, but got {member.name!r}.", path, owner)
        names.append(member.name)
    if not names:
        raise RuleError("a composed space needs at least one member.", ("compose", "members"), owner)
    return tuple(names)


def _prefixed(one: Hyperparameter, member: str, selected: Condition) -> Hyperparameter:
    own = tuple(Condition(f"{member}.{condition.parent}", condition.values) for condition in one.when)
    return replace(one, name=f"{member}.{one.name}", when=(selected, *own))
