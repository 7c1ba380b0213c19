"""What a table looked like when it was learned from, and how later tables are brought into that shape."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.datasets._convert import to_kind, to_numbers
from autometa.datasets._names import repair
from autometa.datasets._plain import plain_column
from autometa.datasets._target import Label, label_codes, near
from autometa.datasets._types import FEATURE_KINDS, Column, ColumnKind
from autometa.errors import TableError
from autometa.records import TaskType


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The columns of a table and its target, with a reason for each guess.

    Saved with every model: `apply` makes the X that the model expects from any later table, `encode_target`
    and `decode_target` translate labels. ``classes`` are in code order and empty for regression; code 1 is
    the positive class of a binary task. ``columns`` are all columns but the target, in the table's order.
    """

    columns: tuple[Column, ...]
    target: str
    target_reason: str
    task: TaskType
    task_reason: str
    classes: tuple[Label, ...] = ()

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns of X, in order."""
        return tuple(column for column in self.columns if column.kind in FEATURE_KINDS)

    @property
    def dropped(self) -> tuple[Column, ...]:
        """The columns that are not learned from: identifiers, constants, and those that were given another part."""
        return tuple(column for column in self.columns if column.kind not in FEATURE_KINDS)

    @property
    def words(self) -> frozenset[str]:
        """The columns of words, the target among them: in later tables, too, "007" is no number. For `read_table`."""
        target = {self.target} if _are_words(self.classes) else set()
        return frozenset({column.name for column in self.features if column.written == "words"} | target)

    def names(self, *kinds: ColumnKind) -> list[str]:
        """Names of the features of these kinds, in order; of all features without an argument."""
        return [column.name for column in self.features if not kinds or column.kind in kinds]

    def apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Bring a raw table into the shape of X: columns, their order, their dtypes; rows stay in order.

        Other columns are ignored, the target's among them. Unknown categories pass through as they are.
        Infinities become missing.

        Raises:
            TableError: A column is missing, or holds what cannot be read as its kind.
        """
        names, _ = repair(list(frame.columns))
        positions = {name: position for position, name in enumerate(names)}
        missing = [column.name for column in self.features if column.name not in positions]
        if missing:
            raise TableError(self._missing_message(missing, names))
        columns = {}
        for column in self.features:
            raw = frame.iloc[:, positions[column.name]]
            values, remark = plain_column(raw, as_words=column.written == "words")
            if values is None:
                raise TableError(f"Column {column.name!r} must be {column.kind}, but its {remark}.")
            columns[column.name] = to_kind(values, column)
        return pd.DataFrame(columns, index=pd.RangeIndex(len(frame)), copy=False)

    def encode_target(self, values: Any) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        """Labels to codes (int64), or numbers to float64 for regression. Shape (n_rows,) both ways.

        Raises:
            TableError: A label is missing or unknown, or is no number.
        """
        raw = values if isinstance(values, pd.Series) else pd.Series(values)
        numbers = self.target_numbers(raw)
        missing = np.isnan(numbers)
        if missing.any():
            finite = self.task == "regression" and len(raw.dropna()) == len(raw)
            rule = "must hold finite numbers" if finite else "must have a value in every row"
            row = int(missing.argmax()) + 1
            raise TableError(
                f"The target {self.target!r} {rule}, but row {row} does not. Drop the rows that have none."
            )
        return numbers if self.task == "regression" else numbers.astype(np.int64)

    def target_numbers(self, values: "pd.Series[Any]") -> npt.NDArray[np.float64]:
        """What `encode_target` gives, but NaN where the row has no label, or no finite number.

        Raises:
            TableError: A label is unknown, or is no number.
        """
        plain, remark = plain_column(values, as_words=_are_words(self.classes))
        if plain is None:
            raise TableError(f"The target {self.target!r} must hold labels or numbers, but its {remark}.")
        if self.task == "regression":
            return to_numbers(plain, Column(self.target, "numeric", "the target of a regression")).to_numpy()
        codes, unknown = label_codes(plain, self.classes)
        if unknown:
            known = ", ".join(map(str, self.classes[:20])) + (" and more" if len(self.classes) > 20 else "")
            raise TableError(
                f"Unknown label {unknown[0]!r} in {self.target!r}. The classes are: {known}. Correct the label, or "
                "learn from a table that has it."
            )
        return codes

    def decode_target(self, codes: npt.ArrayLike) -> npt.NDArray[Any]:
        """Codes to labels; the numbers themselves for regression.

        Raises:
            TableError: A code is that of no class.
        """
        values = np.asarray(codes)
        if self.task == "regression":
            return values.astype(np.float64)
        places = values.astype(np.int64)
        if places.size and (places.min() < 0 or places.max() >= len(self.classes)):
            raise TableError(
                f"Class codes run from 0 to {len(self.classes) - 1}, but got {places.min()} to {places.max()}."
            )
        return self._labels()[places]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON; `from_json` gives back an equal schema."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "target": self.target,
            "target_reason": self.target_reason,
            "task": self.task,
            "task_reason": self.task_reason,
            "classes": list(self.classes),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TableSchema":
        """The schema that `to_json` described.

        Raises:
            TableError: Something is missing.
        """
        try:
            columns = tuple(Column.from_json(column) for column in values["columns"])
            task = cast(TaskType, values["task"])
            texts = (values["target"], values["target_reason"], task, values["task_reason"])
            return cls(columns, *texts, classes=tuple(values["classes"]))
        except (KeyError, TypeError) as error:
            raise TableError(
                f"A table schema needs the key {error}, but it is not there. Is the file damaged?"
            ) from error

    def _labels(self) -> npt.NDArray[Any]:
        """The classes as an array: of their own dtype, words as objects."""
        return np.array(self.classes, dtype=object if isinstance(self.classes[0], str) else None)

    def _missing_message(self, missing: list[str], names: list[str]) -> str:
        listed = ", ".join(map(repr, missing[:10])) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
        some = "Columns" if len(missing) > 1 else "Column"
        return (
            f"{some} {listed} of the table that was learned from must be there, but it is not.{near(missing[0], names)}"
        )


def _are_words(classes: tuple[Label, ...]) -> bool:
    return bool(classes) and isinstance(classes[0], str)
