"""The two threads at the search's end of the writer process."""

import contextlib
import fcntl
import json
import threading
from collections import deque
from collections.abc import Callable
from typing import IO

_PIPE_BYTES = 1 << 20


class Feeder(threading.Thread):
    """Writes lines into a pipe that may be full for ever, so that nobody else has to wait for it."""

    def __init__(self, pipe: IO[bytes], *, max_pending: int) -> None:
        """``max_pending`` lines may wait here while the pipe is full; further ones are refused."""
        super().__init__(name="autometa-tracking-feeder", daemon=True)
        self._pipe = pipe
        self._max_pending = max_pending
        self._pending: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._open = True
        _widen(pipe)

    def offer(self, line: bytes) -> bool:
        """Take a line to be written; False if there is no room, or nobody reads any more."""
        with self._changed:
            if not self._open or len(self._pending) >= self._max_pending:
                return False
            self._pending.append(line)
            self._changed.notify()
            return True

    def end(self) -> None:
        """Take no more lines; write those that wait, then close the pipe."""
        with self._changed:
            self._open = False
            self._changed.notify()

    def run(self) -> None:
        """Write until the end, or until the reader is gone."""
        try:
            while lines := self._take():
                self._pipe.write(lines)
                self._pipe.flush()
        except BrokenPipeError:
            self.end()  # the listener says why the writer is gone, and which records are lost
        with contextlib.suppress(BrokenPipeError):  # closing flushes what a broken pipe left behind
            self._pipe.close()

    def _take(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._pending or not self._open)
            lines = b"".join(self._pending)
            self._pending.clear()
            return lines


class Listener(threading.Thread):
    """Hears what the writer reports, until it ends."""

    def __init__(self, pipe: IO[bytes], *, problem: Callable[[str], None], ended: Callable[[], None]) -> None:
        """``problem`` gets each problem that the writer names; ``ended`` is called when it is gone."""
        super().__init__(name="autometa-tracking-listener", daemon=True)
        self._pipe = pipe
        self._problem = problem
        self._ended = ended
        self.run_id: str | None = None
        self.written = 0

    def run(self) -> None:
        """Read to the end of the pipe."""
        with self._pipe:
            for line in self._pipe:
                self._hear(line)
        self._ended()

    def _hear(self, line: bytes) -> None:
        try:
            report = json.loads(line)
        except ValueError:
            return  # cut off: the writer died in the middle of it, which `ended` tells
        self.run_id = report.get("run_id", self.run_id)
        self.written += report.get("written", 0)
        if "problem" in report:
            self._problem(report["problem"])


def _widen(pipe: IO[bytes]) -> None:
    """Let the pipe hold what a search sends while MLflow is still being imported.

    Lines in the pipe are written down even if the search is killed; lines in this process are not.
    """
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # over the user's share of pipe memory: the usual 64 KiB will do
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
