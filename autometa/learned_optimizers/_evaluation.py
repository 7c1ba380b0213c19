"""How well rules optimize, beside tuned optimizers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import Tensor

from autometa.learned_optimizers._base import LearnedOptimizer
from autometa.learned_optimizers._problems import Optimizees
from autometa.learned_optimizers._unroll import BASELINES, rollout, tuned_baseline

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
    tuning = optimizees.sample(n_problems, seed=seed + _TUNING_SEED, split="validation")
    testing = optimizees.sample(n_problems, seed=seed + _TESTING_SEED, split="test")
    found = [_curve(name, None, rollout(rule, testing, n_steps)) for name, rule in rules.items()]
    for name in baselines:
        lr, _ = tuned_baseline(name, tuning, n_steps, list(rates), late_loss)
        found.append(_curve(name, lr, tuned_baseline(name, testing, n_steps, [lr], late_loss)[1]))
    return found


def _curve(name: str, lr: float | None, losses: Tensor) -> Curve:
    means = losses.double().mean(0)
    errors = losses.double().std(0, correction=1) / len(losses) ** 0.5 if len(losses) > 1 else means * float("nan")
    return Curve(name, lr, tuple(means.tolist()), tuple(errors.tolist()), late_loss(losses))
