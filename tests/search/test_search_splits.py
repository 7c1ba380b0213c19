import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.errors import OptionError, TableError
from autometa.search._splits import make_folds


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
