"""Hyperparameters from Optuna's distributions."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from autometa.errors import SpaceError
from autometa.records import ConfigValue
from autometa.spaces._hyperparameter import Hyperparameter, HyperparameterType
from autometa.spaces._rules import did_you_mean

if TYPE_CHECKING:
    import optuna


def hyperparameters(
    distributions: Mapping[str, "optuna.distributions.BaseDistribution"], defaults: Mapping[str, ConfigValue]
) -> tuple[Hyperparameter, ...]:
    """See `SearchSpace.from_distributions`."""
    for name in defaults:
        if name not in distributions:
            raise SpaceError(
                f"A default is given for {name!r}, which no distribution has.{did_you_mean(name, distributions)}"
            )
    made = []
    for name, distribution in distributions.items():
        one = _hyperparameter(name, distribution, defaults.get(name), given=name in defaults)
        made.append(one)
    return tuple(made)


def _hyperparameter(
    name: str, distribution: "optuna.distributions.BaseDistribution", default: ConfigValue, *, given: bool
) -> Hyperparameter:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        return Hyperparameter(name, "categorical", default if given else choices[0], choices=choices)
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise SpaceError(
            f"{name!r} must be an Optuna distribution (Float, Int or Categorical), but got {distribution!r}."
        )
    is_int = isinstance(distribution, IntDistribution)
    low, high, log = distribution.low, distribution.high, distribution.log
    step = None if is_int and distribution.step == 1 else distribution.step
    kind: HyperparameterType = "int" if is_int else "float"
    corner = Hyperparameter(name, kind, low, low, high, log, step)
    middle = corner.nearest(math.sqrt(low) * math.sqrt(high) if log else low + (high - low) / 2)
    return Hyperparameter(name, kind, default if given else middle, low, high, log, step)
