"""What can be learned from: features, target, and what is known about them."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from autometa.datasets._schema import TableSchema
from autometa.errors import TableError
from autometa.records import TaskType

_VALUES, _ABOUT, _VERSION = "values.arrow", "dataset.json", 1


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A table that can be learned from, and what was inferred about it.

    X has a ``RangeIndex`` and these dtypes: float64 (numeric, NaN = missing), ``str`` (categorical and text,
    NaN = missing) and ``datetime64[us]`` (NaT = missing); shape (n_rows, n_features). y is complete: int64
    codes 0..K-1 in the order of ``schema.classes``, or float64 for regression. Treat both as read-only.

    ``content_hash`` depends on X and y alone: the same table has the same hash whatever its file is called
    and however it is written. ``notes`` are sentences for people.
    """

    X: pd.DataFrame
    y: "pd.Series[Any]"
    schema: TableSchema
    name: str
    content_hash: str
    openml_id: int | None = None
    notes: tuple[str, ...] = ()

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

        ``values.arrow`` holds X and, last, y, uncompressed; ``dataset.json`` all that is known about them.
        """
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        frame = self.X.assign(**{self.schema.target: self.y})
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        # Another process may have the old file mapped into memory: it is replaced, never written into.
        fresh = folder / f"{_VALUES}.{os.getpid()}"
        with pa.OSFile(str(fresh), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        fresh.replace(folder / _VALUES)
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
            with pa.memory_map(str(folder / _VALUES)) as source:
                frame = pa.ipc.open_file(source).read_all().to_pandas()
            schema = TableSchema.from_json(about["schema"])
            y = frame.pop(schema.target)
            notes, openml_id = tuple(about["notes"]), about["openml_id"]
            return cls(frame, y, schema, about["name"], about["content_hash"], openml_id, notes)
        except FileNotFoundError as error:
            raise TableError(f"{folder} holds no dataset: {error.filename or _VALUES} is missing.") from error
        except (KeyError, ValueError, OSError, pa.ArrowException) as error:
            raise TableError(f"The dataset in {folder} is damaged: {error}. Read the table again.") from error

    def _about(self) -> dict[str, Any]:
        return {
            "version": _VERSION,
            "name": self.name,
            "content_hash": self.content_hash,
            "openml_id": self.openml_id,
            "notes": list(self.notes),
            "schema": self.schema.to_json(),
        }
