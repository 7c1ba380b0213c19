"""Every sampler against every check, and every check against a sampler that deserves to fail it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import autometa.testing.samplers as suite
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.samplers import (
    SAMPLERS,
    DeepKernelSampler,
    ModelSampler,
    Proposals,
    RGPESampler,
    Seen,
    TransferSampler,
)
from autometa.spaces import SearchSpace
from autometa.testing.samplers import CHECKS, Make

Check = Callable[[Make], None]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


SHIPPED: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
    "transfer": TransferSampler,
    "rgpe": RGPESampler,
    "deep_kernel": partial(DeepKernelSampler, training_steps=300),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_samplers(name: str, check: Check, cache: Path) -> None:
    check(lambda space, kb, metric, seed: SHIPPED[name](space, kb, metric=metric, cache=cache, seed=seed))


def test_all_that_use_the_base_are_checked() -> None:
    assert set(SHIPPED) == {entry.name for entry in SAMPLERS if entry.tags["base"] == "used"}


class Random(ModelSampler):
    """An honest sampler that models nothing, for a subclass to spoil."""

    def __init__(self, space: SearchSpace, kb: KnowledgeBase, metric: Metric, seed: int) -> None:
        super().__init__(space, seed=seed)

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        return Proposals(self.coding.random(5, rng))


class ForgetsConditions(Random):
    """Proposes every hyperparameter, active or not, but half of those that are."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        if param_name == "share":
            return 0.55
        return super().sample_independent(study, trial, param_name, param_distribution)


class Repeats(Random):
    """Looks at nothing that was tried."""

    def _seen(self, trials: Any, sign: float) -> Seen:
        seen = super()._seen(trials, sign)
        return Seen(seen.codes, seen.values, seen.pending, frozenset())

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        return Proposals(self.coding.random(3, np.random.default_rng(0)))


class Minimizes(TransferSampler):
    """Takes every study for one that minimizes."""

    def _seen(self, trials: Any, sign: float) -> Seen:
        seen = super()._seen(trials, sign)
        return Seen(seen.codes, -sign * seen.values, seen.pending, seen.taken)


class Drifts(Random):
    """Draws from the global state."""

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        return Proposals(self.coding.random(5, np.random.default_rng(np.random.randint(2**31))))


class Counts(Random):
    """Remembers how often it was asked, which a resumed one cannot."""

    asked = 0

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        self.asked += 1
        return Proposals(self.coding.random(5, np.random.default_rng([self._seed, self.asked])))


class Anything(Random):
    """Accepts whatever study there is."""

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {} if len(study.directions) > 1 else super().sample_relative(study, trial, search_space)


class Stubborn(Random):
    """Gives a parameter that it does not know always the same value."""

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return param_distribution.low


class Breaks(Random):
    """Cannot do without values, or without a base."""

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        if not np.ptp(seen.values):
            raise ValueError("all alike")
        return super().propose(seen, rng)


LIARS: list[tuple[Any, Check]] = [
    (ForgetsConditions, suite.check_proposals_are_in_the_space),
    (Repeats, suite.check_no_configuration_is_tried_twice),
    (Random, suite.check_both_directions_are_served),
    (Breaks, suite.check_an_empty_base_is_a_cold_start),
    (Breaks, suite.check_trials_that_end_badly_are_borne),
    (Repeats, suite.check_running_trials_are_not_repeated),
    (Drifts, suite.check_the_same_seed_gives_the_same_trials),
    (Counts, suite.check_a_resumed_search_goes_on_as_it_would_have),
    (Stubborn, suite.check_parameters_outside_the_space_are_drawn),
    (Anything, suite.check_several_objectives_are_refused),
    (Repeats, suite.check_threads_share_a_study),
]


@pytest.mark.parametrize(("liar", "check"), LIARS, ids=lambda one: one.__name__)
def test_the_check_rejects(liar: Callable[..., optuna.samplers.BaseSampler], check: Check) -> None:
    with pytest.raises((AssertionError, ValueError, optuna.exceptions.OptunaError)):
        check(liar)


def test_a_sampler_that_looks_the_wrong_way_is_rejected(cache: Path) -> None:
    with pytest.raises(AssertionError, match="It learns nothing"):
        suite.check_both_directions_are_served(
            lambda space, kb, metric, seed: Minimizes(space, kb, metric=metric, cache=cache, seed=seed)
        )


def test_a_random_sampler_passes_where_no_skill_is_asked_for() -> None:
    for check in CHECKS:
        if check is not suite.check_both_directions_are_served:
            check(Random)
