"""What runs inside a worker process: cross-validate a configuration, refit it, weigh its columns, score a test table.

These functions are named by path in `WorkerPool.submit`; their arguments are plain JSON values, and arrays go
through files in the search folder.
"""

import functools
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa import candidates, metrics, model
from autometa.calibration import Calibration, calibrate, learn
from autometa.datasets import Dataset
from autometa.metrics import Metric
from autometa.model import InvalidPredictionsError
from autometa.records import Config
from autometa.search import _bags
from autometa.search._arrays import save_array
from autometa.search._files import replacing
from autometa.search._splits import Rows, Splits
from autometa.search._worker import Channel

Floats = npt.NDArray[np.float64]

FIT_SHARE = 0.8  # of a time limit; the rest is for preparing, predicting and scoring
SHUFFLES = 3
SHUFFLED_ROWS = 2000


@functools.lru_cache(maxsize=1)
def load(folder: str) -> Dataset:
    """The table of a search; the worker server calls it first, so that jobs inherit it."""
    return Dataset.from_folder(folder)


def evaluate(
    channel: Channel,
    *,
    data: str,
    splits: str,
    config: Config,
    metric: str,
    seed: int,
    threads: int,
    balanced: bool = False,
    predictions: str | None = None,
    bag: str | None = None,
    seconds: float | None = None,
    replay: Sequence[Mapping[str, int]] = (),
) -> dict[str, Any]:
    """Cross-validate a configuration, telling the search each split's score as it comes.

    The search answers each score with ``go``: False ends the evaluation early. Out-of-fold predictions are
    written to the file ``predictions`` only when every split is done, and so are the splits' models to the folder
    ``bag``, if the last answer says ``keep``. Of ``seconds``, the trial's time limit, each split gets its share of what
    is left: an iterative learner that can stop in time with what it has does so, instead of being killed, and tells
    where it stopped; given back as ``replay``, it stops there again.

    Where the metric asks that probabilities mean what they say, they are calibrated: a split's score as it comes is
    that of its own calibration, which is a little too good; with the last one come the ``scores`` of all splits, each
    calibrated by what the others taught, if that helps. Predictions are written like that too.

    With each score also comes what the learner did otherwise than the configuration says, its ``fallback_``.

    Returns:
        ``{"complete": bool, "calibration": dict | None}``.
    """
    dataset, pairs = load(data), Splits.load(Path(splits)).pairs
    resolved = metrics.resolve(metric, dataset.task)
    end = None if seconds is None else time.monotonic() + FIT_SHARE * seconds
    learned: Calibration | None = None
    out_of_fold, fitted, keep = list[Floats](), list[Any](), False
    for number, (train, test) in enumerate(pairs):
        began = time.perf_counter()
        pipeline = candidates.build(config, schema=dataset.schema, seed=seed, n_threads=threads)
        if replay:
            repeat_fit(pipeline, replay[number])
        else:
            limit_fit(pipeline, None if end is None else max(0.1, end - time.monotonic()) / (len(pairs) - number))
        fit(pipeline, dataset, train, balanced=balanced)
        values = predict(pipeline, dataset, test)
        said: dict[str, Any] = {"fit_seconds": time.perf_counter() - began}
        said["score"] = _score_of_split(resolved, dataset, values, test, number)
        said["record"] = dict(getattr(pipeline[-1], "training_record_", {}))
        said["fallback"] = getattr(pipeline[-1], "fallback_", "")
        out_of_fold.append(values)
        if bag is not None:
            fitted.append(pipeline)
        if resolved.calibrated and number == len(pairs) - 1:
            learned, out_of_fold = _calibrated(out_of_fold, [test for _, test in pairs], dataset)
            said["scores"] = [
                _score(resolved, dataset, values, test) for values, (_, test) in zip(out_of_fold, pairs, strict=True)
            ]
        answer = channel.ask(event="split", **said)
        if not answer["go"]:
            return {"complete": False}
        keep = answer.get("keep", False)
    if predictions is not None:
        save_array(Path(predictions), np.concatenate(out_of_fold))
    if bag is not None and keep:
        _bags.save(fitted, Path(bag))
    return {"complete": True, "calibration": None if learned is None else learned.to_json()}


def _score(metric: Metric, dataset: Dataset, values: Floats, rows: Rows) -> float:
    y = dataset.y.to_numpy()[rows]
    return metric.score(metrics.stored(values, dataset.task), y, weights_of(dataset, rows))


def _score_of_split(metric: Metric, dataset: Dataset, values: Floats, rows: Rows, number: int) -> float:
    """The score as it comes: with a calibration of its own, where the metric asks for one and it helps."""
    score = _score(metric, dataset, values, rows)
    if not np.isfinite(score):
        raise InvalidPredictionsError(f"{metric.name} is {score} on split {number + 1}")
    if not metric.calibrated:
        return score
    own = learn(values, dataset.y.to_numpy()[rows], weights_of(dataset, rows))
    calibrated = _score(metric, dataset, own.apply(values), rows)
    return min(score, calibrated, key=metric.loss)


def _calibrated(
    out_of_fold: Sequence[Floats], tests: Sequence[Rows], dataset: Dataset
) -> tuple[Calibration | None, list[Floats]]:
    """A calibration, and each split's predictions with what the others taught; where it is no help, as they are."""
    rows, ends = np.concatenate(tests), np.cumsum([len(test) for test in tests])
    folds = np.repeat(np.arange(len(tests)), [len(test) for test in tests])
    y, weights = dataset.y.to_numpy()[rows], weights_of(dataset, rows)
    found = calibrate(np.concatenate(out_of_fold), y, folds, sample_weights=weights)
    return (None, list(out_of_fold)) if found is None else (found[0], np.split(found[1], ends[:-1]))


def refit(
    channel: Channel,
    *,
    data: str,
    config: Config,
    seed: int,
    threads: int,
    folder: str,
    balanced: bool = False,
    rows: str | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Fit a configuration in ``seconds``, if it can stop in time, and save the pipeline to ``folder``.

    It learns from all rows, or from those whose numbers are in the file ``rows``.

    Returns:
        ``{"fit_seconds": float, "fallback": str}``; the latter as in `evaluate`.
    """
    dataset = load(data)
    chosen = np.arange(len(dataset.X)) if rows is None else np.load(rows, allow_pickle=False)
    began = time.perf_counter()
    pipeline = candidates.build(config, schema=dataset.schema, seed=seed, n_threads=threads)
    limit_fit(pipeline, None if seconds is None else FIT_SHARE * seconds)
    fit(pipeline, dataset, chosen, balanced=balanced)
    predict(pipeline, dataset, chosen[:100])
    fit_seconds = time.perf_counter() - began
    model.save_pipeline(pipeline, Path(folder))
    return {"fit_seconds": fit_seconds, "fallback": getattr(pipeline[-1], "fallback_", "")}


def weigh_columns(
    channel: Channel,
    *,
    data: str,
    splits: str,
    config: Config,
    metric: str,
    seed: int,
    threads: int,
    output: str,
    seconds: float,
    balanced: bool = False,
) -> dict[str, Any]:
    """Permutation importance of every column, on rows that the model has not seen; see `ColumnImportance`.

    Breiman (2001), Random forests, Machine Learning 45, section 10. The configuration is fitted on the first split;
    then each column of that split's held-out rows is shuffled in turn. Columns that ``seconds`` do not suffice for are
    left out.

    Returns:
        ``{"columns": number of columns that were weighed, "of": number of columns}``; the values are in ``output``.
    """
    deadline = time.monotonic() + seconds
    dataset = load(data)
    resolved = metrics.resolve(metric, dataset.task)
    rng = np.random.default_rng(seed)
    train, test = Splits.load(Path(splits)).pairs[0]
    pipeline = candidates.build(config, schema=dataset.schema, seed=seed, n_threads=threads)
    limit_fit(pipeline, FIT_SHARE * seconds / 2)
    fit(pipeline, dataset, train, balanced=balanced)
    rows = np.sort(rng.permutation(test)[:SHUFFLED_ROWS])
    table, y, weights = dataset.X.iloc[rows], dataset.y.to_numpy()[rows], weights_of(dataset, rows)

    def loss(X: Any) -> float:
        values = model.raw_predictions(pipeline, X, dataset.n_classes)
        return resolved.loss(resolved.score(metrics.stored(values, dataset.task), y, weights))

    before, found = loss(table), []

    def shuffled(name: str) -> Any:
        changed = table.copy(deep=False)
        changed[name] = table[name].to_numpy()[rng.permutation(len(rows))]
        return changed

    for name in table.columns:
        if time.monotonic() > deadline:
            break
        losses = [loss(shuffled(name)) - before for _ in range(SHUFFLES)]
        found.append({"column": name, "loss": float(np.mean(losses)), "std": float(np.std(losses))})
    with replacing(Path(output)) as temporary:
        temporary.write_text(json.dumps(found), encoding="utf-8")
    return {"columns": len(found), "of": table.shape[1]}


def score_test(channel: Channel, *, folder: str, test: str, metric: str) -> dict[str, Any]:
    """Score the saved model in ``folder`` on the table that the user held out.

    Returns:
        ``{"score": float}``.
    """
    saved, dataset = model.Model.load(folder), Dataset.from_folder(test)
    resolved = metrics.resolve(metric, dataset.task)
    values = saved.raw_predictions(dataset.X)
    weights = None if dataset.weights is None else dataset.weights.to_numpy()
    return {"score": resolved.score(metrics.stored(values, dataset.task), dataset.y.to_numpy(), weights)}


def fit(pipeline: Any, dataset: Dataset, rows: Rows, *, balanced: bool) -> None:
    """Fit a pipeline on some rows, with their weights, and if ``balanced`` with equal weight for every class."""
    y, weights = dataset.y.to_numpy()[rows], weights_of(dataset, rows)
    if dataset.unlabelled is not None and getattr(pipeline[-1], "takes_unlabelled", False):
        _fit_with_unlabelled(pipeline, dataset.X.iloc[rows], y, dataset.unlabelled)
        return
    if balanced:
        shares = np.bincount(y, weights, minlength=dataset.n_classes)
        equal = (shares.sum() / np.count_nonzero(shares) / np.where(shares > 0, shares, 1.0))[y]
        weights = equal if weights is None else weights * equal
    if weights is None:
        pipeline.fit(dataset.X.iloc[rows], y)
    else:
        pipeline.fit(dataset.X.iloc[rows], y, model__sample_weight=weights)


def _fit_with_unlabelled(pipeline: Any, X: pd.DataFrame, y: npt.NDArray[Any], unlabelled: pd.DataFrame) -> None:
    prepare, estimator = pipeline
    prepare.fit(pd.concat([X, unlabelled], ignore_index=True))
    estimator.fit(prepare.transform(X), y, X_unlabelled=prepare.transform(unlabelled))


def weights_of(dataset: Dataset, rows: Rows) -> npt.NDArray[np.float64] | None:
    """The user's weights of some rows, if there are any."""
    return None if dataset.weights is None else dataset.weights.to_numpy()[rows]


def limit_fit(pipeline: Any, seconds: float | None) -> None:
    """Tell a learner that has a time limit of its own how long one fit may take."""
    if seconds is not None and "time_limit" in pipeline[-1].get_params(deep=False):
        pipeline[-1].set_params(time_limit=seconds)


def repeat_fit(pipeline: Any, record: Mapping[str, int]) -> None:
    """Tell a learner whose fit was ended by its time limit to end where it ended then."""
    if record:
        pipeline[-1].set_params(replay=dict(record))


def predict(pipeline: Any, dataset: Dataset, rows: Rows) -> npt.NDArray[np.float64]:
    """Predict some rows of the table: probabilities of shape (n, n_classes), or numbers of shape (n,).

    Raises:
        InvalidPredictionsError: A prediction is not finite.
    """
    values = model.raw_predictions(pipeline, dataset.X.iloc[rows], dataset.n_classes)
    if not np.isfinite(values).all():
        raise InvalidPredictionsError(f"{np.count_nonzero(~np.isfinite(values))} predictions are not finite numbers")
    return values
