"""Tables as rows of numbers, for networks to be trained on."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.datasets import Dataset
from autometa.errors import TableError
from autometa.learned_optimizers._data import Rows, table_rows

_MOST_LEVELS = 10
"""Categories up to which each has a column of its own."""

Columns = npt.NDArray[np.float64]


def dataset_rows(dataset: Dataset) -> Rows:
    """A table as `table_rows` takes it.

    Numbers stay as they are, and dates become days. Of up to ten categories each becomes a column of zeros and ones
    (one-hot); more of them become one column of codes, 0 for the most frequent. What is missing counts as the mean of
    its column, a missing category as none of them. Columns of text are left out.

    Raises:
        TableError: Nothing is left.
    """
    parts = [_numbers(dataset.X[column.name], column.kind) for column in dataset.schema.features]
    columns = np.concatenate([part for part in parts if part is not None] or [np.empty((len(dataset.X), 0))], axis=1)
    columns = columns[:, ~np.isnan(columns).all(axis=0)]
    if not columns.shape[1]:
        raise TableError(
            f"{dataset.name} has no column of numbers, categories or dates, which a network could read. Leave it out."
        )
    return table_rows(columns, dataset.y.to_numpy())


def _numbers(values: "pd.Series[Any]", kind: str) -> Columns | None:
    """Columns (n_rows, k) of numbers; None for text."""
    if kind == "numeric":
        return np.asarray(values, dtype=np.float64)[:, None]
    if kind == "datetime":
        return np.asarray((values - pd.Timestamp(0)) / pd.Timedelta(days=1), dtype=np.float64)[:, None]
    if kind != "categorical":
        return None
    counts = values.value_counts()
    levels = sorted(counts.index, key=lambda level: (-counts[level], level))
    codes = np.asarray(pd.Categorical(values, categories=levels).codes, dtype=np.float64)[:, None]
    if len(levels) <= _MOST_LEVELS:
        return np.asarray(codes == np.arange(len(levels)), dtype=np.float64)
    return np.where(codes < 0, np.nan, codes)
