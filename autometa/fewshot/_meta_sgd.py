"""Meta-SGD (Li et al., 2017): MAML that also learns a step for every weight."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from autometa.fewshot._backbones import BackboneSpec
from autometa.fewshot._base import Ability, Form
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params
from autometa.metatraining import generator_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaSGDOptions(GradientOptions):
    """Hyperparameters of `MetaSGD`.

    Attributes:
        lowest_rate: Least initial rate; they are drawn uniformly.
        highest_rate: Largest initial rate.
    """

    n_inner_steps: int = 1
    n_inner_steps_test: int = 1
    lowest_rate: float = 0.005
    highest_rate: float = 0.1


class MetaSGD(GradientLearner[MetaSGDOptions]):
    """Learns the initial weights and, for each of them, how far and in which direction to step.

    Li, Zhou, Chen, Li (2017), *Meta-SGD: Learning to Learn Quickly for Few-Shot Learning*,
    https://arxiv.org/abs/1707.09835, eq. 3: the gradient is multiplied elementwise by learned rates, which may become
    negative. One step does what MAML needs several for. Deviations: none; ``inner_lr`` is not used.
    """

    name: ClassVar = "meta_sgd"
    options_class: ClassVar = MetaSGDOptions
    ability: ClassVar = Ability(
        family="optimization",
        paper="Li, Zhou, Chen, Li (2017), Meta-SGD: Learning to Learn Quickly for Few-Shot Learning, arXiv:1707.09835",
        regression=True,
        any_way=False,
        order="second",
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: MetaSGDOptions) -> None:
        super().__init__(form, backbone, options)
        generator, spread = generator_of(backbone.seed, 2), options.highest_rate - options.lowest_rate
        self.rates = nn.ParameterDict()
        for name, value in self.initial.items():
            rates = options.lowest_rate + spread * torch.rand(value.shape, generator=generator)
            self.rates[name.replace(".", "/")] = nn.Parameter(rates)

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Eq. 3."""
        for _ in range(n_steps):
            gradients = self.gradients(params, x, y)
            params = {
                name: value - learned[f"rates.{name.replace('.', '/')}"] * gradients[name]
                for name, value in params.items()
            }
        return params
