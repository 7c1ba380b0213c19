"""A search over the few-shot zoo: meta-trainings in killable processes, pruned by the episodes they have seen."""

import contextlib
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autometa.errors import OptionError, ResumeError, SearchError
from autometa.fewshot import ClassSet, Evaluation, fingerprint, load_learner, read_card, save_learner
from autometa.knowledge import KnowledgeBase
from autometa.metatraining import device_of
from autometa.metrics import own
from autometa.pruners import PRUNERS
from autometa.records import MetaFeatures, Origin, SearchInfo, Suggestion, TrialReport
from autometa.samplers import SAMPLERS, TransferSampler
from autometa.search import _fewshot_trial, _study
from autometa.search._clock import Clock, Interruption
from autometa.search._fewshot_options import FINAL_SHARE, N_LOOKS, FewShotOptions, FewShotResult
from autometa.search._fewshot_setup import ALGORITHM, dataset_id, learn_curve, space_for
from autometa.search._folder import SearchFolder
from autometa.search._leaderboard import leaderboard
from autometa.search._listener import Broadcast, Listener, LogListener, Progress, close_log, open_log
from autometa.search._pool import Event, Job, Outcome, WorkerPool
from autometa.tracking import NullTracker, Tracker
from autometa.warmstart import WARM_STARTERS

if TYPE_CHECKING:
    import optuna

ACCURACY = own("accuracy", "maximize")
_MODULES = ("torch", "autometa.search._fewshot_trial")
_TICK = 0.25
_WARM_TRIALS = 5
_LEAST_SHARE = 0.05


@dataclass(slots=True)
class _Running:
    trial: "optuna.Trial"
    report: TrialReport
    looks: list[float] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    stopped_for: str = ""


def tune_few_shot(
    options: FewShotOptions,
    output: Path,
    *,
    kb: KnowledgeBase | None = None,
    listener: Listener | None = None,
    tracker: Tracker | None = None,
    resume: bool = False,
    began: float | None = None,
) -> FewShotResult:
    """Search learner, backbone and hyperparameters for few-shot tasks.

    Every trial is one meta-training in a process of its own. After each eighth of its episodes it is judged on
    validation classes, and stopped where others were better by then. Half of the validation classes choose the best;
    the other half, which no trial sees, say how good it is.

    Args:
        options: What to search, and how long.
        output: The folder that everything goes to.
        kb: Where past runs come from and these go; None takes the shipped one with your own over it.
        listener: Is told what happens.
        tracker: Records the search, such as `autometa.tracking.open_tracker`'s.
        resume: Go on with the search in ``output``.
        began: `time.monotonic` from which the time limit counts; None means now.

    Raises:
        InputError: The tasks cannot be read, or are too few.
        OptionError: An option is impossible here.
        ResumeError: There is no search in the folder, or one of other options.
        SearchError: No trial finished.
    """
    folder = SearchFolder.reopen(output) if resume else SearchFolder.create(output)
    log = open_log(folder.log)
    try:
        chosen = kb if kb is not None else KnowledgeBase.open_default()
        told = Broadcast([listener or Listener(), LogListener(log)], log)
        search = _Search(options, folder, chosen, told, tracker or NullTracker(), resumed=resume, began=began)
        return search.run()
    except BaseException as error:
        log.error("search stopped: %s: %s", type(error).__name__, error)
        raise
    finally:
        close_log(log)
        folder.close()


class _Search:
    def __init__(
        self,
        options: FewShotOptions,
        folder: SearchFolder,
        kb: KnowledgeBase,
        listener: Listener,
        tracker: Tracker,
        *,
        resumed: bool,
        began: float | None,
    ) -> None:
        self.options, self.folder, self.kb, self.listener, self.tracker = options, folder, kb, listener, tracker
        self.resumed = resumed
        self.device = device_of(options.device)
        state = folder.read_state() if resumed else {}
        if resumed:
            _check_resumed(state, options)
        self.clock = Clock(began=began, spent=float(state.get("spent", 0.0)), time_limit=options.time_limit)
        self.run_id = state.get("run_id")
        self.interruption = Interruption()
        self.running: dict[Job, _Running] = {}
        self.reports: list[TrialReport] = []

    def run(self) -> FewShotResult:
        with (
            self.tracker,
            self.interruption.watch(),
            WorkerPool(threads=self.options.threads, preload=_MODULES) as pool,
        ):
            self.pool = pool
            pool.warm("autometa.search._fewshot_trial:load", self.options.source)
            train, chooses, judges = _fewshot_trial.load(**self.options.source)
            self._check_classes(chooses, judges)
            options = self.options
            self.dataset_id = dataset_id(
                options.tasks, fingerprint(train, chooses, judges), options.n_way, options.n_shot
            )
            self.space = space_for(_fewshot_trial.form_of(train, self.options.n_way, self.options.n_shot))
            self.study = self._open()
            self.info = self._describe(train, chooses, judges)
            self.listener.started(self.info)
            self.tracker.start(self.info, resume_run_id=self.run_id)
            for report in self.reports:
                self.tracker.trial(report)
            self._save("running")
            try:
                self._loop()
                return self._finish()
            finally:
                board = leaderboard(self.reports, ACCURACY, {})
                with contextlib.suppress(OSError):
                    self.folder.write_leaderboard(board)
                    self._save("finished" if self.folder.model.is_dir() else "running")
                self.listener.ended()

    def _check_classes(self, *parts: ClassSet) -> None:
        for part in parts:
            usable = int((part.counts > self.options.n_shot).sum())
            if usable < len(part) or len(part) < self.options.n_way:
                raise OptionError(
                    f"{self.options.n_way}-way {self.options.n_shot}-shot episodes need {self.options.n_way} classes "
                    f"of {self.options.n_shot + 1} items in each half of the validation classes, but one half has "
                    f"{usable}. Ask for fewer ways or shots, or pass more classes."
                )

    def _open(self) -> "optuna.Study":
        study = _study.open_study(self.folder.journal, None, name=_study.STUDY_NAME, direction="maximize")
        advisers = self.kb.without(self.dataset_id)
        name = "transfer" if self.options.warm_start == "auto" else "tpe"
        seed = self.options.seed + len(study.get_trials(deepcopy=False))
        sampler = SAMPLERS.create(name)(
            self.space, advisers, metric=ACCURACY, task=None, meta_features=MetaFeatures("", {}), seed=seed
        )
        study.sampler = sampler
        study.pruner = PRUNERS.create(self.options.pruner)(self.space, advisers, metric=ACCURACY, task=None)
        if self.resumed:
            retried = _study.retry_unfinished(study)
            self.listener.note(
                f"resumed after {self.clock.elapsed():.0f} s; {retried} unfinished trials are tried again"
            )
            self.reports = _study.read_reports(study)
        if not _study.is_queued(study):
            found = self._suggestions(sampler, advisers) if self.options.warm_start == "auto" else []
            if self.options.warm_start == "auto" and not found:
                self.listener.note("cold start: the knowledge base has no few-shot runs on other tasks")
            usual = Suggestion(self.space.default(), Origin("default", reason="the default of the space"))
            _study.enqueue(study, [*found, usual], self.space)
        return study

    def _suggestions(self, sampler: "optuna.samplers.BaseSampler", advisers: KnowledgeBase) -> list[Suggestion]:
        """What the sampler would begin with; where other tasks have too few runs for it to learn from, the best."""
        found = sampler.opening(_WARM_TRIALS) if isinstance(sampler, TransferSampler) else []
        return found or WARM_STARTERS.create("auto").suggest(
            MetaFeatures("", {}), advisers, self.space, _WARM_TRIALS, metric=ACCURACY, task=None, seed=self.options.seed
        )

    def _describe(self, train: ClassSet, chooses: ClassSet, judges: ClassSet) -> SearchInfo:
        options = self.options
        limit = "none" if options.time_limit is None else f"{options.time_limit:g} s"
        settings = {
            "tasks": options.tasks,
            "episodes": f"{options.n_way}-way {options.n_shot}-shot",
            "classes": f"{len(train)} to train on, {len(chooses)} to choose by, {len(judges)} to judge by",
            "time limit": limit,
            "trials": "no limit" if options.trials is None else str(options.trials),
            "jobs": str(options.jobs),
            "training episodes of a trial": f"{options.n_episodes:,}",
            "pruner": options.pruner,
            "warm start": options.warm_start,
            "device": self.device,
        }
        return SearchInfo(
            name=self.folder.path.name,
            dataset_name=options.tasks,
            dataset_id=self.dataset_id,
            task="multiclass",
            metric=ACCURACY.name,
            direction=ACCURACY.direction,
            seed=options.seed,
            folder=str(self.folder.path.resolve()),
            settings=settings,
            resume=self._resume_command(),
        )

    def _resume_command(self) -> str:
        options = self.options
        words = ["autometa", "fewshot", "tune", "--tasks", options.tasks]
        words += [] if options.data is None else ["--data", options.data]
        words += ["--rotations"] if options.rotations else []
        words += ["--n-way", str(options.n_way), "--n-shot", str(options.n_shot), "--seed", str(options.seed)]
        words += ["--episodes", str(options.n_episodes), "--pruner", options.pruner, "--warm-start", options.warm_start]
        return shlex.join([*words, "--output", str(self.folder.path.resolve()), "--resume"])

    def _loop(self) -> None:
        while True:
            while len(self.running) < self.options.jobs and self._may_start():
                self._start()
            if not self.running:
                return
            if self.interruption.asked or self.clock.remaining() <= self._needed():
                for job in self.running:
                    self.pool.kill(job, "interrupted")
            for event in self.pool.wait(_TICK):
                self._handle(event)
            self.listener.tick(self._progress())

    def _needed(self) -> float:
        """Seconds to keep for the last evaluation."""
        return FINAL_SHARE * (self.options.time_limit or 0.0)

    def _may_start(self) -> bool:
        if self.interruption.asked or self.clock.remaining() <= self._needed() + 1.0:
            return False
        counted = sum(report.status != "interrupted" for report in self.reports)
        return self.options.trials is None or counted + len(self.running) < self.options.trials

    def _start(self) -> None:
        options, trial = self.options, self.study.ask()
        config = self.space.suggest(trial)
        report = TrialReport(
            number=trial.number,
            candidate=str(config[ALGORITHM]),
            config=config,
            origin=_study.origin_of(self.study._storage.get_trial(trial._trial_id)),
            started=self.clock.elapsed(),
        )
        seconds = options.trial_seconds
        if seconds is not None:
            seconds = min(seconds, self.clock.remaining() - self._needed())
        job = self.pool.submit(
            "autometa.search._fewshot_trial:train",
            {
                "tasks": options.source,
                "n_way": options.n_way,
                "n_shot": options.n_shot,
                "config": config,
                "n_episodes": options.n_episodes,
                "n_looks": N_LOOKS,
                "n_judged": options.n_judged,
                "seed": options.seed,
                "device": self.device,
                "threads": options.threads,
                "folder": str(self._learner(trial.number)),
                "seconds": seconds,
            },
            seconds=None if seconds is None else seconds + 5.0,
            crash_file=self.folder.crash(trial.number),
        )
        self.running[job] = _Running(trial, report)
        self.tracker.trial(report)
        self.listener.trial_started(report)

    def _handle(self, event: Event) -> None:
        running = self.running[event.job]
        if event.outcome is not None:
            del self.running[event.job]
            self._end(running, event.outcome)
            return
        look, accuracy = int(event.message["look"]), float(event.message["accuracy"])
        running.looks.append(accuracy)
        running.at.append(look)
        running.trial.report(max(running.looks), step=round(look * self.options.n_episodes / N_LOOKS))
        self.pool.answer(event.job, go=look >= N_LOOKS or not running.trial.should_prune())

    def _end(self, running: _Running, outcome: Outcome) -> None:
        complete = outcome.status == "ok" and outcome.value["complete"]
        status = "complete" if complete else "pruned" if outcome.status == "ok" else outcome.status
        best = float(outcome.value["accuracy"]) if complete else max(running.looks, default=None)
        seen = running.at[-1] / N_LOOKS if running.at else 0.0
        reason = outcome.reason
        if status == "pruned":
            reason = f"not among the best after {seen:.0%} of its episodes"
        elif complete and outcome.value["share"] < 1 - _LEAST_SHARE:
            reason = f"its time was over after {outcome.value['share']:.0%} of its episodes"
        report = replace(
            running.report,
            ended=self.clock.elapsed(),
            status=status,
            value=best if status in ("complete", "pruned") else None,
            fold_scores=tuple(running.looks),
            fit_seconds=self.clock.elapsed() - running.report.started,
            peak_memory_mb=outcome.peak_memory_mb,
            reason=reason,
        )
        _study.write_report(running.trial, report)
        _study.tell(self.study, running.trial, status, best)
        self.reports.append(report)
        self.tracker.trial(report)
        self.listener.trial_finished(report)
        if self.options.learn and status in ("complete", "pruned"):
            curve = [(look / N_LOOKS, accuracy) for look, accuracy in zip(running.at, running.looks, strict=True)]
            learn_curve(self.kb, self.dataset_id, report.config, curve)
        self._save("running")
        leader = self._best()
        for other in self.reports:
            if leader is None or other.number != leader.number:
                shutil.rmtree(self._learner(other.number), ignore_errors=True)

    def _finish(self) -> FewShotResult:
        best = self._best()
        if best is None:
            reasons = {report.reason for report in self.reports if report.reason} or {"there was no time for one"}
            raise SearchError(f"No trial finished: {'; '.join(sorted(reasons))}. Allow more time, or fewer episodes.")
        self.listener.phase("judging the best on classes that no trial has seen")
        outcome = self.pool.run(
            "autometa.search._fewshot_trial:judge",
            {
                "tasks": self.options.source,
                "n_way": self.options.n_way,
                "n_shot": self.options.n_shot,
                "n_episodes": self.options.n_final,
                "seed": self.options.seed,
                "device": self.device,
                "threads": self.options.threads * self.options.jobs,
                "folder": str(self._learner(best.number)),
                "seconds": None if self.clock.time_limit is None else max(0.0, self.clock.remaining()),
            },
            memory_mb=None,
            deadline=None,
        )
        if outcome.status != "ok":
            raise SearchError(f"The best learner could not be judged: {outcome.reason}. Go on with --resume.")
        evaluation = Evaluation(**outcome.value)
        if evaluation.n_episodes < self.options.n_final:
            self.listener.note(
                f"judged on {evaluation.n_episodes} episodes instead of {self.options.n_final}: the time was over",
                "limited",
            )
        learner = self._learner(best.number)
        card = {
            "tasks": self.options.tasks,
            "config": dict(best.config),
            "trial": best.number,
            "validation": best.value,
            "evaluation": evaluation.as_dict(),
            "search": {name: value for name, value in asdict(self.options).items() if name != "learn"},
        }
        save_learner(load_learner(learner), self.folder.model, card)
        read_card(self.folder.model)
        summary: Mapping[str, float | str] = {
            "accuracy": evaluation.accuracy,
            "ci95": evaluation.ci95,
            "trials": float(len(self.reports)),
        }
        self.tracker.finish(summary, [self.folder.model, self.folder.log])
        board = leaderboard(self.reports, ACCURACY, {best.number: 1.0})
        return FewShotResult(self.folder.path, best, evaluation, board, self.study, self.folder.path / "model")

    def _best(self) -> TrialReport | None:
        done = [report for report in self.reports if report.status == "complete" and report.value is not None]
        there = [report for report in done if self._learner(report.number).is_dir()]
        return max(there, key=lambda report: (report.value or 0.0, -report.number), default=None)

    def _learner(self, trial: int) -> Path:
        return self.folder.work / "learners" / f"{trial:05d}"

    def _progress(self) -> Progress:
        return Progress(
            elapsed=self.clock.elapsed(),
            time_limit=self.clock.time_limit,
            finished=sum(report.status != "interrupted" for report in self.reports),
            trials=self.options.trials,
            best=self._best(),
            running=[running.report for running in self.running.values()],
        )

    def _save(self, status: str) -> None:
        state = {
            "options": asdict(self.options),
            "plan": {"kind": "few-shot"},
            "storage": None,
            "study_name": _study.STUDY_NAME,
            "spent": self.clock.elapsed(),
            "status": status,
            "run_id": self.tracker.run_id or self.run_id,
        }
        self.folder.write_state(state)


def _check_resumed(state: Mapping[str, Any], options: FewShotOptions) -> None:
    if state.get("plan", {}).get("kind") != "few-shot":
        raise ResumeError("The folder holds the search of a table. Continue it with: autometa tune --resume.")
    before = state["options"]
    for name, value in asdict(options).items():
        was = before.get(name, value)  # of a search from before there was such an option
        if name not in ("time_limit", "trials", "jobs", "threads", "device", "learn") and was != value:
            raise ResumeError(
                f"The search was begun with {name}={was!r}, but now it is {value!r}. Leave it as it was, or "
                "search anew in another folder."
            )
