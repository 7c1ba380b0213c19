"""A few configurations of which one is good, whatever the dataset."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autometa.evidence import Adviser, Evidence, judged_by
from autometa.records import Suggestion
from autometa.warmstart._base import EvidenceStarter
from autometa.warmstart._origins import origin
from autometa.warmstart._regret import estimate_regret

Floats = npt.NDArray[np.float64]

# Beyond this many candidates, those with the highest regret are not considered.
MAX_CANDIDATES = 2000

# Distance at which a dataset's say has fallen to exp(-1), where similarity counts.
SIMILARITY_SCALE = 0.1


class Portfolio(EvidenceStarter):
    """Configurations chosen one by one, each to lower most the mean regret of the best chosen so far.

    Use it when nothing is known of the target: it needs no meta-features. The first is the best single
    configuration for all datasets; each next serves those that the ones before serve badly, so model
    families that complement each other come up on their own.

    The greedy choice is that of Feurer et al. (2022), "Auto-Sklearn 2.0: Hands-free AutoML via
    Meta-Learning", JMLR 23, section 3.1, and has the guarantee of submodular maximisation (Nemhauser, Wolsey,
    Fisher, 1978). Deviation: their matrix of configurations and datasets is full; where this one is not, regret
    is estimated (see `autometa.warmstart._regret`).
    """

    def __init__(self, *, by_similarity: bool = False) -> None:
        """``by_similarity`` lets datasets near the target count for more; registered as ``similar_portfolio``."""
        self.by_similarity = by_similarity

    def choose(self, evidence: Evidence, n: int, *, seed: int) -> list[Suggestion]:
        """See `EvidenceStarter.choose`."""
        return portfolio(evidence, n, by_similarity=self.by_similarity)


def portfolio(evidence: Evidence, n: int, *, by_similarity: bool = False) -> list[Suggestion]:
    """The first ``n`` configurations of the greedy portfolio."""
    if not evidence.configs or n <= 0:
        return []
    candidates = find_candidates(evidence)
    weights = similarity(evidence.advisers) if by_similarity else np.ones(len(evidence.advisers))
    picks, regrets = choose(estimate_regret(evidence, candidates), weights / weights.sum(), n)
    strategy = "similar_portfolio" if by_similarity else "portfolio"
    gains = [_gain(evidence, weights, *pair) for pair in itertools.pairwise([1.0, *regrets])]
    return explained(evidence, candidates[picks], gains, strategy=strategy)


def choose(estimates: Floats, weights: Floats, n: int) -> tuple[list[int], list[float]]:
    """Greedily pick rows that minimise the weighted mean, over columns, of the smallest value picked.

    Ties go to the row with the smaller mean of its own, then to the earlier one. Sums are compared to 12
    digits, so that the order of the columns cannot decide.

    Args:
        estimates: Shape (n_candidates, n_datasets), in [0, 1].
        weights: Shape (n_datasets,), summing to 1.
        n: How many rows to pick at most.

    Returns:
        The rows in the order picked, and the mean regret after each.
    """
    own = np.round(estimates @ weights, 12)
    best = np.ones(estimates.shape[1])
    open_rows = np.ones(len(estimates), dtype=bool)
    picks: list[int] = []
    regrets: list[float] = []
    for _ in range(min(n, len(estimates))):
        objective = np.round(np.minimum(estimates, best) @ weights, 12)
        objective[~open_rows] = np.inf
        pick = int(np.lexsort((own, objective))[0])
        open_rows[pick] = False
        best = np.minimum(best, estimates[pick])
        picks.append(pick)
        regrets.append(float(objective[pick]))
    return picks, regrets


def find_candidates(evidence: Evidence) -> npt.NDArray[np.int64]:
    """The configurations worth considering: those of the lowest regret, in the order of the evidence."""
    lowest = evidence.runs.groupby("config")["regret"].agg(["min", "mean"]).reset_index()
    lowest = lowest.sort_values(["min", "mean", "config"]).head(MAX_CANDIDATES)
    return np.sort(lowest["config"].to_numpy(dtype=np.int64))


def similarity(advisers: tuple[Adviser, ...]) -> Floats:
    """Weight of each dataset; one that cannot be compared counts like the median of the others."""
    distances = np.array([adviser.distance for adviser in advisers])
    unknown = np.isnan(distances)
    if unknown.all():
        return np.ones(len(advisers))
    distances[unknown] = np.median(distances[~unknown])
    weights: Floats = np.exp(-(distances - distances.min()) / SIMILARITY_SCALE)
    return weights


def _gain(evidence: Evidence, weights: Floats, before: float, after: float) -> str:
    """What a configuration brings, in words."""
    near = ", near ones counting more," if weights.min() < weights.max() else ""
    over = f"expected regret over {len(evidence.advisers)} datasets{near}"
    if after < before:
        return f"Lowers the {over} from {before:.2f} to {after:.2f}"
    return f"Best on average of what is left; the {over} stays at {after:.2f}"


def explained(
    evidence: Evidence, chosen: npt.NDArray[np.int64], merits: Sequence[str], *, strategy: str
) -> list[Suggestion]:
    """Suggestions of the chosen configurations, each with its merit and the dataset where it did best.

    Args:
        evidence: The runs.
        chosen: Positions in ``evidence.configs``, best first.
        merits: Why each was chosen, in words that another half of the sentence follows.
        strategy: Registry name of the warm starter.
    """
    homes = evidence.runs.sort_values(["config", "regret", "adviser"]).drop_duplicates("config")
    homes = homes.set_index("config").loc[chosen]
    rows = zip(chosen.tolist(), homes["adviser"], homes["projected"], merits, strict=True)
    suggestions = []
    for rank, (config, adviser, projected, merit) in enumerate(rows, start=1):
        source = evidence.advisers[adviser]
        reason = f"{merit}; it did best on {source.name!r}, by {judged_by(evidence, source)}."
        told = origin(source, strategy=strategy, rank=rank, reason=reason, projected=bool(projected))
        suggestions.append(Suggestion(dict(evidence.configs[config]), told))
    return suggestions
