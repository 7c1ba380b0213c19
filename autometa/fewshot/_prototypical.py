"""Prototypical Networks (Snell, Swersky, Zemel, 2017): a class is the mean of its embedded items."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from autometa.fewshot._backbones import BackboneSpec, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import class_means, cross_entropy, embed, squared_distances
from autometa.fewshot._episodes import Episodes, Predictor, Support


@dataclass(frozen=True, slots=True, kw_only=True)
class PrototypicalOptions(Options):
    """There is nothing to choose but the backbone."""


class PrototypicalNetworks(FewShotLearner[PrototypicalOptions]):
    """Classifies by the squared Euclidean distance to the mean of each class.

    Snell, Swersky, Zemel (2017), *Prototypical Networks for Few-shot Learning*, https://arxiv.org/abs/1703.05175. The
    first choice: nothing to tune, quick to train, any number of ways and shots, and hard to beat. It wants more ways in
    training than in testing (sec. 2.6, table 1).

    Deviations: none.
    """

    name: ClassVar = "prototypical"
    options_class: ClassVar = PrototypicalOptions
    ability: ClassVar = Ability(
        family="metric",
        paper="Snell, Swersky, Zemel (2017), Prototypical Networks for Few-shot Learning, arXiv:1703.05175",
        equivariant=True,
        on_vectors=True,
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: PrototypicalOptions) -> None:
        super().__init__(form, backbone, options)
        self.backbone = make_backbone(form.shape, backbone)

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Eq. 2 and algorithm 1."""
        return cross_entropy(self._logits(episodes.support, episodes.x), episodes)

    def adapt(self, support: Support) -> Predictor:
        """Nothing is learned: the support is kept."""
        self._check(support)
        return lambda x: self._logits(support, x)

    def _logits(self, support: Support, x: Tensor) -> Tensor:
        """Eq. 1: the prototypes."""
        labelled, queries = embed(self.backbone, support.x, x, self.norm_mode)
        return -squared_distances(queries, class_means(labelled, support))

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Sec. 3.1: 60 ways and 5 queries, Adam, 1e-3, halved every 2,000 episodes."""
        return Recipe(n_way=60, n_shot=form.n_shot, n_query=5, n_steps=16_000, schedule="halving")
