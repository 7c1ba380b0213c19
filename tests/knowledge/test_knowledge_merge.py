"""Merging and exporting: in any order, as often as one likes, and a part of it."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autometa.errors import KnowledgeBaseError, UnknownNameError
from autometa.knowledge import KnowledgeBase, Source
from autometa.knowledge._store import LocalStore
from autometa.records import DatasetRecord, MetaFeatures

CREATED = pd.Timestamp("2026-11-23", tz="UTC")


def record(dataset_id: str, name: str = "table", source: str = "s", **known: Any) -> DatasetRecord:
    return DatasetRecord(dataset_id, name, "binary", source, **known)


def add(kb: KnowledgeBase, dataset_id: str, depths: list[Any], *, space: str = "demo", source: str = "s") -> None:
    frame = pd.DataFrame({"value": range(len(depths)), "depth": depths, "created": CREATED})
    kb.add_runs(dataset_id, space, frame, metric="m", direction="maximize", source=source)


def first(folder: Path) -> KnowledgeBase:
    kb = KnowledgeBase(folder)
    kb.add_source(Source("s", "MIT", imported="2026-01-01", licence_file="licenses/s.txt"), licence_text="the terms")
    kb.add_datasets([record("a"), record("b")], {"a": MetaFeatures("a", {"X": 1.0, "Y": 2.0})})
    add(kb, "a", [1, 2, 2])
    return kb


def second(folder: Path) -> KnowledgeBase:
    kb = KnowledgeBase(folder)
    kb.add_source(Source("s", "MIT", imported="2026-02-02"))
    kb.add_source(Source("t", "CC0-1.0", imported="2026-02-02"))
    kb.add_datasets([record("a", openml_id=3), record("c", source="t")], {"a": MetaFeatures("a", {"Y": 2.0, "Z": 3.0})})
    add(kb, "a", [1.0, 2.5])
    add(kb, "c", [True, "auto"], source="t")
    add(kb, "c", [7], space="other", source="t")
    return kb


def content(kb: KnowledgeBase) -> list[Any]:
    """Everything but when, from where and how long."""
    runs = {space: kb.runs(space).drop(columns=["created", "source", "duration"]) for space in kb.spaces()}
    for frame in runs.values():
        if "depth" in frame:
            frame["depth"] = [float(one) if type(one) is int else one for one in frame["depth"].tolist()]
    described = kb.meta_features()
    tables = [kb.datasets().reset_index(), described[sorted(described.columns)].reset_index(), *runs.values()]
    return [sorted(map(repr, one.astype("str").to_numpy().tolist())) for one in tables] + [
        sorted(runs),
        sorted(map(repr, kb.sources())),
    ]


def test_the_order_of_merging_makes_no_difference(tmp_path: Path) -> None:
    forth, back = KnowledgeBase(tmp_path / "forth"), KnowledgeBase(tmp_path / "back")
    for target, order in ((forth, (first, second)), (back, (second, first))):
        for i, make in enumerate(order):
            target.merge(make(tmp_path / f"{target!r}-{i}".replace("/", "_")))
    assert content(forth) == content(back)
    assert forth.datasets().loc["a", "openml_id"] == 3
    assert forth.meta_features().loc["a"].to_dict() == {"X": 1.0, "Y": 2.0, "Z": 3.0}
    assert len(forth.runs("demo", dataset_ids=["a"])) == 4
    assert {one.name: one.imported for one in forth.sources()} == {"s": "2026-02-02", "t": "2026-02-02"}


def test_merging_again_changes_nothing(tmp_path: Path) -> None:
    kb, other = first(tmp_path / "a"), second(tmp_path / "b")
    report = kb.merge(other)
    assert (report.datasets, report.runs, report.sources) == (2, {"demo": 3, "other": 1}, 2)
    assert report.disagreements == ()
    before, files = content(kb), sorted((tmp_path / "a").rglob("*"))
    again = kb.merge(other)
    assert (again.datasets, again.runs, again.sources) == (0, {}, 0)
    assert sorted((tmp_path / "a").rglob("*")) == files
    assert other.merge(kb).runs == {"demo": 2}
    kb.merge(other)
    assert content(kb) == before == content(other)
    assert kb.verify() == other.verify() == ()


def test_a_base_merged_with_itself_stays_as_it_is(tmp_path: Path) -> None:
    kb = second(tmp_path)
    assert kb.merge(KnowledgeBase(tmp_path)).runs == {}


def test_runs_that_are_there_several_times_stay_as_many(tmp_path: Path) -> None:
    kb, other = KnowledgeBase(tmp_path / "a"), KnowledgeBase(tmp_path / "b")
    for base, times in ((kb, 3), (other, 2)):
        for _ in range(times):
            add(base, "a", [1])
    assert (kb.merge(other).runs, other.merge(kb).runs) == ({}, {"demo": 1})
    assert len(kb.runs("demo")) == len(other.runs("demo")) == 3


def test_of_rows_that_disagree_one_stands_whole(tmp_path: Path) -> None:
    merged = []
    for order in ((0, 1), (1, 0)):
        bases = [KnowledgeBase(tmp_path / f"{order}-{i}") for i in range(2)]
        bases[0].add_dataset(record("a", "one"), MetaFeatures("a", {"X": 1.0, "Y": 1.0}))
        bases[1].add_dataset(record("a", "two", content_hash="h"), MetaFeatures("a", {"X": 2.0}))
        report = bases[order[0]].merge(bases[order[1]])
        assert report.disagreements == ("a",)
        merged.append(content(bases[order[0]]))
        kb = bases[order[0]]
    assert merged[0] == merged[1]
    assert (kb.datasets().loc["a", "name"], kb.datasets().loc["a", "content_hash"]) == ("two", "h")
    assert kb.meta_features().loc["a"].to_dict() == {"X": 1.0, "Y": 1.0}


def test_what_is_hidden_is_not_merged_and_what_hides_it_is_no_gap(tmp_path: Path) -> None:
    kb, other = first(tmp_path / "a"), second(tmp_path / "b")
    kb.without("a").merge(other.without("c"))
    assert sorted(kb.datasets().index) == ["a", "b"]
    assert len(kb.runs("demo")) == 4


def test_licences_come_along(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "b")
    kb.merge(first(tmp_path / "a"))
    assert (tmp_path / "b" / "licenses" / "s.txt").read_text() == "the terms"


def test_a_merge_that_dies_at_any_step_can_be_called_again(tmp_path: Path) -> None:
    other = second(tmp_path / "other")
    expected_kb = first(tmp_path / "expected")
    expected_kb.merge(other)
    expected, written = content(expected_kb), LocalStore.write
    for step in range(1, 100):
        kb = first(tmp_path / str(step))
        left = step

        def write(self: LocalStore, name: str, data: bytes) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            written(self, name, data)

        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(LocalStore, "write", write)
            kb.merge(other)
            break
        KnowledgeBase(tmp_path / str(step)).merge(other)
        assert content(KnowledgeBase(tmp_path / str(step))) == expected, step
    assert step > 4


def test_a_read_only_base_takes_nothing(tmp_path: Path) -> None:
    first(tmp_path / "a")
    with pytest.raises(KnowledgeBaseError, match="opened read-only"):
        KnowledgeBase(tmp_path / "a", read_only=True).merge(second(tmp_path / "b"))


def test_an_export_of_everything_is_a_copy(tmp_path: Path) -> None:
    kb = first(tmp_path / "a")
    kb.merge(second(tmp_path / "b"))
    kb.export(tmp_path / "copy")
    copy = KnowledgeBase(tmp_path / "copy", read_only=True)
    assert content(copy) == content(kb)
    assert copy.verify() == ()
    assert copy.info().n_files == 4
    assert not list(tmp_path.glob(".*"))


def test_an_export_takes_what_is_chosen_and_what_that_needs(tmp_path: Path) -> None:
    kb = first(tmp_path / "a")
    kb.merge(second(tmp_path / "b"))
    add(kb, "b", [5], source="t")
    shapes = {}
    for name, chosen in {
        "dataset": {"dataset_ids": ["a"]},
        "source": {"sources": ["t"]},
        "space": {"spaces": ["other"]},
        "both": {"dataset_ids": ["c"], "spaces": ["demo"]},
    }.items():
        kb.export(tmp_path / name, **chosen)  # type: ignore[arg-type]
        found = KnowledgeBase(tmp_path / name)
        runs = {space: len(found.runs(space)) for space in found.spaces()}
        shapes[name] = sorted(found.datasets().index), runs, [one.name for one in found.sources()]
        assert found.verify() == ()
    assert shapes == {
        "dataset": (["a"], {"demo": 4}, ["s"]),
        "source": (["b", "c"], {"demo": 3, "other": 1}, ["s", "t"]),
        "space": (["c"], {"other": 1}, ["t"]),
        "both": (["c"], {"demo": 2}, ["t"]),
    }


def test_unknown_names_are_refused_with_the_nearest(tmp_path: Path) -> None:
    kb = first(tmp_path / "a")
    with pytest.raises(UnknownNameError, match=r"no space 'demi'. Did you mean 'demo'"):
        kb.export(tmp_path / "b", spaces=["demi"])
    with pytest.raises(UnknownNameError, match=r"no dataset 'zz'. It has: a, b"):
        kb.export(tmp_path / "b", dataset_ids=["zz"])
    assert not (tmp_path / "b").exists()


def test_an_export_over_something_is_refused(tmp_path: Path) -> None:
    kb = first(tmp_path / "a")
    kb.export(tmp_path / "b")
    for csv_ in (False, True):
        with pytest.raises(KnowledgeBaseError, match=r"is not empty.*use merge"):
            kb.export(tmp_path / "b", csv=csv_)


def test_an_export_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kb = first(tmp_path / "a")
    (next((tmp_path / "a").glob("runs/demo/*"))).write_bytes(b"damaged")
    with pytest.raises(KnowledgeBaseError, match="cannot be read"):
        KnowledgeBase(tmp_path / "a").export(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(kb.datasets()) == 2


def test_csv_files_hold_what_the_base_does(tmp_path: Path) -> None:
    kb = second(tmp_path / "b")
    kb.add_dataset(record("=1+1", "=evil()"))
    kb.export(tmp_path / "out", csv=True)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"datasets.csv", "meta_features.csv", "sources.csv", "runs_demo.csv", "runs_other.csv"}
    runs = rows(tmp_path / "out" / "runs_demo.csv")
    assert len(runs) == 4
    assert {row["depth"] for row in runs} == {"1.0", "2.5", "True", "auto"}
    assert {row["name"] for row in rows(tmp_path / "out" / "datasets.csv")} == {"table", "'=evil()"}
    assert rows(tmp_path / "out" / "sources.csv")[0]["licence"] == "MIT"


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))
