"""Ten-dimensional quadratics (Andrychowicz et al., 2016, sec. 3.1)."""

from typing import ClassVar

import torch
from torch import Tensor

from autometa.learned_optimizers._layout import Params
from autometa.learned_optimizers._problems import Batch, Optimizees, Problems, Split, normal_params


class Quadratic(Optimizees):
    """Quadratics in ten dimensions, as in the first paper.

    Andrychowicz et al. (2016), sec. 3.1: f(theta) = ||W theta - y||^2 with W and y independent and standard normal;
    theta begins at N(0, 0.01^2).

    Args:
        n_dimensions: Of theta.
    """

    name: ClassVar = "quadratic"

    def __init__(self, *, n_dimensions: int = 10) -> None:
        self.n_dimensions = n_dimensions

    @property
    def description(self) -> dict[str, int | float | str]:
        """Name and dimensions."""
        return {"name": self.name, "n_dimensions": self.n_dimensions}

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        """W and y of each problem; they are its data at every step."""
        n = self.n_dimensions
        data = {
            "W": torch.randn(n_problems, n, n, generator=generator).to(self.device),
            "y": torch.randn(n_problems, n, generator=generator).to(self.device),
        }
        params = normal_params({"theta": (n,)}, n_problems, 0.01, generator)
        return Problems({name: value.to(self.device) for name, value in params.items()}, _loss, lambda step: data)


def _loss(params: Params, data: Batch) -> Tensor:
    return (data["W"] @ params["theta"] - data["y"]).square().sum()
