"""The ensemble: who ranks best counts most."""

from pathlib import Path

import numpy as np
import pytest

from autometa.knowledge import KnowledgeBase
from autometa.samplers import RGPESampler
from autometa.samplers._gp import Inputs, Process, Settings
from autometa.samplers._rgpe import _best_shares, _misranked
from autometa.testing.samplers import CONDITIONAL, ERROR, loss
from tests.samplers.test_samplers_sources import fill


def plain(x: list[float]) -> Inputs:
    return Inputs(np.array(x)[:, None], np.zeros(len(x)), np.zeros((len(x), 0)))


def test_pairs_in_the_wrong_order_are_counted() -> None:
    y = np.array([1.0, 2.0, 3.0])
    functions = np.array([[10.0, 20.0, 30.0], [30.0, 20.0, 10.0], [10.0, 30.0, 20.0]])
    assert _misranked(functions, y).tolist() == [0, 6, 2]


def test_against_the_values_themselves_each_prediction_is_compared_with_the_others() -> None:
    y = np.array([1.0, 2.0])
    # Left out, the first is predicted above the second's value: both orders that it takes part in are judged by it.
    assert _misranked(np.array([[2.5, 2.0]]), y, others=y).tolist() == [1]
    assert _misranked(np.array([[1.5, 1.8]]), y, others=y).tolist() == [0]


def test_shares_are_how_often_each_is_best_and_ties_go_to_the_target() -> None:
    losses = np.array([[1.0, 1.0, 5.0, 2.0], [1.0, 3.0, 4.0, 2.0], [2.0, 9.0, 4.0, 9.0]])
    # Sample 1: the two sources share; 2: the first source; 3: the target, tied with the second source; 4: shared.
    assert _best_shares(losses).tolist() == [0.125 + 0.25 + 0.125, 0.125 + 0.125, 0.25]


def test_a_source_that_ranks_worse_than_the_target_can_does_not_count() -> None:
    losses = np.array([[0.0, 50.0, 50.0, 50.0], [9.0, 9.0, 9.0, 9.0]])
    assert _best_shares(losses).tolist() == [0.0, 1.0]


def test_leaving_one_out_is_what_a_process_without_it_predicts() -> None:
    settings = Settings(residual=0.0, length=np.log(0.5), noise=np.log(0.2))
    x, y = [0.0, 0.3, 0.7, 1.0], np.array([0.1, -0.4, 0.8, 0.2])
    process = Process(plain(x), y, settings)
    means, deviations = process.leave_one_out()
    # The offset stays that of all observations, so the others are seen without it.
    kernel = process.joint(plain(x))[1] * 0
    for i in range(4):
        others = [j for j in range(4) if j != i]
        gap = np.abs(np.subtract.outer(x, x)) / 0.5
        kernel = (1 + np.sqrt(5) * gap + 5 / 3 * gap**2) * np.exp(-np.sqrt(5) * gap)
        known = kernel[np.ix_(others, others)] + (0.04 + 1e-8) * np.eye(3)
        weights = np.linalg.solve(known, kernel[others, i])
        assert means[i] == pytest.approx(process.offset + weights @ (y[others] - process.offset))
        assert deviations[i] == pytest.approx(np.sqrt(1.04 + 1e-8 - weights @ kernel[others, i]))


def test_joint_predictions_agree_with_single_ones() -> None:
    process = Process(plain([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 0.5]), Settings(residual=0.0))
    asked = plain([0.1, 0.4, 0.9])
    mean, covariance = process.joint(asked)
    single, deviation = process.predict(asked)
    np.testing.assert_allclose(mean, single)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), deviation)
    assert covariance[0, 1] > covariance[0, 2]


def test_sources_that_mislead_lose_their_share(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    fill(kb, n_runs=150)
    sampler = RGPESampler(CONDITIONAL, kb, metric=ERROR, cache=tmp_path, seed=0)
    rng = np.random.default_rng(1)
    configs = [CONDITIONAL.sample(rng) for _ in range(12)]
    codes = sampler.coding.encode(configs)
    losses = np.array([loss(config) for config in configs])
    right, wrong = (sampler._shares(codes, sign * losses, np.random.default_rng(0)) for sign in (-1.0, 1.0))
    assert right.sum() == pytest.approx(1.0)
    assert right[-1] < 0.2
    assert wrong[-1] > 0.9
