"""Reptile (Nichol, Achiam, Schulman, 2018): move towards where tasks end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.func import vmap

from autometa.fewshot._backbones import BackboneSpec
from autometa.fewshot._base import Ability, Form, Recipe
from autometa.fewshot._episodes import Episodes
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params

_EPSILON = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class ReptileOptions(GradientOptions):
    """Hyperparameters of `Reptile`.

    Attributes:
        inner_batch_size: Items of a training step.
        inner_batch_size_test: Items of a step of `Reptile.adapt`.
        inner_optimizer: What takes the steps; algorithm 1 leaves the choice. Adam is what the paper measured. SGD, with
            a rate of about 0.1, is for a learner that begins with a trained backbone: however small its gradients have
            become, Adam moves each weight by the learning rate, which unlearns the features sooner than it adapts them.
        beta2: Of the inner Adam; its beta1 is 0.
    """

    inner_lr: float = 1e-3
    n_inner_steps: int = 5
    n_inner_steps_test: int = 50
    inner_batch_size: int = 10
    inner_batch_size_test: int = 5
    inner_optimizer: Literal["adam", "sgd"] = "adam"
    beta2: float = 0.999


class Reptile(GradientLearner[ReptileOptions]):
    """Trains on a task by some steps of Adam, or of SGD, then moves the initial weights a part of the way there.

    Nichol, Achiam, Schulman (2018), *On First-Order Meta-Learning Algorithms*, https://arxiv.org/abs/1803.02999,
    algorithm 2. Needs no second derivatives, and no queries in training: those of an episode join its support.
    `meta_loss` is half the squared distance to the adapted weights, whose gradient is the step that the paper takes; an
    outer SGD with a rate of 1 that falls to 0 interpolates as the paper does.

    Adam's first moment is off (beta1 = 0), and its second moments go on from task to task, as in the authors' code;
    here they are averaged over the tasks of a step, which run at once. Queries are normalized by their own batch where
    ``norm="transductive"``. Deviation: with ``norm="support"`` by the support's statistics, where the authors classify
    each query in one batch with the support.
    """

    name: ClassVar = "reptile"
    options_class: ClassVar = ReptileOptions
    ability: ClassVar = Ability(
        family="optimization",
        paper="Nichol, Achiam, Schulman (2018), On First-Order Meta-Learning Algorithms, arXiv:1803.02999",
        regression=True,
        any_way=False,
        order="first",
    )
    n_taken: Tensor

    def __init__(self, form: Form, backbone: BackboneSpec, options: ReptileOptions) -> None:
        super().__init__(form, backbone, options)
        for name, value in self.initial.items():
            self.register_buffer(_moment(name), torch.zeros_like(value))
        self.register_buffer("n_taken", torch.zeros(()))

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Half the squared distance to the mean of the adapted weights; eq. 1's step is minus its gradient."""
        x = torch.cat([episodes.support.x, episodes.x], 1)
        y = torch.cat([episodes.support.y, episodes.y], 1)
        initial, options = self.initial, self.options
        start = {name: value.detach() for name, value in initial.items()}

        def one(x: Tensor, y: Tensor) -> tuple[Params, Params]:
            return self._train(start, x, y, options.n_inner_steps, options.inner_batch_size)

        adapted, moments = vmap(one)(x, y)
        with torch.no_grad():
            for name, value in moments.items():
                getattr(self, _moment(name)).copy_(value.mean(0))
            self.n_taken += options.n_inner_steps
        apart = [(initial[name] - value.mean(0).detach()).square().sum() for name, value in adapted.items()]
        return 0.5 * torch.stack(apart).sum()

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Steps on batches of the support, in its order and from its beginning again."""
        return self._train(params, x, y, n_steps, self.options.inner_batch_size_test)[0]

    def _train(self, params: Params, x: Tensor, y: Tensor, n_steps: int, size: int) -> tuple[Params, Params]:
        """Adam with beta1 = 0 from its kept second moments, or SGD; adapted weights and moments."""
        moments = {name: getattr(self, _moment(name)) for name in params}
        lr, beta2, taken, n_items = self.options.inner_lr, self.options.beta2, self.n_taken, len(x)
        for step in range(n_steps):
            batch = [(step * size + i) % n_items for i in range(min(size, n_items))]
            gradients = self.gradients(params, x[batch], y[batch], detached=True)
            if self.options.inner_optimizer == "sgd":
                params = {name: value - lr * gradients[name] for name, value in params.items()}
                continue
            taken = taken + 1
            correction = 1 - beta2**taken
            moments = {name: beta2 * value + (1 - beta2) * gradients[name].square() for name, value in moments.items()}
            params = {
                name: value - lr * gradients[name] / ((moments[name] / correction).sqrt() + _EPSILON)
                for name, value in params.items()
            }
        return params, moments

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Table 3: ten shots, five tasks a step, the outer rate from 1 to 0."""
        n_way = form.n_way
        return Recipe(
            n_way=n_way, n_shot=5, n_query=5, episodes_per_step=5, n_steps=100_000, optimizer="sgd", lr=1.0,
            schedule="linear",
        )  # fmt: skip


def _moment(name: str) -> str:
    return f"moment_{name.replace('.', '_')}"
