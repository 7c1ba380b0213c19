"""Adam with learned hyperparameters: the simplest learned optimizer, and a baseline for the others."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from autometa.learned_optimizers._base import LearnedOptimizer, RuleAbility, RuleOptions, Slots
from autometa.learned_optimizers._layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedAdamOptions(RuleOptions):
    """What `LearnedAdam` begins its own training with.

    Attributes:
        lr: Learning rate.
        beta1: Decay of the mean of gradients.
        beta2: Decay of their mean square.
        epsilon: Added to its root.
        power: The rate of step t is ``lr / (1 + t) ** power``.
    """

    lr: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.99
    epsilon: float = 1e-6
    power: float = 0.0


class LearnedAdam(LearnedOptimizer[LearnedAdamOptions]):
    """Adam whose rate, decays and epsilon are learned, and how its rate falls.

    Kingma, Ba (2015), *Adam*, https://arxiv.org/abs/1412.6980, with hyperparameters by descent on the loss of whole
    optimizations (Maclaurin, Duvenaud, Adams, 2015, *Gradient-based Hyperparameter Optimization through Reversible
    Learning*, https://arxiv.org/abs/1502.03492). Five numbers hardly overfit: take it where optimizees differ much.
    """

    name: ClassVar = "adam"
    options_class: ClassVar = LearnedAdamOptions
    ability: ClassVar = RuleAbility(
        paper="Kingma, Ba (2015), Adam, arXiv:1412.6980; Maclaurin, Duvenaud, Adams (2015), arXiv:1502.03492",
        inputs="gradient",
    )

    def __init__(self, options: LearnedAdamOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        self.log_lr = nn.Parameter(torch.tensor(math.log(options.lr)))
        self.logit_beta1 = nn.Parameter(torch.tensor(_logit(options.beta1)))
        self.logit_beta2 = nn.Parameter(torch.tensor(_logit(options.beta2)))
        self.log_epsilon = nn.Parameter(torch.tensor(math.log(options.epsilon)))
        self.power = nn.Parameter(torch.tensor(options.power))

    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        """No gradient was seen; the averages are memory, for derivatives by the decays go through them."""
        zeros = torch.zeros_like(weights)
        return {"mean": zeros, "square": zeros}, {}

    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        """The gradient."""
        return gradients.unsqueeze(-1), statistics

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        """Algorithm 1."""
        gradients = signals.squeeze(-1)
        beta1, beta2 = self.logit_beta1.sigmoid(), self.logit_beta2.sigmoid()
        mean = beta1 * memory["mean"] + (1 - beta1) * gradients
        square = beta2 * memory["square"] + (1 - beta2) * gradients.square()
        rate = self.log_lr.exp() / (1.0 + step) ** self.power
        # The root's derivative at zero is infinite, so epsilon stands inside too.
        root = (square / (1 - beta2 ** (step + 1)) + 1e-24).sqrt() + self.log_epsilon.exp()
        return weights - rate * mean / (1 - beta1 ** (step + 1)) / root, {"mean": mean, "square": square}


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
