"""Memory-augmented neural networks (Santoro et al., 2016): an LSTM that writes where it has not read for long."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autometa.fewshot._backbones import BackboneSpec, make_backbone
from autometa.fewshot._base import Ability, FewShotLearner, Form, Options, Recipe
from autometa.fewshot._embedding import embed_each
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import LSTMCell, generator_of, seeded

_TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class MANNOptions(Options):
    """Hyperparameters of `MANN`.

    Attributes:
        n_slots: Rows of the memory.
        slot_size: Their length.
        n_heads: Read heads.
        n_hidden: Units of the controller.
        usage_decay: gamma, how slowly use is forgotten.
    """

    n_slots: int = 128
    slot_size: int = 40
    n_heads: int = 4
    n_hidden: int = 200
    usage_decay: float = 0.99


class _State(NamedTuple):
    hidden: Tensor  # (n, n_hidden)
    cell: Tensor  # (n, n_hidden)
    read: Tensor  # (n, n_heads * slot_size)
    memory: Tensor  # (n, n_slots, slot_size)
    read_weights: Tensor  # (n, n_heads, n_slots)
    usage: Tensor  # (n, n_slots)


class MANN(FewShotLearner[MANNOptions]):
    """Sees items one after the other, each with the label of the one before, and remembers them in a memory.

    Santoro, Bartunov, Botvinick, Wierstra, Lillicrap (2016), *Meta-Learning with Memory-Augmented Neural Networks*,
    ICML, https://arxiv.org/abs/1605.06065. Labels come one step late, so that the first presentation of a class can
    only be guessed; writing goes to the least recently used row, or to the one that was read last (LRUA, eq. 5 to 8).
    All items of an episode, support and queries, make one training sequence in random order.

    A query is predicted by one more step after the support. Deviations: any backbone may come before the controller
    (the paper has none: ``pixels``); items are 28 x 28 rather than 20 x 20; Adam instead of RMSProp. The choice of the
    least used rows has no derivative and gets none.
    """

    name: ClassVar = "mann"
    options_class: ClassVar = MANNOptions
    ability: ClassVar = Ability(
        family="model",
        paper="Santoro et al. (2016), Meta-Learning with Memory-Augmented Neural Networks, arXiv:1605.06065",
        any_way=False,
        on_vectors=True,
    )

    def __init__(self, form: Form, backbone: BackboneSpec, options: MANNOptions) -> None:
        super().__init__(form, backbone, options)
        self.backbone = make_backbone(form.shape, backbone)
        n_read = options.n_heads * options.slot_size
        with seeded(backbone.seed + 1):
            n_in = self.backbone.out_features + form.n_way + n_read
            self.controller = LSTMCell(n_in, options.n_hidden, options.n_hidden)
            self.keys = nn.Linear(options.n_hidden, n_read)
            self.gates = nn.Linear(options.n_hidden, options.n_heads)
            self.out = nn.Linear(options.n_hidden + n_read, form.n_way)

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """Cross-entropy at every step of the sequence (sec. 2)."""
        logits, labels = self.sequence(episodes)
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten())

    def sequence(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """All items of each episode in one sequence.

        Returns:
            Logits (n_episodes, n_items, n_way) and labels (n_episodes, n_items).
        """
        items = torch.cat([episodes.support.x, episodes.x], 1)
        labels = torch.cat([episodes.support.y, episodes.y], 1)
        order = _shuffle(labels)
        items = items.gather(1, order.view(*order.shape, *(1 for _ in self.form.shape)).expand_as(items))
        labels = labels.gather(1, order)
        logits, _ = self._run(self._embed(items), labels, self._start(len(items), items))
        return logits, labels

    def adapt(self, support: Support) -> Predictor:
        """Read the support in its order."""
        self._check(support)
        features = self._embed(support.x)
        _, state = self._run(features, support.y, self._start(len(features), features))
        last = F.one_hot(support.y[:, -1], self.form.n_way).to(features.dtype)

        def predict(x: Tensor) -> Tensor:
            n_queries = x.shape[1]
            queries = self._embed(x).flatten(0, 1)
            each = _State(*(part.repeat_interleave(n_queries, 0) for part in state))
            logits, _ = self._step(queries, last.repeat_interleave(n_queries, 0), each)
            return logits.view(len(x), n_queries, -1)

        return predict

    def _embed(self, x: Tensor) -> Tensor:
        return embed_each(self.backbone, x)

    def _start(self, n: int, like: Tensor) -> _State:
        """Empty; the first rows count as used least."""
        options = self.options
        rows = torch.zeros(n, options.n_heads, options.n_slots, device=like.device)
        rows[:, :, 0] = 1.0
        zeros = torch.zeros(n, options.n_hidden, device=like.device)
        memory = torch.full((n, options.n_slots, options.slot_size), _TINY, device=like.device)
        read = torch.zeros(n, options.n_heads * options.slot_size, device=like.device)
        return _State(zeros, zeros, read, memory, rows, rows[:, 0])

    def _run(self, features: Tensor, labels: Tensor, state: _State) -> tuple[Tensor, _State]:
        """A sequence, each item with the label of the one before; logits (n, n_items, n_way) and the last state."""
        shown = F.one_hot(labels, self.form.n_way).to(features.dtype)
        late = torch.cat([torch.zeros_like(shown[:, :1]), shown[:, :-1]], 1)
        found = []
        for item, label in zip(features.unbind(1), late.unbind(1), strict=True):
            logits, state = self._step(item, label, state)
            found.append(logits)
        return torch.stack(found, 1), state

    def _step(self, item: Tensor, label: Tensor, state: _State) -> tuple[Tensor, _State]:
        """One item: read, then write; (n, n_features) and (n, n_way) to logits (n, n_way)."""
        options = self.options
        hidden, cell = self.controller(torch.cat([item, label, state.read], 1), state.hidden, state.cell)
        keys = self.keys(hidden).tanh().view(-1, options.n_heads, options.slot_size)
        gates = self.gates(hidden).sigmoid().unsqueeze(2)
        reading = (F.normalize(keys, dim=2) @ F.normalize(state.memory, dim=2).transpose(1, 2)).softmax(2)
        read = (reading @ state.memory).flatten(1)
        least = state.usage.detach().topk(options.n_heads, dim=1, largest=False).indices
        unused = torch.zeros_like(state.usage).scatter(1, least, 1.0)
        writing = gates * state.read_weights + (1 - gates) * unused.unsqueeze(1)
        erased = torch.ones_like(unused).scatter(1, least[:, :1], 0.0)
        memory = state.memory * erased.unsqueeze(2) + writing.transpose(1, 2) @ keys
        usage = options.usage_decay * state.usage + reading.sum(1) + writing.sum(1)
        logits = self.out(torch.cat([hidden, read], 1))
        return logits, _State(hidden, cell, read, memory, reading, usage)

    @classmethod
    def recipe(cls, form: Form) -> Recipe:
        """Sec. 4.2: ten presentations of each class, sequences in batches of 16."""
        return Recipe(n_way=form.n_way, n_shot=1, n_query=9, episodes_per_step=16, n_steps=6_000, schedule="cosine")


def _shuffle(labels: Tensor) -> Tensor:
    """An order of the items of each episode, (n_episodes, n_items); it depends on the labels, so it is reproducible.

    Episodes come with the support first, which holds every class once: without a shuffle the network would learn that
    labels do not repeat at the beginning.
    """
    generator = generator_of(*labels.flatten()[-256:].tolist())
    return torch.rand(labels.shape, generator=generator).argsort(1).to(labels.device)
