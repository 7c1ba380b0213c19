"""What a search costs besides fitting models: seconds per trial, and seconds to the first finished trial.

Each run is a fresh ``autometa tune`` process with one job, so that the time between the ends of two trials, less the
second one's own fit and predict, is everything that autometa adds: asking the study, forking, scoring, writing the
predictions, telling the study. Beside it the same for plain Optuna: the same space, sampler and journal storage, and an
objective that costs nothing.

    python benchmarks/tune_overhead.py [--runs 3] [--trials 25]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import optuna
from _report import write

ROOT = Path(__file__).resolve().parent.parent
TARGET_TRIAL, TARGET_FIRST = 0.15, 4.0


def searched(table: Path, seed: int, trials: int) -> tuple[list[float], float]:
    """Overhead of each trial, and the end of the first one, of one search in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "autometa", "tune", str(table), "--trials", str(trials), "--jobs", "1"]
        command += ["--seed", str(seed), "--output", f"{folder}/search", "--no-learn", "--mlflow-uri"]
        command += [f"sqlite:///{folder}/mlflow.db"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        from autometa.metrics import resolve
        from autometa.search._study import open_study, read_reports

        study = open_study(
            Path(folder) / "search" / "study.journal",
            None,
            name="search",
            direction=resolve(None, "binary").direction,
        )
        reports = read_reports(study)
    ends = [report.ended or 0.0 for report in reports]
    overhead = [
        end - before - report.fit_seconds for before, end, report in zip(ends, ends[1:], reports[1:], strict=False)
    ]
    return overhead, ends[0]


def plain_optuna(seed: int, trials: int) -> list[float]:
    """Seconds per trial of Optuna alone on the same space, with the same sampler and storage."""
    from autometa.search._study import open_study
    from autometa.spaces import load_space

    space = load_space("tabular", task="binary")
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        study = open_study(Path(folder) / "study.journal", None, name="plain", direction="maximize")
        study.sampler = optuna.samplers.TPESampler(multivariate=True, group=True, seed=seed)
        for number in range(trials):
            began = time.perf_counter()
            trial = study.ask()
            space.suggest(trial)
            study.tell(trial, float(number % 7))
            seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--trials", type=int, default=25)
    options = parser.parse_args()
    table = ROOT / "examples" / "credit-g.csv"
    per_trial, first, optuna_alone = [], [], []
    for seed in range(options.runs):
        overhead, end = searched(table, seed, options.trials)
        per_trial.append(float(np.median(overhead)))
        first.append(end)
        optuna_alone.append(float(np.median(plain_optuna(seed, options.trials))))
    rows = [
        ["autometa: median seconds per trial outside fitting", *_spread(per_trial), f"< {TARGET_TRIAL}"],
        ["plain Optuna: median seconds per trial", *_spread(optuna_alone), ""],
        ["autometa: seconds from start to first finished trial", *_spread(first), f"< {TARGET_FIRST}"],
    ]
    command = f"python benchmarks/tune_overhead.py --runs {options.runs} --trials {options.trials}"
    write("tune_overhead", ["what", "median", "least", "most", "target"], rows, command)
    json.dump({"per_trial": per_trial, "first": first, "optuna": optuna_alone}, sys.stdout)
    print()


def _spread(values: list[float]) -> list[str]:
    return [f"{np.median(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}"]


if __name__ == "__main__":
    main()
