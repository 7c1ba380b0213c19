"""Every reader against every check, and every check against a reader that deserves to fail it."""

import csv
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import arff
import numpy as np
import pandas as pd
import pytest

import autometa.testing.readers as suite
from autometa.datasets import READERS, Reader, Source, Table
from autometa.testing.readers import CHECKS, ReaderCase


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False)


def write_arff(frame: pd.DataFrame, path: Path) -> None:
    kinds = ["STRING" if isinstance(dtype, pd.StringDtype) else "REAL" for dtype in frame.dtypes]
    attributes: list[tuple[str, str | list[str]]] = list(zip(frame.columns, kinds, strict=True))
    if len(frame) and frame.columns[-1] == "label":
        attributes[-1] = ("label", ["no", "yes"])
    rows = frame.astype(object).where(frame.notna(), None).values.tolist()
    # liac-arff cannot write a table without rows; one of gaps is written and cut off again.
    written = rows or [[None] * len(attributes)]
    text = arff.dumps({"relation": "table", "attributes": attributes, "data": written})
    path.write_text(text if rows else text.partition("@DATA")[0] + "@DATA\n", encoding="utf-8")


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "arff": write_arff,
    "csv": write_csv,
    "parquet": write_parquet,
}
CASES = {name: ReaderCase(READERS.entry(name).factory, WRITERS[name]) for name in WRITERS}
MATRIX = [pytest.param(name, check, id=f"{name}-{check.__name__}") for name in READERS.names() for check in CHECKS]


@pytest.mark.parametrize(("name", "check"), MATRIX)
def test_reader(name: str, check: Callable[[ReaderCase], None]) -> None:
    check(CASES[name])


def test_every_reader_is_registered_and_every_registered_one_is_checked() -> None:
    shipped = {reader for reader in Reader.__subclasses__() if reader.__module__.startswith("autometa.")}
    assert shipped == {READERS.entry(name).factory for name in READERS.names()}
    assert set(WRITERS) == set(READERS.names())


def test_suffixes_and_names_belong_to_one_reader_only() -> None:
    readers = [READERS.create(name) for name in READERS.names()]
    suffixes = [suffix for reader in readers for suffix in reader.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert [reader.name for reader in readers] == READERS.names()


class Liar(Reader):
    """Honest CSV, for a subclass to spoil."""

    name = "csv"
    suffixes = (".csv",)

    def sniff(self, head: bytes) -> bool:
        return READERS.create("csv").sniff(head)

    def read(self, source: Source) -> Table:
        return self.spoil(READERS.create("csv").read(source))

    def spoil(self, table: Table) -> Table:
        return table


class HasNoDot(Liar):
    suffixes = ("csv",)


class KnowsNothing(Liar):
    def sniff(self, head: bytes) -> bool:
        return False


class RoundsNumbers(Liar):
    def spoil(self, table: Table) -> Table:
        return replace(table, frame=table.frame.round(6))


class SwapsColumns(Liar):
    def spoil(self, table: Table) -> Table:
        return replace(table, frame=table.frame[list(table.frame.columns[::-1])])


class FillsGaps(Liar):
    def spoil(self, table: Table) -> Table:
        return replace(table, frame=table.frame.fillna({"with gaps": 0.0}))


class KeepsOddTypes(Liar):
    def spoil(self, table: Table) -> Table:
        return replace(table, frame=table.frame.astype({"value": "float32", "count": object}))


class ReadsEveryNumber(Liar):
    def read(self, source: Source) -> Table:
        return READERS.create("csv").read(replace(source, words=frozenset()))


class CountsItsCalls(Liar):
    calls = itertools.count()

    def spoil(self, table: Table) -> Table:
        return replace(table, notes=(*table.notes, f"Call {next(self.calls)}."))


class TrustsTheName(Liar):
    def read(self, source: Source) -> Table:
        table = READERS.create("csv").read(source)
        return table if source.suffix else replace(table, frame=table.frame.iloc[:, :3])


class LeavesACache(Liar):
    folder: Path | None = None

    def read(self, source: Source) -> Table:
        if LeavesACache.folder is not None:
            (LeavesACache.folder / "cache").write_bytes(source.data)
        return READERS.create("csv").read(source)


class ReadsAnything(Liar):
    def read(self, source: Source) -> Table:
        rows = list(csv.reader(source.data.decode("latin-1").replace("\0", "").splitlines()))
        return Table(pd.DataFrame([row[:1] for row in rows], columns=["a"] if rows else []))


class LeaksErrors(Liar):
    def read(self, source: Source) -> Table:
        source.data.decode("ascii" if source.data.isascii() else "utf-8")
        if source.data[-1:] not in (b"\n", b""):
            raise IndexError("the last line has no end")
        return READERS.create("csv").read(source)


class InventsRows(Liar):
    def spoil(self, table: Table) -> Table:
        short = 60 - len(table.frame)
        extra = [table.frame.iloc[:1]] * (short + 1) if short > 0 else []
        return replace(table, frame=pd.concat([table.frame, *extra], ignore_index=True))


class AcceptsNoRows(Liar):
    def read(self, source: Source) -> Table:
        lines = source.data.splitlines()
        if len(lines) == 1:
            return Table(pd.DataFrame({name: [] for name in lines[0].decode().split(",")}))
        return READERS.create("csv").read(source)


LIARS: dict[Callable[[ReaderCase], None], tuple[type[Liar], ...]] = {
    suite.check_declares_name_and_suffixes: (HasNoDot,),
    suite.check_recognises_its_own_files: (KnowsNothing,),
    suite.check_reads_what_was_written: (RoundsNumbers, SwapsColumns, FillsGaps),
    suite.check_gives_plain_frames: (KeepsOddTypes,),
    suite.check_keeps_words_that_look_like_numbers: (ReadsEveryNumber,),
    suite.check_same_bytes_same_table: (CountsItsCalls,),
    suite.check_ignores_the_file_name: (TrustsTheName,),
    suite.check_leaves_the_file_alone: (LeavesACache,),
    suite.check_rejects_garbage: (ReadsAnything, LeaksErrors),
    suite.check_survives_truncation: (LeaksErrors, InventsRows),
    suite.check_survives_damage: (LeaksErrors,),
    suite.check_rejects_a_table_without_rows: (AcceptsNoRows,),
}


def test_every_check_has_its_liar() -> None:
    assert set(LIARS) == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_honest_copy_passes(check: Callable[[ReaderCase], None]) -> None:
    check(ReaderCase(Liar, write_csv))


@pytest.mark.parametrize(
    ("check", "liar"),
    [pytest.param(check, liar, id=f"{check.__name__}-{liar.__name__}") for check in LIARS for liar in LIARS[check]],
)
def test_the_check_rejects_its_liar(check: Callable[[ReaderCase], None], liar: type[Liar]) -> None:
    def write(frame: pd.DataFrame, path: Path) -> None:
        LeavesACache.folder = path.parent
        write_csv(frame, path)

    with pytest.raises(AssertionError):
        check(ReaderCase(liar, write))


def test_the_reference_table_has_gaps_words_and_awkward_characters() -> None:
    frame = suite.reference()
    assert frame["with gaps"].isna().any()
    assert frame["colour"].isna().any()
    assert {"a,b", 'say "so"', "日本"} <= set(frame["colour"].dropna())
    assert np.abs(frame["value"]).max() > 1e6
