"""What a base knows of its datasets, for people to read."""

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from autometa.errors import UnknownNameError
from autometa.knowledge._columns import RUN_COLUMNS
from autometa.knowledge._manifest import Source
from autometa.records import Config, DatasetRecord, TaskType

if TYPE_CHECKING:
    from autometa.knowledge._knowledge_base import KnowledgeBase

_SIZES = {"rows": "NumberOfInstances", "features": "NumberOfFeatures", "classes": "NumberOfClasses"}


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The runs of a dataset on one space and metric; best and median are of the complete ones, None without any."""

    space: str
    metric: str
    direction: str
    n_runs: int
    n_complete: int
    best: float | None
    median: float | None
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BestRun:
    """One of the best configurations of a space, judged by a metric; ``rank`` counts from 1."""

    space: str
    metric: str
    rank: int
    value: float
    spread: float | None
    source: str
    config: Config


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """All that a base knows of a dataset. ``record`` is None where it has nothing but runs."""

    dataset_id: str
    record: DatasetRecord | None
    source: Source | None
    meta_features: Mapping[str, float]
    runs: tuple[RunSummary, ...]
    best: tuple[BestRun, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``json.dumps``; a meta-feature that is not known is None."""
        features = {name: None if value != value else value for name, value in self.meta_features.items()}
        return {**asdict(self), "meta_features": features}


def list_datasets(
    kb: "KnowledgeBase", *, task: TaskType | None = None, source: str | None = None, search: str | None = None
) -> pd.DataFrame:
    """The datasets of a base with their sizes and how many runs they have, ordered by id.

    Args:
        kb: The base.
        task: Only those of this task type.
        source: Only those whose source's name begins like this, whatever the case.
        search: Only those whose id or name contains this text, whatever the case.

    Returns:
        Index ``dataset_id``; ``name, task, source, openml_id, rows, features, classes, runs, spaces``. Sizes are those
        that were described, NaN where none were.
    """
    datasets = kb.datasets().sort_index()
    ids = pd.Series(datasets.index, index=datasets.index, dtype="str")
    shown = pd.Series(True, index=datasets.index)
    if task is not None:
        shown &= datasets["task"] == task
    if source is not None:
        shown &= datasets["source"].str.casefold().str.startswith(source.casefold())
    if search is not None:
        words = ids + " " + datasets["name"].astype("str")
        shown &= words.str.casefold().str.contains(search.casefold(), regex=False)
    described, counts = kb.meta_features().reindex(datasets.index), kb.count_runs()
    runs = counts.groupby("dataset_id")["n"].sum()
    spaces = counts.groupby("dataset_id")["space"].nunique()
    sizes = {new: described.get(name, pd.Series(dtype=float)).reindex(ids) for new, name in _SIZES.items()}
    counted = {"runs": runs, "spaces": spaces}
    listed = datasets[["name", "task", "source", "openml_id"]].assign(
        **sizes, **{name: one.reindex(datasets.index).fillna(0).astype(int) for name, one in counted.items()}
    )
    return listed[shown]


def find_dataset(kb: "KnowledgeBase", name: str) -> str:
    """The id of the dataset that a person means: an id, an OpenML id such as ``openml:31``, or a name.

    Raises:
        UnknownNameError: There is none, or there are several.
    """
    ids = set(kb.datasets().index)
    if name in ids:
        return name
    found = kb.same_dataset(name=name)
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownNameError(f"{name!r} is the name of several datasets. Give the id of one: {', '.join(found)}.")
    if name in set(kb.count_runs()["dataset_id"]):
        return name
    names = dict(zip(kb.datasets()["name"].astype(str), kb.datasets().index, strict=True))
    near = difflib.get_close_matches(name, [*ids, *names], n=3)
    hint = f" Did you mean {', '.join(repr(names.get(one, one)) for one in near)}?" if near else ""
    raise UnknownNameError(f"The knowledge base has no dataset {name!r}.{hint} 'autometa kb list' shows all.")


def report_dataset(kb: "KnowledgeBase", name: str, *, n_best: int = 3) -> DatasetReport:
    """What a base knows of one dataset.

    Args:
        kb: The base.
        name: As for `find_dataset`.
        n_best: How many of the best configurations of each space and metric. Judged are complete runs at the highest
            fidelity.
    """
    dataset_id = find_dataset(kb, name)
    datasets, described = kb.datasets(), kb.meta_features()
    record = _record(dataset_id, datasets.loc[[dataset_id]].iloc[0]) if dataset_id in datasets.index else None
    features = described[described.index == dataset_id].to_dict("records")
    recorded = {source.name: source for source in kb.sources()}
    summaries, best = [], []
    for space in kb.spaces():
        runs = kb.runs(space, dataset_ids=[dataset_id])
        for _, mine in runs.groupby("metric"):
            summaries.append(_summary(space, mine))
            best += _best(space, mine, n_best)
    return DatasetReport(
        dataset_id=dataset_id,
        record=record,
        source=None if record is None else recorded.get(record.source),
        meta_features={str(quality): float(value) for row in features for quality, value in row.items()},
        runs=tuple(summaries),
        best=tuple(best),
    )


def _record(dataset_id: str, row: pd.Series) -> DatasetRecord:
    openml_id, content_hash = row["openml_id"], row["content_hash"]
    return DatasetRecord(
        dataset_id,
        str(row["name"]),
        row["task"],
        str(row["source"]),
        None if pd.isna(openml_id) else int(openml_id),
        None if pd.isna(content_hash) else str(content_hash),
    )


def _summary(space: str, runs: pd.DataFrame) -> RunSummary:
    direction = str(runs["direction"].iloc[0])
    done = runs[runs["status"] == "complete"]
    values = done.loc[done["fidelity"] == done["fidelity"].max(), "value"]
    best = values.max() if direction == "maximize" else values.min()
    return RunSummary(
        space=space,
        metric=str(runs["metric"].iloc[0]),
        direction=direction,
        n_runs=len(runs),
        n_complete=len(done),
        best=float(best) if len(values) else None,
        median=float(values.median()) if len(values) else None,
        sources=tuple(sorted(set(runs["source"]))),
    )


def _best(space: str, runs: pd.DataFrame, n: int) -> list[BestRun]:
    done = runs[(runs["status"] == "complete") & (runs["fidelity"] == runs["fidelity"].max())]
    upward = len(done) > 0 and done["direction"].iloc[0] == "maximize"
    done = done.sort_values("value", ascending=not upward, kind="stable").head(n)
    settings = done.drop(columns=list(RUN_COLUMNS))
    return [
        BestRun(
            space=space,
            metric=str(row["metric"]),
            rank=rank,
            value=float(row["value"]),
            spread=None if pd.isna(row["spread"]) else float(row["spread"]),
            source=str(row["source"]),
            config={str(name): _plain(value) for name, value in settings.loc[index].items() if not pd.isna(value)},
        )
        for rank, (index, row) in enumerate(done.iterrows(), start=1)
    ]


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
