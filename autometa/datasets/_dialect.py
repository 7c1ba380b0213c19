"""How a text table is written: delimiter, quotes, header, decimal mark."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from autometa.datasets._words import MISSING, MISSING_AMONG_NUMBERS, DecimalMark

Layout = Literal["plain", "row names", "trailing delimiter"]
Row = list[str]

DELIMITERS = (",", ";", "\t", "|", " ")
_SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar", " ": "space"}
_SAMPLE_LINES = 200
_SAMPLE_BYTES = 1 << 22
_PREAMBLE_BYTES = 1 << 16
_NOTHING = frozenset((*MISSING, *MISSING_AMONG_NUMBERS))
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)*|\.\d+)([eE][+-]?\d+)?%?$")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ][\d:.]+\S*)?$")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+$")
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+$")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text table is written.

    ``names`` are the header's cells (empty: there is no header), ``width`` the number of values of a line,
    ``start`` the offset in bytes where the body begins, ``line`` that place's line number, from 1. ``padded``
    says that delimiters are followed by a space. ``blank_rows`` says that a blank line is a row without a value, as
    it is where there is one column only.
    """

    delimiter: str
    quote: str = '"'
    escape: str | None = None
    decimal: DecimalMark = "."
    names: tuple[str, ...] = ()
    width: int = 0
    start: int = 0
    line: int = 1
    padded: bool = False
    layout: Layout = "plain"
    blank_rows: bool = False

    @property
    def spoken(self) -> str:
        """The delimiter in words."""
        return _SPOKEN.get(self.delimiter, repr(self.delimiter))


def detect(data: bytes) -> Dialect:
    """Find the dialect from the first lines of a table in UTF-8."""
    offset, line, told = _preamble(data)
    sample = _sample(data, offset)
    quote = _quote(sample)
    escape = "\\" if re.search(r"\\" + quote + r"(?![,;\t|\r\n]|$)", sample) else None
    base = Dialect(told or ",", quote, escape, start=offset, line=line)
    dialect = base if told else replace(base, delimiter=_best_delimiter(sample, base))
    rows = records(sample, dialect, _SAMPLE_LINES)
    padded = dialect.delimiter != " " and _padded(rows)
    dialect = replace(dialect, padded=padded)
    rows = records(sample, dialect, _SAMPLE_LINES)
    dialect = replace(_with_header(dialect, rows, sample), decimal=_decimal(rows, dialect.delimiter))
    return replace(dialect, blank_rows=dialect.width == 1)


def records(text: str, dialect: Dialect, limit: int | None = None) -> list[Row]:
    """The records of a piece of text, without blank ones; the first that cannot be read ends the list."""
    reader, rows = CsvRecords(text, dialect), []
    try:
        for row in reader:
            if row:
                rows.append(row)
            if limit is not None and len(rows) >= limit:
                break
    except csv.Error:
        return rows
    return rows


class CsvRecords:
    """``csv.reader`` in a dialect; ``line_num`` counts the lines that were read."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        """See the class."""
        self._spaces = dialect.delimiter == " "
        self._reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=dialect.delimiter,
            quotechar=dialect.quote,
            escapechar=dialect.escape,
            skipinitialspace=self._spaces or dialect.padded,
        )

    @property
    def line_num(self) -> int:
        """Lines read so far."""
        return self._reader.line_num

    def __iter__(self) -> Iterator[Row]:
        for row in self._reader:
            yield row[:-1] if self._spaces and row and not row[-1] else row


def _preamble(data: bytes) -> tuple[int, int, str | None]:
    """Where the table begins: offset, line number, and the delimiter if a first line ``sep=;`` tells it."""
    lines = data[:_PREAMBLE_BYTES].splitlines(keepends=True)[:100]
    first = lines[0].strip() if lines else b""
    if re.fullmatch(rb"sep=[,;|\t ]?", first.lower()):
        return len(lines[0]), 2, first[4:].decode() or "\t"
    comments = next((number for number, line in enumerate(lines) if not line.startswith(b"#")), 0)
    if comments and any(
        lines[comments - 1].count(d.encode()) == lines[comments].count(d.encode()) > 0 for d in DELIMITERS
    ):
        comments -= 1
    return sum(map(len, lines[:comments])), comments + 1, None


def _sample(data: bytes, start: int) -> str:
    """Whole lines from the beginning of the body, as far as they are needed to judge."""
    end = start
    for _ in range(_SAMPLE_LINES + 1):
        found = data.find(b"\n", end, start + _SAMPLE_BYTES)
        if found < 0:
            end = min(len(data), start + _SAMPLE_BYTES) if end == start or len(data) - start <= _SAMPLE_BYTES else end
            break
        end = found + 1
    return data[start:end].decode(errors="ignore")


def _quote(sample: str) -> str:
    if '"' in sample:
        return '"'
    single = re.findall(r"(?:^|[,;\t|])[ ]*'[^'\n]*'[ ]*(?=[,;\t|\r\n]|$)", sample, flags=re.MULTILINE)
    return "'" if len(single) >= 2 else '"'


def _best_delimiter(sample: str, base: Dialect) -> str:
    rows = {mark: records(sample, replace(base, delimiter=mark), _SAMPLE_LINES) for mark in DELIMITERS}
    scores = {mark: _score(found, mark) for mark, found in rows.items()}
    best = max(scores, key=lambda mark: scores[mark])
    return best if scores[best] > 0 else _single_column(rows[","], sample)


def _single_column(rows: list[Row], sample: str) -> str:
    """The delimiter of a table that seems to have one column: one that does not occur.

    Where all lines but the first have the same commas, and are no numbers with decimal commas, it is the
    first line that is odd; the comma is kept, so that the error says so.
    """
    widths = {len(row) for row in rows[1:]}
    if len(widths) == 1 and max(widths) > 1 and not all(_NUMBER.match(",".join(row)) for row in rows[1:]):
        return ","
    return next((mark for mark in DELIMITERS[:4] if mark not in sample), ",")


def _score(rows: list[Row], delimiter: str) -> float:
    """How well a delimiter explains the lines: their share that fits the header, times how tidy the cells are."""
    if not rows or len(rows[0]) < 2:
        return 0.0
    body = rows[1:]
    if not body:
        return 0.0 if delimiter == " " else 0.5
    width = len(rows[0])
    fitting = sum(len(row) in (width, width + 1) for row in body) / len(body)
    cells = [cell for row in body for cell in row][:5000]
    if delimiter == " " and (fitting < 0.9 or not any(_NUMBER.match(cell) for cell in cells)):
        return 0.0
    return (0.05 + fitting) * sum(map(_tidiness, cells)) / len(cells) * (0.9 if delimiter == " " else 1.0)


def _tidiness(cell: str) -> float:
    cell = cell.strip()
    if cell in _NOTHING or _NUMBER.match(cell) or _DATE.match(cell):
        return 1.0
    return 0.9 if not any(mark in cell for mark in DELIMITERS[:4]) else 0.5


def _padded(rows: list[Row]) -> bool:
    """Whether (nearly) every delimiter is followed by a space."""
    cells = [cell for row in rows for cell in row[1:] if cell]
    return bool(cells) and sum(cell[0] == " " for cell in cells) > 0.9 * len(cells)


def _with_header(dialect: Dialect, rows: list[Row], sample: str) -> Dialect:
    """Which line names the columns, if any, and how its width fits the body's."""
    if not rows:
        return dialect
    first, body = rows[0], rows[1:]
    if body and not _is_header(first, body):
        return replace(dialect, width=len(first))
    reader = CsvRecords(sample, dialect)
    next(row for row in reader if row)
    lines = io.StringIO(sample, newline="").readlines()[: reader.line_num]
    start = dialect.start + sum(len(line.encode()) for line in lines)
    layout, width = _layout(first, body)
    names = tuple(name.strip() for name in first)
    return replace(dialect, names=names, width=width, layout=layout, start=start, line=dialect.line + reader.line_num)


def _layout(first: Row, body: list[Row]) -> tuple[Layout, int]:
    """Lines of one value more than the header: R's row names, or a delimiter at the end of each."""
    width = len(first)
    if width < 2 or not body or any(len(row) != width + 1 for row in body):
        return "plain", width
    trailing = not any(row[-1].strip() for row in body)
    return ("trailing delimiter" if trailing else "row names"), width + 1


def _is_header(first: Row, body: list[Row]) -> bool:
    """Whether the first line names columns: over a column of numbers stands a word, or a number in a series."""
    if any(len(row) != len(first) for row in body):
        return True
    over_numbers = [name.strip() for name, cells in zip(first, zip(*body, strict=True), strict=True) if _numeric(cells)]
    if not over_numbers or not all(_NUMBER.match(name) or name in _NOTHING for name in over_numbers):
        return True
    named = [name for name in over_numbers if name]
    return not named or _in_series(named)


def _numeric(cells: Sequence[str]) -> bool:
    values = [cell.strip() for cell in cells if cell.strip() not in _NOTHING]
    return bool(values) and all(_NUMBER.match(value) for value in values)


def _in_series(names: list[str]) -> bool:
    """Whether the numbers count up evenly, as years and positions do."""
    if not all(name.isdecimal() for name in names):
        return False
    steps = {int(b) - int(a) for a, b in pairwise(names)}
    return len(steps) == 1 and steps.pop() > 0


def _decimal(rows: list[Row], delimiter: str) -> DecimalMark:
    """A comma where cells of a table with another delimiter need one to make sense."""
    cells = [] if delimiter == "," else [cell.strip() for row in rows[1:] for cell in row]
    commas = [cell for cell in cells if _DECIMAL_COMMA.match(cell)]
    if not commas:
        return "."
    if any(not _GROUPED.match(cell) for cell in commas):
        return ","
    points = any(re.fullmatch(r"[+-]?\d+\.\d+", cell) for cell in cells)
    return "," if delimiter == ";" and not points else "."
