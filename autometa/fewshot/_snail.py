"""SNAIL (Mishra et al., 2018): temporal convolutions and attention over the support."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.fewshot._backbones import BackboneSpec, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import cross_entropy, embed
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import seeded


@dataclass(frozen=True, slots=True, kw_only=True)
class SNAILOptions(Options):
    """Hyperparameters of `SNAIL`.

    Attributes:
        n_filters: Of each temporal convolution; keys and values of attention are 1/2, 2 and 4 times as many, and half
            of that.
    """

    n_filters: int = 128


class SNAIL(FewShotLearner[SNAILOptions]):
    """Reads labelled items as a sequence, by dilated causal convolutions between layers of causal attention.

    Mishra, Rohaninejad, Chen, Abbeel (2018), *A Simple Neural Attentive Meta-Learner*, ICLR,
    https://arxiv.org/abs/1707.03141, with the Omniglot network of app. A: attention (64, 32), TC 128, attention
    (256, 128), TC 128, attention (512, 256), a linear layer. The number of convolutions in a TC block depends on the
    length of the sequence it was made for; shorter ones are fine.

    A query is the last item of a sequence, without a label. As nothing looks ahead, all queries of an episode share
    what is computed for the support. Deviations: dilations are 1, 2, 4, ... and reach just over the sequence; those of
    the paper's pseudo-code begin at 2, and the last one looks past the beginning.
    """

    name: ClassVar = "snail"
    options_class: ClassVar = SNAILOptions
    ability: ClassVar = Ability(
        family="model",
        paper="Mishra et al. (2018), A Simple Neural Attentive Meta-Learner, arXiv:1707.03141",
        any_way=False,
        on_vectors=True,
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: SNAILOptions) -> None:
        super().__init__(form, backbone, options)
        self.backbone = make_backbone(form.shape, backbone)
        length = form.n_support + 1
        width = self.backbone.out_features + form.n_way
        layers: list[_Attention | _TemporalConvolutions] = []
        with seeded(backbone.seed + 1):
            for n_keys in (options.n_filters // 2, 2 * options.n_filters, 4 * options.n_filters):
                layers.append(_Attention(width, n_keys, n_keys // 2))
                width += n_keys // 2
                if len(layers) < 5:
                    layers.append(convolutions := _TemporalConvolutions(width, length, options.n_filters))
                    width = convolutions.out_features
            self.layers = nn.ModuleList(layers)
            self.out = nn.Linear(width, form.n_way)

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Cross-entropy of the last item of each sequence (sec. 3)."""
        return cross_entropy(self._logits(episodes.support, episodes.x), episodes)

    def adapt(self, support: Support) -> Predictor:
        """Nothing is learned: the support is kept."""
        self._check(support)
        return lambda x: self._logits(support, x)

    def _logits(self, support: Support, x: Tensor) -> Tensor:
        past, now = embed(self.backbone, support.x, x, self.norm_mode)
        past = torch.cat([past, support.one_hot], 2)
        now = torch.cat([now, now.new_zeros(*now.shape[:2], self.form.n_way)], 2)
        for layer in self.layers:
            past, now = layer(past, now)
        logits: Tensor = self.out(now)
        return logits

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """App. A: Adam; as many ways and shots as in testing, batches of 32 sequences."""
        return Recipe(n_way=form.n_way, n_shot=form.n_shot, n_query=4, episodes_per_step=16, schedule="cosine")


class _Attention(nn.Module):
    """One head of causal attention; what is read comes beside the input (fig. 2b)."""

    def __init__(self, n_in: int, n_keys: int, n_values: int) -> None:
        super().__init__()
        self.queries, self.keys = nn.Linear(n_in, n_keys), nn.Linear(n_in, n_keys)
        self.values = nn.Linear(n_in, n_values)
        self.scale = 1.0 / math.sqrt(n_keys)

    def forward(self, past: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """Support (n, n_support, n_in) and queries (n, n_queries, n_in), each with ``n_values`` more features."""
        keys, values = self.keys(past), self.values(past)
        scores = self.queries(past) @ keys.transpose(1, 2) * self.scale
        ahead = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).triu(1)
        read = scores.masked_fill(ahead, -math.inf).softmax(2) @ values
        asked = self.queries(now)
        of_past = asked @ keys.transpose(1, 2) * self.scale
        of_self = (asked * self.keys(now)).sum(2, keepdim=True) * self.scale
        weights = torch.cat([of_past, of_self], 2).softmax(2)
        found = weights[:, :, :-1] @ values + weights[:, :, -1:] * self.values(now)
        return torch.cat([past, read], 2), torch.cat([now, found], 2)


class _TemporalConvolutions(nn.Module):
    """Dense blocks of gated causal convolutions with dilations 1, 2, 4, ... that reach over the sequence (fig. 2a)."""

    def __init__(self, n_in: int, length: int, n_filters: int) -> None:
        super().__init__()
        self.dilations = [2**i for i in range(max(1, math.ceil(math.log2(length))))]
        self.here = nn.ModuleList()
        self.before = nn.ModuleList()
        for i in range(len(self.dilations)):
            self.here.append(nn.Linear(n_in + i * n_filters, 2 * n_filters))
            self.before.append(nn.Linear(n_in + i * n_filters, 2 * n_filters, bias=False))
        self.out_features = n_in + len(self.dilations) * n_filters

    def forward(self, past: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """Support (n, n_support, n_in) and queries (n, n_queries, n_in), each with the filters' features beside."""
        n_support = past.shape[1]
        for dilation, here, before in zip(self.dilations, self.here, self.before, strict=True):
            earlier = before(past)
            shifted = F.pad(earlier, (0, 0, dilation, 0))[:, :n_support]
            added = here(now)
            if dilation <= n_support:
                added = added + earlier[:, n_support - dilation].unsqueeze(1)
            past, now = _gated(past, here(past) + shifted), _gated(now, added)
        return past, now


def _gated(x: Tensor, activations: Tensor) -> Tensor:
    filters, gates = activations.chunk(2, -1)
    return torch.cat([x, filters.tanh() * gates.sigmoid()], -1)
