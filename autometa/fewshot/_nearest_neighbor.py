"""Nearest neighbour on the items as they are: what every learner must beat."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import squared_distances
from autometa.fewshot._episodes import Episodes, Predictor, Support


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestNeighborOptions(Options):
    """There is nothing to choose."""


class NearestNeighbor(FewShotLearner[NearestNeighborOptions]):
    """The class of the nearest labelled item, by the Euclidean distance of pixels or columns.

    Vinyals et al. (2016), table 1, "Pixels". Nothing is trained. Deviation: they compare by cosine similarity.
    """

    name: ClassVar = "nearest_neighbor"
    options_class: ClassVar = NearestNeighborOptions
    ability: ClassVar = Ability(
        family="baseline",
        paper="Vinyals et al. (2016), Matching Networks, table 1: Pixels",
        trained=False,
        equivariant=True,
    )

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Zero: there is nothing to learn."""
        return episodes.x.new_zeros((), requires_grad=True)

    def adapt(self, support: Support) -> Predictor:
        """Keep the support."""
        self._check(support)
        members = support.one_hot.bool().transpose(1, 2).unsqueeze(1)

        def predict(x: Tensor) -> Tensor:
            distances = squared_distances(x.flatten(2), support.x.flatten(2)).unsqueeze(2)
            return -distances.masked_fill(~members, torch.inf).amin(3)

        return predict

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """None is needed."""
        return Recipe(n_way=max(form.n_way, 2), n_shot=form.n_shot, n_query=1, n_steps=0)
