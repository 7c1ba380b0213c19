"""Which configurations a search tries first, which part of the space it searches, and why.

A warm starter is called once per search by `autometa.search`, which enqueues what comes back; a space pruner before
that, where the search is to stay in a part of the space. Third parties join through the entry-point groups
``autometa.warmstart`` and ``autometa.space_pruners``; `autometa.testing.warmstart` holds the checks that every member
passes.
"""

from autometa.registry import Entry, Registry
from autometa.warmstart._auto import Auto
from autometa.warmstart._average_rank import AverageRank
from autometa.warmstart._base import WarmStarter
from autometa.warmstart._boxes import BoundingBox, QuantileBox
from autometa.warmstart._effect import WarmStartEffect, warm_start_effect
from autometa.warmstart._nearest import NearestDatasets
from autometa.warmstart._portfolio import Portfolio
from autometa.warmstart._pruning import Cut, Pruned, SpacePruner, bounding_box, quantile_box

WARM_STARTERS: Registry[WarmStarter] = Registry("warm starter", group="autometa.warmstart")
WARM_STARTERS.register(
    Entry(
        "auto",
        Auto,
        summary="Two of a portfolio weighted by similarity, one of the nearest datasets, and so on.",
        tags={"meta_features": "used where known"},
    )
)
WARM_STARTERS.register(
    Entry(
        "average_rank",
        AverageRank,
        summary="The configurations that rank highest on average over all datasets.",
        reference="Abdulrahman et al. (2018), Speeding up algorithm selection, Machine Learning 107",
        tags={"meta_features": "not used"},
    )
)
WARM_STARTERS.register(
    Entry(
        "bounding_box",
        BoundingBox,
        summary="Draws from the smallest box that holds the best configuration of every dataset.",
        reference="Perrone et al. (2019), Learning search spaces for Bayesian optimization, NeurIPS",
        tags={"meta_features": "not used", "draws": True},
    )
)
WARM_STARTERS.register(
    Entry(
        "nearest_datasets",
        NearestDatasets,
        summary="The best configurations of the datasets that look most like the target.",
        reference="Feurer et al. (2015), Efficient and Robust Automated Machine Learning, NeurIPS",
        tags={"meta_features": "needed"},
    )
)
WARM_STARTERS.register(
    Entry(
        "portfolio",
        Portfolio,
        summary="Configurations that complement each other over all datasets.",
        reference="Feurer et al. (2022), Auto-Sklearn 2.0, JMLR 23",
        tags={"meta_features": "not used"},
    )
)
WARM_STARTERS.register(
    Entry(
        "quantile_box",
        QuantileBox,
        summary="Draws from a box that holds the best configurations of most datasets.",
        reference="Wistuba et al. (2015), Hyperparameter Search Space Pruning, ECML PKDD",
        tags={"meta_features": "not used", "draws": True},
    )
)
WARM_STARTERS.register(
    Entry(
        "similar_portfolio",
        lambda: Portfolio(by_similarity=True),
        summary="A portfolio in which datasets near the target count for more.",
        reference="Feurer et al. (2022), Auto-Sklearn 2.0, JMLR 23",
        tags={"meta_features": "used where known"},
    )
)

SPACE_PRUNERS: Registry[SpacePruner] = Registry("space pruner", group="autometa.space_pruners")
SPACE_PRUNERS.register(
    Entry(
        "bounding_box",
        lambda: bounding_box,
        summary="The smallest part of the space that holds the best configuration of every dataset.",
        reference="Perrone et al. (2019), Learning search spaces for Bayesian optimization, NeurIPS",
    )
)
SPACE_PRUNERS.register(
    Entry(
        "quantile_box",
        lambda: quantile_box,
        summary="The part of the space that holds the best configurations of most datasets.",
        reference="Wistuba et al. (2015), Hyperparameter Search Space Pruning, ECML PKDD",
    )
)

__all__ = [
    "SPACE_PRUNERS",
    "WARM_STARTERS",
    "Auto",
    "AverageRank",
    "BoundingBox",
    "Cut",
    "NearestDatasets",
    "Portfolio",
    "Pruned",
    "QuantileBox",
    "SpacePruner",
    "WarmStartEffect",
    "WarmStarter",
    "bounding_box",
    "quantile_box",
    "warm_start_effect",
]
