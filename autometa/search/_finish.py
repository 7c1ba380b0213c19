"""From finished trials to a saved model: ensemble selection, refit, card, leaderboard."""

import math
import shutil
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa import model
from autometa.calibration import Calibration, calibrate
from autometa.datasets import Dataset
from autometa.errors import SearchError
from autometa.metrics import Metric
from autometa.records import SearchInfo, TrialReport
from autometa.search import _bags
from autometa.search._arrays import save_array
from autometa.search._clock import Clock
from autometa.search._ensemble import Ensemble, fold_scores, select
from autometa.search._environment import machine, versions
from autometa.search._folder import SearchFolder
from autometa.search._listener import Listener
from autometa.search._options import SearchOptions
from autometa.search._pool import Job, WorkerPool
from autometa.search._splits import Rows, Splits, sample_rows
from autometa.search._trials import TrialLoop, balanced

LIBRARY_SIZE = 30
LIBRARY_BYTES = 500 << 20
SLACK_SECONDS = 1.5
REPORT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a search: who is in the model, with which weight, and how good it is.

    ``weights`` are by trial number. ``score`` is the mean over splits of the members' blended out-of-fold
    predictions; ``honest_score`` repeats the selection for each split without that split, and is None where there was
    no time for it or only one model. ``test_score`` is that of the saved model on the user's own test table.
    ``calibration`` is what the scored predictions have gone through, where log-loss is the metric and it helps.
    """

    weights: Mapping[int, float]
    score: float
    honest_score: float | None
    fold_scores: tuple[float, ...]
    test_score: float | None = None
    calibration: Calibration | None = None


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
        splits = Splits.load(loop.evaluation.splits)
        self._search_rows = np.unique(np.concatenate([*splits.train, *splits.test]))
        self._y = dataset.y.to_numpy()[splits.rows]
        self._folds = splits.folds
        self._sample_weights = None if dataset.weights is None else dataset.weights.to_numpy()[splits.rows]

    def finish(self, info: SearchInfo) -> Finished:
        """Select, refit, save.

        Args:
            info: What the search was about, for the model's card.

        Raises:
            SearchError: No trial finished, or none could be refitted in time.
        """
        complete = self._loop.complete()
        if not complete:
            raise SearchError(self._why_nothing())
        self._listener.phase("choosing the ensemble")
        ensemble = self._select(complete)
        bags = {number: self._folder.bag(number) for number in ensemble.weights if self._folder.bag(number).is_dir()}
        refits = self._affordable(ensemble.weights, complete, needed=not bags)
        kept = {number: weight for number, weight in ensemble.weights.items() if number in bags or number in refits}
        planned = kept or refits
        left_out = set(ensemble.weights) - set(planned)
        if left_out:
            self._listener.note(
                f"{len(left_out)} of {len(ensemble.weights)} ensemble members are left out: no time to refit them",
                "limited",
            )
        rows = self._rows_in_time(planned, complete)
        n_rows = len(self._dataset.X) if rows is None else len(rows)
        some = "all" if rows is None else f"{n_rows:,} of {len(self._dataset.X):,}"
        beside = f", beside the splits' models of {len(bags)}" if bags else ""
        self._listener.phase(f"refitting {len(refits)} model{'s' if len(refits) != 1 else ''} on {some} rows{beside}")
        if rows is not None:
            self._listener.note(f"the model has learned from {some} rows; a longer time limit uses more", "limited")
        fresh = self._folder.clear_model()
        refitted = self._refit(planned, refits, bags, fresh, rows)
        if not refitted:
            raise SearchError(
                "No model could be refitted within the time limit. The trials are kept: continue with "
                f"--resume {self._folder.path} and a larger --time-limit."
            )
        total = sum(planned[number] for number in refitted)
        weights = {number: planned[number] / total for number in refitted}
        finished = self._scored(weights, ensemble)
        facts = {**_facts(info), "rows": n_rows}
        self._save(fresh, refitted, finished, facts)
        self._folder.publish_model(fresh)
        if self._folder.test.is_dir():
            finished = replace(finished, test_score=self._test_score())
            self._save(self._folder.model, refitted, finished, facts)
        return finished

    def _select(self, complete: Sequence[TrialReport]) -> Ensemble:
        row_bytes = 8 * len(self._y) * max(1, self._dataset.n_classes)
        size = max(1, min(LIBRARY_SIZE, LIBRARY_BYTES // row_bytes))
        library = {}
        for report in complete[:size]:
            try:
                library[report.number] = np.load(self._folder.predictions(report.number), allow_pickle=False)
            except (OSError, ValueError, EOFError):
                self._listener.note(
                    f"the predictions of trial {report.number} are missing or damaged; it cannot be in the model",
                    "failed",
                )
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
            sample_weights=self._sample_weights,
            max_members=self._options.ensemble_size,
            deadline=deadline,
        )

    def _affordable(
        self, weights: Mapping[int, float], complete: Sequence[TrialReport], *, needed: bool
    ) -> dict[int, float]:
        """The heaviest members whose refits fit into the remaining time; if one is ``needed``, at least one."""
        seconds = {report.number: self._loop.refit_seconds(report) for report in complete}
        left = self._clock.remaining() - 0.5
        slots = [0.0] * self._options.jobs
        chosen: dict[int, float] = {}
        for number, weight in weights.items():
            slot = min(range(len(slots)), key=slots.__getitem__)
            if slots[slot] + seconds[number] <= left:
                slots[slot] += seconds[number]
                chosen[number] = weight
        if chosen or not needed:
            return chosen
        in_time = [report for report in complete if seconds[report.number] <= left]
        fallback = in_time[0] if in_time else min(complete, key=lambda report: seconds[report.number])
        return {fallback.number: 1.0}

    def _rows_in_time(self, planned: Mapping[int, float], complete: Sequence[TrialReport]) -> Rows | None:
        """The rows to refit on: as many as there is time for, and never fewer than the search has used; None = all."""
        n_rows, searched = len(self._dataset.X), len(self._search_rows)
        if searched == n_rows:
            return None
        members = [report for report in complete if report.number in planned]
        needed = sum(self._loop.refit_seconds(report, n_rows=n_rows) for report in members)
        left = (self._clock.remaining() - self._loop.reserve) * min(self._options.jobs, len(members))
        if needed <= left:
            return None
        keep = int(n_rows * max(0.0, left) / needed)
        if keep <= searched:
            return self._search_rows
        return sample_rows(self._dataset.y.to_numpy(), self._dataset.task, keep=keep, seed=self._options.seed)

    def _refit(
        self,
        planned: Mapping[int, float],
        refits: Collection[int],
        bags: Mapping[int, Path],
        fresh: Path,
        rows: Rows | None,
    ) -> dict[int, dict[str, float]]:
        """Take the bags, and refit in worker processes beside them; what is not done in time is left out, and said.

        Returns:
            By trial number, heaviest first: folders of pipelines, relative to the model's, and their shares.
        """
        configs = {report.number: report for report in self._loop.reports}
        chosen = None if rows is None else self._folder.path / "work" / "refit-rows.npy"
        if chosen is not None and rows is not None:
            save_array(chosen, rows)
        members = {number: f"members/{i:02d}-{configs[number].candidate}" for i, number in enumerate(planned)}
        done = {number: _bags.add_to_model(bags[number], fresh, f"{members[number]}-splits") for number in bags}
        waiting = [(number, relative) for number, relative in members.items() if number in refits]
        running: dict[Job, tuple[int, str]] = {}
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
                        "balanced": balanced(self._loop.evaluation.balanced, configs[number].candidate),
                        "rows": None if chosen is None else str(chosen),
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
                    done[number] = _bags.beside(done.get(number, {}), relative)
                    if fallback := event.outcome.value["fallback"]:
                        self._listener.note(f"trial {number} ({configs[number].candidate}), refitted: {fallback}")
                    continue
                shutil.rmtree(fresh / relative, ignore_errors=True)
                reason = event.outcome.reason or event.outcome.status
                self._listener.note(
                    f"trial {number} ({configs[number].candidate}) could not be refitted: {reason}", "failed"
                )
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
        blended = blend(self._folder, weights)
        single = len(weights) == 1 and len(ensemble.weights) == 1
        honest_score = None if single else ensemble.honest_score
        calibrated = self._calibrated(blended)
        if calibrated is None:
            scores = self._fold_scores(blended)
            return Finished(weights, float(np.mean(scores)), honest_score, scores)
        calibration, crossed = calibrated
        self._listener.note(
            f"probabilities are calibrated: temperature {calibration.temperature:.2f}, of which "
            f"{calibration.smoothing:.2%} are the class frequencies"
        )
        if honest_score is not None:
            of_honest = self._calibrated(ensemble.honest)
            honest_score = float(np.mean(self._fold_scores(ensemble.honest if of_honest is None else of_honest[1])))
        scores = self._fold_scores(crossed)
        return Finished(weights, float(np.mean(scores)), honest_score, scores, calibration=calibration)

    def _calibrated(self, values: npt.NDArray[np.float64]) -> tuple[Calibration, npt.NDArray[np.float64]] | None:
        """A calibration and what it makes of predictions, each split's learned without it; None where it is no help."""
        if not self._metric.calibrated:
            return None
        return calibrate(values, self._y.astype(np.int64), self._folds, sample_weights=self._sample_weights)

    def _fold_scores(self, values: npt.NDArray[np.float64]) -> tuple[float, ...]:
        return fold_scores(
            values,
            self._y,
            self._folds,
            metric=self._metric,
            task=self._dataset.task,
            sample_weights=self._sample_weights,
        )

    def _save(
        self, fresh: Path, folders: Mapping[int, Mapping[str, float]], finished: Finished, facts: Mapping[str, Any]
    ) -> None:
        reports = {report.number: report for report in self._loop.reports}
        members = [
            model.Member(
                path=path,
                weight=weight * share,
                candidate=reports[number].candidate,
                config=reports[number].config,
                trial=number,
                score=reports[number].value or math.nan,
                calibration=_calibration(reports[number]),
            )
            for number, weight in finished.weights.items()
            for path, share in folders[number].items()
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
                "test_score": finished.test_score,
                "calibration": None if finished.calibration is None else finished.calibration.to_json(),
                "versions": versions(),
                "machine": machine(),
            },
        )

    def _test_score(self) -> float | None:
        """The published model's score on the user's test table, from a process that loads it as a user would."""
        self._listener.phase("scoring the test table")
        arguments = {
            "folder": str(self._folder.model),
            "test": str(self._folder.test),
            "metric": self._metric.name,
        }
        outcome = self._pool.run(
            "autometa.search._evaluate:score_test",
            arguments,
            memory_mb=self._options.trial_memory,
            deadline=self._refit_deadline(),
        )
        if outcome.status == "ok":
            return float(outcome.value["score"])
        self._listener.note(f"the test table was not scored: {outcome.reason or outcome.status}", "failed")
        return None

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


def _facts(info: SearchInfo) -> dict[str, Any]:
    names = ("dataset_id", "task", "metric", "direction", "seed")
    values = {name: getattr(info, name) for name in names}
    return {"dataset": info.dataset_name, **values, "splits": info.settings["splits"]}


def _calibration(report: TrialReport) -> Calibration | None:
    return None if report.calibration is None else Calibration.from_json(report.calibration)


def blend(folder: SearchFolder, weights: Mapping[int, float]) -> npt.NDArray[np.float64]:
    """The members' out-of-fold predictions, weighted: (n, n_classes), or (n,) for regression."""
    return np.asarray(
        sum(weight * np.load(folder.predictions(number), allow_pickle=False) for number, weight in weights.items())
    )


def reserve(time_limit: float | None, *, test: bool, report: bool) -> float:
    """Seconds that the end of a search takes besides the refits: ensemble, saving, test table, column weights, page."""
    if time_limit is None:
        return 0.0
    page = REPORT_SECONDS + min(3.0, 0.04 * time_limit) if report else 0.0
    return 1.5 + (2.5 if test else 0.0) + page
