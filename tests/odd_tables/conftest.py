"""The command line in this process, with one worker server for all tables."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest

from autometa import api
from autometa.cli import main
from autometa.model import Model
from autometa.search._pool import WorkerPool

CHEAP = ["--trials", "1", "--jobs", "1", "--cv", "2", "--warm-start", "none", "--no-mlflow", "--no-learn"]
LINEAR = {"regression": "ridge", "binary": "logistic_regression", "multiclass": "logistic_regression"}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """A table that was learned from and then predicted."""

    ended: Ended
    model: Model
    predictions: pd.DataFrame


class OneServer(WorkerPool):
    """A pool that outlives the search: starting one takes longer than these tables do."""

    def __exit__(self, *_: object) -> None:
        self._warmed.clear()


class NoWorkers:
    """Stands for a pool where the search must end before it needs one."""

    opened = 0

    def __enter__(self) -> Self:
        NoWorkers.opened += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was started."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"The search went on to its workers ({name}).")


def run(*arguments: object, workers: Any = None) -> Ended:
    """What the shell would see, with a pool of our own."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["autometa", *map(str, arguments)])
        patch.setattr(api, "tune", partial(api.tune, workers=lambda **_: workers))
        try:
            main.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def server() -> Iterator[WorkerPool]:
    pool = OneServer()
    yield pool
    pool.close()


@pytest.fixture
def refuse(tmp_path: Path) -> Callable[..., Ended]:
    """Run ``autometa tune`` on a table that must be refused before any worker is needed."""

    def command(table: Path, *options: str) -> Ended:
        before = NoWorkers.opened
        ended = run("tune", table, "--output", tmp_path / "out", *CHEAP, *options, workers=NoWorkers())
        assert NoWorkers.opened == before + 1, "The search did not take the pool that it was given."
        assert not (tmp_path / "out").exists(), "A refused table left a folder behind."
        return ended

    return command


@pytest.fixture
def tune(tmp_path: Path, server: WorkerPool) -> Callable[..., Tuned]:
    """Run ``autometa tune`` with a linear model, then ``autometa predict`` on the same table."""

    def command(table: Path, task: str, *options: str) -> Tuned:
        folder, predicted = tmp_path / "out", tmp_path / "predicted.parquet"
        ended = run("tune", table, "--output", folder, "--candidates", LINEAR[task], *CHEAP, *options, workers=server)
        assert ended.code == 0, ended.err
        again = run("predict", folder, table, "--output", predicted)
        assert again.code == 0, again.err
        return Tuned(ended, Model.load(folder), pd.read_parquet(predicted))

    return command


@pytest.fixture(scope="session")
def attempt(server: WorkerPool) -> Callable[[Path, Path], Ended]:
    """Run ``autometa tune`` on a table of which nobody knows what it is."""

    def command(table: Path, output: Path) -> Ended:
        return run("tune", table, "--output", output, "--candidates", "extra_trees", *CHEAP, workers=server)

    return command


@pytest.fixture(scope="session")
def predict() -> Callable[..., Ended]:
    """Run ``autometa predict``."""
    return lambda *arguments: run("predict", *arguments)
