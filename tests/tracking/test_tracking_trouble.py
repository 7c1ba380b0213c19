"""A store in trouble costs a search its records, and nothing else."""

import contextlib
import http.server
import os
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autometa.testing.tracking import sample_info, sample_report
from autometa.tracking import Store, open_tracker, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PATIENT = 120.0
N_TRIALS = 5
N_RECORDS = N_TRIALS + 2
MARGIN = 1.5  # for a busy machine: killing and joining takes milliseconds


def search(uri: str | None, *, timeout: float, artifacts: tuple[Path, ...] = ()) -> list[str]:
    """The problems of a search, which may neither fail nor wait, and leaves no process behind."""
    tracker = open_tracker(uri)
    began = time.monotonic()
    tracker.start(sample_info())
    for number in range(N_TRIALS):
        tracker.trial(sample_report(number))
    tracker.finish({"score": 0.75}, artifacts)
    assert time.monotonic() - began < 1.0
    began = time.monotonic()
    pid = getattr(tracker, "writer_pid")  # noqa: B009 (only this tracker has one)
    tracker.close(timeout)
    assert time.monotonic() - began < timeout + MARGIN
    assert not Path(f"/proc/{pid}").exists()
    return tracker.problems


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own; skips where this user may not mount one."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this user cannot mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_server_that_never_answers_is_given_up_at_the_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        problems = search(uri, timeout=4.0)
    assert problems == [
        f"MLflow did not record {N_RECORDS} of {N_RECORDS} records in {uri}; its writer was stopped after 4 s."
    ]


def test_server_that_only_knows_errors_is_named() -> None:
    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(500, "out of order")

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        first, second = search(f"http://127.0.0.1:{server.server_port}", timeout=PATIENT)
        server.shutdown()
        thread.join()
    assert first.startswith("MLflow did not record the search: ")
    assert "500" in first
    assert f"did not record {N_RECORDS} of {N_RECORDS} records" in second


def test_store_that_stays_locked_is_given_up_at_the_limit(store: Store) -> None:
    with contextlib.closing(sqlite3.connect(store.file or "")) as other:
        other.execute("BEGIN EXCLUSIVE")
        (problem,) = search(None, timeout=6.0)
    assert problem.startswith(f"MLflow did not record {N_RECORDS} of {N_RECORDS} records")


def test_store_that_is_locked_for_a_while_is_waited_for(store: Store, client: "MlflowClient") -> None:
    other = sqlite3.connect(store.file or "", check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(5.0, other.close)
    release.start()
    problems = search(None, timeout=PATIENT)
    release.join()
    assert problems == []
    experiment = client.get_experiment_by_name("autometa")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 1 + N_TRIALS


@pytest.mark.parametrize("made", [False, True], ids=["no store", "a store"])
def test_store_that_cannot_be_written_to_is_named(template: Path, tmp_path: Path, made: bool) -> None:
    with mounted(tmp_path / "home", "8m") as home:
        if made:
            shutil.copy(template, home / "mlflow.db")
        subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
        first, second = search(f"sqlite:///{home}/mlflow.db", timeout=PATIENT)
    assert first.startswith("MLflow did not record the search: ")
    assert "ead-only" in first
    assert f"did not record {N_RECORDS} of {N_RECORDS} records" in second


def fill(folder: Path, *, leave: int) -> None:
    """Use up a file system but for some bytes."""
    free = os.statvfs(folder)
    with (folder / "filling").open("wb") as file:
        file.write(bytes(free.f_bavail * free.f_frsize - leave))


def test_full_disk_is_named(template: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "home", "8m") as home:
        shutil.copy(template, home / "mlflow.db")
        fill(home, leave=0)
        problems = search(f"sqlite:///{home}/mlflow.db", timeout=PATIENT)
    assert "full" in problems[0] or "No space left" in problems[0] or "disk I/O error" in problems[0]
    assert f"of {N_RECORDS} records" in problems[-1]


def test_disk_without_room_for_the_artifacts_costs_only_them(template: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_bytes(bytes(3_000_000))
    (tmp_path / "leaderboard.csv").write_text("trial\n")
    with mounted(tmp_path / "home", "8m") as home:
        shutil.copy(template, home / "mlflow.db")
        fill(home, leave=2_000_000)
        uri = f"sqlite:///{home}/mlflow.db"
        problems = search(
            uri, timeout=PATIENT, artifacts=(tmp_path / "report.html", tmp_path / "leaderboard.csv", tmp_path / "gone")
        )
        assert len(list(Path(str(resolve(uri).artifacts)).rglob("leaderboard.csv"))) == 1
    assert len(problems) == 2
    assert "report.html was not copied: OSError: [Errno 28] No space left on device" in problems[0]
    assert "gone was not copied" in problems[1]
