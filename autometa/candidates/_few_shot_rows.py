"""Rows of any table as numbers between about 0 and 1, for `FewShotClassifier`."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.candidates._prepare import scaled
from autometa.datasets import Column, TableSchema, infer_column, plain_table
from autometa.errors import TableError

Rows = npt.NDArray[np.float32]


class RowEncoder:
    """Learns from labelled and unlabelled rows alike what the columns are and how they are scaled.

    Columns of a DataFrame are inferred as `read_dataset` does, and identifiers and constants left out; those of an
    array are numbers.

    Args:
        scaling: See `scaled`.
        seed: See there.
    """

    def __init__(self, scaling: str, *, seed: int) -> None:
        self.scaling = scaling
        self.seed = seed

    def fit(self, X: Any, more: Any = None) -> tuple[Rows, Rows]:
        """Learn from both, and encode both.

        Raises:
            TableError: No column can be learned from.
        """
        first, second = _frame(X), _frame(X if more is None else more)
        together = first if more is None else pd.concat([first, second], ignore_index=True)
        columns = tuple(_column(str(name), together[name], X) for name in together.columns)
        self.schema_ = TableSchema(columns, "", "none", "multiclass", "labels are classes")
        if not self.schema_.features:
            raise TableError("No column can be learned from: each is an identifier, constant or empty.")
        prepare = scaled(self.schema_, scaling=self.scaling, seed=self.seed, dtype="float32", sparse=False, means=False)
        rows = np.asarray(prepare.fit_transform(self.schema_.apply(together)), dtype=np.float32)
        self.prepare_ = prepare
        return rows[: len(first)], rows[len(first) :]

    def transform(self, X: Any) -> Rows:
        """Encode rows of the same columns."""
        return np.asarray(self.prepare_.transform(self.schema_.apply(_frame(X))), dtype=np.float32)


def _frame(X: Any) -> pd.DataFrame:
    if isinstance(X, pd.DataFrame):
        return plain_table(X).frame
    rows = np.asarray(X, dtype=np.float64)
    return pd.DataFrame(rows, columns=[f"x{i}" for i in range(rows.shape[1])])


def _column(name: str, values: "pd.Series[Any]", X: Any) -> Column:
    return infer_column(name, values) if isinstance(X, pd.DataFrame) else Column(name, "numeric", "an array's")
