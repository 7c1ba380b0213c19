"""ANIL (Raghu et al., 2020): MAML whose inner loop adapts the last layer alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import functional_call, grad

from autometa.fewshot._base import Ability
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params


@dataclass(frozen=True, slots=True, kw_only=True)
class ANILOptions(GradientOptions):
    """Hyperparameters of `ANIL`."""

    inner_lr: float = 0.5
    n_inner_steps: int = 5
    n_inner_steps_test: int = 10


class ANIL(GradientLearner[ANILOptions]):
    """Learns features that are not adapted, and a last layer that is, by a few steps of gradient descent.

    Raghu, Raghu, Bengio, Vinyals (2020), *Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of
    MAML*, ICLR, https://arxiv.org/abs/1909.09157, sec. 4. The features still receive the outer gradient, through the
    adaptation of the last layer. As accurate as MAML on images, at a fraction of the cost. Deviations: none.
    """

    name: ClassVar = "anil"
    options_class: ClassVar = ANILOptions
    ability: ClassVar = Ability(
        family="optimization",
        paper="Raghu, Raghu, Bengio, Vinyals (2020), Rapid Learning or Feature Reuse?, arXiv:1909.09157",
        regression=True,
        any_way=False,
        order="second",
    )

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Sec. 4.1: the features once, then steps of the last layer."""
        prefix = "backbone."
        body = {name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)}
        features = functional_call(self.net.backbone, body, (x,))
        head = {name: value for name, value in params.items() if not name.startswith(prefix)}

        def loss(head: Params) -> Tensor:
            return self.loss(torch.nn.functional.linear(features, head["head.weight"], head["head.bias"]), y)

        for _ in range(n_steps):
            gradients = grad(loss)(head)
            head = {name: value - self.options.inner_lr * gradients[name] for name, value in head.items()}
        return {**params, **head}
