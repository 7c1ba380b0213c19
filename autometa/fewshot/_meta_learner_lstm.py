"""Meta-Learner LSTM (Ravi, Larochelle, 2017): an LSTM whose cell state is the learner's weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import grad_and_value

from autometa.fewshot._backbones import BackboneSpec, seeded
from autometa.fewshot._base import Ability, Form, Recipe
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params
from autometa.fewshot._recurrent import LSTMCell

PRECISION = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaLearnerLSTMOptions(GradientOptions):
    """Hyperparameters of `MetaLearnerLSTM`; there is no ``inner_lr``: the input gate is one.

    Attributes:
        n_hidden: Units of the first layer.
    """

    n_inner_steps: int = 8
    n_inner_steps_test: int = 8
    n_hidden: int = 20


def preprocessed(x: Tensor, precision: float = PRECISION) -> Tensor:
    """Logarithm and sign of numbers of all magnitudes, (...) to (..., 2).

    Andrychowicz et al. (2016), app. A; the two cases meet at exp(-precision).
    """
    size = x.abs()
    large = size >= math.exp(-precision)
    logarithm = size.clamp_min(math.exp(-precision)).log() / precision
    first = torch.where(large, logarithm, -torch.ones_like(x))
    second = torch.where(large, x.sign(), x * math.exp(precision))
    return torch.stack([first, second], -1)


class MetaLearnerLSTM(GradientLearner[MetaLearnerLSTMOptions]):
    """Updates the weights of a network by an LSTM: its cell state are the weights, its gates the rates.

    Ravi, Larochelle (2017), *Optimization as a Model for Few-Shot Learning*, ICLR, eq. 3 to 5: the input gate is a
    learning rate and the forget gate a decay, each from the gradient, the loss, the weight and the gate before it. All
    coordinates share one LSTM of two layers, each with a state of its own, and the first cell state is learned: it is
    the initialization. Gradients and losses count as inputs, without derivatives of their own.

    Statistics of batch normalization are those of the batch at hand while it adapts; for queries those of the support
    (``norm="support"``), which is what the authors' running averages over the support come to. Deviations: gates are
    fed back after their sigmoid, as eq. 3 has them, not before it as in the code; all coordinates start with the same
    gates.
    """

    name: ClassVar = "meta_learner_lstm"
    options_class: ClassVar = MetaLearnerLSTMOptions
    ability: ClassVar = Ability(
        family="optimization",
        paper="Ravi, Larochelle (2017), Optimization as a Model for Few-Shot Learning, ICLR",
        regression=True,
        any_way=False,
        order="first",
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: MetaLearnerLSTMOptions) -> None:
        super().__init__(form, backbone, options)
        with seeded(backbone.seed + 2):
            self.reader = LSTMCell(4, options.n_hidden, options.n_hidden)
            for weight in self.reader.parameters():
                nn.init.uniform_(weight, -0.01, 0.01)
            self.gates = nn.Linear(options.n_hidden + 2, 2)
            nn.init.uniform_(self.gates.weight, -0.01, 0.01)
            with torch.no_grad():
                self.gates.bias[0].uniform_(4.0, 5.0)  # forget gate: keep
                self.gates.bias[1].uniform_(-5.0, -4.0)  # input gate: a small rate

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Eq. 2: a step of the LSTM per look at the support."""
        sizes = [value.numel() for value in params.values()]
        weights = torch.cat([value.flatten() for value in params.values()])
        n = len(weights)
        hidden = memory = weights.new_zeros(n, self.options.n_hidden)
        gates = torch.stack([weights.new_ones(n), weights.new_zeros(n)])  # forget, input
        for _ in range(n_steps):
            at = self._unflat(weights, params, sizes)
            gradients, loss = grad_and_value(self.support_loss)(at, x, y)
            flat = torch.cat([gradients[name].flatten() for name in params]).detach()
            seen = torch.cat([preprocessed(flat), preprocessed(loss.detach()).expand(n, 2)], -1)
            hidden, memory = self._read(learned, seen, hidden, memory)
            gates = self._gate(learned, hidden, weights, gates)
            weights = gates[0] * weights - gates[1] * flat
        return self._unflat(weights, params, sizes)

    def _read(
        self, learned: Mapping[str, Tensor], seen: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        own = {name.removeprefix("reader."): value for name, value in learned.items() if name.startswith("reader.")}
        out, cell = torch.func.functional_call(self.reader, own, (seen, hidden, memory))
        return out, cell

    def _gate(self, learned: Mapping[str, Tensor], hidden: Tensor, weights: Tensor, gates: Tensor) -> Tensor:
        """Eq. 3: forget and input gate from what was read, the weight, and the gate before; shape (2, n)."""
        found = []
        for i in range(2):
            inputs = torch.cat([hidden, torch.stack([weights, gates[i]], -1)], -1)
            found.append(inputs @ learned["gates.weight"][i] + learned["gates.bias"][i])
        return torch.stack(found).sigmoid()

    @staticmethod
    def _unflat(weights: Tensor, like: Params, sizes: list[int]) -> Params:
        parts = torch.split(weights, sizes)
        return {name: part.view(like[name].shape) for (name, part) in zip(like, parts, strict=True)}

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Sec. 5.1: one episode a step, 15 queries, Adam, clipped at 0.25."""
        return Recipe(
            n_way=form.n_way,
            n_shot=form.n_shot if form.n_way else 10,
            n_query=15 if form.n_way else 10,
            episodes_per_step=4,
            n_steps=20_000,
            clip_value=0.25,
        )
