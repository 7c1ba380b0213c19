"""What a search does with a table that is too large for its limits, and with rare classes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autometa.candidates import CANDIDATES
from autometa.candidates._base import Candidate
from autometa.datasets import Dataset, read_dataset
from autometa.errors import OptionError
from autometa.search import _plan
from autometa.search._options import SearchOptions
from autometa.search._plan import Plan, check, judge, make_plan, shrink

Cost = Callable[[str, int], float]


def table(n: int, *, positive: int | None = None, columns: dict[str, Any] | None = None) -> Dataset:
    rng = np.random.default_rng(0)
    y = np.where(np.arange(n) < (n // 2 if positive is None else positive), "yes", "no")
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), **(columns or {}), "class": y})
    names = {"weight": "w"} if "w" in (columns or {}) else {}
    return read_dataset(frame, target="class", **names)  # type: ignore[arg-type]


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Callable[[Cost], None]:
    """Sets what every candidate's fit is expected to cost."""

    def set_to(seconds: Cost) -> None:
        for entry in CANDIDATES:
            kind = type(CANDIDATES.create(entry.name))
            monkeypatch.setattr(kind, "fit_seconds", _of(entry.name, seconds))

    return set_to


def _of(name: str, seconds: Cost) -> Callable[[Candidate, int, int, int], float]:
    def fit_seconds(self: Candidate, n_rows: int, n_columns: int, n_classes: int = 0, **given: object) -> float:
        return seconds(name, n_rows)

    return fit_seconds


def planned(dataset: Dataset, *, seconds: float | None, **options: object) -> Plan:
    chosen = SearchOptions(**{"time_limit": 60.0, "memory_limit": 4000, **options})  # type: ignore[arg-type]
    metric, space = check(dataset, chosen)
    return make_plan(dataset, chosen, metric, space, judge(dataset, chosen), seconds=seconds)


def test_what_fits_is_left_alone(cost: Callable[[Cost], None]) -> None:
    cost(lambda name, rows: 0.5)
    plan = planned(table(2000), seconds=10.0)
    assert len(plan.splits) == 5
    assert not plan.sampled
    assert plan.notes == ()


def test_splits_go_before_rows(cost: Callable[[Cost], None]) -> None:
    cost(lambda name, rows: rows / 1000)  # 8 s for the 8000 rows of a split, as much as a typical trial may take
    plan = planned(table(10_000), seconds=10.0)
    assert plan.splits.description == "1 of 5 stratified folds"
    assert len(plan.splits.train[0]) == 8000
    assert not plan.sampled
    assert [note.kind for note in plan.notes] == ["limited"]


SLOW = ("svm", "catboost", "xgboost", "random_forest", "extra_trees")  # of ten


@pytest.mark.parametrize(
    ("slow", "seconds", "n_splits"),
    [
        (SLOW[:4], 2.0, 5),  # two thirds, rounded down, are in time for five
        (SLOW, 2.0, 3),  # no more than half are; with three, all
        (SLOW, 90.0, 5),  # three would let nobody in
    ],
)
def test_three_splits_have_to_do_where_more_candidates_have_the_time_for_them(
    cost: Callable[[Cost], None], slow: tuple[str, ...], seconds: float, n_splits: int
) -> None:
    cost(lambda name, rows: seconds if name in slow else 0.1)
    plan = planned(table(2000), seconds=10.0)
    assert len(plan.splits) == n_splits
    assert set(slow).isdisjoint(plan.space.member_names) is (n_splits == 5)


def test_then_rows_go_until_a_trial_fits(cost: Callable[[Cost], None]) -> None:
    cost(lambda name, rows: rows / 2500)
    plan = planned(table(100_000), seconds=10.0)
    assert plan.sampled
    assert len(plan.splits) == 1
    assert _plan.ENOUGH_ROWS * 0.8 <= len(plan.splits.train[0]) <= 20_000
    assert "of 100,000 rows" in plan.notes[-1].text
    assert not set(plan.splits.train[0]) & set(plan.splits.test[0])


def test_where_few_rows_are_left_more_splits_judge_them(cost: Callable[[Cost], None]) -> None:
    cost(lambda name, rows: rows / 500)
    plan = planned(table(40_000), seconds=10.0)
    assert len(plan.splits) == 3
    assert 400 <= len(plan.splits.train[0]) <= 4000 / 3


def test_candidates_that_would_be_killed_are_left_out_and_named(cost: Callable[[Cost], None]) -> None:
    cost(lambda name, rows: 400.0 if name in ("svm", "mlp") else 0.1)
    plan = planned(table(2000), seconds=10.0)
    assert not {"svm", "mlp"} & set(plan.space.member_names)
    assert "lightgbm" in plan.space.member_names
    assert plan.notes[-1].kind == "skipped"
    assert "svm (about 2000 s)" in plan.notes[-1].text


def test_the_quickest_candidate_stays_in_any_case(cost: Callable[[Cost], None]) -> None:
    cost(lambda name, rows: 100.0 if name == "ridge" else 90.0 if name == "svm" else 95.0)
    plan = planned(table(200), seconds=1.0, candidates=("svm", "lightgbm"))
    assert list(plan.space.member_names) == ["svm"]


def test_without_a_time_limit_nothing_is_cut(cost: Callable[[Cost], None]) -> None:
    cost(lambda name, rows: 1e9)
    assert len(planned(table(3000), seconds=None, time_limit=None, trials=3).splits) == 5


def test_memory_cuts_rows() -> None:
    dataset = table(200_000, columns={f"c{k}": np.arange(200_000.0) % (k + 2) for k in range(8)})
    plan = planned(dataset, seconds=None, memory_limit=64)
    assert plan.sampled
    used = len(np.union1d(plan.splits.train[0], plan.splits.test[0]))
    assert used * (dataset.X.shape[1] + 1) * 8 * _plan.COPIES <= 64 << 20
    assert "memory" in plan.notes[-1].text


def test_a_plan_shrinks_until_the_table_is_small() -> None:
    dataset, options = table(20_000), SearchOptions(time_limit=60.0)
    plan: Plan | None = planned(dataset, seconds=None)
    sizes = []
    while plan is not None:
        sizes.append((len(plan.splits), len(np.union1d(plan.splits.train[0], plan.splits.test[0]))))
        plan = shrink(plan, dataset, options)
    assert sizes[0] == (5, 20_000)
    assert all(n_splits == 1 for n_splits, _ in sizes[1:])
    assert [rows for _, rows in sizes] == sorted({rows for _, rows in sizes}, reverse=True)
    assert sizes[-1][1] <= _plan.MIN_ROWS


def test_fewer_folds_where_a_class_has_fewer_rows() -> None:
    judged = judge(table(60, positive=3), SearchOptions())
    assert len(judged.splits) == 3
    assert judged.notes[0].text == "3 folds instead of 5: the smaller class has 3 rows"


@pytest.mark.parametrize(
    ("metric", "class_weight", "balanced"),
    [
        ("balanced_accuracy", "auto", True),
        ("roc_auc", "auto", False),
        ("roc_auc", "balanced", True),
        ("balanced_accuracy", "none", False),
    ],
)
def test_classes_weigh_alike_where_they_are_rare_and_the_metric_counts_them_alike(
    metric: str, class_weight: str, balanced: bool
) -> None:
    plan = planned(table(400, positive=20), seconds=None, metric=metric, class_weight=class_weight)
    assert plan.balanced is balanced
    assert "class 'yes' has 5.00% of the rows" in plan.notes[0].text
    assert ("the same weight" in plan.notes[0].text) is balanced


def test_even_classes_are_not_balanced() -> None:
    plan = planned(table(400), seconds=None, metric="balanced_accuracy")
    assert not plan.balanced
    assert plan.notes == ()


def test_accuracy_of_rare_classes_comes_with_what_a_constant_would_reach() -> None:
    plan = planned(table(400, positive=20), seconds=None, metric="accuracy")
    assert plan.notes[0].text.endswith("always saying 'no' has accuracy 0.950")


def test_with_weights_only_candidates_that_take_them_are_searched() -> None:
    dataset = table(100, columns={"w": np.linspace(1, 2, 100)})
    _, space = check(dataset, SearchOptions())
    assert "k_nearest_neighbors" not in space.member_names
    with pytest.raises(OptionError, match="None of the candidates k_nearest_neighbors takes weights"):
        check(dataset, SearchOptions(candidates=("k_nearest_neighbors",)))


def test_a_metric_without_weights_is_refused_with_weights() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=50), "w": rng.uniform(1, 2, 50), "y": rng.normal(size=50)})
    dataset = read_dataset(frame, target="y", weight="w")
    with pytest.raises(OptionError, match="Metric 'max_error' takes no weights"):
        check(dataset, SearchOptions(metric="max_error"))
