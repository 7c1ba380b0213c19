"""Later tables brought into the shape of the first, and labels to codes and back."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.datasets import Column, Dataset, TableSchema, read_dataset, read_table
from autometa.errors import TableError

N = 40


def frame(**more: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "id": np.arange(N),
        "age": np.arange(N) % 23 + 18.5,
        "colour": ["red", "green", "blue", "red"] * (N // 4),
        "joined": [f"{i % 28 + 1:02d}.03.2021" for i in range(N)],
        "member": [True, False] * (N // 2),
        "note": [f"customer number {i} asked about delivery" for i in range(N)],
        "same": 1,
        "y": ["no", "yes"] * (N // 2),
    }
    return pd.DataFrame(columns | more)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return read_dataset(frame())


def test_names_features_and_dropped(data: Dataset) -> None:
    schema = data.schema
    assert schema.names() == ["age", "colour", "joined", "member", "note"]
    assert schema.names("categorical", "text") == ["colour", "member", "note"]
    assert [(column.name, column.kind) for column in schema.dropped] == [("id", "identifier"), ("same", "constant")]


def test_apply_gives_back_x(data: Dataset) -> None:
    pd.testing.assert_frame_equal(data.schema.apply(frame()), data.X)


def test_apply_leaves_the_frame_alone(data: Dataset) -> None:
    raw = frame()
    copy = raw.copy(deep=True)
    data.schema.apply(raw)
    pd.testing.assert_frame_equal(raw, copy)


def test_apply_reorders_ignores_and_renumbers(data: Dataset) -> None:
    shuffled = frame(extra=1)[["extra", "y", "note", "member", "joined", "colour", "age"]].set_index(
        pd.Index(range(5, 5 + N))
    )
    pd.testing.assert_frame_equal(data.schema.apply(shuffled), data.X)


def test_apply_reads_what_csv_makes_of_the_table(data: Dataset, tmp_path: Path) -> None:
    raw = frame().drop(columns="y")
    for separator, decimal in ((",", "."), (";", ","), ("\t", ".")):
        raw.to_csv(tmp_path / "t.csv", index=False, sep=separator, decimal=decimal, encoding="utf-16")
        pd.testing.assert_frame_equal(data.schema.apply(read_table(tmp_path / "t.csv").frame), data.X)


def test_apply_names_every_missing_column(data: Dataset) -> None:
    with pytest.raises(TableError, match=r"Columns 'age', 'note' .* must be there.*Did you mean 'Age'\?"):
        data.schema.apply(frame().rename(columns={"age": "Age"}).drop(columns="note"))


def test_apply_does_not_need_what_was_dropped(data: Dataset) -> None:
    assert data.schema.apply(frame().drop(columns=["id", "same", "y"])).equals(data.X)


def test_unseen_categories_pass_through(data: Dataset) -> None:
    assert data.schema.apply(frame(colour="violet"))["colour"].unique().tolist() == ["violet"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([f"{v}" for v in range(N)], float),
        (pd.array(range(N), dtype="Int8"), float),
        (np.full(N, np.nan), float),
        ([None] * N, float),
        (["?", "-", "1", "None"] * (N // 4), float),
        ([True, False] * (N // 2), float),
        (np.where(np.arange(N) % 2, np.inf, 1.0), float),
        (pd.Categorical(["1", "2"] * (N // 2)), float),
    ],
)
def test_numbers_come_in_many_dtypes(data: Dataset, values: Any, expected: type) -> None:
    column = data.schema.apply(frame(age=values))["age"]
    assert column.dtype == np.dtype(expected)
    assert not np.isinf(column).any()


def test_other_dtypes_of_words_and_dates(data: Dataset) -> None:
    assert data.schema.apply(frame(colour=pd.Categorical(["red"] * N)))["colour"].tolist() == ["red"] * N
    assert data.schema.apply(frame(colour=[5.0, 2.5] * (N // 2)))["colour"].tolist()[:2] == ["5", "2.5"]
    assert data.schema.apply(frame(colour=None))["colour"].isna().all()
    assert data.schema.apply(frame(member=["TRUE", "false"] * (N // 2)))["member"].tolist()[:2] == ["True", "False"]
    dates = data.schema.apply(frame(joined=pd.Timestamp("2021-03-05")))["joined"]
    assert (dates == pd.Timestamp("2021-03-05")).all()
    iso = data.schema.apply(frame(joined="2021-03-05"))["joined"]
    assert str(iso.dtype) == "datetime64[us]"
    assert iso.iloc[0] == pd.Timestamp("2021-03-05")
    assert data.schema.apply(frame(joined=None))["joined"].isna().all()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("age", ["12", "x", "old", "3"] * (N // 4), "'age' must hold a number in every row, but row 2 holds 'x'"),
        ("age", pd.Timestamp("2020-01-01"), "'age' is numeric, but holds dates"),
        (
            "joined",
            ["01.03.2021", "soon"] * (N // 2),
            "'joined' must hold a date written day.month.year in .* row 2 holds 'soon'",
        ),
        ("joined", ["31.02.2021"] * N, "row 1 holds '31.02.2021'"),
        ("joined", 2021, "'joined' holds dates, but here it holds numbers"),
        ("colour", pd.Series([[1]] * N), "'colour' must be categorical"),
    ],
)
def test_what_cannot_be_read_is_refused_by_row_and_value(data: Dataset, name: str, values: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        data.schema.apply(frame(**{name: values}))


def test_dates_keep_the_order_that_was_learned() -> None:
    schema = read_dataset(frame(joined=["05/01/2020", "13/01/2020"] * (N // 2))).schema
    assert schema.apply(frame(joined="05/01/2020"))["joined"].iloc[0] == pd.Timestamp("2020-01-05")


def test_stray_words_that_were_learned_stay_missing() -> None:
    schema = read_dataset(frame(age=["error", *(f"{i / 7:.4f}" for i in range(N - 1))])).schema
    assert schema.apply(frame(age=["error", "1"] * (N // 2)))["age"].tolist()[1] == 1.0
    with pytest.raises(TableError, match="row 1 holds 'broken'"):
        schema.apply(frame(age=["broken", "1"] * (N // 2)))


def test_doubled_names_are_repaired_the_same_way_each_time() -> None:
    doubled = frame()[["age", "colour", "member", "y"]].set_axis(["a", "b", "a", "y"], axis=1)
    learned = read_dataset(doubled)
    assert learned.schema.names() == ["a", "b", "a_2"]
    pd.testing.assert_frame_equal(learned.schema.apply(doubled), learned.X)


def test_an_empty_table_gives_an_empty_x(data: Dataset) -> None:
    empty = data.schema.apply(frame().iloc[:0])
    assert empty.shape == (0, 5)
    assert (empty.dtypes == data.X.dtypes).all()


LABELS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "words": (["b", "a", "c", "b"], ("a", "b", "c")),
    "integers": ([3, 1, 20, 3], (1, 3, 20)),
    "whole floats": ([3.0, 1.0, 20.0, 3.0], (1, 3, 20)),
    "integers as words": (["3", "1", "20", "3"], (1, 3, 20)),
    "declared numbers": (pd.Categorical([3, 1, 20, 3]), (1, 3, 20)),
    "booleans": ([True, False, True, True], (False, True)),
    "booleans as words": (["TRUE", "false", "True", "true"], (False, True)),
    "negative": ([-1, 1, -1, -1], (-1, 1)),
}


@pytest.mark.parametrize(("labels", "classes"), LABELS.values(), ids=LABELS.keys())
def test_labels_are_sorted_and_keep_their_type(labels: Any, classes: tuple[Any, ...]) -> None:
    target = pd.Series(labels).repeat(5).reset_index(drop=True)
    data = read_dataset(pd.DataFrame({"x": np.linspace(0, 1, 20) ** 2, "y": target}))
    assert data.schema.classes == classes
    assert [type(label) for label in data.schema.classes] == [type(label) for label in classes]
    assert data.y.dtype == np.int64
    assert data.schema.encode_target(target).tolist() == data.y.tolist()
    decoded = data.schema.decode_target(data.y)
    assert data.schema.encode_target(decoded).tolist() == data.y.tolist()
    assert set(decoded.tolist()) == set(classes)


def test_fractional_labels_stay_floats_when_asked_for() -> None:
    table = pd.DataFrame({"x": np.linspace(0, 1, 20) ** 2, "y": [0.5, 1.5] * 10})
    data = read_dataset(table, task="binary")
    assert data.schema.classes == (0.5, 1.5)
    assert data.schema.decode_target([1, 0]).tolist() == [1.5, 0.5]


def test_unknown_and_missing_labels_are_refused(data: Dataset) -> None:
    with pytest.raises(TableError, match=r"Unknown label 'maybe' in 'y'\. The classes are: no, yes"):
        data.schema.encode_target(["no", "maybe"])
    with pytest.raises(TableError, match="must have a value in every row"):
        data.schema.encode_target(["no", None])
    with pytest.raises(TableError, match="Class codes run from 0 to 1, but got -1 to 2"):
        data.schema.decode_target([2, -1])


def test_regression_targets_are_numbers() -> None:
    schema = read_dataset(frame(y=np.arange(N) / 7)).schema
    assert schema.classes == ()
    assert schema.encode_target(["1.5", "2"]).tolist() == [1.5, 2.0]
    assert schema.decode_target([1, 2]).dtype == np.float64
    with pytest.raises(TableError, match="must hold a number in every row, but row 1 holds 'x'"):
        schema.encode_target(["x", "2"])
    with pytest.raises(TableError, match="finite"):
        schema.encode_target([np.inf, 2.0])


@pytest.mark.parametrize("classes", [("a", "ü"), (1, 2), (False, True), (0.5, 1.5), ("1", "1.0"), ()])
def test_json_round_trips_exactly(classes: tuple[Any, ...], data: Dataset) -> None:
    task = data.task if classes else "regression"
    columns = (*data.schema.columns, Column("z", "numeric", "why", stray=("error", "n/k")))
    schema = TableSchema(columns, "y", "as given", task, "because", classes)
    again = TableSchema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    assert [type(label) for label in again.classes] == [type(label) for label in classes]


def test_a_schema_that_lacks_a_key_is_refused() -> None:
    with pytest.raises(TableError, match="needs the key 'columns'"):
        TableSchema.from_json({})
