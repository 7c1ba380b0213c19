"""Taking rows out of a base."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._parts import RunFolder
from autometa.knowledge._rewriting import Seal, exchange
from autometa.knowledge._selection import Selection

if TYPE_CHECKING:
    from autometa.knowledge._knowledge_base import KnowledgeBase


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """What was removed. ``kept_datasets`` are those of a removed source on which other sources have runs."""

    runs: int
    datasets: int
    sources: tuple[str, ...]
    kept_datasets: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``json.dumps``."""
        return asdict(self)


def remove(kb: "KnowledgeBase", *, sources: Collection[str], dataset_ids: Collection[str]) -> RemovalReport:
    """See `KnowledgeBase.remove`.

    Runs go first and the manifest's entries last, so that a second call ends what an interrupted one began.
    """
    from autometa.knowledge._merge import check_known

    layer = kb._writable
    alone = kb._of(((layer, frozenset()),))
    _refuse_elsewhere(kb, alone, sources=sources, dataset_ids=dataset_ids)
    counts, datasets = alone.count_runs(), alone.datasets()
    recorded = {source.name for source in alone.sources()}
    for name in sources:
        check_known("source", name, recorded | set(datasets["source"]) | set(counts["source"]))
    for name in dataset_ids:
        check_known("dataset", name, set(datasets.index) | set(counts["dataset_id"]) | set(alone.meta_features().index))
    runs = 0
    for space in layer.spaces():
        for selection in (Selection.of(sources=sources), Selection.of(dataset_ids)):
            runs += layer.remove_runs(space, selection)
    mine = datasets.index[datasets["source"].isin(list(sources))]
    kept = sorted(set(mine) & set(alone.count_runs()["dataset_id"]) - set(dataset_ids))
    removed = layer.remove_datasets({*mine, *dataset_ids} - set(kept))
    gone = sorted(set(sources) - set(datasets.loc[kept, "source"]))
    layer.remove_sources(gone)
    return RemovalReport(runs, removed, tuple(gone), tuple(kept))


def remove_rows(folder: RunFolder, selection: Selection, seal: Seal) -> int:
    """Replace the parts that hold runs of the selection by parts that do not; how many rows went."""
    parts = folder.parts()
    held = {part: folder.read_parts([part], selection, ["dataset_id"]).num_rows for part in parts}
    touched = [part for part in parts if held[part]]
    if touched:
        kept = _without(folder, touched, selection)
        exchange(folder.store, folder.path, touched, kept, at_most=len(touched), seal=seal)
    return sum(held.values())


def _without(folder: RunFolder, parts: list[str], selection: Selection) -> Iterator[pa.Table]:
    for part in parts:
        rest = folder.read_parts([part]).filter(~selection.expression())
        if rest.num_rows:
            yield rest


def _refuse_elsewhere(
    kb: "KnowledgeBase", alone: "KnowledgeBase", *, sources: Collection[str], dataset_ids: Collection[str]
) -> None:
    """See that what is to go lies where something can be removed.

    Raises:
        KnowledgeBaseError: It lies in a layer below, or the base is read-only.
    """
    layer = kb._writable
    if layer.read_only:
        raise KnowledgeBaseError(
            f"The knowledge base {layer.url} was opened read-only, so nothing can be removed from it. "
            "KnowledgeBase.without hides datasets for one search."
        )
    here = {"source": _names(alone), "dataset": set(alone.datasets().index)}
    below = kb._of(kb._layers[:-1])
    for kind, asked in (("source", sources), ("dataset", dataset_ids)):
        for name in set(asked) - here[kind]:
            if below._layers and name in (_names(below) if kind == "source" else set(below.datasets().index)):
                urls = ", ".join(one.url for one, _ in below._layers)
                raise KnowledgeBaseError(
                    f"The {kind} {name!r} lies in {urls}, which is read-only here; {layer.url}, from which could be "
                    "removed, has none of it. To remove from a base of your own, name it: --kb PATH."
                )


def _names(kb: "KnowledgeBase") -> set[str]:
    return {source.name for source in kb.sources()} | set(kb.datasets()["source"]) | set(kb.count_runs()["source"])
