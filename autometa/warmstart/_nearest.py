"""What worked on the datasets that look most like the target."""

import math

from autometa.evidence import Evidence, judged_by
from autometa.records import Suggestion
from autometa.warmstart._base import EvidenceStarter
from autometa.warmstart._origins import nth, origin


class NearestDatasets(EvidenceStarter):
    """The best configuration of the nearest dataset, then of the second nearest, and so on.

    Use it when the base holds datasets like the target. Every dataset speaks once before any speaks
    twice, so ten suggestions come from ten datasets where there are as many: the tenth best of one dataset
    says little that its best has not said. Where no meta-features can be compared, the order is by dataset
    id, and the reason says that the distance is not known.

    Feurer et al. (2015), "Efficient and Robust Automated Machine Learning", NeurIPS, section 3.1. Deviations:
    quantiles instead of min-max scaling, missing qualities charged instead of imputed (see
    `autometa.knowledge.DatasetIndex`), and bases with many runs per dataset.
    """

    def choose(self, evidence: Evidence, n: int, *, seed: int) -> list[Suggestion]:
        """See `EvidenceStarter.choose`."""
        return nearest(evidence, n)


def nearest(evidence: Evidence, n: int) -> list[Suggestion]:
    """The first ``n`` distinct configurations, taken in turns from the datasets, nearest first."""
    runs = evidence.runs.assign(turn=evidence.runs.groupby("adviser").cumcount())
    runs = runs.sort_values(["turn", "adviser"]).drop_duplicates("config").head(max(n, 0))
    rows = zip(runs["adviser"], runs["config"], runs["turn"], runs["projected"], strict=True)
    return [
        Suggestion(
            dict(evidence.configs[config]),
            origin(
                evidence.advisers[adviser],
                strategy="nearest_datasets",
                rank=rank,
                reason=_reason(evidence, adviser, turn),
                projected=bool(projected),
            ),
        )
        for rank, (adviser, config, turn, projected) in enumerate(rows, start=1)
    ]


def _reason(evidence: Evidence, adviser: int, turn: int) -> str:
    source = evidence.advisers[adviser]
    best = "Best" if turn == 0 else f"{nth(turn + 1)}best"
    known = not math.isnan(source.distance)
    near = f"the {nth(adviser + 1)}nearest of" if known else "whose distance is not known, one of"
    return f"{best} {judged_by(evidence, source)} on {source.name!r}, {near} {len(evidence.advisers)} datasets."
