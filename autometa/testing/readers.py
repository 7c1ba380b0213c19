"""What every reader must do, as checks that plug-in authors can run too.

A reader alone cannot be checked: something must write the files that it reads. So each ``check_*`` takes a
`ReaderCase`, and raises ``AssertionError`` where a promise of `autometa.datasets.Reader` is broken::

    import pytest
    from autometa.testing.readers import CHECKS, ReaderCase

    CASE = ReaderCase(MyReader, write=lambda frame, path: frame.to_excel(path, index=False))

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_reader(check):
        check(CASE)
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autometa.datasets import Reader, Source, Table, open_source
from autometa.errors import TableError


@dataclass(frozen=True, slots=True)
class ReaderCase:
    """A reader, and a function that writes a frame in the format that it reads."""

    make: Callable[[], Reader]
    write: Callable[[pd.DataFrame, Path], object]

    def source(self, frame: pd.DataFrame, folder: Path) -> Source:
        """The frame written to a file and opened again."""
        path = folder / f"table{self.make().suffixes[0]}"
        self.write(frame, path)
        return open_source(path)


def reference() -> pd.DataFrame:
    """A small table of all that every format can say: whole numbers, fractions, words, gaps."""
    rng = np.random.default_rng(0)
    words = np.array(["red", "light blue", "été", "日本", "a,b", 'say "so"', "it's", "x;y", "🦉"])
    frame = pd.DataFrame(
        {
            "count": rng.integers(-1000, 1000, 60),
            "value": rng.normal(size=60) * 10.0 ** rng.integers(-12, 12, 60),
            "colour": pd.Series(words[rng.integers(0, len(words), 60)], dtype="str"),
            "with gaps": rng.normal(size=60).round(3),
            "label": pd.Series(np.array(["no", "yes"])[rng.integers(0, 2, 60)], dtype="str"),
        }
    )
    frame.loc[frame.index[::7], "with gaps"] = np.nan
    frame.loc[frame.index[::11], "colour"] = np.nan
    return frame


def check_declares_name_and_suffixes(case: ReaderCase) -> None:
    """A reader has a name in lower case, and suffixes in lower case that begin with a dot."""
    reader = case.make()
    assert reader.name == reader.name.lower() != "", f"The name must be in lower case, but is {reader.name!r}."
    assert reader.suffixes, "A reader must claim at least one suffix."
    for suffix in reader.suffixes:
        assert suffix == "." + suffix.lower().lstrip("."), f"{suffix!r} must be lower case with a dot."


def check_recognises_its_own_files(case: ReaderCase) -> None:
    """``sniff`` knows the beginning of a file of the format, and answers for any other bytes."""
    with _written(case) as source:
        assert case.make().sniff(source.head), "A file of the reader's own format was not recognised."
    for noise in (b"", b"\0", *_garbage()):
        answer = case.make().sniff(noise)
        assert isinstance(answer, bool), f"sniff must answer with a bool, but gave {answer!r}."


def check_reads_what_was_written(case: ReaderCase) -> None:
    """Columns, their order and every value come back: exact floats, any word, gaps as gaps."""
    with _written(case) as source:
        frame = case.make().read(source).frame
    expected = reference()
    assert list(frame.columns) == list(expected.columns), f"Columns came back as {list(frame.columns)}."
    assert len(frame) == len(expected), f"{len(expected)} rows were written and {len(frame)} read."
    for name in expected.columns:
        read = frame[name].astype("str") if isinstance(frame[name].dtype, pd.CategoricalDtype) else frame[name]
        same = (read == expected[name]) | (read.isna() & expected[name].isna())
        assert same.all(), f"Column {name!r}: {expected[name][~same].iloc[0]!r} became {read[~same].iloc[0]!r}."


def check_gives_plain_frames(case: ReaderCase) -> None:
    """The frame keeps the promises of `Table`: names, index, dtypes, notes."""
    with _written(case) as source:
        table = case.make().read(source)
    frame = table.frame
    assert all(isinstance(name, str) and name for name in frame.columns), "Names must be non-empty strings."
    assert frame.columns.is_unique, "Names must be unique."
    assert frame.index.equals(pd.RangeIndex(len(frame))), "The index must count from 0."
    for name, column in frame.items():
        assert _is_plain(column.dtype), f"Column {name!r} has the dtype {column.dtype}, which is not a plain one."
    assert all(isinstance(note, str) and note for note in table.notes), "Notes must be sentences."


def check_keeps_words_that_look_like_numbers(case: ReaderCase) -> None:
    """The columns that ``Source.words`` names come back as they were written: "007" is a code, not 7."""
    frame = pd.DataFrame({"code": pd.Series(["007", "1.50", "1e3"], dtype="str"), "value": [0.5, 1.5, 2.5]})
    with tempfile.TemporaryDirectory() as folder:
        source = replace(case.source(frame, Path(folder)), words=frozenset({"code"}))
    code = case.make().read(source).frame["code"].astype("str")
    assert code.tolist() == frame["code"].tolist(), f"'007', '1.50', '1e3' became {code.tolist()}."


def check_same_bytes_same_table(case: ReaderCase) -> None:
    """Reading twice, with one instance or two, gives the same."""
    with _written(case) as source:
        reader = case.make()
        tables = [reader.read(source), reader.read(source), case.make().read(source)]
    for table in tables[1:]:
        assert _same(tables[0], table), "The same bytes gave two different tables."


def check_ignores_the_file_name(case: ReaderCase) -> None:
    """The name of a file is for messages; the table does not depend on it."""
    with _written(case) as source:
        tables = [case.make().read(source), case.make().read(replace(source, name="other", suffix=""))]
    assert tables[0].frame.equals(tables[1].frame), "Another file name gave another table."


def check_leaves_the_file_alone(case: ReaderCase) -> None:
    """Reading neither changes the file nor leaves anything beside it."""
    with tempfile.TemporaryDirectory() as folder:
        source = case.source(reference(), Path(folder))
        before = _contents(Path(folder))
        case.make().read(source)
        assert _contents(Path(folder)) == before, "Reading changed the file or its folder."


def check_rejects_garbage(case: ReaderCase) -> None:
    """Bytes of another kind, or none, end in a TableError that names the file."""
    with _written(case) as source:
        head = source.data[:8]
    for data in (b"", b"\0" * 64, *_garbage(), *(head + noise for noise in _garbage())):
        error = _error(case, Source("strange-file", "", data))
        assert error is not None, f"Bytes of another kind ({data[:12]!r}...) were read as a table."
        assert "strange-file" in str(error), f"The error must name the file, but reads: {error}"


def check_survives_truncation(case: ReaderCase) -> None:
    """A file that was cut off ends in a TableError, or in fewer rows where the format cannot tell."""
    with _written(case) as source:
        size = len(source.data)
        for cut in sorted({*range(0, size, max(size // 40, 1)), *range(max(size - 12, 0), size)}):
            part = replace(source, data=source.data[:cut])
            if _error(case, part) is None:
                frame = case.make().read(part).frame
                assert len(frame) <= len(reference()), f"{cut} of {size} bytes gave more rows than the whole."


def check_survives_damage(case: ReaderCase) -> None:
    """Changed bytes end in a TableError or in some table, never in another exception."""
    rng = np.random.default_rng(1)
    with _written(case) as source:
        for _ in range(60):
            data = bytearray(source.data)
            for position in rng.integers(0, len(data), 3):
                data[position] = int(rng.integers(0, 256))
            _error(case, replace(source, data=bytes(data)))


def check_rejects_a_table_without_rows(case: ReaderCase) -> None:
    """Names without rows are no table to learn from or to predict on."""
    with tempfile.TemporaryDirectory() as folder:
        error = _error(case, case.source(reference().iloc[:0], Path(folder)))
    assert error is not None, "A table without a single row was accepted."


CHECKS: tuple[Callable[[ReaderCase], None], ...] = (
    check_declares_name_and_suffixes,
    check_recognises_its_own_files,
    check_reads_what_was_written,
    check_gives_plain_frames,
    check_keeps_words_that_look_like_numbers,
    check_same_bytes_same_table,
    check_ignores_the_file_name,
    check_leaves_the_file_alone,
    check_rejects_garbage,
    check_survives_truncation,
    check_survives_damage,
    check_rejects_a_table_without_rows,
)


@contextmanager
def _written(case: ReaderCase) -> Iterator[Source]:
    with tempfile.TemporaryDirectory() as folder:
        yield case.source(reference(), Path(folder))


def _garbage() -> list[bytes]:
    return [np.random.default_rng(seed).bytes(size) for seed, size in enumerate((16, 300, 5000))]


def _error(case: ReaderCase, source: Source) -> TableError | None:
    """The TableError that reading ends in, or None; any other exception breaks the promise."""
    try:
        case.make().read(source)
    except TableError as error:
        return error
    except Exception as error:
        raise AssertionError(
            f"{type(error).__name__} left the reader for {source.data[:40]!r}... ({len(source.data)} bytes): {error}"
        ) from error
    return None


def _is_plain(dtype: Any) -> bool:
    if isinstance(dtype, pd.CategoricalDtype):
        return isinstance(dtype.categories.dtype, pd.StringDtype)
    return str(dtype) in ("int64", "uint64", "float64", "bool", "boolean", "str", "datetime64[us]")


def _same(one: Table, other: Table) -> bool:
    same_types = bool((one.frame.dtypes == other.frame.dtypes).all())
    return same_types and one.frame.equals(other.frame) and one.notes == other.notes


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
