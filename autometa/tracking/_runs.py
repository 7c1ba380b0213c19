"""A search as a tree of MLflow runs. Only the writer process imports this module."""

import contextlib
import getpass
import hashlib
import importlib.metadata
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

from autometa.records import TrialReport
from autometa.tracking import _notes, _values
from autometa.tracking._wire import Finish, Point, Start, Trial

# As MLflow's own Optuna storage has it: what was stopped on purpose is killed, what went wrong is failed.
_STATUS = {
    "complete": "FINISHED",
    "pruned": "KILLED",
    "timeout": "KILLED",
    "memory": "KILLED",
    "interrupted": "KILLED",
    "crash": "FAILED",
    "invalid": "FAILED",
}
_PAGE = 1000
_MAX_RUN_NAME = 250
_MAX_DATASET_NAME = 500
_DIGEST = 8  # as many characters as MLflow's own digests
_NOTE_MARK = "mlflow.note.autometa"  # digest of the description that we wrote: one that its user changed is left alone
_METRICS_PER_CALL = 800  # with 100 parameters and 100 tags this is MLflow's limit for one call
_OTHERS_PER_CALL = 100


class SearchRuns:
    """The run of one search and the nested runs of its trials."""

    def __init__(self, client: MlflowClient, experiment_id: str, start: Start) -> None:
        """Create the search's run, or go on with the one that ``start`` names, if it is still there."""
        self._client = client
        self._experiment_id = experiment_id
        self._info = start.info
        self._sources = _source_tags()
        self._best_name = _values.name(f"best_{start.info.metric}")
        self._best: float | None = None
        self._leader: TrialReport | None = None
        self._n_scored = 0
        self._series: list[Metric] = []
        self._trials: dict[int, str] = {}
        self._running: set[int] = set()
        self._recorded: set[int] = set()
        self._open = True
        earlier = self._find(start.resume_run_id)
        self.missing_run_id = start.resume_run_id if earlier is None else None
        self.run_id = self._reopen(earlier, start.sent) if earlier else self._create(start)
        self._log_settings(earlier.data.params if earlier else {})
        self._describe(_notes.running(start.info, **self._place), earlier.data.tags if earlier else {})

    def trial(self, message: Trial) -> None:
        """Write a trial down; one that is recorded with its end already is left alone."""
        report, at = message.report, _milliseconds(message.sent)
        if report.number in self._recorded:
            return
        known = self._trials.get(report.number)
        run_id = known or self._create_trial(message)
        running = report.status == "running"
        self._log(
            run_id,
            params={} if known else report.config,
            metrics=[] if running else self._trial_metrics(report, at),
            tags=self._trial_tags(report) if known else {},
        )
        if known:
            self._client.update_run(run_id, status="RUNNING" if running else None, name=_trial_name(report))
        if running:
            self._running.add(report.number)
        else:
            self._client.set_terminated(run_id, _STATUS[report.status], end_time=at)
            self._running.discard(report.number)
            self._recorded.add(report.number)
            self._score(report, at)

    def measure(self, message: Point) -> None:
        """Gather points of the search's own curves."""
        at = _milliseconds(message.sent)
        for text, key in _values.names(message.values).items():
            self._series.append(Metric(key, message.values[text], at, message.step))

    def flush(self) -> None:
        """Write what was gathered from several trials at once: the course of the best score, and whose it is."""
        series, self._series = self._series, []
        leader, self._leader = self._leader, None
        found = {"candidate": f"best: {leader.candidate} (trial {leader.number})"} if leader else {}
        self._log(self.run_id, metrics=series, tags=found)

    def finish(self, message: Finish) -> Iterator[str]:
        """Write the result down and end the run, then copy the artifacts; gives what could not be copied.

        The copies come last: if they take too long and the writer is stopped, the run has ended well.
        """
        numbers = {key: float(v) for key, v in message.summary.items() if _is_number(v)}
        words = {key: v for key, v in message.summary.items() if key not in numbers}
        at = _milliseconds(message.sent)
        metrics = [Metric(key, numbers[text], at, 0) for text, key in _values.names(numbers).items()]
        self.flush()
        self._log(self.run_id, metrics=metrics, tags={**words, "status": "complete"})
        note = _notes.finished(self._info, message.summary, message.artifacts, **self._place)
        self._describe(note, self._client.get_run(self.run_id).data.tags)
        self._end(message.sent, "FINISHED")
        for path in map(Path, message.artifacts):
            try:
                self._copy(path)
            except Exception as error:  # the others are still wanted; the caller tells of this one
                yield f"{path} was not copied: {type(error).__name__}: {error}"

    def kill(self, sent: float) -> None:
        """End what is still running as killed: the search is gone without a result."""
        if self._open:
            self.flush()
            self._log(self.run_id, tags={"status": "interrupted"})
            self._end(sent, "KILLED")

    def _create(self, start: Start) -> str:
        tags = {
            **self._sources,
            "dataset": start.info.dataset_name,
            "dataset_id": start.info.dataset_id,
            "folder": start.info.folder,
            "status": "running",
        }
        run = self._client.create_run(
            self._experiment_id,
            start_time=_milliseconds(start.sent),
            tags=_tags(tags),
            run_name=_values.value(start.info.name, _MAX_RUN_NAME),
        )
        self._log_dataset(run.info.run_id)
        return str(run.info.run_id)

    def _log_dataset(self, run_id: str) -> None:
        info = self._info
        table = Dataset(
            name=_values.value(info.dataset_name or "table", _MAX_DATASET_NAME),
            digest=_values.value(info.dataset_id.rpartition(":")[2], MAX_TAG_VAL_LENGTH)[:_DIGEST],
            source_type="local",
            source=json.dumps({"uri": _values.value(info.settings.get("table", ""), MAX_PARAM_VAL_LENGTH)}),
        )
        with contextlib.suppress(MlflowException):  # an old server has no datasets; the tags name it as well
            self._client.log_inputs(run_id, datasets=[DatasetInput(table)])

    @property
    def _place(self) -> dict[str, str]:
        return {"experiment_id": self._experiment_id, "run_id": self.run_id}

    def _describe(self, note: str, tags: Mapping[str, str]) -> None:
        """Write the run's description, unless its user changed the one that ``tags`` hold."""
        earlier = tags.get(_notes.NOTE)
        if earlier is None or tags.get(_NOTE_MARK) == _digest(earlier):
            text = _values.value(note, MAX_TAG_VAL_LENGTH)
            self._log(self.run_id, tags={_notes.NOTE: text, _NOTE_MARK: _digest(text)})

    def _find(self, run_id: str | None) -> Run | None:
        if run_id is None:
            return None
        with contextlib.suppress(MlflowException):  # another store, or deleted: told through missing_run_id
            run = self._client.get_run(run_id)
            if run.info.lifecycle_stage == "active":
                return run
        return None

    def _reopen(self, run: Run, sent: float) -> str:
        run_id = str(run.info.run_id)
        self._experiment_id = run.info.experiment_id
        self._client.update_run(run_id, status="RUNNING")
        self._log(run_id, tags={**self._sources, "status": "running"})
        for child in self._children(run_id):
            if (text := child.data.tags.get("trial", "")).isdecimal():
                number = int(text)
                self._trials[number] = child.info.run_id
                if child.info.status == "RUNNING":
                    self._interrupt(number, sent)
                elif child.data.tags.get("status") != "interrupted":
                    self._recorded.add(number)
        history = self._client.get_metric_history(run_id, self._best_name)
        if history:
            last = max(history, key=lambda metric: metric.step)
            self._best, self._n_scored = last.value, last.step + 1
        return run_id

    def _children(self, run_id: str) -> Iterator[Run]:
        nested, token = f"tags.`mlflow.parentRunId` = '{run_id}'", None
        while True:
            page = self._client.search_runs([self._experiment_id], nested, max_results=_PAGE, page_token=token)
            yield from page
            if not (token := page.token):
                return

    def _log_settings(self, earlier: Mapping[str, str]) -> None:
        """Settings are parameters; MLflow never changes one, so what a resumed search changed is a tag."""
        info = self._info
        settings = {
            **info.settings,
            "task": info.task,
            "metric": info.metric,
            "direction": info.direction,
            "seed": info.seed,
            "dataset": info.dataset_name,
        }
        params = {key: _param(settings[text]) for text, key in _values.names(settings).items()}
        changed = {f"resumed.{k}": v for k, v in params.items() if earlier.get(k, v) != v}
        self._log(self.run_id, params={k: v for k, v in params.items() if k not in earlier}, tags=changed)

    def _create_trial(self, message: Trial) -> str:
        report = message.report
        elapsed = 0.0 if report.ended is None else report.ended - report.started
        run = self._client.create_run(
            self._experiment_id,
            start_time=_milliseconds(message.sent - elapsed),
            tags=_tags(self._trial_tags(report)),
            run_name=_trial_name(report),
        )
        self._trials[report.number] = str(run.info.run_id)
        self._running.add(report.number)
        return str(run.info.run_id)

    def _trial_tags(self, report: TrialReport) -> dict[str, object]:
        origin = report.origin
        tags = {
            **self._sources,
            "mlflow.parentRunId": self.run_id,
            "trial": report.number,
            "candidate": report.candidate,
            "status": report.status,
            "reason": report.reason or None,
            "origin": origin,
            "origin.strategy": origin.strategy,
            "origin.dataset": origin.dataset_name,
            "origin.dataset_id": origin.dataset_id,
            "origin.distance": origin.distance,
            "origin.rank": origin.rank,
            "origin.reason": origin.reason or None,
            "origin.projected": origin.projected or None,
        }
        return {key: tag for key, tag in tags.items() if tag is not None}

    def _trial_metrics(self, report: TrialReport, at: int) -> list[Metric]:
        single = {
            _values.name(self._info.metric): report.value,
            "score": report.value,  # one column for searches of all metrics
            "duration_seconds": None if report.ended is None else report.ended - report.started,
            "fit_seconds": report.fit_seconds,
            "peak_memory_mb": report.peak_memory_mb,
        }
        folds = [Metric("fold_score", score, at, step) for step, score in enumerate(report.fold_scores)]
        return folds + [Metric(key, value, at, 0) for key, value in single.items() if value is not None]

    def _score(self, report: TrialReport, at: int) -> None:
        """Add to the course of the best score; its step counts the trials that have a score."""
        if report.status == "complete" and report.value is not None and math.isfinite(report.value):
            better = max if self._info.direction == "maximize" else min
            if self._best is None or better(self._best, report.value) != self._best:
                self._best, self._leader = report.value, report
            self._series.append(Metric(self._best_name, self._best, at, self._n_scored))
            self._n_scored += 1

    def _end(self, sent: float, status: str) -> None:
        for number in sorted(self._running):
            self._interrupt(number, sent)
        self._client.set_terminated(self.run_id, status, end_time=_milliseconds(sent))
        self._open = False

    def _interrupt(self, number: int, sent: float) -> None:
        run_id = self._trials[number]
        self._log(run_id, tags={"status": "interrupted"})
        self._client.set_terminated(run_id, "KILLED", end_time=_milliseconds(sent))
        self._running.discard(number)

    def _copy(self, path: Path) -> None:
        if path.is_dir():
            self._client.log_artifacts(self.run_id, str(path), artifact_path=path.name)
        else:
            self._client.log_artifact(self.run_id, str(path))

    def _log(
        self,
        run_id: str,
        *,
        params: Mapping[str, object] = MappingProxyType({}),
        metrics: Sequence[Metric] = (),
        tags: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        all_params = [Param(key, _param(params[text])) for text, key in _values.names(params).items()]
        all_tags = [RunTag(key, tag) for key, tag in _tags(tags).items()]
        while all_params or metrics or all_tags:
            self._client.log_batch(
                run_id, metrics[:_METRICS_PER_CALL], all_params[:_OTHERS_PER_CALL], all_tags[:_OTHERS_PER_CALL]
            )
            metrics = metrics[_METRICS_PER_CALL:]
            del all_params[:_OTHERS_PER_CALL], all_tags[:_OTHERS_PER_CALL]


def _trial_name(report: TrialReport) -> str:
    """Number, score or how it ended, and candidate: what is wanted where no columns for them are shown."""
    ending = "" if report.status == "running" else f"{report.status} "
    if report.status == "complete" and report.value is not None:
        ending = f"{report.value:.5g} "
    return _values.value(f"#{report.number} {ending}{report.candidate}", _MAX_RUN_NAME)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _source_tags() -> dict[str, str]:
    return {
        "mlflow.user": _user(),
        "mlflow.source.name": "autometa",
        "autometa.version": _version(),
    }


def _version() -> str:
    try:
        return importlib.metadata.version("autometa")
    except importlib.metadata.PackageNotFoundError:  # on the path, but not installed
        return "unknown"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's numbered user without a name
        return str(os.getuid())


def _tags(tags: Mapping[str, object]) -> dict[str, str]:
    return {key: _values.value(tags[text], MAX_TAG_VAL_LENGTH) for text, key in _values.names(tags).items()}


def _param(value: object) -> str:
    return _values.value(value, MAX_PARAM_VAL_LENGTH)


def _is_number(value: float | str) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
