from typing import Any

import numpy as np
import pytest
import scipy.sparse

from autometa.candidates import CANDIDATES, Candidate
from autometa.candidates._weights import weighted_rows
from autometa.errors import OptionError
from autometa.testing.candidates import Table, predict, quick

WEIGHING = [name for name in CANDIDATES.names() if CANDIDATES.create(name).takes_weights]
X = np.arange(8.0).reshape(4, 2)
Y = np.array([0, 1, 1, 0])


def available(name: str) -> Candidate:
    candidate = CANDIDATES.create(name)
    if not candidate.available():
        pytest.skip(f"{name} is not installed")
    return candidate


def model(name: str, table: Table) -> Any:
    """The candidate's model without its preparation."""
    candidate = available(name)
    return candidate.build(quick(lambda: candidate, table.task), schema=table.schema, seed=0)["model"]


def test_all_but_few_shots_and_neighbours_take_weights() -> None:
    assert sorted(set(CANDIDATES.names()) - set(WEIGHING)) == ["few_shot_tabular", "k_nearest_neighbors"]
    assert all(entry.tags["takes_weights"] == (entry.name in WEIGHING) for entry in CANDIDATES)


def test_no_weights_are_all_rows_untouched() -> None:
    rows, targets, weights = weighted_rows(X, Y, None)
    assert rows is X
    assert targets is Y
    assert weights is None


def test_weights_average_one_over_the_rows_that_count() -> None:
    rows, targets, weights = weighted_rows(X, Y, [0, 3, 1, 0])
    np.testing.assert_array_equal(rows, X[1:3])
    np.testing.assert_array_equal(targets, [1, 1])
    np.testing.assert_allclose(weights, [1.5, 0.5])  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [1e-300, 1e300])
def test_the_unit_of_weights_does_not_matter(unit: float) -> None:
    _, _, weights = weighted_rows(X, Y, np.array([0, 3, 1, 0]) * unit)
    np.testing.assert_allclose(weights, [1.5, 0.5])  # type: ignore[arg-type]


def test_equal_weights_are_none_but_still_leave_out_zeros() -> None:
    assert weighted_rows(X, Y, np.full(4, 0.1))[2] is None
    rows, _, weights = weighted_rows(X, Y, [2, 2, 0, 2])
    assert rows.shape == (3, 2)
    assert weights is None


def test_sparse_rows_are_left_out_too() -> None:
    rows, _, _ = weighted_rows(scipy.sparse.csr_matrix(X), Y, [1, 0, 2, 0])
    np.testing.assert_array_equal(rows.toarray(), X[[0, 2]])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2, 3], r"shape \(4,\), but got \(3,\)"),
        (1.0, r"but got \(\)"),
        ([1, 2, -3, 4], r"row 2 has -3\.0"),
        ([1, np.nan, 3, 4], "row 1 has nan"),
        ([np.inf, 1, 1, 1], "row 0 has inf"),
        ([0, 0, 0, 0], "zero for all"),
    ],
)
def test_bad_weights_are_named(weights: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        weighted_rows(X, Y, weights)


@pytest.mark.parametrize("name", [name for name in WEIGHING if name != "ridge"])
def test_weights_that_leave_a_single_class_are_refused(name: str) -> None:
    table = Table("binary", n=40)
    pipeline = available(name).build(quick(lambda: CANDIDATES.create(name), "binary"), schema=table.schema, seed=0)
    with pytest.raises(OptionError, match="two classes at least"):
        pipeline.fit(table.X, table.y, model__sample_weight=table.y == 1)


@pytest.mark.parametrize("name", WEIGHING)
def test_rows_of_weight_zero_are_as_if_they_were_not_there(name: str) -> None:
    table = Table("regression" if name == "ridge" else "multiclass", n=90)
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 3, (90, 2)).astype(float)  # valid as category codes, too
    weights = rng.integers(0, 4, 90).astype(float)
    there = weights > 0
    fits = [
        model(name, table).fit(numbers, table.y, sample_weight=weights),
        model(name, table).fit(numbers[there], table.y[there], sample_weight=10 * weights[there]),
    ]
    method = "predict" if name == "ridge" else "predict_proba"
    first, second = (getattr(fit, method)(numbers) for fit in fits)
    np.testing.assert_allclose(first, second, rtol=1e-9)


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("weights", [np.ones(40), np.arange(40.0)])
def test_neighbours_refuse_weights_and_say_so(task: Any, weights: Any) -> None:
    table = Table(task, n=40)
    candidate = CANDIDATES.create("k_nearest_neighbors")
    pipeline = candidate.build(quick(lambda: candidate, task), schema=table.schema, seed=0)
    with pytest.raises(OptionError, match="k_nearest_neighbors cannot weigh rows"):
        pipeline.fit(table.X, table.y, model__sample_weight=weights)
    assert np.isfinite(predict(pipeline.fit(table.X, table.y), table.X, task)).all()


def test_a_weighted_ridge_by_hand() -> None:
    # Two points, weights 3 and 1 in ratio: 1.5 and 0.5. The intercept is the weighted mean of y, where x is 0 for
    # both; alpha then has nothing to shrink.
    from autometa.candidates._ridge import RidgeRegressor

    fitted = RidgeRegressor({"alpha": 1.0}).fit(np.zeros((2, 1)), [4.0, 0.0], sample_weight=[30, 10])
    assert fitted.predict(np.zeros((1, 1)))[0] == pytest.approx(3.0)


def test_a_constant_table_gives_weighted_shares_in_catboost() -> None:
    pytest.importorskip("catboost")
    from autometa.candidates._catboost import CatBoostedClassifier, CatBoostedRegressor

    constant, y = np.ones((4, 2)), np.array([0, 0, 0, 1])
    classifier = CatBoostedClassifier({"thread_count": 1}).fit(constant, y, sample_weight=[1, 1, 1, 9])
    np.testing.assert_allclose(classifier.predict_proba(constant[:1]), [[0.25, 0.75]])
    regressor = CatBoostedRegressor({"thread_count": 1}).fit(constant, 4.0 * y, sample_weight=[1, 1, 1, 9])
    np.testing.assert_allclose(regressor.predict(constant[:1]), [3.0])
