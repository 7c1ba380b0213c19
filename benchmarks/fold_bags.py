"""The models of the folds kept as a bag, against one model refitted on all rows: which predicts better?

Each table is split 70/30. Every candidate's best configuration of the table, by the knowledge base, is fitted on the
five folds of the 70 %, whose models' predictions are averaged on the 30 %, and once more on the whole 70 %. The figure
is the relative change of the loss (log-loss, or RMSE) from the refitted model to the bag, and from the refitted model
to both together: below 0 the bag is better. The configurations were chosen on the same tables, for both sides alike.

Run ``python benchmarks/fold_bags.py --packages WHEELS``; it takes about 20 minutes, and writes
``docs/benchmarks/fold_bags.md``. The wheels are those of ``meta_db/plans/tabular.yaml``.
"""

import argparse
import warnings
from pathlib import Path

import _report
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from autometa import candidates, config, metrics
from autometa.candidates import CANDIDATES
from autometa.datasets import Dataset, read_dataset
from autometa.ingest import Packages
from autometa.knowledge import RUN_COLUMNS, KnowledgeBase
from autometa.measure import load_plan
from autometa.records import Config, TaskType
from autometa.search import _evaluate as evaluation
from autometa.spaces import load_space

TABLES = (
    "keel/contraceptive",
    "keel/german",
    "keel/vehicle",
    "keel/optdigits",
    "keel/penbased",
    "keel/wdbc",
    "keel/yeast1",
    "r/modeldata/attrition",
    "r/modeldata/concrete",
    "r/ISLR/Wage",
    "r/MASS/Boston",
)
Floats = npt.NDArray[np.float64]
N_FOLDS = 5
MAX_ROWS = 3000


def best_configs(kb: KnowledgeBase, dataset_id: str, task: TaskType, metric: metrics.Metric) -> dict[str, Config]:
    """The best finished configuration of each candidate."""
    space = load_space("tabular").for_task(task)
    runs = kb.runs("tabular", dataset_ids=[dataset_id], metrics=[metric.name])
    runs = runs[runs["status"] == "complete"].assign(loss=lambda rows: rows["value"].map(metric.loss))
    best = runs.sort_values("loss").drop_duplicates("candidate").drop(columns=["loss"])
    settings = best.drop(columns=[name for name in RUN_COLUMNS if name in best]).to_dict("records")
    return {
        str(row["candidate"]): space.from_row({str(name): value for name, value in row.items()}) for row in settings
    }


def losses(dataset: Dataset, settings: Config, metric: metrics.Metric, seed: int) -> tuple[float, float, float]:
    """Loss on held-out rows of the refitted model, of the bag, and of both: the bag counts like the refitted one."""
    y = dataset.y.to_numpy()
    strata = None if dataset.task == "regression" else y
    train, test = train_test_split(np.arange(len(y)), test_size=0.3, random_state=seed, stratify=strata)
    folds = KFold if strata is None else StratifiedKFold
    parts = folds(N_FOLDS, shuffle=True, random_state=seed).split(train, y[train])

    def predict(rows: npt.NDArray[np.int64]) -> Floats:
        pipeline = candidates.build(settings, schema=dataset.schema, seed=seed)
        evaluation.fit(pipeline, dataset, rows, balanced=False)
        return evaluation.predict(pipeline, dataset, test)

    refitted, bag = predict(train), np.mean([predict(train[inside]) for inside, _ in parts], axis=0)
    found = (refitted, bag, (refitted + bag) / 2)
    one, two, three = (metric.loss(metric.score(metrics.stored(p, dataset.task), y[test])) for p in found)
    return one, two, three


def main() -> None:
    """Compare, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True)
    parser.add_argument("--kb", type=Path, default=config.shipped("meta_db"))
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    plan = load_plan(config.shipped("meta_db") / "plans" / "tabular.yaml")
    kb, packages = KnowledgeBase(arguments.kb, read_only=True), Packages(plan.packages, arguments.packages)
    rows = []
    for entry in (one for one in plan.datasets if one.id in TABLES):
        dataset = read_dataset(packages.read(entry.table), target=entry.target, task=entry.task, ignore=entry.ignore)
        if len(dataset.X) > MAX_ROWS:
            dataset = dataset.take(np.random.default_rng(0).choice(len(dataset.X), MAX_ROWS, replace=False))
        metric = metrics.resolve("rmse" if dataset.task == "regression" else "log_loss", dataset.task)
        for name, settings in best_configs(kb, entry.id, dataset.task, metric).items():
            for seed in range(arguments.seeds):
                refitted, bag, both = losses(dataset, settings, metric, seed)
                rows.append((name, entry.id, seed, bag / refitted - 1, both / refitted - 1))
                print(name, entry.id, seed, *(f"{value:+.1%}" for value in rows[-1][3:]), flush=True)
    frame = pd.DataFrame(rows, columns=["candidate", "table", "seed", "bag", "both"])
    lines = []
    for name in [*CANDIDATES.names(), "all"]:
        mine = frame if name == "all" else frame[frame["candidate"] == name]
        by_table = mine.groupby("table")[["bag", "both"]].mean()
        if len(by_table):
            error = by_table.std(ddof=1) / np.sqrt(len(by_table))
            said = [f"{by_table[one].mean():+.1%} ± {error[one]:.1%}" for one in ("bag", "both")]
            better = (by_table["bag"] < 0).sum()
            lines.append([name, f"{len(by_table)}", said[0], f"{better} of {len(by_table)}", said[1]])
    header = ["candidate", "tables", "bag instead of refit", "bag better on", "bag and refit"]
    remarks = f"Relative change of the loss, mean over tables and {arguments.seeds} seeds, with its standard error."
    _report.write("fold_bags", header, lines, "python benchmarks/fold_bags.py --packages WHEELS", remarks)


if __name__ == "__main__":
    main()
