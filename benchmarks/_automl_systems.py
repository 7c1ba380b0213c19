"""The systems that the end-to-end benchmark compares, each in an environment and a process of its own.

A `System` is a script in ``benchmarks/automl_systems`` with requirements beside it. `environment` makes its virtual
environment, once; `run` gives it a table and reads the probabilities that it predicts.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.config import thread_environment

FOLDER = Path(__file__).resolve().parent / "automl_systems"
MARKER = "requirements.sha256"
LATE = 3.0
Floats = npt.NDArray[np.float64]


class SystemFailedError(RuntimeError):
    """A system raised an error, took too long, or did not answer with probabilities."""


@dataclass(frozen=True, slots=True)
class System:
    """One system.

    Attributes:
        name: What the command line calls it.
        title: What tables call it.
        script: Its side, a Python file; it takes the arguments of `automl_systems._exchange.Job`.
        requirements: Files of exact versions; none runs it in this Python.
        about: How it is run, for the report.
        searches: Whether it uses the time that it is given.
    """

    name: str
    title: str
    script: Path
    requirements: tuple[Path, ...] = ()
    about: str = ""
    searches: bool = True


OURS = "autometa"
DEFAULT = (OURS, "autogluon", "flaml", "lightgbm")
SYSTEMS = {
    system.name: system
    for system in (
        System(
            OURS,
            "autometa",
            FOLDER / "autometa.py",
            about="`autometa tune --metric log_loss`; the tables and their twins are left out of its knowledge base",
        ),
        System(
            "autogluon",
            "AutoGluon",
            FOLDER / "autogluon.py",
            (FOLDER / "requirements-autogluon.txt",),
            "best_quality of `autogluon.tabular[lightgbm]`; without torch it does not calibrate; takes no seed",
        ),
        System(
            "flaml",
            "FLAML",
            FOLDER / "flaml.py",
            (FOLDER / "requirements-flaml.txt",),
            '`starting_points="data"`',
        ),
        System(
            "lightgbm",
            "LightGBM",
            FOLDER / "lightgbm.py",
            (FOLDER / "requirements-lightgbm.txt",),
            "default settings, no search",
            searches=False,
        ),
        System(
            "autogluon_full",
            "AutoGluon, full",
            FOLDER / "autogluon.py",
            (FOLDER / "requirements-autogluon.txt", FOLDER / "requirements-autogluon_full.txt"),
            "best_quality with torch, XGBoost and CatBoost; takes no seed",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Task:
    """One split of one table.

    Attributes:
        train: CSV file to learn from.
        test: CSV file to predict, without the target.
        target: The column of classes.
        n_test: Rows to predict.
        seconds: How long a fit may take.
        seed: For what is random in a system.
        leave_out: Ids of datasets in autometa's base that it may not draw on.
    """

    train: Path
    test: Path
    target: str
    n_test: int
    seconds: float
    seed: int
    leave_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system predicts.

    Attributes:
        classes: Names of the columns of ``probabilities``.
        probabilities: Array of shape (n_test, n_classes).
        fit_seconds: By the system's own clock, without its imports.
        predict_seconds: For all rows together.
        versions: Of Python and the libraries.
        note: What it chose.
    """

    classes: tuple[str, ...]
    probabilities: Floats
    fit_seconds: float
    predict_seconds: float
    versions: dict[str, str]
    note: str


def environment(system: System, folder: Path) -> Path:
    """The Python of a system; its environment is made where it is missing or has other requirements.

    Raises:
        RuntimeError: It cannot be made.
    """
    if not system.requirements:
        return Path(sys.executable)
    where = folder.resolve() / system.name
    python, marker = where / "bin" / "python", where / MARKER
    wanted = hashlib.sha256(b"".join([*(file.read_bytes() for file in system.requirements), sys.version.encode()]))
    if marker.is_file() and marker.read_text() == wanted.hexdigest():
        return python
    if where.exists() and not (where / "pyvenv.cfg").is_file():
        raise RuntimeError(f"{where} is to hold an environment of {system.title}, but holds something else. Move it.")
    print(f"making the environment of {system.title} in {where}", flush=True)
    listed = [word for file in system.requirements for word in ("--requirement", str(file))]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(where)],
        [str(python), "-m", "pip", "install", "--quiet", "--no-deps", *listed],
    ):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise RuntimeError(f"The environment of {system.title} cannot be made:\n{_tail(done.stdout)}")
    marker.write_text(wanted.hexdigest())
    return python


def run(system: System, python: Path, task: Task, folder: Path) -> Answer:
    """Let a system fit and predict, in an empty folder that is removed afterwards.

    Raises:
        SystemFailedError: It ended with an error, took longer than `LATE` times its seconds, or gave no probabilities.
    """
    folder.mkdir(parents=True)
    try:
        return _read(_answered(system, python, task, folder), task)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answered(system: System, python: Path, task: Task, folder: Path) -> Path:
    out, log = folder / "answer.json", folder / "log.txt"
    words = [task.train, task.test, task.target, f"{task.seconds:g}", task.seed, out, "--leave-out", *task.leave_out]
    # -P: a script called flaml.py shall import the library, not itself.
    command = [str(python), "-P", str(system.script), *map(str, words)]
    with log.open("w") as printed:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(), stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(LATE * task.seconds)
        except subprocess.TimeoutExpired:
            raise SystemFailedError(f"took more than {LATE * task.seconds:g} s") from None
        finally:
            _end(process)
    if code or not out.is_file():
        said = log.read_text(encoding="utf-8", errors="replace").replace(f"{folder}/", "")
        raise SystemFailedError(f"exit {code}: {_tail(said, lines=1) or 'no output'}")
    return out


def _environment() -> dict[str, str]:
    """This process's, without its thread limits: a system decides for itself how to use the two cores it sees."""
    limits = thread_environment(1)
    kept = {name: value for name, value in os.environ.items() if name not in limits}
    return kept | {"PYTHONPATH": str(FOLDER.parent), "DO_NOT_TRACK": "true", "PYTHONUNBUFFERED": "1"}


def _read(out: Path, task: Task) -> Answer:
    said: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    classes, values = tuple(said["classes"]), np.array(said["probabilities"], dtype=float)
    if values.shape != (task.n_test, len(classes)):
        raise SystemFailedError(f"predicted shape {values.shape} for {task.n_test} rows and {len(classes)} classes")
    if not np.isfinite(values).all() or values.min() < 0 or (abs(values.sum(axis=1) - 1) > 1e-3).any():
        raise SystemFailedError("predicted numbers that are no probabilities")
    return Answer(
        classes, values, said["fit_seconds"], said["predict_seconds"], dict(said["versions"]), str(said["note"])
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process and all that descends from it, also what has a session of its own; and what it left behind."""
    if process.poll() is None:
        _signal([process.pid, *descendants(process.pid)], signal.SIGSTOP)  # so that none is born meanwhile
        _signal([*descendants(process.pid), process.pid], signal.SIGKILL)
        process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    time.sleep(0.1)  # files of the killed are closed before their folder is removed


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def descendants(root: int) -> list[int]:
    """All processes that a process has started, and those that they have started."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        found.append(pid)
    return found[1:]


def _tail(text: str, lines: int = 15) -> str:
    """The last lines that say something; frames around them do not."""
    kept = [line.strip(" │") for line in text.splitlines() if any(map(str.isalpha, line))][-lines:]
    return "\n".join(line[:300] for line in kept)
