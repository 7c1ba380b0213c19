import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneGroupOut, ShuffleSplit

from autometa.datasets import read_dataset
from autometa.errors import OptionError, TableError
from autometa.records import TaskType
from autometa.search._options import parse_cv
from autometa.search._splits import (
    RARE_ROWS,
    Splits,
    check_splits,
    custom_splits,
    make_splits,
    sample_rows,
    stratified_parts,
)


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
    folds = stratified_parts(y, "multiclass", n_parts=n_folds, seed=seed)
    sizes = np.bincount(folds, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1
    for k in range(len(counts)):
        held_out = np.bincount(folds[y == k], minlength=n_folds)
        assert held_out.max() - held_out.min() <= 1


def test_regression_folds_share_the_range_of_the_target() -> None:
    y = np.exp(np.random.default_rng(0).normal(size=500))
    folds = stratified_parts(y, "regression", n_parts=5, seed=1)
    means = [y[folds == fold].mean() for fold in range(5)]
    assert np.bincount(folds).tolist() == [100] * 5
    assert max(means) / min(means) < 1.2
    # Among the hundred largest values every fold holds twenty.
    assert np.bincount(folds[np.argsort(y)[-100:]]).tolist() == [20] * 5


def table(n: int = 60, **columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=n).round(3), "class": np.tile(["no", "yes"], n)[:n]})
    return frame.assign(**columns)


def test_the_seed_decides() -> None:
    dataset = read_dataset(table(), target="class")
    first, again, other = (make_splits(dataset, "5", seed=seed) for seed in (3, 3, 4))
    assert all((a == b).all() for a, b in zip(first.test, again.test, strict=True))
    assert any((a != b).any() for a, b in zip(first.test, other.test, strict=True))


def test_folds_hold_out_every_row_once() -> None:
    splits = make_splits(read_dataset(table(53), target="class"), "5", seed=0)
    assert sorted(splits.rows.tolist()) == list(range(53))
    assert splits.folds.tolist() == [k for k in range(5) for _ in splits.test[k]]
    assert splits.description == "5 stratified folds"
    for train, test in splits.pairs:
        assert sorted([*train, *test]) == list(range(53))


def test_repeated_folds_hold_out_every_row_once_per_repeat_and_differ() -> None:
    splits = make_splits(read_dataset(table(), target="class"), "3x2", seed=0)
    assert len(splits) == 6
    assert np.bincount(splits.rows).tolist() == [2] * 60
    assert any((splits.test[k] != splits.test[k + 3]).any() for k in range(3))
    assert splits.description == "3 stratified folds, 2 times"


@pytest.mark.parametrize(("cv", "share"), [("holdout", 0.25), ("holdout:0.2", 0.2), ("holdout:.5", 0.5)])
def test_a_holdout_is_one_split_of_that_share(cv: str, share: float) -> None:
    splits = make_splits(read_dataset(table(), target="class"), cv, seed=0)
    assert len(splits) == 1
    assert len(splits.test[0]) == share * 60
    assert len(splits.train[0]) == 60 - share * 60


@pytest.mark.parametrize("cv", ["five", "5x", "holdout:1.5", "holdout:", "-3", "2.5", ""])
def test_a_cv_that_reads_otherwise_is_named(cv: str) -> None:
    with pytest.raises(OptionError, match=f"got {re.escape(repr(cv))}"):
        parse_cv(cv)


def test_one_fold_is_no_cross_validation() -> None:
    with pytest.raises(OptionError, match="at least 2 folds, got 1"):
        parse_cv("1")


def test_more_folds_than_rows() -> None:
    with pytest.raises(TableError, match="50 folds need at least 50 rows, got 40"):
        make_splits(read_dataset(table(40), target="class"), "50", seed=0)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_group_is_never_on_both_sides(task: str) -> None:
    rng = np.random.default_rng(1)
    group = rng.integers(0, 12, 60)
    target = "class" if task == "binary" else "x"
    dataset = read_dataset(
        table(group=[f"g{k}" for k in group], more=rng.normal(size=60)), target=target, group="group"
    )
    splits = make_splits(dataset, "4", seed=0)
    assert sorted(splits.rows.tolist()) == list(range(60))
    for train, test in splits.pairs:
        assert not set(group[train]) & set(group[test])


def test_fewer_groups_than_folds() -> None:
    dataset = read_dataset(table(group=["a", "b", "c"] * 20), target="class", group="group")
    with pytest.raises(TableError, match="5 folds need at least 5 groups, but the group column has 3"):
        make_splits(dataset, "5", seed=0)


def test_splits_forward_in_time_learn_from_the_past_and_keep_rows_of_a_time_together() -> None:
    times = np.random.default_rng(2).integers(0, 20, 60)
    splits = make_splits(read_dataset(table(when=times), target="class", time_column="when"), "4", seed=0)
    assert len(splits) == 4
    for train, test in splits.pairs:
        assert times[train].max() < times[test].min()
    assert len(splits.train[-1]) + len(splits.test[-1]) == 60
    # Each block is the next one's past: nothing is skipped.
    assert [len(train) for train in splits.train[1:]] == [len(a) + len(b) for a, b in splits.pairs[:-1]]


def test_a_holdout_in_time_is_the_last_part() -> None:
    dataset = read_dataset(table(when=np.arange(60)[::-1] // 2), target="class", time_column="when")
    splits = make_splits(dataset, "holdout:0.2", seed=0)
    assert splits.test[0].tolist() == list(range(12))


def test_too_few_times() -> None:
    dataset = read_dataset(table(when=np.arange(60) % 3), target="class", time_column="when")
    with pytest.raises(TableError, match=r"5 splits forward in time need more than 5 different times.* has 3"):
        make_splits(dataset, "5", seed=0)


def test_groups_and_times_together_are_refused() -> None:
    dataset = read_dataset(
        table(when=np.arange(60), group=np.arange(60) % 9), target="class", time_column="when", group="group"
    )
    with pytest.raises(OptionError, match="by group or forward in time, not both"):
        make_splits(dataset, "5", seed=0)


def test_any_scikit_learn_splitter_is_taken() -> None:
    dataset = read_dataset(table(group=np.arange(60) % 6), target="class", group="group")
    shuffled = custom_splits(dataset, ShuffleSplit(n_splits=3, test_size=10, random_state=0))
    assert [len(test) for test in shuffled.test] == [10, 10, 10]
    assert shuffled.description == "3 splits of ShuffleSplit"
    one_out = custom_splits(dataset, LeaveOneGroupOut())
    assert len(one_out) == 6
    masks = custom_splits(dataset, [(np.arange(60) < 40, np.arange(60) >= 40)])
    assert masks.test[0].tolist() == list(range(40, 60))


@pytest.mark.parametrize(
    ("cv", "message"),
    [
        ([], "cv gave no split"),
        (3.5, "must be a number of folds"),
        ([([0, 1, 2], [60])], "cv gave row 60, but the rows that have a target are 0 to 59"),
        ([([0.5, 1.0], [2])], "cv must give row numbers"),
    ],
)
def test_what_is_no_split_is_named(cv: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        custom_splits(read_dataset(table(), target="class"), cv)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(range(50), range(40, 60))], "Split 1 has 10 rows on both sides, such as row 40"),
        ([(range(50), range(50, 60)), ([], range(60))], "Split 2 has 0 rows to learn from and 60 to score on"),
        ([(range(0, 60, 2), range(1, 60, 2))], "Split 1 has rows of only one class to learn from"),
    ],
)
def test_a_split_that_cannot_be_learned_from_is_named(pairs: Any, message: str) -> None:
    dataset = read_dataset(table(), target="class")
    with pytest.raises(OptionError, match=message):
        check_splits(custom_splits(dataset, [(list(a), list(b)) for a, b in pairs]), dataset)


def test_splits_are_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    splits = custom_splits(read_dataset(table(), target="class"), [([5, 1, 3], [2]), ([9], [7, 8])])
    splits.save(tmp_path / "splits.npy")
    read = Splits.load(tmp_path / "splits.npy")
    assert [part.tolist() for part in (*read.train, *read.test)] == [[1, 3, 5], [9], [2], [7, 8]]


def test_splits_within_a_sample_of_the_rows() -> None:
    splits = make_splits(read_dataset(table(), target="class"), "5", seed=0)
    rows = np.arange(0, 60, 3)
    inside = splits.within(rows)
    assert sorted(inside.rows.tolist()) == rows.tolist()
    assert all(set(a) <= set(b) for a, b in zip(inside.train, splits.train, strict=True))
    assert splits.first(2).description == "2 of 5 stratified folds"
    assert len(splits.first(2)) == 2


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


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_sample_has_its_share_of_every_fold(task: TaskType) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 20_000) if task == "binary" else rng.normal(size=20_000)
    parts = stratified_parts(y, task, n_parts=5, seed=0)
    counts = np.bincount(parts[sample_rows(y, task, keep=1000, seed=0)], minlength=5)
    assert counts.min() > 150
