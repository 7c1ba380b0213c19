"""Reading a table, its types and its target."""

from autometa.datasets._base import Reader, Source, Table
from autometa.datasets._build import MIN_ROWS, read_dataset
from autometa.datasets._dataset import Dataset
from autometa.datasets._leaks import find_leaks, find_test_leaks
from autometa.datasets._plain import plain_table
from autometa.datasets._read import READERS, read_table
from autometa.datasets._rows import LabelledRows, read_rows
from autometa.datasets._safe import safe_cells
from autometa.datasets._schema import TableSchema
from autometa.datasets._source import open_source
from autometa.datasets._target import Label
from autometa.datasets._types import COLUMN_KINDS, FEATURE_KINDS, Column, ColumnKind, infer_column

__all__ = [
    "COLUMN_KINDS",
    "FEATURE_KINDS",
    "MIN_ROWS",
    "READERS",
    "Column",
    "ColumnKind",
    "Dataset",
    "Label",
    "LabelledRows",
    "Reader",
    "Source",
    "Table",
    "TableSchema",
    "find_leaks",
    "find_test_leaks",
    "infer_column",
    "open_source",
    "plain_table",
    "read_dataset",
    "read_rows",
    "read_table",
    "safe_cells",
]
