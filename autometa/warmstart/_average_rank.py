"""The configurations that rank highest, dataset by dataset."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.evidence import Evidence
from autometa.records import Suggestion
from autometa.warmstart._base import EvidenceStarter
from autometa.warmstart._portfolio import explained, find_candidates, similarity
from autometa.warmstart._regret import estimate_regret, measured

Floats = npt.NDArray[np.float64]

# Digits of an estimated regret that count. Finer differences between configurations that are far from all runs of a
# dataset are an artefact of the estimate, yet a rank would make as much of them as of any other.
_DIGITS = 1


class AverageRank(EvidenceStarter):
    """Configurations in the order of their mean rank over datasets, ties averaged.

    Use it as the classic method that others are compared with, and where how much better one configuration is
    than another means nothing, since a rank asks only which is better. Each configuration stands for itself:
    neighbours in the list may be nearly the same configuration, and fail on the same target. `Portfolio` avoids
    that.

    Average ranking as in Abdulrahman, Brazdil, van Rijn, Vanschoren (2018), "Speeding up algorithm selection using
    average ranking and active testing by introducing runtime", Machine Learning 107; weighted by similarity it is a
    smooth form of Soares, Brazdil (2000), "Zoomed Ranking", PKDD, which averages over the nearest datasets only.
    Deviations: a configuration that a dataset lacks takes part with its estimated regret (see
    `autometa.warmstart._regret`), to a tenth, ranks are of the value alone, not of value and runtime, and of more than
    ``MAX_CANDIDATES`` configurations those of the highest regret are left out.
    """

    def __init__(self, *, by_similarity: bool = False) -> None:
        """``by_similarity`` lets datasets near the target count for more."""
        self.by_similarity = by_similarity

    def choose(self, evidence: Evidence, n: int, *, seed: int) -> list[Suggestion]:
        """See `EvidenceStarter.choose`."""
        if not evidence.configs or n <= 0:
            return []
        candidates = find_candidates(evidence)
        weights = similarity(evidence.advisers) if self.by_similarity else np.ones(len(evidence.advisers))
        order, ranks = rank(_regrets(evidence, candidates), weights / weights.sum())
        near = ", near ones counting more" if weights.min() < weights.max() else ""
        over = f"{len(candidates)} configurations over {len(evidence.advisers)} datasets{near}"
        merits = [f"Mean rank {mean:.1f} among {over}" for mean in ranks[order[:n]]]
        return explained(evidence, candidates[order[:n]], merits, strategy="average_rank")


def _regrets(evidence: Evidence, candidates: npt.NDArray[np.int64]) -> Floats:
    """Measured regrets as they are, estimated ones with `_DIGITS` digits; shape (n_candidates, n_datasets)."""
    estimates, (_, count) = estimate_regret(evidence, candidates), measured(evidence)
    return np.where(count[candidates] > 0, estimates, estimates.round(_DIGITS))


def rank(estimates: Floats, weights: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Order rows by the weighted mean, over columns, of their ranks.

    Ties go to the row with the smaller weighted mean of its own, then to the earlier one.

    Args:
        estimates: Shape (n_candidates, n_datasets), smaller is better.
        weights: Shape (n_datasets,), summing to 1.

    Returns:
        The rows, best first, and the mean rank of each row; ranks count from 1, and ties share the mean of theirs.
    """
    ranks = pd.DataFrame(np.round(estimates, 12)).rank(axis=0, method="average").to_numpy(dtype=np.float64)
    means: Floats = np.round(ranks @ weights, 9)
    return np.lexsort((np.round(estimates @ weights, 12), means)), means
