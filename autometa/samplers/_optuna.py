"""Optuna's own samplers, set up for conditional spaces and parallel workers."""

import warnings
from typing import Any

import optuna

from autometa.knowledge import KnowledgeBase
from autometa.spaces import SearchSpace


def tpe(space: SearchSpace, kb: KnowledgeBase, *, seed: int | None = None, **_: Any) -> optuna.samplers.BaseSampler:
    """Tree-structured Parzen estimators: multivariate, branch by branch, with running trials taken for bad ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group` is one, and works
        return optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, n_startup_trials=10, seed=seed
        )


def random(space: SearchSpace, kb: KnowledgeBase, *, seed: int | None = None, **_: Any) -> optuna.samplers.BaseSampler:
    """Random search."""
    return optuna.samplers.RandomSampler(seed=seed)
