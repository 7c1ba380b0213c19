"""The loop that runs trials until a budget is spent."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from autometa.metrics import Metric
from autometa.records import TrialReport
from autometa.search import _study
from autometa.search._clock import Clock, Interruption
from autometa.search._folder import SearchFolder
from autometa.search._listener import Listener, Progress
from autometa.search._options import SearchOptions
from autometa.search._pool import Event, Job, Outcome, WorkerPool
from autometa.search._warm import CHOICE
from autometa.spaces import SearchSpace

if TYPE_CHECKING:
    import optuna

TICK_SECONDS = 0.25


@dataclass(slots=True)
class _Running:
    trial: "optuna.Trial"
    report: TrialReport
    scores: list[float] = field(default_factory=list)
    fit_seconds: float = 0.0


class TrialLoop:
    """Asks the study for configurations, evaluates them in worker processes, tells the study the results.

    One thread and one event loop: the study is never touched from two places, so a search with one job and a
    trial budget repeats itself exactly.
    """

    def __init__(
        self,
        *,
        study: "optuna.Study",
        space: SearchSpace,
        pool: WorkerPool,
        folder: SearchFolder,
        metric: Metric,
        options: SearchOptions,
        n_folds: int,
        clock: Clock,
        interruption: Interruption,
        listener: Listener,
        reports: Sequence[TrialReport] = (),
    ) -> None:
        """``reports`` are the trials that ended before a resume."""
        self._study = study
        self._space = space
        self._pool = pool
        self._folder = folder
        self._metric = metric
        self._options = options
        self._n_folds = n_folds
        self._clock = clock
        self._interruption = interruption
        self._listener = listener
        self._running: dict[Job, _Running] = {}
        self.reports = list(reports)

    def run(self) -> None:
        """Run until the time, the number of trials or the user's patience is spent."""
        while True:
            while len(self._running) < self._options.jobs and self._may_start():
                self._start()
            if not self._running:
                return
            if self._interruption.asked or self._clock.remaining() <= self.finish_seconds():
                for job in self._running:
                    self._pool.kill(job, "interrupted")
            for event in self._pool.wait(TICK_SECONDS):
                self._handle(event)
            self._listener.tick(self._progress())

    def finish_seconds(self) -> float:
        """Seconds to keep for the ensemble, the refit and the saving of what the search has found so far.

        A refit sees all rows instead of all but one fold, so it takes a little longer than a fold's fit. At most half
        of the time limit is kept: the refit then takes fewer members.
        """
        fits = [self.refit_seconds(report) for report in self.complete()[:5]]
        needed = 1.5 + sum(fits) / self._options.jobs + max(fits, default=0.0)
        return needed if self._clock.time_limit is None else min(needed, 0.5 * self._clock.time_limit)

    def refit_seconds(self, report: TrialReport) -> float:
        """Expected seconds to refit a finished trial on all rows and save it."""
        return 1.2 * report.fit_seconds / (self._n_folds - 1) + 0.2

    def complete(self) -> list[TrialReport]:
        """Finished trials with a score, best first."""
        scored = [report for report in self.reports if report.status == "complete" and report.value is not None]
        return sorted(scored, key=lambda report: (self._metric.loss(report.value or 0.0), report.number))

    def _may_start(self) -> bool:
        if self._interruption.asked or self._clock.remaining() <= self.finish_seconds():
            return False
        budget = self._options.trials
        return budget is None or len(self._counted()) + len(self._running) < budget

    def _counted(self) -> list[TrialReport]:
        """Trials that use up the trial budget: all but those that an end of the search cut off."""
        return [report for report in self.reports if report.status != "interrupted"]

    def _start(self) -> None:
        trial = self._study.ask()
        config = self._space.suggest(trial)
        report = TrialReport(
            number=trial.number,
            candidate=str(config[CHOICE]),
            config=config,
            origin=_study.origin_of(trial.user_attrs),
            started=self._clock.elapsed(),
        )
        seconds = self._options.trial_seconds
        job = self._pool.submit(
            "autometa.search._evaluate:evaluate",
            {
                "data": str(self._folder.data),
                "config": config,
                "metric": self._metric.name,
                "seed": self._options.seed,
                "threads": self._options.threads,
                "predictions": str(self._folder.predictions(trial.number)),
                "seconds": seconds,
            },
            memory_mb=self._options.trial_memory,
            deadline=None if seconds is None else time.monotonic() + seconds,
            crash_file=self._folder.crash(trial.number),
        )
        self._running[job] = _Running(trial, report)
        self._listener.trial_started(report)

    def _handle(self, event: Event) -> None:
        running = self._running[event.job]
        if event.outcome is not None:
            del self._running[event.job]
            self._end(running, event.outcome)
            return
        running.scores.append(event.message["score"])
        running.fit_seconds += event.message["fit_seconds"]
        done = len(running.scores)
        running.trial.report(sum(running.scores) / done, step=done)
        # With one fold to go, its predictions are worth more to the ensemble than the time that it takes.
        self._pool.answer(event.job, go=done >= self._n_folds - 1 or not running.trial.should_prune())

    def _end(self, running: _Running, outcome: Outcome) -> None:
        import optuna

        mean = sum(running.scores) / len(running.scores) if running.scores else None
        complete = outcome.status == "ok" and outcome.value["complete"]
        status = outcome.status if outcome.status != "ok" else "complete" if complete else "pruned"
        report = replace(
            running.report,
            ended=self._clock.elapsed(),
            status=status,
            value=mean if status in ("complete", "pruned") else None,
            fold_scores=tuple(running.scores),
            fit_seconds=running.fit_seconds,
            peak_memory_mb=outcome.peak_memory_mb,
            reason=self._reason(status, outcome, running),
        )
        _study.write_report(running.trial, report)
        if status == "complete":
            self._study.tell(running.trial, mean)
        else:
            state = optuna.trial.TrialState.PRUNED if status == "pruned" else optuna.trial.TrialState.FAIL
            self._study.tell(running.trial, state=state)
        self.reports.append(report)
        self._listener.trial_finished(report)

    def _reason(self, status: str, outcome: Outcome, running: _Running) -> str:
        if status == "pruned":
            return f"among the worst third after {len(running.scores)} of {self._n_folds} folds"
        if status == "timeout":
            seconds = self._clock.elapsed() - running.report.started
            return f"took more than {seconds:.0f} s, the most that a trial of this search may take"
        if status == "interrupted":
            return "the search ended while it ran"
        return outcome.reason

    def _progress(self) -> Progress:
        complete = self.complete()
        return Progress(
            elapsed=self._clock.elapsed(),
            time_limit=self._clock.time_limit,
            finished=len(self._counted()),
            trials=self._options.trials,
            best=complete[0] if complete else None,
            running=[running.report for running in self._running.values()],
        )
