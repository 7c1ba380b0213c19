"""Candidates from outside that do their worst: each is one line of the leaderboard, and the search goes on."""

from pathlib import Path

import pandas as pd
import pytest
from fault_runs import Running, Runs, board_of, half_files, log_of, marked

import autometa

# What the leaderboard must say: status, and words of the reason.
IN_TIME = {
    "eats_memory": ("memory", "needed more than 400 MB"),
    "segfaults": ("crash", "the process ended with SIGSEGV"),
    "exits": ("crash", "SystemExit: 3"),
    "leaves": ("crash", "the process ended with exit code 0"),
    "interrupts": ("crash", "KeyboardInterrupt"),
    "closes_files": ("crash", "the process ended with exit code 1"),
    "says_nan": ("invalid", "not finite"),
}
FOREVER = ("forks", "escapes")
HARMLESS = ("prints_much", "wanders")


def search(names: tuple[str, ...], runs: Runs, table: Path, environment: dict[str, str], *more: object) -> Running:
    """Each of these candidates once, beside one that works."""
    return runs.start(
        *("tune", table, "--output", "out", "--candidates", ",".join(("logistic_regression", *names))),
        *("--trials", len(names) + 1, "--warm-start", "none", "--cv", "3", "--no-mlflow", "--jobs", "2"),
        *("--memory-limit", 400, *more),
        environment=environment,
    )


def test_every_fault_of_a_candidate_is_one_line_of_the_leaderboard(
    runs: Runs, table: Path, plugins: dict[str, str]
) -> None:
    running = search((*IN_TIME, *HARMLESS), runs, table, plugins)
    ended = running.wait()
    assert ended.code == 0, ended.told
    assert running.leftovers() == []
    assert "Traceback" not in ended.told
    assert len(ended.out + ended.err) < 20_000
    out = runs.folder / "out"
    board = board_of(out).set_index("candidate")
    for name, (status, words) in IN_TIME.items():
        assert board.loc[name, "status"] == status, name
        assert words in str(board.loc[name, "reason"]), name
    assert set(board.loc[list(HARMLESS), "status"]) == {"complete"}
    assert board.loc["logistic_regression", "status"] == "complete"
    assert float(board["weight"]["logistic_regression"]) > 0
    assert half_files(out) == []
    assert autometa.load_model(out).predict(pd.read_csv(table)).shape == (80,)


def test_a_candidate_that_never_returns_is_stopped_with_everything_that_it_started(
    runs: Runs, table: Path, plugins: dict[str, str]
) -> None:
    running = search(FOREVER, runs, table, plugins, "--time-limit", 48)
    out = runs.folder / "out"
    most = 0

    def over() -> bool:
        nonlocal most
        most = max(most, len(marked(running.mark)))
        return log_of(out).count(" timeout: ") == len(FOREVER) or "choosing" in log_of(out)

    running.until(over)
    assert most > 50
    # The search itself, its server, and perhaps a last job; the children are gone before the search is.
    assert running.until(lambda: len(marked(running.mark)) <= 4 or running.process.poll() is not None, 20)
    ended = running.wait()
    assert ended.code == 0, ended.told
    assert running.leftovers() == []
    board = board_of(out).set_index("candidate")
    for name in FOREVER:
        assert board.loc[name, "status"] == "timeout"
        assert "the most that a trial of this search may take" in str(board.loc[name, "reason"])
    assert board.loc["logistic_regression", "status"] == "complete"
    assert autometa.load_model(out).predict(pd.read_csv(table)).shape == (80,)


def test_probabilities_of_the_wrong_shape_are_invalid(runs: Runs, table: Path, plugins: dict[str, str]) -> None:
    ended = search(("says_too_little",), runs, table, plugins).wait()
    assert ended.code == 0, ended.told
    board = board_of(runs.folder / "out").set_index("candidate")
    assert board.loc["says_too_little", "status"] == "invalid"


@pytest.mark.parametrize("name", ["escapes", pytest.param("forks", marks=pytest.mark.slow)])
def test_what_a_candidate_started_dies_with_a_search_that_is_killed(
    runs: Runs, table: Path, plugins: dict[str, str], name: str
) -> None:
    running = search((name,), runs, table, plugins)
    started = {"escapes": 5, "forks": 52}[name]
    assert running.until(lambda: len(marked(running.mark)) > started)
    running.kill()
    assert running.leftovers() == []
