"""A fingerprint of a dataset's values that is the same on every machine and for every file format."""

import hashlib
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from autometa.datasets._words import combined

_VERSION = b"autometa-dataset-1\0"


def content_hash(
    X: pd.DataFrame,
    y: "pd.Series[Any]",
    classes: tuple[Any, ...],
    *,
    groups: "pd.Series[Any] | None" = None,
    times: "pd.Series[Any] | None" = None,
    weights: "pd.Series[Any] | None" = None,
) -> str:
    """SHA-256 over columns in order: names, types, values; then the target likewise.

    Float64 in little-endian order with one bit pattern for missing and one for zero; dates as microseconds;
    words as UTF-8 with their lengths. Identifiers and constants are not in X and do not count, nor does any
    name of a file. Groups, times and weights count where there are any.
    """
    digest = hashlib.sha256(_VERSION)
    digest.update(np.array([len(X), X.shape[1]], dtype="<i8").tobytes())
    for name, column in X.items():
        _update(digest, str(name), column)
    digest.update(json.dumps([[type(label).__name__, label] for label in classes]).encode())
    _update(digest, str(y.name), y)
    for part, values in (("groups", groups), ("times", times), ("weights", weights)):
        if values is not None:
            _update(digest, part, values)
    return digest.hexdigest()


def _update(digest: Any, name: str, column: "pd.Series[Any]") -> None:
    kind = column.dtype.kind if column.dtype.kind in "fiM" else "U"
    title = name.encode()
    digest.update(np.array([len(title)], dtype="<i8").tobytes() + title + kind.encode())
    if kind == "f":
        values = column.to_numpy() + 0.0
        values[np.isnan(values)] = np.nan
        digest.update(np.ascontiguousarray(values, dtype="<f8").data)
    elif kind == "U":
        _update_words(digest, combined(column))
    else:
        digest.update(
            np.ascontiguousarray(column.to_numpy().view("i8") if kind == "M" else column.to_numpy(), dtype="<i8").data
        )


def _update_words(digest: Any, words: Any) -> None:
    lengths = pc.fill_null(pc.binary_length(words), -1).to_numpy(zero_copy_only=False)
    digest.update(np.ascontiguousarray(lengths, dtype="<i8").data)
    filled = pc.fill_null(words, "")
    _, offsets, data = filled.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[filled.offset : filled.offset + len(filled) + 1]
    if data is not None:
        digest.update(memoryview(data)[int(ends[0]) : int(ends[-1])])
