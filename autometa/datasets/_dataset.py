"""What can be learned from: features, target, and what is known about them."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from autometa.datasets._schema import TableSchema
from autometa.errors import TableError
from autometa.records import TaskType

UNLABELLED = 20_000
"""Rows without a value of the target that a dataset keeps at most."""

_VALUES, _ABOUT, _VERSION = "values.arrow", "dataset.json", 1
_UNLABELLED = "unlabelled.arrow"
_PARTS = ("groups", "times", "weights")


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A table that can be learned from, and what was inferred about it.

    X has a ``RangeIndex`` and these dtypes: float64 (numeric, NaN = missing), ``str`` (categorical and text,
    NaN = missing) and ``datetime64[us]`` (NaT = missing); shape (n_rows, n_features). y is complete: int64
    codes 0..K-1 in the order of ``schema.classes``, or float64 for regression. Treat both as read-only.

    ``groups`` (int64 codes 0..G-1), ``times`` (int64 or float64, sorting as the time column does) and ``weights``
    (float64, 0 or more) have one value for each row of X, or are None; none has gaps.

    ``unlabelled`` are rows of the same columns and dtypes as X that have no value of the target, or None; a
    classification keeps up to `UNLABELLED` of them, for candidates that can learn from them.

    ``content_hash`` depends on X and y, and on groups, times and weights where there are any: the same table has the
    same hash whatever its file is called and however it is written. ``notes`` are sentences for people.
    """

    X: pd.DataFrame
    y: "pd.Series[Any]"
    schema: TableSchema
    name: str
    content_hash: str
    openml_id: int | None = None
    notes: tuple[str, ...] = ()
    groups: "pd.Series[Any] | None" = None
    times: "pd.Series[Any] | None" = None
    weights: "pd.Series[Any] | None" = None
    unlabelled: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        for part in ("y", *_PARTS):
            values = getattr(self, part)
            if values is not None and len(values) != len(self.X):
                raise ValueError(f"Dataset.{part} must have one value per row of X ({len(self.X)}), got {len(values)}.")

    def take(self, rows: npt.NDArray[np.int64]) -> "Dataset":
        """These rows, by number and in this order, with all that belongs to them. Name and hash stay the whole's."""
        parts: dict[str, Any] = {
            part: getattr(self, part).iloc[rows].reset_index(drop=True) for part in ("X", "y", *self._parts())
        }
        return replace(self, **parts)

    @property
    def task(self) -> TaskType:
        """What is predicted."""
        return self.schema.task

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.schema.classes)

    def to_folder(self, path: str | os.PathLike[str]) -> None:
        """Write the dataset so that another process loads it at once: Arrow and JSON, no pickle.

        ``values.arrow`` holds X, then y, then groups, times and weights where there are any, uncompressed;
        ``unlabelled.arrow`` the unlabelled rows, if any; ``dataset.json`` all that is known about them.
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        table = pa.Table.from_pandas(self.X, preserve_index=False).replace_schema_metadata(None)
        table = table.append_column(self.schema.target, pa.array(self.y.to_numpy()))
        for part in self._parts():
            table = table.append_column(part, pa.array(getattr(self, part).to_numpy()))
        _write(table, folder / _VALUES)
        if self.unlabelled is not None:
            _write(pa.Table.from_pandas(self.unlabelled, preserve_index=False), folder / _UNLABELLED)
        (folder / _ABOUT).write_text(json.dumps(self._about(), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str]) -> "Dataset":
        """The dataset that `to_folder` wrote; words stay in the memory-mapped file.

        Raises:
            TableError: The folder holds no dataset, or a damaged one.
        """
        folder = Path(path)
        try:
            about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
            table = _read(folder / _VALUES)
            schema, names = TableSchema.from_json(about["schema"]), about.get("parts", {})
            n_columns = table.num_columns - len(names)
            parts = {
                part: pd.Series(table.column(n_columns + place).to_numpy().copy(), name=name)
                for place, (part, name) in enumerate(names.items())
            }
            frame = table.select(list(range(n_columns))).to_pandas()
            y = frame.pop(schema.target)
            notes, openml_id = tuple(about["notes"]), about["openml_id"]
            unlabelled = _read(folder / _UNLABELLED).to_pandas() if about.get("unlabelled") else None
            hash_ = about["content_hash"]
            return cls(frame, y, schema, about["name"], hash_, openml_id, notes, **parts, unlabelled=unlabelled)
        except FileNotFoundError as error:
            raise TableError(f"{folder} holds no dataset: {error.filename or _VALUES} is missing.") from error
        except (KeyError, ValueError, OSError, pa.ArrowException) as error:
            raise TableError(f"The dataset in {folder} is damaged: {error}. Read the table again.") from error

    def _parts(self) -> dict[str, str]:
        """Groups, times and weights: those that there are, with the names of their columns."""
        return {part: str(getattr(self, part).name) for part in _PARTS if getattr(self, part) is not None}

    def _about(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "name": self.name,
            "content_hash": self.content_hash,
            "openml_id": self.openml_id,
            "notes": list(self.notes),
            "schema": self.schema.to_json(),
            "parts": self._parts(),
            "unlabelled": self.unlabelled is not None,
        }


def _write(table: pa.Table, file: Path) -> None:
    # Another process may have the old file mapped into memory: it is replaced, never written into.
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    with pa.OSFile(str(fresh), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    fresh.replace(file)


def _read(file: Path) -> pa.Table:
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all()
