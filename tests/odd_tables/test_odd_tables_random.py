"""Tables that nobody wrote: whatever comes, a model that predicts every row, or code 2 and one sentence."""

import csv
import io
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Command = Callable[..., Any]
DAYS = st.dates(date(1700, 1, 1), date(2200, 1, 1))
CELLS = {
    "whole": st.integers(-(10**20), 10**20).map(str),
    "few": st.integers(0, 2).map(str),
    "float": st.floats(width=64).map(str),
    "word": st.sampled_from(["red", "", "NA", "-", "é", "=1+1", "🦉", " x ", 'say "so"', "a,b", "c\nd", "None"]),
    "truth": st.sampled_from(["true", "FALSE", "True", ""]),
    "date": DAYS.map(str),
    "other date": DAYS.map(lambda day: f"{day.day}.{day.month}.{day.year}"),
    "any": st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8),
    "mixed": st.one_of(st.integers().map(str), st.sampled_from(["x", "1,5", "1.000,5", "12%", "1e400", "007"])),
}
# Making a failing example smaller would take minutes: each takes a search.
END_TO_END = settings(
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NAMES = st.one_of(st.sampled_from(["a", "id", "y", "target", "", "Y", "=x", "🦉"]), st.text(max_size=5))


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, int]:
    """A CSV file and how many rows it has."""
    n = draw(st.integers(10, 30))
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=2, max_size=5))
    columns = [draw(st.lists(CELLS[kind], min_size=n, max_size=n)) for kind in kinds]
    names = draw(st.lists(NAMES, min_size=len(kinds), max_size=len(kinds)))
    if draw(st.booleans()):
        columns[-1] = [("no", "yes")[i % 2] for i in range(n)]
    sink = io.StringIO()
    writer = csv.writer(sink, delimiter=draw(st.sampled_from(",;\t|")), quoting=csv.QUOTE_ALL)
    writer.writerows([names, *zip(*columns, strict=True)])
    return sink.getvalue(), n


def check(data: bytes, attempt: Command, predict: Command, n_rows: int | None = None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "table.csv").write_bytes(data)
        ended = attempt(folder / "table.csv", folder / "out")
        assert "Traceback" not in ended.err + ended.out
        if ended.code:
            assert ended.code == 2
            assert ended.err.startswith("Error: ")
            assert len(ended.err) < 2000
            return
        predicted = predict(folder / "out", folder / "table.csv", "--output", folder / "p.parquet")
        if n_rows is None and predicted.code == 2:
            assert "blank" in predicted.err
            return
        assert predicted.code == 0, predicted.err
        predictions = pd.read_parquet(folder / "p.parquet")
        assert predictions.notna().all(axis=None)
        assert n_rows in (None, len(predictions))


@pytest.mark.filterwarnings("ignore:The number of unique classes:UserWarning:sklearn")
@settings(END_TO_END, max_examples=6)
@given(table=tables())
def test_a_random_table(table: tuple[str, int], attempt: Command, predict: Command) -> None:
    check(table[0].encode(), attempt, predict, table[1])


GOOD = "id,a,b,when,y\n" + "".join(f"k{i},{i * 37 % 11},{'uvw'[i % 3]},{i + 1}.1.2020,{i % 2}\n" for i in range(20))

DAMAGE = [b",", b"\n", b'"', b"\0", b"\xe9", b"-", b"", b"\r"]


@settings(END_TO_END, max_examples=6)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, len(GOOD) - 1), st.sampled_from([b",", b"\n", b'"', b"\0", b"\xe9", b"-", b"", b"\r"])
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_table_with_damaged_bytes(changes: list[tuple[int, bytes]], attempt: Command, predict: Command) -> None:
    data = [bytes([byte]) for byte in GOOD.encode()]
    for place, byte in changes:
        data[place] = byte
    check(b"".join(data), attempt, predict)


@settings(END_TO_END, max_examples=40)
@given(data=st.binary(max_size=400))
def test_random_bytes(data: bytes, attempt: Command, predict: Command) -> None:
    check(data, attempt, predict)
