"""Columns that are there for something else than learning, and second tables with the target."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.datasets import Dataset, LabelledRows, read_dataset, read_rows
from autometa.errors import TableError

N = 40


def frame(**more: Any) -> pd.DataFrame:
    columns = {
        "a": np.linspace(0, 1, N) ** 2,
        "b": ["red", "green"] * (N // 2),
        "who": [f"p{i // 4}" for i in range(N)],
        "when": pd.date_range("2024-01-01", periods=N)[::-1],
        "w": np.arange(N) / 4,
    }
    return pd.DataFrame(columns | more | {"y": more.get("y", ["no", "yes"] * (N // 2))})


def test_group_weight_and_ignored_columns_are_kept_out_of_x_and_named_with_a_reason() -> None:
    data = read_dataset(frame(), group="who", weight="w", ignore=["b"])
    assert list(data.X) == ["a", "when"]
    assert {column.name: (column.kind, column.reason) for column in data.schema.dropped} == {
        "b": ("ignored", "given as a column to ignore"),
        "who": ("group", "given as the group column"),
        "w": ("weight", "given as the weight column"),
    }
    assert any("who (group: given as the group column)" in note for note in data.notes)
    assert data.schema.apply(frame()[["a", "when"]]).equals(data.X)


def test_groups_are_codes_in_the_order_of_appearance() -> None:
    data = read_dataset(frame(who=[["x", 3, "é", 0.5][i % 4] for i in range(N)]), group="who")
    assert data.groups is not None
    assert data.groups.tolist() == [0, 1, 2, 3] * 10
    assert data.groups.dtype == np.int64
    assert data.groups.name == "who"


def test_a_row_without_a_group_is_a_group_of_its_own() -> None:
    data = read_dataset(frame(who=[None, "x", None, "z"] * 10), group="who")
    assert data.groups is not None
    assert data.groups.tolist()[:4] == [2, 0, 3, 1]
    assert data.groups.nunique() == 22
    assert any("20 rows have no value of 'who': each is a group of its own" in note for note in data.notes)


TIMES: dict[str, tuple[Any, type, list[float]]] = {
    "dates": (pd.to_datetime(["1970-01-02", "1969-12-31"] * 20), np.int64, [86_400_000_000, -86_400_000_000]),
    "dates in text": (["02.01.1970", "31.12.1969"] * 20, np.int64, [86_400_000_000, -86_400_000_000]),
    "month first": (["01/02/1970", "12/31/1969"] * 20, np.int64, [86_400_000_000, -86_400_000_000]),
    "years": ([2024, 1999] * 20, np.int64, [2024, 1999]),
    "beyond exact floats": ([2**60 + 1, 2**60] * 20, np.int64, [2**60 + 1, 2**60]),
    "fractions": ([1.5, -1.25] * 20, np.float64, [1.5, -1.25]),
    "a sequence": (list(range(N)), np.int64, [0, 1]),
}


@pytest.mark.parametrize(("values", "dtype", "first"), TIMES.values(), ids=TIMES.keys())
def test_times_sort_as_the_column_does(values: Any, dtype: type, first: list[float]) -> None:
    data = read_dataset(frame(when=values), time_column="when")
    assert data.times is not None
    assert data.times.dtype == dtype
    assert data.times.name == "when"
    assert data.times.tolist()[:2] == first


def test_the_time_column_stays_a_feature_if_it_is_one_without_being_the_time() -> None:
    assert "when" in read_dataset(frame(), time_column="when").X
    counted = read_dataset(frame(when=range(N)), time_column="when")
    assert "when" not in counted.X
    assert counted.schema.columns == read_dataset(frame(when=range(N))).schema.columns


def test_weights_are_floats() -> None:
    data = read_dataset(frame(w=[f"{i},5" for i in range(N)]), weight="w")
    assert data.weights is not None
    assert data.weights.dtype == np.float64
    assert data.weights.name == "w"
    assert data.weights.tolist()[:3] == [0.5, 1.5, 2.5]


def test_rows_without_a_target_go_with_all_that_belongs_to_them() -> None:
    y = [None, "no", "yes", "no"] * 10
    w = [np.nan, 1.0, 2.0, 3.0] * 10
    when = [pd.NaT, *pd.date_range("2024", periods=3)] * 10
    data = read_dataset(frame(y=y, w=w, when=when, who=list("abcd") * 10), group="who", weight="w", time_column="when")
    assert data.groups is not None
    assert data.weights is not None
    assert data.times is not None
    assert data.groups.tolist() == [0, 1, 2] * 10
    assert data.weights.tolist() == [1.0, 2.0, 3.0] * 10
    assert (np.diff(data.times.to_numpy()[:3]) == 86_400_000_000).all()
    assert len(data.X) == len(data.times) == 30


def test_values_instead_of_columns_drop_no_column() -> None:
    groups = pd.Series(np.repeat(list("abcdefgh"), 5), index=range(100, 140))
    data = read_dataset(frame(), group=groups, weight=np.arange(N))
    assert list(data.X) == ["a", "b", "who", "when", "w"]
    assert data.groups is not None
    assert data.weights is not None
    assert data.groups.tolist() == np.repeat(range(8), 5).tolist()
    assert data.weights.tolist() == list(range(N))


def test_the_target_is_never_a_column_with_a_part() -> None:
    table = frame().rename(columns={"y": "z"})[["z", "a", "b", "w"]]
    data = read_dataset(table, weight="w", ignore=["b"], target=None)
    assert (data.schema.target, data.schema.target_reason[:30]) == ("a", "the last column that is left; ")
    assert read_dataset(frame(label="x"), ignore=["label"]).schema.target == "y"


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown group": ({"group": "whos"}, "no column 'whos' for the part of group. Did you mean 'who'"),
    "unknown time": ({"time_column": "wen"}, "no column 'wen' for the part of time. Did you mean 'when'"),
    "unknown column to ignore": ({"ignore": ["B", "c"]}, "no column 'B' to ignore. Did you mean 'b'"),
    "the target as weight": ({"weight": "y", "target": "y"}, "'y' is the target and cannot be the weight column too"),
    "the target ignored": ({"ignore": ["y"], "target": "y"}, "'y' is the target and cannot be an ignored column too"),
    "two parts": ({"group": "who", "ignore": ["who"]}, "'who' is given as the group column and as an ignored column"),
    "group and time": ({"group": "when", "time_column": "when"}, "given as the group column and as the time column"),
    "ignore as text": ({"ignore": "who"}, r"got the text 'who'. Pass \['who'\]"),
    "a kind as well": ({"group": "who", "kinds": {"who": "text"}}, "it is the group column and not learned from"),
    "a part as a kind": ({"kinds": {"who": "group"}}, "'who' is made group by naming it as such"),
    "too few values": ({"weight": [1.0, 2.0]}, "the table has 40 rows and got 2 values"),
    "a table of values": ({"group": np.zeros((N, 2))}, r"got the shape \(40, 2\)"),
    "one value": ({"group": 5}, r"one value per row, .* got the shape \(\)"),
    "lists as groups": ({"group": pd.Series([[1]] * N)}, "a number or a word, but values such as list cannot be used"),
    "nothing left": ({"ignore": ["a", "b", "who", "when", "w"]}, "no column to learn from.*a: ignored"),
    "nothing left to predict": ({"ignore": ["a", "b", "who", "when", "w", "y"]}, "No column is left to predict"),
    "time as a list": ({"time_column": [1, 2]}, "given by its name, but got a list"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_parts_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_dataset(frame(), **options)


VALUES: dict[str, tuple[str, Any, str]] = {
    "one group": ("group", ["x"] * N, "at least 2 groups are needed, but every row has the same 'v'"),
    "words as time": ("time_column", ["soon", "late"] * 20, "must hold dates or numbers, but 'v' holds 'soon'"),
    "truth as time": ("time_column", [True, False] * 20, "must hold dates or numbers, but 'v' holds 'True'"),
    "no time": ("time_column", [None] * N, "40 of 40 rows have none in 'v'"),
    "gaps in dates": ("time_column", ["2024-01-01", None, "2024-01-03", "2024-01-04"] * 10, "10 of 40 rows have none"),
    "gaps in numbers": ("time_column", [1.5, np.nan] * 20, "20 of 40 rows have none in 'v'. Fill them in"),
    "an endless time": ("time_column", [1.5, np.inf] * 20, "20 of 40 rows have none"),
    "one time": ("time_column", [7] * N, "the same in every row and orders nothing"),
    "negative weights": (
        "weight",
        [1.0, -0.5, -2.0, 1.0] * 10,
        "be 0 or more, but row 2 has -0.5 .20 rows in all",
    ),
    "missing weights": ("weight", [1.0] * 39 + [np.nan], "must be there in every row, but row 40 has none. Correct"),
    "infinite weights": ("weight", [1.0, np.inf] * 20, "must be finite, but row 2 has inf"),
    "no weight at all": ("weight", [0] * N, "0 in every row: nothing would be learned"),
    "words as weights": ("weight", ["1", "heavy"] * 20, "must be numbers.* row 2 holds 'heavy'. Correct the value"),
    "dates as weights": ("weight", pd.date_range("2024", periods=N), "must be numbers.*holds dates"),
}


@pytest.mark.parametrize(("part", "values", "message"), VALUES.values(), ids=VALUES.keys())
def test_values_that_do_not_fit_a_part_are_refused(part: str, values: Any, message: str) -> None:
    options: dict[str, Any] = {part: "v"}
    with pytest.raises(TableError, match=message):
        read_dataset(frame(v=values), **options)


def everything() -> Dataset:
    return read_dataset(frame(), group="who", time_column="when", weight="w", ignore=["b"])


def test_a_dataset_with_parts_travels_in_a_folder(tmp_path: Path) -> None:
    data = everything()
    data.to_folder(tmp_path)
    again = Dataset.from_folder(tmp_path)
    pd.testing.assert_frame_equal(again.X, data.X)
    for part in ("y", "groups", "times", "weights"):
        pd.testing.assert_series_equal(getattr(again, part), getattr(data, part))
    assert (again.schema, again.content_hash) == (data.schema, data.content_hash)


def test_parts_may_be_called_like_features(tmp_path: Path) -> None:
    table = frame().rename(columns={"a": "groups", "b": "times", "who": "weights"})
    data = read_dataset(table, group=np.arange(N) // 2, weight="w")
    data.to_folder(tmp_path)
    again = Dataset.from_folder(tmp_path)
    pd.testing.assert_frame_equal(again.X, data.X)
    assert again.groups is not None
    assert again.groups.tolist() == [i // 2 for i in range(N)]
    assert again.times is None


def test_folders_from_before_there_were_parts_still_load(tmp_path: Path) -> None:
    data = read_dataset(frame())
    data.to_folder(tmp_path)
    about = json.loads((tmp_path / "dataset.json").read_text())
    del about["parts"]
    for column in about["schema"]["columns"]:
        del column["written"]
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    again = Dataset.from_folder(tmp_path)
    assert again.X.equals(data.X)
    assert again.groups is again.times is again.weights is None


def test_the_hash_counts_the_parts_and_only_what_they_mean() -> None:
    plain, table = read_dataset(frame(), ignore=["who"]), frame()
    grouped = read_dataset(table, group="who")
    assert grouped.content_hash != plain.content_hash
    assert read_dataset(table.assign(who=table["who"] + "!"), group="who").content_hash == grouped.content_hash
    assert read_dataset(table.drop(columns="who"), group=table["who"]).content_hash == grouped.content_hash
    assert read_dataset(table.assign(who=["x", "z"] * 20), group="who").content_hash != grouped.content_hash
    weighted = [read_dataset(frame(w=w), weight="w").content_hash for w in (range(N), [1.0] * N)]
    assert len({*weighted, read_dataset(frame(), ignore=["w"]).content_hash}) == 3
    timed = read_dataset(frame(), time_column="when")
    assert timed.content_hash != read_dataset(frame()).content_hash


def test_taking_rows_takes_what_belongs_to_them() -> None:
    data = everything()
    some = data.take(np.array([39, 0, 4]))
    assert some.X["a"].tolist() == data.X["a"].iloc[[39, 0, 4]].tolist()
    assert some.y.tolist() == [1, 0, 0]
    assert some.groups is not None
    assert some.times is not None
    assert some.weights is not None
    assert some.groups.tolist() == [9, 0, 1]
    assert some.weights.tolist() == [9.75, 0.0, 1.0]
    assert some.times.argsort().tolist() == [0, 2, 1]
    assert (some.content_hash, list(some.X.index)) == (data.content_hash, [0, 1, 2])


def test_parts_of_another_length_are_no_dataset() -> None:
    data = everything()
    with pytest.raises(ValueError, match=r"Dataset\.groups must have one value per row of X \(40\), got 39"):
        Dataset(data.X, data.y, data.schema, "d", "0", groups=pd.Series(range(39)))


@pytest.fixture(scope="module")
def learned() -> Dataset:
    return read_dataset(frame(), weight="w")


def test_labelled_rows_come_in_the_shape_of_the_dataset(learned: Dataset, tmp_path: Path) -> None:
    table = frame(extra=1)[["y", "extra", "w", "when", "who", "b", "a"]]
    table.to_csv(tmp_path / "t.csv", index=False)
    for source in (table, tmp_path / "t.csv"):
        rows = read_rows(source, learned.schema)
        pd.testing.assert_frame_equal(rows.X, learned.X)
        pd.testing.assert_series_equal(rows.y, learned.y)
        assert rows.weights is not None
        assert learned.weights is not None
        pd.testing.assert_series_equal(rows.weights, learned.weights)


def test_labelled_rows_without_a_target_are_left_out_with_a_note(learned: Dataset) -> None:
    rows = read_rows(frame(y=[None, "yes", "no", "yes"] * 10), learned.schema)
    assert rows.y.tolist() == [1, 0, 1] * 10
    assert rows.X["a"].tolist() == learned.X["a"].drop(index=range(0, N, 4)).tolist()
    assert rows.weights is not None
    assert rows.weights.tolist()[:3] == [0.25, 0.5, 0.75]
    assert "10 rows without a value of 'y' left out." in rows.notes


def test_labelled_rows_may_lack_weights(learned: Dataset) -> None:
    rows = read_rows(frame().drop(columns="w"), learned.schema)
    assert rows.weights is None
    assert rows.notes == ("The table has no weights ('w'): every row counts the same.",)
    assert isinstance(rows, LabelledRows)


def test_labelled_rows_of_a_regression_have_finite_numbers() -> None:
    schema = read_dataset(frame(y=np.linspace(0, 5, N))).schema
    rows = read_rows(frame(y=["1,5", "-2", None, "inf"] * 10), schema)
    assert rows.y.tolist() == [1.5, -2.0] * 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="y"), "must hold the target 'y'.*Columns: a, b"),
        (lambda t: t.rename(columns={"y": "Y"}), "Did you mean 'Y'"),
        (lambda t: t.drop(columns=["a", "b"]), "Columns 'a', 'b' .* must be there"),
        (lambda t: t.assign(y="maybe"), "Unknown label 'maybe' in 'y'. The classes are: no, yes. Correct the label"),
        (lambda t: t.assign(y=None), "At least one row needs a value of the target 'y', but none has one"),
        (lambda t: t.assign(a="x"), "'a' must hold a number in every row, but row 1 holds 'x'"),
        (lambda t: t.assign(w=-1.0), "must be 0 or more, but row 1 has -1"),
    ],
)
def test_labelled_rows_that_do_not_fit_are_refused(learned: Dataset, change: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_rows(change(frame()), learned.schema)


def test_words_stay_words_in_a_table_that_holds_only_numbers(tmp_path: Path) -> None:
    codes = ["E10", "250.00", "007", "1e3"] * 10
    schema = read_dataset(frame(b=codes, y=["1.0", "no"] * 20)).schema
    assert {"b", "y"} <= schema.words
    frame(b="007", y="1.0").to_csv(tmp_path / "t.csv", index=False)
    frame(b="007", y="1.0").to_parquet(tmp_path / "t.parquet")
    for source in (tmp_path / "t.csv", tmp_path / "t.parquet", frame(b="007", y="1.0")):
        rows = read_rows(source, schema)
        assert rows.X["b"].unique().tolist() == ["007"]
        assert set(rows.y) == {0}
    assert schema.apply(frame(b=["1e3"] * N))["b"].unique().tolist() == ["1e3"]


@pytest.mark.parametrize(
    "values",
    [[True, False], [1, 0], [1.0, 0.0], ["TRUE", "false"], ["1", "0"], ["yes", "No"], ["y", " n"], ["t", "0"]],
)
def test_truth_comes_in_many_words(values: list[Any]) -> None:
    for learned_from in ([True, False], ["True", "false"]):
        schema = read_dataset(frame(b=learned_from * 20)).schema
        assert schema.apply(frame(b=values * 20))["b"].tolist()[:2] == ["True", "False"]


def test_what_is_neither_true_nor_false_is_refused() -> None:
    schema = read_dataset(frame(b=[True, False] * 20)).schema
    with pytest.raises(TableError, match="'b' must hold true or false in every row, but row 2 holds 'maybe'"):
        schema.apply(frame(b=["yes", "maybe"] * 20))
    with pytest.raises(TableError, match="but row 1 holds '2'"):
        schema.apply(frame(b=[2, 1] * 20))
    assert schema.apply(frame(b=[None, True] * 20))["b"].isna().sum() == 20
