"""The search's side of the worker server: submit jobs, hear from them, kill them in time."""

import contextlib
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from autometa.config import silence_telemetry, thread_environment
from autometa.search._worker import MAX_MESSAGE, encode

PRELOAD = (
    "numpy",
    "pandas",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.neighbors",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "autometa.search._evaluate",
)
LIBRARIES = {"lightgbm": "lightgbm", "xgboost": "xgboost", "catboost": "catboost", "mlp": "torch"}


SAVING = ("skops.io", "safetensors.numpy")


def libraries_for(candidates: Collection[str] | None) -> tuple[str, ...]:
    """Modules that only some candidates need, None meaning all candidates, and those that save a model at the end."""
    return (*(module for name, module in LIBRARIES.items() if candidates is None or name in candidates), *SAVING)


@dataclass(slots=True, eq=False)
class Job:
    """One function running in a process of its own.

    ``deadline`` is in `time.monotonic` seconds; where ``seconds`` are given, it is set when the job starts.
    ``killed_for`` is set once the pool has killed it.
    """

    end: socket.socket
    deadline: float | None
    seconds: float | None
    crash_file: Path | None
    pid: int | None = None
    killed_for: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    ``status`` is ``ok`` or one of the trial statuses; ``value`` is what the function returned.
    """

    status: Literal["ok", "timeout", "memory", "crash", "invalid", "interrupted"]
    value: Any = None
    reason: str = ""
    peak_memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something a job said, or (with ``outcome``) its end."""

    job: Job
    message: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None


class WorkerPool:
    """Runs functions in killable processes, with a time and a memory limit each.

    Use as a context manager. Starting it returns at once: the server imports its libraries while the caller
    reads the table. All calls come from one thread.
    """

    def __init__(self, *, threads: int = 1, preload: Sequence[str] = PRELOAD, later: Sequence[str] = ()) -> None:
        """Start the server.

        Args:
            threads: What each job's numerical libraries may use.
            preload: Modules that the server imports before it takes jobs.
            later: Modules that it imports when it has nothing else to do.
        """
        self.threads = threads
        self._modules = (",".join(preload), ",".join(later))
        self._warmed: list[dict[str, Any]] = []
        self._last_words: dict[int, dict[str, Any]] = {}
        self._jobs: list[Job] = []
        self._worked = False
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm(self, function: str, arguments: Mapping[str, Any]) -> None:
        """Run a function in the server itself, so that jobs inherit what it caches.

        It must start no threads: the server forks.
        """
        request = {"kind": "warm", "function": function, "arguments": dict(arguments)}
        self._warmed.append(request)
        with contextlib.suppress(OSError):  # a dead server is restarted by the next submit
            self._control.send(encode(request))

    def submit(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        memory_mb: int | None = None,
        deadline: float | None = None,
        seconds: float | None = None,
        crash_file: Path | None = None,
    ) -> Job:
        """Start ``function(channel, **arguments)``, named ``package.module:function``.

        Args:
            function: What to run.
            arguments: JSON values.
            memory_mb: Megabytes that it may allocate.
            deadline: `time.monotonic` at which it is killed, whether it has started or not.
            seconds: What it may take once it has started; the server may still be importing when it is submitted.
            crash_file: Where the Python stack of a native crash goes.
        """
        request = {
            "kind": "run",
            "function": function,
            "arguments": dict(arguments),
            "memory_mb": memory_mb,
            "crash_file": None if crash_file is None else str(crash_file),
        }
        if self._server.poll() is not None:
            self._restart()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, contextlib.suppress(OSError):  # a server dying right now: the job's end says so
            socket.send_fds(self._control, [encode(request)], [theirs.fileno()])
        self._worked = True
        job = Job(ours, deadline, seconds, crash_file)
        self._jobs.append(job)
        return job

    def answer(self, job: Job, **message: Any) -> None:
        """Answer a job that asked."""
        with contextlib.suppress(OSError):  # it died while we thought about it; its end is on the way
            job.end.send(encode(message))

    def kill(self, job: Job, status: str) -> None:
        """Kill a job and everything it started; its outcome will carry ``status``."""
        job.killed_for = job.killed_for or status
        self._kill_group(job)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Wait until a job says something, ends or runs out of time; at most ``timeout`` seconds."""
        now = time.monotonic()
        limits = [job.deadline - now for job in self._jobs if job.deadline is not None and not job.killed_for]
        if timeout is not None:
            limits.append(timeout)
        ends = [self._control, *(job.end for job in self._jobs)]
        ready, _, _ = select.select(ends, [], [], max(0.0, min(limits)) if limits else None)
        if self._control in ready:  # the server never speaks: it has died
            self._hang_up()
        now = time.monotonic()
        for job in self._jobs:
            if job.deadline is not None and now >= job.deadline and not job.killed_for:
                self.kill(job, "timeout")
        events = [self._read(job) for job in list(self._jobs) if job.end in ready]
        return [event for event in events if event is not None]

    def run(
        self, function: str, arguments: Mapping[str, Any], *, memory_mb: int | None, deadline: float | None
    ) -> Outcome:
        """Run one job to its end, where no other is running; arguments as for `submit`."""
        self.submit(function, arguments, memory_mb=memory_mb, deadline=deadline)
        while True:
            for event in self.wait():
                if event.outcome is not None:
                    return event.outcome

    @property
    def running(self) -> int:
        """Number of jobs that have not ended."""
        return len(self._jobs)

    def close(self) -> None:
        """Kill every job and stop the server."""
        for job in self._jobs:
            self.kill(job, "interrupted")
            job.end.close()
        self._jobs.clear()
        self._control.close()
        if not self._worked:  # nothing to tidy up, and it may be importing for a second yet
            self._server.kill()
        try:
            self._server.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _start(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = dict(os.environ, **thread_environment(self.threads), PYTHONHASHSEED="0")
        silence_telemetry(environment)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "autometa.search._worker", str(theirs.fileno()), *self._modules],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is for the search, which then decides
        )
        theirs.close()

    def _hang_up(self) -> None:
        """Let the jobs of a dead server end, though something that they started may keep their line open."""
        for job in self._jobs:
            with contextlib.suppress(OSError):
                job.end.shutdown(socket.SHUT_RDWR)

    def _restart(self) -> None:
        """Start a new server after the old one was killed, as an out-of-memory killer may do."""
        self._hang_up()
        self._control.close()
        self._server.kill()
        self._server.wait()
        self._start()
        for request in self._warmed:
            self._control.send(encode(request))

    def _kill_group(self, job: Job) -> None:
        if job.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(job.pid, signal.SIGKILL)

    def _read(self, job: Job) -> Event | None:
        try:
            packet = job.end.recv(MAX_MESSAGE)
        except OSError:
            packet = b""
        if not packet:
            self._kill_group(job)  # the kernel has killed the job with its server, but not what the job started
            return self._end(job, {"code": None})
        message = json.loads(packet)
        event = message.pop("event")
        if event == "started":
            job.pid = message["pid"]
            if job.seconds is not None:
                job.deadline = min(job.deadline or math.inf, time.monotonic() + job.seconds)
            if job.killed_for:
                self.kill(job, job.killed_for)
            return None
        if event in ("result", "error"):
            self._last_words[id(job)] = {"event": event, **message}
            return None
        if event == "exit":
            return self._end(job, message)
        return Event(job, message={"event": event, **message})

    def _end(self, job: Job, exit_message: dict[str, Any]) -> Event:
        self._jobs.remove(job)
        job.end.close()
        said = self._last_words.pop(id(job), {})
        peak = exit_message.get("peak_memory_mb")
        if said.get("event") == "result":
            return Event(job, outcome=Outcome("ok", said["value"], peak_memory_mb=peak))
        if job.killed_for:
            return Event(job, outcome=Outcome(job.killed_for, peak_memory_mb=peak))  # type: ignore[arg-type]
        if said.get("event") == "error":
            reason = said["reason"]
            return Event(job, outcome=Outcome(said["status"], said["traceback"], reason, peak))
        return Event(job, outcome=_silent_end(exit_message.get("code"), job.crash_file, peak))


def _silent_end(code: int | None, crash_file: Path | None, peak: float | None) -> Outcome:
    """A job that ended without a word: killed by a signal, or its server was."""
    if code is None:
        return Outcome("crash", reason="the worker server was killed, perhaps for want of memory")
    if code == -signal.SIGKILL:
        return Outcome(
            "memory",
            reason="killed from outside, as the system does when memory runs out",
            peak_memory_mb=peak,
        )
    if code == -signal.SIGXCPU:
        return Outcome("timeout", reason="used more processor time than it may", peak_memory_mb=peak)
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    stack = ""
    if crash_file is not None and crash_file.is_file():
        stack = crash_file.read_text(errors="replace").partition("\nExtension modules:")[0][-4000:]
    return Outcome("crash", stack, f"the process ended with {name}", peak)
