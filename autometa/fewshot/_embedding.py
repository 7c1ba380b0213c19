"""What learners share that compare embedded items: embedding a batch of episodes, distances, losses."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from autometa.fewshot._backbones import NormMode
from autometa.fewshot._episodes import Episodes, Support

Network = Callable[..., Tensor]
"""A backbone, or its ``maps``: takes items, and how many of them statistics are taken of."""


def embed(backbone: Network, support: Tensor, queries: Tensor, mode: NormMode) -> tuple[Tensor, Tensor]:
    """Embed the items of a batch of episodes.

    With running averages everything is one batch, as in Snell et al.'s code. With statistics of the batch, support and
    queries of an episode are normalized apart from those of other episodes (Relation Networks' code, MAML's).

    Args:
        backbone: The network.
        support: Shape (n_episodes, n_support, \\*shape).
        queries: Shape (n_episodes, n_queries, \\*shape).
        mode: The backbone's.

    Returns:
        Both embedded, (n_episodes, n_support, n_features) and (n_episodes, n_queries, n_features).
    """
    n_support = support.shape[1]
    items = torch.cat([support, queries], dim=1)
    if mode in ("running", "none"):
        found = embed_each(backbone, items)
        return found[:, :n_support], found[:, n_support:]
    pairs = [_embed_one(backbone, items[i], n_support, mode) for i in range(len(items))]
    return torch.stack([first for first, _ in pairs]), torch.stack([second for _, second in pairs])


def embed_each(backbone: Network, items: Tensor) -> Tensor:
    """Items of a batch of episodes, (n_episodes, n, \\*shape), each by itself: (n_episodes, n, n_features)."""
    found = _precise(backbone(items.flatten(0, 1)))
    return found.view(*items.shape[:2], *found.shape[1:])


def _embed_one(backbone: Network, items: Tensor, n_support: int, mode: NormMode) -> tuple[Tensor, Tensor]:
    if mode == "support":
        found = _precise(backbone(items, n_support))
        return found[:n_support], found[n_support:]
    return _precise(backbone(items[:n_support])), _precise(backbone(items[n_support:]))


def _precise(embedded: Tensor) -> Tensor:
    """What mixed precision computed with eight bits goes on with twenty-four."""
    return embedded.float() if embedded.dtype == torch.bfloat16 else embedded


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances, (..., n, d) and (..., m, d) to (..., n, m)."""
    # A difference of large numbers: eight bits would leave nothing of it.
    with torch.autocast(a.device.type, enabled=False):
        across = a @ b.transpose(-1, -2)
    return a.square().sum(-1).unsqueeze(-1) - 2 * across + b.square().sum(-1).unsqueeze(-2)


def class_means(embedded: Tensor, support: Support) -> Tensor:
    """Mean of each class, (n_episodes, n_support, d) to (n_episodes, n_way, d); classes may differ in size."""
    members = support.one_hot.transpose(1, 2)
    with torch.autocast(embedded.device.type, enabled=False):
        return members @ embedded / members.sum(-1, keepdim=True)


def cross_entropy(logits: Tensor, episodes: Episodes) -> Tensor:
    """Mean over all queries; logits (n_episodes, n_queries, n_way)."""
    return F.cross_entropy(logits.flatten(0, 1), episodes.y.flatten())
