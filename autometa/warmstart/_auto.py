"""The default: mostly what is robust, now and then what is near."""

import math
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator

from autometa.evidence import Evidence
from autometa.records import Suggestion
from autometa.warmstart._base import EvidenceStarter
from autometa.warmstart._nearest import nearest
from autometa.warmstart._portfolio import portfolio


class Auto(EvidenceStarter):
    """Two of a portfolio in which near datasets count for more, one of the nearest datasets, and so on.

    The portfolio is robust: no single dataset decides, and each of its configurations serves targets that
    the ones before do not. The nearest datasets are specific, and wrong where the meta-features mislead, so
    they have every third place (``benchmarks/warmstart_coverage.py``; every second cost more than it brought).
    A configuration that both offer counts once, for the list that offers it first, and the other list moves
    up. Where no meta-features can be compared, the portfolio speaks alone, with equal weights. Each
    suggestion keeps its own origin, with its rank in its own list.
    """

    def choose(self, evidence: Evidence, n: int, *, seed: int) -> list[Suggestion]:
        """See `EvidenceStarter.choose`."""
        comparable = not all(math.isnan(adviser.distance) for adviser in evidence.advisers)
        robust = iter(portfolio(evidence, n, by_similarity=comparable))
        near = iter(nearest(evidence, n) if comparable else [])
        return take_turns([robust, robust, near], n, key=lambda suggestion: evidence.space.key(suggestion.config))


def take_turns(
    lists: Iterable[Iterator[Suggestion]], n: int, *, key: Callable[[Suggestion], Hashable]
) -> list[Suggestion]:
    """Take from each in turn the next suggestion not taken yet, until there are ``n`` or no more.

    An iterator that stands there twice has two turns in each round.
    """
    queues = deque(lists)
    taken: dict[Hashable, Suggestion] = {}
    while queues and len(taken) < n:
        queue = queues.popleft()
        fresh = next((suggestion for suggestion in queue if key(suggestion) not in taken), None)
        if fresh is not None:
            taken[key(fresh)] = fresh
            queues.append(queue)
    return list(taken.values())
