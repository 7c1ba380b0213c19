"""Odd tables that cannot be learned from: code 2, one sentence that helps, and no worker started."""

import gzip
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]
N = 24


def label(i: int) -> str:
    return ("no", "yes")[i * 7 % 3 == 0]


def lines(header: str, row: Callable[[int], str], n: int = N) -> str:
    """A text table: its header, and one line for each row number."""
    return "\n".join([header, *(row(i) for i in range(n))]) + "\n"


def parquet(columns: dict[str, list[Any]]) -> bytes:
    sink = BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


@dataclass(frozen=True, slots=True)
class Case:
    """A table, and what the error must say."""

    data: bytes | str | Callable[[], bytes]
    message: str
    name: str = "table.csv"
    options: tuple[str, ...] = ()


def usual(y: Callable[[int], str], n: int = N) -> str:
    return lines("a,b,y", lambda i: f"{i * 37 % 101 / 8},{i % 3},{y(i)}", n=n)


def zipped(*names: str) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in names:
            archive.writestr(name, usual(label))
    return sink.getvalue()


GARBAGE = np.random.default_rng(0).bytes(3000)
CASES: dict[str, Case] = {
    "empty: no bytes": Case(b"", "table.csv is empty. A table needs a header and at least one row"),
    "empty: blank lines": Case("\n \n\n", "table.csv is empty"),
    "empty: header only": Case("a,b,y\n", "has a header but no rows. A table needs at least one row"),
    "empty: comments only": Case("# a\n# b\n", "there is nothing to learn"),
    "empty: Parquet without rows": Case(lambda: parquet({"a": [], "y": []}), "has 0 rows and 2 columns", "t.parquet"),
    "rows: one": Case("a,b,y\n1,2,x\n", "'y' is x in every row: there is nothing to learn"),
    "rows: two": Case("a,b,y\n1,2,0.5\n3,4,1.5\n", "At least 10 rows are needed to learn from, but the table has 2"),
    "rows: nine with a target": Case(
        usual(lambda i: label(i) if i < 9 else ""), "At least 10 rows are needed .* has 9 with a value of 'y'"
    ),
    "lines: one too short": Case(usual(label) + "1,2\n", "line 26 of table.csv has 2 and the header names 3 columns"),
    "lines: one too long": Case(usual(label) + "1,2,3,4\n", "line 26 of table.csv has 4 and .* must be in quotes"),
    "lines: a quote that is not closed": Case(usual(label) + '1,"2,no\n', "line 26 of table.csv .* must be in quotes"),
    "lines: a title over the header": Case("Report\n" + usual(label), "line 2 of table.csv has 3 .* names 1 column"),
    "lines: decimal commas between commas": Case(
        usual(label) + "1,5,2,no\n", "line 26 of table.csv has 4 and the header names 3"
    ),
    "columns: the target alone": Case(lines("y", label), "no column to learn from besides the target 'y'"),
    "columns: keys and constants only": Case(
        lines("id,same,y", lambda i: f"k{i},1,{label(i)}"),
        "no column to learn from .* id: ident.* same: const",
    ),
    "columns: of lists only": Case(
        lambda: parquet({"a": [[1]] * N, "b": [b"x"] * N}), "has no column that can be used", "t.parquet"
    ),
    "target: unknown": Case(usual(label), "no column 'yy' to predict. Did you mean 'y'", options=("--target", "yy")),
    "target: constant": Case(usual(lambda i: "no"), "'y' is no in every row: there is nothing to learn"),
    "target: one class where there is a value": Case(
        usual(lambda i: "no" if i % 2 else ""), "'y' is no in every row: there is nothing to learn"
    ),
    "target: nothing": Case(usual(lambda i: ""), "'y' has no value at all. Choose another with --target"),
    "target: infinite only": Case(usual(lambda i: "inf"), "'y' has no value at all"),
    "target: words of which none repeats": Case(
        usual(lambda i: f"w{i}"), "A class must come more than once to be learned, but the target 'y' has 24 classes"
    ),
    "target: numbers as classes": Case(
        usual(lambda i: f"{i / 7:.4f}"),
        "24 classes in .*use --task regression",
        options=("--task", "multiclass"),
    ),
    "target: words for a regression": Case(
        usual(label), "Regression needs a target of numbers, but 'y' holds '(no|yes)'", options=("--task", "regression")
    ),
    "target: three classes for a binary task": Case(
        usual(lambda i: "uvw"[i % 3]), "exactly 2 classes, but 'y' has 3: u, v, w", options=("--task", "binary")
    ),
    "target: beyond what can be squared": Case(
        usual(lambda i: f"{i}e200"), "no value may be beyond 1e.150, but 'y' holds 2.3e.201. Predict its logarithm"
    ),
    "target: dates": Case(usual(lambda i: f"2020-01-{i + 1:02d}"), "'y' holds dates, which cannot be predicted"),
    "target: months before days": Case(usual(lambda i: f"1/{i + 1}/2020"), "holds dates.*Turn them into numbers first"),
    "bytes: zeros in text": Case(usual(label).replace("no", "n\0", 1), "holds binary data. Readable are CSV"),
    "bytes: garbage": Case(GARBAGE, "table.csv is not a text table: it holds binary data|encoding of table.csv"),
    "bytes: garbage called gz": Case(GARBAGE, "binary data|cannot be told|unknown kind", "table.csv.gz"),
    "bytes: gz of garbage": Case(lambda: gzip.compress(GARBAGE), "table.csv.gz", "table.csv.gz"),
    "bytes: gz that was cut off": Case(
        lambda: gzip.compress(usual(label).encode())[:-20], "damaged or cut off: its gzip compression", "table.csv.gz"
    ),
    "bytes: Parquet that was cut off": Case(
        lambda: parquet({"a": [1.5] * N, "y": [0, 1] * 12})[:-9],
        "not a Parquet file, or damaged",
        "t.parquet",
    ),
    "bytes: half a character at the end": Case(
        usual(label).encode("utf-16")[:-1], "looks like utf-16.*Save the file as UTF-8"
    ),
    "file: zip with two tables": Case(
        lambda: zipped("a.csv", "b.csv"), "exactly one table, but table.zip holds 2 files .a.csv, b.csv.", "table.zip"
    ),
    "file: a spreadsheet": Case(lambda: zipped("xl/workbook.xml"), "office document. Save the sheet as CSV", "t.xlsx"),
    "file: JSON": Case('{"a": [1, 2], "y": [0, 1]}\n', "is JSON, not a table"),
    "file: JSON by its name": Case("[1, 2]\n", "unknown kind .*json.* Save it as CSV or Parquet", "table.json"),
    "file: a web page": Case("<!DOCTYPE html>\n<html></html>\n", "is a web page or XML, not a table"),
    "file: a picture": Case(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary data|unknown kind", "table.png"),
    "file: ARFF without data": Case("@relation r\n@attribute a numeric\n", "has no @data line", "t.arff"),
    "file: ARFF with an undeclared value": Case(
        "@relation r\n@attribute a numeric\n@attribute y {u,v}\n@data\n" + "1,u\n2,w\n" * 9,
        "declares the values of 'y', but a row holds 'w'.*Add it to the declaration",
        "t.arff",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_odd_table_is_refused_before_anything_starts(case: Case, tmp_path: Path, refuse: Command) -> None:
    data = case.data() if callable(case.data) else case.data
    path = tmp_path / case.name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    ended = refuse(path, *case.options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1, "One message, on one line."
    with pytest.raises(ValueError, match=case.message):
        raise ValueError(ended.err)


def test_files_that_are_not_there(tmp_path: Path, refuse: Command) -> None:
    (tmp_path / "prices.csv").write_text(usual(label))
    for path, message in (
        (tmp_path / "price.csv", "Did you mean"),
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "t.csv", "There is no folder"),
        ("https://example.org/t.csv", "Addresses are not fetched"),
    ):
        ended = refuse(path)
        assert ended.code == 2
        assert message in ended.err
