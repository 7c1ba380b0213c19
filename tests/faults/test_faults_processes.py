"""Trials and the worker server are killed from outside: each loss is one recorded trial, and the search goes on."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fault_runs import Running, Runs, board_of, log_of, marked, parent

import autometa

SERVER = "autometa.search._worker"


def trials_of(running: Running) -> list[int]:
    """Process ids of the trials: forks of the server have its command line, and it as a parent."""
    servers = server_of(running)
    return [pid for pid in running.children(SERVER) if parent(pid) in servers]


def server_of(running: Running) -> list[int]:
    return [pid for pid in running.children(SERVER) if parent(pid) == running.process.pid]


def kill_when_there(running: Running, find: Callable[[Running], list[int]]) -> None:
    found: list[int] = []

    def there() -> bool:
        found[:] = find(running)
        return bool(found)

    assert running.until(there), running.ended(0).told
    os.kill(found[0], signal.SIGKILL)


@pytest.fixture
def sleepy(runs: Runs, table: Path, plugins: dict[str, str]) -> Running:
    """A search of which one candidate never returns, so that there is time to kill it."""
    return runs.start(
        *("tune", table, "--output", "out", "--candidates", "logistic_regression,escapes,k_nearest_neighbors"),
        *("--trials", 4, "--warm-start", "none", "--cv", "3", "--no-mlflow", "--jobs", "1"),
        environment=plugins,
    )


def has_started(folder: Path, candidate: str) -> bool:
    return f"starts: {candidate}" in log_of(folder)


@pytest.mark.parametrize(
    ("find", "status", "reason"),
    [
        (trials_of, "memory", "killed from outside, as the system does when memory runs out"),
        (server_of, "crash", "the worker server was killed, perhaps for want of memory"),
    ],
    ids=["a trial", "the worker server"],
)
def test_what_is_killed_from_outside_is_recorded_and_takes_along_what_it_started(
    sleepy: Running, runs: Runs, table: Path, find: Callable[[Running], list[int]], status: str, reason: str
) -> None:
    out = runs.folder / "out"
    assert sleepy.until(lambda: has_started(out, "escapes") and len(marked(sleepy.mark)) >= 5)
    kill_when_there(sleepy, find)
    ended = sleepy.wait()
    assert ended.code == 0, ended.told
    board = board_of(out).set_index("candidate")
    lost = board.loc["escapes"]
    assert (lost["status"], lost["reason"]) == (status, reason)
    assert {"logistic_regression", "k_nearest_neighbors"} <= set(board[board["status"] == "complete"].index)
    assert autometa.load_model(out).predict(pd.read_csv(table)).shape == (80,)
    if find is trials_of:  # without the server nobody knows of those that have left the job's group
        assert sleepy.leftovers() == []


def test_the_worker_server_may_be_killed_before_the_first_trial(
    runs: Runs, table: Path, quick: tuple[str, ...]
) -> None:
    running = runs.start("tune", table, "--trials", 2, "--output", "out", *quick)
    kill_when_there(running, server_of)
    ended = running.wait()
    assert ended.code == 0, ended.told
    assert running.leftovers() == []
    assert (board_of(runs.folder / "out")["status"] == "complete").any()
