"""What a knowledge base knows about a space, in the shape that warm starters and samplers work on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.errors import InvalidConfigError
from autometa.knowledge import RUN_COLUMNS, DatasetIndex, KnowledgeBase
from autometa.metrics import Metric, related
from autometa.records import Config, MetaFeatures, TaskType, TrialStatus
from autometa.spaces import SearchSpace

# More distinct configurations than this are thinned: what they would add is less than the time they take.
MAX_CONFIGS = 4000

# Added to the distance of a dataset whose task type is the target's cousin. About the step from the nearest
# to the fifth nearest dataset of the shipped base: a cousin is preferred only where it is clearly nearer.
OTHER_TASK_PENALTY = 0.05

# Share of the runs that are told apart; the worst quarter counts as equally bad.
_WORST = 0.75

# Runs that were cut off or broke say where not to look; interrupted ones say nothing.
_FAILED: tuple[TrialStatus, ...] = ("timeout", "memory", "crash", "invalid")

_ADVISERS: dict[TaskType, tuple[TaskType, ...]] = {
    "binary": ("binary", "multiclass"),
    "multiclass": ("multiclass", "binary"),
    "regression": ("regression",),
}


@dataclass(frozen=True, slots=True)
class Adviser:
    """A dataset of the base that has runs to learn from.

    ``metric`` is the one its runs are judged by, ``distance`` NaN where its meta-features cannot be compared. ``unit``
    is what a regret of 1 is in the metric's unit; NaN where all runs did equally well.
    """

    dataset_id: str
    name: str
    metric: str
    distance: float
    unit: float = math.nan


@dataclass(frozen=True, slots=True)
class Evidence:
    """The runs of a base on one space, made comparable.

    ``advisers`` are ordered by distance from the target, ``configs`` by key; all are valid and distinct.
    ``runs`` has one row per configuration and dataset: ``adviser`` and ``config`` are positions in the two
    tuples, ``regret`` is 0 for the best of the dataset and 1 for its worst quarter and for runs that failed,
    ``projected`` tells that the run was made just outside the space. Rows are ordered by adviser, then regret, then
    config.
    """

    space: SearchSpace
    metric: Metric
    advisers: tuple[Adviser, ...]
    configs: tuple[Config, ...]
    runs: pd.DataFrame


def judged_by(evidence: Evidence, adviser: Adviser) -> str:
    """The metric that an adviser's runs are judged by, and why it is another one than was asked for."""
    if adviser.metric == evidence.metric.name:
        return adviser.metric
    return f"{adviser.metric} (no run there has {evidence.metric.name})"


def gather(
    kb: KnowledgeBase,
    space: SearchSpace,
    target: MetaFeatures,
    *,
    metric: Metric,
    task: TaskType | None,
    max_configs: int = MAX_CONFIGS,
) -> Evidence:
    """Read the runs that may advise the target.

    Of each dataset the runs of its highest fidelity count: those that finished with a finite value, and those that
    failed there. Values that came from different sources were measured on different splits, so regret is taken within
    a source. A dataset of which the base has runs but no record advises whatever its metric fits.

    Args:
        kb: The base, with the target's own dataset hidden.
        space: What is searched; the base files runs under its name, and configurations are brought into it.
        target: What the new dataset looks like; may be empty.
        metric: What the search optimizes.
        task: The target's task type; None where the problem is no table, and all datasets advise.
        max_configs: More distinct configurations than this are thinned.
    """
    datasets = kb.datasets()
    strangers = () if task is None else datasets.index[~datasets["task"].isin(_ADVISERS[task])]
    names = related(metric, task)
    runs = kb.without(*strangers).runs(space.name, metrics=names)
    runs, settings = _thin(_comparable(runs, names), max_configs)
    runs, configs = _represent(runs, settings, space)
    advisers = _advisers(runs, datasets, kb.meta_features(), target, task)
    position = {adviser.dataset_id: i for i, adviser in enumerate(advisers)}
    runs, units = _regrets(runs.assign(adviser=runs["dataset_id"].map(position).astype(np.int64)))
    advisers = tuple(replace(one, unit=units.get(i, math.nan)) for i, one in enumerate(advisers))
    return Evidence(space, metric, advisers, configs, runs)


def _comparable(runs: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Runs of each dataset's most wanted metric and highest fidelity, with a ``loss``: infinite where one failed."""
    value = runs["value"].astype(np.float64)
    finished = (runs["status"] == "complete") & np.isfinite(value)
    kept = finished | runs["status"].isin(_FAILED)
    wanted = runs["metric"].map({name: -i for i, name in enumerate(metrics)})
    for score in (wanted, runs["fidelity"].fillna(1.0)):
        best = score.where(finished & kept).groupby(runs["dataset_id"]).transform("max")
        kept &= score == best
    loss = value.where(runs["direction"] == "minimize", -value).where(finished, np.inf)
    return runs.assign(loss=loss)[kept]


def _thin(runs: pd.DataFrame, max_configs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number the distinct configurations in ``raw``; keep ``max_configs`` of them, and all runs of those.

    Every dataset has the same quota: half for its best runs, half spread evenly over the others, since an
    estimate of regret must know the bad regions too. A base in which every dataset has the same
    configurations stays as dense as it was. How many runs of its dataset and source a run stands for is in ``weight``.

    Returns:
        The runs without their hyperparameters, and the hyperparameters indexed by ``raw``.
    """
    settings = runs[[name for name in runs.columns if name not in (*RUN_COLUMNS, "loss")]]
    raw = _fingerprints(settings)
    runs = runs[["dataset_id", "metric", "source", "projected", "loss"]].assign(raw=raw, weight=1.0)
    if runs["raw"].nunique() > max_configs:
        splits = runs.groupby(["dataset_id", "source"], dropna=False)
        runs = runs.assign(rank=splits["loss"].rank(method="first"), split=splits.ngroup())
        runs = runs[runs["raw"].isin(_representative(runs, max_configs))].sort_values(["split", "rank"])
        runs["weight"] = runs.groupby("split")["rank"].diff().fillna(runs["rank"])
    settings = settings.set_axis(raw)
    return runs, settings[settings.index.isin(runs["raw"]) & ~settings.index.duplicated()]


def _representative(runs: pd.DataFrame, max_configs: int) -> pd.Series:
    """The ``raw`` of each dataset's quota of runs."""
    runs = runs.sort_values(["dataset_id", "loss", "raw"], ignore_index=True)
    quota = max(2, max_configs // runs["dataset_id"].nunique())
    groups = runs.groupby("dataset_id", sort=True).indices.values()
    return runs["raw"].iloc[np.concatenate([group[_spread(len(group), quota)] for group in groups])]


def _fingerprints(values: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """One number per row, equal for equal rows."""
    if values.empty:
        return np.zeros(len(values), dtype=np.uint64)
    return np.asarray(pd.util.hash_pandas_object(values, index=False), dtype=np.uint64)


def _spread(count: int, quota: int) -> npt.NDArray[np.int64]:
    """Up to ``quota`` positions of a ranked list: the first half of them in a row, the rest evenly."""
    if count <= quota:
        return np.arange(count)
    best = quota // 2
    others = np.linspace(best, count - 1, quota - best).round().astype(np.int64)
    return np.concatenate([np.arange(best), others])


def _represent(
    runs: pd.DataFrame, settings: pd.DataFrame, space: SearchSpace
) -> tuple[pd.DataFrame, tuple[Config, ...]]:
    """Bring each distinct configuration into the space; runs of those that cannot be brought are left out.

    Returns:
        The runs with ``config``, a position in the second value, and ``projected``; the configurations,
        ordered by key.
    """
    represented = zip(settings.index.tolist(), _brought(_given(settings), space), strict=True)
    found = {raw: one for raw, one in represented if one is not None}
    keys = {raw: space.key(config) for raw, (config, _) in found.items()}
    configs = {keys[raw]: config for raw, (config, _) in found.items()}
    position = {key: i for i, key in enumerate(sorted(configs))}
    runs = runs[runs["raw"].isin(found)]
    runs = runs.assign(
        config=runs["raw"].map({raw: position[key] for raw, key in keys.items()}).astype(np.int64),
        projected=runs["projected"] | runs["raw"].map({raw: moved for raw, (_, moved) in found.items()}).astype(bool),
    )
    return runs, tuple(configs[key] for key in position)


def _given(settings: pd.DataFrame) -> list[Config]:
    """The hyperparameters of each row that are not null."""
    configs: list[Config] = [{} for _ in range(len(settings))]
    for name, column in settings.items():
        values = column.tolist()
        for i in np.flatnonzero(column.notna()):
            configs[i][str(name)] = values[i]
    return configs


def _brought(rows: list[Config], space: SearchSpace) -> list[tuple[Config, bool] | None]:
    """The nearest configuration of the space to each row, and whether it differs; None where there is none.

    A base stores an inactive hyperparameter and the choice None alike, as null, and has no column where all is
    null, so None is offered for every hyperparameter that has this choice. Where a value that others depend
    on would change, what is left of the configuration means nothing: there is no nearest.
    """
    nulls: Config = {one.name: None for one in space.hyperparameters if None in one.choices}
    parents = {condition.parent for one in space.hyperparameters for condition in one.when}
    return [_bring(row, space, nulls, parents) for row in rows]


def _bring(given: Config, space: SearchSpace, nulls: Config, parents: set[str]) -> tuple[Config, bool] | None:
    """See `_brought`."""
    row = space.from_row(nulls | given)
    try:
        config, changes = space.project_with_changes(row)
    except InvalidConfigError:
        return None
    if changes and any(row[name] != config.get(name) for name in parents & row.keys()):
        return None
    return config, bool(changes) or not given.keys() <= config.keys()


def _regrets(runs: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, float]]:
    """One row per adviser and configuration, with its regret, in the order of `Evidence.runs`; each adviser's unit.

    Regret is the loss above the best, in units of the distance from the best to the upper quartile, and no more
    than 1. The worst would be the wrong unit: a log loss or a squared error has no upper end, and one run
    that failed to learn would make all others look equally good. The median makes too much of what lies between good
    configurations: on HPOBench's eight tables, leaving one out, the first suggestion then has twice the regret.
    """
    runs = runs.assign(split=runs.groupby(["adviser", "source"], dropna=False).ngroup())
    runs = runs.iloc[np.lexsort((runs["loss"], runs["config"], runs["split"]))]
    means = runs.groupby(["split", "config"], as_index=False, sort=False).agg(
        adviser=("adviser", "first"), loss=("loss", "mean"), projected=("projected", "all"), weight=("weight", "max")
    )
    finished = means[np.isfinite(means["loss"])].sort_values(["split", "loss"])
    best = finished.groupby("split")["loss"].first()
    above = means["loss"] - means["split"].map(best)
    quartiles = {split: _upper_quartile(rows) for split, rows in finished.groupby("split")}
    unit = means["split"].map(pd.Series(quartiles, dtype=np.float64) - best)
    regret = np.minimum(1.0, above / unit.where(unit > 0, above))
    means["regret"] = np.where(np.isinf(means["loss"]), 1.0, np.where(above > 0, regret, 0.0))
    runs = means.groupby(["adviser", "config"], as_index=False).agg(
        regret=("regret", "mean"), projected=("projected", "all")
    )
    units = unit.where(unit > 0).groupby(means["adviser"]).mean().dropna()
    found = {int(adviser): float(value) for adviser, value in zip(units.index, units, strict=True)}
    return runs.sort_values(["adviser", "regret", "config"], ignore_index=True), found


def _upper_quartile(runs: pd.DataFrame) -> float:
    """The loss that three quarters of the runs do not exceed; ``runs`` are ordered by it."""
    below = runs["weight"].cumsum().to_numpy() - 1.0
    last = np.searchsorted(below, _WORST * below[-1] + 1e-9, side="right") - 1
    return float(runs["loss"].iloc[max(0, last)])


def _advisers(
    runs: pd.DataFrame,
    datasets: pd.DataFrame,
    meta_features: pd.DataFrame,
    target: MetaFeatures,
    task: TaskType | None,
) -> tuple[Adviser, ...]:
    """The datasets that have runs, nearest first."""
    metrics = runs.drop_duplicates("dataset_id").set_index("dataset_id")["metric"].sort_index()
    datasets = datasets.reindex(metrics.index)
    names = datasets["name"].where(datasets["name"].notna(), metrics.index)
    distances = DatasetIndex(meta_features.reindex(metrics.index)).distances(target)
    cousin = datasets["task"].notna() & (datasets["task"] != task) & (task is not None)
    distances = distances + np.where(cousin, OTHER_TASK_PENALTY, 0.0)
    table = zip(metrics.index, names, metrics, distances, strict=True)
    advisers = [Adviser(str(i), str(name), str(metric), float(far)) for i, name, metric, far in table]
    return tuple(sorted(advisers, key=lambda a: (math.isnan(a.distance), a.distance, a.dataset_id)))
