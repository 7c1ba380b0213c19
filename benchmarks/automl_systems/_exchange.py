"""What the benchmark and the process of a system tell each other: tables as CSV in, one JSON file out.

This runs in the environments of all systems, so it imports nothing but the standard library and pandas.
"""

import argparse
import contextlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

CORES = 2


@dataclass(frozen=True, slots=True)
class Job:
    """What a system is asked to do.

    Attributes:
        train: CSV file to learn from.
        test: CSV file to predict, without the target.
        target: The column of classes, which are words.
        seconds: How long the fit may take.
        seed: Of what is random, where the system takes one.
        out: The JSON file to write; its folder is free to use.
        leave_out: Ids of the datasets of the benchmark in autometa's base, which it may not draw on.
    """

    train: Path
    test: Path
    target: str
    seconds: float
    seed: int
    out: Path
    leave_out: tuple[str, ...] = ()

    def tables(self) -> tuple[pd.DataFrame, pd.Series, pd.DataFrame]:
        """Columns and classes to learn from, and columns to predict, in pandas' own reading."""
        train = pd.read_csv(self.train, dtype={self.target: str})
        return train.drop(columns=self.target), train[self.target], pd.read_csv(self.test)


class Stopwatch:
    """Seconds since it was made or last read."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def lap(self) -> float:
        """The seconds, and start again."""
        began, self._began = self._began, time.monotonic()
        return self._began - began


def asked() -> Job:
    """The job of this process, from the command line."""
    parser = argparse.ArgumentParser()
    for name, kind in (("train", Path), ("test", Path), ("target", str), ("seconds", float), ("seed", int)):
        parser.add_argument(name, type=kind)
    parser.add_argument("out", type=Path)
    parser.add_argument("--leave-out", nargs="*", default=())
    given = vars(parser.parse_args())
    return Job(**given | {"leave_out": tuple(given["leave_out"])})


def answer(
    job: Job,
    classes: Iterable[Any],
    probabilities: Any,
    fit: float,
    predict: float,
    libraries: Iterable[str],
    note: str,
) -> None:
    """Write what came out.

    Args:
        job: The job.
        classes: Of the columns of ``probabilities``.
        probabilities: Array of shape (n_test_rows, n_classes).
        fit: Seconds of the fit.
        predict: Seconds of the prediction.
        libraries: Distributions whose versions the report names, where they are installed.
        note: What the system chose, in a few words.
    """
    versions = {"python": platform.python_version()}
    for name in libraries:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    said = {
        "classes": [str(one) for one in classes],
        "probabilities": [[float(value) for value in row] for row in probabilities],
        "fit_seconds": fit,
        "predict_seconds": predict,
        "versions": versions,
        "note": note,
    }
    job.out.write_text(json.dumps(said), encoding="utf-8")
