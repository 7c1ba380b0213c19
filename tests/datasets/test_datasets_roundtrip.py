"""Generated tables, written in many ways, come back with the same types and values."""

import bz2
import gzip
import lzma
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autometa.datasets import Dataset, TableSchema, read_dataset, read_table
from autometa.datasets._names import repair
from autometa.errors import TableError

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}
relaxed = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LETTERS = string.ascii_letters + "äöüßéñçøÅ"
PUNCTUATION = " ,;|\t'\"\n()/:_"
# Every word begins and ends with a letter pair, so that none is a number, a date or a word for missing.
words = st.text(LETTERS + PUNCTUATION, max_size=12).map(lambda middle: f"k{middle}z")
categories = st.lists(words, min_size=2, max_size=5, unique=True)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
names = st.lists(
    st.text(LETTERS + " ,;'\"_", min_size=1, max_size=8).map(str.strip).filter(bool),
    min_size=6,
    max_size=6,
    unique=True,
)
N = 24


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """A table with a column of each kind, gaps in some, and a target of words."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    labels = draw(st.lists(words, min_size=2, max_size=3, unique=True))
    floats = [0.25, 0.5, None, *draw(st.lists(finite, max_size=6))]
    wholes = [1, *draw(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), max_size=5))]
    levels = [None, *draw(categories)]
    columns: list[Any] = [
        pd.array([floats[i] for i in rng.integers(0, len(floats), N)], dtype="Float64").to_numpy(
            "float64", na_value=np.nan
        ),
        [wholes[i] for i in rng.integers(0, len(wholes), N)],
        pd.array([levels[i] for i in rng.integers(0, len(levels), N)], dtype="str"),
        rng.integers(0, 2, N) > 0,
        np.datetime64("1970-01-01", "us") + rng.integers(0, 40_000, N).astype("m8[D]"),
        pd.array([labels[i % len(labels)] for i in range(N)], dtype="str"),
    ]
    return pd.DataFrame(dict(zip(draw(names), columns, strict=True)))


def same(one: Dataset, other: Dataset) -> None:
    pd.testing.assert_frame_equal(one.X, other.X, check_exact=True)
    pd.testing.assert_series_equal(one.y, other.y)
    assert [column.kind for column in one.schema.columns] == [column.kind for column in other.schema.columns]
    assert one.schema.classes == other.schema.classes
    assert one.content_hash == other.content_hash


@relaxed
@given(
    table=tables(),
    separator=st.sampled_from([",", ";", "\t", "|"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    compression=st.sampled_from(["", ".gz", ".xz", ".bz2"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_csv_in_any_dialect_is_the_parquet_table(
    table: pd.DataFrame, separator: str, encoding: str, compression: str, line_end: str, tmp_path: Path
) -> None:
    csv, parquet = tmp_path / f"t.csv{compression}", tmp_path / "t.parquet"
    text = table.to_csv(index=False, sep=separator, lineterminator=line_end)
    csv.write_bytes(COMPRESS[compression](text.encode(encoding)))
    table.to_parquet(parquet)
    target = str(table.columns[-1])
    same(read_dataset(csv, target=target), read_dataset(parquet, target=target))
    same(read_dataset(table, target=target), read_dataset(parquet, target=target))


@relaxed
@given(
    values=st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 4)), min_size=12, max_size=30),
    separator=st.sampled_from([";", "\t", "|"]),
)
def test_decimal_commas_are_decimal_points(values: list[float], separator: str, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"value": values, "half": 0.5, "label": ["no", "yes"] * (len(values) // 2) + ["no"] * (len(values) % 2)}
    )
    table.to_csv(tmp_path / "t.csv", index=False, sep=separator, decimal=",", float_format="%.4f")
    found = read_table(tmp_path / "t.csv").frame
    assert found["value"].tolist() == values
    assert found["half"].tolist() == [0.5] * len(values)


@relaxed
@given(values=st.lists(finite, min_size=1, max_size=20))
def test_every_float_survives_text_exactly(values: list[float], tmp_path: Path) -> None:
    pd.DataFrame({"x": values}).to_csv(tmp_path / "t.csv", index=False)
    found = read_table(tmp_path / "t.csv").frame["x"].to_numpy(dtype=float)
    assert (found == np.array(values)).all()


@relaxed
@given(table=tables())
def test_apply_is_the_identity_on_what_was_learned(table: pd.DataFrame) -> None:
    data = read_dataset(table, target=str(table.columns[-1]))
    pd.testing.assert_frame_equal(data.schema.apply(table), data.X)
    again = TableSchema.from_json(data.schema.to_json())
    pd.testing.assert_frame_equal(again.apply(table.iloc[::-1]), data.X.iloc[::-1].reset_index(drop=True))


@relaxed
@given(table=tables())
def test_a_folder_keeps_everything(table: pd.DataFrame, tmp_path: Path) -> None:
    data = read_dataset(table, target=str(table.columns[-1]))
    data.to_folder(tmp_path / "folder")
    again = Dataset.from_folder(tmp_path / "folder")
    same(data, again)
    assert again.schema == data.schema


@relaxed
@given(header=st.lists(st.sampled_from(["a", "a", "a_2", "", " a", "b", "column_2", "a_2_2"]), min_size=1, max_size=12))
def test_repaired_names_are_unique_and_the_first_of_each_is_kept(header: list[str]) -> None:
    found, _ = repair(header)
    assert len(set(found)) == len(found) == len(header)
    assert all(found)
    for name in {name.strip() for name in header} - {""}:
        assert name in found
        assert found.index(name) == [other.strip() for other in header].index(name)


@relaxed
@given(data=st.binary(max_size=300), suffix=st.sampled_from([".csv", ".arff", ".parquet", ".tsv.gz", ".zip", ""]))
def test_no_bytes_raise_anything_but_a_table_error(data: bytes, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{suffix}"
    path.write_bytes(data)
    try:
        table = read_table(path)
    except TableError:
        return
    assert table.frame.shape[1] > 0


@relaxed
@given(text=st.text(alphabet="ab1.,;\t|\"' \n\r-?#", max_size=60))
def test_no_text_raises_anything_but_a_table_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode())
    try:
        frame = read_table(tmp_path / "t.csv").frame
    except TableError:
        return
    assert frame.columns.is_unique
    assert len(frame) > 0


@pytest.mark.parametrize("order", ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M"])
def test_dates_in_every_form_are_the_same_dates(order: str, tmp_path: Path) -> None:
    days = pd.Series(pd.date_range("1999-01-01", periods=700, freq="D"))
    table = pd.DataFrame({"day": days.dt.strftime(order), "x": np.linspace(0, 1, 700) ** 2, "y": [0, 1] * 350})
    table.to_csv(tmp_path / "t.csv", index=False)
    data = read_dataset(tmp_path / "t.csv")
    assert data.schema.columns[0].kind == "datetime"
    assert (data.X["day"] == days).all()
