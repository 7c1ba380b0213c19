"""Worker servers kept between fits.

A worker server takes some seconds of processor time to import its libraries, and a cross-validation or a grid search
fits many times. So after a fit its server lets go of the table and waits for the next fit of this process; if none
comes within a minute, it ends by itself. No thread watches it: a thread would get in the way of programs that fork.
"""

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence

from autometa.search._pool import WorkerPool
from autometa.search._worker import encode

IDLE_SECONDS = 60.0
MOST_IDLE = 4

_Key = tuple[int, tuple[str, ...], str]


class KeptPool(WorkerPool):
    """A worker pool that can serve one search after another."""

    def rest(self) -> None:
        """Forget the last search, and end in a while."""
        self._warmed.clear()  # a restarted server would load its table again
        self._tell("rest", seconds=IDLE_SECONDS)

    def wake(self) -> None:
        """Serve again."""
        self._tell("wake")

    def abandon(self) -> None:
        """Let go of the server without stopping it: in a forked child it is the parent's."""
        self._control.close()
        self._server.returncode = 0  # or the child would warn of a process that still runs

    def _tell(self, function: str, **arguments: float) -> None:
        request = {"kind": "warm", "function": f"{__name__}:{function}", "arguments": arguments}
        with contextlib.suppress(OSError):  # a dead server is restarted by the next submit
            self._control.send(encode(request))


class IdlePools:
    """Pools that wait for the next fit. Safe to use from several threads; a pool serves one fit at a time."""

    def __init__(self) -> None:
        """None yet."""
        self._lock = threading.Lock()
        self._idle: list[tuple[_Key, float, KeptPool]] = []
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._forked)

    @contextlib.contextmanager
    def lend(self, *, threads: int, later: Sequence[str] = ()) -> Iterator[WorkerPool]:
        """A pool for one search, as `WorkerPool` would be; afterwards it waits for the next, unless the search failed.

        Args:
            threads: What each job's numerical libraries may use.
            later: Modules that the server imports when it has nothing else to do.
        """
        key = (threads, tuple(later), os.environ.get("PYTHONPATH", ""))
        pool = self._take(key) or KeptPool(threads=threads, later=later)
        try:
            yield pool
        except BaseException:
            pool.close()
            raise
        pool.rest()
        self._keep(key, pool)

    def close(self) -> None:
        """End every server that waits."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, _, pool in idle:
            pool.close()

    def _take(self, key: _Key) -> KeptPool | None:
        """One that waits and is not about to end; those that have ended, or nearly so, are put away."""
        still = time.monotonic() - 0.9 * IDLE_SECONDS
        with self._lock:
            over = [entry for entry in self._idle if entry[1] <= still]
            found = next((entry for entry in reversed(self._idle) if entry[0] == key and entry[1] > still), None)
            self._idle = [entry for entry in self._idle if entry not in (*over, found)]
        for _, _, pool in over:
            pool.close()
        if found is None:
            return None
        found[2].wake()
        return found[2]

    def _keep(self, key: _Key, pool: KeptPool) -> None:
        with self._lock:
            self._idle.append((key, time.monotonic(), pool))
            many, self._idle = self._idle[:-MOST_IDLE], self._idle[-MOST_IDLE:]
        for _, _, old in many:
            old.close()

    def _forked(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it
        for _, _, pool in self._idle:
            pool.abandon()
        self._idle = []


def rest(seconds: float) -> None:
    """In a worker server: let go of the table, and end when the time is over.

    The next search may write another table into the same folder, so it must be read anew.
    """
    from autometa.search._evaluate import load

    load.cache_clear()
    signal.setitimer(signal.ITIMER_REAL, seconds)  # nothing handles SIGALRM, so it ends the process


def wake() -> None:
    """In a worker server: do not end."""
    signal.setitimer(signal.ITIMER_REAL, 0)


POOLS = IdlePools()
