"""Files: compression, suffixes, what is not there, and what lies in Parquet and ARFF files."""

import bz2
import datetime as dt
import gzip
import lzma
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autometa.datasets import read_dataset, read_table
from autometa.errors import TableError

NOON = dt.datetime(2020, 1, 1, 12)
CSV = b"a,b\n1,x\n2,y\n"


def zipped(data: bytes, path: Path) -> bytes:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.csv", data)
        archive.writestr("__MACOSX/._inner.csv", b"\0\0")
    return path.read_bytes()


def zstd(data: bytes) -> bytes:
    compressed: bytes = pa.compress(data, codec="zstd", asbytes=True)
    return compressed


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_read_like_plain_ones(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"table.csv{suffix}"
    path.write_bytes(COMPRESS[suffix](CSV))
    assert read_table(path).frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


@pytest.mark.parametrize("name", ["table.zip", "table.csv.zip", "TABLE.CSV.ZIP"])
def test_a_zip_with_one_table_is_read(name: str, tmp_path: Path) -> None:
    zipped(CSV, tmp_path / name)
    assert read_table(tmp_path / name).frame.to_dict("list") == {"a": [1, 2], "b": ["x", "y"]}


def test_a_zip_with_several_files_is_refused_by_their_names(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("one.csv", CSV)
        archive.writestr("two.csv", CSV)
    with pytest.raises(TableError, match=r"exactly one table.*2 files \(one.csv, two.csv\)"):
        read_table(tmp_path / "t.zip")


def test_an_excel_workbook_is_named_as_such(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(TableError, match=r"office document\. Save the sheet as CSV"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize("suffix", [*COMPRESS, ".zip"])
def test_a_compressed_file_that_was_cut_off_is_refused(suffix: str, tmp_path: Path) -> None:
    text = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000))
    data = zipped(text, tmp_path / "t.zip") if suffix == ".zip" else COMPRESS[suffix](text)
    path = tmp_path / f"cut.csv{suffix}"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(TableError, match=r"cut\.csv"):
        read_table(path)


def test_the_content_decides_about_compression_and_a_note_says_so(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.csv.gz", tmp_path / "packed.csv"
    plain.write_bytes(CSV)
    packed.write_bytes(gzip.compress(CSV))
    assert "plain.csv.gz is not compressed although its name says compressed with gzip." in read_table(plain).notes
    assert "packed.csv is compressed with gzip although its name says not compressed." in read_table(packed).notes
    assert read_table(plain).frame.equals(read_table(packed).frame)


@pytest.mark.parametrize("name", ["table.parquet", "table.csv", "table", "table.xyz"])
def test_parquet_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2]}).to_parquet(tmp_path / "table.parquet")
    (tmp_path / "table.parquet").rename(tmp_path / name)
    table = read_table(tmp_path / name)
    assert table.frame["a"].tolist() == [1, 2]
    assert any("read as PARQUET, by its content" in note for note in table.notes) == (
        name in ("table.csv", "table.xyz")
    )


@pytest.mark.parametrize("name", ["table", "table.xyz", "table.log"])
def test_text_of_an_unknown_suffix_is_read_as_csv(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(CSV)
    assert read_table(tmp_path / name).frame["a"].tolist() == [1, 2]


def test_a_known_other_format_is_refused_with_the_known_suffixes(tmp_path: Path) -> None:
    (tmp_path / "t.feather").write_bytes(b"ARROW1\0\0")
    with pytest.raises(
        TableError, match=r"t\.feather is of an unknown kind \(\.feather\)\. Readable are \.arff, \.csv"
    ):
        read_table(tmp_path / "t.feather")


def test_a_missing_file_offers_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(CSV)
    with pytest.raises(TableError, match=r"no file '.*trian\.csv'\. Did you mean '.*train\.csv'\?"):
        read_table(tmp_path / "trian.csv")
    with pytest.raises(TableError, match="no folder"):
        read_table(tmp_path / "nowhere" / "t.csv")


def test_a_folder_and_an_address_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(TableError, match="Addresses are not fetched"):
        read_table("https://example.org/table.csv")
    with pytest.raises(TableError, match="cannot be read"):
        read_table("a\0b.csv")


PARQUET: dict[str, tuple[Any, str, Any]] = {
    "int": (pa.array([1, None], pa.int32()), "float64", 1.0),
    "unsigned": (pa.array([2**63, 1], pa.uint64()), "uint64", 2**63),
    "float": (pa.array([0.5, None], pa.float32()), "float64", 0.5),
    "decimal": (pa.array([Decimal("1.25"), None]), "float64", 1.25),
    "bool": (pa.array([True, None]), "boolean", True),
    "date": (pa.array([dt.date(2020, 2, 29), None]), "datetime64[us]", pd.Timestamp("2020-02-29")),
    "zoned": (pa.array([NOON, None], pa.timestamp("ms", tz="Asia/Tokyo")), "datetime64[us]", pd.Timestamp(NOON)),
    "nanoseconds": (pa.array([NOON, None], pa.timestamp("ns")), "datetime64[us]", pd.Timestamp(NOON)),
    "time": (pa.array([dt.time(1, 2, 3), None]), "str", "01:02:03"),
    "span": (pa.array([dt.timedelta(minutes=1), None]), "float64", 60.0),
    "words": (pa.array(["x", None]), "str", "x"),
    "numbers as words": (pa.array(["1.5", "?"]), "float64", 1.5),
    "coded": (pa.array(["x", "y"]).dictionary_encode(), "category", "x"),
}


@pytest.mark.parametrize(("column", "dtype", "first"), PARQUET.values(), ids=PARQUET.keys())
def test_parquet_types_become_plain_ones(column: Any, dtype: str, first: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": column}), tmp_path / "t.parquet")
    values = read_table(tmp_path / "t.parquet").frame["a"]
    assert str(values.dtype) == dtype
    assert values.iloc[0] == first
    assert values.isna().sum() == (0 if dtype in ("uint64", "category") else 1)


def test_parquet_columns_that_cannot_be_used_are_left_out_and_named(tmp_path: Path) -> None:
    columns = {"list": [[1], [2]], "bytes": pa.array([b"x", b"y"]), "nothing": pa.nulls(2), "a": [1, 2]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert list(table.frame.columns) == ["nothing", "a"]
    assert table.frame["nothing"].isna().all()
    assert table.notes == (
        "Column 'list': values of type list<element: int64> cannot be used; the column is left out.",
        "Column 'bytes': values of type binary cannot be used; the column is left out.",
    )


def test_a_parquet_file_of_unusable_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"list": [[1], [2]]}), tmp_path / "t.parquet")
    with pytest.raises(TableError, match="no column that can be used"):
        read_table(tmp_path / "t.parquet")


def arff(body: str, *attributes: str) -> str:
    declared = "\n".join(f"@ATTRIBUTE {attribute}" for attribute in attributes)
    return f"% made by hand\n\n@relation 'a test'\n{declared}\n@data\n{body}\n"


ARFF = {
    "plain": (("a numeric", "b {x,y}"), "1,x\n2.5,y\n?,?", {"a": [1.0, 2.5, None], "b": ["x", "y", None]}),
    "whole numbers": (("a integer", "b real"), "1,2\n3,4", {"a": [1, 3], "b": [2, 4]}),
    "spaces and comments": (("a numeric", "b {x, y}"), "% one\n 1 , x\n%two\n2,y", {"a": [1, 2], "b": ["x", "y"]}),
    "quoted names and values": (
        ("'a b' numeric", "c {'x, y',z}"),
        "1,'x, y'\n2,z",
        {"a b": [1, 2], "c": ["x, y", "z"]},
    ),
    "both quotes": (("a string", "b string"), '\'x "y"\',"it\'s"\nz,w', {"a": ['x "y"', "z"], "b": ["it's", "w"]}),
    "escapes": (("a string", "b numeric"), "'it\\'s',1\n'x',2", {"a": ["it's", "x"], "b": [1, 2]}),
    "sparse": (
        ("a numeric", "b {no,yes}"),
        "{0 5}\n{1 yes}\n{0 1.5, 1 yes}",
        {"a": [5.0, 0.0, 1.5], "b": ["no", "yes", "yes"]},
    ),
    "dates": (
        ("a date 'yyyy-MM-dd'", "b numeric"),
        "2020-01-31,1\n2020-02-01,2",
        {"a": ["2020-01-31", "2020-02-01"], "b": [1, 2]},
    ),
    "categories that are numbers": (("a {0,1}", "b numeric"), "0,5\n1,6", {"a": ["0", "1"], "b": [5, 6]}),
    "tabs": (("a numeric", "b {x,y}"), "1\tx\n2\ty", {"a": [1, 2], "b": ["x", "y"]}),
}


@pytest.mark.parametrize(("attributes", "body", "expected"), ARFF.values(), ids=ARFF.keys())
def test_arff(attributes: tuple[str, ...], body: str, expected: dict[str, list[Any]], tmp_path: Path) -> None:
    (tmp_path / "t.arff").write_text(arff(body, *attributes), encoding="utf-8")
    frame = read_table(tmp_path / "t.arff").frame
    assert list(frame.columns) == list(expected)
    for name, values in expected.items():
        column = frame[name].astype(object)
        assert column.where(column.notna(), None).tolist() == values


BAD_ARFF = {
    "no data": ("@relation r\n@attribute a numeric\n", "no @data line"),
    "no attribute": ("@relation r\n@data\n1\n", "declares no attribute before line 2"),
    "no rows": ("@relation r\n@attribute a numeric\n@data\n", "has a header but no rows"),
    "unknown type": ("@relation r\n@attribute a complex\n@data\n1\n", "Line 2 of t.arff declares 'a' as 'complex'"),
    "open list": ("@relation r\n@attribute a {x,y\n@data\nx\n", "Line 2 of t.arff opens a list"),
    "stray line": ("@relation r\nhello\n@data\n1\n", "Line 2 of t.arff must be @relation"),
    "no type": ("@relation r\n@attribute a\n@data\n1\n", "Line 2 of t.arff must read"),
    "undeclared value": ("@relation r\n@attribute a {x,y}\n@data\nx\nz\n", "'a', but a row holds 'z'"),
    "word for a number": ("@relation r\n@attribute a numeric\n@data\n1\nz\n", "'a' as numeric, but a row holds 'z'"),
    "ragged": ("@relation r\n@attribute a real\n@attribute b real\n@data\n1,2\n3\n", "line 6 of t.arff has 1"),
    "ragged with escapes": ("@relation r\n@attribute a string\n@data\n'x\\'y',2\n", "t.arff cannot be read"),
    "sparse beyond the end": ("@relation r\n@attribute a real\n@data\n{7 1}\n", "t.arff cannot be read"),
}


@pytest.mark.parametrize(("text", "message"), BAD_ARFF.values(), ids=BAD_ARFF.keys())
def test_bad_arff_is_refused_by_line_or_value(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.arff").write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=message):
        read_table(tmp_path / "t.arff")


def test_the_same_table_has_the_same_hash_in_every_format(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "value": rng.normal(size=50),
            "count": rng.integers(0, 9, 50),
            "flag": rng.integers(0, 2, 50) > 0,
            "when": pd.date_range("2020-01-01", periods=50, freq="36h"),
            "colour": np.array(["red", "green", None], dtype=object)[rng.integers(0, 3, 50)],
            "y": np.array(["no", "yes"])[np.arange(50) % 2],
        }
    )
    frame.loc[3, "value"] = np.nan
    frame.to_csv(tmp_path / "one.csv", index=False)
    frame.to_csv(tmp_path / "two.tsv.gz", index=False, sep="\t", encoding="utf-16")
    frame.to_csv(tmp_path / "three.csv", index=False, sep=";", decimal=",")
    frame.to_parquet(tmp_path / "four.parquet")
    sources: list[Path | pd.DataFrame] = [frame, *sorted(tmp_path.iterdir())]
    assert len({read_dataset(source).content_hash for source in sources}) == 1
    assert [read_dataset(source).name for source in sources] == ["table", "four", "one", "three", "two"]
