"""Warnings of scores that are too good to be true, and silence where they are not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn import datasets as toys
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

from autometa.datasets import Dataset, find_leaks, find_test_leaks, read_dataset, read_rows

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
N = 400
Split = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def folds(data: Dataset, n: int = 5) -> list[Split]:
    kind = KFold if data.task == "regression" else StratifiedKFold
    return list(kind(n, shuffle=True, random_state=0).split(data.X, data.y))


def leaks(table: pd.DataFrame, **options: Any) -> list[str]:
    data = read_dataset(table, target="y", **options)
    return find_leaks(data, folds(data), seed=0)


def table(task: str = "binary", n: int = N, **more: Any) -> pd.DataFrame:
    """Five columns, of which two help a little."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    frame["e"] = np.array(["red", "green", "blue"])[rng.integers(0, 3, n)]
    signal = frame["a"] - frame["b"] + 2 * rng.normal(size=n)
    targets: dict[str, Any] = {
        "binary": (signal > 0).astype(int),
        "multiclass": pd.qcut(signal, 4, labels=list("pqrs")).astype("str"),
    }
    y = targets.get(task, signal)
    return frame.assign(**{name: make(y, rng) if callable(make) else make for name, make in more.items()}, y=y)


@pytest.mark.parametrize("name", ["breast_cancer", "iris", "wine", "digits", "diabetes"])
def test_honest_tables_of_scikit_learn_raise_no_alarm(name: str) -> None:
    assert leaks(getattr(toys, f"load_{name}")(as_frame=True).frame.rename(columns={"target": "y"})) == []


@pytest.mark.parametrize(
    ("file", "target"),
    [("credit-g", "class"), ("penguins", "body_mass_g"), ("penguins", "species"), ("penguins", "sex")],
)
def test_the_examples_raise_no_alarm(file: str, target: str) -> None:
    data = read_dataset(EXAMPLES / f"{file}.csv", target=target)
    assert find_leaks(data, folds(data), seed=0) == []


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_an_honest_table_raises_no_alarm(task: str) -> None:
    assert leaks(table(task)) == []


LEAKS: dict[str, tuple[str, Callable[[Any, Any], Any], str]] = {
    "the target as words": ("binary", lambda y, rng: np.where(y == 1, "paid", "due"), "ROC AUC 1.0000"),
    "a shifted copy": ("binary", lambda y, rng: y * 5 + rng.normal(size=N) / 10, "ROC AUC 1.0000"),
    "known only if yes": ("binary", lambda y, rng: np.where(y == 1, rng.normal(size=N), np.nan), "ROC AUC 1.0000"),
    "dates": (
        "binary",
        lambda y, rng: pd.Timestamp("2020") + pd.to_timedelta(y * 400 + rng.integers(0, 300, N), unit="D"),
        "ROC AUC 1.0000",
    ),
    "nearly always right": (
        "binary",
        lambda y, rng: np.where(rng.random(N) < 0.004, 1 - y, y) + rng.normal(size=N) / 9,
        "ROC AUC 0.99",
    ),
    "both ends": ("binary", lambda y, rng: np.where(y == 1, 3, rng.choice([-3, 9], N)) + rng.random(N), "ROC AUC 1.0"),
    "classes as numbers": (
        "multiclass",
        lambda y, rng: y.map(dict(zip("pqrs", (3, 1, 4, 2), strict=True))),
        "balanced",
    ),
    "several words a class": ("multiclass", lambda y, rng: y + rng.choice(["1", "2", "3"], N), "balanced accuracy 1.0"),
    "another unit": ("regression", lambda y, rng: y * 9 / 5 + 32, "R2 1.0000"),
    "rounded": ("regression", lambda y, rng: y.round(1), "R2 0.99"),
    "with long tails": ("regression", lambda y, rng: y * 2 + rng.normal(size=N) / 100, "R2"),
}


@pytest.mark.parametrize(("task", "leak", "said"), LEAKS.values(), ids=LEAKS.keys())
def test_a_column_that_tells_the_target_is_named(task: str, leak: Callable[[Any, Any], Any], said: str) -> None:
    columns: dict[str, Any] = {"paid late": leak}
    found = leaks(table(task, **columns))
    assert len(found) == 1
    assert found[0].startswith(f"Column 'paid late' predicts the target alone ({said}")
    assert found[0].endswith("leave it out with --ignore 'paid late'.")


def test_a_target_with_long_tails_is_told_by_a_line() -> None:
    skewed = table("regression").assign(y=np.exp(table("regression")["y"] * 3))
    assert "Column 'twice'" in " ".join(leaks(skewed.assign(twice=skewed["y"] * 2)))


def test_two_copies_of_the_target_are_both_named() -> None:
    found = leaks(table(alive=lambda y, rng: np.where(y == 1, "yes", "no"), code=lambda y, rng: 7 - 3 * y))
    assert sorted(sentence.split("'")[1] for sentence in found) == ["alive", "code"]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_an_easy_task_is_no_leak(task: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 5))
    y = x[:, 0] if task == "regression" else (x[:, 0] > 0).astype(int)
    many = pd.DataFrame({f"x{i}": x[:, 0] * (i + 1) + 1 for i in range(5)}).assign(noise=x[:, 1], y=y)
    assert leaks(many) == []
    assert leaks(pd.DataFrame({"x": x[:, 0], "y": y})) == []


def test_a_column_that_tells_only_by_group_is_no_leak_if_groups_stay_together() -> None:
    who = np.repeat(np.arange(80), 5)
    rng = np.random.default_rng(1)
    frame = table().assign(place=[f"p{w}" for w in who], y=rng.integers(0, 2, 80)[who])
    parted = read_dataset(frame, target="y")
    assert any("'place'" in said for said in find_leaks(parted, folds(parted), seed=0))
    data = read_dataset(frame, target="y", group=who)
    kept = list(GroupKFold(5).split(data.X, data.y, groups=data.groups))
    assert find_leaks(data, kept, seed=0) == []


def test_parted_groups_are_counted() -> None:
    data = read_dataset(table(who=lambda y, rng: np.arange(N) // 4), target="y", group="who")
    quarters = [(np.flatnonzero(np.arange(N) % 4 != k), np.arange(k, N, 4)) for k in range(4)]
    assert find_leaks(data, quarters, seed=0) == [
        "100 of 100 groups of 'who' have rows in training and in test at once, so the score rewards knowing the group. "
        "Use splits that keep groups together."
    ]
    one = [(np.arange(2, N), np.arange(2))]
    assert find_leaks(data, one, seed=0)[0].startswith("1 of 100 groups")


def test_copies_of_rows_are_counted_with_their_targets() -> None:
    frame = pd.concat([table(), table().iloc[:40].assign(y=lambda t: np.where(t.index < 10, 1 - t["y"], t["y"]))])
    data = read_dataset(frame, target="y")
    train, test = np.arange(N), np.arange(N, N + 40)
    assert find_leaks(data, [(train, test)], seed=0) == [
        "40 of 40 held-out rows are exact copies of rows that are trained on (30 with the same target), so the score "
        "rewards remembering. Remove the copies from the table, or keep rows that belong together in one fold with "
        "--group COLUMN."
    ]
    assert find_leaks(data, [(test, test[:0]), (np.arange(40, N), np.arange(40))], seed=0) == []


def test_copies_with_gaps_and_signs_of_zero_are_copies() -> None:
    frame = table(gap=lambda y, rng: np.where(rng.random(N) < 0.5, np.nan, rng.normal(size=N)), zero=0.0)
    frame.loc[0, "zero"] = 1.5
    again = frame.iloc[:60].copy()
    again.loc[1:, "zero"] = -0.0
    data = read_dataset(pd.concat([frame, again]), target="y")
    assert find_leaks(data, [(np.arange(N), np.arange(N, N + 60))], seed=0)[0].startswith("60 of 60")


def test_few_possible_rows_repeat_by_nature() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: np.array(["u", "v", "w"])[rng.integers(0, 3, N)] for name in "abcd"})
    assert leaks(frame.assign(y=rng.integers(0, 2, N))) == []


def test_words_that_all_but_name_the_rows() -> None:
    tickets = [f"T{i * 7919 % 1000}" for i in range(N - 4)] + ["T0"] * 4
    found = leaks(table(ticket=tickets))
    assert found == [
        "Column 'ticket' all but names the rows: 396 different words in 400 rows. It can be remembered but not learned "
        "from: leave it out with --ignore ticket, or, if rows with one word belong together, use --group ticket."
    ]


def test_numbers_that_count_with_the_rows_unless_they_are_the_time() -> None:
    steps = np.cumsum(np.random.default_rng(3).integers(1, 9, N))
    found = leaks(table(case=steps))
    assert len(found) == 1
    assert found[0].startswith("Column 'case' counts with the rows: whole numbers, of which nearly each is larger")
    assert "smaller" in leaks(table(case=steps[::-1]))[0]
    assert leaks(table(case=steps), time_column="case") == []
    assert leaks(table(case=steps / 7)) == []
    assert leaks(table(case=np.random.default_rng(0).permutation(steps))) == []


def test_test_rows_that_were_trained_on() -> None:
    data = read_dataset(table(), target="y")
    fresh = table(n=2 * N).iloc[N:]
    assert find_test_leaks(data, read_rows(fresh, data.schema)) == []
    mixed = pd.concat([fresh, table().iloc[:50]])
    assert find_test_leaks(data, read_rows(mixed, data.schema)) == [
        "50 of 450 test rows are exact copies of rows that were trained on (50 with the same target), so the test "
        "score rewards remembering. Remove them from the test table."
    ]
    flipped = mixed.assign(y=1 - mixed["y"])
    assert "(0 with the same target)" in find_test_leaks(data, read_rows(flipped, data.schema))[0]


def test_the_same_seed_says_the_same_and_the_dataset_is_not_changed() -> None:
    frame = table(n=8000, leak=lambda y, rng: y + rng.normal(size=8000) / 9)
    data = read_dataset(frame, target="y")
    before = data.X.copy(deep=True)
    assert find_leaks(data, folds(data), seed=3) == find_leaks(data, folds(data), seed=3) != []
    pd.testing.assert_frame_equal(data.X, before)


def test_a_rare_class_in_a_large_table_is_looked_at() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(50_000) < 0.002).astype(int)
    frame = pd.DataFrame(rng.normal(size=(50_000, 4)), columns=list("abcd")).assign(
        flag=y * 3 + rng.random(50_000), y=y
    )
    assert "Column 'flag' predicts the target alone" in leaks(frame)[0]


@pytest.mark.parametrize("n", [12, 30])
def test_small_tables_and_no_splits_are_fine(n: int) -> None:
    data = read_dataset(table(n=n, leak=lambda y, rng: y * 2), target="y")
    assert find_leaks(data, folds(data, 2), seed=0) == []
    large = read_dataset(table(leak=lambda y, rng: y * 2), target="y")
    assert find_leaks(large, [], seed=0) == []
