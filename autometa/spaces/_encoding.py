"""Configurations as numbers in [0, 1]."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from autometa.records import ConfigValue
from autometa.spaces._hyperparameter import Hyperparameter

if TYPE_CHECKING:
    from autometa.spaces._space import SearchSpace


def feature_names(space: "SearchSpace") -> tuple[str, ...]:
    """See `SearchSpace.feature_names`."""
    names: list[str] = []
    for one in space.hyperparameters:
        names += [f"{one.name}={label}" for label in one.labels] if one.type == "categorical" else [one.name]
    return tuple(names)


def encode(space: "SearchSpace", configs: Sequence[Mapping[str, ConfigValue]]) -> npt.NDArray[np.float64]:
    """See `SearchSpace.encode`."""
    rows: dict[str, list[int]] = {name: [] for name in space.names}
    for row, config in enumerate(configs):
        space.validate(config)
        for name in config:
            rows[name].append(row)
    encoded = np.full((len(configs), len(feature_names(space))), np.nan)
    start = 0
    for one in space.hyperparameters:
        width = len(one.choices) or 1
        values = [configs[row][one.name] for row in rows[one.name]]
        encoded[rows[one.name], start : start + width] = _block(one, values)
        start += width
    return encoded


def _block(one: Hyperparameter, values: list[ConfigValue]) -> npt.NDArray[np.float64]:
    """Shape (len(values), 1), or (len(values), len(choices)) for a categorical hyperparameter."""
    if one.type != "categorical":
        return one.unit(np.asarray(values, dtype=np.float64))[:, None]
    block = np.zeros((len(values), len(one.choices)))
    positions = [one.index(value) for value in values]
    block[np.arange(len(values)), np.asarray(positions, dtype=np.intp)] = 1.0
    return block
