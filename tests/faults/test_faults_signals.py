"""Ctrl-C once and twice, to the search alone or to its group as a terminal sends it, and SIGTERM."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fault_runs import Running, Runs, board_of, half_files, log_of, trials_in

import autometa


def alone(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)


def as_a_terminal(running: Running, number: signal.Signals) -> None:
    os.killpg(running.process.pid, number)


def long_search(runs: Runs, table: Path, quick: tuple[str, ...]) -> Running:
    """A search that would run for long, once two trials are done."""
    running = runs.start("tune", table, "--trials", 500, "--output", "out", *quick)
    assert running.until(lambda: log_of(runs.folder / "out").count(" complete: ") >= 2)
    return running


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(alone, id="to the search", marks=pytest.mark.slow),
        pytest.param(as_a_terminal, id="to its group"),
    ],
)
def test_one_ctrl_c_finishes_with_a_model(
    runs: Runs, table: Path, quick: tuple[str, ...], send: Callable[[Running, signal.Signals], None]
) -> None:
    running = long_search(runs, table, quick)
    send(running, signal.SIGINT)
    ended = running.wait()
    assert ended.code == 0, ended.told
    assert "Leaderboard" in ended.out
    assert running.leftovers() == []
    out = runs.folder / "out"
    assert half_files(out) == []
    assert autometa.load_model(out).predict(pd.read_csv(table)).shape == (80,)
    assert set(board_of(out)["status"]) <= {"complete", "pruned", "interrupted"}


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(alone, id="to the search"),
        pytest.param(as_a_terminal, id="to its group", marks=pytest.mark.slow),
    ],
)
def test_two_ctrl_c_stop_at_once_and_the_folder_resumes(
    runs: Runs, table: Path, quick: tuple[str, ...], send: Callable[[Running, signal.Signals], None]
) -> None:
    running = long_search(runs, table, quick)
    send(running, signal.SIGINT)
    out = runs.folder / "out"
    time.sleep(0.1)  # two signals in the same instant are one; a person is slower than that
    send(running, signal.SIGINT)
    ended = running.wait()
    assert running.leftovers() == []
    assert ended.code == 130, ended.told
    assert "Traceback" not in ended.told
    told = {number: trial.values for number, trial in trials_in(out, runs.folder).items() if trial.values}
    again = runs.run("tune", "--resume", out, "--trials", len(told) + 1, "--no-mlflow")
    assert again.code == 0, again.told
    after = {number: trial.values for number, trial in trials_in(out, runs.folder).items()}
    assert {number: after[number] for number in told} == told
    assert half_files(out) == []


def test_a_search_that_is_terminated_leaves_no_process_and_resumes(
    runs: Runs, table: Path, quick: tuple[str, ...]
) -> None:
    running = long_search(runs, table, quick)
    running.process.terminate()
    ended = running.wait()
    assert running.leftovers() == []
    assert "Traceback" not in ended.told
    out = runs.folder / "out"
    told = {number: trial.values for number, trial in trials_in(out, runs.folder).items() if trial.values}
    assert len(told) >= 2
    again = runs.run("tune", "--resume", out, "--trials", len(told) + 1, "--no-mlflow")
    assert again.code == 0, again.told
    after = {number: trial.values for number, trial in trials_in(out, runs.folder).items()}
    assert {number: after[number] for number in told} == told


def test_ctrl_c_before_the_search_has_begun_stops_it_and_says_so(
    runs: Runs, table: Path, quick: tuple[str, ...]
) -> None:
    running = runs.start("tune", table, "--trials", 500, "--output", "out", *quick)
    assert running.until(lambda: bool(running.children("autometa.search._worker")))
    running.process.send_signal(signal.SIGINT)
    ended = running.wait()
    assert running.leftovers() == []
    assert ended.code == 130, ended.told
    assert "Traceback" not in ended.told
    assert "Stopped." in ended.told
