"""Meta-Learner LSTM (Ravi, Larochelle, 2017): an LSTM whose cell state is the learner's weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value

from autometa.fewshot._backbones import BackboneSpec
from autometa.fewshot._base import Ability, Form, Recipe
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params
from autometa.metatraining import GatedUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaLearnerLSTMOptions(GradientOptions):
    """Hyperparameters of `MetaLearnerLSTM`; there is no ``inner_lr``: the input gate is one.

    Attributes:
        n_hidden: Units of the first layer.
    """

    n_inner_steps: int = 8
    n_inner_steps_test: int = 8
    n_hidden: int = 20


class MetaLearnerLSTM(GradientLearner[MetaLearnerLSTMOptions]):
    """Updates the weights of a network by an LSTM: its cell state are the weights, its gates the rates.

    Ravi, Larochelle (2017), *Optimization as a Model for Few-Shot Learning*, ICLR, eq. 3 to 5: the input gate is a
    learning rate and the forget gate a decay, each from the gradient, the loss, the weight and the gate before it. All
    coordinates share one LSTM of two layers, each with a state of its own, and the first cell state is learned: it is
    the initialization. Gradients and losses count as inputs, without derivatives of their own. The rule itself is
    `autometa.metatraining.GatedUpdate`.

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
        self.rule = GatedUpdate(options.n_hidden, backbone.seed + 2)

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Eq. 2: a step of the LSTM per look at the support."""
        sizes = [value.numel() for value in params.values()]
        weights = torch.cat([value.flatten() for value in params.values()])
        state = self.rule.start(weights)
        own = {name.removeprefix("rule."): value for name, value in learned.items()}
        for _ in range(n_steps):
            gradients, loss = grad_and_value(self.support_loss)(self._unflat(weights, params, sizes), x, y)
            flat = torch.cat([gradients[name].flatten() for name in params])
            weights, state = functional_call(self.rule, own, (weights, flat, loss, state))
        return self._unflat(weights, params, sizes)

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
