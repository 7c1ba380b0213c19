"""What the gradient family shares: a network, an inner loop over a support, an outer loss over queries.

Inner loops are written for one episode and vmapped over a batch of them: one pass for all tasks, without a Python loop.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from autometa.fewshot._backbones import BackboneSpec, NormMode, make_backbone
from autometa.fewshot._base import FewShotLearner, Form, Options, Recipe
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import seeded

Params = dict[str, Tensor]
_SMALL = 32  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class GradientOptions(Options):
    """Hyperparameters that inner loops share.

    Attributes:
        inner_lr: Learning rate of the inner loop.
        n_inner_steps: Steps in training.
        n_inner_steps_test: Steps of `FewShotLearner.adapt`.
    """

    inner_lr: float = 0.4
    n_inner_steps: int = 1
    n_inner_steps_test: int = 3


G = TypeVar("G", bound=GradientOptions)


class Network(nn.Module):
    """A backbone and a linear layer on it."""

    def __init__(self, form: Form, spec: BackboneSpec) -> None:
        super().__init__()
        self.backbone = make_backbone(form.shape, spec)
        with seeded(spec.seed + 1):
            self.head = nn.Linear(self.backbone.out_features, form.head)
        if form.n_way:
            nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor, n_reference: int | None = None) -> Tensor:
        """(n, \\*shape) to (n, n_way), or (n, n_outputs)."""
        found: Tensor = self.head(self.backbone(x, n_reference))
        return found


class GradientLearner(FewShotLearner[G]):
    """A network that learns an episode by a few steps of gradient descent; members say how.

    Members implement `inner`. What it is given and gives back are the parameters of `net` by name, those of one
    episode.
    """

    def __init__(self, form: Form, backbone: BackboneSpec, options: G) -> None:
        super().__init__(form, backbone, options)
        self.net = Network(form, backbone)

    @classmethod
    def usual_backbone(cls, form: Form) -> BackboneSpec:
        """Strides on small images, as MAML has them on Omniglot; normalized by the batch at hand."""
        spec = super().usual_backbone(form)
        small = len(form.shape) == 3 and min(form.shape[1:]) <= _SMALL
        norm: NormMode = "transductive" if form.n_way else "none"
        return replace(spec, norm=norm, downsample="stride" if small else "max")

    def take_backbone(self, other: FewShotLearner[Any]) -> None:
        """The linear layer begins at zero.

        Its first inner step then makes it a classifier by the classes' mean features, which are good ones already, and
        leaves these alone; a random layer would send random gradients through them.
        """
        super().take_backbone(other)
        nn.init.zeros_(self.net.head.weight)
        nn.init.zeros_(self.net.head.bias)

    @property
    def initial(self) -> Params:
        """The parameters of `net` that episodes start from."""
        return dict(self.net.named_parameters())

    @property
    def learned(self) -> Params:
        """Parameters beyond those of the network, such as learned learning rates."""
        return {name: value for name, value in self.named_parameters() if not name.startswith("net.")}

    @abstractmethod
    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Adapt to the support of one episode, differentiably as far as the algorithm goes.

        Args:
            params: Of `net`.
            learned: What else is meta-learned.
            x: Shape (n_support, \\*shape).
            y: Shape (n_support,).
            n_steps: How many steps.
        """

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Loss of the queries after the inner loop, averaged over episodes."""
        support = episodes.support
        each = vmap(self._outer, in_dims=(None, None, 0, 0, 0, 0))
        return each(self.initial, self.learned, support.x, support.y, episodes.x, episodes.y).mean()

    def _outer(self, params: Params, learned: Params, x: Tensor, y: Tensor, queries: Tensor, wanted: Tensor) -> Tensor:
        adapted = self.inner(params, learned, x, y, n_steps=self.options.n_inner_steps)
        return self.loss(self.answer(adapted, x, queries), wanted)

    def adapt(self, support: Support) -> Predictor:
        """Run the inner loop on the support of each episode."""
        self._check(support)
        initial = {name: value.detach() for name, value in self.initial.items()}
        learned = {name: value.detach() for name, value in self.learned.items()}

        def one(x: Tensor, y: Tensor) -> Params:
            return self.inner(initial, learned, x, y, n_steps=self.options.n_inner_steps_test)

        adapted = {name: value.detach() for name, value in vmap(one)(support.x, support.y).items()}

        def predict(x: Tensor) -> Tensor:
            return vmap(self.answer)(adapted, support.x, x)

        return predict

    def answer(self, params: Params, support: Tensor, queries: Tensor) -> Tensor:
        """What the network says of queries of one episode, with statistics from where the norm mode says."""
        if self.norm_mode == "support":
            n_support = len(support)
            both: Tensor = functional_call(self.net, params, (torch.cat([support, queries]), n_support))
            return both[n_support:]
        found: Tensor = functional_call(self.net, params, (queries,))
        return found

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Cross-entropy of labels, or squared error of numbers."""
        return F.mse_loss(outputs, y) if self.form.n_way == 0 else F.cross_entropy(outputs, y)

    def support_loss(self, params: Params, x: Tensor, y: Tensor) -> Tensor:
        """Loss of the support of one episode."""
        return self.loss(functional_call(self.net, params, (x,)), y)

    def gradients(self, params: Params, x: Tensor, y: Tensor, *, detached: bool = False) -> Params:
        """Of `support_loss`; ``detached`` lets no derivative through them."""
        found: Params = grad(self.support_loss)(params, x, y)
        return {name: value.detach() for name, value in found.items()} if detached else found

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """MAML's, which others of its kind keep to.

        Finn et al. (2017), app. A.1: meta-batches of 32 (16 of 20 ways), Adam; of regressions, sec. 5.1: 25 tasks of 10
        points.
        """
        if form.n_way == 0:
            return Recipe(n_way=0, n_shot=10, n_query=10, episodes_per_step=25, n_steps=70_000, schedule="constant")
        many = form.n_way > 10
        return Recipe(
            n_way=form.n_way,
            n_shot=form.n_shot,
            n_query=form.n_shot,
            episodes_per_step=16 if many else 32,
            n_steps=60_000,
            schedule="cosine",
        )
