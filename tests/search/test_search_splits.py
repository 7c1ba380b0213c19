import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.errors import OptionError, TableError
from autometa.search._splits import RARE_ROWS, make_folds, sample_rows


@settings(deadline=None, max_examples=50)
@given(
    counts=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_classes_are_dealt_out_evenly(counts: list[int], n_folds: int, seed: int) -> None:
    y = np.repeat(np.arange(len(counts)), counts)
    if len(y) < n_folds:
        return
    folds = make_folds(y, "multiclass", n_folds=n_folds, seed=seed)
    sizes = np.bincount(folds, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1
    for k in range(len(counts)):
        held_out = np.bincount(folds[y == k], minlength=n_folds)
        assert held_out.max() - held_out.min() <= 1


def test_regression_folds_share_the_range_of_the_target() -> None:
    y = np.exp(np.random.default_rng(0).normal(size=500))
    folds = make_folds(y, "regression", n_folds=5, seed=1)
    means = [y[folds == fold].mean() for fold in range(5)]
    assert np.bincount(folds).tolist() == [100] * 5
    assert max(means) / min(means) < 1.2
    # Among the hundred largest values every fold holds twenty.
    assert np.bincount(folds[np.argsort(y)[-100:]]).tolist() == [20] * 5


def test_the_seed_decides() -> None:
    y = np.arange(60) % 3
    first = make_folds(y, "multiclass", n_folds=5, seed=3)
    assert (first == make_folds(y, "multiclass", n_folds=5, seed=3)).all()
    assert (first != make_folds(y, "multiclass", n_folds=5, seed=4)).any()


def test_one_fold_is_no_cross_validation() -> None:
    with pytest.raises(OptionError, match="at least 2 folds, got 1"):
        make_folds(np.arange(10) % 2, "binary", n_folds=1, seed=0)


def test_more_folds_than_rows() -> None:
    with pytest.raises(TableError, match="5 folds need at least 5 rows, got 4"):
        make_folds(np.arange(4) % 2, "binary", n_folds=5, seed=0)


def test_a_sample_keeps_the_shares_of_the_classes_and_enough_of_a_rare_one() -> None:
    y = np.repeat([0, 1, 2], [60_000, 39_900, 100])
    rows = sample_rows(y, "multiclass", keep=10_000, seed=0)
    counts = np.bincount(y[rows])
    assert counts[0] == pytest.approx(6000, abs=1)
    assert counts[1] == pytest.approx(3990, abs=1)
    assert counts[2] == RARE_ROWS
    assert (np.diff(rows) > 0).all()
    assert (rows == sample_rows(y, "multiclass", keep=10_000, seed=0)).all()


def test_a_sample_of_a_regression_has_the_same_range() -> None:
    y = np.random.default_rng(0).lognormal(size=50_000)
    rows = sample_rows(y, "regression", keep=5000, seed=1)
    assert len(rows) == 5000
    np.testing.assert_allclose(np.quantile(y[rows], [0.1, 0.5, 0.9]), np.quantile(y, [0.1, 0.5, 0.9]), rtol=0.03)


def test_a_small_table_is_taken_whole() -> None:
    assert sample_rows(np.arange(30) % 2, "binary", keep=30, seed=0).tolist() == list(range(30))
