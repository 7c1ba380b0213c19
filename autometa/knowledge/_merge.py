"""Bringing what one base holds into another, in any order and as often as one likes."""

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from autometa.errors import UnknownNameError
from autometa.knowledge._compaction import ordered
from autometa.knowledge._keys import contained, numbered, row_keys
from autometa.knowledge._layer import DATASET_COLUMNS
from autometa.knowledge._manifest import Source
from autometa.knowledge._selection import Selection, in_groups
from autometa.records import DatasetRecord, MetaFeatures

if TYPE_CHECKING:
    from autometa.knowledge._knowledge_base import KnowledgeBase

_ROWS_AT_ONCE = 200_000


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merge added. ``disagreements`` are datasets of which the two bases say different things."""

    datasets: int
    runs: Mapping[str, int]
    sources: int
    disagreements: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``json.dumps``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Choice:
    """A part of a base: these datasets, rows of these sources, runs of these spaces; None takes all.

    A dataset of another source comes along where chosen runs were made on it, and where spaces are chosen, only
    datasets that have runs there.
    """

    dataset_ids: frozenset[str] | None = None
    sources: frozenset[str] | None = None
    spaces: frozenset[str] | None = None

    @classmethod
    def checked(
        cls,
        kb: "KnowledgeBase",
        dataset_ids: Collection[str] | None,
        sources: Collection[str] | None,
        spaces: Collection[str] | None,
    ) -> "Choice":
        """The choice, of names that the base has.

        Raises:
            UnknownNameError: It has no such dataset, source or space.
        """
        counts = kb.count_runs()
        known = {
            "dataset": set(kb.datasets().index) | set(counts["dataset_id"]),
            "source": {source.name for source in kb.sources()} | set(kb.datasets()["source"]) | set(counts["source"]),
            "space": set(kb.spaces()),
        }
        for kind, asked in (("dataset", dataset_ids), ("source", sources), ("space", spaces)):
            for name in asked or ():
                check_known(kind, name, known[kind])
        return cls(*(None if one is None else frozenset(one) for one in (dataset_ids, sources, spaces)))

    @property
    def is_all(self) -> bool:
        """Whether nothing is left out."""
        return self.dataset_ids is self.sources is self.spaces is None

    def selection(self, ids: Collection[str] | None = None) -> Selection:
        """The runs to take, of these datasets."""
        return Selection.of(self.dataset_ids if ids is None else ids, sources=self.sources)

    def runs(self, kb: "KnowledgeBase") -> pd.DataFrame:
        """The counts of `KnowledgeBase.count_runs` that belong to it."""
        counts = kb.count_runs()
        for column, asked in (("dataset_id", self.dataset_ids), ("source", self.sources), ("space", self.spaces)):
            if asked is not None:
                counts = counts[counts[column].isin(list(asked))]
        return counts

    def datasets(self, kb: "KnowledgeBase", runs: pd.DataFrame) -> pd.DataFrame:
        """The rows of `KnowledgeBase.datasets` that belong to it, given its `runs`."""
        datasets, used = kb.datasets(), set(runs["dataset_id"])
        chosen = pd.Series(True, index=datasets.index)
        if self.dataset_ids is not None:
            chosen &= datasets.index.isin(list(self.dataset_ids))
        if self.sources is not None:
            chosen &= datasets["source"].isin(list(self.sources))
        if self.spaces is not None:
            chosen &= False
        return datasets[chosen | datasets.index.isin(list(used))]


EVERYTHING = Choice()


def merge(target: "KnowledgeBase", other: "KnowledgeBase", choice: Choice = EVERYTHING) -> MergeReport:
    """See `KnowledgeBase.merge`."""
    counts = choice.runs(other)
    datasets = choice.datasets(other, counts)
    described = _descriptions(other.meta_features())
    if not choice.is_all:
        described = {key: row for key, row in described.items() if key in datasets.index}
    changed, disagreements = _merge_datasets(target, _records(datasets), described)
    added = {space: sum(_merge_runs(target, other, choice, space, counts)) for space in sorted(set(counts["space"]))}
    used = None if choice.is_all else {*datasets["source"], *counts["source"]}
    sources = sum(_merge_source(target, other, one) for one in other.sources() if used is None or one.name in used)
    return MergeReport(changed, {space: n for space, n in added.items() if n}, sources, disagreements)


def check_known(kind: str, name: str, known: Collection[str]) -> None:
    """See that a base has a thing of that name.

    Raises:
        UnknownNameError: It has none.
    """
    if name not in known:
        import difflib

        near = difflib.get_close_matches(name, sorted(known), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        some = ", ".join(sorted(known)[:10]) or "none"
        more = ", ..." if len(known) > 10 else ""
        raise UnknownNameError(f"The knowledge base has no {kind} {name!r}.{hint} It has: {some}{more}.")


def _merge_runs(
    target: "KnowledgeBase", other: "KnowledgeBase", choice: Choice, space: str, counts: pd.DataFrame
) -> Iterator[int]:
    """Add the runs that the target lacks, some datasets at a time; of equal runs as many as the base that has more."""
    for ids in groups_of(counts, space):
        theirs = other._read(space, choice.selection(ids))
        mine = target._read(space, Selection.of(ids))
        new = theirs.filter(pa.array(~contained(numbered(row_keys(theirs)), [numbered(row_keys(mine))])))
        target._writable.add_runs(space, ordered(new))
        yield new.num_rows


def groups_of(counts: pd.DataFrame, space: str) -> Iterator[list[str]]:
    """Ids of the datasets that have runs of a space, in groups of bounded size; see `KnowledgeBase.count_runs`."""
    rows = counts[counts["space"] == space].groupby("dataset_id")["n"].sum()
    return in_groups({str(one): int(n) for one, n in rows.items()}, _ROWS_AT_ONCE)


def _merge_datasets(
    target: "KnowledgeBase", records: Mapping[str, Mapping[str, Any]], described: Mapping[str, Mapping[str, float]]
) -> tuple[int, tuple[str, ...]]:
    """Add records and descriptions, or what two that disagree come to: how many, and the ids of the latter."""
    mine, known = _records(target.datasets()), _descriptions(target.meta_features())
    new = {key: _joined(mine.get(key, {}), row) for key, row in records.items()}
    told = {key: _joined(known.get(key, {}), row) for key, row in described.items()}
    changed = target.add_datasets(
        [DatasetRecord(key, **row) for key, (row, _) in new.items() if row != mine.get(key)],
        {key: MetaFeatures(key, row) for key, (row, _) in told.items() if row != known.get(key, {})},
    )
    return changed, tuple(sorted({key for joined in (new, told) for key, (_, disagree) in joined.items() if disagree}))


def _joined(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """What two rows come to, and whether they disagree; the same in either order, and when joined again.

    Rows that agree wherever both have a value complete each other. Of two that do not, the one with more values
    stands as it is, of two with equally many the later one in alphabetical order: mixed, they would describe neither.
    """
    shared = {name for name in mine.keys() & theirs.keys() if mine[name] is not None and theirs[name] is not None}
    if all(mine[name] == theirs[name] for name in shared):
        said = {name: value for name, value in [*mine.items(), *theirs.items()] if value is not None}
        return dict.fromkeys([*mine, *theirs]) | said, False
    return dict(theirs if _rank(theirs) > _rank(mine) else mine), True


def _rank(row: Mapping[str, Any]) -> tuple[int, str]:
    return sum(value is not None for value in row.values()), json.dumps(row, sort_keys=True)


def _records(datasets: pd.DataFrame) -> dict[str, dict[str, Any]]:
    rows = datasets[list(DATASET_COLUMNS)].to_dict("index")
    return {
        str(key): {str(name): None if pd.isna(value) else _plain(value) for name, value in row.items()}
        for key, row in rows.items()
    }


def _descriptions(meta_features: pd.DataFrame) -> dict[str, dict[str, float]]:
    return {
        str(key): {str(name): value for name, value in row.items() if not math.isnan(value)}
        for key, row in meta_features.to_dict("index").items()
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str) else int(value)


def _merge_source(target: "KnowledgeBase", other: "KnowledgeBase", theirs: Source) -> bool:
    """Record a source, or the later import of the two; its licence comes along."""
    mine = {source.name: source for source in target.sources()}.get(theirs.name)
    if mine is not None and _age(mine) >= _age(theirs):
        return False
    target.add_source(theirs, licence_text=_licence_text(other, theirs))
    return True


def _age(source: Source) -> tuple[str, str]:
    return source.imported, json.dumps(asdict(source), sort_keys=True)


def _licence_text(kb: "KnowledgeBase", source: Source) -> str:
    for layer, _ in reversed(kb._layers):
        if source.licence_file and layer.store.stamp(source.licence_file) is not None:
            return layer.store.read(source.licence_file).decode()
    return ""
