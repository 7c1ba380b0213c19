"""Siamese networks (Koch, Zemel, Salakhutdinov, 2015): is this pair of one class?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.fewshot._backbones import BackboneSpec, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import embed
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import seeded


@dataclass(frozen=True, slots=True, kw_only=True)
class SiameseOptions(Options):
    """Hyperparameters of `SiameseNetworks`.

    Attributes:
        n_features: Sigmoid units that are compared.
    """

    n_features: int = 256


class SiameseNetworks(FewShotLearner[SiameseOptions]):
    """Learns whether two items are of one class; a query goes to the class it most probably pairs with.

    Koch, Zemel, Salakhutdinov (2015), *Siamese Neural Networks for One-shot Image Recognition*, ICML workshop: the
    probability is a sigmoid of a learned weighting of the distances |h1 - h2| between sigmoid features. The oldest
    baseline; it is trained on pairs, and knows nothing of episodes.

    Deviations, for which one says Koch-style: the backbone is any, not the four wide convolutions for 105 x 105 pixels;
    Adam instead of layerwise momentum; pairs come from episodes, half of their weight on pairs of one class. With
    several shots the pairs' probabilities of a class are averaged; the paper defines one shot only.
    """

    name: ClassVar = "siamese"
    options_class: ClassVar = SiameseOptions
    ability: ClassVar = Ability(
        family="metric",
        paper="Koch, Zemel, Salakhutdinov (2015), Siamese Neural Networks for One-shot Image Recognition",
        equivariant=True,
        on_vectors=True,
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: SiameseOptions) -> None:
        super().__init__(form, backbone, options)
        self.backbone = make_backbone(form.shape, backbone)
        with seeded(backbone.seed + 1):
            self.features = nn.Linear(self.backbone.out_features, options.n_features)
            self.compare = nn.Linear(options.n_features, 1)
        nn.init.constant_(self.compare.weight, -0.1)  # the farther, the less probable

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Binary cross-entropy of all pairs of query and support, both kinds with the same weight."""
        logits = self._pairs(episodes.support, episodes.x)
        same = (episodes.y.unsqueeze(2) == episodes.support.y.unsqueeze(1)).to(logits.dtype)
        share = same.mean((1, 2), keepdim=True)
        weights = torch.where(same > 0, 0.5 / share, 0.5 / (1 - share))
        return F.binary_cross_entropy_with_logits(logits, same, weight=weights)

    def adapt(self, support: Support) -> Predictor:
        """Nothing is learned: the support is kept."""
        self._check(support)

        def predict(x: Tensor) -> Tensor:
            members = support.one_hot
            mean = self._pairs(support, x).sigmoid() @ members / members.sum(1, keepdim=True)
            return mean.clamp_min(1e-8).log()

        return predict

    def _pairs(self, support: Support, x: Tensor) -> Tensor:
        """Logit of each pair, (n_episodes, n_queries, n_support)."""
        labelled, queries = embed(self.backbone, support.x, x, self.norm_mode)
        a, b = self.features(queries).sigmoid(), self.features(labelled).sigmoid()
        distance = (a.unsqueeze(2) - b.unsqueeze(1)).abs()
        logits: Tensor = self.compare(distance)
        return logits.squeeze(-1)

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Many ways, so that pairs of different classes are many."""
        return Recipe(n_way=20, n_shot=1, n_query=5, episodes_per_step=2, schedule="cosine")
