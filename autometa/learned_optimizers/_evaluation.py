"""How well rules optimize, beside tuned optimizers."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autometa.learned_optimizers._base import LearnedOptimizer
from autometa.learned_optimizers._problems import Optimizees, Problems
from autometa.learned_optimizers._unroll import BASELINES, rollout, rollout_baseline

RATES: tuple[float, ...] = tuple(float(rate) for rate in np.logspace(-5, 1, 25))
"""Learning rates that baselines are tuned over: four a decade."""

_LATE = 0.1
_TUNING_SEED, _TESTING_SEED = 104_729, 1_299_709


def late_loss(losses: Tensor) -> float:
    """Mean over the last tenth of the steps, and over the problems; (n_problems, n_steps + 1).

    Where batches are drawn at random, one step's loss alone would say little.
    """
    n_late = max(1, round(_LATE * (losses.shape[1] - 1)))
    return float(losses[:, -n_late:].mean())


@dataclass(frozen=True, slots=True)
class Curve:
    """What an optimizer did on many problems.

    Attributes:
        name: Of the optimizer.
        lr: Its tuned learning rate; None where it has none.
        losses: Mean over the problems before each step and after the last.
        errors: Standard errors of these.
        late: `late_loss`.
    """

    name: str
    lr: float | None
    losses: tuple[float, ...]
    errors: tuple[float, ...]
    late: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare(
    rules: dict[str, LearnedOptimizer[Any]],
    optimizees: Optimizees,
    *,
    n_steps: int | None = None,
    n_problems: int = 64,
    seed: int = 0,
    rates: Sequence[float] = RATES,
    baselines: Sequence[str] = tuple(BASELINES),
) -> list[Curve]:
    """Rules and baselines on the same unseen problems.

    The learning rate of each baseline is tuned at the same horizon, on as many problems of the validation split, by
    `late_loss`. Rules have nothing to tune.

    Args:
        rules: By the names they are to have.
        optimizees: The kind of problems.
        n_steps: Horizon; None takes the kind's.
        n_problems: How many.
        seed: Of the problems.
        rates: Learning rates to choose among.
        baselines: Of `BASELINES`.
    """
    n_steps = n_steps or optimizees.horizon
    tuning = optimizees.sets(n_problems, seed=seed + _TUNING_SEED, split="validation")
    testing = optimizees.sets(n_problems, seed=seed + _TESTING_SEED, split="test")
    found = [
        _curve(name, None, torch.cat([rollout(rule, problems, n_steps) for problems in testing]))
        for name, rule in rules.items()
    ]
    for name in baselines:
        lr = _tuned(name, tuning, n_steps, rates)
        found.append(_curve(name, lr, _baseline(name, lr, testing, n_steps)))
    return found


def _tuned(name: str, problems: Sequence[Problems], n_steps: int, rates: Sequence[float]) -> float:
    """The rate with the lowest late loss; one that leaves the finite numbers is none."""
    scores = {lr: late_loss(_baseline(name, lr, problems, n_steps)) for lr in rates}
    return min(rates, key=lambda lr: scores[lr] if math.isfinite(scores[lr]) else math.inf)


def _baseline(name: str, lr: float, problems: Sequence[Problems], n_steps: int) -> Tensor:
    return torch.cat([rollout_baseline(name, lr, some, n_steps) for some in problems])


def _curve(name: str, lr: float | None, losses: Tensor) -> Curve:
    means = losses.double().mean(0)
    errors = losses.double().std(0, correction=1) / len(losses) ** 0.5 if len(losses) > 1 else means * float("nan")
    return Curve(name, lr, tuple(means.tolist()), tuple(errors.tolist()), late_loss(losses))
