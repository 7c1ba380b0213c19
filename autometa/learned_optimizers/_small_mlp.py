"""A small multi-layer perceptron over momenta at several time scales (Metz et al., 2019 to 2022)."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.learned_optimizers._base import LearnedOptimizer, RuleAbility, RuleOptions, Slots
from autometa.learned_optimizers._layout import Layout
from autometa.metatraining import seeded

DECAYS = (0.1, 0.5, 0.9, 0.99, 0.999, 0.9999)
TIMES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5)
_LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallMLPOptions(RuleOptions):
    """Hyperparameters of `SmallMLP`.

    Attributes:
        n_hidden: Units of each layer.
        n_layers: Hidden layers.
        scale: Of the update.
        magnitude_scale: Of its logarithm.
    """

    n_hidden: int = 32
    n_layers: int = 2
    scale: float = 1e-3
    magnitude_scale: float = 1e-3


class SmallMLP(LearnedOptimizer[SmallMLPOptions]):
    """A network without memory of its own, over gradient, weight and momenta at six time scales.

    Metz et al. (2019), *Understanding and correcting pathologies in the training of learned optimizers*, ICML,
    https://arxiv.org/abs/1810.10180, app. D, as in the ``MLPLOpt`` of Metz et al. (2022), *Practical tradeoffs between
    memory, compute, and performance in learned optimizers*, https://arxiv.org/abs/2203.11860: inputs are divided by
    their root mean square over the tensor, eleven saturating clocks say how far the training is, and two outputs are a
    direction and the logarithm of a length. Cheap, and steady over long horizons. Deviation: derivatives do not pass
    the normalization of the inputs.
    """

    name: ClassVar = "small_mlp"
    options_class: ClassVar = SmallMLPOptions
    ability: ClassVar = RuleAbility(
        paper="Metz et al. (2022), Practical tradeoffs between memory, compute, and performance in learned optimizers, "
        "arXiv:2203.11860",
        inputs="gradient, weight, six momenta, clocks",
    )

    def __init__(self, options: SmallMLPOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        n_in = 2 + len(DECAYS) + len(TIMES)
        with seeded(seed):
            sizes = [n_in, *[options.n_hidden] * options.n_layers, 2]
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        """All momenta are zero."""
        return {}, {"momenta": weights.new_zeros(*weights.shape, len(DECAYS))}

    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        """App. D: each input over its root mean square in the tensor, beside the clocks."""
        decays = gradients.new_tensor(DECAYS)
        momenta = decays * statistics["momenta"] + (1 - decays) * gradients.unsqueeze(-1)
        plain = torch.cat([gradients.unsqueeze(-1), weights.unsqueeze(-1), momenta], -1)
        squares = layout.mean_of_each(plain.square().movedim(-1, 0)).movedim(0, -1)
        clocks = (step / gradients.new_tensor(TIMES) - 1.0).tanh().expand(*gradients.shape, -1)
        return torch.cat([plain * (squares + _LEAST).rsqrt(), clocks], -1), {"momenta": momenta}

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        """A direction times the exponential of a magnitude."""
        x = signals
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        direction, magnitude = self.layers[-1](x).unbind(-1)
        length = (self.options.magnitude_scale * magnitude).exp()
        return weights - self.options.scale * direction * length, memory
