"""Are limits kept? Searches of 12 tables from 100 x 4 to 200,000 x 60, of 15, 60 and 120 seconds, with 1 and 2 jobs.

Each search is `autometa tune` in a process of its own, timed from its start to its exit. A search of N seconds may take
N plus 5 % plus 5 seconds, reading and refit included, and a trial no more memory than its limit. Results are kept in a
file as they come, and a second call goes on where the first one stopped.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _report
import numpy as np
import pandas as pd

MEMORY_MB = 3000
JOBS = (1, 2)
LIMITS = (15, 60, 120)


@dataclass(frozen=True, slots=True)
class Table:
    """A table to make: its name, its size, its task (0 classes = regression), its categorical columns."""

    rows: int
    columns: int
    classes: int = 2
    words: int = 0

    @property
    def name(self) -> str:
        """Such as ``200000x60-binary``."""
        task = {0: "regression", 2: "binary"}.get(self.classes, f"{self.classes} classes")
        return f"{self.rows} x {self.columns}, {task}" + (f", {self.words} of words" if self.words else "")


TABLES = (
    Table(100, 4),
    Table(500, 10, 3),
    Table(1000, 20, 2, 10),
    Table(1000, 1500),
    Table(5000, 20, 0),
    Table(10_000, 30, 10),
    Table(20_000, 20, 0, 8),
    Table(50_000, 40, 2, 10),
    Table(100_000, 20, 30),
    Table(100_000, 100, 0),
    Table(200_000, 60),
    Table(200_000, 60, 0, 20),
)


def make(table: Table, path: Path) -> None:
    """Write a table with a learnable target and some missing values."""
    rng = np.random.default_rng(table.rows + table.columns)
    X = rng.normal(size=(table.rows, table.columns))
    latent = X[:, :4] @ np.array([1.0, -1.0, 0.5, 0.5]) + X[:, 0] * X[:, 1] + rng.normal(0, 1, table.rows)
    frame = pd.DataFrame(X.round(4), columns=[f"c{i}" for i in range(table.columns)])
    for column in range(table.words):
        levels = 4 if column % 3 else 200
        codes = np.clip((X[:, column] + 3) / 6 * levels, 0, levels - 1).astype(int)
        frame[f"c{column}"] = np.array([f"word{k}" for k in range(levels)])[codes]
    frame = frame.mask(rng.random(frame.shape) < 0.01)
    if table.classes:
        cuts = np.quantile(latent, np.linspace(0, 1, table.classes + 1)[1:-1])
        frame["target"] = np.array([f"k{k}" for k in range(table.classes)])[np.digitize(latent, cuts)]
    else:
        frame["target"] = latent.round(5)
    frame.to_csv(path, index=False)


def tree_megabytes(root: int) -> float:
    """Memory of a process and all its descendants; shared pages count once."""
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        try:
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except (OSError, ValueError):
            continue
    return total / 1024


def run(table: Table, path: Path, limit: int, jobs: int, out: Path) -> dict[str, Any]:
    """One search: how long it took, what memory it used, what came out."""
    began = time.monotonic()
    command = [sys.executable, "-m", "autometa", "tune", str(path), "--target", "target", "--time-limit", str(limit)]
    command += [
        "--jobs",
        str(jobs),
        "--memory-limit",
        str(MEMORY_MB),
        "--no-mlflow",
        "--no-learn",
        "--output",
        str(out),
    ]
    peak = 0.0
    with open(out.with_suffix(".txt"), "w") as printed:
        search = subprocess.Popen(command, stdout=printed, stderr=subprocess.STDOUT)
        while search.poll() is None:
            peak = max(peak, tree_megabytes(search.pid))
            time.sleep(0.3)
    wall = time.monotonic() - began
    found: dict[str, Any] = {"table": table.name, "limit": limit, "jobs": jobs, "wall": wall, "exit": search.returncode}
    found["tree_mb"] = peak
    board = pd.read_csv(out / "leaderboard.csv") if (out / "leaderboard.csv").is_file() else pd.DataFrame()
    if len(board):
        found["finished"] = int((board["status"] == "complete").sum())
        found["cut"] = int(board["status"].isin(["timeout", "memory", "crash"]).sum())
        found["trial_mb"] = float(board["peak_memory_mb"].max())
    card = out / "model" / "card.json"
    if card.is_file():
        facts = json.loads(card.read_text())
        found |= {"score": facts["score"], "metric": facts["metric"], "rows": facts["rows"], "splits": facts["splits"]}
    return found


def plan(limits: tuple[int, ...], jobs: tuple[int, ...]) -> Iterator[tuple[Table, int, int]]:
    """Every combination, the short ones first."""
    yield from ((table, limit, n_jobs) for limit in limits for n_jobs in jobs for table in TABLES)


def row(r: dict[str, Any]) -> list[str]:
    """One run as cells."""
    over, allowed = r["wall"] - r["limit"], 0.05 * r["limit"] + 5
    score = f"{r['metric']} {r['score']:.4g}" if "score" in r else f"none (exit {r['exit']})"
    sizes = [f"{r.get('rows', 0):,}", f"{r.get('trial_mb', 0):.0f}", f"{r['tree_mb']:.0f}"]
    cells = [r["table"], f"{r['limit']} s", str(r["jobs"]), f"{r['wall']:.1f} s", f"{over:+.1f} s", f"{allowed:.1f} s"]
    return [*cells, str(r.get("finished", 0)), str(r.get("cut", 0)), r.get("splits", ""), *sizes, score]


def verdict(results: list[dict[str, Any]]) -> str:
    """How many were late, how many have no model."""
    excess = [r["wall"] - 1.05 * r["limit"] - 5 for r in results]
    late, without = sum(e > 0 for e in excess), sum("score" not in r for r in results)
    return (
        f"{len(results)} searches: {late} ended later than N + 5 % + 5 s (the nearest to it: {max(excess):+.1f} s), "
        f"{without} ended without a model. Each trial was limited to {MEMORY_MB} MB beyond its libraries. "
        "`rows`: what the model has learned from. `cut`: trials that a limit ended. `trial MB`: the largest resident "
        "size of a trial's process, libraries included; `all MB`: the whole search's memory at its peak, shared pages "
        "counted once."
    )


HEADER = (
    *(
        "table",
        "limit",
        "jobs",
        "wall",
        "over",
        "allowed",
        "trials",
        "cut",
        "splits",
        "rows",
        "trial MB",
        "all MB",
        "score",
    ),
)


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path(tempfile.gettempdir()) / "autometa-limits.jsonl")
    parser.add_argument("--limits", type=int, nargs="+", default=LIMITS)
    parser.add_argument("--jobs", type=int, nargs="+", default=JOBS)
    parser.add_argument("--only-report", action="store_true")
    arguments = parser.parse_args()
    arguments.results.touch()
    done = [json.loads(line) for line in arguments.results.read_text().splitlines()]
    known = {(r["table"], r["limit"], r["jobs"]) for r in done}
    with tempfile.TemporaryDirectory() as folder:
        for table, limit, jobs in plan(tuple(arguments.limits), tuple(arguments.jobs)):
            if arguments.only_report or (table.name, limit, jobs) in known:
                continue
            path = Path(folder) / f"table-{TABLES.index(table)}.csv"
            if not path.is_file():
                make(table, path)
            found = run(table, path, limit, jobs, Path(folder) / f"{TABLES.index(table)}-{limit}-{jobs}")
            done.append(found)
            with open(arguments.results, "a") as file:
                file.write(json.dumps(found) + "\n")
            print(f"{table.name}, {limit} s, {jobs} jobs: {found['wall']:.1f} s, exit {found['exit']}", flush=True)
    order = {table.name: place for place, table in enumerate(TABLES)}
    done.sort(key=lambda r: (order[r["table"]], r["limit"], r["jobs"]))
    _report.write("limits", HEADER, [row(r) for r in done], "python benchmarks/limits.py", verdict(done))


if __name__ == "__main__":
    main()
