"""Episodes from several sources, and from tables whose columns are not those of the table at hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from autometa.errors import InputError
from autometa.fewshot._classes import ClassSet
from autometa.fewshot._episodes import Episodes, Support
from autometa.fewshot._sampling import EpisodeSource, UniformEpisodes


@dataclass(frozen=True, slots=True)
class MixedEpisodes:
    """Each batch comes from one of several sources, drawn at random, so that episodes of a batch have one form.

    Attributes:
        sources: What is drawn from.
        shares: How often each is, positive; they are divided by their sum.
    """

    sources: Sequence[EpisodeSource]
    shares: Sequence[float]

    def __post_init__(self) -> None:
        """There must be a share for each source."""
        if not self.sources or len(self.sources) != len(self.shares) or min(self.shares) <= 0:
            raise InputError(
                f"Every source needs a share above 0, but there are {len(self.sources)} sources with the shares "
                f"{list(self.shares)}."
            )

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        """So many episodes of one of the sources."""
        weights = torch.tensor(self.shares, dtype=torch.float64)
        chosen = int(torch.multinomial(weights, 1, generator=generator))
        return self.sources[chosen].draw(n_episodes, generator)


@dataclass(frozen=True, slots=True)
class TableEpisodes:
    """Episodes of other labelled tables, dealt into as many columns as the table at hand has.

    In each batch one of the tables is drawn, and its columns are dealt at random to places among ``n_columns``: as many
    as there is room for, zeros elsewhere. A network that learns from them cannot rely on what a column means, only on
    how rows of one class are alike.

    Attributes:
        tables: Labelled rows, each a `ClassSet` of vectors of any length.
        n_columns: Of the table at hand.
        n_way: Classes of an episode; tables with fewer give as many as they have.
        n_shot: Labelled rows of each class.
        n_query: Queries of each class.
        same_way: Whether every episode must have ``n_way`` classes: tables with fewer are then left out.
    """

    tables: Sequence[ClassSet]
    n_columns: int
    n_way: int
    n_shot: int
    n_query: int
    same_way: bool = False

    def __post_init__(self) -> None:
        """Some table must have classes and rows enough."""
        if not self._usable():
            raise InputError(
                f"No table has {self.n_way if self.same_way else 2} classes of {self.n_shot + self.n_query} rows. "
                "Lower n_way or n_query, or leave the other tables out."
            )

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        """So many episodes of one of the tables."""
        tables = self._usable()
        table = tables[int(torch.randint(len(tables), (), generator=generator))]
        n_way = min(self.n_way, len(table))
        found = UniformEpisodes(table, n_way, self.n_shot, self.n_query).draw(n_episodes, generator)
        n_theirs = table.shape[0]
        n = min(n_theirs, self.n_columns)
        theirs = torch.randperm(n_theirs, generator=generator)[:n]
        places = torch.randperm(self.n_columns, generator=generator)[:n]

        def dealt(x: Tensor) -> Tensor:
            rows = x.new_zeros(*x.shape[:2], self.n_columns)
            rows[..., places.to(x.device)] = x[..., theirs.to(x.device)]
            return rows

        support = Support(dealt(found.support.x), found.support.y, n_way)
        return replace(found, support=support, x=dealt(found.x), classes=None)

    def _usable(self) -> list[ClassSet]:
        """Tables without the classes that are too small, where enough classes are left."""
        found = []
        for table in self.tables:
            enough = (table.counts >= self.n_shot + self.n_query).nonzero().flatten().tolist()
            if len(enough) >= (self.n_way if self.same_way else 2):
                found.append(table if len(enough) == len(table) else table.take(enough))
        return found
