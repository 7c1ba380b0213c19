"""One search from a table to a saved model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from autometa import candidates, metafeatures
from autometa.datasets import Dataset
from autometa.errors import AutometaError, OptionError
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import MetaFeatures, SearchInfo, TrialReport
from autometa.search import _study, _warm
from autometa.search._clock import Clock, Interruption
from autometa.search._evaluate import save_array
from autometa.search._finish import Finished, Finisher, leaderboard, versions
from autometa.search._folder import SearchFolder
from autometa.search._listener import Broadcast, Listener, LogListener, TrackerListener, close_log, open_log
from autometa.search._options import SearchOptions
from autometa.search._plan import SPACE, affordable, check, inferred, plan_folds
from autometa.search._pool import WorkerPool
from autometa.search._splits import make_folds
from autometa.search._trials import TrialLoop
from autometa.search._warm import CHOICE
from autometa.tracking import NullTracker, Tracker

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found; `autometa.api.TuneResult` is its public face."""

    folder: SearchFolder
    info: SearchInfo
    metric: Metric
    finished: Finished
    reports: tuple[TrialReport, ...]
    leaderboard: pd.DataFrame
    study: "optuna.Study"
    notes: tuple[str, ...]
    seconds: float


class Search:
    """Runs one search; use once.

    The order: `prepare` writes the table and the folds for the workers and starts them on it; `run` does the rest.
    """

    def __init__(
        self,
        dataset: Dataset,
        options: SearchOptions,
        *,
        folder: SearchFolder,
        pool: WorkerPool,
        clock: Clock,
        kb: KnowledgeBase,
        tracker: Tracker | None = None,
        listeners: Sequence[Listener] = (),
        storage: str | None = None,
        study_name: str = _study.STUDY_NAME,
        table: str = "",
        state: dict[str, Any] | None = None,
    ) -> None:
        """Take everything that the search needs; `check` has passed.

        Args:
            dataset: The table.
            options: Budgets, metric and so on.
            folder: Where everything goes.
            pool: Workers, starting up.
            clock: Began when the user pressed return.
            kb: Where suggestions come from and runs go to.
            tracker: None for no tracking.
            listeners: Progress displays.
            storage: Optuna storage URL; None for the journal in the folder.
            study_name: Name of the study in that storage.
            table: Where the table came from, for the card.
            state: The state file of the search that is resumed, else None.
        """
        self._whole = dataset
        self._options = options
        self._folder = folder
        self._pool = pool
        self._clock = clock
        self._kb = kb
        self._tracker = tracker or NullTracker()
        self._storage = storage
        self._study_name = study_name
        self._table = table
        self._resumed = state is not None
        self._state = dict(state or {})
        self._log = open_log(folder.log)
        resume_run = self._state.get("tracking_run_id")
        self._listener = Broadcast(
            [LogListener(self._log), TrackerListener(self._tracker, resume_run_id=resume_run), *listeners], self._log
        )
        self._metric, self._space = check(dataset, options)
        self._dataset, self._limits = (dataset, []) if self._resumed else affordable(dataset, options)
        self._n_folds, fewer = plan_folds(self._dataset, options)
        self._limits += fewer

    def run(self) -> SearchResult:
        """Search, build the model, remember.

        Raises:
            SearchError: No model came out of it.
        """
        interruption = Interruption()
        loop: TrialLoop | None = None
        try:
            with interruption.watch():
                self._prepare()
                info = self._info()
                self._listener.started(info)
                for note in (*inferred(self._dataset), *self._dataset.notes, *self._limits):
                    self._listener.note(note)
                meta_features = self._describe()
                study = self._open_study(meta_features)
                loop = self._loop(study, interruption)
                loop.run()
                self._save_state(status="running", spent=self._clock.elapsed())
                finished = self._finisher(loop).finish(self._facts(info))
                board = self._write_leaderboard(loop, finished)
                self._learn(meta_features, loop)
                self._save_state(status="finished", spent=self._clock.elapsed())
            self._finish_tracking(finished, len(loop.reports))
            return SearchResult(
                self._folder,
                info,
                self._metric,
                finished,
                tuple(loop.reports),
                board,
                study,
                tuple(self._listener.notes),
                self._clock.elapsed(),
            )
        except BaseException as error:
            self._log.error("search stopped: %s: %s", type(error).__name__, error)
            if loop is not None:
                self._write_leaderboard(loop, None)
                self._save_state(status="running", spent=self._clock.elapsed())
            raise
        finally:
            self._tracker.close()
            self._listener.ended()
            close_log(self._log)

    def _describe(self) -> MetaFeatures:
        """Meta-features of the whole table, computed once and kept for a resumed search."""
        if "meta_features" not in self._state:
            found = metafeatures.compute(self._whole, seed=self._options.seed)
            self._state["meta_features"] = dict(found.values)
        return MetaFeatures(f"sha256:{self._whole.content_hash}", self._state["meta_features"])

    def _prepare(self) -> None:
        """Write what the workers need and make them load it once."""
        if not self._resumed:
            self._dataset.to_folder(self._folder.data)
            folds = make_folds(
                self._dataset.y.to_numpy(), self._dataset.task, n_folds=self._n_folds, seed=self._options.seed
            )
            save_array(self._folder.folds, folds)
        self._pool.warm("autometa.search._evaluate:load", {"folder": str(self._folder.data)})
        self._save_state(status="running", spent=self._state.get("spent", 0.0))

    def _info(self) -> SearchInfo:
        options = self._options
        limit = "none" if options.time_limit is None else f"{options.time_limit:g} s"
        memory = "none" if options.trial_memory is None else f"{options.trial_memory} MB a trial"
        return SearchInfo(
            name=self._folder.path.name,
            dataset_name=self._dataset.name,
            dataset_id=f"sha256:{self._dataset.content_hash}",
            task=self._dataset.task,
            metric=self._metric.name,
            direction=self._metric.direction,
            seed=options.seed,
            folder=str(self._folder.path.resolve()),
            settings={
                "table": self._table,
                "rows": str(len(self._dataset.X)),
                "columns": str(self._dataset.X.shape[1]),
                "time limit": limit,
                "trials": "no limit" if options.trials is None else str(options.trials),
                "jobs": str(options.jobs),
                "memory limit": memory,
                "folds": str(self._n_folds),
                "warm start": options.warm_start,
                "candidates": ", ".join(str(choice) for choice in self._space[CHOICE].choices),
            },
        )

    def _open_study(self, meta_features: MetaFeatures) -> "optuna.Study":
        study = _study.open_study(
            self._folder.journal,
            self._storage,
            name=self._study_name,
            direction=self._metric.direction,
            seed=self._options.seed,
        )
        if study.get_trials(deepcopy=False):
            if not self._resumed:
                raise OptionError(
                    f"The storage holds a study named {self._study_name!r} with trials in it. Continue that search "
                    "with --resume, or choose another --study-name."
                )
            retried = _study.retry_unfinished(study)
            self._listener.note(
                f"resumed after {self._clock.elapsed():.0f} s; {retried} unfinished trials are tried again"
            )
            return study
        found = _warm.suggestions(
            self._dataset,
            meta_features,
            self._kb,
            self._space,
            metric=self._metric,
            options=self._options,
            listener=self._listener,
        )
        defaults = _study.defaults(self._space, CHOICE, [str(item.config[CHOICE]) for item in found])
        effort = {name: candidates.CANDIDATES.create(name).effort for name in self._space.member_names}
        for queue in (found, defaults):
            _study.enqueue(study, _study.quick_first(queue, CHOICE, effort), self._space)
        return study

    def _loop(self, study: "optuna.Study", interruption: Interruption) -> TrialLoop:
        listener = Broadcast([self._listener, _StateKeeper(self)], self._log)
        return TrialLoop(
            study=study,
            space=self._space,
            pool=self._pool,
            folder=self._folder,
            metric=self._metric,
            options=self._options,
            n_folds=self._n_folds,
            clock=self._clock,
            interruption=interruption,
            listener=listener,
            reports=_study.read_reports(study),
        )

    def _finisher(self, loop: TrialLoop) -> Finisher:
        return Finisher(
            loop,
            pool=self._pool,
            folder=self._folder,
            dataset=self._dataset,
            metric=self._metric,
            options=self._options,
            clock=self._clock,
            listener=self._listener,
        )

    def _facts(self, info: SearchInfo) -> dict[str, Any]:
        return {
            "dataset": self._dataset.name,
            "dataset_id": info.dataset_id,
            "task": info.task,
            "metric": info.metric,
            "direction": info.direction,
            "seed": info.seed,
            "folds": self._n_folds,
        }

    def _write_leaderboard(self, loop: TrialLoop, finished: Finished | None) -> pd.DataFrame:
        board = leaderboard(loop.reports, self._metric, finished.weights if finished else {})
        board.to_csv(self._folder.leaderboard, index=False)
        return board

    def _learn(self, meta_features: MetaFeatures, loop: TrialLoop) -> None:
        learned = set(self._state.get("learned", []))
        fresh = [report for report in loop.reports if report.status == "complete" and report.number not in learned]
        if not self._options.learn or not fresh:
            return
        try:
            _warm.learn(self._dataset, meta_features, fresh, self._kb, space=SPACE, metric=self._metric)
        except (AutometaError, OSError) as error:  # the model is there; a full disk must not take it away
            self._listener.note(f"the knowledge base could not take these runs: {error}")
            return
        self._state["learned"] = sorted(learned | {report.number for report in fresh})

    def _finish_tracking(self, finished: Finished, n_trials: int) -> None:
        summary: dict[str, float | str] = {
            "score": finished.score,
            "n_trials": float(n_trials),
            "n_members": float(len(finished.weights)),
            "seconds": self._clock.elapsed(),
        }
        if finished.honest_score is not None:
            summary["honest_score"] = finished.honest_score
        self._tracker.finish(summary, [self._folder.leaderboard, self._folder.model, self._folder.log])
        self._tracker.close(self._tracking_seconds())
        for problem in self._tracker.problems:
            self._listener.note(f"tracking: {problem}")

    def _tracking_seconds(self) -> float | None:
        """What the tracker may still take, so that the search ends by its limit and the slack it is allowed."""
        if self._clock.time_limit is None:
            return None
        return max(1.0, self._clock.remaining() + 0.05 * self._clock.time_limit + 4.0)

    def _save_state(self, *, status: str, spent: float) -> None:
        self._state |= {
            "table": {
                "path": self._table,
                "name": self._dataset.name,
                "content_hash": self._dataset.content_hash,
            },
            "options": self._options.to_json(),
            "folds": self._n_folds,
            "storage": self._storage,
            "study_name": self._study_name,
            "tracking_run_id": self._tracker.run_id or self._state.get("tracking_run_id"),
            "versions": versions(),
            "status": status,
            "spent": spent,
        }
        self._folder.write_state(self._state)


class _StateKeeper(Listener):
    """Writes the seconds spent after every trial, so that a killed search knows what is left."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def trial_finished(self, report: TrialReport) -> None:
        self._search._save_state(status="running", spent=self._search._clock.elapsed())
