"""How the seconds of a fit grow with a candidate's hyperparameters, by the runs of the knowledge base.

For every run of our own that took time, the logarithm of its seconds per fit, less that of what `Candidate.fit_seconds`
expects of a typical configuration on the same table, is regressed on the logarithms of the hyperparameters in
`Candidate.powers`. The table has the powers found beside those in use, and by which factor a run is off, typically,
without and with them.

Run ``python benchmarks/config_cost.py``; it takes half a minute, and writes ``docs/benchmarks/config_cost.md``.
"""

import argparse
from pathlib import Path

import _report
import numpy as np
import pandas as pd

from autometa import config
from autometa.candidates import CANDIDATES, Candidate
from autometa.knowledge import KnowledgeBase
from autometa.measure import load_plan

_LEAST = 0.01  # seconds


def runs_of(kb: KnowledgeBase, source: str, most_rows: int) -> pd.DataFrame:
    """One row per finished configuration: its hyperparameters, seconds per fit, and the table's shape."""
    runs = kb.runs("tabular", metrics=["log_loss", "rmse"])
    runs = runs[(runs["source"] == source) & (runs["status"] == "complete")]
    shapes = kb.meta_features()[["NumberOfInstances", "NumberOfFeatures", "NumberOfClasses"]]
    runs = runs.merge(shapes, left_on="dataset_id", right_index=True).merge(
        kb.datasets()["task"], left_on="dataset_id", right_index=True
    )
    folds = runs["repeats"].astype(float)
    return runs.assign(
        seconds=np.maximum(runs["duration"] / folds, _LEAST),
        rows=(np.minimum(runs["NumberOfInstances"], most_rows) * (folds - 1) / folds).astype(int),
        columns=(runs["NumberOfFeatures"] - 1).astype(int),
        classes=np.where(runs["task"] == "regression", 0, runs["NumberOfClasses"]).astype(int),
    )


def powers(candidate: Candidate, runs: pd.DataFrame) -> tuple[dict[str, float], float, float]:
    """Powers of the candidate's hyperparameters, and the typical factor that a run is off, without and with them."""
    shapes = runs[["rows", "columns", "classes"]].itertuples(index=False)
    typical = np.array([candidate.fit_seconds(*shape) for shape in shapes])
    off = np.log(runs["seconds"].to_numpy(dtype=float) / typical)
    usual = {name: float(candidate.space[name].default) for name in candidate.powers}  # type: ignore[arg-type]
    columns = [np.log(runs[f"{candidate.name}.{name}"].astype(float) / value) for name, value in usual.items()]
    design = np.column_stack([np.ones(len(runs)), *columns])
    found, *_ = np.linalg.lstsq(design, off, rcond=None)
    left = off - design @ found
    return dict(zip(usual, found[1:], strict=True)), float(np.exp(off.std())), float(np.exp(left.std()))


def main() -> None:
    """Fit, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kb", type=Path, default=config.shipped("meta_db"))
    arguments = parser.parse_args()
    plan = load_plan(config.shipped("meta_db") / "plans" / "tabular.yaml")
    runs = runs_of(KnowledgeBase(arguments.kb, read_only=True), plan.name, plan.max_rows)
    rows = []
    for name in CANDIDATES.names():
        candidate, mine = CANDIDATES.create(name), runs[runs["candidate"] == name]
        if not candidate.powers or len(mine) < 50:
            continue
        found, before, after = powers(candidate, mine)
        used = candidate.powers
        said = ", ".join(f"{key} {value:.2f} ({used[key]:.2f})" for key, value in found.items())
        rows.append([name, str(len(mine)), said, f"{before:.2f}", f"{after:.2f}"])
    header = ["candidate", "runs", "power found (in use)", "factor off without", "with"]
    _report.write("config_cost", header, rows, "python benchmarks/config_cost.py")


if __name__ == "__main__":
    main()
