"""One search from a table to a saved model."""

import contextlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from autometa import metafeatures
from autometa.datasets import Dataset, LabelledRows, safe_cells
from autometa.errors import AutometaError, OptionError
from autometa.knowledge import KnowledgeBase
from autometa.records import MetaFeatures, Note, SearchInfo, TrialReport
from autometa.search import _bags, _study, _warm
from autometa.search._clock import Clock, Interruption
from autometa.search._ending import SearchResult, summary, test_dataset
from autometa.search._environment import machine, versions
from autometa.search._finish import REPORT_SECONDS, Finished, Finisher, reserve
from autometa.search._folder import SearchFolder
from autometa.search._importances import weigh_columns
from autometa.search._leaderboard import leaderboard
from autometa.search._listener import Broadcast, Listener, LogListener, TrackerListener, close_log, open_log
from autometa.search._opening import opening, search_info
from autometa.search._options import SearchOptions
from autometa.search._plan import SPACE, Judged, Plan, check, make_plan, plan_of, shrink
from autometa.search._pool import WorkerPool
from autometa.search._splits import mean_train_rows
from autometa.search._trials import Evaluation, TrialLoop
from autometa.spaces import SearchSpace
from autometa.tracking import NullTracker, Tracker
from autometa.warmstart import warm_start_effect

if TYPE_CHECKING:
    import optuna


TRACKER_SECONDS = 15.0  # what a slow tracker may take at the end, however much time is left


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
        test: LabelledRows | None = None,
        command: str = "",
        judged: Judged | None = None,
        report: bool = True,
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
            test: The user's own test table, to score the model on.
            command: How to run the same search again, for the report.
            judged: The splits; None for a resumed search, which goes on with its own.
            report: Whether to write the page for people.
            state: The state file of the search that is resumed, else None.
        """
        self._dataset = dataset
        self._options = options
        self._folder = folder
        self._pool = pool
        self._clock = clock
        self._kb = kb
        self._tracker = tracker or NullTracker()
        self._preparation = _warm.GetsReady()
        self._storage = storage
        self._study_name = study_name
        self._table = table
        self._test = test
        self._command = command
        self._wants_report = report
        self._resumed = state is not None
        self._state = dict(state or {})
        self._machine = machine()
        self._log = open_log(folder.log)
        resume_run = self._state.get("tracking_run_id")
        self._listener = Broadcast(
            [LogListener(self._log), TrackerListener(self._tracker, resume_run_id=resume_run), *listeners], self._log
        )
        self._metric, space = check(dataset, options)
        if judged is not None:
            self._plan = self._new_plan(space, judged)
        else:
            self._plan = plan_of(self._state, folder, dataset, space)

    def _new_plan(self, space: SearchSpace, judged: Judged) -> Plan:
        seconds = self._options.trial_seconds
        if seconds is not None:
            # Reading a large table may have taken most of a short limit.
            seconds = min(seconds, max(1.0, 0.25 * self._clock.remaining()))
        return make_plan(self._dataset, self._options, self._metric, space, judged, seconds=seconds)

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
                info = search_info(
                    self._dataset, self._plan, self._options, self._metric, folder=self._folder, table=self._table
                )
                self._listener.started(info)
                if not self._resumed:
                    for note in opening(self._dataset, self._plan, self._test, seed=self._options.seed):
                        self._listener.note(note.text, note.kind)
                meta_features = self._describe()
                study = self._open_study(meta_features)
                loop = self._loop(study, interruption)
                loop.run()
                if self._options.warm_start != "none":
                    effect = warm_start_effect(loop.reports, self._metric)
                    self._listener.note(effect.sentence(self._metric.name))
                self._save_state(status="running", spent=self._clock.elapsed())
                finished = self._finisher(loop).finish(info)
                board = self._write_leaderboard(loop, finished)
                self._learn(meta_features, loop)
                self._save_state(status="finished", spent=self._clock.elapsed())
                self._write_report(loop, finished, info, quick=interruption.asked)
            self._finish_tracking(finished, loop)
            return SearchResult(
                self._folder,
                info,
                self._metric,
                finished,
                tuple(loop.reports),
                board,
                study,
                self._notes(),
                versions(),
                self._machine,
                self._clock.elapsed(),
            )
        except BaseException as error:
            self._log.error("search stopped: %s: %s", type(error).__name__, error)
            if loop is not None:
                with contextlib.suppress(OSError):  # on a full disk, what was wrong first is what counts
                    self._write_leaderboard(loop, None)
                    self._save_state(status="running", spent=self._clock.elapsed())
            if isinstance(error, OSError):
                raise self._folder.trouble(error) from error
            raise
        finally:
            self._preparation.ended()
            self._close_tracker()
            self._listener.ended()
            close_log(self._log)

    def _describe(self) -> MetaFeatures:
        """Meta-features of the whole table, computed once and kept for a resumed search."""
        if "meta_features" not in self._state:
            found = metafeatures.compute(self._dataset, seed=self._options.seed)
            self._state["meta_features"] = dict(found.values)
        return MetaFeatures(f"sha256:{self._dataset.content_hash}", self._state["meta_features"])

    def _prepare(self) -> None:
        """Write what the workers need and make them load it once."""
        if not self._resumed:
            self._dataset.to_folder(self._folder.data)
            self._plan.splits.save(self._folder.splits(0))
            if self._test is not None:
                test_dataset(self._dataset, self._test).to_folder(self._folder.test)
        self._pool.warm("autometa.search._evaluate:load", {"folder": str(self._folder.data)})
        self._save_state(status="running", spent=self._state.get("spent", 0.0))

    def _open_study(self, meta_features: MetaFeatures) -> "optuna.Study":
        study = _study.open_study(
            self._folder.journal,
            self._storage,
            name=self._study_name,
            direction=self._metric.direction,
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
        options, listener = self._options, self._listener
        kb = _warm.advisers(self._dataset, meta_features, self._kb, options=options, listener=listener)
        study.sampler = _study.make_sampler(
            study,
            options.sampler_name,
            self._plan.space,
            kb,
            metric=self._metric,
            task=self._dataset.task,
            meta_features=meta_features,
            seed=options.seed,
        )
        if not _study.is_queued(study):
            first = _warm.first_trials(
                self._dataset, meta_features, kb, self._plan, metric=self._metric, options=options, listener=listener
            )
            _study.enqueue(study, first, self._plan.space)
        return study

    def _loop(self, study: "optuna.Study", interruption: Interruption) -> TrialLoop:
        self._preparation.sampler = study.sampler
        listener = Broadcast([self._listener, _StateKeeper(self), self._preparation], self._log)
        return TrialLoop(
            study=study,
            space=self._plan.space,
            pool=self._pool,
            folder=self._folder,
            metric=self._metric,
            options=self._options,
            evaluation=self._evaluation(),
            cut=self._cut,
            reserve=reserve(self._clock.time_limit, test=self._folder.test.is_dir(), report=self._wants_report),
            clock=self._clock,
            interruption=interruption,
            listener=listener,
            reports=_study.read_reports(study),
        )

    def _evaluation(self) -> Evaluation:
        splits = self._plan.splits
        return Evaluation(
            splits=self._folder.splits(self._plan_number()),
            n_splits=len(splits),
            train_rows=mean_train_rows(splits),
            n_rows=len(self._dataset.X),
            n_columns=self._dataset.X.shape[1],
            n_classes=self._dataset.n_classes,
            balanced=self._plan.balanced,
            bags=_bags.splits_allow(splits, len(self._dataset.X)),
        )

    def _plan_number(self) -> int:
        return int(self._state.get("plan", {"number": 0})["number"])

    def _cut(self) -> Evaluation | None:
        """Cheaper splits, for when no trial can finish with these."""
        plan = shrink(self._plan, self._dataset, self._options)
        if plan is None:
            return None
        number = self._plan_number() + 1
        plan.splits.save(self._folder.splits(number))
        self._plan = plan
        self._state["plan"]["number"] = number
        self._save_state(status="running", spent=self._clock.elapsed())
        for note in plan.notes:
            self._listener.note(note.text, note.kind)
        return self._evaluation()

    def _notes(self) -> tuple[Note, ...]:
        """Everything that was said, in earlier runs of this search too."""
        earlier = [Note(**note) for note in self._state.get("notes", [])]
        return tuple(dict.fromkeys([*earlier, *self._listener.notes]))

    def _write_report(self, loop: TrialLoop, finished: Finished, info: SearchInfo, *, quick: bool) -> None:
        """The page for people, where there is time for it; `autometa report` can write it later."""
        if not self._wants_report:
            return
        reason = weigh_columns(
            loop,
            pool=self._pool,
            folder=self._folder,
            metric=self._metric,
            options=self._options,
            clock=self._clock,
            listener=self._listener,
            most_seconds=3.0 if quick else min(20.0, max(5.0, 0.1 * self._clock.elapsed())),
        )
        self._state["result"] = {
            "info": asdict(info),
            "finished": asdict(finished),
            "importances_reason": reason,
            "seconds": self._clock.elapsed(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": self._command,
        }
        self._save_state(status="finished", spent=self._clock.elapsed())
        if self._clock.slack(seconds=1.0) <= REPORT_SECONDS:
            self._listener.note(
                f"no time for the report; write it with: autometa report {self._folder.path}", "limited"
            )
            return
        self._listener.phase("writing the report")
        try:
            from autometa.search import _reporting  # not needed before

            _reporting.write(self._folder, self._state, self._dataset, self._plan, loop.reports, self._metric)
        except Exception as error:  # the model is there; a page that cannot be drawn must not take it away
            self._log.exception("the report could not be written")
            self._listener.note(f"the report could not be written: {type(error).__name__}: {error}", "failed")

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

    def _write_leaderboard(self, loop: TrialLoop, finished: Finished | None) -> pd.DataFrame:
        board = leaderboard(loop.reports, self._metric, finished.weights if finished else {})
        self._folder.write_leaderboard(safe_cells(board))
        return board

    def _learn(self, meta_features: MetaFeatures, loop: TrialLoop) -> None:
        learned = set(self._state.get("learned", []))
        fresh = [report for report in loop.reports if report.status == "complete" and report.number not in learned]
        if not self._options.learn or not fresh:
            return
        try:
            _warm.learn(self._dataset, meta_features, fresh, self._kb, space=SPACE, metric=self._metric)
        except (AutometaError, OSError) as error:  # the model is there; a full disk must not take it away
            self._listener.note(f"the knowledge base could not take these runs: {error}", "failed")
            return
        self._state["learned"] = sorted(learned | {report.number for report in fresh})

    def _finish_tracking(self, finished: Finished, loop: TrialLoop) -> None:
        self._tracker.finish(summary(finished, loop, self._clock), self._folder.artifacts())
        self._close_tracker()
        for problem in self._tracker.problems:
            self._listener.note(f"tracking: {problem}", "failed")

    def _close_tracker(self) -> None:
        self._tracker.close(min(self._clock.at_least(1.0, slack=3.5), TRACKER_SECONDS))

    def _save_state(self, *, status: str, spent: float) -> None:
        self._state |= {
            "table": {
                "path": self._table,
                "name": self._dataset.name,
                "content_hash": self._dataset.content_hash,
            },
            "options": self._options.to_json(),
            "plan": {
                "number": self._plan_number(),
                "splits": self._plan.splits.description,
                "candidates": list(self._plan.space.member_names),
                "balanced": self._plan.balanced,
            },
            "notes": [asdict(note) for note in self._notes()],
            "command": self._command,
            "storage": self._storage,
            "study_name": self._study_name,
            "tracking_run_id": self._tracker.run_id or self._state.get("tracking_run_id"),
            "versions": versions(),
            "machine": self._machine,
            "threads": self._options.threads,
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
