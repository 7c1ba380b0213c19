"""The folder of a search: where everything lies, and the state that lets it resume."""

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from autometa.errors import OptionError, ResumeError

FORMAT = 1


class SearchFolder:
    """Paths of a search, its state file, and the lock that keeps a second search out.

    .. code-block:: text

        model/            the trained model (see autometa.model)
        leaderboard.csv   one row per trial, best first
        study.journal     the Optuna study
        search.json       options, table hash, versions, seconds spent
        autometa.log      what happened when
        work/             the table and the out-of-fold predictions, for the ensemble and for --resume
    """

    def __init__(self, path: Path) -> None:
        """Use `create` or `reopen`."""
        self.path = path
        self.model = path / "model"
        self.leaderboard = path / "leaderboard.csv"
        self.journal = path / "study.journal"
        self.state_file = path / "search.json"
        self.log = path / "autometa.log"
        self.data = path / "work" / "data"
        self.folds = self.data / "folds.npy"
        self._lock: int | None = None

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make a new search folder; one that holds a search already is refused, never overwritten.

        Raises:
            OptionError: The folder is in use or cannot be written.
        """
        folder = cls(path)
        if folder.state_file.exists():
            raise OptionError(
                f"{path} holds a search already. Continue it with --resume {path}, or choose another --output."
            )
        try:
            for part in (folder.data, path / "work" / "predictions", path / "work" / "crashes"):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"The output folder {path} cannot be made: {error}. Choose another --output.") from error
        folder._acquire()
        return folder

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Open a search folder to continue it.

        Raises:
            ResumeError: There is no search in it, or one is still running.
        """
        folder = cls(path)
        if not folder.state_file.is_file():
            raise ResumeError(
                f"{path} holds no search: there is no search.json in it. Pass the search's output folder."
            )
        folder._acquire()
        # A search that was killed while it wrote leaves Optuna's own lock behind; ours says nobody holds it.
        for stale in path.glob("study.journal.lock*"):
            stale.unlink(missing_ok=True)
        return folder

    def predictions(self, trial: int) -> Path:
        """Out-of-fold predictions of a trial."""
        return self.path / "work" / "predictions" / f"{trial:05d}.npy"

    def crash(self, trial: int) -> Path:
        """Where a trial's native stack goes if its process crashes."""
        return self.path / "work" / "crashes" / f"{trial:05d}.txt"

    def read_state(self) -> dict[str, Any]:
        """The state as last written.

        Raises:
            ResumeError: It is damaged, or of a newer autometa.
        """
        try:
            state: dict[str, Any] = json.loads(self.state_file.read_text(encoding="utf-8"))
            found = int(state["format"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ResumeError(f"{self.state_file} is damaged ({error}); the search cannot be resumed.") from error
        if found > FORMAT:
            raise ResumeError(f"{self.state_file} has format {found}; this autometa reads up to {FORMAT}. Update it.")
        return state

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state in one step: after a crash the old one or the new one is there, whole."""
        temporary = self.state_file.with_suffix(".tmp")
        temporary.write_text(json.dumps({"format": FORMAT, **state}, indent=1), encoding="utf-8")
        os.replace(temporary, self.state_file)

    def clear_model(self) -> Path:
        """An empty folder for a new model; the old one stays until `publish_model`."""
        fresh = self.path / "work" / "model"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        return fresh

    def publish_model(self, fresh: Path) -> None:
        """Put the new model in place of the old one."""
        old = self.path / "work" / "old-model"
        shutil.rmtree(old, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.model, old)
        os.replace(fresh, self.model)
        shutil.rmtree(old, ignore_errors=True)

    def close(self) -> None:
        """Let another search in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _acquire(self) -> None:
        self._lock = os.open(self.path / "work" / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise ResumeError(
                f"Another search is running in {self.path}. Wait for it, or choose another folder."
            ) from None


def default_path(name: str, now: datetime) -> Path:
    """``autometa_runs/<name>-<time>`` in the current folder, free of characters that paths or shells dislike."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "table"
    base = Path("autometa_runs") / f"{safe}-{now:%Y%m%d-%H%M%S}"
    path, count = base, 1
    while path.exists():
        count += 1
        path = base.with_name(f"{base.name}-{count}")
    return path
