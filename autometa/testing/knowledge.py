"""What every knowledge base must do: plain, a view, layered, on any file system.

Each check takes ``make``, which gives a base of its own, empty and writable, at every call. Ids that begin
with ``check-`` are the checks' own; a view may hide any others. An ``AssertionError`` names what is wrong.
"""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from autometa.errors import KnowledgeBaseError
from autometa.knowledge import RUN_COLUMNS, KnowledgeBase
from autometa.records import DatasetRecord, Direction, MetaFeatures

Make = Callable[[], KnowledgeBase]

SPACE = "check_space"
"""A space that autometa does not ship: types of its hyperparameters are inferred."""

A = DatasetRecord("check-a", "First_Table", "binary", "checks", openml_id=7, content_hash="sha256:aa")
B = DatasetRecord("check-b", "second table", "regression", "checks")
QUALITIES = {
    "NumberOfInstances": 100.0,
    "NumberOfFeatures": 4.0,
    "NumberOfNumericFeatures": 4.0,
    "NumberOfCategoricalFeatures": 0.0,
    "NumberOfClasses": 2.0,
    "ClassProbabilityMin": 0.3,
    "ClassProbabilityMax": 0.7,
    "KurtosisMean": math.nan,
}


def describe(dataset_id: str, **changed: float) -> MetaFeatures:
    """Meta-features of a checks' dataset."""
    return MetaFeatures(dataset_id, QUALITIES | changed)


def add_runs(kb: KnowledgeBase, dataset_id: str, rows: list[dict[str, Any]], *, metric: str = "roc_auc") -> None:
    """Add runs from dictionaries; ``rmse`` is minimized, every other metric maximized."""
    direction: Direction = "minimize" if metric == "rmse" else "maximize"
    frame = pd.DataFrame(rows, dtype=object)
    kb.add_runs(dataset_id, SPACE, frame, metric=metric, direction=direction, source="checks")


def fill(kb: KnowledgeBase) -> KnowledgeBase:
    """Two datasets, three runs on one and one on the other."""
    kb.add_dataset(A, describe(A.dataset_id))
    kb.add_dataset(B, describe(B.dataset_id, NumberOfFeatures=9.0))
    add_runs(kb, A.dataset_id, [{"value": 0.7, "depth": 3}, {"value": 0.8, "depth": 4}])
    add_runs(kb, A.dataset_id, [{"value": 0.2, "depth": 5}], metric="rmse")
    add_runs(kb, B.dataset_id, [{"value": 0.5, "depth": 6}], metric="rmse")
    return kb


def check_begins_empty(make: Make) -> None:
    """A new base has tables with their columns and no rows."""
    kb = make()
    assert len(kb.datasets()) == len(kb.meta_features()) == len(kb.runs(SPACE)) == 0
    assert list(kb.datasets().columns) == ["name", "openml_id", "task", "content_hash", "source"]
    assert tuple(kb.runs(SPACE).columns) == RUN_COLUMNS
    assert kb.info().n_runs == 0


def check_gives_back_what_was_added(make: Make) -> None:
    """Datasets, meta-features and runs come back with their values and types."""
    kb = fill(make())
    row = kb.datasets().loc[A.dataset_id]
    assert (row["name"], row["openml_id"], row["task"], row["content_hash"]) == (
        "First_Table",
        7,
        "binary",
        "sha256:aa",
    )
    assert kb.datasets()["openml_id"].isna().tolist() == [False, True]
    described = kb.meta_features().loc[A.dataset_id]
    assert described["NumberOfInstances"] == 100.0
    assert described.isna().sum() == 1
    runs = kb.runs(SPACE)
    assert sorted(runs["depth"]) == [3, 4, 5, 6]
    assert str(runs["depth"].dtype) == "Int64"
    assert sorted(runs["value"]) == [0.2, 0.5, 0.7, 0.8]
    assert set(runs["status"]) == {"complete"}
    assert set(runs["fidelity"]) == {1.0}
    assert set(runs["source"]) == {"checks"}
    assert not runs["projected"].any()
    assert runs["spread"].isna().all()
    assert runs["repeats"].isna().all()
    add_runs(kb, B.dataset_id, [{"value": 0.1, "spread": 0.02, "repeats": 5}, {"value": 0.2}], metric="accuracy")
    sure = kb.runs(SPACE, metrics=["accuracy"]).sort_values("value", ignore_index=True)
    assert (sure["spread"][0], sure["repeats"][0], str(sure["repeats"].dtype)) == (0.02, 5, "Int64")
    assert sure.loc[1, ["spread", "repeats"]].isna().all()
    assert str(runs["created"].dtype) == "datetime64[us, UTC]"


def check_filters_runs(make: Make) -> None:
    """``dataset_ids`` and ``metrics`` leave exactly the rows that fit; an empty filter leaves none."""
    kb = fill(make())
    assert sorted(kb.runs(SPACE, dataset_ids=[A.dataset_id])["depth"]) == [3, 4, 5]
    assert sorted(kb.runs(SPACE, metrics=["rmse"])["depth"]) == [5, 6]
    assert sorted(kb.runs(SPACE, dataset_ids=[A.dataset_id], metrics=["rmse"])["depth"]) == [5]
    assert len(kb.runs(SPACE, dataset_ids=[])) == len(kb.runs(SPACE, metrics=[])) == 0
    assert len(kb.runs("another_space")) == 0


def check_joins_different_columns(make: Make) -> None:
    """A hyperparameter that older runs lack is null there; one of mixed types comes back as it was."""
    kb = make()
    add_runs(kb, A.dataset_id, [{"value": 0.1, "depth": 3, "mode": "auto"}])
    add_runs(kb, A.dataset_id, [{"value": 0.2, "rate": 0.5, "mode": 2}, {"value": 0.3, "rate": None, "mode": True}])
    runs = kb.runs(SPACE).sort_values("value", ignore_index=True)
    assert runs["depth"].isna().tolist() == [False, True, True]
    assert runs["rate"].isna().tolist() == [True, False, True]
    modes = runs["mode"].tolist()
    assert modes == ["auto", 2, True]
    assert [type(mode) for mode in modes] == [str, int, bool]


def check_keeps_every_append(make: Make) -> None:
    """What is added later stands beside what was there, and the newest row of a dataset counts."""
    kb = fill(make())
    add_runs(kb, A.dataset_id, [{"value": 0.9, "depth": 9}])
    assert len(kb.runs(SPACE)) == 5
    kb.compact()
    assert sorted(kb.runs(SPACE)["depth"]) == [3, 4, 5, 6, 9]
    assert list(kb.runs(SPACE, dataset_ids=[A.dataset_id], metrics=["roc_auc"])["depth"]) == [3, 4, 9]
    kb.add_dataset(DatasetRecord(A.dataset_id, "Renamed", "multiclass", "checks"), describe(A.dataset_id, X=1.0))
    assert len(kb.datasets()) == 2
    assert kb.datasets().loc[A.dataset_id, "name"] == "Renamed"
    assert kb.meta_features().loc[A.dataset_id, "X"] == 1.0


def check_adding_again_changes_nothing(make: Make) -> None:
    """A dataset that is known already is not written again; ``only_new`` holds for runs."""
    kb = fill(make())
    before = kb.info()
    kb.add_dataset(A, describe(A.dataset_id))
    rows = kb.runs(SPACE)
    assert kb.add_run_table(SPACE, rows, only_new=True) == 0
    assert kb.info() == before


def check_without_hides_everywhere(make: Make) -> None:
    """A view shows nothing of the hidden dataset, in any method, and the base stays as it is."""
    kb = fill(make())
    twin = describe("target")
    assert kb.twins(twin) == [A.dataset_id]
    view = kb.without(A.dataset_id, "check-unknown")
    assert list(view.datasets().index) == list(view.meta_features().index) == [B.dataset_id]
    assert set(view.runs(SPACE)["dataset_id"]) == {B.dataset_id}
    assert len(view.runs(SPACE, dataset_ids=[A.dataset_id])) == 0
    assert view.same_dataset(name=A.name, openml_id=7, content_hash=A.content_hash) == []
    assert view.twins(twin) == []
    assert view.info().n_datasets == view.info().n_runs == 1
    assert len(kb.without(A.dataset_id).without(B.dataset_id).runs(SPACE)) == 0
    assert kb.info().n_datasets == 2
    assert len(kb.runs(SPACE)) == 4


def check_view_follows_the_base(make: Make) -> None:
    """A view sees what is added after it was made, and what is added to it lands in the base."""
    kb = make()
    view = kb.without(A.dataset_id)
    fill(view)
    assert len(kb.runs(SPACE)) == 4
    assert len(view.runs(SPACE)) == 1


def check_finds_the_same_dataset(make: Make) -> None:
    """By hash with or without its prefix, by OpenML id, by name in any spelling, by its own id."""
    kb = fill(make())
    assert kb.same_dataset() == kb.same_dataset(name="third") == kb.same_dataset(openml_id=8) == []
    assert kb.same_dataset(openml_id=7) == [A.dataset_id]
    for content_hash in ("aa", "sha256:aa"):
        assert kb.same_dataset(content_hash=content_hash) == [A.dataset_id], content_hash
    for name in ("first-table", "FIRST TABLE", "openml:7", A.dataset_id):
        assert kb.same_dataset(name=name) == [A.dataset_id], name
    assert sorted(kb.same_dataset(openml_id=7, name="Second_Table")) == [A.dataset_id, B.dataset_id]


def check_refuses_bad_runs(make: Make) -> None:
    """A broken rule is an error that names it, and nothing is written."""
    kb = make()
    good = {"value": 0.5, "depth": 3}
    bad: list[dict[str, Any]] = [
        {"depth": 3},
        good | {"value": math.nan},
        good | {"value": math.inf},
        good | {"value": "high"},
        good | {"status": "finished"},
        good | {"fidelity": 0.0},
        good | {"fidelity": 1.5},
        good | {"duration": -1.0},
        good | {"spread": -0.1},
        good | {"spread": math.inf},
        good | {"repeats": 0},
        good | {"repeats": 2.5},
        good | {"created": "yesterday"},
        good | {"projected": "yes"},
        good | {"depth": [1, 2]},
        good | {"dataset_id": "another"},
    ]
    for row in bad:
        _refuses(kb, A.dataset_id, SPACE, row, "maximize")
    _refuses(kb, A.dataset_id, SPACE, good, "up")
    _refuses(kb, "", SPACE, good, "maximize")
    _refuses(kb, A.dataset_id, "../up", good, "maximize")
    assert len(kb.runs(SPACE)) == 0
    add_runs(kb, A.dataset_id, [{"value": math.nan, "status": "timeout", "depth": 3}])
    assert kb.runs(SPACE)["status"].tolist() == ["timeout"]


def _refuses(kb: KnowledgeBase, dataset_id: str, space: str, row: dict[str, Any], direction: Any) -> None:
    frame = pd.DataFrame([row], dtype=object)
    try:
        kb.add_runs(dataset_id, space, frame, metric="roc_auc", direction=direction)
    except KnowledgeBaseError:
        return
    raise AssertionError(f"accepted {row!r} with {dataset_id=}, {space=}, {direction=}")


def check_answers_are_copies(make: Make) -> None:
    """Whoever changes a table that was handed out changes nothing in the base."""
    kb = fill(make())
    for table in (kb.datasets, kb.meta_features, lambda: kb.runs(SPACE)):
        before = table().copy(deep=True)
        spoiled = table()
        spoiled.insert(0, "spoiled", 1)
        del spoiled[spoiled.columns[-1]]
        pd.testing.assert_frame_equal(table(), before)


def check_counts_what_it_shows(make: Make) -> None:
    """``info`` agrees with the tables, and is plain enough for JSON."""
    import json

    info = fill(make()).info()
    (source,) = info.sources
    assert (info.n_datasets, info.n_meta_features, info.n_runs, info.spaces) == (2, 2, 4, {SPACE: 4})
    assert (source.name, source.datasets) == ("checks", {"binary": 1, "regression": 1})
    assert (source.runs, source.configurations) == ({"rmse": 2, "roc_auc": 2}, 4)
    assert (source.datasets_with_runs, source.projected_runs) == (2, 0)
    assert json.loads(json.dumps(info.to_json()))["n_runs"] == 4


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_adding_again_changes_nothing,
    check_answers_are_copies,
    check_begins_empty,
    check_counts_what_it_shows,
    check_filters_runs,
    check_finds_the_same_dataset,
    check_gives_back_what_was_added,
    check_joins_different_columns,
    check_keeps_every_append,
    check_refuses_bad_runs,
    check_view_follows_the_base,
    check_without_hides_everywhere,
)
"""Every check, in alphabetical order."""
