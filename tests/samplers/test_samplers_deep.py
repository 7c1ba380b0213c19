"""The deep kernel: what it learns, and that it is a Gaussian process."""

from pathlib import Path

import numpy as np
import pytest

from autometa.knowledge import KnowledgeBase
from autometa.samplers import DeepKernelSampler
from autometa.samplers._deep import DeepProcess, meta_train
from autometa.testing.samplers import CONDITIONAL, ERROR
from tests.samplers.test_samplers_sources import fill


def tables(n: int, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    """Datasets on which only the first of two features matters, each in its own place."""
    found = []
    for _ in range(n):
        x = rng.uniform(size=(60, 2))
        found.append((x, -((x[:, 0] - rng.uniform()) ** 2)))
    return found


def test_a_trained_kernel_needs_few_observations_of_a_dataset_it_has_never_seen() -> None:
    rng = np.random.default_rng(0)
    trained = meta_train(tables(8, rng), n_features=2, steps=150, seed=0, device="cpu")
    untrained = meta_train([], n_features=2, steps=150, seed=0, device="cpu")
    errors = np.zeros(2)
    for x, y in tables(10, rng):
        y = (y - y.min()) / np.ptp(y)
        for i, kernel in enumerate((trained, untrained)):
            process = DeepProcess.tuned(kernel, x[:6], y[:6], told=np.arange(6), steps=20)
            errors[i] += float(np.abs(process.predict(x[6:])[0] - y[6:]).mean()) / 10
    assert errors[0] < 0.075
    assert errors[1] > 0.1


def test_the_same_seed_trains_the_same_kernel_and_arrays_bring_it_back() -> None:
    taught = tables(3, np.random.default_rng(0))
    one, other = (meta_train(taught, n_features=2, steps=20, seed=4, device="cpu") for _ in range(2))
    for name, array in one.to_arrays().items():
        np.testing.assert_array_equal(array, other.to_arrays()[name])
    back = type(one).from_arrays(one.to_arrays())
    assert back.loss == one.loss
    np.testing.assert_array_equal(back.arrays["w1"], one.arrays["w1"])


def test_predictions_are_those_of_its_definition() -> None:
    kernel = meta_train([], n_features=2, steps=0, seed=0, device="cpu")
    rng = np.random.default_rng(0)
    x, y, asked = rng.uniform(size=(5, 2)), rng.uniform(size=5), rng.uniform(size=(3, 2))
    process = DeepProcess.tuned(kernel, x, y, told=np.arange(5), steps=0)

    def learned(rows: np.ndarray) -> np.ndarray:
        for i in range(3):
            rows = rows @ kernel.arrays[f"w{i}"] + kernel.arrays[f"b{i}"]
            rows = np.maximum(rows, 0) if i < 2 else rows
        return rows

    def covariance(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        gap = np.sqrt(5) * np.linalg.norm(learned(left)[:, None] - learned(right)[None], axis=-1)
        return np.asarray((1 + gap + gap**2 / 3) * np.exp(-gap))

    known = covariance(x, x) + (0.03 + 1e-4) * np.eye(5)
    mean, deviation = process.predict(asked)
    np.testing.assert_allclose(mean, covariance(asked, x) @ np.linalg.solve(known, y), atol=1e-4)
    expected = 1 - np.einsum("ij,ji->i", covariance(asked, x), np.linalg.solve(known, covariance(x, asked)))
    np.testing.assert_allclose(deviation**2, expected, atol=1e-4)


def test_running_trials_narrow_what_is_unknown_around_them_and_leave_the_mean() -> None:
    kernel = meta_train([], n_features=2, steps=0, seed=0, device="cpu")
    rng = np.random.default_rng(0)
    x, y, asked = rng.uniform(size=(5, 2)), rng.uniform(size=5), rng.uniform(size=(2, 2))
    process = DeepProcess.tuned(kernel, x, y, told=np.arange(5), steps=3)
    believed = process.given(asked)
    np.testing.assert_allclose(believed.predict(asked)[0], process.predict(asked)[0], atol=1e-6)
    assert (believed.predict(asked)[1] < process.predict(asked)[1]).all()


def test_the_kernel_is_trained_once_for_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    fill(kb)

    def sampler() -> DeepKernelSampler:
        return DeepKernelSampler(CONDITIONAL, kb, metric=ERROR, cache=tmp_path / "cache", seed=0, training_steps=5)

    first = sampler().kernel
    monkeypatch.setattr("autometa.samplers._deep_kernel.meta_train", None)
    np.testing.assert_array_equal(sampler().kernel.arrays["w0"], first.arrays["w0"])
