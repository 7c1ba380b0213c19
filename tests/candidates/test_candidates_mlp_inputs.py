import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.candidates._mlp_inputs import InputPlan, holdout_split

NAN = float("nan")


def numbers(*columns: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array(columns, dtype=np.float64).T


def test_numbers_are_centred_scaled_and_softly_clipped() -> None:
    table = numbers([0.0, 1.0, 2.0, 3.0, 4.0])
    plan = InputPlan.learn(table, 0)
    assert plan.center.tolist() == [2.0]
    assert plan.scale.tolist() == [0.5]  # quartiles 1 and 3
    scaled = plan.apply(numbers([2.0, 8.0, -1e12]))
    # (8 - 2) / 2 = 3, and 3 / sqrt(1 + (3/3)^2) = 3 / sqrt(2)
    assert scaled.numeric[:, 0].tolist() == pytest.approx([0.0, 3 / np.sqrt(2), -3.0])


def test_numbers_of_any_size_stay_finite_without_a_warning() -> None:
    plan = InputPlan.learn(numbers([-1e308, 0.0, 1e308], [0.0, 5e-324, 1e-323], [0.0, 1e-200, 1e300]), 0)
    inputs = plan.apply(numbers([1e308, NAN], [1e308, -1e308], [-1e308, 1e308]))
    assert np.isfinite(inputs.numeric).all()
    assert np.abs(inputs.numeric).max() <= 3.0


def test_where_the_quartiles_coincide_the_range_counts() -> None:
    plan = InputPlan.learn(numbers([0.0] * 9 + [4.0], [5.0] * 10, [NAN] * 10), 0)
    assert plan.scale.tolist() == [0.5, 0.0, 0.0]
    assert not plan.apply(numbers([0.0], [7.0], [7.0])).numeric.any()


def test_missing_numbers_become_the_centre_and_a_flag_if_training_had_any() -> None:
    plan = InputPlan.learn(numbers([1.0, 2.0, NAN], [1.0, 2.0, 4.0]), 0)
    inputs = plan.apply(numbers([NAN, 1.0], [NAN, 1.0]))
    assert plan.n_flags == 1
    assert inputs.flags.tolist() == [[1.0], [0.0]]
    assert inputs.numeric[0].tolist() == [0.0, 0.0]


def test_small_categories_become_flags_and_unknown_ones_zeros() -> None:
    plan = InputPlan.learn(numbers([0, 1, 1, 0], [0, 1, 2, 2]), 2)
    inputs = plan.apply(numbers([0, 1, -1, 7], [2, NAN, 0, 3]))
    assert plan.n_flags == 4
    assert inputs.flags.tolist() == [[-1, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def test_a_missing_category_is_a_level_if_training_had_it() -> None:
    plan = InputPlan.learn(numbers([0, 1, NAN, 0]), 1)
    assert plan.levels.tolist() == [3]
    # The code 2 is the level of "missing" inside, but from outside it is a category never seen.
    assert plan.apply(numbers([NAN, 2, 1])).flags.tolist() == [[0, 0, 1], [0, 0, 0], [0, 1, 0]]


def test_large_categories_are_embedded_with_a_code_for_unknown() -> None:
    plan = InputPlan.learn(numbers(list(range(20)), [0] * 20), 2)
    inputs = plan.apply(numbers([19, 20, -1, NAN], [0, 0, 0, 0]))
    assert plan.cardinalities == (20,)
    assert inputs.codes[:, 0].tolist() == [19, 20, 20, 20]


def test_a_category_column_that_is_wholly_missing_is_one_level() -> None:
    plan = InputPlan.learn(numbers([NAN, NAN], [1.0, 2.0]), 1)
    assert plan.apply(numbers([NAN, 0], [1.0, 2.0])).flags.tolist() == [[1.0], [0.0]]


@pytest.mark.parametrize(("n_categorical", "n_columns"), [(0, 2), (2, 2), (1, 2)])
def test_shapes_agree_with_the_plan(n_categorical: int, n_columns: int) -> None:
    table = np.arange(24.0).reshape(12, n_columns)[:, :n_columns]
    plan = InputPlan.learn(table, n_categorical)
    inputs = plan.apply(table)
    assert inputs.numeric.shape == (12, n_columns - n_categorical)
    assert inputs.flags.shape == (12, plan.n_flags)
    assert inputs.codes.shape == (12, len(plan.cardinalities))
    assert inputs.numeric.dtype == inputs.flags.dtype == np.float32
    assert inputs.codes.dtype == np.int64


@settings(deadline=None, max_examples=50)
@given(
    codes=st.lists(st.integers(0, 4), min_size=4, max_size=80),
    fraction=st.floats(0.05, 0.5),
    seed=st.integers(0, 99),
)
def test_split_is_a_partition_that_leaves_every_class_to_train_on(codes: list[int], fraction: float, seed: int) -> None:
    y = np.array(codes)
    fit, held_out = holdout_split(y, fraction, np.random.default_rng(seed))
    assert set(y[fit]) == set(codes)
    if len(set(codes)) == len(codes):
        assert sorted(fit) == sorted(held_out) == list(range(len(codes)))
    else:
        assert sorted([*fit, *held_out]) == list(range(len(codes)))
        assert len(held_out) <= max(round(fraction * len(y)), 10)


def test_split_is_stratified() -> None:
    y = np.repeat([0, 1, 2], [800, 150, 50])
    _, held_out = holdout_split(y, 0.2, np.random.default_rng(0))
    assert np.bincount(y[held_out]).tolist() == [160, 30, 10]


def test_split_of_numbers_holds_out_the_share_and_depends_on_the_seed() -> None:
    y = np.linspace(0, 1, 100)
    first, again, other = (holdout_split(y, 0.15, np.random.default_rng(s))[1] for s in (0, 0, 1))
    assert len(first) == 15
    assert first.tolist() == again.tolist() != other.tolist()


def test_small_tables_hold_out_a_quarter_up_to_ten_rows() -> None:
    sizes = [len(holdout_split(np.zeros(n), 0.1, np.random.default_rng(0))[1]) for n in (3, 8, 20, 60, 200)]
    assert sizes == [3, 2, 5, 10, 20]
