"""What each column is taken for, and why."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.datasets import Column, ColumnKind, Dataset, read_dataset
from autometa.errors import TableError

N = 60
RNG = np.random.default_rng(0)
SENTENCES = [f"the {a} fox number {i} jumps over the lazy dog" for i, a in enumerate(["quick", "brown", "red"] * 20)]


def dataset(values: Any, name: str = "a", kind: ColumnKind | None = None) -> Dataset:
    frame = pd.DataFrame({name: values, "other": np.linspace(0.5, 9.7, N) ** 2, "y": np.arange(N) % 2})
    return read_dataset(frame, kinds=None if kind is None else {name: kind})


def column(values: Any, name: str = "a") -> Column:
    return dataset(values, name).schema.columns[0]


def cycle(*values: Any) -> list[Any]:
    return [values[i % len(values)] for i in range(N)]


KINDS: dict[str, tuple[Any, ColumnKind]] = {
    "fractions": (RNG.normal(size=N), "numeric"),
    "whole numbers": (RNG.integers(0, 1000, N), "numeric"),
    "few whole numbers": (cycle(0, 1), "numeric"),
    "zeros and ones as words": (cycle("0", "1"), "numeric"),
    "numbers as words": ([f"{v:.3f}" for v in RNG.normal(size=N)], "numeric"),
    "numbers as words with gaps": (cycle("1.5", "?", "2.5", "-", None), "numeric"),
    "nullable integers": (pd.array(cycle(1, None, 3), dtype="Int64"), "numeric"),
    "float32": (RNG.normal(size=N).astype("float32"), "numeric"),
    "distinct fractions": (np.arange(N) + 0.5, "numeric"),
    "distinct but not in order": (RNG.permutation(N), "numeric"),
    "distinct with holes": (np.arange(N) * 2, "numeric"),
    "numbers and a stray word": ([*RNG.normal(size=N - 1), "error"], "numeric"),
    "durations": (pd.to_timedelta(RNG.integers(0, 99, N), unit="s"), "numeric"),
    "words": (cycle("red", "green", "blue"), "categorical"),
    "words and gaps": (cycle("red", None, "blue"), "categorical"),
    "one word and gaps": (cycle("red", None), "categorical"),
    "booleans": (cycle(True, False), "categorical"),
    "booleans as words": (cycle("true", "FALSE"), "categorical"),
    "nullable booleans": (pd.array(cycle(True, None, False), dtype="boolean"), "categorical"),
    "categories": (pd.Categorical(cycle("a", "b")), "categorical"),
    "categories that are numbers": (pd.Categorical(cycle(1, 2, 3)), "categorical"),
    "distinct categories": (pd.Categorical([f"c{i}" for i in range(N)]), "categorical"),
    "numbers and words": (cycle(1, "a", 2.5), "categorical"),
    "many repeated words": (cycle(*(f"city {i}" for i in range(40))), "categorical"),
    "times of day": (cycle("12:30", "08:15"), "categorical"),
    "sentences": (SENTENCES, "text"),
    "sentences with gaps": ([*SENTENCES[:-2], None, None], "text"),
    "dates": (pd.date_range("2020-01-01", periods=N), "datetime"),
    "zoned dates": (pd.date_range("2020-01-01", periods=N, tz="Asia/Tokyo"), "datetime"),
    "date objects": (list(pd.date_range("2020-01-01", periods=N).date), "datetime"),
    "periods": (pd.period_range("2020-01", periods=N, freq="M"), "datetime"),
    "ISO dates as words": ([f"2020-01-{i % 31 + 1:02d}" for i in range(N)], "datetime"),
    "German dates as words": ([f"{i % 31 + 1}.01.2020" for i in range(N)], "datetime"),
    "American dates as words": ([f"01/{i % 31 + 1:02d}/2020" for i in range(N)], "datetime"),
    "dates with gaps": (cycle("2020-01-01", "-", "2020-01-03", None), "datetime"),
    "no date: day 32": (cycle("32.01.2020", "01.01.2020"), "categorical"),
    "no date: 30 February": (cycle("2020-02-30", "2020-01-01"), "categorical"),
    "no date: orders mixed": (cycle("13/01/2020", "01/13/2020"), "categorical"),
    "almost infinite numbers": (cycle(1e308, -1e308), "numeric"),
    "unsigned numbers beyond 63 bits": (np.array(cycle(2**64 - 1, 2**63, 0), dtype="uint64"), "numeric"),
    "a sequence with one swap": ([1, 0, *range(2, N)], "numeric"),
    "row numbers": (np.arange(N) + 1, "identifier"),
    "row numbers backwards": (np.arange(N)[::-1], "identifier"),
    "row numbers as floats": (np.arange(N, dtype=float), "identifier"),
    "distinct words": ([f"K-{i * 7919:06d}" for i in range(N)], "identifier"),
    "one number": (cycle(5), "constant"),
    "one word": (cycle("x"), "constant"),
    "one date": (cycle(pd.Timestamp("2020-01-01")), "constant"),
    "one truth": (cycle(True), "constant"),
    "one category": (pd.Categorical(cycle("x")), "constant"),
    "nothing": (cycle(None), "constant"),
    "nothing as words": (cycle("", "NA"), "constant"),
    "nothing as floats": (np.full(N, np.nan), "constant"),
}


@pytest.mark.parametrize(("values", "kind"), KINDS.values(), ids=KINDS.keys())
def test_kind(values: Any, kind: ColumnKind) -> None:
    found = column(values)
    assert found.kind == kind, found
    assert found.reason


@pytest.mark.parametrize(
    "name",
    ["id", "ID", "customer_id", "PassengerId", "userID", "row", "index", "Unnamed: 0", "__index_level_0__", "key"],
)
def test_distinct_whole_numbers_named_like_a_key_identify_rows(name: str) -> None:
    assert column(RNG.permutation(N) * 3, name).kind == "identifier"


@pytest.mark.parametrize(
    "name", ["paid", "width", "solid", "humidity", "grow", "keyboard_presses", "bid", "MID", "age"]
)
def test_other_names_do_not_make_an_identifier(name: str) -> None:
    assert column(RNG.permutation(N) * 3, name).kind == "numeric"


def test_a_key_that_repeats_is_no_identifier() -> None:
    assert column(cycle(3, 1, 2), "customer_id").kind == "numeric"
    assert column(RNG.normal(size=N), "id").kind == "numeric"


def test_x_has_the_dtype_of_the_kind_and_the_values() -> None:
    assert dataset(cycle("1.5", "?", "-")).X["a"].tolist()[0] == 1.5
    assert str(dataset(cycle("1.5", "2", "-")).X["a"].dtype) == "float64"
    booleans = dataset(pd.array(cycle(True, None, False), dtype="boolean")).X["a"]
    assert str(booleans.dtype) == "str"
    assert booleans.iloc[0] == "True"
    assert pd.isna(booleans.iloc[1])
    dates = dataset([f"{i % 31 + 1}.01.2020 10:30" for i in range(N)]).X["a"]
    assert str(dates.dtype) == "datetime64[us]"
    assert dates.iloc[30] == pd.Timestamp("2020-01-31 10:30")
    numbers = dataset(pd.Categorical(cycle(1, 2.5, 3))).X["a"]
    assert numbers.tolist()[:3] == ["1", "2.5", "3"]


def test_times_with_zones_are_in_utc() -> None:
    assert dataset(cycle("2020-01-01T00:30:00+01:00", "2020-01-02T00:00Z")).X["a"].iloc[0] == pd.Timestamp(
        "2019-12-31 23:30"
    )
    zoned = pd.date_range("2020-01-01", periods=N, tz="Asia/Tokyo")
    assert dataset(zoned).X["a"].iloc[0] == pd.Timestamp("2019-12-31 15:00")


def test_the_order_of_day_and_month_is_the_columns_own() -> None:
    assert dataset(cycle("05/01/2020", "13/01/2020")).X["a"].iloc[0] == pd.Timestamp("2020-01-05")
    assert dataset(cycle("05/01/2020", "01/13/2020")).X["a"].iloc[0] == pd.Timestamp("2020-05-01")
    assert dataset(cycle("05/01/2020", "06/01/2020")).X["a"].iloc[0] == pd.Timestamp("2020-05-01")
    assert dataset(cycle("05.01.2020", "06.01.2020")).X["a"].iloc[0] == pd.Timestamp("2020-01-05")


def test_fractions_of_seconds_survive() -> None:
    assert dataset(cycle("2020-01-01 00:00:00.25", "2020-01-02 01:02:03")).X["a"].iloc[0].microsecond == 250_000


def test_a_stray_word_is_named_and_read_as_missing() -> None:
    data = dataset([*RNG.normal(size=N - 1), "error"])
    assert data.schema.columns[0].stray == ("error",)
    assert data.X["a"].isna().sum() == 1
    assert any("'error'" in note and "'a'" in note for note in data.notes)


def test_infinities_become_missing_and_are_counted() -> None:
    data = dataset([np.inf, -np.inf, *RNG.normal(size=N - 2)])
    assert data.X["a"].isna().sum() == 2
    assert "Column 'a': 2 infinite values read as missing." in data.notes


def test_kinds_override_what_is_inferred() -> None:
    assert dataset(cycle(1, 2, 3), kind="categorical").X["a"].tolist()[:3] == ["1", "2", "3"]
    assert dataset([1.0, np.nan, 2.0] * 20, kind="categorical").X["a"].tolist()[::2][:2] == ["1", "2"]
    assert dataset(np.arange(N), kind="numeric").X["a"].tolist() == list(range(N))
    assert dataset(SENTENCES, kind="categorical").schema.columns[0] == Column(
        "a", "categorical", "as given", written="words"
    )
    assert dataset(cycle("a", "b"), kind="identifier").schema.names() == ["other"]
    assert dataset(pd.Categorical(cycle(10, 20)), kind="numeric").X["a"].tolist()[:2] == [10.0, 20.0]
    assert dataset(cycle("01/02/2020", "13/02/2020"), kind="datetime").X["a"].iloc[0] == pd.Timestamp("2020-02-01")
    assert dataset(pd.date_range("2020", periods=N), kind="categorical").X["a"].iloc[0] == "2020-01-01"
    assert dataset(cycle(True, False), kind="numeric").X["a"].tolist()[:2] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (cycle("a", "b"), "numeric", "'a' must hold a number in every row, but row 1 holds 'a'"),
        (cycle("a", "b"), "datetime", "'a' must hold a date in every row, but row 1 holds 'a'"),
        (cycle(1, 2), "datetime", "'a' holds dates, but here it holds numbers"),
        (pd.date_range("2020", periods=N), "numeric", "'a' is numeric, but holds dates"),
        (cycle("a", "b"), "number", "Unknown kind 'number'"),
    ],
)
def test_a_kind_that_does_not_fit_is_refused(values: Any, kind: ColumnKind, message: str) -> None:
    with pytest.raises(TableError, match=message):
        dataset(values, kind=kind)


def test_kinds_of_columns_that_are_not_there_are_refused() -> None:
    frame = pd.DataFrame({"alpha": RNG.normal(size=N), "y": np.arange(N) % 2})
    with pytest.raises(TableError, match=r"'alhpa', which is not there\. Did you mean 'alpha'"):
        read_dataset(frame, kinds={"alhpa": "numeric"})
    with pytest.raises(TableError, match="'y' is the target"):
        read_dataset(frame, kinds={"y": "numeric"})


def test_objects_that_no_table_can_use_are_left_out_and_named() -> None:
    data = dataset([[1, 2]] * N)
    assert [column.name for column in data.schema.columns] == ["other"]
    assert any("'a'" in note and "list" in note for note in data.notes)
    assert any("complex" in note for note in dataset(np.full(N, 1j)).notes)


def test_sparse_and_arrow_columns_are_columns_like_any_other() -> None:
    sparse = pd.arrays.SparseArray(cycle(0.0, 0.0, 1.5))
    assert dataset(sparse).X["a"].tolist()[:3] == [0.0, 0.0, 1.5]
    arrow = pd.array(cycle(1, 2, None), dtype="int32[pyarrow]")
    assert dataset(arrow).X["a"].tolist()[:2] == [1.0, 2.0]
    words = pd.array(cycle("x", "y"), dtype="string[pyarrow]")
    assert dataset(words).X["a"].tolist()[:2] == ["x", "y"]
