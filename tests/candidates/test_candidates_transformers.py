from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from autometa.candidates._transformers import (
    CategoryCodes,
    DatetimeParts,
    Finite,
    ManyCategories,
    QuantileNormalizer,
    SquashingScaler,
    TextComponents,
)


def test_finite_turns_what_float32_cannot_hold_into_missing() -> None:
    X = np.array([[1.5, np.inf], [-np.inf, 1e31], [np.nan, -2.0]])
    out = Finite("float32").fit_transform(X)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, [[1.5, np.nan], [np.nan, np.nan], [np.nan, -2.0]])


def test_category_codes_by_hand() -> None:
    seen = pd.DataFrame({"a": ["red", None, "blue", "red"], "b": [None] * 4}, dtype="str")
    codes = CategoryCodes().fit(seen)
    np.testing.assert_array_equal(codes.transform(seen), [[1, np.nan], [np.nan, np.nan], [0, np.nan], [1, np.nan]])
    later = pd.DataFrame({"a": ["violet", "blue", None], "b": ["x", None, "y"]}, dtype="str")
    np.testing.assert_array_equal(codes.transform(later), [[-1, -1], [0, np.nan], [np.nan, -1]])


@given(st.lists(st.none() | st.text(max_size=2), min_size=8, max_size=40))
def test_an_encoder_comes_to_the_same_with_codes_as_with_texts(values: list[str | None]) -> None:
    table = pd.DataFrame({"a": values[4:]}, dtype="str")
    later = pd.DataFrame({"a": values}, dtype="str")
    encoders: list[Any] = [
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=2, max_categories=3, sparse_output=False),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-2, encoded_missing_value=-3, max_categories=3
        ),
    ]
    for encoder in encoders:
        expected = clone(encoder).fit(table).transform(later)
        with_codes = make_pipeline(CategoryCodes(), encoder).fit(table).transform(later)
        np.testing.assert_array_equal(with_codes, expected)


def test_datetime_parts_by_hand() -> None:
    times = pd.Series(["2024-02-29 18:30:00", None], dtype="datetime64[us]")
    out = DatetimeParts().fit_transform(pd.DataFrame({"a": times, "b": times[::-1].to_numpy()}))
    # A Thursday; 54 years with 13 leap days, then 31 + 28 days, make 19782 days and 18.5 hours.
    np.testing.assert_allclose(out[0], [2024, 2, 29, 3, 18, 19782 + 18.5 / 24] + [np.nan] * 6)
    np.testing.assert_allclose(out[1], [np.nan] * 6 + [2024, 2, 29, 3, 18, 19782 + 18.5 / 24])


def test_squashing_scaler_by_hand() -> None:
    X = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [3.0, 0.0], [4.0, 8.0]])
    out = SquashingScaler().fit_transform(X)
    # First column: median 2, quartiles 1 and 3. Second: quartiles equal, so half the range, 4.
    z = np.array([[-1.0, 0.0], [-0.5, 0.0], [0.0, 0.0], [0.5, 0.0], [1.0, 2.0]])
    np.testing.assert_allclose(out, z / np.sqrt(1 + z**2 / 9))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30), st.floats(-1e300, 1e300))
@example([0.0, 1.2577908626082565e-169], 1.0)
@example([0.0, 1e-300], 1e300)
def test_squashing_scaler_stays_within_three(values: list[float], later: float) -> None:
    scaler = SquashingScaler().fit(np.array(values)[:, None])
    out = scaler.transform(np.array([*values, later])[:, None])
    assert (np.abs(out) <= 3).all()


def test_quantile_normalizer_takes_fewer_rows_than_quantiles_in_silence() -> None:
    out = QuantileNormalizer(output_distribution="normal").fit_transform(np.arange(5.0)[:, None])
    np.testing.assert_allclose(out[1:4, 0], [-0.67449, 0.0, 0.67449], atol=1e-5)


def test_text_components_bring_like_texts_together() -> None:
    texts = pd.Series(["red wine", "red wines", "white bread", "white breads", None], dtype="str")
    out = TextComponents(n_components=2).fit_transform(texts)
    assert out.shape == (5, 2)
    assert np.linalg.norm(out[0] - out[1]) < np.linalg.norm(out[0] - out[2])
    np.testing.assert_allclose(out[4], 0.0, atol=1e-12)
    assert out.std(axis=0).max() == pytest.approx(1.0)


@pytest.mark.parametrize("texts", [[None, None], ["", "  "], ["same words", "same words"]])
def test_text_components_of_columns_that_say_nothing(texts: list[str | None]) -> None:
    column = pd.Series(texts, dtype="str")
    encoder = TextComponents().fit(column)
    assert np.isfinite(encoder.transform(pd.Series(["something new", None], dtype="str"))).all()


def test_many_categories_counts_without_missing_values() -> None:
    X = pd.DataFrame({"two": ["a", "b", None], "three": ["a", "b", "c"]}, dtype="str")
    assert ManyCategories(["two", "three"], above=2)(X) == ["three"]


def test_dates_of_every_century_have_parts() -> None:
    dates = pd.Series(np.array(["0001-01-01", "1969-12-31", "1970-01-02T12:00", "9999-12-31", "NaT"], "datetime64[us]"))
    parts = DatetimeParts().fit(dates.to_frame()).transform(dates.to_frame())
    assert parts[:4, 0].tolist() == [1, 1969, 1970, 9999]
    assert parts[:4, 5].tolist() == [-719162, -1, 1.5, 2932896]
    assert np.isnan(parts[4]).all()
