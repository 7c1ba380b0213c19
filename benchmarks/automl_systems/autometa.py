"""autometa as anyone runs it: the command line searches, the saved model predicts.

The command's whole time counts, start of the process and reading included. Nothing that it learns is kept, and it sees
no memory but the shipped knowledge base, without the datasets of the benchmark and their twins.
"""

import os
import subprocess
import sys

import pandas as pd
from automl_systems._exchange import CORES, Job, Stopwatch, answer, asked

LIBRARIES = ("autometa", "scikit-learn", "lightgbm", "xgboost-cpu", "catboost", "torch", "optuna", "pandas")


def command(job: Job) -> list[str]:
    """The search as a command."""
    said = [sys.executable, "-m", "autometa", "tune", str(job.train), "--target", job.target, "--metric", "log_loss"]
    said += ["--time-limit", f"{job.seconds:g}", "--jobs", str(CORES), "--seed", str(job.seed), "--no-learn"]
    said += ["--output", str(job.out.parent / "search")]
    return [*said, *(word for dataset_id in job.leave_out for word in ("--exclude-dataset", dataset_id))]


def main() -> None:
    """Search, predict, answer."""
    job = asked()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["AUTOMETA_HOME"] = str(job.out.parent / "home")
    clock = Stopwatch()
    code = subprocess.run(command(job), env=environment).returncode
    fit = clock.lap()
    if code:
        sys.exit(code)  # what the command printed says why
    from autometa import load_model

    model, test = load_model(job.out.parent / "search"), pd.read_csv(job.test)
    members = len(model.pipelines)  # loads them: after a fit the others' are in memory
    clock.lap()
    probabilities = model.predict_proba(test)
    answer(job, model.classes, probabilities, fit, clock.lap(), LIBRARIES, f"{members} members")


if __name__ == "__main__":
    main()
