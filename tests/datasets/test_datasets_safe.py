"""Cells that no spreadsheet runs."""

import numpy as np
import pandas as pd
import pytest

from autometa.datasets import safe_cells

HOSTILE = ["=1+1", "+SUM(A1)", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", "-", "+", "＝1", "--1"]
HARMLESS = ["-1.5", "+3", "-.5", "-1e-5", "+2E+10", "a=b", "", " ", "1-2", "'=1", "x@y.z", "名", "0", "-7."]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_would_be_run_gets_an_apostrophe(text: str) -> None:
    for values in (pd.Series([text], dtype="str"), pd.Series([text], dtype=object), pd.Series(pd.Categorical([text]))):
        assert safe_cells(pd.DataFrame({"a": values}))["a"].tolist() == [f"'{text}"]
    assert list(safe_cells(pd.DataFrame({text: [1]}))) == [f"'{text}"]


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    table = pd.DataFrame({text: [text]}, dtype="str")
    pd.testing.assert_frame_equal(safe_cells(table), table)


def test_what_is_no_text_stays_as_it_is() -> None:
    table = pd.DataFrame(
        {"a": [-1.5, np.nan], "b": [True, False], "c": pd.to_datetime(["2020", "2021"]), "d": [-3, 4], 5: [1, 2]}
    )
    pd.testing.assert_frame_equal(safe_cells(table), table)
    mixed = pd.DataFrame({"a": pd.Series([-1.5, "=1", None, True], dtype=object)})
    assert safe_cells(mixed)["a"].tolist() == [-1.5, "'=1", None, True]


def test_the_frame_that_was_passed_is_not_changed() -> None:
    table = pd.DataFrame({"=a": ["=1"], "b": ["x"]})
    copy = table.copy(deep=True)
    assert safe_cells(table).to_csv(index=False) == "'=a,b\n'=1,x\n"
    pd.testing.assert_frame_equal(table, copy)


def test_doubled_names_and_no_rows_are_fine() -> None:
    table = pd.DataFrame([["=1", "=2"]], columns=["a", "a"])
    assert safe_cells(table).to_numpy().tolist() == [["'=1", "'=2"]]
    assert safe_cells(table.iloc[:0]).shape == (0, 2)
