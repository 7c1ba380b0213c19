"""Optuna's own pruners, under the names that `autometa.create_study` takes."""

from typing import Any

import optuna

from autometa.knowledge import KnowledgeBase
from autometa.spaces import SearchSpace


def none(space: SearchSpace, kb: KnowledgeBase, **_: Any) -> optuna.pruners.BasePruner:
    """Every trial spends its whole budget."""
    return optuna.pruners.NopPruner()


def median(space: SearchSpace, kb: KnowledgeBase, **_: Any) -> optuna.pruners.BasePruner:
    """Trials that are worse than the median at the same step stop, once five have ended."""
    return optuna.pruners.MedianPruner()


def halving(space: SearchSpace, kb: KnowledgeBase, **_: Any) -> optuna.pruners.BasePruner:
    """Asynchronous successive halving: a quarter of the trials goes on from each rung to the next."""
    return optuna.pruners.SuccessiveHalvingPruner()


def hyperband(space: SearchSpace, kb: KnowledgeBase, **_: Any) -> optuna.pruners.BasePruner:
    """Brackets of successive halving that begin at different rungs."""
    return optuna.pruners.HyperbandPruner()
