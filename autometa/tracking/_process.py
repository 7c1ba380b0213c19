"""The writer process as the search sees it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from autometa.tracking._pipe import Feeder, Listener

_COMMAND = ("-P", "-m", "autometa.tracking._writer")  # -P: a file mlflow.py in the user's folder stays unread
_TAIL_BYTES = 2000
_JOIN_SECONDS = 1.0  # both threads end with the process; no surprise may turn that into a wait for ever


class WriterProcess:
    """A process that reads lines and writes them to MLflow, in a session of its own."""

    def __init__(self, *, max_pending: int, problem: Callable[[str], None], ended: Callable[[int, str], None]) -> None:
        """Start it.

        Args:
            max_pending: How many lines may wait while its pipe is full.
            problem: Gets each problem that the writer names; called from a thread.
            ended: Gets the exit code and the last line of error output when the writer is gone; called from
                a thread.

        Raises:
            OSError: The process cannot be started.
        """
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
            )
        except BaseException:
            self._errors.close()
            raise
        if self._process.stdin is None or self._process.stdout is None:
            raise OSError("the writer process has no pipes")
        self._feeder = Feeder(self._process.stdin, max_pending=max_pending)
        self._listener = Listener(
            self._process.stdout,
            problem=problem,
            ended=lambda: ended(self._process.wait(), self._last_words()),
        )
        self._feeder.start()
        self._listener.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the search's run, once reported."""
        return self._listener.run_id

    @property
    def written(self) -> int:
        """How many lines are written down."""
        return self._listener.written

    def send(self, line: bytes) -> bool:
        """Queue a line; False if there is no room, or the writer is gone."""
        return self._feeder.offer(line)

    def end(self, timeout: float) -> bool:
        """Let it write what it has, for ``timeout`` seconds; True if it ended by itself in time."""
        deadline = time.monotonic() + timeout
        grace = min(1.0, timeout / 4)
        self._feeder.end()
        in_time = self._wait(deadline - grace)
        if not in_time:
            self._process.terminate()  # a writer that is only slow uses this to mark its runs as killed
            if not self._wait(deadline):
                self._process.kill()
                self._process.wait()
        self._feeder.join(_JOIN_SECONDS)
        self._listener.join(_JOIN_SECONDS)
        self._errors.close()
        return in_time

    def _last_words(self) -> str:
        size = os.fstat(self._errors.fileno()).st_size
        tail = os.pread(self._errors.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        return tail.decode(errors="replace").strip().rpartition("\n")[2]

    def _wait(self, deadline: float) -> bool:
        try:
            self._process.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            return False
        return True
