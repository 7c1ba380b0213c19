"""Baselines that are no meta-learners: features of a plain classifier, then a simple rule for new classes."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.errors import OptionError
from autometa.fewshot._backbones import BackboneSpec, make_backbone
from autometa.fewshot._base import Ability, AnyOptions, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import class_means, embed_each, squared_distances
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import seeded

_MOMENTUM = 0.01


class _Pretrained(FewShotLearner[AnyOptions]):
    """Learns to tell all classes of the training set, from support and queries alike."""

    mean: Tensor

    def __init__(self, form: Form, backbone: BackboneSpec, options: AnyOptions) -> None:
        super().__init__(form, backbone, options)
        if form.n_base < 1:
            raise OptionError(
                f"{self.name} learns all classes of the training set: n_base must say how many there are."
            )
        self.backbone = make_backbone(form.shape, backbone)
        with seeded(backbone.seed + 1):
            self.classifier = nn.Linear(self.backbone.out_features, form.n_base)
        self.register_buffer("mean", torch.zeros(self.backbone.out_features))

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Cross-entropy of the classes themselves."""
        if episodes.classes is None:
            raise OptionError(f"{self.name} must be told which classes the labels of an episode stand for.")
        y = torch.cat([episodes.support.y, episodes.y], 1)
        items = torch.cat([episodes.support.x, episodes.x], 1).flatten(0, 1)
        features = self.backbone(items)
        if self.training:
            with torch.no_grad():
                self.mean.lerp_(features.detach().mean(0), _MOMENTUM)
        return F.cross_entropy(self.classifier(features), episodes.classes.gather(1, y).flatten())

    def features(self, x: Tensor) -> Tensor:
        """(n_episodes, n, \\*shape) to (n_episodes, n, n_features)."""
        return embed_each(self.backbone, x)

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Batches of 64 classes, two items each."""
        return Recipe(n_way=64, n_shot=1, n_query=1, n_steps=8_000, schedule="cosine")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleShotOptions(Options):
    """There is nothing to choose but the backbone."""


class SimpleShot(_Pretrained[SimpleShotOptions]):
    """Nearest mean of centred and normalized features of a plain classifier (CL2N).

    Wang, Chao, Weinberger, van der Maaten (2019), *SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot
    Learning*, https://arxiv.org/abs/1911.04623. The baseline that much meta-learning does not beat. Deviation: features
    are centred by a running average over the training, not by a pass over it at its end.
    """

    name: ClassVar = "simple_shot"
    options_class: ClassVar = SimpleShotOptions
    ability: ClassVar = Ability(
        family="baseline",
        paper="Wang, Chao, Weinberger, van der Maaten (2019), SimpleShot, arXiv:1911.04623",
        equivariant=True,
    )

    def adapt(self, support: Support) -> Predictor:
        """The mean of each class."""
        self._check(support)
        means = class_means(self._normalized(support.x), support)
        return lambda x: -squared_distances(self._normalized(x), means)

    def _normalized(self, x: Tensor) -> Tensor:
        return F.normalize(self.features(x) - self.mean, dim=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearHeadOptions(Options):
    """Hyperparameters of `LinearHead`.

    Attributes:
        n_steps: Steps of gradient descent on the support.
        lr: Their rate.
        weight_decay: Of the layer.
    """

    n_steps: int = 100
    lr: float = 0.1
    weight_decay: float = 1e-3


class LinearHead(_Pretrained[LinearHeadOptions]):
    """A linear layer fitted to the support, on features of a plain classifier that stay as they are.

    Chen, Liu, Kira, Wang, Huang (2019), *A Closer Look at Few-shot Classification*, ICLR,
    https://arxiv.org/abs/1904.04232: their Baseline. Deviations: features are normalized to unit length; full batches.
    """

    name: ClassVar = "linear_head"
    options_class: ClassVar = LinearHeadOptions
    ability: ClassVar = Ability(
        family="baseline",
        paper="Chen, Liu, Kira, Wang, Huang (2019), A Closer Look at Few-shot Classification, arXiv:1904.04232",
        equivariant=True,
    )

    def adapt(self, support: Support) -> Predictor:
        """Gradient descent from zero; its gradient is written out, so that it works without autograd too."""
        self._check(support)
        features = self._scaled(support.x).detach()
        weights = features.new_zeros(len(features), support.n_way, features.shape[2])
        wanted, n = support.one_hot, features.shape[1]
        for _ in range(self.options.n_steps):
            error = (features @ weights.transpose(1, 2)).softmax(2) - wanted
            gradient = error.transpose(1, 2) @ features / n + self.options.weight_decay * weights
            weights = weights - self.options.lr * gradient
        return lambda x: self._scaled(x) @ weights.transpose(1, 2)

    def _scaled(self, x: Tensor) -> Tensor:
        features = self.features(x)
        return F.normalize(features, dim=2) * math.sqrt(features.shape[2])
