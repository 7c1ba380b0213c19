"""The writer process: JSON lines on standard input become MLflow runs.

Run as ``python -m autometa.tracking._writer`` by `MlflowTracker`. It reports on standard output, one JSON
object a line: ``{"run_id": id}`` once, ``{"written": 1}`` for each line that is written down, and
``{"problem": text}``. The end of its input ends it; if no result came before that, the search was killed.
"""

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from autometa.config import silence_telemetry, thread_environment
from autometa.tracking._wire import Message, Point, Start, Trial, decode, now

if TYPE_CHECKING:
    from autometa.tracking._runs import SearchRuns

_CHUNK = 1 << 20
_NICENESS = 10
_ORPHAN_SECONDS = 60  # what a writer without a search may still take
_MAX_PROBLEMS = 5
_MAX_TEXT = 500
_MLFLOW_ENVIRONMENT = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # A server that is away costs 15 s per record instead of MLflow's four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


class Writer:
    """Writes batches of messages, and tells the search how it went."""

    def __init__(self, reports: IO[bytes]) -> None:
        """``reports`` is where the search listens."""
        self._reports = reports
        self._settle: Callable[[], None] = lambda: None
        self._runs: SearchRuns | None = None
        self._told: set[str] = set()

    def write(self, batch: Sequence[Message]) -> None:
        """Write a batch; a message that fails is named, and the rest goes on."""
        latest = {message.report.number: message for message in batch if isinstance(message, Trial)}
        for message in batch:
            outdated = isinstance(message, Trial) and latest[message.report.number] is not message
            if outdated or self._write(message):
                self._report(written=1)
        if self._runs is not None:
            with self._problems("the course of the best score"):
                self._runs.flush()

    def end(self) -> None:
        """Mark a search that ended without a result, and leave the store tidy."""
        if self._runs is not None:
            with self._problems("the end of the search"):
                self._runs.kill(now())
                self._settle()

    def _write(self, message: Message) -> bool:
        """Write one message; False if that failed, or if the search's run could not be opened."""
        written = False
        with self._problems(_title(message)):
            if isinstance(message, Start):
                self._start(message)
            elif self._runs is None:
                return False
            elif isinstance(message, Trial):
                self._runs.trial(message)
            elif isinstance(message, Point):
                self._runs.measure(message)
            else:
                for missing in self._runs.finish(message):
                    self._report(problem=f"MLflow: {missing}")
            written = True
        return written

    def _start(self, message: Start) -> None:
        from autometa.tracking._experiment import open_experiment
        from autometa.tracking._runs import SearchRuns

        client, experiment_id, self._settle = open_experiment(message)
        self._runs = SearchRuns(client, experiment_id, message)
        if self._runs.missing_run_id:
            self._report(
                problem=f"MLflow has no run {self._runs.missing_run_id} to go on with; the search has a new one."
            )
        self._report(run_id=self._runs.run_id)

    @contextlib.contextmanager
    def _problems(self, title: str) -> Iterator[None]:
        """Report any exception: the store's trouble must not end the writer, since the next may succeed."""
        try:
            yield
        except Exception as error:
            said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"[:_MAX_TEXT]
            if said not in self._told and len(self._told) < _MAX_PROBLEMS:
                self._told.add(said)
                self._report(problem=f"MLflow did not record {title}: {said}")

    def _report(self, **report: str | int) -> None:
        with contextlib.suppress(BrokenPipeError):  # the search was killed; its runs are still to be ended
            self._reports.write(json.dumps(report).encode() + b"\n")
            self._reports.flush()


def main() -> None:
    """Write until the input ends."""
    silence_telemetry()
    os.environ.update(thread_environment())
    for name, value in _MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.nice(_NICENESS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    writer = Writer(_claim_stdout())
    try:
        for batch in _batches(sys.stdin.fileno()):
            writer.write(batch)
    finally:
        signal.alarm(_ORPHAN_SECONDS)
        writer.end()


def _batches(pipe: int) -> Iterator[list[Message]]:
    """Everything that has arrived since the last look, until the pipe is closed at its other end."""
    rest = b""
    while chunk := os.read(pipe, _CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        yield [decode(line) for line in lines]


def _claim_stdout() -> IO[bytes]:
    """Standard output for reports alone: what MLflow prints goes to standard error."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return reports


def _title(message: Message) -> str:
    if isinstance(message, Trial):
        return f"trial {message.report.number}"
    if isinstance(message, Point):
        return f"step {message.step}"
    return "the search" if isinstance(message, Start) else "the result"


if __name__ == "__main__":
    main()
