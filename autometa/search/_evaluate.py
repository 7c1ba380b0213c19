"""What runs inside a worker process: cross-validate one configuration, or refit it on all rows.

These functions are named by path in `WorkerPool.submit`; their arguments are plain JSON values, and arrays go
through files in the search folder.
"""

import functools
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa import candidates, metrics, model
from autometa.datasets import Dataset
from autometa.records import Config
from autometa.search._worker import Channel

FIT_SHARE = 0.8  # of a time limit; the rest is for preparing, predicting and scoring


class InvalidPredictionsError(RuntimeError):
    """A candidate predicted what cannot be scored: NaN, infinity, the wrong number of values."""

    status = "invalid"


@functools.lru_cache(maxsize=1)
def load(folder: str) -> tuple[Dataset, npt.NDArray[np.int64]]:
    """The table and the folds of a search; the worker server calls it first, so that jobs inherit both."""
    path = Path(folder)
    return Dataset.from_folder(path), np.load(path / "folds.npy", allow_pickle=False)


def evaluate(
    channel: Channel,
    *,
    data: str,
    config: Config,
    metric: str,
    seed: int,
    threads: int,
    predictions: str,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Cross-validate a configuration, telling the search each fold's score as it comes.

    The search answers each fold with ``go``: False ends the evaluation early. Out-of-fold predictions are
    written to the file ``predictions`` only when every fold is done. Of ``seconds``, the trial's time limit, each fold
    gets its share: an iterative learner that can stop in time with what it has does so, instead of being killed.

    Returns:
        ``{"complete": bool}``.
    """
    dataset, folds = load(data)
    resolved = metrics.resolve(metric, dataset.task)
    y = dataset.y.to_numpy()
    out_of_fold = np.full((len(y), dataset.n_classes) if dataset.n_classes else len(y), np.nan)
    n_folds = int(folds.max()) + 1
    for fold in range(n_folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        began = time.perf_counter()
        pipeline = candidates.build(config, schema=dataset.schema, seed=seed, n_threads=threads)
        limit_fit(pipeline, None if seconds is None else FIT_SHARE * seconds / n_folds)
        pipeline.fit(dataset.X.iloc[train], y[train])
        out_of_fold[test] = predict(pipeline, dataset, test)
        fit_seconds = time.perf_counter() - began
        score = resolved.score(metrics.stored(out_of_fold[test], dataset.task), y[test])
        if not np.isfinite(score):
            raise InvalidPredictionsError(f"{resolved.name} is {score} on fold {fold + 1}")
        if not channel.ask(event="fold", fold=fold, score=score, fit_seconds=fit_seconds)["go"]:
            return {"complete": False}
    save_array(Path(predictions), out_of_fold)
    return {"complete": True}


def refit(
    channel: Channel,
    *,
    data: str,
    config: Config,
    seed: int,
    threads: int,
    folder: str,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Fit a configuration on all rows, in ``seconds`` if it can stop in time, and save the pipeline to ``folder``.

    Returns:
        ``{"fit_seconds": float}``.
    """
    dataset, _ = load(data)
    began = time.perf_counter()
    pipeline = candidates.build(config, schema=dataset.schema, seed=seed, n_threads=threads)
    limit_fit(pipeline, None if seconds is None else FIT_SHARE * seconds)
    pipeline.fit(dataset.X, dataset.y.to_numpy())
    predict(pipeline, dataset, np.arange(min(len(dataset.X), 100)))
    fit_seconds = time.perf_counter() - began
    model.save_pipeline(pipeline, Path(folder))
    return {"fit_seconds": fit_seconds}


def limit_fit(pipeline: Any, seconds: float | None) -> None:
    """Tell a learner that has a time limit of its own how long one fit may take."""
    if seconds is not None and "time_limit" in pipeline[-1].get_params(deep=False):
        pipeline[-1].set_params(time_limit=seconds)


def predict(pipeline: Any, dataset: Dataset, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Predict some rows of the table: probabilities of shape (n, n_classes), or numbers of shape (n,).

    Raises:
        InvalidPredictionsError: A prediction is not finite.
    """
    values = model.raw_predictions(pipeline, dataset.X.iloc[rows], dataset.n_classes)
    if not np.isfinite(values).all():
        raise InvalidPredictionsError(f"{np.count_nonzero(~np.isfinite(values))} predictions are not finite numbers")
    return values


def save_array(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an array so that a reader sees all of it or nothing."""
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        np.save(file, values, allow_pickle=False)
    os.replace(temporary, path)
