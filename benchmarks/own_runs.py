"""What the shipped base's own measurements are worth: best configurations, defaults, and leave-one-dataset-out regret.

Every dataset of the source is hidden in turn, with all that is the same table under another name, and with the
configurations that were first tried on it and then on others. The warm starters see the other datasets' own runs, of
those configurations that were measured on the hidden dataset too, so that what they choose can be looked up; another is
passed over. Random search draws from the configurations that were drawn at random for the dataset.

Normalized regret is (loss - best) / (worst - best), of all that was measured on the dataset. Beside it stands a
stricter one, (loss - best) / (median of the random ones - best) and at most 1, where 1 is what every other random
configuration reaches: it tells good ones apart, and on small tables much of that is the luck of the folds. A
configuration that was cut off has regret 1.

Run ``python benchmarks/own_runs.py``; it takes about five minutes, and writes ``docs/benchmarks/own_runs.md``.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _report
import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa import config
from autometa.knowledge import RUN_COLUMNS, KnowledgeBase
from autometa.measure import Plan, load_plan
from autometa.measure._configurations import independent
from autometa.metrics import resolve
from autometa.records import DatasetRecord, MetaFeatures, TaskType
from autometa.spaces import SearchSpace, load_space
from autometa.warmstart import WARM_STARTERS

COUNTS = (1, 5, 10, 25)
UNITS = ("worst", "median")
DRAWS = 500
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Measured:
    """One dataset: regrets by configuration key, which keys were drawn at random, and which were first tried on it."""

    dataset_id: str
    task: TaskType
    runs: pd.DataFrame
    regret: Mapping[str, Floats]
    random: Sequence[str]
    own: frozenset[str]
    best: float
    best_candidate: str
    defaults: Mapping[str, float]


def read(kb: KnowledgeBase, plan: Plan, space: SearchSpace) -> list[Measured]:
    """All datasets of the plan that the base has runs of, by the task's default metric."""
    runs = kb.runs(plan.space)
    runs = runs[runs["source"] == plan.name].copy()
    settings = runs.drop(columns=list(RUN_COLUMNS)).to_dict("records")
    runs["key"] = [space.key(space.from_row({str(k): v for k, v in row.items()})) for row in settings]
    homes = runs.loc[runs.groupby("key")["created"].transform("min") == runs["created"], ["key", "dataset_id"]]
    found = []
    for dataset_id, task in [(str(key), task) for key, task in kb.datasets()["task"].items()]:
        metric = resolve(None, task)
        mine = runs[(runs["dataset_id"] == dataset_id) & (runs["metric"] == metric.name)].drop_duplicates("key")
        if mine.empty:
            continue
        mine = mine.assign(loss=mine["value"].map(metric.loss))
        stages = {
            stage: [space.key(one) for one in independent(plan, stage, dataset_id, task)]
            for stage in ("defaults", "shared", "own")
        }
        loss = dict(zip(mine["key"], mine["loss"], strict=True))
        random = [key for key in dict.fromkeys([*stages["shared"], *stages["own"]]) if key in loss]
        best, tops = mine["loss"].min(), (mine["loss"].max(), np.nanmedian([loss[key] for key in random]))
        regret = {key: np.array([regret_of(value, best, top) for top in tops]) for key, value in loss.items()}
        row = mine.iloc[int(np.nanargmin(mine["loss"]))]
        at_defaults = mine[mine["key"].isin(stages["defaults"])]
        defaults = dict(zip(at_defaults["candidate"], at_defaults["value"], strict=True))
        common = {*stages["defaults"], *stages["shared"]}
        own = frozenset(homes.loc[homes["dataset_id"] == dataset_id, "key"]) - common
        found.append(Measured(dataset_id, task, mine, regret, random, own, row["value"], row["candidate"], defaults))
    return found


def regret_of(loss: float, best: float, top: float) -> float:
    """Between 0 and 1; a cut-off run has 1, and where all are alike nothing is to be regretted."""
    if np.isnan(loss):
        return 1.0
    return 0.0 if loss <= best else float(min(1.0, (loss - best) / max(top - best, 1e-12)))


def random_search(one: Measured, rng: np.random.Generator) -> Floats:
    """Mean regrets of the best of the first so many random configurations, over many orders; (len(COUNTS), 2)."""
    values = np.array([one.regret[key] for key in one.random])
    orders = np.array([rng.permutation(values)[: max(COUNTS)] for _ in range(DRAWS)])
    best = np.minimum.accumulate(orders, axis=1).mean(axis=0)
    return np.array([best[min(n, len(best)) - 1] for n in COUNTS])


def warm_start(name: str, one: Measured, kb: KnowledgeBase, target: MetaFeatures, space: SearchSpace) -> Floats:
    """Regrets of the best of the first so many suggestions that were measured on the dataset; (len(COUNTS), 2)."""
    metric = resolve(None, one.task)
    narrowed = space.for_task(one.task)
    found = WARM_STARTERS.create(name).suggest(target, kb, narrowed, max(COUNTS), metric=metric, task=one.task, seed=0)
    known = [one.regret[key] for key in (space.key(s.config) for s in found) if key in one.regret]
    best = np.minimum.accumulate(known if known else [np.ones(len(UNITS))], axis=0)
    return np.array([best[min(n, len(best)) - 1] for n in COUNTS])


def base_without(one: Measured, everything: Sequence[Measured], kb: KnowledgeBase, folder: Path) -> KnowledgeBase:
    """A base of the other datasets' own runs, without what they owe to this one."""
    made = KnowledgeBase(folder)
    datasets, described = kb.datasets(), kb.meta_features()
    row = datasets.loc[one.dataset_id]
    openml_id: int | None = None if pd.isna(row["openml_id"]) else int(row["openml_id"])
    named = kb.same_dataset(openml_id=openml_id, name=str(row["name"]))
    same = {one.dataset_id, *named, *kb.twins(description(described, one.dataset_id))}
    others = [other for other in everything if other.dataset_id not in same]
    records = [
        DatasetRecord(other.dataset_id, str(datasets.loc[other.dataset_id, "name"]), other.task, "own")
        for other in others
    ]
    made.add_datasets(records, {r.dataset_id: description(described, r.dataset_id) for r in records})
    known = one.regret.keys() - one.own
    runs = pd.concat([other.runs[other.runs["key"].isin(known)] for other in others])
    made.add_run_table("tabular", runs.drop(columns=["key", "loss"]).reset_index(drop=True))
    return made


def description(described: pd.DataFrame, dataset_id: str) -> MetaFeatures:
    """One row of the base's meta-features."""
    row = described.loc[[dataset_id]].to_dict("records")[0]
    return MetaFeatures(dataset_id, {str(name): float(value) for name, value in row.items()})


def mean_and_error(values: Floats) -> str:
    """Mean and its standard error."""
    return f"{values.mean():.4f} ± {values.std(ddof=1) / np.sqrt(len(values)):.4f}"


def regrets(measured: Sequence[Measured], kb: KnowledgeBase, space: SearchSpace, names: Sequence[str]) -> Any:
    """Regrets by strategy, shape (n_datasets, len(COUNTS), len(UNITS)) each."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Floats]] = {name: [] for name in ("random search", *names)}
    described = kb.meta_features()
    for number, one in enumerate(measured, 1):
        target = description(described, one.dataset_id)
        found["random search"].append(random_search(one, rng))
        with tempfile.TemporaryDirectory() as folder:
            others = base_without(one, measured, kb, Path(folder) / "kb")
            for name in names:
                found[name].append(warm_start(name, one, others, target, space))
        print(f"{number} of {len(measured)}: {one.dataset_id}", flush=True)
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    """Compare, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kb", type=Path, default=config.shipped("meta_db"))
    parser.add_argument("--plan", type=Path, default=config.shipped("meta_db") / "plans" / "tabular.yaml")
    arguments = parser.parse_args()
    plan, space = load_plan(arguments.plan), load_space("tabular")
    kb = KnowledgeBase(arguments.kb, read_only=True)
    measured = read(kb, plan, space)
    names = WARM_STARTERS.names()
    found = regrets(measured, kb, space, names)
    trials = [f"{n} trial{'s' if n > 1 else ''}" for n in COUNTS]
    header = ["strategy", *trials, *(f"{one}, of the median" for one in trials)]
    rows = [
        [name, *(mean_and_error(values[:, j, u]) for u in (0, 1) for j in range(4))] for name, values in found.items()
    ]
    compared = []
    for name in ("portfolio", "similar_portfolio"):
        ahead = found[name][:, 1] - found["random search"][:, 3]
        by_unit = " and ".join(
            f"{mean_and_error(ahead[:, u])} (lower on {(ahead[:, u] < 0).sum()} datasets)" for u in (0, 1)
        )
        compared.append(f"{name} at 5 trials less random search at 25, in both units: {by_unit}.")
    wins = Counter(one.best_candidate for one in measured)
    told = ", ".join(f"{name} {count}" for name, count in wins.most_common())
    candidates = sorted({name for one in measured for name in one.defaults})
    lines = [f"Best candidate of {len(measured)} datasets: {told}."]
    lines += ["", f"| dataset | metric | best | by | {' | '.join(candidates)} |", "|" + "---|" * (4 + len(candidates))]
    for one in measured:
        values = [f"{one.defaults[name]:.4g}" if name in one.defaults else "" for name in candidates]
        cells = [one.dataset_id, resolve(None, one.task).name, f"{one.best:.4g}", one.best_candidate, *values]
        lines.append("| " + " | ".join(cells) + " |")
    remarks = (
        f"Mean normalized regret over {len(measured)} datasets, and its standard error. Each dataset was left out with "
        "its twins. The last four columns have the regret in units of the median random configuration's.\n\n"
        + " ".join(compared)
        + "\n\nBelow: the best configuration of each dataset against the default of every candidate.\n\n"
    )
    _report.write("own_runs", header, rows, "python benchmarks/own_runs.py", remarks + "\n".join(lines))
    print(json.dumps({name: values.mean(axis=0).T.round(4).tolist() for name, values in found.items()}))


if __name__ == "__main__":
    main()
