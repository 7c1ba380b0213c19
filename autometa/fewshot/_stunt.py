"""Few-shot tasks made of an unlabelled table: STUNT (Nam et al., 2023)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from autometa.errors import InputError
from autometa.fewshot._episodes import Episodes, Support

_KMEANS_STEPS = 20
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class StuntEpisodes:
    """Tasks whose labels are clusters of some columns, which are then shuffled away.

    Nam, Tack, Lee, Lee, Shin (2023), *STUNT: Few-shot Tabular Learning with Self-generated Tasks from Unlabeled
    Tables*, ICLR, https://arxiv.org/abs/2303.00918, sec. 3.2: a random share of the columns, between ``least`` and
    ``most``, is clustered by k-means into pseudo-classes; each of these columns is then replaced by a permutation of
    itself, so that labels must be inferred from the others. Clusters too small for an episode make another draw of
    columns. Deviation: not for ever; after five draws the best is taken, and rows of its small clusters come twice.

    Attributes:
        x: Rows, float32, shape (n_rows, n_columns), on the device.
        n_way: Clusters.
        n_shot: Labelled rows of each.
        n_query: Queries of each.
        least: Smallest share of columns.
        most: Largest.
        groups: Which column of the table each column comes from, shape (n_columns,): those of one are drawn together;
            None takes each for itself.
    """

    x: Tensor
    n_way: int
    n_shot: int
    n_query: int
    least: float = 0.2
    most: float = 0.5
    groups: Tensor | None = None

    def __post_init__(self) -> None:
        """There must be rows enough."""
        needed = self.n_way * (self.n_shot + self.n_query)
        if len(self.x) < needed:
            raise InputError(
                f"{self.n_way} clusters of {self.n_shot} labelled rows and {self.n_query} queries need {needed} rows, "
                f"but there are {len(self.x)}. Lower n_way or n_query."
            )

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        """So many tasks, each of clusters of its own."""
        tasks = [self._task(generator) for _ in range(n_episodes)]
        support = Support(torch.stack([one[0] for one in tasks]), torch.stack([one[1] for one in tasks]), self.n_way)
        return Episodes(support, torch.stack([one[2] for one in tasks]), torch.stack([one[3] for one in tasks]))

    def _task(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        each = self.n_shot + self.n_query
        best = -1
        for _ in range(_ATTEMPTS):
            drawn = self._columns(generator)
            found = kmeans(self.x[:, drawn], self.n_way, generator)
            least = int(torch.bincount(found, minlength=self.n_way).min())
            if least > best:
                best, columns, clusters = least, drawn, found
            if least >= each:
                break
        keys = torch.rand(len(self.x), generator=generator, dtype=torch.float64).to(self.x.device)
        order = (clusters + keys).argsort()  # cluster by cluster, at random within each
        sizes = torch.bincount(clusters, minlength=self.n_way).unsqueeze(1)
        starts = sizes.cumsum(0) - sizes
        chosen = order[starts + torch.arange(each, device=self.x.device) % sizes].flatten()
        rows = self.x[chosen]
        others = torch.randint(len(self.x), (len(rows), len(columns)), generator=generator).to(self.x.device)
        rows[:, columns] = self.x[others, columns]
        rows = rows.view(self.n_way, each, -1)
        labels = torch.arange(self.n_way, device=self.x.device).unsqueeze(1).expand(-1, each)
        parts = [
            (part[:, : self.n_shot].flatten(0, 1), part[:, self.n_shot :].flatten(0, 1)) for part in (rows, labels)
        ]
        return parts[0][0], parts[1][0], parts[0][1], parts[1][1]

    def _columns(self, generator: torch.Generator) -> Tensor:
        n_columns = self.x.shape[1]
        groups = torch.arange(n_columns) if self.groups is None else self.groups.cpu()
        n_groups = int(groups.max()) + 1
        share = self.least + (self.most - self.least) * float(torch.rand((), generator=generator))
        chosen = torch.randperm(n_groups, generator=generator)[: max(1, math.floor(share * n_groups))]
        return torch.isin(groups, chosen).nonzero().squeeze(1)


def kmeans(x: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """Cluster of each row, int64, shape (n_rows,): Lloyd's iterations from random rows (Lloyd, 1982).

    A cluster that loses all its rows takes the row that is farthest from its centre.
    """
    centres = x[torch.randperm(len(x), generator=generator)[:n_clusters].to(x.device)]
    nearest = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    for _ in range(_KMEANS_STEPS):
        # (n_clusters, n_rows), without each row's own square: a minimum over the longer dimension is the quicker one.
        least, after = torch.addmm(centres.square().sum(1, keepdim=True), centres, x.T, alpha=-2).min(0)
        sizes = torch.bincount(after, minlength=n_clusters)
        if not bool(sizes.all()):
            least += x.square().sum(1)
            for empty in (sizes == 0).nonzero().squeeze(1).tolist():
                farthest = int(torch.where(sizes[after] > 1, least, -1.0).argmax())
                sizes[after[farthest]] -= 1
                after[farthest], least[farthest], sizes[empty] = empty, -1.0, 1
        if torch.equal(after, nearest):
            break
        nearest = after
        sums = torch.zeros_like(centres).index_add_(0, nearest, x)
        centres = sums / sizes.unsqueeze(1)
    return nearest
