"""How near the first suggestions come to what was best on a dataset that was left out.

Each dataset of the shipped base is hidden in turn, the warm starters are asked for suggestions, and these are
compared with the hidden dataset's own best configuration: how often its candidate is among the first n, and
how far the nearest of the first n lies from it. Random configurations of the space, and configurations of
other datasets in random order, stand beside.

This says whether the base's knowledge is passed on. It says nothing of scores: a configuration far from the
best one may do as well, and the base holds one configuration for most datasets, which is noisy itself.
The width of the portfolio's kernel was chosen on these tables, from a plateau, so its rows flatter it a little.

Run ``python benchmarks/warmstart_coverage.py``; it takes about three minutes, and writes
``docs/benchmarks/warmstart_coverage.md``.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric, resolve
from autometa.records import TASK_TYPES, Config, MetaFeatures, TaskType
from autometa.spaces import SearchSpace, load_space
from autometa.warmstart import WARM_STARTERS

COUNTS = (1, 5, 10)
Floats = npt.NDArray[np.float64]
Suggest = Callable[["Left"], Sequence[Config]]


@dataclass(frozen=True, slots=True)
class Left:
    """A dataset that is left out, and the base without it and without its twins."""

    target: MetaFeatures
    best: Config
    kb: KnowledgeBase
    others: tuple[Config, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One task type with its default metric."""

    task: TaskType
    metric: Metric
    space: SearchSpace


def leave_one_out(setting: Setting, kb: KnowledgeBase) -> list[Left]:
    """Every dataset of the task type that has a best configuration for the metric."""
    datasets = kb.datasets()
    datasets = datasets[datasets["task"] == setting.task]
    meta_features = kb.meta_features()
    runs = kb.runs(setting.space.name, dataset_ids=list(datasets.index), metrics=[setting.metric.name])
    runs = runs.assign(loss=runs["value"].map(setting.metric.loss)).sort_values(["dataset_id", "loss"])
    runs = runs.drop_duplicates("dataset_id").set_index("dataset_id")
    best = {
        str(i): setting.space.project(setting.space.from_row({str(k): v for k, v in row.items()}))
        for i, row in zip(runs.index, runs.to_dict("records"), strict=True)
    }
    left = []
    for dataset_id, config in best.items():
        (described,) = meta_features.loc[[dataset_id]].to_dict("records")
        values = {str(k): float(v) for k, v in described.items()}
        target = MetaFeatures(dataset_id, values)
        hidden = {dataset_id, *kb.twins(target)}
        others = tuple(one for other, one in best.items() if other not in hidden)
        left.append(Left(target, config, kb.without(*hidden), others))
    return left


def strategies(setting: Setting, seed: int) -> dict[str, Suggest]:
    """What is compared, by name."""
    rng = np.random.default_rng(seed)

    def draws(left: Left) -> list[Config]:
        return [setting.space.sample(rng) for _ in range(max(COUNTS))]

    def shuffled(left: Left) -> list[Config]:
        return [left.others[i] for i in rng.permutation(len(left.others))[: max(COUNTS)]]

    return {
        "random draws of the space": draws,
        "random datasets' best": shuffled,
        **{name: starter(name, setting, seed) for name in WARM_STARTERS.names()},
    }


def starter(name: str, setting: Setting, seed: int) -> Suggest:
    """A warm starter of the registry."""

    def suggest(left: Left) -> list[Config]:
        found = WARM_STARTERS.create(name).suggest(
            left.target,
            left.kb,
            setting.space,
            max(COUNTS),
            metric=setting.metric,
            task=setting.task,
            seed=seed,
        )
        return [suggestion.config for suggestion in found]

    return suggest


def distance(space: SearchSpace, config: Config, others: Sequence[Config]) -> Floats:
    """Euclidean distances in encoded space; active on one side only counts a whole range."""
    encoded = space.encode([config, *others])
    one, rest = encoded[0], encoded[1:]
    gaps = np.where(np.isnan(one) & np.isnan(rest), 0.0, np.nan_to_num(np.abs(one - rest), nan=1.0))
    distances: Floats = np.sqrt((gaps**2).sum(axis=1))
    return distances


def measure(setting: Setting, left: Sequence[Left], suggest: Suggest) -> tuple[Floats, Floats, float]:
    """Whether the candidate was met, and the smallest distance; shape (n_datasets, len(COUNTS)) each.

    The third is the median number of seconds per call.
    """
    met, near, seconds = [], [], []
    for one in left:
        begun = time.perf_counter()
        configs = suggest(one)
        seconds.append(time.perf_counter() - begun)
        same = np.array([config["candidate"] == one.best["candidate"] for config in configs])
        far = distance(setting.space, one.best, configs)
        met.append([float(same[:n].any()) for n in COUNTS])
        near.append([far[:n].min() for n in COUNTS])
    return np.array(met), np.array(near), float(np.median(seconds))


def cells(values: Floats) -> str:
    """Mean and standard error of each column."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return " | ".join(f"{mean:.2f} ± {spread:.2f}" for mean, spread in zip(values.mean(axis=0), error, strict=True))


def table(setting: Setting, kb: KnowledgeBase, seed: int) -> str:
    """The comparison on one task type, as Markdown."""
    left = leave_one_out(setting, kb)
    heads = [f"candidate met, n={n}" for n in COUNTS] + [f"distance, n={n}" for n in COUNTS] + ["seconds"]
    lines = [
        f"## {setting.task}, {setting.metric.name}, {len(left)} datasets",
        "",
        "| | " + " | ".join(heads) + " |",
        "|---|" + "---|" * len(heads),
    ]
    for name, suggest in strategies(setting, seed).items():
        met, near, seconds = measure(setting, left, suggest)
        lines.append(f"| {name} | {cells(met)} | {cells(near)} | {seconds:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the random draws")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks/warmstart_coverage.md"))
    options = parser.parse_args()
    kb = KnowledgeBase.open_default(overlay=False)
    parts = ["# Warm start: what the first suggestions cover", "", *(__doc__ or "").splitlines()[2:], ""]
    parts += ["Mean ± standard error over the datasets left out.", ""]
    for task in TASK_TYPES:
        setting = Setting(task, resolve(None, task), load_space("tabular", task=task))
        part = table(setting, kb, options.seed)
        print(part, end="\n\n", flush=True)
        parts += [part, ""]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
