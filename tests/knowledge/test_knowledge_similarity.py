import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.knowledge import DatasetIndex
from autometa.records import MetaFeatures


def distances_from(wanted: MetaFeatures, base: pd.DataFrame) -> npt.NDArray[np.float64]:
    return DatasetIndex(base).distances(wanted)


def target(**values: float) -> MetaFeatures:
    return MetaFeatures("target", values)


def test_distance_is_the_mean_difference_of_quantiles() -> None:
    base = pd.DataFrame({"rows": [10.0, 100.0, 1000.0, 10000.0], "classes": [2.0, 2.0, 3.0, 4.0]})
    # Mid-ranks: rows 1/8, 3/8, 5/8, 7/8; classes 2/8, 2/8, 5/8, 7/8. The target: 3/8 and 5/8.
    distances = distances_from(target(rows=100.0, classes=3.0), base)
    expected = [(2 / 8 + 3 / 8) / 2, (0 + 3 / 8) / 2, (2 / 8 + 0) / 2, (4 / 8 + 2 / 8) / 2]
    np.testing.assert_allclose(distances, expected)


def test_a_value_between_two_datasets_lies_between_their_quantiles() -> None:
    base = pd.DataFrame({"rows": [1.0, 2.0, 3.0, 4.0]})
    np.testing.assert_allclose(distances_from(target(rows=2.5), base), [3 / 8, 1 / 8, 1 / 8, 3 / 8])


def test_one_huge_dataset_does_not_press_the_others_together() -> None:
    base = pd.DataFrame({"rows": [100.0, 1000.0, 1e9]})
    distances = distances_from(target(rows=100.0), base)
    assert distances[1] - distances[0] == pytest.approx(distances[2] - distances[1])


def test_qualities_that_do_not_vary_or_that_one_side_lacks_are_left_out() -> None:
    rows = [1.0, 2.0, 3.0]
    base = pd.DataFrame(
        {"rows": rows, "constant": [5.0] * 3, "unknown": rows, "only_here": rows, "none": [math.nan] * 3}
    )
    wanted = target(rows=1.0, constant=9.0, unknown=math.nan, only_there=7.0, none=3.0)
    np.testing.assert_allclose(distances_from(wanted, base), distances_from(target(rows=1.0), base[["rows"]]))


def test_a_missing_quality_is_charged_the_mean_difference_of_the_others() -> None:
    base = pd.DataFrame({"a": [1.0, 2.0, 2.0], "b": [1.0, math.nan, 2.0]})
    # b: quantiles 1/4 and 3/4, target 1/4: differences 0 and 1/2, so the missing one is charged 1/4.
    # a: quantiles 1/6 and twice 4/6, target 4/6.
    np.testing.assert_allclose(distances_from(target(a=2.0, b=1.0), base), [1 / 4, 1 / 8, 1 / 4])


def test_a_dataset_of_which_little_is_known_does_not_look_near() -> None:
    rng = np.random.default_rng(0)
    base = pd.DataFrame(rng.normal(size=(20, 5)), columns=list("abcde"))
    base.iloc[0, 1:] = math.nan
    wanted = dict.fromkeys("abcde", 0.0) | {"a": float(base["a"][0])}
    near = pd.DataFrame([wanted]) + 1e-3
    distances = distances_from(target(**wanted), pd.concat([base, near]))
    assert distances[-1] < distances[0]


def test_nothing_to_compare_is_nan() -> None:
    base = pd.DataFrame({"a": [1.0, 2.0, math.nan]})
    assert np.isnan(distances_from(target(), base)).all()
    assert np.isnan(distances_from(target(b=1.0), base)).all()
    assert np.isnan(distances_from(target(a=math.inf), base)).all()
    assert np.isnan(distances_from(target(a=1.0), base)).tolist() == [False, False, True]
    assert distances_from(target(a=1.0), base.iloc[:0]).shape == (0,)


values = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), min_size=3, max_size=3)


@settings(deadline=None, max_examples=50)
@given(st.lists(values, min_size=1, max_size=8), values)
def test_distances_are_in_the_unit_interval_and_zero_to_oneself(rows: list[list[float]], wanted: list[float]) -> None:
    base = pd.DataFrame([*rows, wanted], columns=["a", "b", "c"])
    distances = distances_from(MetaFeatures("t", dict(zip("abc", wanted, strict=True))), base)
    known = distances[~np.isnan(distances)]
    assert ((known >= 0) & (known <= 1)).all()
    assert math.isnan(distances[-1]) or distances[-1] == 0.0


exponents = st.integers(-40, 40)


@settings(deadline=None, max_examples=50)
@given(st.lists(exponents, min_size=2, max_size=8), exponents)
def test_a_logarithm_changes_nothing(rows: list[int], wanted: int) -> None:
    plain = distances_from(target(a=2.0**wanted), pd.DataFrame({"a": [2.0**value for value in rows]}))
    logs = distances_from(target(a=float(wanted)), pd.DataFrame({"a": [float(value) for value in rows]}))
    np.testing.assert_array_equal(plain, logs)
