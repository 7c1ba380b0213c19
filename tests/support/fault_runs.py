"""Runs autometa as a person does, breaks it from outside, and looks at what is left."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

MARK = "AUTOMETA_FAULT_MARK"
PATIENCE = 240.0  # guards against hanging; a loaded machine is slow
CAP_DAC_OVERRIDE = 1
PR_CAPBSET_DROP = 24


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """Everything it printed, on one line."""
        return " ".join((self.out + self.err).split())


@dataclass(slots=True)
class Running:
    """A command in a session of its own; everything that it starts inherits its mark."""

    process: subprocess.Popen[bytes]
    mark: str
    printed: Path

    def wait(self, seconds: float = PATIENCE) -> Ended:
        """Wait for its end; a command that hangs is killed and fails the test."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill_everything()
            raise AssertionError(f"still running after {seconds:g} s: {self.ended(0).told[-2000:]}") from None
        return self.ended(code)

    def ended(self, code: int) -> Ended:
        """What it has printed so far."""
        out, err = (self.printed / name for name in ("out", "err"))
        return Ended(code, out.read_text(errors="replace"), err.read_text(errors="replace"))

    def until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
        """Wait for the condition; False where the command ended before."""
        end = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                return condition()
            assert time.monotonic() < end, f"waited in vain: {self.ended(0).told[-2000:]}"
            time.sleep(0.01)
        return True

    def kill(self) -> None:
        """``kill -9`` of the search process alone."""
        self.process.kill()
        self.process.wait()

    def kill_everything(self) -> None:
        """``kill -9`` of the search, its worker server, its trials and whatever they started."""
        while found := marked(self.mark):
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()
        self.process.wait()

    def leftovers(self, seconds: float = 20.0) -> list[str]:
        """Command lines of what is still alive after a while; empty as soon as nothing is."""
        end = time.monotonic() + seconds
        while (found := marked(self.mark)) and time.monotonic() < end:
            time.sleep(0.02)
        return [command_line(pid) for pid in found]

    def children(self, word: str) -> list[int]:
        """Process ids of what it started whose command line holds the word."""
        return [pid for pid in marked(self.mark) if pid != self.process.pid and word in command_line(pid)]


class Runs:
    """Starts commands in a folder, and ends all of them at the end of a test."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = dict(environment)
        self._started: list[Running] = []

    def start(
        self, *arguments: object, environment: Mapping[str, str] | None = None, powerless: bool = False
    ) -> Running:
        """Start a command; a ``powerless`` one obeys file permissions even if the tests run as root."""
        mark = uuid.uuid4().hex
        printed = self.folder / f"printed-{mark}"
        printed.mkdir()
        with open(printed / "out", "wb") as out, open(printed / "err", "wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "autometa", *map(str, arguments)],
                cwd=self.folder,
                env={**os.environ, **self.environment, **(environment or {}), MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
                preexec_fn=drop_power if powerless else None,
            )
        running = Running(process, mark, printed)
        self._started.append(running)
        return running

    def run(self, *arguments: object, environment: Mapping[str, str] | None = None, powerless: bool = False) -> Ended:
        """Run a command to its end."""
        running = self.start(*arguments, environment=environment, powerless=powerless)
        ended = running.wait()
        assert running.leftovers() == []
        return ended

    def close(self) -> None:
        """Kill whatever a failed test left running."""
        for running in self._started:
            running.kill_everything()


def drop_power() -> None:
    """Without this capability, root too is refused where permissions say so."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def marked(mark: str) -> list[int]:
    """Living processes that carry the mark."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in Path(entry.path, "environ").read_bytes():
                    found.append(int(entry.name))
    return found


def command_line(pid: int) -> str:
    """What runs there; empty once it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def parent(pid: int) -> int:
    """The process that started it, or has inherited it."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def log_of(folder: Path) -> str:
    """The search's log so far."""
    path = folder / "autometa.log"
    return path.read_text() if path.exists() else ""


def trials_in(folder: Path, scratch: Path) -> dict[int, optuna.trial.FrozenTrial]:
    """The study's trials as the journal has them now; read from a copy without a torn last line."""
    journal = folder / "study.journal"
    whole = journal.read_bytes().rpartition(b"\n")[0] if journal.exists() else b""
    if not whole:
        return {}
    copy = scratch / f"{uuid.uuid4().hex}.journal"
    copy.write_bytes(whole + b"\n")
    storage = JournalStorage(JournalFileBackend(str(copy)))
    studies = storage.get_all_studies()
    trials = storage.get_all_trials(studies[0]._study_id) if studies else []
    return {trial.number: trial for trial in trials}


def board_of(folder: Path) -> pd.DataFrame:
    """The leaderboard, by trial number."""
    return pd.read_csv(folder / "leaderboard.csv", keep_default_na=True).set_index("trial")


def half_files(folder: Path) -> list[str]:
    """What a search leaves only if it could not finish writing."""
    names = ("*.tmp", "*.part", "*.lock", "*.lock.*", "study.journal.lock*", "old-model")
    found = [path for name in names for path in folder.rglob(name)] + [folder / "work" / "model"]
    return sorted(str(path.relative_to(folder)) for path in found if path.exists())
