"""From a table to a dataset: target, task, rows, hash, folder."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.datasets import Dataset, read_dataset
from autometa.errors import TableError
from autometa.records import TaskType

N = 40
RNG = np.random.default_rng(0)


def frame(y: Any = None, **more: Any) -> pd.DataFrame:
    columns = {"a": np.linspace(0, 1, N) ** 2, "b": ["red", "green"] * (N // 2)} | more
    return pd.DataFrame(columns | {"y": ["no", "yes"] * (N // 2) if y is None else y})


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (["a", "b", "target"], "target"),
        (["Class", "a", "b"], "Class"),
        (["LABEL", "a", "b"], "LABEL"),
        (["a", "Y", "b"], "Y"),
        (["y", "label", "class"], "class"),
        (["y", "target", "class"], "target"),
        (["a", "b", "c"], "c"),
        (["yy", "classes", "price"], "price"),
    ],
)
def test_the_target_is_found_by_name_or_is_last(names: list[str], target: str) -> None:
    table = pd.DataFrame({name: np.linspace(0, 1, N) ** (i + 2) for i, name in enumerate(names)})
    data = read_dataset(table)
    assert data.schema.target == target == data.y.name
    assert target in data.schema.target_reason or "the last column" in data.schema.target_reason
    assert target not in data.X


def test_the_target_that_is_asked_for_wins_or_is_refused_with_near_names() -> None:
    assert read_dataset(frame(), target="b").schema.target == "b"
    assert read_dataset(frame(), target="b").schema.target_reason == "as given"
    with pytest.raises(TableError, match=r"no column 'prise' to predict\. Did you mean 'Price'\?"):
        read_dataset(frame(Price=1.5), target="prise")
    with pytest.raises(TableError, match="Columns: a, b, y"):
        read_dataset(frame(), target="zzzz")


TASKS: dict[str, tuple[Any, TaskType, int]] = {
    "two words": (["no", "yes"] * 20, "binary", 2),
    "three words": (["a", "b", "c", "a"] * 10, "multiclass", 3),
    "booleans": ([True, False] * 20, "binary", 2),
    "categories": (pd.Categorical([1, 2, 3, 4] * 10), "multiclass", 4),
    "zeros and ones": ([0, 1] * 20, "binary", 2),
    "few whole numbers": (list(range(10)) * 4, "multiclass", 10),
    "twenty whole numbers, twice": (list(range(20)) * 2, "multiclass", 20),
    "whole floats": ([0.0, 1.0] * 20, "binary", 2),
    "whole numbers, one of them once": ([*([0, 1] * 19), 2, 1], "regression", 0),
    "many whole numbers": (list(range(40)), "regression", 0),
    "few fractions": ([0.5, 1.5] * 20, "regression", 0),
    "fractions": (np.linspace(0, 1, N) ** 2, "regression", 0),
    "numbers as words": ([f"{i / 7:.3f}" for i in range(N)], "regression", 0),
    "plus and minus": (["+", "-"] * 20, "binary", 2),
}


@pytest.mark.parametrize(("y", "task", "n_classes"), TASKS.values(), ids=TASKS.keys())
def test_the_task_is_inferred_with_a_reason(y: Any, task: TaskType, n_classes: int) -> None:
    data = read_dataset(frame(y))
    assert (data.task, data.n_classes) == (task, n_classes)
    assert data.schema.task_reason
    assert data.y.dtype == (np.float64 if task == "regression" else np.int64)
    assert not data.y.isna().any()


def test_the_task_can_be_overridden() -> None:
    assert read_dataset(frame([0, 1] * 20), task="regression").y.tolist()[:2] == [0.0, 1.0]
    assert read_dataset(frame([0, 1, 2, 3] * 10), task="multiclass").n_classes == 4
    assert read_dataset(frame(pd.Categorical([10, 20] * 20)), task="regression").y.tolist()[:2] == [10.0, 20.0]


def test_multiclass_with_two_classes_becomes_binary_and_says_so() -> None:
    data = read_dataset(frame(), task="multiclass")
    assert data.task == "binary"
    assert any("binary, not multiclass" in note for note in data.notes)


REFUSED: dict[str, tuple[Any, TaskType | None, str]] = {
    "regression on words": (
        ["no", "yes"] * 20,
        "regression",
        "Regression needs a target of numbers, but 'y' holds 'no'",
    ),
    "regression on booleans": (
        [True, False] * 20,
        "regression",
        "Regression needs a target of numbers, but 'y' holds 'True'",
    ),
    "binary with three": (["a", "b", "c", "a"] * 10, "binary", "exactly 2 classes, but 'y' has 3: a, b, c"),
    "classes of fractions": (np.linspace(0, 1, N) ** 2, "multiclass", "40 classes in 40 rows.*--task regression"),
    "words that never repeat": ([f"w{i}" for i in range(N)], None, "40 classes in 40 rows. Choose another target."),
    "constant words": (["no"] * N, None, "'y' is no in every row: there is nothing to learn"),
    "constant numbers": ([1.5] * N, None, "'y' is 1.5 in every row"),
    "no value": ([None] * N, None, "'y' has no value at all"),
    "dates": (pd.date_range("2020", periods=N), None, "'y' holds dates"),
    "dates as words": ([f"{i % 28 + 1}.01.2020" for i in range(N)], None, "'y' holds dates"),
    "unknown task": (["no", "yes"] * 20, "classification", "Unknown task 'classification'"),  # type: ignore[dict-item]
    "nine rows with a target": (
        [*(["no", "yes", "no"] * 3), *([None] * 31)],
        None,
        "10 rows are needed .* has 9 with a value",
    ),
}


@pytest.mark.parametrize(("y", "task", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_targets_that_cannot_be_learned_are_refused(y: Any, task: TaskType | None, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_dataset(frame(y), task=task)


def test_tables_that_cannot_be_learned_are_refused() -> None:
    with pytest.raises(TableError, match="At least 10 rows are needed to learn from, but the table has 9"):
        read_dataset(frame().iloc[:9])
    with pytest.raises(TableError, match=r"no column to learn from besides the target 'y'\. a: identifier"):
        read_dataset(pd.DataFrame({"a": np.arange(N), "b": 1, "y": [0, 1] * 20}))
    with pytest.raises(TableError, match="Is the delimiter right"):
        read_dataset(pd.DataFrame({"y": [0, 1] * 20}))
    with pytest.raises(TableError, match="no column that can be used"):
        read_dataset(pd.DataFrame(index=range(N)))


def test_rows_without_a_target_are_left_out_and_counted() -> None:
    y = ["no", "yes", None, "no"] * 10
    data = read_dataset(frame(y, i=np.arange(N)))
    assert len(data.X) == len(data.y) == 30
    assert data.X.index.equals(pd.RangeIndex(30))
    assert data.X["a"].tolist() == frame()["a"][[v is not None for v in y]].tolist()
    assert "10 rows without a value of 'y' left out, but for candidates that learn from such rows." in data.notes
    assert data.unlabelled is not None
    assert data.unlabelled["a"].tolist() == frame()["a"][[v is None for v in y]].tolist()
    assert [column.name for column in data.schema.dropped] == ["i"]


def test_infinite_targets_are_rows_without_a_target() -> None:
    y = np.linspace(0, 1, N) ** 2
    y[[3, 5]] = np.inf, -np.inf
    assert len(read_dataset(frame(y)).y) == N - 2


def test_a_class_with_one_row_is_noted() -> None:
    data = read_dataset(frame([*(["no", "yes"] * 19), "no", "maybe"]))
    assert data.n_classes == 3
    assert any("maybe" in note and "stratified" in note for note in data.notes)


def test_dropped_columns_are_named_with_the_reason() -> None:
    data = read_dataset(frame(i=np.arange(N), one=1))
    assert "Not learned from: i (identifier: an unbroken sequence from 0 to 39), one (constant: only 1)." in data.notes


def test_a_frame_is_not_changed_and_its_index_is_not_used() -> None:
    table = frame().set_index(pd.Index([f"r{i}" for i in range(N)], name="key"))
    copy = table.copy(deep=True)
    data = read_dataset(table)
    pd.testing.assert_frame_equal(table, copy)
    assert data.X.index.equals(pd.RangeIndex(N))
    assert any("index (key) is not used" in note for note in data.notes)
    assert not any("index" in note for note in read_dataset(frame()).notes)


def test_names_that_are_no_strings_become_strings() -> None:
    table = pd.DataFrame(
        {0: np.linspace(0, 1, N) ** 2, ("b", 1): ["x", "z"] * 20, None: [1.5, 2.25] * 20, "y": [0, 1] * 20}
    )
    assert read_dataset(table).schema.names() == ["0", "b_1", "column_3"]


def test_the_dataset_is_called_after_its_file(tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "my.table.csv.gz", index=False)
    assert read_dataset(tmp_path / "my.table.csv.gz").name == "my"
    assert read_dataset(tmp_path / "my.table.csv.gz", name="other").name == "other"


def changed(name: str, values: Any) -> pd.DataFrame:
    return frame().assign(**{name: values})


SAME = {
    "a copy": frame(),
    "another index": frame().set_index(pd.Index(range(100, 100 + N))),
    "negative zero": changed("a", np.where(np.arange(N) == 0, -0.0, frame()["a"])),
    "categories": changed("b", pd.Categorical(frame()["b"])),
    "strings in another storage": changed("b", frame()["b"].astype("string[python]")),
    "an identifier more": frame(i=np.arange(N)),
    "numbers as words": changed("a", frame()["a"].map(repr)),
}
OTHER = {
    "another value": changed("a", np.where(np.arange(N) == 7, 0.123, frame()["a"])),
    "another word": changed("b", ["red", "blue"] * 20),
    "a gap": changed("b", ["red", None] * 20),
    "words shifted": changed("b", ["redg", "reen"] * 20),
    "another order of rows": frame().iloc[::-1],
    "another order of columns": frame()[["b", "a", "y"]],
    "another name": frame().rename(columns={"a": "c"}),
    "another target": frame(["yes", "no"] * 20),
    "other labels": frame(["nein", "ja"] * 20),
    "one row less": frame().iloc[:-1],
}


@pytest.mark.parametrize("table", SAME.values(), ids=SAME.keys())
def test_the_same_values_have_the_same_hash(table: pd.DataFrame) -> None:
    assert read_dataset(table).content_hash == read_dataset(frame()).content_hash


@pytest.mark.parametrize("table", OTHER.values(), ids=OTHER.keys())
def test_other_values_have_another_hash(table: pd.DataFrame) -> None:
    assert read_dataset(table).content_hash != read_dataset(frame()).content_hash


def test_the_hash_is_the_same_on_every_machine_and_in_every_version() -> None:
    table = pd.DataFrame({"a": [0.5, None, -0.0, 4.0, 5.25] * 2, "b": ["é", None, "", "x", "y"] * 2, "y": [0, 1] * 5})
    assert read_dataset(table).content_hash == "1e73f8f5aaf8b8da30186a3455d97cab2567d69f9116775c925794f3645c731c"


def test_a_dataset_travels_in_a_folder(tmp_path: Path) -> None:
    table = frame(when=pd.date_range("2020", periods=N), i=np.arange(N))
    table.loc[3, ["a", "b"]] = None
    data = read_dataset(table)
    data.to_folder(tmp_path / "data")
    again = Dataset.from_folder(tmp_path / "data")
    pd.testing.assert_frame_equal(again.X, data.X)
    pd.testing.assert_series_equal(again.y, data.y)
    assert (again.schema, again.name, again.content_hash) == (data.schema, data.name, data.content_hash)
    assert (again.openml_id, again.notes) == (data.openml_id, data.notes)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["dataset.json", "values.arrow"]


def test_what_was_loaded_from_a_folder_can_be_written_to(tmp_path: Path) -> None:
    read_dataset(frame()).to_folder(tmp_path)
    again = Dataset.from_folder(tmp_path)
    again.X.loc[0, "a"] = 7.0
    again.X.loc[0, "b"] = "violet"
    assert again.X.iloc[0].tolist() == [7.0, "violet"]


def test_writing_again_does_not_disturb_who_has_the_folder_loaded(tmp_path: Path) -> None:
    read_dataset(frame()).to_folder(tmp_path)
    loaded = Dataset.from_folder(tmp_path)
    read_dataset(frame(b=["violet", "grey"] * 20)).to_folder(tmp_path)
    assert loaded.X["b"].tolist()[:2] == ["red", "green"]
    assert Dataset.from_folder(tmp_path).X["b"].tolist()[:2] == ["violet", "grey"]


def test_a_folder_without_a_dataset_or_with_a_damaged_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="holds no dataset"):
        Dataset.from_folder(tmp_path / "nothing")
    read_dataset(frame()).to_folder(tmp_path)
    (tmp_path / "values.arrow").write_bytes(b"ARROW1 and no more")
    with pytest.raises(TableError, match="is damaged"):
        Dataset.from_folder(tmp_path)
    (tmp_path / "dataset.json").write_text("{", encoding="utf-8")
    with pytest.raises(TableError, match="is damaged"):
        Dataset.from_folder(tmp_path)
