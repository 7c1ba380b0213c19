"""Every kind of knowledge base x every check; and a liar that each check must reject."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autometa.errors import KnowledgeBaseError
from autometa.knowledge import KnowledgeBase, KnowledgeBaseInfo
from autometa.records import DatasetRecord, MetaFeatures
from autometa.testing import knowledge as checks

_numbers = itertools.count()


def plain(folder: Path) -> KnowledgeBase:
    return KnowledgeBase(folder / str(next(_numbers)))


def view(folder: Path) -> KnowledgeBase:
    return plain(folder).without("hidden", "also-hidden")


def layered(folder: Path) -> KnowledgeBase:
    below = plain(folder)
    below.compact()
    return KnowledgeBase.layered([KnowledgeBase(below.info().paths[0], read_only=True), plain(folder)])


def remote(folder: Path) -> KnowledgeBase:
    return KnowledgeBase(f"memory://{folder.name}/{next(_numbers)}")


def layered_remote(folder: Path) -> KnowledgeBase:
    return KnowledgeBase.layered([plain(folder), remote(folder)])


KINDS = (plain, view, layered, remote, layered_remote)
MATRIX = [
    pytest.param(kind, check, id=f"{kind.__name__}-{check.__name__}") for kind in KINDS for check in checks.CHECKS
]


@pytest.mark.parametrize(("kind", "check"), MATRIX)
def test_knowledge_base_keeps_its_promises(
    kind: Callable[[Path], KnowledgeBase], check: Callable[[checks.Make], None], tmp_path: Path
) -> None:
    check(lambda: kind(tmp_path))


class AddsAgain(KnowledgeBase):
    def add_datasets(self, records: Any, meta_features: Any = None) -> int:
        self._writable.add_datasets(records)
        return len(records)


class HandsOutItsOwn(KnowledgeBase):
    def datasets(self) -> pd.DataFrame:
        if not hasattr(self, "_own"):
            self._own = super().datasets()
        return self._own


class BeginsWithADataset(KnowledgeBase):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.add_dataset(DatasetRecord("surprise", "surprise", "binary", "user"))


class Miscounts(KnowledgeBase):
    def info(self) -> KnowledgeBaseInfo:
        hidden = self.datasets().index[:1]
        return KnowledgeBase.info(self.without(*hidden))


class IgnoresMetrics(KnowledgeBase):
    def runs(
        self, space: str, *, dataset_ids: Iterable[str] | None = None, metrics: Iterable[str] | None = None
    ) -> pd.DataFrame:
        return super().runs(space, dataset_ids=dataset_ids)


class ComparesNamesLetterByLetter(KnowledgeBase):
    def same_dataset(
        self, *, content_hash: str | None = None, openml_id: int | None = None, name: str | None = None
    ) -> list[str]:
        if name is not None and name not in set(self.datasets()["name"]):
            name = None
        return super().same_dataset(content_hash=content_hash, openml_id=openml_id, name=name)


class TurnsWholeNumbersIntoFloats(KnowledgeBase):
    def runs(self, space: str, **filters: Any) -> pd.DataFrame:
        runs = super().runs(space, **filters)
        return runs.astype({name: "float64" for name, dtype in runs.dtypes.items() if str(dtype) == "Int64"})


class StoresMixedTypesAsText(KnowledgeBase):
    def runs(self, space: str, **filters: Any) -> pd.DataFrame:
        runs = super().runs(space, **filters)
        return runs.assign(mode=runs["mode"].map(str)) if "mode" in runs else runs


class KeepsTheFirstRow(KnowledgeBase):
    def add_dataset(self, record: DatasetRecord, meta_features: MetaFeatures | None = None) -> None:
        if record.dataset_id not in self.datasets().index:
            super().add_dataset(record, meta_features)


class AcceptsAnything(KnowledgeBase):
    def add_run_table(self, space: str, frame: pd.DataFrame, *, only_new: bool = False) -> int:
        try:
            return super().add_run_table(space, frame, only_new=only_new)
        except KnowledgeBaseError:
            return 0


class CopiesWhenHiding(KnowledgeBase):
    def without(self, *dataset_ids: str) -> KnowledgeBase:
        hidden = super().without(*dataset_ids)
        now = hidden.runs(checks.SPACE)
        hidden.runs = lambda space, **filters: now  # type: ignore[method-assign]
        return hidden


class HidesRunsOnly(KnowledgeBase):
    def without(self, *dataset_ids: str) -> KnowledgeBase:
        hidden, shown = super().without(*dataset_ids), self.meta_features
        hidden.meta_features = shown  # type: ignore[method-assign]
        return hidden


LIARS: dict[Callable[[checks.Make], None], type[KnowledgeBase]] = {
    checks.check_adding_again_changes_nothing: AddsAgain,
    checks.check_answers_are_copies: HandsOutItsOwn,
    checks.check_begins_empty: BeginsWithADataset,
    checks.check_counts_what_it_shows: Miscounts,
    checks.check_filters_runs: IgnoresMetrics,
    checks.check_finds_the_same_dataset: ComparesNamesLetterByLetter,
    checks.check_gives_back_what_was_added: TurnsWholeNumbersIntoFloats,
    checks.check_joins_different_columns: StoresMixedTypesAsText,
    checks.check_keeps_every_append: KeepsTheFirstRow,
    checks.check_refuses_bad_runs: AcceptsAnything,
    checks.check_view_follows_the_base: CopiesWhenHiding,
    checks.check_without_hides_everywhere: HidesRunsOnly,
}


@pytest.mark.parametrize("check", [pytest.param(check, id=check.__name__) for check in checks.CHECKS])
def test_check_rejects_its_liar(check: Callable[[checks.Make], None], tmp_path: Path) -> None:
    liar = LIARS[check]
    with pytest.raises(AssertionError):
        check(lambda: liar(tmp_path / str(next(_numbers))))


def test_every_check_is_run() -> None:
    written = {value for name, value in vars(checks).items() if name.startswith("check_")}
    assert written == set(checks.CHECKS) == set(LIARS)
