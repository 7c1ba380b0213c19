"""What worked on the datasets that look most like the target."""

import math

from autometa.evidence import Evidence, gather, judged_by
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import MetaFeatures, Origin, Suggestion, TaskType
from autometa.spaces import SearchSpace
from autometa.warmstart._base import WarmStarter


class NearestDatasets(WarmStarter):
    """The best configuration of the nearest dataset, then of the second nearest, and so on.

    Use it when the base holds datasets like the target. Every dataset speaks once before any speaks
    twice, so ten suggestions come from ten datasets where there are as many: the tenth best of one dataset
    says little that its best has not said. Where no meta-features can be compared, the order is by dataset
    id, and the reason says that the distance is not known.

    Feurer et al. (2015), "Efficient and Robust Automated Machine Learning", NeurIPS, section 3.1. Deviations:
    quantiles instead of min-max scaling, missing qualities charged instead of imputed (see
    `autometa.knowledge.DatasetIndex`), and bases with many runs per dataset.
    """

    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        """See `WarmStarter.suggest`."""
        return nearest(gather(kb, space, target, metric=metric, task=task), n)


def nearest(evidence: Evidence, n: int) -> list[Suggestion]:
    """The first ``n`` distinct configurations, taken in turns from the datasets, nearest first."""
    runs = evidence.runs.assign(turn=evidence.runs.groupby("adviser").cumcount())
    runs = runs.sort_values(["turn", "adviser"]).drop_duplicates("config").head(max(n, 0))
    rows = zip(runs["adviser"], runs["config"], runs["turn"], runs["projected"], strict=True)
    return [
        Suggestion(dict(evidence.configs[config]), _origin(evidence, rank, adviser, turn, projected))
        for rank, (adviser, config, turn, projected) in enumerate(rows, start=1)
    ]


def _origin(evidence: Evidence, rank: int, adviser: int, turn: int, projected: bool) -> Origin:
    source = evidence.advisers[adviser]
    known = not math.isnan(source.distance)
    best = "Best" if turn == 0 else f"{_nth(turn + 1)}best"
    near = f"the {_nth(adviser + 1)}nearest of" if known else "whose distance is not known, one of"
    return Origin(
        strategy="nearest_datasets",
        rank=rank,
        dataset_id=source.dataset_id,
        dataset_name=source.name,
        distance=source.distance if known else None,
        reason=f"{best} {judged_by(evidence, source)} on {source.name!r}, {near} {len(evidence.advisers)} datasets.",
        projected=bool(projected),
    )


def _nth(position: int) -> str:
    """Ordinal prefix: empty for the first, then "2nd ", "3rd ", "11th "."""
    if position == 1:
        return ""
    suffix = "th" if 10 <= position % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{suffix} "
