"""RNNProp (Lv, Jiang, Li, 2017): an LSTM that sees what Adam and RMSprop see."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.learned_optimizers._base import LearnedOptimizer, RuleAbility, RuleOptions, Slots
from autometa.learned_optimizers._cells import Cells
from autometa.learned_optimizers._layout import Layout
from autometa.metatraining import seeded

_EPSILON = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class RNNPropOptions(RuleOptions):
    """Hyperparameters of `RNNProp`.

    Attributes:
        n_hidden: Units of each layer.
        n_layers: Layers.
        decay: Of both moving averages.
        scale: Largest update of a coordinate.
    """

    n_hidden: int = 20
    n_layers: int = 2
    decay: float = 0.95
    scale: float = 0.1


class RNNProp(LearnedOptimizer[RNNPropOptions]):
    """A recurrent network that reads gradients as Adam and RMSprop scale them, and writes bounded updates.

    Lv, Jiang, Li (2017), *Learning Gradient Descent: Better Generalization and Longer Horizons*, ICML,
    https://arxiv.org/abs/1703.03633, sec. 4. Its inputs do not depend on the scale of the loss, so it does on networks
    and horizons that it was not trained on, which the plain LSTM does not. Train it with random scaling. Deviations:
    the trick of adding convex functions (sec. 3.2) is left out.
    """

    name: ClassVar = "rnnprop"
    options_class: ClassVar = RNNPropOptions
    ability: ClassVar = RuleAbility(
        paper="Lv, Jiang, Li (2017), Learning Gradient Descent: Better Generalization and Longer Horizons, "
        "arXiv:1703.03633",
        inputs="gradient and momentum, normalized",
    )

    def __init__(self, options: RNNPropOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        with seeded(seed):
            self.enter = nn.Linear(2, options.n_hidden)
            self.cells = Cells(options.n_hidden, options.n_hidden, options.n_layers)
            self.out = nn.Linear(options.n_hidden, 1)
        nn.init.zeros_(self.out.bias)

    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        """All units are silent, and no gradient was seen."""
        zeros = torch.zeros_like(weights)
        return self.cells.silent(weights), {"mean": zeros, "square": zeros}

    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        """Eq. 7 and 8: momentum and gradient over the root of the mean square, both without their initial bias."""
        decay = self.options.decay
        mean = decay * statistics["mean"] + (1 - decay) * gradients
        square = decay * statistics["square"] + (1 - decay) * gradients.square()
        unbiased = 1 - decay ** (step + 1)
        root = (square / unbiased).sqrt() + _EPSILON
        signals = torch.stack([mean / unbiased / root, gradients / root], -1)
        return signals, {"mean": mean, "square": square}

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        """Sec. 4.2: the output passes a tanh."""
        hidden, memory = self.cells(F.elu(self.enter(signals)), memory)
        return weights + self.options.scale * self.out(hidden).squeeze(-1).tanh(), memory
