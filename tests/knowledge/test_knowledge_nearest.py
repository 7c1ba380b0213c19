"""The nearest datasets: the distance of warm starts, sorted once."""

import math
from typing import Any

import pandas as pd
import pytest

from autometa.knowledge import DatasetIndex, KnowledgeBase
from autometa.records import DatasetRecord, MetaFeatures, TaskType


def test_neighbours_come_nearest_first_with_their_gaps() -> None:
    frame = pd.DataFrame({"rows": [10, 20, 30, 40], "skew": [1, 1, 5, math.nan]}, index=list("dcba"))
    first, second, third = DatasetIndex(frame).nearest(MetaFeatures("t", {"rows": 20.0, "skew": 1.0}), 3)
    assert (first.dataset_id, first.distance, dict(first.gaps)) == ("c", 0.0, {"rows": 0.0, "skew": 0.0})
    assert (second.dataset_id, dict(second.gaps)) == ("d", {"skew": 0.0, "rows": 0.25})
    assert second.distance == pytest.approx(0.125)
    assert (third.dataset_id, dict(third.gaps)) == ("a", {"rows": 0.5})
    assert third.distance == pytest.approx((0.5 + 1 / 6) / 2)  # charged the mean of the others' 0, 0 and 1/2


def test_equally_near_ones_come_by_id_and_unknown_ones_not_at_all() -> None:
    frame = pd.DataFrame({"x": [1.0, 1.0, 2.0, math.nan]}, index=list("bacd"))
    assert [one.dataset_id for one in DatasetIndex(frame).nearest(MetaFeatures("t", {"x": 1.0}), 9)] == list("abc")
    assert DatasetIndex(frame).nearest(MetaFeatures("t", {}), 3) == []
    assert DatasetIndex(frame.iloc[:0]).nearest(MetaFeatures("t", {"x": 1.0}), 3) == []


def test_a_base_notices_what_was_added_and_hides_what_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    kb = KnowledgeBase("memory://nearest/base")
    tasks: tuple[tuple[str, TaskType], ...] = (("a", "binary"), ("b", "regression"))
    for value, (name, task) in enumerate(tasks):
        kb.add_dataset(DatasetRecord(name, name, task, "user"), MetaFeatures(name, {"x": float(value)}))
    target = MetaFeatures("t", {"x": 5.0})

    def ids(base: KnowledgeBase, **options: Any) -> list[str]:
        return [one.dataset_id for one in base.nearest(target, **options)]

    assert ids(kb) == ids(kb) == ["b", "a"]
    assert ids(kb, n=1) == ["b"]
    assert ids(kb.without("b")) == []  # of one dataset nothing varies
    kb.add_dataset(DatasetRecord("c", "c", "binary", "user"), MetaFeatures("c", {"x": 9.0}))
    assert set(ids(kb)) == {"a", "b", "c"}
    assert set(ids(kb, tasks=["binary"])) == {"a", "c"}

    def refuse(*arguments: Any) -> None:
        raise AssertionError("sorted again")

    monkeypatch.setattr(DatasetIndex, "__init__", refuse)
    assert len(ids(kb, tasks=["binary"])) == 2


def test_runs_are_counted_by_what_they_are() -> None:
    kb = KnowledgeBase("memory://nearest/counts")
    for source, rows in (("s", 2), ("t", 1)):
        frame = pd.DataFrame({"value": [0.5] * rows})
        kb.add_runs("a", "demo", frame, metric="m", direction="maximize", source=source)
    counts = kb.count_runs()
    assert dict(zip(counts["source"], counts["n"], strict=True)) == {"s": 2, "t": 1}
    assert kb.without("a").count_runs().empty
    assert list(KnowledgeBase("memory://nearest/none").count_runs()["n"]) == []
