"""The Meta-Learner LSTM (Ravi, Larochelle, 2017) as an optimizer."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from autometa.learned_optimizers._base import LearnedOptimizer, RuleAbility, RuleOptions, Slots
from autometa.learned_optimizers._layout import Layout
from autometa.metatraining import GatedState, GatedUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaLearnerOptions(RuleOptions):
    """Hyperparameters of `MetaLearner`.

    Attributes:
        n_hidden: Units of the LSTM that reads.
    """

    n_hidden: int = 20


class MetaLearner(LearnedOptimizer[MetaLearnerOptions]):
    """A learning rate and a decay for every weight and step, from gates that an LSTM reads off gradient and loss.

    Ravi, Larochelle (2017), *Optimization as a Model for Few-Shot Learning*, ICLR, eq. 2 and 3. The rule is the one of
    the few-shot learner of this name, which learns the initial weights too. It starts out as gradient descent with a
    rate of about 0.01. Updates are multiples of the gradient, so it wants optimizees of a scale it has seen.
    """

    name: ClassVar = "meta_learner_lstm"
    options_class: ClassVar = MetaLearnerOptions
    ability: ClassVar = RuleAbility(
        paper="Ravi, Larochelle (2017), Optimization as a Model for Few-Shot Learning, ICLR",
        inputs="gradient, loss, weight",
        needs_loss=True,
    )

    def __init__(self, options: MetaLearnerOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        self.rule = GatedUpdate(options.n_hidden, seed)

    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        """Open forget gates, closed input gates."""
        state = self.rule.start(weights)
        return {"hidden": state.hidden, "cell": state.memory, "gates": state.gates.movedim(0, -1)}, {}

    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        """Gradient and loss."""
        assert loss is not None
        return torch.stack([gradients, loss.unsqueeze(-1).expand_as(gradients)], -1), statistics

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        """Eq. 2."""
        state = GatedState(memory["hidden"], memory["cell"], memory["gates"].movedim(-1, 0))
        gradients, losses = signals.unbind(-1)
        weights, state = self.rule(weights, gradients, losses, state)
        return weights, {"hidden": state.hidden, "cell": state.memory, "gates": state.gates.movedim(0, -1)}
