"""The feeder never makes its caller wait, and the listener hears everything."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from autometa.tracking._pipe import Feeder, Listener

Pipe = tuple[int, Feeder]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """The reading end of a pipe, and a feeder for the other."""
    source, sink = os.pipe()
    feeder = Feeder(os.fdopen(sink, "wb"), max_pending=3)
    feeder.start()
    yield source, feeder
    os.close(source)
    feeder.end()
    feeder.join(5)
    assert not feeder.is_alive()


def read_all(source: int) -> bytes:
    return b"".join(iter(lambda: os.read(source, 1 << 20), b""))


def test_lines_arrive_in_order_and_the_end_closes_the_pipe(pipe: Pipe) -> None:
    source, feeder = pipe
    for number in range(20):
        while not feeder.offer(b"%d\n" % number):
            time.sleep(0.001)
    feeder.end()
    assert read_all(source).split() == [b"%d" % number for number in range(20)]


def test_full_pipe_refuses_instead_of_waiting(pipe: Pipe) -> None:
    source, feeder = pipe
    line = b"x" * (2 << 20)
    assert feeder.offer(line)  # more than the pipe holds: the feeder is stuck with it
    accepted = 0
    while feeder.offer(b"y"):
        accepted += 1
        time.sleep(0.01)
    began = time.perf_counter()
    assert not feeder.offer(b"z")
    assert time.perf_counter() - began < 0.1
    feeder.end()
    assert read_all(source) == line + b"y" * accepted


def test_feeder_ends_when_nobody_reads() -> None:
    source, sink = os.pipe()
    feeder = Feeder(os.fdopen(sink, "wb"), max_pending=3)
    feeder.start()
    os.close(source)
    feeder.offer(b"x\n")
    feeder.join(5)
    assert not feeder.is_alive()
    assert not feeder.offer(b"y\n")


def test_listener_hears_reports_and_the_end() -> None:
    source, sink = os.pipe()
    problems: list[str] = []
    ended = threading.Event()
    listener = Listener(os.fdopen(source, "rb"), problem=problems.append, ended=ended.set)
    listener.start()
    os.write(sink, b'{"run_id": "abc"}\n{"written": 1}\n{"written": 1}\n{"problem": "disk full"}\n{"wri')
    os.close(sink)
    assert ended.wait(5)
    listener.join(5)
    assert (listener.run_id, listener.written, problems) == ("abc", 2, ["disk full"])
