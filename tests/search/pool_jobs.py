"""What the worker tests run in children; named by path, as real jobs are."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from autometa.search._worker import Channel

_cache: dict[str, int] = {}


def echo(channel: Channel, *, n: int) -> dict[str, Any]:
    return {"answer": channel.ask(event="fold", score=n)["go"], "threads": os.environ["OMP_NUM_THREADS"]}


def hog(channel: Channel) -> None:
    import numpy as np

    held = [np.ones(10**7) for _ in range(1000)]
    raise AssertionError(len(held))


def sleep(channel: Channel, *, marker: str, escape: bool) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=escape)
    Path(marker).write_text(f"{os.getpid()} {child.pid}")
    time.sleep(60)


def leave_child(channel: Channel, *, marker: str) -> int:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    Path(marker).write_text(str(child.pid))
    return child.pid


def segfault(channel: Channel) -> None:
    ctypes.string_at(0)


def leave(channel: Channel) -> None:
    os._exit(7)


def shoot_self(channel: Channel) -> None:
    os.kill(os.getpid(), 9)


def fail(channel: Channel) -> None:
    raise ValueError("x" * 10**6)


def chatter(channel: Channel) -> str:
    for _ in range(200):
        os.write(1, b"x" * 10**5)
        os.write(2, b"y" * 10**5)
    return "done"


def remember(key: str, value: int) -> None:
    _cache[key] = value


def recall(channel: Channel, *, key: str) -> int | None:
    return _cache.get(key)


def start_memory(channel: Channel) -> int:
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0]


def imported(channel: Channel, *, module: str) -> bool:
    return module in sys.modules
