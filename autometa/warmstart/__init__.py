"""Which configurations a search tries first, and why.

Called once per search by `autometa.search`, which enqueues what comes back. Third parties join through the
entry-point group ``autometa.warmstart``; `autometa.testing.warmstart` holds the checks that every member passes.
"""

from autometa.registry import Entry, Registry
from autometa.warmstart._auto import Auto
from autometa.warmstart._base import WarmStarter
from autometa.warmstart._nearest import NearestDatasets
from autometa.warmstart._portfolio import Portfolio

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

__all__ = ["WARM_STARTERS", "Auto", "NearestDatasets", "Portfolio", "WarmStarter"]
