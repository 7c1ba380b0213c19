"""Configurations from rows of a table, where types were widened and inactive is null."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from autometa.records import Config, ConfigValue
from autometa.spaces._hyperparameter import Hyperparameter
from autometa.spaces._values import plain

if TYPE_CHECKING:
    from autometa.spaces._space import SearchSpace


def from_row(space: "SearchSpace", row: Mapping[str, object]) -> Config:
    """See `SearchSpace.from_row`."""
    config: Config = {}
    judged: Config = {}  # conditions see the default where an active value is missing, as `project` will
    for one in space.hyperparameters:
        if not space.requirements.hold(one.name, judged):
            continue
        value = row.get(one.name)
        if not is_null(value):
            config[one.name] = judged[one.name] = _typed(one, value)
        elif one.index(None) is not None:
            config[one.name] = judged[one.name] = None
        elif one.before is not None:
            config[one.name] = judged[one.name] = one.before
        else:
            judged[one.name] = one.default
    return config


def up_to_date(space: "SearchSpace", config: Mapping[str, Any]) -> Config:
    """See `SearchSpace.up_to_date`."""
    whole: Config = dict(config)
    for one in space.hyperparameters:
        if one.before is not None and one.name not in whole and space.requirements.hold(one.name, whole):
            whole[one.name] = one.before
    return whole


def is_null(value: object) -> bool:
    """Whether a value is None, NaN, or pandas' NA or NaT."""
    if value is None:
        return True
    if isinstance(value, str | bool | int):
        return False
    differs = value != value
    return differs is True or not isinstance(differs, bool | np.bool_) or bool(differs)


def _typed(one: Hyperparameter, value: object) -> ConfigValue:
    """The value in its hyperparameter's type, where that loses nothing; otherwise as it is."""
    value = plain(value)
    if one.type == "categorical":
        return _choice(one, value)
    if one.type == "int" and isinstance(value, float) and value.is_integer():
        return int(value)
    if one.type == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return cast("ConfigValue", value)


def _choice(one: Hyperparameter, value: object) -> ConfigValue:
    """The choice that a value stands for: 1.0 for 1 or True, "1" for 1 where a text column held both."""
    if one.index(value) is not None:
        return cast("ConfigValue", value)
    for choice in one.choices:
        if not isinstance(choice, str) and (value == choice or value == str(choice)):
            return choice
    return cast("ConfigValue", value)
