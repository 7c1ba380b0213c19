"""The Python face: one call from a table to a trained model.

Importing this loads little: `tune` starts its workers first, and imports what the search needs while they import what
the trials need.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autometa.errors import OptionError, ResumeError
from autometa.records import SearchInfo, TaskType, TrialReport
from autometa.search._clock import Clock
from autometa.search._environment import cores
from autometa.search._folder import SearchFolder, default_path
from autometa.search._listener import Listener
from autometa.search._options import OWN_SPLITS, SearchOptions
from autometa.search._pool import WorkerPool, libraries_for
from autometa.tracking import NullTracker, Tracker, open_tracker

if TYPE_CHECKING:
    import numpy.typing as npt
    import optuna
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from autometa.datasets import ColumnKind, Dataset
    from autometa.knowledge import KnowledgeBase
    from autometa.metrics import Metric
    from autometa.model import Model
    from autometa.search._ending import SearchResult


@dataclass(frozen=True, slots=True)
class TuneResult:
    """What `tune` found.

    Attributes:
        folder: The search's output folder.
        metric: The metric in its natural unit.
        score: Mean over the splits of the saved model's out-of-fold predictions.
        honest_score: The same with the ensemble chosen anew for each split, without that split; None for one model.
        fold_scores: The saved model's score on each split.
        test_score: The saved model's score on the ``test`` table; None without one.
        weights: The ensemble: weight by trial number.
        leaderboard: One row per trial, best first.
        trials: The trials in order of their numbers.
        study: The Optuna study; everything that Optuna offers works on it.
        info: Table, task and settings.
        notes: What was assumed, skipped or limited.
        versions: Of Python and the libraries that decide what a model does.
        machine: What the search ran on.
        seconds: How long the search took.
    """

    folder: Path
    metric: "Metric"
    score: float
    honest_score: float | None
    fold_scores: tuple[float, ...]
    test_score: float | None
    weights: dict[int, float]
    leaderboard: "pd.DataFrame"
    trials: tuple[TrialReport, ...]
    study: "optuna.Study"
    info: SearchInfo
    notes: tuple[str, ...]
    versions: dict[str, str]
    machine: dict[str, str]
    seconds: float

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.folder / "report.html"

    @property
    def best_pipeline(self) -> "Pipeline":
        """The model's heaviest member as a plain scikit-learn pipeline that takes a raw table and gives its labels."""
        from autometa.export import pipeline

        return pipeline(self.model)

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
    cv: Any = 5,
    group: "str | npt.ArrayLike | None" = None,
    time_column: str | None = None,
    weight: "str | npt.ArrayLike | None" = None,
    class_weight: str = "auto",
    ignore: Sequence[str] = (),
    kinds: "Mapping[str, ColumnKind] | None" = None,
    test: "str | os.PathLike[str] | pd.DataFrame | None" = None,
    warm_start: str = "auto",
    sampler: str = "auto",
    exclude_datasets: Sequence[str] = (),
    candidates: Sequence[str] | None = None,
    ensemble_size: int = 8,
    learn: bool = True,
    output: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    storage: str | None = None,
    study_name: str | None = None,
    kb: "KnowledgeBase | None" = None,
    mlflow: bool | str = True,
    report: bool = True,
    listeners: Sequence[Listener] = (),
    workers: Callable[..., AbstractContextManager[WorkerPool]] = WorkerPool,
    began: float | None = None,
) -> TuneResult:
    """Search for a model of a table, starting from what worked on other tables.

    Args:
        table: A file (CSV, TSV, Parquet, ARFF, compressed or not), a DataFrame or a `Dataset`; or ``openml:31`` and
            ``openml:task:31``, a dataset or a task of OpenML, which is fetched once and kept.
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
        cv: How models are judged: a number of folds (stratified), ``5x3`` for three times five, ``holdout`` or
            ``holdout:0.3``, any scikit-learn splitter, or (train, test) pairs of row numbers, which count the rows that
            have a target.
        group: Column, or one value per row: rows of a group are never on both sides of a split. Not learned from.
        time_column: Column that orders the rows in time: models are judged on rows later than those they learned from.
        weight: Column, or one number per row: how much a row counts, in fits and in scores. Not learned from.
        class_weight: ``balanced`` gives every class the same weight in fits, ``none`` does not, ``auto`` does so where
            classes are rare and the metric counts them alike, such as balanced_accuracy.
        ignore: Columns not to learn from.
        kinds: Columns whose kind is known: numeric, categorical, datetime or text.
        test: A table with the same columns that the search never sees, to score the finished model on.
        warm_start: ``auto``, another warm starter's name, or ``none``.
        sampler: Name of a sampler (`autometa.samplers`); ``auto`` is ``transfer``, or ``tpe`` without a warm start.
        exclude_datasets: Datasets of the knowledge base that may not advise, by id or name; nor may copies of them.
        candidates: Names of the candidates to search; by default every installed one.
        ensemble_size: Models at most in the ensemble; 1 gives the best model alone.
        learn: Whether the knowledge base may keep this search's configurations and scores (never rows).
        output: Folder for the result; by default ``autometa_runs/<name>-<time>``.
        resume: Folder of an earlier search to continue; ``time_limit`` and ``trials`` are then new totals, ``jobs`` and
            ``memory_limit`` may change, and everything else stays as it was.
        storage: Optuna storage URL; by default a journal file in the output folder.
        study_name: Name of the study in that storage; by default the output folder's name.
        kb: Knowledge base; by default the shipped one with the user's own runs over it.
        mlflow: False for no tracking, True for the user's own MLflow store, or a tracking URI.
        report: Whether to write ``report.html``, the page for people.
        listeners: Hear of every step.
        workers: Gives the processes that trials run in, for callers that keep them between searches; called with
            ``threads`` and ``later`` as `WorkerPool` is.
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
        return _resume(Path(resume), table, given, learn, kb, mlflow, report, listeners, clock_began)
    if table is None:
        raise OptionError("There is no table. Pass a file or a DataFrame, or resume a search.")
    options = SearchOptions(
        time_limit=300.0 if time_limit is None and trials is None else time_limit,
        trials=trials,
        jobs=cores() if jobs is None else jobs,
        memory_limit=memory_limit,
        seed=seed,
        metric=metric,
        cv=str(cv) if isinstance(cv, (int, str)) else OWN_SPLITS,
        class_weight=class_weight,
        warm_start=warm_start,
        sampler=sampler,
        exclude_datasets=tuple(exclude_datasets),
        candidates=None if candidates is None else tuple(candidates),
        ensemble_size=ensemble_size,
        learn=learn,
    )
    with workers(
        threads=options.threads, later=libraries_for(options.candidates)
    ) as pool:  # imports its libraries while the table is read
        from autometa.datasets import read_rows
        from autometa.knowledge import KnowledgeBase
        from autometa.search._command import command_line
        from autometa.search._plan import check, judge
        from autometa.search._run import Search

        dataset = _read(
            table,
            target=target,
            task=task,
            name=name,
            kinds=kinds,
            group=group,
            time_column=time_column,
            weight=weight,
            ignore=ignore,
        )
        check(dataset, options)
        judged = judge(dataset, options, cv)
        held_out = None if test is None else read_rows(test, dataset.schema)
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
                test=held_out,
                command=command_line(_where(table), dataset, options, None if test is None else _where(test)),
                judged=judged,
                report=report,
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
    report: bool,
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
                command=state.get("command", ""),
                report=report,
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


def _read(table: Any, **how: Any) -> "Dataset":
    """The table of a search, read as `read_dataset` does; one of OpenML is fetched before."""
    from autometa.datasets import Dataset, read_dataset

    if isinstance(table, Dataset):
        return table
    if not _where(table).lower().startswith("openml:"):
        return read_dataset(table, **how)
    from autometa.ingest import read_openml

    found = read_openml(_where(table))
    target = how["target"] or found.target
    roles = {target, *(how.get(role) for role in ("group", "time_column", "weight") if isinstance(how.get(role), str))}
    unused = [*how.get("ignore", ()), *(one for one in found.ignored if one not in roles)]
    kinds = {one: kind for one, kind in (found.kinds or {}).items() if one not in roles and one not in unused}
    how |= {
        "target": target,
        "task": how["task"] or (found.task if target == found.target else None),
        "name": how.get("name") or found.name,
        "kinds": kinds | dict(how.get("kinds") or {}),
        "ignore": unused,
    }
    dataset = read_dataset(found.frame, **how)
    return replace(dataset, openml_id=found.openml_id, notes=(*dataset.notes, *found.notes))


def _check_table(table: Any, dataset: "Dataset") -> None:
    if table is None:
        return
    passed = _read(table, **_as_before(dataset))
    if passed.content_hash != dataset.content_hash:
        raise ResumeError(
            f"The table {_where(table)} is not the one that this search began with (its content differs). "
            "Resume without a table, or start a new search."
        )


def _as_before(dataset: "Dataset") -> dict[str, Any]:
    """How to read a table as an earlier search did."""
    schema = dataset.schema
    roles = {column.kind: column.name for column in schema.columns}
    return {
        "target": schema.target,
        "task": schema.task,
        "kinds": {column.name: column.kind for column in schema.features},
        "group": roles.get("group", dataset.groups),
        "weight": roles.get("weight", dataset.weights),
        "time_column": None if dataset.times is None else str(dataset.times.name),
        "ignore": [column.name for column in schema.columns if column.kind == "ignored"],
    }


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
        test_score=found.finished.test_score,
        weights=dict(found.finished.weights),
        leaderboard=found.leaderboard,
        trials=found.reports,
        study=found.study,
        info=found.info,
        notes=tuple(note.text for note in found.notes),
        versions=found.versions,
        machine=found.machine,
        seconds=found.seconds,
    )
