"""Odd tables that can be learned from, from the command line to predictions for every row."""

import gzip
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Command = Callable[..., Any]
N = 24


def lines(header: str, row: Callable[[int], str], n: int = N, end: str = "\n") -> str:
    """A text table: its header, and one line for each row number."""
    return end.join([header, *(row(i) for i in range(n))]) + end


def label(i: int) -> str:
    return ("no", "yes")[i * 7 % 3 == 0]


def number(i: int) -> float:
    return (i * 37 % 101) / 8


@dataclass(frozen=True, slots=True)
class Case:
    """A table, what it must become, and what must be said about it."""

    data: bytes | str | Callable[[], bytes | str]
    task: str
    rows: int = N
    features: int | None = None
    name: str = "table.csv"
    options: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    classes: tuple[object, ...] | None = None

    def write(self, folder: Path) -> Path:
        data = self.data() if callable(self.data) else self.data
        path = folder / self.name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


def parquet(columns: dict[str, object]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def nested() -> bytes:
    days = [date(2020, 1, 1 + i) for i in range(N)]
    return parquet(
        {
            "lists": [[1, i] for i in range(N)],
            "bytes": [b"x"] * N,
            "money": pa.array([Decimal(i * 7 % 11) / 4 for i in range(N)]),
            "day": days,
            "moment": pa.array(days).cast(pa.timestamp("ms", tz="Asia/Tokyo")),
            "colour": pa.array([("red", "blue")[i % 2] for i in range(N)]).dictionary_encode(),
            "flag": [i % 3 == 0 if i % 5 else None for i in range(N)],
            "y": [label(i) for i in range(N)],
        }
    )


def wide(n_columns: int) -> bytes:
    cells = np.random.default_rng(0).normal(size=(N, n_columns)).round(2).astype(str)
    header = ",".join([f"c{i}" for i in range(n_columns)])
    return lines(header + ",y", lambda i: ",".join(cells[i]) + f",{label(i)}").encode()


def arff() -> str:
    head = "% made by hand\n@RELATION 'odd one'\n@ATTRIBUTE 'a b' NUMERIC\n@ATTRIBUTE c {x,'y z'}\n@ATTRIBUTE y {0,1}\n"
    return head + "@DATA\n" + "".join(f"{{0 {i * 5 % 7}, 1 'y z', 2 {i % 2}}}\n" for i in range(N))


QUOTED = lines(
    '"a ""b""","c\nd",y', lambda i: f'"{number(i)}","line {i % 4}\nof ""two"", really",{label(i)}', end="\r\n"
)
CASES: dict[str, Case] = {
    "text: byte order mark, quotes, line breaks and delimiters in cells": Case(
        b"\xef\xbb\xbf" + QUOTED.encode(), "binary", features=2
    ),
    "text: UTF-16, tabs, no last line end": Case(
        lines("größe\tстрана\ty", lambda i: f"{number(i)}\tЯ{i % 3}\t{label(i)}").rstrip().encode("utf-16"),
        "binary",
        said=("encoding UTF-16",),
    ),
    "text: old mac line ends, comments, sep": Case(
        lines("# from the lab\r# 2020\ra;b;y", lambda i: f"{number(i)};{i % 4};{label(i)}", end="\r"), "binary"
    ),
    "text: semicolons, decimal commas, thousands, percent signs": Case(
        lines("a;b;c;y", lambda i: f"{i},5;{i + 1}.{100 + i},25;{i * 3 % 7}%;{number(i) + 1:.3f}".replace(".", ",", 9)),
        "regression",
        options=("--task", "regression"),
    ),
    "text: windows code page, aligned with spaces": Case(
        lines(" größe    y", lambda i: f"  {number(i):5.2f}  {label(i)}é").encode("cp1252"), "binary", features=1
    ),
    "text: no header": Case(
        lines("5.1,3.5,0", lambda i: f"{number(i)},{number(i + 1)},{i % 2}", n=N - 1), "binary", said=("first line",)
    ),
    "text: blank lines before and after are no rows": Case(
        "\n\n" + lines("a,b,y", lambda i: f"{number(i)},{i % 3},{label(i)}") + "\n\n", "binary"
    ),
    "headers: emoji, doubled, empty, blank, spaces, formulas": Case(
        lines("🦉,a,a, a ,,  ,=1+1,y", lambda i: ",".join([f"{i * k % 11}" for k in range(1, 8)]) + f",{label(i)}"),
        "binary",
        features=7,
        said=("whose name was taken",),
    ),
    "headers: one like the target in another case": Case(
        lines("Y,y ,z", lambda i: f"{number(i)},{label(i)},{i % 3}"), "binary", options=("--target", "y"), features=2
    ),
    "headers: a column called prediction, and a long one": Case(
        lines(f"prediction,{'x' * 5000},y", lambda i: f"{number(i)},{i % 3},{label(i)}"), "binary", features=2
    ),
    "columns: nothing, one value, key, sequence, one with gaps": Case(
        lines("id,empty,same,n,gap,y", lambda i: f"k{i},,1,{i},{'' if i % 3 else number(i)},{label(i)}"),
        "binary",
        features=1,
        said=(
            "id (identifier: ",
            "empty (constant: no value)",
            "same (constant: only 1)",
            "n (identifier: an un",
        ),
    ),
    "columns: more than rows": Case(lambda: wide(60), "binary", features=60),
    "columns: one, of gaps mostly": Case(
        lines("a,y", lambda i: f"{'NA' if i > 2 else i},{label(i)}"), "binary", features=1
    ),
    "columns: sentences only": Case(
        lines("a,y", lambda i: f"the customer number {i} asked again about {i * 7},{label(i)}"), "binary", features=1
    ),
    "numbers: 1e308, 1e-308, infinities": Case(
        lines("a,b,c,y", lambda i: f"{i - 9}e307,{i}e-308,{'-inf' if i % 5 == 0 else number(i)},{label(i)}"),
        "binary",
        said=("infinite values read as missing",),
    ),
    "numbers: huge integers and leading zeros": Case(
        lines("a,b,c,y", lambda i: f"{10**18 + i * i},{10**25 + i * i * 10**22},{i % 5:04d},{number(i)}"), "regression"
    ),
    "numbers: a few words among them": Case(
        lines("a,y", lambda i: f"{'error' if i == 7 else number(i) + i},{number(i)}", n=60),
        "regression",
        rows=60,
        said=("'error' among them read as missing",),
    ),
    "dates: three forms, with times and gaps": Case(
        lines(
            "iso,german,us,moment,y",
            lambda i: (
                f"2020-01-{i + 1:02d},{i + 1}.2.2020,{'' if i == 3 else f'3/{i + 1}/2020'},"
                f"2020-04-01T{i:02d}:30:00Z,{number(i)}"
            ),
        ),
        "regression",
        features=4,
        said=("4 datetime",),
    ),
    "words: booleans of many spellings, formulas, mixed types": Case(
        lines("a,b,c,y", lambda i: f"{('TRUE', 'false')[i % 2]},={i % 4},{('1', 'x', '2.50')[i % 3]},{label(i)}"),
        "binary",
    ),
    "target: truth values": Case(
        lines("a,y", lambda i: f"{number(i)},{'TRUE' if i % 2 else 'False'}"), "binary", classes=(False, True)
    ),
    "target: formulas as labels": Case(
        lines("a,y", lambda i: f"{number(i)},{'=1+1' if i % 2 else '-'}"), "binary", classes=("-", "=1+1")
    ),
    "target: whole floats, negative": Case(
        lines("a,y", lambda i: f"{number(i)},{-1.0 if i % 2 else 1.0}"), "binary", classes=(-1, 1)
    ),
    "target: gaps, and a class of one row": Case(
        lines("a,y", lambda i: f"{number(i)},{'' if i % 4 == 3 else 'rare' if i == 4 else label(i)}"),
        "multiclass",
        classes=("no", "rare", "yes"),
        said=("6 rows without a value of 'y' left out", "Only one row each has the class rare"),
    ),
    "target: a thousand classes": Case(
        lines("a,b,y", lambda i: f"{i % 1000},{number(i)},k{i % 1000}", n=2000), "multiclass", rows=2000
    ),
    "target: giant numbers": Case(lines("a,y", lambda i: f"{number(i)},{i - 3.5}e148"), "regression"),
    "target: nearly constant": Case(lines("a,y", lambda i: f"{number(i)},{1 + (i == 5) * 0.5}"), "regression"),
    "size: the fewest rows that are enough": Case(
        lines("a,y", lambda i: f"{number(i)},{i % 2}", n=10), "binary", rows=10
    ),
    "file: Parquet called CSV, with what no table can use": Case(
        nested, "binary", features=5, said=("was read as PARQUET", "'lists': values of type", "times are in UTC")
    ),
    "file: compressed without saying so": Case(
        lambda: gzip.compress(lines("a,y", lambda i: f"{number(i)},{label(i)}").encode()),
        "binary",
        said=("is compressed with gzip although its name says not compressed",),
    ),
    "file: sparse ARFF": Case(arff, "binary", features=1, name="table.arff", classes=(0, 1)),
}


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning:sklearn")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_an_odd_table_gives_a_model_that_predicts_every_row(case: Case, tmp_path: Path, tune: Command) -> None:
    tuned = tune(case.write(tmp_path), case.task, *case.options)
    model, predictions = tuned.model, tuned.predictions
    assert model.task == case.task
    assert len(predictions) == case.rows
    if case.task == "regression":
        assert np.isfinite(predictions["prediction"]).all()
    else:
        assert set(predictions["prediction"]) <= set(model.classes)
        assert predictions.filter(like="probability_").sum(axis=1).to_numpy() == pytest.approx(1)
    assert case.classes in (None, model.classes)
    assert case.features in (None, len(model.schema.features))
    for sentence in case.said:
        assert sentence in tuned.ended.out


def test_dates_that_stand_for_never_and_for_always(tmp_path: Path, tune: Command) -> None:
    days = ("0001-01-01", "2024-02-29", "9999-12-31")
    table = lines("since,a,y", lambda i: f"{days[i % 3]},{number(i)},{label(i)}")
    assert len(tune(Case(table, "binary").write(tmp_path), "binary").predictions) == N


@pytest.mark.slow
def test_ten_thousand_columns(tmp_path: Path, tune: Command) -> None:
    tuned = tune(Case(lambda: wide(10_000), "binary").write(tmp_path), "binary")
    assert len(tuned.model.schema.features) == 10_000
    assert len(tuned.predictions) == N


@pytest.mark.slow
def test_two_million_rows(tmp_path: Path, tune: Command) -> None:
    n = 2_000_000
    rng = np.random.default_rng(0)
    x = rng.normal(size=n)
    table = pd.DataFrame({"x": x, "c": np.array(["u", "v"])[rng.integers(0, 2, n)], "y": (x > 0).astype(int)})
    table.to_csv(tmp_path / "large.csv", index=False)
    tuned = tune(tmp_path / "large.csv", "binary", "--time-limit", "100")
    assert len(tuned.predictions) == n
    assert (tuned.predictions["prediction"] == table["y"]).mean() > 0.95
