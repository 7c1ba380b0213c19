"""Meta Networks (Munkhdalai, Yu, 2017): weights made anew for each query, from gradients in a memory."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import grad, vmap

from autometa.fewshot._backbones import BackboneSpec, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import cross_entropy, embed
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import LSTMCell, log_and_sign, seeded

_PRECISION = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaNetworksOptions(Options):
    """Hyperparameters of `MetaNetworks`.

    Attributes:
        n_features: Units of the layers that get fast weights.
        n_hidden: Units of the networks that make fast weights of gradients.
    """

    n_features: int = 64
    n_hidden: int = 20


class MetaNetworks(FewShotLearner[MetaNetworksOptions]):
    """Turns gradients of the support into fast weights beside the slow ones, chosen for each query by attention.

    Munkhdalai, Yu (2017), *Meta Networks*, ICML, https://arxiv.org/abs/1703.00837, algorithm 1. Gradients of an
    embedding loss on the support become fast weights of the embedding, by an LSTM over the support, coordinate by
    coordinate. Gradients of the task's loss on each labelled item become fast weights of the classifier, by a small
    network shared by all coordinates; they lie in a memory under that item's embedding. A query reads the memory by
    cosine similarity. Slow and fast paths are added after each ReLU (layer augmentation, sec. 3.3).

    Gradients count as inputs, without derivatives of their own. Deviations: convolutions are slow only, and both the
    embedding and the classifier stand on one backbone; fast weights are made for the layers above it. The embedding
    loss is cross-entropy behind a fixed random layer, for any number of shots.
    """

    name: ClassVar = "meta_networks"
    options_class: ClassVar = MetaNetworksOptions
    ability: ClassVar = Ability(
        family="model",
        paper="Munkhdalai, Yu (2017), Meta Networks, arXiv:1703.00837",
        any_way=False,
        on_vectors=True,
    )

    probe: Tensor

    def __init__(self, form: Form, backbone: BackboneSpec, options: MetaNetworksOptions) -> None:
        super().__init__(form, backbone, options)
        self.backbone = make_backbone(form.shape, backbone)
        size, hidden = options.n_features, options.n_hidden
        with seeded(backbone.seed + 1):
            self.embedding = nn.Linear(self.backbone.out_features, size)
            self.register_buffer("probe", torch.randn(form.n_way, size) / size**0.5)
            self.first = nn.Linear(self.backbone.out_features, size)
            self.last = nn.Linear(size, form.n_way)
            self.reader = LSTMCell(2, hidden, hidden)
            self.read_out = nn.Linear(hidden, 1)
            last = nn.Linear(hidden, 1)
            self.maker = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last)
            for layer in (self.read_out, last):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.constant_(layer.bias, 0.05)  # fast paths end in a ReLU, which must not begin dead

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Cross-entropy of the queries (algorithm 1, line 20)."""
        return cross_entropy(self._logits(episodes.support, episodes.x), episodes)

    def adapt(self, support: Support) -> Predictor:
        """Nothing is kept but the support."""
        self._check(support)
        return lambda x: self._logits(support, x)

    def _logits(self, support: Support, x: Tensor) -> Tensor:
        labelled, queries = embed(self.backbone, support.x, x, self.norm_mode)
        fast = self._embedding_weights(labelled, support.y)
        keys, asked = self._embedded(labelled, fast), self._embedded(queries, fast)
        memory = self._memory(labelled, support.y)
        attention = (F.normalize(asked, dim=2) @ F.normalize(keys, dim=2).transpose(1, 2)).softmax(2)
        return self._classified(queries, attention @ memory)

    def _embedding_weights(self, features: Tensor, y: Tensor) -> Tensor:
        """Q*, (n_episodes, n_features, n_backbone): an LSTM over the gradients of each labelled item (lines 1 to 5)."""
        weight, bias = self.embedding.weight.detach(), self.embedding.bias.detach()

        def loss(weight: Tensor, item: Tensor, label: Tensor) -> Tensor:
            return F.cross_entropy(F.linear(F.relu(F.linear(item, weight, bias)), self.probe), label)

        gradients = vmap(vmap(grad(loss), (None, 0, 0)), (None, 0, 0))(weight, features.detach(), y)
        coordinates = log_and_sign(gradients.flatten(2), _PRECISION)
        hidden = memory = coordinates.new_zeros(*coordinates[:, 0].shape[:2], self.options.n_hidden)
        for step in coordinates.unbind(1):
            hidden, memory = self.reader(step, hidden, memory)
        made: Tensor = self.read_out(hidden)
        return made.view(-1, *weight.shape)

    def _embedded(self, features: Tensor, fast: Tensor) -> Tensor:
        """u with both weights, (n_episodes, n, n_features)."""
        return F.relu(self.embedding(features)) + F.relu(features @ fast.transpose(1, 2))

    def _memory(self, features: Tensor, y: Tensor) -> Tensor:
        """Fast weights from each labelled item, (n_episodes, n_support, n_weights) (lines 6 to 11)."""
        first, last = self.first.weight.detach(), self.last.weight.detach()
        biases = self.first.bias.detach(), self.last.bias.detach()

        def loss(first: Tensor, last: Tensor, item: Tensor, label: Tensor) -> Tensor:
            return F.cross_entropy(F.linear(F.relu(F.linear(item, first, biases[0])), last, biases[1]), label)

        each = vmap(vmap(grad(loss, argnums=(0, 1)), (None, None, 0, 0)), (None, None, 0, 0))
        parts = each(first, last, features.detach(), y)
        gradients = torch.cat([part.flatten(2) for part in parts], 2)
        made: Tensor = self.maker(log_and_sign(gradients, _PRECISION))
        return made.squeeze(-1)

    def _classified(self, features: Tensor, fast: Tensor) -> Tensor:
        """b with the weights that each query has read (lines 13 to 18); logits (n_episodes, n_queries, n_way)."""
        n_first = self.first.weight.numel()
        first = fast[:, :, :n_first].reshape(*fast.shape[:2], *self.first.weight.shape)
        last = fast[:, :, n_first:].reshape(*fast.shape[:2], *self.last.weight.shape)
        hidden = F.relu(self.first(features)) + F.relu(torch.einsum("eqoi,eqi->eqo", first, features))
        slow: Tensor = self.last(hidden)
        return slow + torch.einsum("eqoi,eqi->eqo", last, hidden)

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Sec. 5.1: Adam; queries of each class."""
        return Recipe(n_way=form.n_way, n_shot=form.n_shot, n_query=5, episodes_per_step=4, schedule="cosine")
