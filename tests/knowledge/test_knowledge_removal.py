"""Taking sources and datasets out of a base."""

from pathlib import Path

import pandas as pd
import pytest

from autometa.errors import KnowledgeBaseError, UnknownNameError
from autometa.knowledge import KnowledgeBase, Source
from autometa.records import DatasetRecord, MetaFeatures


def add(kb: KnowledgeBase, dataset_id: str, count: int, source: str, space: str = "demo") -> None:
    frame = pd.DataFrame({"value": range(count), "depth": range(count)})
    kb.add_runs(dataset_id, space, frame, metric="m", direction="maximize", source=source)


def base(folder: Path) -> KnowledgeBase:
    """Source s: datasets a and b; source t: dataset c. Runs of s on a, of t on b and c."""
    kb = KnowledgeBase(folder)
    kb.add_source(Source("s", "MIT", licence_file="licenses/s.txt"), licence_text="terms")
    kb.add_source(Source("t", "CC0-1.0", licence_file="licenses/t.txt"), licence_text="none")
    for dataset_id, source in (("a", "s"), ("b", "s"), ("c", "t")):
        described = MetaFeatures(dataset_id, {"X": 1.0})
        kb.add_dataset(DatasetRecord(dataset_id, dataset_id, "binary", source), described)
    add(kb, "a", 3, "s")
    add(kb, "b", 2, "t")
    add(kb, "c", 1, "t", space="other")
    return kb


def test_a_source_goes_with_all_that_came_from_it_alone(tmp_path: Path) -> None:
    kb = base(tmp_path)
    report = kb.remove(sources=["s"])
    assert (report.runs, report.datasets, report.sources, report.kept_datasets) == (3, 1, (), ("b",))
    for found in (kb, KnowledgeBase(tmp_path)):
        assert sorted(found.datasets().index) == sorted(found.meta_features().index) == ["b", "c"]
        assert set(found.runs("demo")["dataset_id"]) == {"b"}
        assert found.verify() == ()
    assert kb.remove(sources=["t"]).kept_datasets == ()
    assert kb.remove(sources=["s"]).sources == ("s",)
    info = KnowledgeBase(tmp_path).info()
    assert (info.n_datasets, info.n_meta_features, info.n_runs, info.sources, info.spaces) == (0, 0, 0, (), {})
    assert not list(tmp_path.glob("licenses/*"))


def test_a_dataset_goes_from_every_table_and_space(tmp_path: Path) -> None:
    kb = base(tmp_path)
    add(kb, "a", 2, "t", space="other")
    report = kb.remove(dataset_ids=["a", "c"])
    assert (report.runs, report.datasets, report.sources) == (6, 2, ())
    assert sorted(kb.datasets().index) == ["b"]
    assert kb.spaces() == ["demo"]
    assert {source.name for source in kb.sources()} == {"s", "t"}


def test_a_dataset_that_has_only_runs_can_be_removed(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    add(kb, "stray", 2, "user")
    assert kb.remove(dataset_ids=["stray"]).runs == 2
    assert kb.verify() == ()


def test_what_was_compacted_can_be_removed(tmp_path: Path) -> None:
    kb = base(tmp_path)
    kb.compact()
    kb.remove(dataset_ids=["b"])
    assert set(kb.runs("demo")["dataset_id"]) == {"a"}
    kb.compact()
    assert KnowledgeBase(tmp_path).verify() == ()


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    kb = base(tmp_path)
    with pytest.raises(UnknownNameError, match=r"no source 'x'. It has: s, t"):
        kb.remove(sources=["x"])
    with pytest.raises(UnknownNameError, match="no dataset 'x'"):
        kb.remove(dataset_ids=["x"])
    assert kb.info().n_runs == 6


def test_a_read_only_base_refuses(tmp_path: Path) -> None:
    base(tmp_path)
    with pytest.raises(KnowledgeBaseError, match=r"opened read-only, so nothing can be removed.*without"):
        KnowledgeBase(tmp_path, read_only=True).remove(sources=["s"])


def test_what_ships_cannot_be_removed_but_the_users_own_can() -> None:
    kb = KnowledgeBase.open_default()
    with pytest.raises(KnowledgeBaseError, match=r"'auto-sklearn 0.15.0' lies in .*meta_db, which is read-only"):
        kb.remove(sources=["auto-sklearn 0.15.0"])
    with pytest.raises(KnowledgeBaseError, match=r"dataset 'auto-sklearn/anneal' lies in"):
        kb.remove(dataset_ids=["auto-sklearn/anneal"])
    before = len(kb.runs("tabular"))
    kb.add_runs("mine", "tabular", pd.DataFrame({"value": [0.5]}), metric="f1", direction="maximize", source="user")
    assert kb.remove(sources=["user"]).runs == 1
    assert len(KnowledgeBase.open_default().runs("tabular")) == before
