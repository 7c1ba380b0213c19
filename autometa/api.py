"""The Python face: one call from a table to a trained model.

Importing this loads little: `tune` starts its workers first, and imports what the search needs while they import what
the trials need.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autometa.errors import OptionError, ResumeError
from autometa.records import SearchInfo, TaskType, TrialReport
from autometa.search._clock import Clock
from autometa.search._folder import SearchFolder, default_path
from autometa.search._listener import Listener
from autometa.search._options import SearchOptions, cores
from autometa.search._pool import WorkerPool, libraries_for
from autometa.tracking import NullTracker, Tracker, open_tracker

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from autometa.datasets import Dataset
    from autometa.knowledge import KnowledgeBase
    from autometa.metrics import Metric
    from autometa.model import Model
    from autometa.search._run import SearchResult


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What `tune` found.

    Attributes:
        folder: The search's output folder.
        metric: The metric in its natural unit.
        score: Mean over the folds of the saved model's out-of-fold predictions.
        honest_score: The same with the ensemble chosen anew for each fold, without that fold; None for one model.
        fold_scores: The saved model's score on each fold.
        weights: The ensemble: weight by trial number.
        leaderboard: One row per trial, best first.
        trials: The trials in order of their numbers.
        study: The Optuna study; everything that Optuna offers works on it.
        info: Table, task and settings.
        notes: What was assumed, skipped or limited.
        seconds: How long the search took.
    """

    folder: Path
    metric: "Metric"
    score: float
    honest_score: float | None
    fold_scores: tuple[float, ...]
    weights: dict[int, float]
    leaderboard: "pd.DataFrame"
    trials: tuple[TrialReport, ...]
    study: "optuna.Study"
    info: SearchInfo
    notes: tuple[str, ...]
    seconds: float

    @property
    def model(self) -> "Model":
        """The trained model, opened from the output folder."""
        from autometa.model import Model

        return Model.load(self.folder)


def tune(
    table: "str | os.PathLike[str] | pd.DataFrame | Dataset | None" = None,
    *,
    target: str | None = None,
    task: TaskType | None = None,
    name: str | None = None,
    metric: str | None = None,
    time_limit: float | None = None,
    trials: int | None = None,
    jobs: int | None = None,
    memory_limit: int | None = None,
    seed: int = 0,
    folds: int = 5,
    warm_start: str = "auto",
    candidates: Sequence[str] | None = None,
    ensemble_size: int = 8,
    learn: bool = True,
    output: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    storage: str | None = None,
    study_name: str | None = None,
    kb: "KnowledgeBase | None" = None,
    mlflow: bool | str = True,
    listeners: Sequence[Listener] = (),
    began: float | None = None,
) -> TuneResult:
    """Search for a model of a table, starting from what worked on other tables.

    Args:
        table: A file (CSV, TSV, Parquet, ARFF, compressed or not), a DataFrame or a `Dataset`.
        target: Column to predict; by default one called target, class, label or y, else the last.
        task: binary, multiclass or regression; inferred by default.
        name: Name of the dataset; by default the file's.
        metric: Any scikit-learn scorer; by default roc_auc, log_loss or rmse by task.
        time_limit: Seconds for everything, reading and refit included; 300 if neither it nor ``trials`` is given.
        trials: Number of trials after which the search ends.
        jobs: Trials at the same time; by default one per core. With one job, a seed and ``trials``, the same call
            makes the same search.
        memory_limit: Megabytes for one trial.
        seed: Of everything that is random.
        folds: Folds of the cross-validation.
        warm_start: ``auto``, another warm starter's name, or ``none``.
        candidates: Names of the candidates to search; by default every installed one.
        ensemble_size: Models at most in the ensemble; 1 gives the best model alone.
        learn: Whether the knowledge base may keep this search's configurations and scores (never rows).
        output: Folder for the result; by default ``autometa_runs/<name>-<time>``.
        resume: Folder of an earlier search to continue; ``time_limit`` and ``trials`` are then new totals.
        storage: Optuna storage URL; by default a journal file in the output folder.
        study_name: Name of the study in that storage; by default the output folder's name.
        kb: Knowledge base; by default the shipped one with the user's own runs over it.
        mlflow: False for no tracking, True for the user's own MLflow store, or a tracking URI.
        listeners: Hear of every step.
        began: `time.monotonic` at which the time limit began to run; by default now.

    Returns:
        The result; `TuneResult.model` predicts.

    Raises:
        InputError: The table or an option breaks a rule; the message says which and the way out.
        SearchError: No model came out of it.

    Example:
        >>> import autometa
        >>> result = autometa.tune("examples/penguins.csv", trials=3, mlflow=False)  # doctest: +SKIP
        >>> result.model.predict(new_rows)  # doctest: +SKIP
    """
    clock_began = time.monotonic() if began is None else began
    if resume is not None:
        changes = {"time_limit": time_limit, "trials": trials, "jobs": jobs, "memory_limit": memory_limit}
        given = {key: value for key, value in changes.items() if value is not None}
        return _resume(Path(resume), table, given, learn, kb, mlflow, listeners, clock_began)
    if table is None:
        raise OptionError("There is no table. Pass a file or a DataFrame, or resume a search.")
    options = SearchOptions(
        time_limit=300.0 if time_limit is None and trials is None else time_limit,
        trials=trials,
        jobs=cores() if jobs is None else jobs,
        memory_limit=memory_limit,
        seed=seed,
        metric=metric,
        folds=folds,
        warm_start=warm_start,
        candidates=None if candidates is None else tuple(candidates),
        ensemble_size=ensemble_size,
        learn=learn,
    )
    with WorkerPool(
        threads=options.threads, later=libraries_for(options.candidates)
    ) as pool:  # imports its libraries while the table is read
        from autometa.datasets import Dataset, read_dataset
        from autometa.knowledge import KnowledgeBase
        from autometa.search._plan import check
        from autometa.search._run import Search

        dataset = table if isinstance(table, Dataset) else read_dataset(table, target=target, task=task, name=name)
        check(dataset, options)
        path = Path(output) if output is not None else default_path(dataset.name, datetime.now())
        folder = SearchFolder.create(path)
        try:
            search = Search(
                dataset,
                options,
                folder=folder,
                pool=pool,
                clock=Clock(began=clock_began, time_limit=options.time_limit),
                kb=kb if kb is not None else KnowledgeBase.open_default(),
                tracker=_tracker(mlflow),
                listeners=listeners,
                storage=storage,
                study_name=study_name or path.name,
                table=_where(table),
            )
            return _result(search.run())
        finally:
            folder.close()


def _resume(
    path: Path,
    table: Any,
    given: dict[str, Any],
    learn: bool,
    kb: "KnowledgeBase | None",
    mlflow: bool | str,
    listeners: Sequence[Listener],
    began: float,
) -> TuneResult:
    folder = SearchFolder.reopen(path)
    try:
        state = folder.read_state()
        old = SearchOptions.from_json(state["options"])
        options = replace(old, **given, learn=learn and old.learn)
        spent = float(state["spent"])
        _check_budget(path, state, options, spent)
        limit = None if options.time_limit is None else max(options.time_limit, spent + _LEAST_SECONDS)
        with WorkerPool(threads=options.threads, later=libraries_for(options.candidates)) as pool:
            from autometa.datasets import Dataset
            from autometa.knowledge import KnowledgeBase
            from autometa.search._run import Search

            dataset = Dataset.from_folder(folder.data)
            _check_table(table, dataset)
            search = Search(
                dataset,
                options,
                folder=folder,
                pool=pool,
                clock=Clock(began=began, spent=spent, time_limit=limit),
                kb=kb if kb is not None else KnowledgeBase.open_default(),
                tracker=_tracker(mlflow),
                listeners=listeners,
                storage=state["storage"],
                study_name=state["study_name"],
                table=state["table"]["path"],
                state=state,
            )
            return _result(search.run())
    finally:
        folder.close()


_LEAST_SECONDS = 10.0  # what a resumed search gets to rebuild its model, however little was left


def _check_budget(path: Path, state: dict[str, Any], options: SearchOptions, spent: float) -> None:
    finished = state["status"] == "finished"
    timed_out = options.time_limit is not None and spent >= options.time_limit - 1
    if finished and timed_out:
        raise ResumeError(
            f"{path} has spent its {options.time_limit:g} s. Give a new total, such as --time-limit {2 * spent:.0f}."
        )


def _check_table(table: Any, dataset: "Dataset") -> None:
    from autometa.datasets import Dataset, read_dataset

    if table is None:
        return
    schema = dataset.schema
    passed = table if isinstance(table, Dataset) else read_dataset(table, target=schema.target, task=schema.task)
    if passed.content_hash != dataset.content_hash:
        raise ResumeError(
            f"The table {_where(table)} is not the one that this search began with (its content differs). "
            "Resume without a table, or start a new search."
        )


def _tracker(mlflow: bool | str) -> Tracker:
    if mlflow is False:
        return NullTracker()
    return open_tracker(None if mlflow is True else mlflow)


def _where(table: Any) -> str:
    return str(table) if isinstance(table, (str, os.PathLike)) else "in memory"


def _result(found: "SearchResult") -> TuneResult:
    return TuneResult(
        folder=found.folder.path,
        metric=found.metric,
        score=found.finished.score,
        honest_score=found.finished.honest_score,
        fold_scores=found.finished.fold_scores,
        weights=dict(found.finished.weights),
        leaderboard=found.leaderboard,
        trials=found.reports,
        study=found.study,
        info=found.info,
        notes=found.notes,
        seconds=found.seconds,
    )
