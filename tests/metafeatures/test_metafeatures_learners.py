"""The landmarkers' learners against answers that were worked out by hand."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from autometa.metafeatures._learners import Sample, log_posterior, naive_bayes, nearest_neighbor, ridge, tree


def sample(numeric: Any, target: Any, *, symbols: Any = None, n_classes: int = 0, n_symbols: float = 2.0) -> Sample:
    values = np.asarray(numeric, dtype=np.float64)
    indicators = np.zeros((len(values), 0)) if symbols is None else np.asarray(symbols, dtype=np.float64)
    return Sample(
        numeric=values,
        indicators=indicators,
        encoded=np.hstack([np.nan_to_num(values), indicators]),
        n_symbols=np.full(indicators.shape[1], n_symbols),
        target=np.asarray(target),
        n_classes=n_classes,
        folds=np.zeros(len(values), dtype=np.int64),
        seed=0,
    )


def last(n_rows: int, n_asked: int = 1) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Learn from all but the last rows."""
    test = np.arange(n_rows) >= n_rows - n_asked
    return ~test, test


def test_the_nearest_row_answers() -> None:
    rows = sample([[0.0], [0.4], [1.0], [0.6]], [10.0, 20.0, 30.0, 0.0])
    assert nearest_neighbor(rows, *last(4)).tolist() == [20.0]


def test_a_different_symbol_is_as_far_as_the_ends_of_a_column() -> None:
    # The first row differs by a symbol (distance 1), the second by 0.9, the third by 1 in another number.
    numeric = [[0.0], [0.9], [0.0]]
    symbols = [[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]
    rows = sample(numeric, [10.0, 20.0, 0.0], symbols=symbols)
    assert nearest_neighbor(rows, *last(3)).tolist() == [20.0]
    farther = sample([[0.0], [1.01], [0.0]], [10.0, 20.0, 0.0], symbols=symbols)
    assert nearest_neighbor(farther, *last(3)).tolist() == [10.0]


def test_ridge_shrinks_the_slope_by_its_penalty() -> None:
    # Standardized x is -1, 1; gram 2 + 1; x'y = 2 * 6: slope 12 / 3 = 4 for a standard step, mean 10.
    rows = sample([[0.0], [1.0], [1.0]], [4.0, 16.0, 0.0])
    assert ridge(rows, *last(3)) == pytest.approx([14.0])


def test_naive_bayes_counts_symbols_with_one_added() -> None:
    # Two rows of class 0 with the first symbol, one of class 1 with the second; asked about the second.
    symbols = [[1, 0], [1, 0], [0, 1], [0, 1]]
    rows = sample(np.zeros((4, 0)), [0, 0, 1, 0], symbols=symbols, n_classes=2)
    train, test = last(4)
    score = log_posterior(rows, rows.target, 2, train, test)
    assert np.exp(score)[0] == pytest.approx([3 / 5 * 1 / 4, 2 / 5 * 2 / 3])
    assert naive_bayes(rows, train, test).tolist() == [1]


def test_naive_bayes_compares_normal_densities() -> None:
    # Class 0: mean 0.25, variance 1/16; class 1: mean 0.75, variance 1/16; equal priors; asked about 0.4.
    rows = sample([[0.0], [0.5], [0.5], [1.0], [0.4]], [0, 0, 1, 1, 0], n_classes=2)
    score = log_posterior(rows, rows.target, 2, *last(5))
    expected = 0.5 * ((0.4 - 0.75) ** 2 - (0.4 - 0.25) ** 2) * 16.0
    assert score[0, 0] - score[0, 1] == pytest.approx(expected)


def test_a_missing_number_says_nothing_to_naive_bayes() -> None:
    rows = sample([[0.0], [0.5], [1.0], [np.nan]], [0, 0, 1, 1], n_classes=2)
    assert np.exp(log_posterior(rows, rows.target, 2, *last(4)))[0] == pytest.approx([3 / 5, 2 / 5])


def test_a_class_that_never_saw_a_column_takes_it_as_all_rows_do() -> None:
    rows = sample([[0.0], [1.0], [np.nan], [0.5]], [0, 0, 1, 0], n_classes=2)
    score = log_posterior(rows, rows.target, 2, *last(4))
    assert score[0, 0] - score[0, 1] == pytest.approx(np.log(3 / 2))


def test_naive_bayes_predicts_a_number_between_the_bins() -> None:
    numeric = np.linspace(0.0, 1.0, 51)[:, np.newaxis]
    rows = sample(np.vstack([numeric, [[0.5]]]), np.append(10.0 * numeric[:, 0], 0.0))
    assert naive_bayes(rows, *last(52)) == pytest.approx([5.0], abs=0.3)


def test_a_tree_answers_at_every_depth() -> None:
    # The best first question parts 0 0 | 8 8 10 10; the second parts 8 8 | 10 10.
    numeric = np.array([0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.0])[:, np.newaxis]
    rows = sample(numeric, [0.0, 0.0, 8.0, 8.0, 10.0, 10.0, 0.0])
    assert tree(rows, *last(7))[:, 0].tolist() == [9.0, 10.0, 10.0]


def test_a_tree_speaks_in_class_codes_even_when_some_classes_are_not_in_its_rows() -> None:
    rows = sample([[0.0], [0.0], [1.0], [1.0], [1.0]], [1, 1, 4, 4, 0], n_classes=5)
    assert tree(rows, *last(5))[:, 0].tolist() == [4, 4, 4]
