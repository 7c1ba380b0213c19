"""Optuna's own samplers, set up for conditional spaces and parallel workers."""

import warnings
from typing import Any

import optuna

from autometa.errors import OptionError
from autometa.knowledge import KnowledgeBase
from autometa.spaces import SearchSpace


def tpe(
    space: SearchSpace,
    kb: KnowledgeBase | None,
    *,
    within: SearchSpace | None = None,
    seed: int | None = None,
    **_: Any,
) -> optuna.samplers.BaseSampler:
    """Tree-structured Parzen estimators: multivariate, branch by branch, with running trials taken for bad ones.

    Raises:
        OptionError: It is to keep to a part of the space.
    """
    if within is not None:
        raise OptionError("Optuna's tpe cannot keep to a part of a space. Use the sampler transfer or random.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group` is one, and works
        return optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, n_startup_trials=10, seed=seed
        )
