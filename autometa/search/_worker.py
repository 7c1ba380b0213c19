"""The worker server: a small process that forks one killable child per job.

Started as ``python -m autometa.search._worker FD`` by `autometa.search._pool.WorkerPool`. It imports the heavy
libraries once; each job then costs a fork. `multiprocessing`'s forkserver is not used because it re-imports the
user's ``__main__`` (a script without a guard would run twice) and is shared with the user's own code.

Protocol, JSON messages over ``SOCK_SEQPACKET`` pairs (one packet = one message, so a child that is killed cannot
leave half a message): the pool sends a job with the child's end of a fresh pair attached. On that pair the
child says ``started`` with its process id, whatever its function sends, then ``result`` or ``error``; the server
ends it with ``exit``, always, after the child is reaped. The pool therefore reads one
ordered stream per job.
"""

import array
import contextlib
import ctypes
import errno
import faulthandler
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NoReturn

MAX_MESSAGE = 64 * 1024
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


class Channel:
    """A job's line to the search: JSON messages both ways."""

    def __init__(self, end: socket.socket) -> None:
        """Take over one end of a packet socket pair."""
        self._end = end

    def send(self, **message: Any) -> None:
        """Send one message; strings are cut so that a packet always fits."""
        self._end.send(encode(message))

    def ask(self, **message: Any) -> dict[str, Any]:
        """Send one message and wait for the answer."""
        self.send(**message)
        answer: dict[str, Any] = json.loads(self._end.recv(MAX_MESSAGE))
        return answer


def encode(message: dict[str, Any]) -> bytes:
    """One message as a packet, with over-long text cut in the middle of the longest value."""
    packet = json.dumps(message).encode()
    while len(packet) > MAX_MESSAGE:
        longest = max(message, key=lambda name: len(str(message[name])))
        text = str(message[longest])
        message = {**message, longest: text[: len(text) // 4] + " … " + text[-len(text) // 4 :]}
        packet = json.dumps(message).encode()
    return packet


def resolve(path: str) -> Callable[..., Any]:
    """The function named ``package.module:function``."""
    module, _, name = path.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def serve(control: socket.socket, later: Sequence[str] = ()) -> None:
    """Fork a child per request until the control socket closes; then kill every child.

    Once the first job runs, the modules in ``later`` are imported one by one whenever no request waits, so that the
    first trials do not wait for libraries that they may not need.
    """
    waiting: list[str] = []
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    jobs: dict[int, socket.socket] = {}
    try:
        while True:
            idle = not any(select.select([control.fileno(), wake_read], [], [], 0 if waiting else None))
            if idle:
                _preload([waiting.pop(0)])
                continue
            with contextlib.suppress(BlockingIOError):
                os.read(wake_read, 4096)
            _reap(jobs)
            if not select.select([control], [], [], 0)[0]:
                continue
            packet, descriptors = _receive(control)
            if not packet:
                return
            request = json.loads(packet)
            if request["kind"] == "warm":
                with contextlib.suppress(Exception):  # the job that needs it will report the failure
                    resolve(request["function"])(**request["arguments"])
                gc.freeze()
                continue
            end = socket.socket(fileno=descriptors[0])
            waiting, later = [*waiting, *later], ()
            pid = os.fork()
            if pid == 0:
                control.close()
                os.close(wake_read)
                os.close(wake_write)
                for other in jobs.values():
                    other.close()
                _run_child(end, request)
            jobs[pid] = end
    finally:
        for pid in jobs:
            _kill_group(pid)
        while _kill_strays({}):  # what had left its group, and what those hand on to us as they die
            os.waitpid(-1, 0)


def _run_child(end: socket.socket, request: dict[str, Any]) -> NoReturn:
    os.setsid()  # a group of its own: whatever the job starts dies with it
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    channel = Channel(end)
    code = 1
    try:
        channel.send(event="started", pid=os.getpid())  # not before setsid: now the group can be killed
        _silence(request.get("crash_file"))
        _limit_memory(request.get("memory_mb"))
        result = resolve(request["function"])(channel, **request["arguments"])
        channel.send(event="result", value=result)
        code = 0
    except MemoryError:
        _report(channel, "memory", f"needed more than {request.get('memory_mb')} MB")
    except BaseException as error:  # everything a candidate can raise becomes one recorded trial
        text = f"{type(error).__name__}: {error}"
        _report(channel, _status_of(error, text), text, traceback.format_exc())
    finally:
        os._exit(code)  # no atexit handlers of a forked interpreter


def _status_of(error: BaseException, text: str) -> str:
    """How a trial that raised ended; a full disk is no fault of the candidate."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "interrupted"
    return "memory" if "allocate memory" in text else str(getattr(error, "status", "crash"))


def _report(channel: Channel, status: str, reason: str, trace: str = "") -> None:
    with contextlib.suppress(OSError):
        channel.send(event="error", status=status, reason=reason, traceback=trace)


def _silence(crash_file: str | None) -> None:
    """Send what libraries print nowhere; keep the Python stack of a native crash."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    warnings.simplefilter("ignore")
    if crash_file is not None:
        faulthandler.enable(os.open(crash_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))


def _limit_memory(memory_mb: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_mb is None:
        return
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[0])
    # Relative to what the libraries have mapped already, which is gigabytes with torch.
    limit = pages * resource.getpagesize() + (memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _reap(jobs: dict[int, socket.socket]) -> None:
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        end = jobs.pop(pid, None)
        if end is None:
            _kill_strays(jobs)  # an orphan that a job left behind, and now its own children
            continue
        _kill_group(pid)
        _kill_strays(jobs)
        with contextlib.suppress(OSError):
            end.send(
                encode(
                    {
                        "event": "exit",
                        "code": os.waitstatus_to_exitcode(status),
                        "peak_memory_mb": usage.ru_maxrss / 1024,
                    }
                )
            )
        end.close()


def _kill_strays(jobs: Collection[int]) -> bool:
    """Kill processes that escaped their group: as sub-reaper, we inherit every orphan. Were there any?"""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as children:
            pids = [int(pid) for pid in children.read().split()]
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False  # a kernel without that file; process groups still catch the usual case
    strays = [pid for pid in pids if pid not in jobs]
    for pid in strays:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(strays)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    descriptors = array.array("i")
    packet, ancillary, _, _ = control.recvmsg(
        MAX_MESSAGE, socket.CMSG_SPACE(descriptors.itemsize), socket.MSG_CMSG_CLOEXEC
    )
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    return packet, list(descriptors)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _preload(modules: Iterable[str]) -> None:
    for module in modules:
        with contextlib.suppress(ImportError):  # an optional library; the candidate that needs it says so
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # children share these pages; a collection would copy them


def main() -> None:
    """Import what every job needs, then serve, and import what some jobs need."""
    first, later = (modules.split(",") if modules else [] for modules in sys.argv[2:4])
    _preload(first)
    serve(socket.socket(fileno=int(sys.argv[1])), later)


if __name__ == "__main__":
    main()
