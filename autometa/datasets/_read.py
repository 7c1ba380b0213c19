"""From a path to a raw table: choosing the reader."""

import os
from collections.abc import Collection
from dataclasses import replace

from autometa.datasets._arff import ArffReader
from autometa.datasets._base import Reader, Source, Table
from autometa.datasets._csv import CsvReader
from autometa.datasets._parquet import ParquetReader
from autometa.datasets._source import open_source
from autometa.errors import TableError
from autometa.registry import Entry, Registry

READERS: Registry[Reader] = Registry("reader", group="autometa.readers")
READERS.register(
    Entry(
        "arff",
        ArffReader,
        summary="ARFF, dense or sparse; types as declared.",
        reference="https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/",
        tags={"declares_types": True, "lossless": True},
    )
)
READERS.register(
    Entry(
        "csv",
        CsvReader,
        summary="CSV, TSV and relatives; delimiter, encoding, quotes and decimal mark detected.",
        reference="https://www.rfc-editor.org/rfc/rfc4180",
        tags={"declares_types": False, "lossless": False},
    )
)
READERS.register(
    Entry(
        "parquet",
        ParquetReader,
        summary="Apache Parquet; types as declared.",
        reference="https://parquet.apache.org/docs/file-format/",
        tags={"declares_types": True, "lossless": True},
    )
)
_ANY_TEXT = "csv"
# Text or not, these are no tables of one line per row; reading them as CSV would only end in a riddle.
_FOREIGN = frozenset(
    (".json", ".jsonl", ".ndjson", ".xml", ".html", ".xls", ".ods", ".pdf", ".feather", ".h5", ".pkl", ".sav", ".dta")
)


def read_table(path: str | os.PathLike[str], *, words: Collection[str] = ()) -> Table:
    """Read a table file as it is: CSV, TSV, Parquet or ARFF, plain or compressed (gz, bz2, xz, zip, zst).

    Use `read_dataset` for something to learn from; this is for tables to predict on and for looking at a
    file. The suffix chooses the reader; where the content says otherwise, the content wins and a note says so.

    Args:
        path: The file.
        words: Columns whose words are kept as they are written, even where all of them read as numbers. For a table
            to predict on, those of the table that was learned from: `TableSchema.words`.

    Raises:
        TableError: There is no such file, or it is damaged, empty, or in no known format.
    """
    source = replace(open_source(path), words=frozenset(words))
    reader, notes = _choose(source)
    table = reader.read(source)
    if not table.frame.shape[1]:
        raise TableError(f"{source.name} has no column that can be used. {' '.join(table.notes)}")
    return replace(table, notes=(*source.notes, *notes, *table.notes))


def _choose(source: Source) -> tuple[Reader, tuple[str, ...]]:
    """The reader that recognises the content, else the one that claims the suffix, else CSV for any text."""
    readers = [READERS.create(name) for name in READERS.names()]
    claiming = next((reader for reader in readers if source.suffix in reader.suffixes), None)
    recognising = next((reader for reader in readers if reader.name != _ANY_TEXT and reader.sniff(source.head)), None)
    if recognising is None and claiming is None and source.suffix not in _FOREIGN:
        text = READERS.create(_ANY_TEXT)
        recognising = text if text.sniff(source.head) else None
    chosen = recognising or claiming
    if chosen is None:
        raise TableError(_unknown(source, readers))
    if chosen is claiming or not source.suffix:
        return chosen, ()
    return chosen, (f"{source.name} was read as {chosen.name.upper()}, by its content.",)


def _unknown(source: Source, readers: list[Reader]) -> str:
    known = ", ".join(suffix for reader in readers for suffix in reader.suffixes)
    kind = f" ({source.suffix})" if source.suffix else ""
    return (
        f"{source.name} is of an unknown kind{kind}. Readable are {known}, also compressed. Save it as CSV or Parquet."
    )
