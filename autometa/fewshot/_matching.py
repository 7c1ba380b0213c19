"""Matching Networks (Vinyals et al., 2016): attention over the labelled items."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.fewshot._backbones import BackboneSpec, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import embed
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import LSTMCell, seeded

_LEAST = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingOptions(Options):
    """Hyperparameters of `MatchingNetworks`.

    Attributes:
        full_context: Whether embeddings depend on the whole support (FCE). The paper's Omniglot figures are without.
        n_reads: Steps of the attention LSTM, where ``full_context``.
        temperature: What cosines are multiplied by at the start; it is learned.
    """

    full_context: bool = False
    n_reads: int = 5
    temperature: float = 10.0


class MatchingNetworks(FewShotLearner[MatchingOptions]):
    """Adds up the labels of the support, each weighted by a softmax over cosines.

    Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra (2016), *Matching Networks for One Shot Learning*,
    https://arxiv.org/abs/1606.04080. Use it where classes have several modes: it compares with items, not with means.
    With ``full_context`` a bidirectional LSTM reads the support and an attention LSTM the query (app. A.1, A.2), and
    the order of the support matters a little.

    Deviations: cosines are multiplied by a learned temperature before the softmax. With none, no probability of a
    1-shot episode can exceed 0.65 (5 ways) or 0.28 (20 ways), and training crawls.
    """

    name: ClassVar = "matching"
    options_class: ClassVar = MatchingOptions
    ability: ClassVar = Ability(
        family="metric",
        paper="Vinyals et al. (2016), Matching Networks for One Shot Learning, arXiv:1606.04080",
        equivariant=True,
        on_vectors=True,
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: MatchingOptions) -> None:
        super().__init__(form, backbone, options)
        self.backbone = make_backbone(form.shape, backbone)
        self.log_temperature = nn.Parameter(torch.tensor(options.temperature).log())
        if options.full_context:
            size = self.backbone.out_features
            with seeded(backbone.seed + 1):
                self.forwards, self.backwards = LSTMCell(size, size), LSTMCell(size, size)
                self.reader = LSTMCell(size, 2 * size)

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """The logarithm of eq. 1 for the right label, averaged over queries."""
        logits = self._log_probabilities(episodes.support, episodes.x)
        return F.nll_loss(logits.flatten(0, 1), episodes.y.flatten())

    def adapt(self, support: Support) -> Predictor:
        """Nothing is learned: the support is kept."""
        self._check(support)
        return lambda x: self._log_probabilities(support, x)

    def _log_probabilities(self, support: Support, x: Tensor) -> Tensor:
        labelled, queries = embed(self.backbone, support.x, x, self.norm_mode)
        if self.options.full_context:
            labelled = self._read_support(labelled)
            queries = self._read_queries(queries, labelled)
        cosines = F.normalize(queries, dim=-1) @ F.normalize(labelled, dim=-1).transpose(1, 2)
        attention = (self.log_temperature.exp() * cosines).softmax(-1)
        return (attention @ support.one_hot).clamp_min(_LEAST).log()

    def _read_support(self, embedded: Tensor) -> Tensor:
        """App. A.2: both directions of an LSTM beside the embedding; (n_episodes, n_support, d) to the same."""
        steps = embedded.unbind(1)
        there = _run(self.forwards, steps)
        back = _run(self.backwards, steps[::-1])[::-1]
        return embedded + torch.stack(there, 1) + torch.stack(back, 1)

    def _read_queries(self, queries: Tensor, support: Tensor) -> Tensor:
        """App. A.1, eq. 3 to 6: reads of the support, each after the last one; (n_episodes, n_queries, d) to the same.

        What is fed back is h beside what was read, not their sum.
        """
        hidden, read = queries, torch.zeros_like(queries)
        cell = torch.zeros_like(queries)
        for _ in range(self.options.n_reads):
            out, cell = self.reader(queries, torch.cat([hidden, read], -1), cell)
            hidden = out + queries
            read = (hidden @ support.transpose(1, 2)).softmax(-1) @ support
        return hidden

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Ways and shots as in testing."""
        return Recipe(n_way=form.n_way, n_shot=form.n_shot, n_query=5, episodes_per_step=4, schedule="cosine")


def _run(cell: LSTMCell, steps: tuple[Tensor, ...]) -> list[Tensor]:
    hidden, memory = torch.zeros_like(steps[0]), torch.zeros_like(steps[0])
    outputs = []
    for step in steps:
        hidden, memory = cell(step, hidden, memory)
        outputs.append(hidden)
    return outputs
