"""Parameters as one vector: what is done to every coordinate is done to all at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Params = dict[str, Tensor]
"""Parameters of an optimizee by name, perhaps with a leading dimension over many optimizees."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which coordinates belong to which parameter.

    Attributes:
        shapes: Of each parameter by name, without leading dimensions.
    """

    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, params: Mapping[str, Tensor], n_leading: int = 0) -> "Layout":
        """That of parameters which have ``n_leading`` dimensions before their own."""
        return cls({name: tuple(value.shape[n_leading:]) for name, value in params.items()})

    @property
    def sizes(self) -> list[int]:
        """Coordinates of each parameter."""
        return [torch.Size(shape).numel() for shape in self.shapes.values()]

    @property
    def n_coordinates(self) -> int:
        """Of all parameters."""
        return sum(self.sizes)

    def flat(self, params: Mapping[str, Tensor]) -> Tensor:
        """Parameters as (..., n_coordinates)."""
        parts = []
        for name, shape in self.shapes.items():
            leading = params[name].shape[: params[name].ndim - len(shape)]
            parts.append(params[name].reshape(*leading, -1))
        return torch.cat(parts, -1)

    def named(self, vector: Tensor) -> Params:
        """(..., n_coordinates) as parameters; views, not copies."""
        parts = torch.split(vector, self.sizes, -1)
        shaped = zip(self.shapes.items(), parts, strict=True)
        return {name: part.view((*vector.shape[:-1], *shape)) for (name, shape), part in shaped}

    def mean_of_each(self, vector: Tensor) -> Tensor:
        """The mean over each parameter at every one of its coordinates, (..., n_coordinates) to the same."""
        sizes = torch.tensor(self.sizes, device=vector.device)
        which = torch.arange(len(self.sizes), device=vector.device).repeat_interleave(sizes)
        sums = vector.new_zeros(*vector.shape[:-1], len(self.sizes)).index_add(-1, which, vector)
        return (sums / sizes).index_select(-1, which)
