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
from typing import TYPE_CHECKING, Any, Self

from autometa.errors import OptionError, ResumeError, SearchError
from autometa.search._files import replacing

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2


class SearchFolder:
    """Paths of a search, its state file, and the lock that keeps a second search out.

    .. code-block:: text

        model/            the trained model (see autometa.model)
        report.html       the page for people
        leaderboard.csv   one row per trial, best first
        study.journal     the Optuna study
        search.json       options, table hash, versions, seconds spent
        autometa.log      what happened when
        work/             the table, out-of-fold predictions and models of splits, for the ensemble and for --resume
    """

    def __init__(self, path: Path) -> None:
        """Use `create` or `reopen`."""
        self.path = path
        root = path.absolute()  # a candidate may change its process's current folder
        self.model = root / "model"
        self.report = root / "report.html"
        self.leaderboard = root / "leaderboard.csv"
        self.journal = root / "study.journal"
        self.state_file = root / "search.json"
        self.log = root / "autometa.log"
        self.work = root / "work"
        self.data = self.work / "data"
        self.test = self.work / "test"
        self.bags = self.work / "bags"
        self.importances = self.work / "importances.json"
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
            for part in (folder.data, path / "work" / "predictions", path / "work" / "crashes", folder.bags):
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
            OptionError: It cannot be written.
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
        _drop_torn_line(folder.journal)
        return folder

    def splits(self, plan: int) -> Path:
        """The splits of a plan; a search that has to cut its plan begins a new one."""
        return self.work / f"splits-{plan}.npy"

    def predictions(self, trial: int) -> Path:
        """Out-of-fold predictions of a trial."""
        return self.work / "predictions" / f"{trial:05d}.npy"

    def bag(self, trial: int) -> Path:
        """The models of a trial's splits, where they were worth keeping."""
        return self.bags / f"{trial:05d}"

    def crash(self, trial: int) -> Path:
        """Where a trial's native stack goes if its process crashes."""
        return self.work / "crashes" / f"{trial:05d}.txt"

    def artifacts(self) -> list[Path]:
        """What a tracker should keep a copy of, as far as it is there."""
        return [path for path in (self.report, self.leaderboard, self.model, self.log) if path.exists()]

    def read_state(self) -> dict[str, Any]:
        """The state as last written.

        Raises:
            ResumeError: It is damaged, or of a newer autometa.
        """
        try:
            state: dict[str, Any] = json.loads(self.state_file.read_text(encoding="utf-8"))
            found = int(state["format"])
            if found == FORMAT and not {"options", "plan", "storage", "study_name", "spent", "status"} <= state.keys():
                raise ValueError("it lacks parts of a search's state")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ResumeError(f"{self.state_file} is damaged ({error}); the search cannot be resumed.") from error
        if found != FORMAT:
            raise ResumeError(
                f"{self.state_file} has format {found}; this autometa resumes format {FORMAT}. Use the version that "
                "began the search, or start a new one; its model and leaderboard stay usable."
            )
        return state

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state in one step: after a crash the old one or the new one is there, whole."""
        with replacing(self.state_file) as temporary:
            temporary.write_text(json.dumps({"format": FORMAT, **state}, indent=1), encoding="utf-8")

    def write_leaderboard(self, board: "pd.DataFrame") -> None:
        """Replace the leaderboard in one step."""
        with replacing(self.leaderboard) as temporary:
            board.to_csv(temporary, index=False)

    def trouble(self, error: OSError) -> SearchError:
        """What to tell when the folder cannot be written or read any more."""
        return SearchError(
            f"The search stopped: {error}. What was finished is kept in {self.path}; when there is room again, go on "
            f"with: autometa tune --resume {self.path}"
        )

    def clear_model(self) -> Path:
        """An empty folder for a new model; the old one stays until `publish_model`."""
        fresh = self.work / "model"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        return fresh

    def publish_model(self, fresh: Path) -> None:
        """Put the new model in place of the old one."""
        old = self.work / "old-model"
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
        try:
            self._lock = os.open(self.work / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise OptionError(
                f"{self.path} cannot be written: {error}. Make it writable, or use a copy of it elsewhere."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise ResumeError(
                f"Another search is running in {self.path}. Wait for it, or choose another folder."
            ) from None


def _drop_torn_line(journal: Path) -> None:
    """Cut off what a full disk or a power loss left of the journal's last line; the next one would be joined to it."""
    try:
        with open(journal, "rb+") as file:
            end = file.seek(0, os.SEEK_END)
            position = end
            while position > 0:
                start = max(0, position - 65536)
                file.seek(start)
                newline = file.read(position - start).rfind(b"\n")
                if newline >= 0:
                    position = start + newline + 1
                    break
                position = start
            if position < end:
                file.truncate(position)
    except FileNotFoundError:
        return


def default_path(name: str, now: datetime) -> Path:
    """``autometa_runs/<name>-<time>`` in the current folder, free of characters that paths or shells dislike."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "table"
    base = Path("autometa_runs") / f"{safe}-{now:%Y%m%d-%H%M%S}"
    path, count = base, 1
    while path.exists():
        count += 1
        path = base.with_name(f"{base.name}-{count}")
    return path
