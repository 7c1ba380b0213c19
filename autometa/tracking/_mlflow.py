"""The search's side of MLflow tracking: everything slow happens in another process."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from autometa.records import SearchInfo, TrialReport
from autometa.tracking._base import Tracker
from autometa.tracking._process import WriterProcess
from autometa.tracking._store import Store
from autometa.tracking._wire import Finish, Message, Point, Start, Trial, encode, now


class MlflowTracker(Tracker):
    """Records a search in MLflow: a run per search, with a nested run per trial.

    A writer process of its own imports MLflow and owns the connection; this one only puts lines into a
    pipe. A writer that hangs, dies or cannot reach its store costs the search nothing but its records:
    `problems` says how many, and why. Ctrl-C does not reach the writer, so the end of a search is still
    written down; if the search is killed, the writer marks its runs as killed.
    """

    def __init__(
        self,
        store: Store,
        *,
        experiment: str = "autometa",
        close_timeout: float = 10.0,
        max_pending: int = 10_000,
    ) -> None:
        """Name the store; nothing is opened before `start`.

        Args:
            store: Where to record.
            experiment: MLflow experiment that holds the searches; created if need be.
            close_timeout: Seconds that `close` may take before the writer is stopped.
            max_pending: How many records may wait for a writer that does not read.
        """
        super().__init__()
        self.store = store
        self.close_timeout = close_timeout
        self._experiment = experiment
        self._max_pending = max_pending
        self._writer: WriterProcess | None = None
        self._sent = 0
        self._refused = 0
        self._off = False
        self._closed = threading.Event()

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the search's run; known some seconds after `start`."""
        return self._writer.run_id if self._writer else None

    @property
    def writer_pid(self) -> int | None:
        """Process id of the writer."""
        return self._writer.pid if self._writer else None

    def start(self, info: SearchInfo, *, resume_run_id: str | None = None) -> None:
        """Start the writer; takes a few milliseconds."""
        if self._writer is not None or self._closed.is_set():
            self._problem("MLflow tracking: start() was called a second time, or after close().")
            return
        try:
            self._writer = WriterProcess(max_pending=self._max_pending, problem=self._problem, ended=self._writer_ended)
        except Exception as error:  # a search must not fail because its tracker cannot start
            self._off = True
            self._problem(f"MLflow tracking is off: its writer cannot be started: {_said(error)}")
            return
        artifacts = str(self.store.artifacts) if self.store.artifacts else None
        self._send(Start(self.store.uri, artifacts, self._experiment, info, resume_run_id, now()))

    def trial(self, report: TrialReport) -> None:
        """Hand a trial to the writer."""
        self._send(Trial(report, now()))

    def measure(self, step: int, values: Mapping[str, float]) -> None:
        """Hand points of curves to the writer."""
        self._send(Point(step, dict(values), now()))

    def finish(self, summary: Mapping[str, float | str], artifacts: Sequence[Path]) -> None:
        """Hand the result to the writer."""
        self._send(Finish(summary, [str(Path(path).absolute()) for path in artifacts], now()))

    def close(self, timeout: float | None = None) -> None:
        """Wait for the writer, for ``timeout`` or else ``close_timeout`` seconds at most, then stop it."""
        if self._closed.is_set():
            return
        self._closed.set()
        if timeout is not None:
            self.close_timeout = timeout
        if self._writer is not None:
            in_time = self._writer.end(self.close_timeout)
            self._tell_losses(self._sent - self._writer.written, in_time=in_time)

    def _send(self, message: Message) -> None:
        if self._off:
            return
        kind = type(message).__name__.lower()
        if self._writer is None or self._closed.is_set():
            self._problem(f"MLflow tracking: {kind}() was called before start(), or after close().")
            return
        self._sent += 1
        try:
            line = encode(message)
        except Exception as error:  # whatever a config or a summary holds, the search goes on
            self._problem(f"MLflow tracking: {kind}() got what cannot be written down: {_said(error)}")
            return
        if not self._writer.send(line):
            self._refused += 1

    def _writer_ended(self, exit_code: int, last_words: str) -> None:
        if not self._closed.is_set():
            said = f" Its last words: {last_words}" if last_words else ""
            self._problem(
                f"MLflow's writer stopped during the search (exit code {exit_code}); what came after is not "
                f"recorded in {self.store}.{said}"
            )

    def _tell_losses(self, lost: int, *, in_time: bool) -> None:
        late = "" if in_time else f"; its writer was stopped after {self.close_timeout:g} s"
        refused = f"; {self._refused} found the queue full or the writer gone" if self._refused else ""
        if lost:
            self._problem(f"MLflow did not record {lost} of {self._sent} records in {self.store}{late}{refused}.")
        elif late:
            self._problem(f"MLflow recorded everything in {self.store}{late}.")

    def _problem(self, text: str) -> None:
        told = self.store.redact(text)
        if told not in self.problems:
            self.problems.append(told)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
