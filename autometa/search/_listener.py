"""How a search tells others what happens: progress displays, logs, trackers."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autometa.records import Note, NoteKind, SearchInfo, TrialReport
from autometa.tracking import Tracker


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a search stands.

    ``elapsed`` is seconds since the start; ``time_limit`` and ``trials`` are the budgets, None without one.
    ``best`` is the best finished trial so far, ``running`` those in progress.
    """

    elapsed: float
    time_limit: float | None
    finished: int
    trials: int | None
    best: TrialReport | None
    running: Sequence[TrialReport]


class Listener:
    """Hears of a search's steps, in this order; every method may be left as it is.

    `started` once; then, in any order, `note`, `trial_started`, `trial_finished` and `tick` (several times a
    second); `phase` before the ensemble and the refit; `ended` at the very end, also after an error. All calls come
    from the search's own thread and should return within milliseconds.
    """

    def started(self, info: SearchInfo) -> None:
        """The search knows its table, metric and settings."""

    def note(self, text: str, kind: NoteKind = "info") -> None:
        """Something the user should know: an assumption, a skipped part, a limit that was reached; see `Note`."""

    def trial_started(self, report: TrialReport) -> None:
        """A trial runs."""

    def trial_finished(self, report: TrialReport) -> None:
        """A trial ended, well or not."""

    def tick(self, progress: Progress) -> None:
        """Time has passed."""

    def phase(self, text: str) -> None:
        """The search turned to something other than trials."""

    def ended(self) -> None:
        """Nothing more will be told."""


class LogListener(Listener):
    """Writes the search's log."""

    def __init__(self, logger: logging.Logger) -> None:
        """``logger`` decides where lines go."""
        self._log = logger

    def started(self, info: SearchInfo) -> None:
        """The settings in force."""
        self._log.info("search %s: %s, metric %s (%s)", info.name, info.task, info.metric, info.direction)
        for name, value in info.settings.items():
            self._log.info("setting %s = %s", name, value)

    def note(self, text: str, kind: NoteKind = "info") -> None:
        """One line."""
        self._log.info("note: %s%s", "" if kind == "info" else f"{kind}: ", text)

    def trial_started(self, report: TrialReport) -> None:
        """Configuration and origin."""
        self._log.info(
            "trial %d starts: %s, from %s, %s", report.number, report.candidate, report.origin, report.config
        )

    def trial_finished(self, report: TrialReport) -> None:
        """Status, score, time and reason."""
        score = "no score" if report.value is None else f"{report.value:.6g}"
        seconds = (report.ended or report.started) - report.started
        self._log.info(
            "trial %d %s: %s after %.2f s%s",
            report.number,
            report.status,
            score,
            seconds,
            f" ({report.reason})" if report.reason else "",
        )

    def phase(self, text: str) -> None:
        """One line."""
        self._log.info(text)


class Broadcast(Listener):
    """Passes everything on to several listeners; one that raises is dropped and the log says so."""

    def __init__(self, listeners: Sequence[Listener], logger: logging.Logger) -> None:
        """Called in the order given."""
        self._listeners = list(listeners)
        self._log = logger
        self.notes: list[Note] = []

    def started(self, info: SearchInfo) -> None:
        """Pass on."""
        self._each(lambda listener: listener.started(info))

    def note(self, text: str, kind: NoteKind = "info") -> None:
        """Pass on, and keep for the result."""
        self.notes.append(Note(text, kind))
        self._each(lambda listener: listener.note(text, kind))

    def trial_started(self, report: TrialReport) -> None:
        """Pass on."""
        self._each(lambda listener: listener.trial_started(report))

    def trial_finished(self, report: TrialReport) -> None:
        """Pass on."""
        self._each(lambda listener: listener.trial_finished(report))

    def tick(self, progress: Progress) -> None:
        """Pass on."""
        self._each(lambda listener: listener.tick(progress))

    def phase(self, text: str) -> None:
        """Pass on."""
        self._each(lambda listener: listener.phase(text))

    def ended(self) -> None:
        """Pass on."""
        self._each(lambda listener: listener.ended())

    def _each(self, call: Callable[[Listener], None]) -> None:
        for listener in list(self._listeners):
            try:
                call(listener)
            except Exception:  # a display that breaks must not cost the search
                self._log.exception("listener %s failed and is dropped", type(listener).__name__)
                self._listeners.remove(listener)


class TrackerListener(Listener):
    """Feeds an experiment tracker."""

    def __init__(self, tracker: Tracker, *, resume_run_id: str | None = None) -> None:
        """``resume_run_id`` continues the run of a search that is resumed."""
        self._tracker = tracker
        self._resume_run_id = resume_run_id
        self._info: SearchInfo | None = None

    def started(self, info: SearchInfo) -> None:
        """Keep what the search's run will be called."""
        self._info = info

    def trial_finished(self, report: TrialReport) -> None:
        """Open the search's run, if it is the first trial, and record the trial.

        Not before: the tracker's own start would compete with the first trials for the processor.
        """
        if self._info is not None:
            self._tracker.start(self._info, resume_run_id=self._resume_run_id)
            self._info = None
        self._tracker.trial(report)


class _LogFile(logging.FileHandler):
    """A log that a full disk silences: what matters is in the leaderboard, and the search says what was wrong."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing."""


def open_log(path: Path) -> logging.Logger:
    """A logger that writes to this file alone."""
    logger = logging.getLogger(f"autometa.search.{path.parent.resolve()}")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = _LogFile(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    return logger


def close_log(logger: logging.Logger) -> None:
    """Let go of the file."""
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
