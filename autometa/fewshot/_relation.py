"""Relation Networks (Sung et al., 2018): the distance is learned too."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.errors import OptionError
from autometa.fewshot._backbones import BackboneSpec, BatchNorm, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import embed
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import seeded


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationOptions(Options):
    """Hyperparameters of `RelationNetworks`.

    Attributes:
        n_hidden: Units of the relation module before its output.
    """

    n_hidden: int = 8


class RelationNetworks(FewShotLearner[RelationOptions]):
    """Scores each pair of a query and a class by a network, from their feature maps side by side.

    Sung, Yang, Zhang, Xiang, Torr, Hospedales (2018), *Learning to Compare: Relation Network for Few-Shot Learning*,
    https://arxiv.org/abs/1711.06025. The feature maps of a class are summed over its shots; scores between 0 and 1 are
    fitted to 0 or 1 by squared error, as they are relations and no probabilities (sec. 3.2).

    Use it with the backbone ``conv4_maps``, the paper's, whose maps keep a width and a height. Deviations: batch
    normalization uses running averages when it predicts. The authors' scripts never leave training mode, so that their
    queries help each other: ``norm="transductive"`` does that.
    """

    name: ClassVar = "relation"
    options_class: ClassVar = RelationOptions
    ability: ClassVar = Ability(
        family="metric",
        paper="Sung et al. (2018), Learning to Compare: Relation Network for Few-Shot Learning",
        equivariant=True,
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: RelationOptions) -> None:
        super().__init__(form, backbone, options)
        if backbone.norm == "support":
            raise OptionError(
                "A relation belongs to a query, so it cannot be normalized by the support alone. Choose the norm "
                "running, transductive or none."
            )
        self.backbone = make_backbone(form.shape, backbone)
        with torch.no_grad():
            probe = self.backbone.maps(torch.zeros(2, *form.shape)) if backbone.norm != "running" else self._probe()
        with seeded(backbone.seed + 1):
            self.relation = _Relation(tuple(probe.shape[1:]), options.n_hidden, backbone)

    def _probe(self) -> Tensor:
        """What the maps look like, without a trace in the running averages."""
        self.backbone.eval()
        found = self.backbone.maps(torch.zeros(2, *self.form.shape))
        self.backbone.train()
        return found

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Eq. 2: squared error to 1 for the right class, to 0 for the others; summed over the classes of a query."""
        scores = self._scores(episodes.support, episodes.x)
        wanted = F.one_hot(episodes.y, episodes.n_way).to(scores.dtype)
        return F.mse_loss(scores, wanted)

    def adapt(self, support: Support) -> Predictor:
        """Nothing is learned: the support is kept."""
        self._check(support)
        return lambda x: self._scores(support, x)

    def _scores(self, support: Support, x: Tensor) -> Tensor:
        """Relations, (n_episodes, n_queries, n_way)."""
        labelled, queries = embed(self.backbone.maps, support.x, x, self.norm_mode)
        classes = support.one_hot.transpose(1, 2) @ labelled.flatten(2)
        scores: Tensor = self.relation(classes.view(*classes.shape[:2], *labelled.shape[2:]), queries)
        return scores

    @classmethod
    def usual_backbone(cls, form: Form) -> BackboneSpec:
        """One that keeps a map."""
        spec = super().usual_backbone(form)
        return replace(spec, name="conv4_maps") if spec.name == "conv4" else spec

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Sec. 4.1: queries so that an episode has about 100 items; Adam, 1e-3, clipped at 0.5."""
        n_query = {(5, 1): 19, (5, 5): 15, (20, 1): 10, (20, 5): 5}.get((form.n_way, form.n_shot), 10)
        return Recipe(n_way=form.n_way, n_shot=form.n_shot, n_query=n_query, schedule="cosine", clip=0.5)


class _Relation(nn.Module):
    """Two convolutions and two layers over a class's map and a query's, side by side."""

    def __init__(self, shape: tuple[int, ...], n_hidden: int, spec: BackboneSpec) -> None:
        super().__init__()
        width = shape[0]
        self.is_map = len(shape) == 3
        sizes = [2 * width, width, width]
        pairs = list(pairwise(sizes))
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) if self.is_map else nn.Linear(a, b) for a, b in pairs)
        self.norms = nn.ModuleList(BatchNorm(width, spec.norm) for _ in pairs if spec.norm != "none")
        n_flat = width
        if self.is_map:
            height, across = shape[1], shape[2]
            for _ in pairs:
                height, across = max(1, height // 2), max(1, across // 2)
            n_flat = width * height * across
        self.hidden, self.out = nn.Linear(n_flat, n_hidden), nn.Linear(n_hidden, 1)

    def forward(self, classes: Tensor, queries: Tensor) -> Tensor:
        """(n_episodes, n_way, \\*map) and (n_episodes, n_queries, \\*map) to (n_episodes, n_queries, n_way)."""
        n_queries, n_way = queries.shape[1], classes.shape[1]
        one = classes.unsqueeze(1).expand(-1, n_queries, *classes.shape[1:])
        other = queries.unsqueeze(2).expand(-1, -1, n_way, *queries.shape[2:])
        x = torch.cat([one, other], dim=3).flatten(0, 2)
        for i, layer in enumerate(self.layers):
            x = layer(x)
            x = self.norms[i](x) if len(self.norms) else x
            x = F.relu(F.max_pool2d(x, 2) if self.is_map and min(x.shape[2:]) > 1 else x)
        scores: Tensor = self.out(F.relu(self.hidden(x.flatten(1)))).sigmoid()
        return scores.view(len(classes), n_queries, n_way)
