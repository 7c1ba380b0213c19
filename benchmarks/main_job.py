"""The main job: `autometa tune` on the example tables for a minute, beside default learners on the same folds.

For each seed a fresh ``autometa tune`` process searches; then the default configurations of LightGBM and a random
forest, with the same preparation, are cross-validated on the folds of that search. The wall time is that of the whole
process. "chosen anew" is the honest score: the ensemble is selected for each fold without that fold.

    python benchmarks/main_job.py [--seeds 3] [--time-limit 60] [--table credit-g]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _report import write

ROOT = Path(__file__).resolve().parent.parent
TARGETS = {"credit-g": "class", "penguins": "body_mass_g"}
PEERS = ("lightgbm", "random_forest")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One search and its peers."""

    wall: float
    score: float
    honest: float
    finished: int
    first_ten_from_base: int
    loads_alone: bool
    peers: dict[str, float]


def searched(name: str, seed: int, time_limit: float) -> Outcome:
    """Run one search in a process of its own, and its peers on its folds."""
    from autometa.model import Model

    table = ROOT / "examples" / f"{name}.csv"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "search"
        command = [sys.executable, "-m", "autometa", "tune", str(table), "--target", TARGETS[name], "--no-learn"]
        command += ["--time-limit", str(time_limit), "--seed", str(seed), "--output", str(out)]
        command += ["--mlflow-uri", f"sqlite:///{folder}/mlflow.db"]
        began = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - began
        board = pd.read_csv(out / "leaderboard.csv").sort_values("trial")
        card = Model.load(out).card
        return Outcome(
            wall,
            card["score"],
            card["honest_score"] or card["score"],
            int((board["status"] == "complete").sum()),
            int(board.head(10)["dataset"].notna().sum()),
            loads_alone(out, table),
            {peer: cross_validated(out, peer, card["metric"]) for peer in PEERS},
        )


def loads_alone(out: Path, table: Path) -> bool:
    """Whether a fresh process predicts with the model and imports neither Optuna nor MLflow."""
    code = (
        "import sys, autometa, pandas as pd\n"
        "autometa.load_model(sys.argv[1]).predict(pd.read_csv(sys.argv[2]))\n"
        "sys.exit(bool({'optuna', 'mlflow'} & set(sys.modules)))"
    )
    return subprocess.run([sys.executable, "-c", code, str(out), str(table)]).returncode == 0


def cross_validated(out: Path, candidate: str, metric: str) -> float:
    """The default configuration of a candidate on the folds of a search."""
    from autometa import candidates, metrics
    from autometa.model import raw_predictions
    from autometa.search._evaluate import load
    from autometa.search._splits import Splits
    from autometa.spaces import load_space

    dataset, splits = load(str(out / "work" / "data")), Splits.load(out / "work" / "splits-0.npy")
    config = load_space("tabular", task=dataset.task).project({"candidate": candidate})
    y, resolved, scores = dataset.y.to_numpy(), metrics.resolve(metric, dataset.task), []
    for train, test in splits.pairs:
        pipeline = candidates.build(config, schema=dataset.schema, seed=0)
        pipeline.fit(dataset.X.iloc[train], y[train])
        values = raw_predictions(pipeline, dataset.X.iloc[test], dataset.n_classes)
        scores.append(resolved.score(metrics.stored(values, dataset.task), y[test]))
    return float(np.mean(scores))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--table", choices=sorted(TARGETS), action="append")
    options = parser.parse_args()
    rows = []
    for name in options.table or sorted(TARGETS):
        for seed in range(options.seeds):
            found = searched(name, seed, options.time_limit)
            cells = [name, str(seed), f"{found.wall:.1f}", str(found.finished), f"{found.first_ten_from_base} of 10"]
            cells += ["yes" if found.loads_alone else "NO", f"{found.score:.4f}", f"{found.honest:.4f}"]
            rows.append([*cells, *(f"{found.peers[peer]:.4f}" for peer in PEERS)])
    header = ["table", "seed", "wall s", "finished", "from the base", "loads alone", "score", "chosen anew"]
    command = f"python benchmarks/main_job.py --seeds {options.seeds} --time-limit {options.time_limit:g}"
    allowed = 1.05 * options.time_limit + 5
    remarks = f"Allowed wall time: {allowed:.0f} s. credit-g is scored by ROC AUC, penguins by RMSE, 5 folds."
    write("main_job", [*header, *(f"default {peer}" for peer in PEERS)], rows, command, remarks)


if __name__ == "__main__":
    main()
