"""From finished trials to a saved model: ensemble selection, refit, card, leaderboard."""

import importlib.metadata
import json
import math
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autometa import model
from autometa.datasets import Dataset
from autometa.errors import SearchError
from autometa.metrics import Metric
from autometa.records import TrialReport
from autometa.search._clock import Clock
from autometa.search._ensemble import Ensemble, fold_mean, select
from autometa.search._folder import SearchFolder
from autometa.search._listener import Listener
from autometa.search._options import SearchOptions
from autometa.search._pool import Job, WorkerPool
from autometa.search._trials import TrialLoop

LIBRARY_SIZE = 30
LIBRARY_BYTES = 500 << 20
SLACK_SECONDS = 3.0
VERSIONS = ("autometa", "scikit-learn", "numpy", "pandas", "lightgbm", "xgboost-cpu", "catboost", "torch", "optuna")


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a search: who is in the model, with which weight, and how good it is.

    ``weights`` are by trial number. ``score`` is the mean over folds of the members' blended out-of-fold
    predictions; ``honest_score`` repeats the selection for each fold without that fold, and is None where there was
    no time for it or only one model.
    """

    weights: Mapping[int, float]
    score: float
    honest_score: float | None
    fold_scores: tuple[float, ...]


class Finisher:
    """Builds the model from what a `TrialLoop` found, within the time that is left."""

    def __init__(
        self,
        loop: TrialLoop,
        *,
        pool: WorkerPool,
        folder: SearchFolder,
        dataset: Dataset,
        metric: Metric,
        options: SearchOptions,
        clock: Clock,
        listener: Listener,
    ) -> None:
        """See the class."""
        self._loop = loop
        self._pool = pool
        self._folder = folder
        self._dataset = dataset
        self._metric = metric
        self._options = options
        self._clock = clock
        self._listener = listener
        self._y = dataset.y.to_numpy()
        self._folds = np.load(folder.folds, allow_pickle=False)

    def finish(self, facts: Mapping[str, Any]) -> Finished:
        """Select, refit, save.

        Args:
            facts: JSON values for the model's card.

        Raises:
            SearchError: No trial finished, or none could be refitted in time.
        """
        complete = self._loop.complete()
        if not complete:
            raise SearchError(self._why_nothing())
        self._listener.phase("choosing the ensemble")
        self._pool.warm("autometa.model:preload", {})  # in the server, while we choose
        ensemble = self._select(complete)
        planned = self._affordable(ensemble.weights, complete)
        left_out = set(ensemble.weights) - set(planned)
        if left_out:
            self._listener.note(
                f"{len(left_out)} of {len(ensemble.weights)} ensemble members are left out: no time to refit them"
            )
        self._listener.phase(f"refitting {len(planned)} model{'s' if len(planned) > 1 else ''} on all rows")
        fresh = self._folder.clear_model()
        refitted = self._refit(planned, fresh)
        if not refitted:
            raise SearchError(
                "No model could be refitted on all rows within the time limit. The trials are kept: continue with "
                f"--resume {self._folder.path} and a larger --time-limit."
            )
        total = sum(planned[number] for number in refitted)
        weights = {number: planned[number] / total for number in refitted}
        finished = self._scored(weights, ensemble)
        self._save(fresh, refitted, finished, facts)
        return finished

    def _select(self, complete: Sequence[TrialReport]) -> Ensemble:
        row_bytes = 8 * len(self._y) * max(1, self._dataset.n_classes)
        size = max(1, min(LIBRARY_SIZE, LIBRARY_BYTES // row_bytes))
        library = {
            report.number: np.load(self._folder.predictions(report.number), allow_pickle=False)
            for report in complete[:size]
            if self._folder.predictions(report.number).is_file()
        }
        if not library:
            raise SearchError(f"The predictions in {self._folder.path / 'work'} are missing; the search cannot finish.")
        spare = 0.5 * max(0.5, self._clock.remaining() - self._loop.finish_seconds())
        deadline = math.inf if self._clock.time_limit is None else time.monotonic() + max(1.0, spare)
        return select(
            library,
            self._y,
            self._folds,
            metric=self._metric,
            task=self._dataset.task,
            max_members=self._options.ensemble_size,
            deadline=deadline,
        )

    def _affordable(self, weights: Mapping[int, float], complete: Sequence[TrialReport]) -> dict[int, float]:
        """The heaviest members whose refits fit into the remaining time, at least one."""
        seconds = {report.number: self._loop.refit_seconds(report) for report in complete}
        left = self._clock.remaining() - 0.5
        slots = [0.0] * self._options.jobs
        chosen: dict[int, float] = {}
        for number, weight in weights.items():
            slot = min(range(len(slots)), key=slots.__getitem__)
            if slots[slot] + seconds[number] <= left:
                slots[slot] += seconds[number]
                chosen[number] = weight
        if chosen:
            return chosen
        in_time = [report for report in complete if seconds[report.number] <= left]
        fallback = in_time[0] if in_time else min(complete, key=lambda report: seconds[report.number])
        return {fallback.number: 1.0}

    def _refit(self, planned: Mapping[int, float], fresh: Path) -> dict[int, str]:
        """Refit in worker processes; what is not done in time is left out, and said.

        Returns:
            Member folders, relative to the model's, by trial number, heaviest first.
        """
        configs = {report.number: report for report in self._loop.reports}
        waiting = [(number, f"members/{i:02d}-{configs[number].candidate}") for i, number in enumerate(planned)]
        running: dict[Job, tuple[int, str]] = {}
        done: dict[int, str] = {}
        while waiting or running:
            while waiting and len(running) < self._options.jobs:
                number, relative = waiting.pop(0)
                job = self._pool.submit(
                    "autometa.search._evaluate:refit",
                    {
                        "data": str(self._folder.data),
                        "config": configs[number].config,
                        "seed": self._options.seed,
                        "threads": self._options.threads,
                        "folder": str(fresh / relative),
                        "seconds": self._refit_seconds(),
                    },
                    memory_mb=self._options.trial_memory,
                    deadline=self._refit_deadline(),
                )
                running[job] = (number, relative)
            for event in self._pool.wait():
                if event.outcome is None:
                    continue
                number, relative = running.pop(event.job)
                if event.outcome.status == "ok":
                    done[number] = relative
                    continue
                shutil.rmtree(fresh / relative, ignore_errors=True)
                reason = event.outcome.reason or event.outcome.status
                self._listener.note(f"trial {number} ({configs[number].candidate}) could not be refitted: {reason}")
        return {number: done[number] for number in planned if number in done}

    def _refit_seconds(self) -> float | None:
        """What a learner that can stop in time may take for a refit."""
        return None if self._clock.time_limit is None else max(2.0, self._clock.remaining())

    def _refit_deadline(self) -> float | None:
        """A refit that began in time may use the slack that every search has."""
        if self._clock.time_limit is None or self._clock.deadline is None:
            return None
        return self._clock.deadline + 0.05 * self._clock.time_limit + SLACK_SECONDS

    def _scored(self, weights: Mapping[int, float], ensemble: Ensemble) -> Finished:
        blended = sum(
            weight * np.load(self._folder.predictions(number), allow_pickle=False) for number, weight in weights.items()
        )
        values = np.asarray(blended)
        scores = tuple(
            fold_mean(values[rows], self._y[rows], self._folds[rows], metric=self._metric, task=self._dataset.task)
            for rows in (self._folds == fold for fold in np.unique(self._folds))
        )
        single = len(weights) == 1 and len(ensemble.weights) == 1
        return Finished(weights, float(np.mean(scores)), None if single else ensemble.honest_score, scores)

    def _save(self, fresh: Path, folders: Mapping[int, str], finished: Finished, facts: Mapping[str, Any]) -> None:
        reports = {report.number: report for report in self._loop.reports}
        members = [
            model.Member(
                path=folders[number],
                weight=weight,
                candidate=reports[number].candidate,
                config=reports[number].config,
                trial=number,
                score=reports[number].value or math.nan,
            )
            for number, weight in finished.weights.items()
        ]
        model.write_card(
            fresh,
            members,
            self._dataset.schema,
            {
                **facts,
                "score": finished.score,
                "honest_score": finished.honest_score,
                "fold_scores": list(finished.fold_scores),
                "versions": versions(),
            },
        )
        self._folder.publish_model(fresh)

    def _why_nothing(self) -> str:
        reports = self._loop.reports
        if not reports:
            return (
                "The time was over before the first trial ended. Give a larger --time-limit: continue with "
                f"--resume {self._folder.path}."
            )
        reasons = pd.Series([f"{report.status}: {report.reason}".strip(": ") for report in reports]).value_counts()
        listed = "; ".join(f"{count} x {reason}" for reason, count in list(reasons.items())[:5])
        return (
            f"None of {len(reports)} trials finished ({listed}). Give more time or memory, or name cheaper candidates "
            f"with --candidates; what was tried is in {self._folder.leaderboard}."
        )


def leaderboard(reports: Sequence[TrialReport], metric: Metric, weights: Mapping[int, float]) -> pd.DataFrame:
    """One row per trial: scored ones first and best first, then the others in order.

    Columns: rank, trial, candidate, score, score_std, status, weight, strategy, dataset, distance, seconds,
    fit_seconds, peak_memory_mb, reason, config.
    """
    ordered = sorted(
        reports,
        key=lambda report: (
            report.status != "complete",
            metric.loss(report.value) if report.status == "complete" and report.value is not None else 0.0,
            report.number,
        ),
    )
    return pd.DataFrame(
        [
            {
                "rank": rank if report.status == "complete" else None,
                "trial": report.number,
                "candidate": report.candidate,
                "score": report.value if report.status == "complete" else None,
                "score_std": float(np.std(report.fold_scores)) if report.status == "complete" else None,
                "status": report.status,
                "weight": weights.get(report.number, 0.0),
                "strategy": report.origin.strategy,
                "dataset": report.origin.dataset_name,
                "distance": report.origin.distance,
                "seconds": None if report.ended is None else report.ended - report.started,
                "fit_seconds": report.fit_seconds,
                "peak_memory_mb": report.peak_memory_mb,
                "reason": report.reason,
                "config": json.dumps(report.config),
            }
            for rank, report in enumerate(ordered, start=1)
        ],
        columns=[
            *("rank", "trial", "candidate", "score", "score_std", "status", "weight", "strategy", "dataset"),
            *("distance", "seconds", "fit_seconds", "peak_memory_mb", "reason", "config"),
        ],
    ).astype({"rank": "Int64", "trial": "int64"})


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide what a model does."""
    found = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
