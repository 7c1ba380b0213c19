"""ARFF files, Weka's and OpenML's text format."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from autometa.datasets._base import Reader, Source, Table
from autometa.datasets._csv import split
from autometa.datasets._dialect import Dialect
from autometa.datasets._names import repair
from autometa.datasets._plain import plain_column
from autometa.datasets._text import decode
from autometa.datasets._words import combined
from autometa.errors import TableError

_RELATION = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:\s*(?:%[^\r\n]*)?[\r\n]+)*\s*@relation\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""@attribute\s+('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s{]+)\s*(.+)$""", re.IGNORECASE)
_NUMERIC = ("numeric", "real", "integer")
_VALUE = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,]*?)\s*(?:,|$)""")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One declared column; ``values`` are a nominal one's words, else None."""

    name: str
    type: str
    values: tuple[str, ...] | None = None


class ArffReader(Reader):
    """ARFF, dense or sparse, with the types that the header declares.

    Nominal attributes become categories. A dense body with one kind of quote is split by Arrow; any other
    goes through liac-arff, which knows every rule of the format and is some fifty times slower.
    """

    name: ClassVar[str] = "arff"
    suffixes: ClassVar[tuple[str, ...]] = (".arff",)

    def sniff(self, head: bytes) -> bool:
        """The first line that is no comment begins with @relation."""
        return _RELATION.match(head) is not None

    def read(self, source: Source) -> Table:
        """See `Reader.read`."""
        text = decode(source.data, source.name).data.decode()
        attributes, start, line = _header(text, source.name)
        names, notes = repair([attribute.name for attribute in attributes])
        words = _body(text[start:], attributes, source.name, line)
        if not words.num_rows:
            raise TableError(f"{source.name} has a header but no rows. A table needs at least one row.")
        columns: dict[str, pd.Series[Any]] = {}
        for name, attribute, column in zip(names, attributes, words.columns, strict=True):
            columns[name] = _typed(combined(column), attribute, source.name)
        frame = pd.DataFrame(columns, index=pd.RangeIndex(words.num_rows), copy=False)
        return Table(frame, (f"ARFF with {len(names)} declared attributes.", *notes))


def _header(text: str, file: str) -> tuple[list[Attribute], int, int]:
    """The attributes, the offset at which the body begins, and its line number."""
    attributes: list[Attribute] = []
    offset = 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        offset += len(line)
        stripped = line.strip()
        keyword = stripped[:10].lower()
        if keyword.startswith("@data"):
            if not attributes:
                raise TableError(f"{file} declares no attribute before line {number}, where the data begin.")
            return attributes, offset, number + 1
        if keyword == "@attribute":
            attributes.append(_attribute(stripped, file, number))
        elif stripped and not stripped.startswith("%") and not keyword.startswith("@relation"):
            raise TableError(
                f"Line {number} of {file} must be @relation, @attribute, @data or a comment (%), "
                f"but is {stripped[:60]!r}."
            )
    raise TableError(f"{file} has no @data line. Is the file cut off?")


def _attribute(line: str, file: str, number: int) -> Attribute:
    match = _ATTRIBUTE.match(line)
    if match is None:
        raise TableError(f"Line {number} of {file} must read '@attribute name type', but is {line[:60]!r}.")
    name, kind = _unquoted(match[1]), match[2].strip()
    if kind.startswith("{"):
        closing = kind.rfind("}")
        if closing < 0:
            raise TableError(f"Line {number} of {file} opens a list of values with '{{' but does not close it.")
        return Attribute(name, "nominal", tuple(_values(kind[1:closing])))
    word = kind.split()[0].lower()
    if word not in (*_NUMERIC, "string", "date"):
        raise TableError(
            f"Line {number} of {file} declares {name!r} as {word!r}. Known are numeric, real, integer, string, "
            "date and lists of values in braces."
        )
    return Attribute(name, word)


def _values(listed: str) -> Iterator[str]:
    position = 0
    while position < len(listed):
        match = _VALUE.match(listed, position)
        if match is None or match.end() == position:
            return
        yield _unquoted(match[1])
        position = match.end()


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    return word


def _body(text: str, attributes: list[Attribute], file: str, line: int) -> "pa.Table":
    """The values as an Arrow table of words; null = missing."""
    text = re.sub(r"^[ \t]*%[^\r\n]*", "", text, flags=re.MULTILINE) if "%" in text else text
    quotes = [quote for quote in "'\"" if quote in text]
    if text.lstrip().startswith("{") or "\\" in text or len(quotes) > 1:
        return _by_liac(text, attributes, file, line)
    quote = quotes[0] if quotes else '"'
    if quotes and re.search(rf"[,\t] +{quote}|{quote}[ \t]+[,\r\n]", text):
        return _by_liac(text, attributes, file, line)
    tabs = not quotes and "," not in text[:4096] and "\t" in text[:4096]
    dialect = Dialect("\t" if tabs else ",", quote, line=line, width=len(attributes), names=("",) * len(attributes))
    return split(text.encode(), [str(position) for position in range(len(attributes))], dialect, file)


def _by_liac(text: str, attributes: list[Attribute], file: str, line: int) -> "pa.Table":
    import arff

    head = ["@RELATION table"]
    head += [f"@ATTRIBUTE a{position} STRING" for position in range(len(attributes))]
    sparse = text.lstrip().startswith("{")
    try:
        loaded = arff.loads("\n".join([*head, "@DATA", text]), return_type=arff.LOD if sparse else arff.DENSE)["data"]
    except (arff.ArffException, ValueError, IndexError, TypeError) as error:
        where = getattr(error, "line", -1)
        number = f"Line {where - len(head) - 2 + line}" if where > 0 else "The data"
        raise TableError(f"{number} of {file} cannot be read: {_said(error)}") from error
    rows = [_dense(row, attributes) for row in loaded] if sparse else loaded
    columns = zip(*rows, strict=True) if rows else ((),) * len(attributes)
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    return pa.table(arrays, names=[str(position) for position in range(len(attributes))])


def _said(error: Exception) -> str:
    message = getattr(error, "message", None) or str(error)
    plain = re.sub(r"^.*?at line %d", "", str(message)).strip(" ,.:")
    return f"{plain[:100]}..." if len(plain) > 100 else f"{plain}."


def _dense(row: dict[int, str | None], attributes: list[Attribute]) -> list[str | None]:
    """A sparse row with what it leaves out: zero, or the first declared value."""
    return [
        row.get(position, attribute.values[0] if attribute.values else "0")
        for position, attribute in enumerate(attributes)
    ]


def _typed(words: Any, attribute: Attribute, file: str) -> "pd.Series[Any]":
    trimmed = pc.utf8_trim_whitespace(words)
    missing = pc.is_in(trimmed, value_set=pa.array(["?", ""], pa.large_string()))
    words = pc.if_else(missing, pa.scalar(None, pa.large_string()), trimmed)
    if attribute.type in _NUMERIC:
        return _numbers(words, attribute, file)
    if attribute.values is None:
        column: pd.Series[Any] = words.to_pandas()
        return column
    codes = pc.index_in(words, value_set=pa.array(attribute.values, pa.large_string()))
    unknown = pc.and_(pc.is_valid(words), pc.is_null(codes))
    if pc.any(unknown).as_py():
        first = words.filter(unknown)[0].as_py()
        raise TableError(
            f"{file} declares the values of {attribute.name!r}, but a row holds {first!r}, which is not among them. "
            "Add it to the declaration or correct the row."
        )
    place = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False)
    categories = pd.Index(list(dict.fromkeys(attribute.values)), dtype="str")
    return pd.Series(pd.Categorical.from_codes(place, dtype=pd.CategoricalDtype(categories)))


def _numbers(words: Any, attribute: Attribute, file: str) -> "pd.Series[Any]":
    """Declared numbers; float64 where the column has gaps or fractions."""
    if words.null_count == len(words):
        return pd.Series(np.full(len(words), np.nan))
    column, _ = plain_column(words.to_pandas())
    if column is None or column.dtype.kind not in "iuf":
        first = next((word for word in words.to_pylist() if word is not None and not _is_number(word)), "?")
        raise TableError(
            f"{file} declares {attribute.name!r} as {attribute.type}, but a row holds {first!r}. "
            "Correct the row or declare the attribute as string."
        )
    return column


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
