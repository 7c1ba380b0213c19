"""MAML++ (Antoniou, Edwards, Storkey, 2019): what makes MAML train well."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from autometa.fewshot._backbones import BackboneSpec
from autometa.fewshot._base import Ability, FewShotLearner, Form, Recipe
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params


@dataclass(frozen=True, slots=True, kw_only=True)
class MAMLPlusPlusOptions(GradientOptions):
    """Hyperparameters of `MAMLPlusPlus`.

    Attributes:
        multi_step_share: Share of the training during which the losses after all inner steps count, less and less.
        first_order_share: Share of the training, from its beginning, that goes without second derivatives.
    """

    inner_lr: float = 0.1
    n_inner_steps: int = 5
    n_inner_steps_test: int = 5
    multi_step_share: float = 0.1
    first_order_share: float = 0.0


class MAMLPlusPlus(GradientLearner[MAMLPlusPlusOptions]):
    """MAML with losses after every step, learned rates per layer and step, and batch normalization per step.

    Antoniou, Edwards, Storkey (2019), *How to train your MAML*, ICLR, https://arxiv.org/abs/1810.09502: multi-step loss
    (sec. 4.1), derivative-order annealing (off by default, as in the released configurations), scales and biases of
    batch normalization per step (sec. 4.3) which are not adapted, learned learning rates per layer and step (sec. 4.4),
    a cosine schedule of the outer rate.

    Deviations: one model, where the paper's figures are of an ensemble of the five best; no running averages per step:
    the authors' code computes them, and normalizes by the batch all the same.
    """

    name: ClassVar = "maml_plus_plus"
    options_class: ClassVar = MAMLPlusPlusOptions
    ability: ClassVar = Ability(
        family="optimization",
        paper="Antoniou, Edwards, Storkey (2019), How to train your MAML, arXiv:1810.09502",
        regression=True,
        any_way=False,
        order="second",
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: MAMLPlusPlusOptions) -> None:
        super().__init__(form, backbone, options)
        n_steps = max(options.n_inner_steps, options.n_inner_steps_test)
        initial = self.initial
        self._norms = [name for name in initial if ".norm" in name]
        self.rates = nn.ParameterDict()
        self.step_norms = nn.ParameterDict()
        for name, value in initial.items():
            if name in self._norms:
                self.step_norms[_key(name)] = nn.Parameter(value.detach().repeat(n_steps + 1, 1))
            else:
                self.rates[_key(name)] = nn.Parameter(torch.full((n_steps,), options.inner_lr))
        for name in self._norms:
            self.net.get_parameter(name).requires_grad_(False)
        self._importance = self._weights(0.0)
        self._first_order = False

    def take_backbone(self, other: FewShotLearner[Any]) -> None:
        """The normalization of every step begins as the other's does."""
        super().take_backbone(other)
        with torch.no_grad():
            for name in self._norms:
                self.step_norms[_key(name)].copy_(self.net.get_parameter(name))

    def started(self, done: float) -> None:
        """Anneal the weights of the steps' losses, and the order of derivatives."""
        self._importance = self._weights(done / self.options.multi_step_share if self.options.multi_step_share else 1.0)
        self._first_order = done < self.options.first_order_share

    def _weights(self, done: float) -> list[float]:
        """Of the losses after each step: alike at first, only the last one when ``done`` reaches 1."""
        n = self.options.n_inner_steps
        early = max(0.0, 1.0 - done) / n
        return [*[early] * (n - 1), 1.0 - early * (n - 1)]

    def _outer(self, params: Params, learned: Params, x: Tensor, y: Tensor, queries: Tensor, wanted: Tensor) -> Tensor:
        total = queries.new_zeros(())
        params = self._at(params, learned, 0)
        for step in range(self.options.n_inner_steps):
            params = self._stepped(params, learned, x, y, step)
            if self._importance[step] > 0.0:
                loss = self.loss(self.answer(params, x, queries), wanted)
                total = total + self._importance[step] * loss
        return total

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Steps with the rates and the normalization of each."""
        params = self._at(params, learned, 0)
        for step in range(n_steps):
            params = self._stepped(params, learned, x, y, step)
        return params

    def _stepped(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, step: int) -> Params:
        gradients = self.gradients(params, x, y, detached=self._first_order)
        moved = {
            name: value if name in self._norms else value - learned[f"rates.{_key(name)}"][step] * gradients[name]
            for name, value in params.items()
        }
        return self._at(moved, learned, step + 1)

    def _at(self, params: Params, learned: Mapping[str, Tensor], step: int) -> Params:
        """With the normalization of a step."""
        return {
            name: learned[f"step_norms.{_key(name)}"][step] if name in self._norms else value
            for name, value in params.items()
        }

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Sec. 5.2: batches of 8 tasks, Adam, a cosine from 1e-3."""
        return Recipe(
            n_way=form.n_way,
            n_shot=form.n_shot if form.n_way else 10,
            n_query=1 if form.n_way else 10,
            episodes_per_step=8,
            n_steps=50_000,
            schedule="cosine",
        )


def _key(name: str) -> str:
    return name.replace(".", "/")
