"""Time and interruption: how long a search has run, when it must end, and whether the user asked it to."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType


class Clock:
    """Seconds since the search began, across resumes, and the moment at which it must be over."""

    def __init__(self, *, began: float | None = None, spent: float = 0.0, time_limit: float | None = None) -> None:
        """Start the clock.

        Args:
            began: `time.monotonic` at which this process began to work on the search; None means now.
            spent: Seconds that earlier processes spent on it.
            time_limit: Seconds for everything, the earlier ones included.
        """
        self._zero = (time.monotonic() if began is None else began) - spent
        self.time_limit = time_limit

    def elapsed(self) -> float:
        """Seconds spent so far."""
        return time.monotonic() - self._zero

    @property
    def deadline(self) -> float | None:
        """`time.monotonic` at which the search must be over."""
        return None if self.time_limit is None else self._zero + self.time_limit

    def remaining(self) -> float:
        """Seconds left; infinite without a limit."""
        return float("inf") if self.time_limit is None else self.time_limit - self.elapsed()

    def slack(self, *, seconds: float) -> float:
        """Seconds until the limit plus 5 % plus ``seconds`` of the five that a search may be late; infinite without."""
        return self.remaining() + 0.05 * (self.time_limit or 0.0) + seconds

    def at_least(self, least: float, *, slack: float) -> float:
        """`slack` seconds, or ``least`` where there are fewer; infinite without a limit."""
        return max(least, self.slack(seconds=slack))


class Interruption:
    """Ctrl-C, or SIGTERM: the first asks the search to finish with what it has, the second stops it at once."""

    def __init__(self) -> None:
        """Nothing asked yet."""
        self.asked = False

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Handle the signals while the search runs; in a thread other than the main one it cannot, and does not."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
