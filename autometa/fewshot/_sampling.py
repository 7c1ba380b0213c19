"""Draws episodes from classes: of one form, or of forms that vary as Meta-Dataset's do."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from autometa.errors import InputError
from autometa.fewshot._classes import ClassSet
from autometa.fewshot._episodes import Episodes, Support
from autometa.metatraining import generator_of

_Chosen = tuple[Tensor, Tensor]
"""Positions of items and their labels, each of shape (n_episodes, n_items)."""


class EpisodeSource(Protocol):
    """Gives batches of episodes; the same generator state gives the same episodes, on every device."""

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        """So many episodes of one form. ``generator`` is one of the CPU."""
        ...


def episodes_at(source: EpisodeSource, n_episodes: int, *, seed: int, step: int) -> Episodes:
    """The batch of a step: depends on the seed and the step alone, so that a resumed training goes on with the same."""
    return source.draw(n_episodes, generator_of(seed, step))


@dataclass(frozen=True, slots=True)
class UniformEpisodes:
    """N-way K-shot episodes: classes and items uniformly, without replacement (Vinyals et al., 2016, sec. 4).

    Labels are dealt anew in each episode, so that a class has no label of its own.

    Attributes:
        classes: What is drawn from.
        n_way: Classes of an episode.
        n_shot: Labelled items of each.
        n_query: Queries of each.
    """

    classes: ClassSet
    n_way: int
    n_shot: int
    n_query: int

    def __post_init__(self) -> None:
        """There must be enough of everything."""
        if min(self.n_way, self.n_shot, self.n_query) < 1:
            raise InputError(
                f"Ways, shots and queries are at least 1, but got {self.n_way, self.n_shot, self.n_query}."
            )
        if self.n_way > len(self.classes):
            raise InputError(
                f"{self.n_way}-way episodes need {self.n_way} classes, but there are {len(self.classes)}. Lower n_way."
            )
        counts = self.classes.counts
        if int(counts.min()) < self.n_shot + self.n_query:
            worst = int(counts.argmin())
            raise InputError(
                f"Every class needs {self.n_shot} labelled items and {self.n_query} queries, but "
                f"{self.classes.names[worst]!r} has {int(counts[worst])} items. Lower n_query or n_shot."
            )

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        """So many episodes; support and queries in random order of classes."""
        chosen = torch.rand(n_episodes, len(self.classes), generator=generator).topk(self.n_way, dim=1).indices
        each = self.n_shot + self.n_query
        positions = _positions(self.classes, chosen.flatten(), each, generator).view(n_episodes, self.n_way, each)
        labels = torch.arange(self.n_way).view(1, -1, 1).expand(n_episodes, -1, each)
        support = _shuffled(positions, labels, 0, self.n_shot, generator)
        queries = _shuffled(positions, labels, self.n_shot, each, generator)
        return _episodes(self.classes, chosen, support, queries)


@dataclass(frozen=True, slots=True)
class VariableEpisodes:
    """Episodes whose ways and shots vary, shots also between classes: Meta-Dataset's sampler.

    Triantafillou et al. (2020), *Meta-Dataset*, https://arxiv.org/abs/1903.03096, sec. 3.2 and app. A; numbers as in
    the authors' configuration. All episodes of one `draw` have the same form, so that they make one tensor; forms vary
    between draws.

    Attributes:
        classes: What is drawn from.
        min_way: Fewest classes.
        max_way: Most classes, where there are as many.
        max_query: Most queries of a class; all classes of an episode have the same number.
        max_support: Most labelled items of an episode.
        max_support_of_class: Most labelled items that a class counts for.
        by_group: Whether the classes of an episode are of one group, such as characters of one alphabet; groups with
            fewer classes than ``min_way`` are left out.
    """

    classes: ClassSet
    min_way: int = 5
    max_way: int = 50
    max_query: int = 10
    max_support: int = 500
    max_support_of_class: int = 100
    by_group: bool = False

    def __post_init__(self) -> None:
        """There must be enough of everything."""
        if not 2 <= self.min_way <= self.max_way:
            raise InputError(f"2 <= min_way <= max_way must hold, but got {self.min_way} and {self.max_way}.")
        if not self._pools():
            of = "a group has as many" if self.by_group else f"there are {len(self.classes)}"
            raise InputError(f"Episodes have at least {self.min_way} classes, but no more than {of}. Lower min_way.")
        if int(self.classes.counts.min()) < 2:
            worst = self.classes.names[int(self.classes.counts.argmin())]
            raise InputError(f"Every class needs a labelled item and a query, but {worst!r} has one item.")

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        """So many episodes of one form, which is drawn too."""
        pools = self._pools()
        pool = torch.tensor(pools[_integer(0, len(pools) - 1, generator)])
        n_way = _integer(self.min_way, min(self.max_way, len(pool)), generator)
        keys = torch.rand(n_episodes, len(pool), generator=generator)
        chosen = pool[keys.topk(n_way, dim=1).indices]
        counts = self.classes.counts[chosen].amin(0)  # of the episodes' classes by label: all have as many
        n_query = max(1, min(self.max_query, int(counts.min()) // 2))
        shots = self._shots(counts - n_query, generator)
        each = int(shots.max()) + n_query
        positions = _positions(self.classes, chosen.flatten(), each, generator, at_most=True)
        positions = positions.view(n_episodes, n_way, each)
        labels = torch.arange(n_way).view(1, -1, 1).expand(n_episodes, -1, each)
        kept = torch.arange(each) < (n_query + shots).unsqueeze(1)
        queries = _shuffled(positions, labels, 0, n_query, generator)
        where = kept[:, n_query:].flatten()
        items, named = (each_class[:, :, n_query:].flatten(1)[:, where] for each_class in (positions, labels))
        order = torch.rand(items.shape, generator=generator).argsort(1)
        return _episodes(self.classes, chosen, (items.gather(1, order), named.gather(1, order)), queries)

    def _pools(self) -> list[list[int]]:
        if not self.by_group:
            return [list(range(len(self.classes)))] if len(self.classes) >= self.min_way else []
        members: dict[str, list[int]] = {}
        for position, group in enumerate(self.classes.groups):
            members.setdefault(group, []).append(position)
        return [pool for pool in members.values() if len(pool) >= self.min_way]

    def _shots(self, left: Tensor, generator: torch.Generator) -> Tensor:
        """Labelled items of each class, shape (n_way,), where so many are ``left`` of each."""
        share = 1.0 - float(torch.rand((), generator=generator))
        capped = left.clamp(max=self.max_support_of_class)
        size = min(self.max_support, int(sum(math.ceil(share * count) for count in capped.tolist())))
        low, high = math.log(0.5), math.log(2.0)
        weights = (low + (high - low) * torch.rand(len(left), generator=generator)).exp() * left
        shots = 1 + ((size - len(left)) * weights / weights.sum()).floor().long().clamp(min=0)
        return torch.minimum(shots, left)


def _integer(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _positions(
    classes: ClassSet, chosen: Tensor, each: int, generator: torch.Generator, *, at_most: bool = False
) -> Tensor:
    """Positions of so many items of each chosen class, without replacement, shape (n_chosen, each).

    With ``at_most`` a class may have fewer; the surplus places repeat its first item.
    """
    counts, starts = classes.counts[chosen], classes.starts.cpu()[chosen]
    widest = max(int(counts.max()), each)
    keys = torch.rand(len(chosen), widest, generator=generator)
    keys[torch.arange(widest) >= counts.unsqueeze(1)] = -1.0
    within = keys.topk(each, dim=1).indices
    if at_most:
        within = torch.where(within < counts.unsqueeze(1), within, within[:, :1])
    return starts.unsqueeze(1) + within


def _shuffled(positions: Tensor, labels: Tensor, first: int, last: int, generator: torch.Generator) -> _Chosen:
    """Places ``first`` to before ``last`` of each class, in an order of their own for each episode."""
    chosen, named = positions[:, :, first:last].flatten(1), labels[:, :, first:last].flatten(1)
    order = torch.rand(chosen.shape, generator=generator).argsort(1)
    return chosen.gather(1, order), named.gather(1, order)


def _episodes(classes: ClassSet, chosen: Tensor, support: _Chosen, queries: _Chosen) -> Episodes:
    """Look the items up; ``chosen`` says which class each label stands for, shape (n_episodes, n_way)."""
    (labelled, given), (asked, wanted) = support, queries
    device = classes.device
    known = Support(classes.gather(labelled), given.to(device), chosen.shape[1])
    return Episodes(known, classes.gather(asked), wanted.to(device), chosen.to(device))
