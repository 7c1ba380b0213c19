"""The learning curves that a knowledge base has of a space."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from autometa.evidence._gather import _ADVISERS, _fingerprints
from autometa.knowledge import RUN_COLUMNS, KnowledgeBase
from autometa.metrics import Metric
from autometa.records import TaskType
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_CURVES = 5
_NEAR = 2.0
_WHOLE = 1.0 - 1e-9
_ROUNDED = 1e-3  # shares such as 1/27 may have been rounded


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What configurations came to on one dataset, and what was measured of them at less than the full budget.

    Attributes:
        dataset_id: Of the base.
        finals: Loss of each configuration at fidelity 1, smaller is better, shape (n_configs,).
        configs: Position in ``finals`` of each measurement at a lower fidelity, ascending, shape (n,).
        fidelities: Of these measurements, ascending within a configuration, shape (n,).
        losses: Of these measurements, shape (n,).
    """

    dataset_id: str
    finals: Floats
    configs: Ints
    fidelities: Floats
    losses: Floats

    def at(self, fidelity: float) -> tuple[Floats, Floats]:
        """Losses at a fidelity and at fidelity 1, of the configurations that were measured there.

        What was measured at up to half of the fidelity stands for it, never what was measured beyond: a curve must not
        look more telling than it is.
        """
        near = (self.fidelities <= fidelity * (1 + _ROUNDED)) & (self.fidelities * _NEAR >= fidelity * (1 - _ROUNDED))
        rows = np.flatnonzero(near)
        last = rows[np.append(np.diff(self.configs[rows]) > 0, True)] if len(rows) else rows
        return self.losses[last], self.finals[self.configs[last]]


def gather_curves(
    kb: KnowledgeBase, space: SearchSpace, *, metric: Metric, task: TaskType | None
) -> tuple[Curves, ...]:
    """Read the learning curves that may tell how the target's go on.

    A configuration has a curve where it was measured at fidelity 1 and below, on the same dataset by the same source.
    Runs that finished count, and those that were pruned at a lower fidelity. Values at the same fidelity are averaged.

    Args:
        kb: The base, with the target's own dataset hidden.
        space: What is searched; the base files runs under its name.
        metric: What the search optimizes; only its own runs count, as a curve is in its unit.
        task: The target's task type; None where the problem is no table, and all datasets count.

    Returns:
        Curves of each dataset and source that has at least 5 of them, ordered by dataset.
    """
    table = kb.run_table(space.name, metrics=[metric.name])
    partial = table.filter(pc.less(table.column("fidelity"), _WHOLE)).column("dataset_id").unique().to_pylist()
    if not partial:
        return ()
    datasets = kb.datasets()
    strangers = [] if task is None else datasets.index[~datasets["task"].isin(_ADVISERS[task])].tolist()
    runs = kb.runs(space.name, dataset_ids=sorted(set(partial) - set(strangers)), metrics=[metric.name])
    return tuple(_by_split(_measured(runs, metric)))


def _measured(runs: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """One row per dataset, source, configuration and fidelity, with the mean loss."""
    value, fidelity = runs["value"].astype(np.float64), runs["fidelity"].fillna(1.0)
    counts = (runs["status"] == "complete") | ((runs["status"] == "pruned") & (fidelity < _WHOLE))
    counts &= np.isfinite(value) & (runs["direction"] == metric.direction)
    settings = runs[[name for name in runs.columns if name not in RUN_COLUMNS]]
    told = runs[["dataset_id", "source"]].assign(
        config=_fingerprints(settings), fidelity=np.minimum(fidelity, 1.0), loss=metric.loss(1.0) * value
    )
    keys = ["dataset_id", "source", "config", "fidelity"]
    return told[counts].groupby(keys, as_index=False, dropna=False).agg(loss=("loss", "mean"))


def _by_split(measured: pd.DataFrame) -> Iterator[Curves]:
    for (dataset_id, _), rows in measured.groupby(["dataset_id", "source"], dropna=False):
        whole = rows["fidelity"] >= _WHOLE
        finals = rows[whole].set_index("config")["loss"]
        finals = finals[~finals.index.duplicated()]
        below = rows[~whole & rows["config"].isin(finals.index)]
        if below["config"].nunique() < LEAST_CURVES:
            continue
        below = below.assign(at=finals.index.get_indexer(pd.Index(below["config"]))).sort_values(["at", "fidelity"])
        yield Curves(
            str(dataset_id),
            finals.to_numpy(),
            below["at"].to_numpy(dtype=np.int64),
            below["fidelity"].to_numpy(),
            below["loss"].to_numpy(),
        )
