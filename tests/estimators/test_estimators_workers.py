"""Worker servers that wait for the next fit."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autometa import AutoMetaClassifier
from autometa.estimators import _workers
from autometa.estimators._workers import POOLS, IdlePools
from autometa.search._pool import WorkerPool

Make = Callable[..., AutoMetaClassifier]


@pytest.fixture
def pools() -> Iterator[IdlePools]:
    made = IdlePools()
    yield made
    made.close()


def lend(pools: IdlePools, **options: Any) -> int:
    with pools.lend(**{"threads": 1, "later": (), **options}) as pool:
        return pool._server.pid


def run_nothing(pool: WorkerPool) -> str:
    pool.submit("builtins:len", {})  # whatever it says, the server runs it
    while True:
        for event in pool.wait():
            if event.outcome is not None:
                return event.outcome.status


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_next_fit_gets_the_server_of_the_last(pools: IdlePools) -> None:
    first = lend(pools)
    assert lend(pools) == first
    assert lend(pools, threads=2) != first
    assert lend(pools) == first


def test_two_fits_at_once_never_share_a_server(pools: IdlePools) -> None:
    with pools.lend(threads=1) as outer:
        inner = lend(pools)
        assert inner != outer._server.pid
    assert lend(pools) in (inner, outer._server.pid)


def test_after_a_failure_nothing_is_kept(pools: IdlePools) -> None:
    pids = []

    def fail() -> None:
        with pools.lend(threads=1) as pool:
            pids.append(pool._server.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not alive(pids[0])
    assert lend(pools) != pids[0]


def test_a_server_that_waited_long_enough_ends(pools: IdlePools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "IDLE_SECONDS", 0.1)
    with pools.lend(threads=1) as pool:
        pass
    assert pool._server.wait(timeout=30) == -signal.SIGALRM
    assert lend(pools) != pool._server.pid


def test_a_server_that_serves_again_does_not_end(pools: IdlePools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "IDLE_SECONDS", 3.0)
    first = lend(pools)
    with pools.lend(threads=1) as pool:
        assert pool._server.pid == first
        time.sleep(3.5)  # longer than it would have waited
        assert run_nothing(pool) == "crash"  # the job, that is: len takes no channel
        assert pool._server.pid == first


def test_only_so_many_wait(pools: IdlePools, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_workers, "MOST_IDLE", 1)
    with pools.lend(threads=1) as outer:
        inner = lend(pools)
    assert not alive(inner)
    assert alive(outer._server.pid)


def test_closing_ends_what_waits(pools: IdlePools) -> None:
    before = threading.active_count()
    pid = lend(pools)
    assert threading.active_count() == before
    pools.close()
    assert not alive(pid)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_servers_of_its_own(pools: IdlePools) -> None:
    pid = lend(pools)
    child = os.fork()
    if child == 0:
        ok = not pools._idle and pid != -1
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lend(pools) == pid


def test_a_folder_that_is_used_again_is_read_again(classifier: Make, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    for column in (0, 1):
        y = (X[:, column] > 0).astype(int)
        assert classifier(output=tmp_path / "out").fit(X, y).search_.score > 0.95
        shutil.rmtree(tmp_path / "out")


def test_fits_share_a_server(classifier: Make, numbers: Any) -> None:
    classifier().fit(*numbers)
    first = [pool._server.pid for _, _, pool in POOLS._idle]
    assert first
    classifier().fit(*numbers)
    assert [pool._server.pid for _, _, pool in POOLS._idle] == first
