"""Candidates that harm what is around them; they join the search through the entry point as plug-ins do."""

import contextlib
import ctypes
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer

from autometa.candidates import Candidate, candidate_entry
from autometa.datasets import TableSchema
from autometa.records import Config, TaskType
from autometa.spaces import SearchSpace

GIGABYTE = 1 << 30


def eats_memory() -> None:
    held = []
    while True:
        held.append(np.ones(64 << 20, dtype=np.uint8))  # ones: the pages are touched


def sleeps() -> None:
    time.sleep(3600)


def segfaults() -> None:
    ctypes.string_at(0)


def prints_much() -> None:
    line = "x" * (1 << 20)
    for _ in range(GIGABYTE >> 21):
        print(line)  # noqa: T201
        os.write(1, line.encode())


def forks() -> None:
    """Fifty children that sleep, in the job's own group, and then a candidate that does not return."""
    for _ in range(50):
        if os.fork() == 0:
            _sleep_and_go()
    time.sleep(3600)


def escapes() -> None:
    """A daemon with a session of its own and a child of its own, and then a candidate that does not return."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.fork()
            _sleep_and_go()
        os._exit(0)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], start_new_session=True)
    time.sleep(3600)


def _sleep_and_go() -> None:
    with contextlib.suppress(BaseException):
        time.sleep(3600)
    os._exit(0)


def exits() -> None:
    raise SystemExit(3)


def leaves() -> None:
    os._exit(0)


def interrupts() -> None:
    raise KeyboardInterrupt


def wanders() -> None:
    """It succeeds, having changed what a whole process shares."""
    random.seed(1)
    np.random.seed(1)
    os.chdir("/")
    os.environ["HOME"] = "/nowhere"


def closes_files() -> None:
    os.closerange(3, 64)


def nothing() -> None:
    """What is wrong with it shows when it predicts."""


HOWS: dict[str, Callable[[], None]] = {
    function.__name__: function
    for function in (
        *(eats_memory, sleeps, segfaults, prints_much, forks, escapes),
        *(exits, leaves, interrupts, wanders, closes_files),
    )
} | {"says_nan": nothing, "says_too_little": nothing}


class Faulty(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def __init__(self, how: str = "", level: float = 0.5) -> None:
        self.how = how
        self.level = level

    def fit(self, X: Any, y: Any) -> "Faulty":
        self.classes_ = np.unique(y)
        HOWS[self.how]()
        return self

    def predict_proba(self, X: Any) -> Any:
        value = np.nan if self.how == "says_nan" else self.level
        width = 1 if self.how == "says_too_little" else len(self.classes_)
        return np.full((len(X), width), value)


class Plugin(Candidate):
    """A candidate that harms what is around it."""

    def space_for(self, task: TaskType | None) -> SearchSpace:
        level = {"type": "float", "low": 0.1, "high": 0.9, "default": 0.5, "reference": "none"}
        return SearchSpace.from_dict(
            {"name": self.name, "summary": "x", "reference": "x", "hyperparameters": {"level": level}}
        )

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        return ColumnTransformer([("keep", "passthrough", schema.names("numeric"))])

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        return Faulty(self.name, float(str(config["level"])))


for _how in HOWS:
    _member = type(
        _how, (Plugin,), {"name": _how, "__doc__": f"It {_how}.", "trusted_types": ("fault_candidates.Faulty",)}
    )
    globals()[f"{_how}_entry"] = candidate_entry(_member)
