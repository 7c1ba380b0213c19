"""The process: closed forms, limits, and what it learns."""

import math

import numpy as np
import pytest
from scipy.stats import norm

from autometa.samplers._gp import Inputs, Process, Settings, fitted, log_evidence, log_expected_improvement, matern

RNG = np.random.default_rng(0)


def inputs(x: np.ndarray[tuple[int], np.dtype[np.float64]], *says: object) -> Inputs:
    """One feature; each source's utility is given as a function's values."""
    said = np.column_stack([np.asarray(one, dtype=np.float64) for one in says]) if says else np.zeros((len(x), 0))
    mean = said.mean(axis=1) if says else np.zeros(len(x))
    return Inputs(x[:, None], mean, (said - mean[:, None]) / math.sqrt(max(1, len(says))))


@pytest.mark.parametrize("z", [-4.9, -3.0, 0.0, 2.0, 6.0])
def test_expected_improvement_is_that_of_the_textbook(z: float) -> None:
    expected = z * norm.cdf(z) + norm.pdf(z)
    assert log_expected_improvement(np.array([z]))[0] == pytest.approx(math.log(expected), rel=1e-9)


def test_expected_improvement_neither_underflows_nor_jumps() -> None:
    z = np.linspace(-200, 10, 20_001)
    values = log_expected_improvement(z)
    assert np.isfinite(values).all()
    assert (np.diff(values) > 0).all()
    assert np.abs(np.diff(values, 2)).max() < 0.01


def test_the_correlation_is_one_at_no_distance_and_falls() -> None:
    distances = np.linspace(0, 5, 50)
    values = matern(distances**2)
    assert values[0] == 1.0
    assert (np.diff(values) < 0).all()
    assert matern(np.array([1.0]))[0] == pytest.approx((1 + math.sqrt(5) + 5 / 3) * math.exp(-math.sqrt(5)))


def test_without_sources_it_passes_through_what_was_seen() -> None:
    x = np.linspace(0, 1, 6)
    y = np.sin(4 * x)
    process = Process(inputs(x), y, Settings(scale=0.0, residual=0.0, length=math.log(0.5), noise=math.log(1e-4)))
    mean, deviation = process.predict(inputs(x))
    np.testing.assert_allclose(mean, y, atol=1e-3)
    assert deviation.max() < 1e-2
    between, wide = process.predict(inputs(np.array([0.1, 0.5, 3.0])))
    np.testing.assert_allclose(between[:2], np.sin([0.4, 2.0]), atol=0.02)
    assert wide[2] > 10 * wide[1]


def test_one_observation_moves_the_level_and_keeps_the_shape_of_the_sources() -> None:
    x = np.linspace(0, 1, 5)
    says = -((x - 0.3) ** 2)
    known = inputs(x, says, says)
    process = Process(known.take(np.array([4])), np.array([7.0]), Settings(residual=math.log(1e-3)))
    mean, _ = process.predict(known)
    np.testing.assert_allclose(mean - mean[4], says - says[4], atol=1e-6)
    assert mean[4] == pytest.approx(7.0)


def test_what_differs_between_sources_is_learned_from_few_trials() -> None:
    x = np.linspace(0, 1, 41)
    left, right = -((x - 0.2) ** 2), -((x - 0.8) ** 2)
    known = inputs(x, left, right)
    seen = np.array([20, 30, 36])
    process = Process(known.take(seen), right[seen], Settings(noise=math.log(0.01), residual=math.log(0.01)))
    mean, _ = process.predict(known)
    assert abs(x[int(mean.argmax())] - 0.8) < 0.08


def test_the_evidence_is_that_of_differences_from_the_mean() -> None:
    """Restricted likelihood equals the likelihood of all differences from the first observation."""
    n, theta = 5, np.array([0.3, -0.2, -0.5, -0.4, -1.0])
    x, y = RNG.uniform(size=(n, 2)), RNG.normal(size=n)
    apart, mean = RNG.normal(size=(n, 3)), RNG.normal(size=n)
    gram, squares = apart @ apart.T, ((x[:, None] - x[None]) ** 2).sum(-1)
    scale, spread, residual, length, noise = np.exp(theta)
    covariance = spread**2 * gram + residual**2 * matern(squares / length**2) + (noise**2 + 1e-8) * np.eye(n)
    contrast = np.hstack([-np.ones((n - 1, 1)), np.eye(n - 1)])
    from scipy.stats import multivariate_normal

    expected = multivariate_normal.logpdf(
        contrast @ (y - scale * mean), np.zeros(n - 1), contrast @ (scale**2 * covariance) @ contrast.T
    )
    assert log_evidence(gram, squares, mean, y, theta) == pytest.approx(expected, abs=1e-8)


def test_the_scale_is_learned() -> None:
    x = np.linspace(0, 1, 25)
    says = -np.abs(x - 0.4)
    known = inputs(x, says, says)
    settings, _ = fitted(known, 1000 * says + 5.0, Settings(scale=0.0, widths=(5.0, 0.5, 0.7, 0.5, 1.0)))
    assert math.exp(settings.scale) == pytest.approx(1000, rel=0.1)


def test_a_width_of_zero_keeps_a_setting() -> None:
    x = RNG.uniform(size=20)
    prior = Settings(residual=0.0, widths=(1.0, 0.0, 0.0, 0.5, 1.0))
    settings, _ = fitted(inputs(x), np.sin(x), prior)
    assert (settings.residual, settings.spread) == (0.0, 0.0)
    assert settings.length != prior.length


def test_evidence_prefers_sources_that_are_right_over_sources_that_are_wrong() -> None:
    x = RNG.uniform(size=12)
    truth = -((x - 0.3) ** 2)
    right, wrong = inputs(x, truth, 1.1 * truth), inputs(x, -truth, RNG.normal(size=12))
    prior = Settings()
    assert fitted(right, truth, prior)[1] > fitted(wrong, truth, prior)[1] + 3


def test_many_observations_are_thinned_for_fitting_only() -> None:
    x = RNG.uniform(size=600)
    y = np.sin(6 * x)
    settings, evidence = fitted(inputs(x), y, Settings())
    assert np.isfinite(evidence)
    mean, _ = Process(inputs(x), y, settings).predict(inputs(np.array([0.5])))
    assert mean[0] * math.exp(settings.scale) == pytest.approx(math.sin(3.0), abs=0.02)
