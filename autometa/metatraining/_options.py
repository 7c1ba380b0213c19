"""Hyperparameters of members of a registry, by name."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from autometa.errors import OptionError

AnyOptions = TypeVar("AnyOptions")


def options_of(name: str, options_class: type[AnyOptions], given: Mapping[str, Any] | None) -> AnyOptions:
    """The options of a member, those that are not given at their defaults.

    Args:
        name: Of the member, for the error.
        options_class: A dataclass.
        given: By name.

    Raises:
        OptionError: It has no such option.
    """
    known = {field.name for field in fields(options_class)}  # type: ignore[arg-type]
    if unknown := sorted(set(given or {}) - known):
        raise OptionError(f"{name} has no option {unknown[0]!r}. Known: {', '.join(sorted(known)) or 'none'}.")
    return options_class(**(given or {}))
