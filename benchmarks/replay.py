"""Are searches reproducible? Five searches replayed trial for trial, and searches repeated elsewhere.

Two of the five have a trial budget, three a time limit; one has weights and groups, one two jobs. Then one search with
a trial budget is repeated in another working directory with another hash seed.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import _report
import numpy as np
import optuna
import pandas as pd
from optuna.storages.journal import JournalFileBackend

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
CREDIT, PENGUINS = EXAMPLES / "credit-g.csv", EXAMPLES / "penguins.csv"


def autometa(*words: str, cwd: Path, hash_seed: str = "0") -> str:
    """Run a command; give what it printed."""
    environment = {**os.environ, "AUTOMETA_HOME": str(cwd / "home"), "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-m", "autometa", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def roles(folder: Path) -> Path:
    """Credit-g with groups and weights."""
    frame = pd.read_csv(CREDIT)
    rng = np.random.default_rng(0)
    path = folder / "roles.csv"
    frame.assign(branch=rng.integers(0, 30, len(frame)), counts=rng.uniform(0.5, 2, len(frame)).round(2)).to_csv(
        path, index=False
    )
    return path


def journal(folder: Path) -> list[tuple[Any, ...]]:
    """Configuration, value and state of every trial."""
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    study = optuna.load_study(
        study_name=json.loads((folder / "search.json").read_text())["study_name"], storage=storage
    )
    return [(trial.params, trial.value, trial.state.name) for trial in study.trials]


def main() -> None:
    """Search, replay, repeat; write the table."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = str(roles(folder))
        common = ["--no-mlflow", "--no-learn", "--seed", "3"]
        searches = {
            "credit-g, 15 trials": [str(CREDIT), "--target", "class", "--trials", "15", "--jobs", "1"],
            "penguins, 15 trials": [str(PENGUINS), "--target", "body_mass_g", "--trials", "15", "--jobs", "1"],
            "credit-g, 40 s": [str(CREDIT), "--target", "class", "--time-limit", "40", "--jobs", "1"],
            "penguins, 40 s, 2 jobs": [str(PENGUINS), "--target", "body_mass_g", "--time-limit", "40", "--jobs", "2"],
            "credit-g, groups and weights, 40 s": [
                *(
                    table,
                    "--target",
                    "class",
                    "--group",
                    "branch",
                    "--weight",
                    "counts",
                    "--time-limit",
                    "40",
                    "--jobs",
                    "1",
                )
            ],
        }
        for number, (title, words) in enumerate(searches.items()):
            autometa("tune", *words, *common, "--output", f"s{number}", cwd=folder)
            counted = re.findall(r"\d+", autometa("replay", f"s{number}", cwd=folder).splitlines()[-1])
            rows.append([title, counted[1], counted[0], counted[2], counted[3]])
        elsewhere = folder / "another place"
        elsewhere.mkdir()
        first = journal(folder / "s0")
        autometa("tune", *searches["credit-g, 15 trials"], *common, "--output", "x", cwd=elsewhere, hash_seed="12345")
        again = journal(elsewhere / "x")
        same = sum(a == b for a, b in zip(first, again, strict=True))
        rows.append(["the first again, other directory and hash seed", str(len(first)), str(len(again)), str(same), ""])
        rows[-1][4] = str(len(first) - same)
    header = ("search", "trials", "compared", "identical", "different")
    remarks = (
        "`compared`: trials with a value; those that the end of the search cut off have none. `identical`: every "
        "split's score is the recorded number, bit for bit; in the last row also the configuration and the state."
    )
    _report.write("replay", header, rows, "python benchmarks/replay.py", remarks)


if __name__ == "__main__":
    main()
