"""Parquet files."""

from collections.abc import Collection
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from autometa.datasets._arrow import to_series
from autometa.datasets._base import Reader, Source, Table
from autometa.datasets._names import repair
from autometa.datasets._plain import plain_column
from autometa.errors import TableError

_MAGIC = b"PAR1"


class ParquetReader(Reader):
    """Apache Parquet, with the types that the file declares.

    Columns of lists, structs, maps or bytes are left out, with a note. An index that pandas stored is a column
    like any other.
    """

    name: ClassVar[str] = "parquet"
    suffixes: ClassVar[tuple[str, ...]] = (".parquet", ".pq")

    def sniff(self, head: bytes) -> bool:
        """Parquet files begin with PAR1."""
        return head.startswith(_MAGIC)

    def read(self, source: Source) -> Table:
        """See `Reader.read`."""
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(pa.BufferReader(pa.py_buffer(source.data)))
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise TableError(f"{source.name} is not a Parquet file, or damaged or cut off: {reason}") from error
        if not table.num_rows or not table.num_columns:
            raise TableError(
                f"{source.name} has {table.num_rows} rows and {table.num_columns} columns. Both are needed."
            )
        return from_arrow(table, source.words)


def from_arrow(table: Any, words: Collection[str]) -> Table:
    """An Arrow table as a plain one."""
    names, remarks = repair(table.column_names)
    notes = list(remarks)
    columns: dict[str, pd.Series[Any]] = {}
    for name, column in zip(names, table.columns, strict=True):
        raw = to_series(column)
        if raw is None:
            notes.append(f"Column {name!r}: values of type {column.type} cannot be used; the column is left out.")
            continue
        values, remark = plain_column(raw, as_words=name in words)
        if values is not None:
            columns[name] = values
        if remark:
            notes.append(f"Column {name!r}: {remark}.")
    return Table(pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows), copy=False), tuple(notes))
