"""Optuna pruners: when a trial stops early, and what learning curves of other datasets have to do with it.

Third parties join through the entry-point group ``autometa.pruners``: an `Entry` whose factory gives what makes the
pruner, called as `TransferPruner` is: ``(space, kb, *, metric, task)``.
"""

from collections.abc import Callable

from optuna.pruners import BasePruner

from autometa.pruners import _optuna
from autometa.pruners._transfer import TransferPruner
from autometa.registry import Entry, Registry

PRUNERS: Registry[Callable[..., BasePruner]] = Registry("pruner", group="autometa.pruners")
PRUNERS.register(
    Entry(
        "none",
        lambda: _optuna.none,
        summary="Every trial spends its whole budget.",
        tags={"base": "not used"},
    )
)
PRUNERS.register(
    Entry(
        "median",
        lambda: _optuna.median,
        summary="Trials below the median of earlier ones at the same step stop.",
        reference="Golovin et al. (2017), Google Vizier, KDD",
        tags={"base": "not used"},
    )
)
PRUNERS.register(
    Entry(
        "halving",
        lambda: _optuna.halving,
        summary="Asynchronous successive halving: only the best go on from each rung to the next.",
        reference="Li et al. (2020), A System for Massively Parallel Hyperparameter Tuning, MLSys",
        tags={"base": "not used"},
    )
)
PRUNERS.register(
    Entry(
        "hyperband",
        lambda: _optuna.hyperband,
        summary="Brackets of successive halving that begin at different rungs.",
        reference="Li et al. (2018), Hyperband, JMLR 18",
        tags={"base": "not used"},
    )
)
PRUNERS.register(
    Entry(
        "transfer",
        lambda: TransferPruner,
        summary="Stops what hardly can end better than the best, by learning curves of other datasets.",
        tags={"base": "used"},
    )
)

__all__ = ["PRUNERS", "TransferPruner"]
