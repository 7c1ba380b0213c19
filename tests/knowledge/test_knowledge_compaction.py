"""Compaction and removal: what they leave, and that they may die or be watched at any step."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from autometa.errors import KnowledgeBaseError
from autometa.knowledge import KnowledgeBase, _compaction, _files
from autometa.knowledge._compaction import FILE_ROWS, choose
from autometa.knowledge._files import ROWS_OF_ONE, ROWS_PER_GROUP, Footer, Group
from autometa.knowledge._rewriting import RECORD
from autometa.knowledge._store import LocalStore
from autometa.records import DatasetRecord, MetaFeatures

IDS = ("a", "b", "c", "d")
CREATED = pd.Timestamp("2026-11-23", tz="UTC")


class Killed(BaseException):
    """Stands for the death of the process: nothing catches it."""


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 6 rows in groups of 2, so that a small base takes several."""
    monkeypatch.setattr(_compaction, "FILE_ROWS", 6)
    monkeypatch.setattr(_compaction, "_LARGE", 5)
    monkeypatch.setattr(_files, "ROWS_PER_GROUP", 2)
    monkeypatch.setattr(_files, "ROWS_OF_ONE", 4)


def add(kb: KnowledgeBase, dataset_id: str, depths: list[int], *, space: str = "demo", source: str = "user") -> None:
    frame = pd.DataFrame({"value": [float(one) for one in depths], "depth": depths, "created": CREATED})
    kb.add_runs(dataset_id, space, frame, metric="m", direction="maximize", source=source)


def filled(folder: Path) -> KnowledgeBase:
    """Four datasets; three parts with runs of each in one space, and two parts in another."""
    kb = KnowledgeBase(folder)
    for names in (IDS[:2], IDS[2:]):
        described = {name: MetaFeatures(name, {"X": float(IDS.index(name))}) for name in names}
        kb.add_datasets([DatasetRecord(name, name, "binary", "user") for name in names], described)
    for part in range(3):
        frame = pd.DataFrame(
            {"dataset_id": list(IDS), "value": float(part), "depth": range(4), "part": part, "created": CREATED}
        )
        kb.add_run_table("demo", frame.assign(metric="m", direction="maximize", source=["old", "user"] * 2))
    add(kb, "a", [1, 2], space="other")
    add(kb, "b", [3], space="other", source="old")
    return kb


def content(kb: KnowledgeBase, *, without: str | None = None) -> list[list[str]]:
    """Everything that a base shows, in an order of its own."""
    tables = [kb.datasets().reset_index(), kb.meta_features().reset_index()]
    tables += [kb.runs(space) for space in ("demo", "other")]
    kept = [one[one["source"] != without] if without and "source" in one else one for one in tables]
    return [sorted(map(repr, one.astype("str").to_numpy().tolist())) for one in kept]


@contextmanager
def killed_at(step: int) -> Iterator[None]:
    """The process dies just before that write or deletion, which is just after the one before."""
    taken = 0

    def wrapped(original: Callable[..., None]) -> Callable[..., None]:
        def act(self: LocalStore, *arguments: Any) -> None:
            nonlocal taken
            taken += 1
            if taken == step:
                raise Killed
            original(self, *arguments)

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in ("write", "delete"):
            patch.setattr(LocalStore, name, wrapped(getattr(LocalStore, name)))
        yield


def every_death(folder: Path, work: Callable[[KnowledgeBase], object]) -> Iterator[tuple[int, KnowledgeBase]]:
    """A base for each step at which the work can die, in the state in which it was left."""
    filled(folder / "whole")
    for step in range(1, 1000):
        here = folder / str(step)
        shutil.copytree(folder / "whole", here)
        with killed_at(step), suppress(Killed):
            work(KnowledgeBase(here))
            return
        yield step, KnowledgeBase(here)


def test_a_compaction_that_dies_at_any_step_leaves_a_base_that_reads_right(tmp_path: Path, small_files: None) -> None:
    expected = content(filled(tmp_path / "expected"))
    steps = 0
    for step, kb in every_death(tmp_path, KnowledgeBase.compact):
        assert content(kb) == expected, step
        kb.compact()
        assert content(kb) == expected, step
        assert [one for one in kb.verify() if one.rule != "unknown sources"] == [], step
        on_disk = list(Path(kb._writable.url).rglob("*.parquet"))
        assert len(on_disk) == len(kb._writable.data_files()) == 5, step
        steps += 1
    assert steps > 20  # both spaces and both tables


def test_a_removal_that_dies_at_any_step_can_be_called_again(tmp_path: Path, small_files: None) -> None:
    whole = filled(tmp_path / "expected")
    before, expected = content(whole), content(whole, without="old")
    for step, kb in every_death(tmp_path, lambda kb: kb.remove(sources=["old"])):
        for found, most, least in zip(content(kb), before, expected, strict=True):
            assert set(least) <= set(found) <= set(most), step
            assert len(found) == len(set(found)), step
        with suppress(KnowledgeBaseError, ValueError):  # it may have died after the last of it was gone
            kb.remove(sources=["old"])
        assert content(kb) == expected, step


def test_readers_see_every_row_once_between_all_steps(tmp_path: Path, small_files: None) -> None:
    kb = filled(tmp_path)
    expected, reader = content(kb), KnowledgeBase(tmp_path)
    looks = 0

    def watched(original: Callable[..., None]) -> Callable[..., None]:
        def act(self: LocalStore, *arguments: Any) -> None:
            nonlocal looks
            original(self, *arguments)
            assert content(reader) == expected
            assert content(KnowledgeBase(tmp_path, read_only=True)) == expected
            looks += 1

        return act

    with pytest.MonkeyPatch.context() as patch:
        for name in ("write", "delete"):
            patch.setattr(LocalStore, name, watched(getattr(LocalStore, name)))
        kb.compact()
    assert looks > 20


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_whole_compaction_during_a_listing_goes_unnoticed(tmp_path: Path, small_files: None, when: str) -> None:
    """The listing is the oldest that a reader can have: nothing of the compaction, or only what came before it."""
    reader, writer = filled(tmp_path), KnowledgeBase(tmp_path)
    expected = content(reader)
    listed = LocalStore.files
    compacted = False

    def files(self: LocalStore, folder: str) -> list[str]:
        nonlocal compacted
        if compacted or folder != "runs/demo":
            return listed(self, folder)
        compacted = True
        names = listed(self, folder) if when == "after" else []
        writer.compact()
        return names or [name for name in listed(self, folder) if name.endswith(RECORD)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalStore, "files", files)
        assert content(reader) == expected
    assert compacted


def test_counting_and_checking_go_on_while_parts_are_replaced(tmp_path: Path, small_files: None) -> None:
    reader, writer = filled(tmp_path), KnowledgeBase(tmp_path)
    expected = reader.info().n_runs
    listed, compacted = LocalStore.files, False

    def files(self: LocalStore, folder: str) -> list[str]:
        nonlocal compacted
        names = listed(self, folder)
        if not compacted and folder == "runs/demo":
            compacted = True
            add(writer, "a", [7])
            writer.compact()
            writer.compact()
        return names

    for ask in (KnowledgeBase.count_runs, KnowledgeBase.info, KnowledgeBase.verify):
        expected, compacted = expected + 1, False
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LocalStore, "files", files)
            ask(KnowledgeBase(tmp_path))
        assert compacted
        assert reader.info().n_runs == expected


def test_a_part_that_goes_between_listing_and_reading_is_read_where_it_went(tmp_path: Path, small_files: None) -> None:
    reader, writer = filled(tmp_path), KnowledgeBase(tmp_path)
    expected = content(reader)
    parts = reader._writable.runs_of("demo").parts
    listed = parts()
    answers = iter([listed])
    with pytest.MonkeyPatch.context() as patch:
        writer.compact()
        patch.setattr(reader._writable.runs_of("demo"), "parts", lambda: next(answers, None) or parts())
        assert content(reader) == expected


def test_runs_lie_sorted_in_files_and_groups_of_bounded_size(tmp_path: Path, small_files: None) -> None:
    kb = filled(tmp_path)
    kb.compact()
    found = sorted(tmp_path.glob("runs/demo/*.parquet"))
    tables = [pq.read_table(path) for path in found]
    assert [table.num_rows for table in tables] == [6, 6]
    ids = [one for table in tables for one in table.column("dataset_id").to_pylist()]
    assert ids == sorted(ids)
    sizes = [pq.read_metadata(path).row_group(i).num_rows for path in found for i in range(2)]
    assert sizes == [3, 3, 3, 3]  # a dataset of its own may be larger than a group of several
    assert not list(tmp_path.rglob(".*"))


def test_a_query_reads_only_the_groups_that_may_hold_its_datasets(
    tmp_path: Path, small_files: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kb = filled(tmp_path)
    kb.compact()
    read: list[int] = []
    original = pq.ParquetFile.read_row_groups

    def watched(self: Any, groups: list[int], **options: Any) -> Any:
        read.extend(groups)
        return original(self, groups, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_groups", watched)
    assert kb.runs("demo", dataset_ids=["b"])["value"].tolist() == [0.0, 1.0, 2.0]
    assert read == [1]


def test_datasets_of_many_rows_are_split(tmp_path: Path, small_files: None) -> None:
    kb = KnowledgeBase(tmp_path)
    for start in (0, 10):
        add(kb, "a", list(range(start, start + 10)))
    kb.compact()
    assert [pq.read_metadata(path).num_rows for path in sorted(tmp_path.glob("runs/demo/*.parquet"))] == [6, 6, 6, 2]
    assert sorted(kb.runs("demo", dataset_ids=["a"])["depth"]) == list(range(20))


def test_columns_of_mixed_types_come_back_after_a_compaction(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    for value in ("auto", 2, True, 0.5):
        kb.add_runs("a", "demo", pd.DataFrame({"value": [0.0], "h": [value]}), metric="m", direction="maximize")
    kb.compact()
    found = kb.runs("demo")["h"].tolist()
    assert found == ["auto", 2, True, 0.5]
    assert [type(one) for one in found] == [str, int, bool, float]


def test_a_second_compaction_has_nothing_to_do(tmp_path: Path, small_files: None) -> None:
    kb = filled(tmp_path)
    kb.compact()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    kb.compact()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_one_part_stays_as_it_is(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    add(kb, "a", [1, 2])
    (part,) = tmp_path.glob("runs/demo/*")
    kb.compact()
    assert list(tmp_path.glob("runs/demo/*")) == [part]


def footer(n_rows: int, first: str, last: str, size: int = ROWS_PER_GROUP) -> Footer:
    count = max(1, n_rows // size)
    return Footer({}, n_rows, tuple(Group(first if i == 0 else last, last, size) for i in range(count)), None)


def test_large_sorted_files_are_left_alone_while_little_is_added() -> None:
    large = {f"large-{i}": footer(FILE_ROWS, str(i), str(i)) for i in range(9)}
    assert choose(large) == []
    assert choose(large | {"new": footer(100, "0", "9")}) == []
    assert choose(large | {"new": footer(100, "0", "9"), "newer": footer(100, "3", "4")}) == ["new", "newer"]


def test_everything_is_gathered_once_a_quarter_is_new_or_large_files_overlap() -> None:
    large = {f"large-{i}": footer(FILE_ROWS, str(i), str(i)) for i in range(4)}
    new = {f"new-{i}": footer(FILE_ROWS // 8, "0", "9") for i in range(8)}
    assert set(choose(large | new)) == {*large, *new}
    assert choose({f"over-{i}": footer(FILE_ROWS, "0", "9") for i in range(4)}) == []
    assert len(choose({f"over-{i}": footer(FILE_ROWS, "0", "9") for i in range(5)})) == 5


def test_files_that_are_not_sorted_or_have_large_groups_are_gathered() -> None:
    disordered = Footer({}, FILE_ROWS, (Group("b", "c", ROWS_PER_GROUP), Group("a", "b", ROWS_PER_GROUP)), None)
    assert choose({"one": disordered}) == ["one"]
    assert choose({"one": footer(FILE_ROWS, "a", "b", size=ROWS_OF_ONE)}) == ["one"]
    assert choose({"one": footer(2 * FILE_ROWS, "a", "b")}) == ["one"]


def test_a_damaged_record_says_what_to_do(tmp_path: Path) -> None:
    kb = filled(tmp_path)
    kb.compact()
    (tmp_path / "runs" / "demo" / RECORD).write_text("{")
    with pytest.raises(KnowledgeBaseError, match=rf"{RECORD}.*is damaged.*delete it"):
        KnowledgeBase(tmp_path).runs("demo")


def test_compaction_works_where_there_are_no_locks() -> None:
    kb = KnowledgeBase("memory://compaction/plain")
    for _ in range(3):
        add(kb, "a", [1])
    kb.compact()
    assert len(KnowledgeBase("memory://compaction/plain").runs("demo")) == 3
    assert kb.info().n_files == 1


def test_two_that_compact_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autometa.knowledge._store._PATIENCE", 0.05)
    kb = filled(tmp_path)
    with LocalStore(tmp_path).locked("rewriting"), pytest.raises(KnowledgeBaseError, match=r"Another process.*again"):
        kb.compact()
    kb.compact()
    assert kb.verify() == () or {one.rule for one in kb.verify()} == {"unknown sources"}
