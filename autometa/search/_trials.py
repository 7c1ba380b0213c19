"""The loop that runs trials until a budget is spent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autometa.candidates import CANDIDATES
from autometa.metrics import Metric
from autometa.records import TrialReport
from autometa.search import _bags, _study
from autometa.search._clock import Clock, Interruption
from autometa.search._folder import SearchFolder
from autometa.search._listener import Listener, Progress
from autometa.search._options import SearchOptions
from autometa.search._plan import CHOICE
from autometa.search._pool import Event, Job, Outcome, WorkerPool
from autometa.spaces import SearchSpace

if TYPE_CHECKING:
    import optuna

TICK_SECONDS = 0.25


@dataclass(slots=True)
class _Running:
    trial: "optuna.Trial"
    report: TrialReport
    scores: list[float] = field(default_factory=list)
    records: list[Mapping[str, int]] = field(default_factory=list)
    fallbacks: list[str] = field(default_factory=list)
    fit_seconds: float = 0.0
    stopped_for: str = ""


@dataclass(slots=True)
class Evaluation:
    """What every trial of a search shares.

    ``splits`` is their file and ``n_splits`` their number; ``train_rows`` is the mean number of rows to learn from, and
    ``n_rows``, ``n_columns`` and ``n_classes`` are those of the whole table. ``bags`` says whether the splits' models
    can stand in for a refitted one.
    """

    splits: Path
    n_splits: int
    train_rows: float
    n_rows: int
    n_columns: int
    n_classes: int
    balanced: bool = False
    bags: bool = False


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
        evaluation: Evaluation,
        cut: Callable[[], Evaluation | None],
        clock: Clock,
        interruption: Interruption,
        listener: Listener,
        reserve: float = 1.5,
        reports: Sequence[TrialReport] = (),
    ) -> None:
        """Take what the trials need.

        ``cut`` is asked for cheaper splits when no trial can finish with these; None says that there are none.
        ``reserve`` are the seconds that the end of the search takes besides the refits, ``reports`` the trials that
        ended before a resume.
        """
        self._study = study
        self._space = space
        self._pool = pool
        self._folder = folder
        self._metric = metric
        self._options = options
        self._evaluation = evaluation
        self._cut = cut
        self.reserve = reserve
        self._clock = clock
        self._interruption = interruption
        self._listener = listener
        self._running: dict[Job, _Running] = {}
        self._too_large: list[_Running] = []
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

        A refit sees all rows instead of all but one split's, so it takes a little longer than a split's fit. At most
        half of the time limit is kept, and no more than a quarter for rows that the trials did without: the refit then
        takes fewer members, or fewer rows.
        """
        best = self.complete()[:5]
        fits = [self.refit_seconds(report) for report in best]
        needed = self.reserve + sum(fits) / self._options.jobs + max(fits, default=0.0)
        limit = self._clock.time_limit
        if limit is None:
            return needed
        if not best:  # a first finished trial is worth the slack that every search has
            return -0.05 * limit
        whole = [self.refit_seconds(report, n_rows=self._evaluation.n_rows) for report in best]
        more = min(self.reserve + sum(whole) / self._options.jobs + max(whole, default=0.0), 0.25 * limit)
        return max(min(needed, 0.5 * limit), more)

    def refit_seconds(self, report: TrialReport, n_rows: float | None = None) -> float:
        """Expected seconds to refit a finished trial and save it, on ``n_rows`` or on as many as the splits use."""
        one = report.fit_seconds / self._evaluation.n_splits
        if n_rows is None:
            return 1.3 * one + 0.2
        of = CANDIDATES.create(report.candidate).fit_seconds
        shape = (self._evaluation.n_columns, self._evaluation.n_classes)
        return 1.3 * one * max(1.0, of(round(n_rows), *shape) / of(round(self._evaluation.train_rows), *shape)) + 0.2

    @property
    def evaluation(self) -> Evaluation:
        """How the trials are judged now."""
        return self._evaluation

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
            origin=_study.origin_of(self._study._storage.get_trial(trial._trial_id)),
            started=self._clock.elapsed(),
        )
        seconds = self._options.trial_seconds
        bag = self._evaluation.bags and _bags.candidate_allows(report.candidate)
        job = self._pool.submit(
            "autometa.search._evaluate:evaluate",
            {
                "data": str(self._folder.data),
                "splits": str(self._evaluation.splits),
                "config": config,
                "metric": self._metric.name,
                "seed": self._options.seed,
                "threads": self._options.threads,
                "balanced": balanced(self._evaluation.balanced, report.candidate),
                "predictions": str(self._folder.predictions(trial.number)),
                "bag": str(self._folder.bag(trial.number)) if bag else None,
                "seconds": seconds,
            },
            memory_mb=self._options.trial_memory,
            seconds=seconds,
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
        running.scores = list(event.message.get("scores", running.scores))
        running.records.append(event.message["record"])
        running.fallbacks.append(event.message["fallback"])
        running.fit_seconds += event.message["fit_seconds"]
        done = len(running.scores)
        running.trial.report(sum(running.scores) / done, step=done)
        # With one split to go, its predictions are worth more to the ensemble than the time that it takes.
        sure = done >= self._evaluation.n_splits - 1 or running.report.origin.strategy == _study.BASELINE
        keep = done == self._evaluation.n_splits and self._promises(sum(running.scores) / done)
        self._pool.answer(event.job, go=sure or not running.trial.should_prune(), keep=keep)

    def _end(self, running: _Running, outcome: Outcome) -> None:
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
            records=tuple(running.records) if any(running.records) else (),
            calibration=outcome.value["calibration"] if complete else None,
        )
        _study.write_report(running.trial, report)
        _study.tell(self._study, running.trial, status, mean)
        self.reports.append(report)
        self._listener.trial_finished(report)
        if status == "complete":
            _bags.drop(self._folder.bags, {one.number for one in self.complete()[: 2 * self._options.ensemble_size]})
        if status in ("timeout", "memory"):
            self._too_large.append(running)
            self._cut_if_hopeless()

    def _promises(self, score: float) -> bool:
        """Whether a trial with that score is among the best, as many as an ensemble can have."""
        loss = self._metric.loss(score)
        better = [one for one in self.complete() if self._metric.loss(one.value or 0.0) < loss]
        return len(better) < self._options.ensemble_size

    def _cut_if_hopeless(self) -> None:
        """Ask for cheaper splits once two trials were too large and none has finished; try those again on them."""
        if len(self._too_large) < 2 or any(report.status == "complete" for report in self.reports):
            return
        cheaper = self._cut()
        if cheaper is None:
            return
        self._evaluation = cheaper
        for running in (*self._too_large, *self._running.values()):
            _study.requeue(self._study, running.trial)
        self._too_large.clear()
        for job, running in self._running.items():
            running.stopped_for = "the search went on with fewer rows or splits, and tries it again"
            self._pool.kill(job, "interrupted")

    def _reason(self, status: str, outcome: Outcome, running: _Running) -> str:
        if status in ("complete", "pruned"):
            early = f"among the worst third after {len(running.scores)} of {self._evaluation.n_splits} splits"
            return "; ".join(filter(None, [early if status == "pruned" else "", fell_back(running.fallbacks)]))
        if status == "timeout":
            seconds = self._clock.elapsed() - running.report.started
            return f"took more than {seconds:.0f} s, the most that a trial of this search may take"
        if status == "interrupted":
            return running.stopped_for or outcome.reason or "the search ended while it ran"
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


def fell_back(fallbacks: Sequence[str]) -> str:
    """What a learner did otherwise than its configuration says, in one line for all splits; "" where it did not."""
    told = [one for one in fallbacks if one]
    return f"on {len(told)} of {len(fallbacks)} splits {told[0]}" if told else ""


def balanced(wanted: bool, candidate: str) -> bool:
    """Whether a candidate's fits weigh the classes alike: where that is wanted and the candidate takes weights."""
    return wanted and CANDIDATES.create(candidate).takes_weights
