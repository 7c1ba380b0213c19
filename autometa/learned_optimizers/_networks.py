"""Small networks as optimizees: what they compute, and where they start."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from autometa.errors import OptionError
from autometa.learned_optimizers._layout import Params
from autometa.learned_optimizers._problems import normal_params

Activation = Literal["sigmoid", "relu", "tanh"]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"sigmoid": torch.sigmoid, "relu": F.relu, "tanh": torch.tanh}


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceptron:
    """A multi-layer perceptron.

    Attributes:
        n_in: Inputs.
        n_out: Outputs.
        width: Units of a hidden layer.
        depth: Hidden layers.
        activation: Of these.
        spread: Standard deviation of the first weights; 0 takes 1 / sqrt(inputs of the layer), and biases of zero.
    """

    n_in: int
    n_out: int
    width: int = 20
    depth: int = 1
    activation: Activation = "sigmoid"
    spread: float = 0.01

    def __post_init__(self) -> None:
        """Values must be possible."""
        if min(self.n_in, self.n_out, self.width) < 1 or self.depth < 0:
            raise OptionError(f"Width is at least 1 and depth at least 0, but got {self.width} and {self.depth}.")
        if self.activation not in ACTIVATIONS:
            raise OptionError(f"activation is one of {', '.join(ACTIVATIONS)}, but got {self.activation!r}.")

    @property
    def _sizes(self) -> list[int]:
        return [self.n_in, *[self.width] * self.depth, self.n_out]

    def start(self, n_problems: int, generator: torch.Generator) -> Params:
        """Weights (n_problems, n_out, n_in) and biases (n_problems, n_out) of each layer."""
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (a, b) in enumerate(pairwise(self._sizes)):
            shapes |= {f"weight{i}": (b, a), f"bias{i}": (b,)}
        params = normal_params(shapes, n_problems, self.spread or 1.0, generator)
        if not self.spread:
            for i, (a, _) in enumerate(pairwise(self._sizes)):
                params[f"weight{i}"] *= 1 / math.sqrt(a)
                params[f"bias{i}"] *= 0.0
        return params

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        """(n, n_in) to (n, n_out)."""
        last = len(self._sizes) - 2
        for i in range(last + 1):
            x = F.linear(x, params[f"weight{i}"], params[f"bias{i}"])
            x = ACTIVATIONS[self.activation](x) if i < last else x
        return x


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallConvNet:
    """Two 3 x 3 convolutions with ReLU and max pooling, and a linear layer.

    Attributes:
        channels: Of the images.
        size: Their width and height.
        n_out: Outputs.
        width: Channels of a layer.
    """

    channels: int
    size: int
    n_out: int
    width: int = 8

    def start(self, n_problems: int, generator: torch.Generator) -> Params:
        """He et al.'s initialization."""
        n_flat = self.width * (self.size // 4) ** 2
        shapes: dict[str, tuple[int, ...]] = {
            "conv0": (self.width, self.channels, 3, 3),
            "conv_bias0": (self.width,),
            "conv1": (self.width, self.width, 3, 3),
            "conv_bias1": (self.width,),
            "weight": (self.n_out, n_flat),
            "bias": (self.n_out,),
        }
        params = normal_params(shapes, n_problems, 1.0, generator)
        fans = {"conv0": 9 * self.channels / 2, "conv1": 9 * self.width / 2, "weight": n_flat}
        for name in params:
            params[name] *= 1 / math.sqrt(fans[name]) if name in fans else 0.0
        return params

    def outputs(self, params: Params, x: Tensor) -> Tensor:
        """(n, channels, size, size) to (n, n_out)."""
        for i in range(2):
            x = F.conv2d(x, params[f"conv{i}"], params[f"conv_bias{i}"], padding=1)
            x = F.relu(F.max_pool2d(x, 2))
        return F.linear(x.flatten(1), params["weight"], params["bias"])
