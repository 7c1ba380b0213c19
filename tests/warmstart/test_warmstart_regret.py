import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.evidence import Adviser, Evidence
from autometa.metrics import resolve
from autometa.records import Config
from autometa.spaces import SearchSpace
from autometa.warmstart._regret import PRIOR_WEIGHT, estimate_regret, squared_distances

NAN = math.nan
LINE = SearchSpace.from_dict(
    {"name": "line", "hyperparameters": {"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5}}}
)


def evidence(runs: dict[tuple[str, float], float]) -> Evidence:
    """Regret by dataset and x."""
    datasets = sorted({name for name, _ in runs})
    points = sorted({x for _, x in runs})
    configs: tuple[Config, ...] = tuple({"x": x} for x in points)
    rows = [
        {"adviser": datasets.index(name), "config": points.index(x), "regret": regret, "projected": False}
        for (name, x), regret in runs.items()
    ]
    frame = pd.DataFrame(rows).sort_values(["adviser", "regret", "config"], ignore_index=True)
    advisers = tuple(Adviser(name, name, "roc_auc", NAN) for name in datasets)
    return Evidence(LINE, resolve("roc_auc", "binary"), advisers, configs, frame)


def test_inactive_on_one_side_counts_the_whole_range_and_on_both_sides_nothing() -> None:
    left = np.array([[0.0, 0.5, NAN], [1.0, NAN, 0.25]])
    right = np.array([[0.0, 0.25, NAN], [NAN, NAN, NAN]])
    expected = [[0.0625, 2.0], [1.0 + 1.0 + 1.0, 2.0]]
    np.testing.assert_allclose(squared_distances(left, right), expected, atol=1e-12)


cell = st.one_of(st.floats(0, 1), st.just(NAN))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(cell, min_size=3, max_size=3), min_size=1, max_size=6))
def test_distances_are_symmetric_and_zero_to_oneself(rows: list[list[float]]) -> None:
    encoded = np.array(rows)
    distances = squared_distances(encoded, encoded)
    np.testing.assert_allclose(distances, distances.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(distances), 0.0, atol=1e-12)
    assert (distances >= 0).all()


def test_what_was_measured_stands_as_measured() -> None:
    full = evidence({("a", 0.1): 0.0, ("a", 0.9): 0.7, ("b", 0.1): 0.4, ("b", 0.9): 0.0})
    np.testing.assert_array_equal(estimate_regret(full, np.array([0, 1])), [[0.0, 0.4], [0.7, 0.0]])


def test_the_estimate_is_the_kernel_mean_pulled_towards_one() -> None:
    # Distances among x = 0, 0.3, 1: 0.09, 0.49, 1. Of so few, the nearer half is near: the width is 0.49.
    sparse = evidence({("a", 0.0): 0.0, ("a", 1.0): 0.5, ("b", 0.3): 0.0})
    near, far = math.exp(-0.09 / 0.49), math.exp(-0.49 / 0.49)
    expected = (near * 0.0 + far * 0.5 + PRIOR_WEIGHT) / (near + far + PRIOR_WEIGHT)
    assert estimate_regret(sparse, np.array([1]))[0] == pytest.approx([expected, 0.0])


def test_far_from_every_run_the_estimate_is_the_prior() -> None:
    points = {("a", x / 100): 0.0 for x in range(5)} | {("b", 1.0): 0.0}
    estimates = estimate_regret(evidence(points), np.arange(6))
    assert estimates[5, 0] == pytest.approx(1.0, abs=1e-6)


def test_a_single_configuration_has_a_bandwidth() -> None:
    np.testing.assert_array_equal(estimate_regret(evidence({("a", 0.5): 0.0}), np.array([0])), [[0.0]])


def test_estimates_of_many_candidates_do_not_depend_on_how_they_are_grouped() -> None:
    rng = np.random.default_rng(0)
    many = evidence({(f"d{i % 7}", float(x)): float(r) for i, (x, r) in enumerate(rng.uniform(size=(1200, 2)))})
    together = estimate_regret(many, np.arange(1200))
    alone = np.vstack([estimate_regret(many, np.array([i])) for i in (0, 511, 512, 1199)])
    np.testing.assert_allclose(together[[0, 511, 512, 1199]], alone)
    assert ((together >= 0) & (together <= 1)).all()
