"""Text tables: one line per row, values between delimiters."""

import csv
import io
import re
from collections.abc import Collection
from dataclasses import replace
from typing import ClassVar

import pandas as pd
import pyarrow as pa
import pyarrow.csv

from autometa.datasets._base import Reader, Source, Table
from autometa.datasets._dialect import CsvRecords, Dialect, detect
from autometa.datasets._names import repair
from autometa.datasets._text import decode, looks_binary
from autometa.datasets._words import MISSING, DecimalMark, settle
from autometa.errors import TableError

_TAIL = 1 << 16
_BLOCK = 1 << 22
_BLANK_LINE = re.compile(rb"\A[ \t]*[\r\n]|\n[ \t]*\r?\n|\r[ \t]*\r")
_LINE_ENDS = re.compile(rb"[\r\n]+\Z")


class CsvReader(Reader):
    """CSV, TSV and their relatives, whatever their delimiter, encoding, quotes and decimal mark.

    The body is split by Arrow into words, a million rows in about a second; what the words mean is decided
    column by column. A line with too many or too few values is an error, never filled up in silence: it is
    most often a sign of a broken quote. A blank line between rows is left out, with a note, and listed in the
    table; in a table of one column it is a row without a value.
    """

    name: ClassVar[str] = "csv"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data", ".psv")

    def sniff(self, head: bytes) -> bool:
        """Any text will do."""
        return not looks_binary(head)

    def read(self, source: Source) -> Table:
        """See `Reader.read`."""
        text = decode(source.data, source.name)
        _check_not_markup(text.data, source.name)
        dialect = detect(text.data)
        names, notes = _names(dialect, source.name)
        detected = f"Delimiter {dialect.spoken}, encoding {text.encoding}, decimal mark {dialect.decimal!r}."
        blank = _blank_lines(text.data[dialect.start :], dialect)
        body, dialect = _tidied(text.data, dialect, source.name)
        words = split(body, names, dialect, source.name)
        if dialect.layout == "trailing delimiter" and words.column(len(names) - 1).null_count == words.num_rows:
            words, names = words.remove_column(len(names) - 1), names[:-1]
        frame, remarks = settled(words, names, decimal=dialect.decimal, strip=dialect.padded, keep=source.words)
        notes = (detected, *notes, *_blank_notes(blank, body, dialect), *remarks)
        return Table(frame, notes, () if dialect.blank_rows else blank)


def split(body: bytes, names: list[str], dialect: Dialect, file: str) -> "pa.Table":
    """The body as an Arrow table of words; null = missing.

    Raises:
        TableError: A line has too few or too many values, or a quote is not closed.
    """
    if not body[:_TAIL].strip() and not body.strip():
        raise TableError(f"{file} has a header but no rows. A table needs at least one row.")
    if dialect.blank_rows:
        body = body.rstrip(b"\r\n") + b"\n"
    try:
        words = _parse_in_blocks(body, len(names), dialect)
    except pa.ArrowException as error:
        raise _located(body, dialect, len(names), file, str(error)) from error
    _check_last_quote(words, body, dialect, file)
    return words.rename_columns(names)


def settled(
    words: "pa.Table",
    names: list[str],
    *,
    decimal: DecimalMark = ".",
    strip: bool = False,
    keep: Collection[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """Columns of words as columns of numbers where they are numbers, and remarks on them.

    Those in ``keep`` stay words.
    """
    columns, remarks = {}, []
    for name, column in zip(names, words.columns, strict=True):
        result = settle(column, decimal=decimal, strip=strip, as_words=name in keep)
        columns[name] = result.values
        if result.note:
            remarks.append(f"Column {name!r}: {result.note}.")
    return pd.DataFrame(columns, index=pd.RangeIndex(words.num_rows), copy=False), remarks


def _check_not_markup(text: bytes, file: str) -> None:
    head = text[:200].lstrip().lower()
    kinds = {(b"<!doctype", b"<html", b"<?xml"): "a web page or XML", (b'{"', b'[{"', b"{\n"): "JSON"}
    for beginnings, kind in kinds.items():
        if head.startswith(beginnings):
            raise TableError(f"{file} is {kind}, not a table with one row per line. Save it as CSV or Parquet.")


def _names(dialect: Dialect, file: str) -> tuple[list[str], tuple[str, ...]]:
    if not dialect.width:
        raise TableError(f"{file} is empty. A table needs a header and at least one row.")
    if not dialect.names:
        note = "The first line looks like data, not like names: the columns were named column_1, column_2, ..."
        return [f"column_{position}" for position in range(1, dialect.width + 1)], (note,)
    names = list(dialect.names)
    if dialect.layout == "row names":
        note = f"The header names {len(names)} columns and each line has one value more: the first is the row's name."
        repaired, notes = repair(["row_name", *names])
        return repaired, (note, *notes)
    if dialect.layout == "trailing delimiter":
        repaired, notes = repair(names)
        return [*repaired, f"column_{len(names) + 1}"], ("Each line ends with a delimiter, which is ignored.", *notes)
    return repair(names)


def _blank_lines(body: bytes, dialect: Dialect) -> tuple[int, ...]:
    """The numbers of the blank lines that have a row after them."""
    body = body.rstrip()
    if not _BLANK_LINE.search(body):
        return ()
    reader, blank = CsvRecords(body.decode(), dialect), []
    try:
        for row in reader:
            if not row:
                blank.append(dialect.line + reader.line_num - 1)
    except csv.Error:
        return ()
    return tuple(blank)


def _blank_notes(lines: tuple[int, ...], body: bytes, dialect: Dialect) -> tuple[str, ...]:
    at_end = _LINE_ENDS.search(body) if dialect.blank_rows else None
    ending = ("Blank lines at the end are no rows.",) if at_end and len(at_end[0].splitlines()) > 1 else ()
    if not lines:
        return ending
    which = f"Line {lines[0]} is blank" if len(lines) == 1 else f"{len(lines)} lines are blank, the first is {lines[0]}"
    return (f"{which}: {'a row without a value' if dialect.blank_rows else 'left out'}.", *ending)


def _tidied(data: bytes, dialect: Dialect, file: str) -> tuple[bytes, Dialect]:
    """The body in a form that Arrow can split: single delimiters, quotes right after them."""
    body = data[dialect.start :]
    quote = dialect.quote.encode()
    if dialect.delimiter != " " and not (dialect.padded and quote in body):
        return body, dialect
    records, out = CsvRecords(body.decode(), dialect), io.StringIO()
    try:
        csv.writer(out, lineterminator="\n").writerows(records)
    except csv.Error as error:
        raise _unreadable(file, dialect.line + records.line_num - 1, error) from error
    return out.getvalue().encode(), replace(dialect, delimiter=",", quote='"', escape=None)


def _parse_in_blocks(body: bytes, width: int, dialect: Dialect) -> "pa.Table":
    """Blocks let Arrow work in parallel; a value that is longer than a block needs the file in one."""
    try:
        return _parse(body, width, dialect, block_size=_BLOCK)
    except pa.ArrowInvalid as error:
        if "straddling" not in str(error) or len(body) <= _BLOCK:
            raise
        return _parse(body, width, dialect, block_size=min(len(body) + 1, 2**31 - 1))


def _parse(body: bytes, width: int, dialect: Dialect, *, block_size: int) -> "pa.Table":
    columns = [str(position) for position in range(width)]
    return pyarrow.csv.read_csv(
        pa.BufferReader(pa.py_buffer(body)),
        read_options=pyarrow.csv.ReadOptions(column_names=columns, block_size=block_size),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote,
            escape_char=dialect.escape or False,
            newlines_in_values=dialect.quote.encode() in body,
            ignore_empty_lines=not dialect.blank_rows,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.large_string()),
            strings_can_be_null=True,
            null_values=list(MISSING),
        ),
    )


def _located(body: bytes, dialect: Dialect, width: int, file: str, said: str) -> TableError:
    """The error for the first line that does not fit, found by a slower reader that knows line numbers."""
    records, before = CsvRecords(body.decode(), dialect), 0
    try:
        for row in records:
            if row and len(row) != width:
                return _ragged(file, dialect.line + before, len(row), width, named=bool(dialect.names))
            before = records.line_num
    except csv.Error as error:
        return _unreadable(file, dialect.line + before, error)
    return TableError(f"{file} cannot be split into columns: {said}.")


def _ragged(file: str, line: int, found: int, width: int, *, named: bool) -> TableError:
    columns = "1 column" if width == 1 else f"{width} columns"
    expected = f"the header names {columns}" if named else f"the first line has {width}"
    return TableError(
        f"Each line needs as many values as there are columns, but line {line} of {file} has {found} and {expected}. "
        "Correct that line; a value that holds the delimiter or a line break must be in quotes."
    )


def _unreadable(file: str, line: int, error: Exception) -> TableError:
    return TableError(f"Line {line} of {file} cannot be read: {error}. Is a quote not closed?")


def _check_last_quote(words: "pa.Table", body: bytes, dialect: Dialect, file: str) -> None:
    """A quote that is never closed takes in the rest of the file as one value; Arrow says nothing."""
    quote = dialect.quote.encode()
    if quote not in body or not words.num_rows:
        return
    tail = body[-_TAIL:].rstrip(b"\r\n \x1a")
    last = words.column(words.num_columns - 1)[words.num_rows - 1].as_py() or ""
    open_ended = "\n" in last and not tail.endswith(quote)
    if not open_ended:
        try:
            list(
                csv.reader(
                    [tail.splitlines()[-1].decode()],
                    delimiter=dialect.delimiter,
                    quotechar=dialect.quote,
                    escapechar=dialect.escape,
                    strict=True,
                )
            )
        except csv.Error as error:
            open_ended = "unexpected end" in str(error)
    if open_ended:
        line = dialect.line + body.count(b"\n") - last.count("\n")
        raise TableError(
            f"Every quote needs its partner, but one that opens near line {line} of {file} is not closed before the "
            "file ends. Close it, or double it if it belongs to the value."
        )
