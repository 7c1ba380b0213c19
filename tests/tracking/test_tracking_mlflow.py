"""The tracker with its real writer process, in good days and bad."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autometa.testing.tracking import sample_info, sample_report
from autometa.tracking import MlflowTracker, Store, open_tracker, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PATIENT = 120.0


def wait_for(fact: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_gone(pid: int | None) -> bool:
    return pid is not None and not Path(f"/proc/{pid}").exists()


def runs_of(client: "MlflowClient") -> "list[Run]":
    experiment = client.get_experiment_by_name("autometa")
    return client.search_runs([experiment.experiment_id]) if experiment else []


def stopped_tracker(store: Store, **limits: float) -> MlflowTracker:
    """A tracker whose writer is stopped before it has done anything."""
    tracker = MlflowTracker(store, close_timeout=limits.get("close_timeout", 1.0))
    tracker.start(sample_info())
    assert tracker.writer_pid is not None
    os.kill(tracker.writer_pid, signal.SIGSTOP)
    return tracker


SEARCH = """
import os, signal, sys
from autometa.testing.tracking import sample_info, sample_report
from autometa.tracking import open_tracker

tracker = open_tracker(None, close_timeout=120.0)
tracker.start(sample_info())
tracker.trial(sample_report(0))
tracker.trial(sample_report(1, status="running", ended=None, value=None))
print(tracker.writer_pid, flush=True)
END
heavy = {"mlflow", "sqlalchemy", "optuna", "torch"} & set(sys.modules)
print(tracker.run_id, tracker.problems, heavy or "light")
"""


def run_search(end: str) -> subprocess.CompletedProcess[str]:
    """A search in a process of its own, that comes to the given end."""
    return subprocess.run(
        [sys.executable, "-c", SEARCH.replace("END", end)], capture_output=True, text=True, timeout=PATIENT
    )


def test_search_is_recorded_without_importing_mlflow(store: Store, client: "MlflowClient") -> None:
    search = run_search('tracker.finish({"roc_auc": 0.75}, []); tracker.close()')
    (parent,) = (run for run in runs_of(client) if "mlflow.parentRunId" not in run.data.tags)
    assert search.stderr == ""
    assert search.stdout.splitlines()[1] == f"{parent.info.run_id} [] light"
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {"best_roc_auc": 0.75, "roc_auc": 0.75}


def test_killed_search_is_recorded_as_killed(store: Store, client: "MlflowClient") -> None:
    search = run_search("import time; time.sleep(0.5); os.kill(os.getpid(), signal.SIGKILL)")
    assert search.returncode == -signal.SIGKILL
    wait_for(lambda: is_gone(int(search.stdout)))
    runs = {run.info.run_name: run for run in runs_of(client)}
    assert {name: run.info.status for name, run in runs.items()} == {
        "credit-g": "KILLED",
        "#0 0.75 svm": "FINISHED",
        "#1 svm": "KILLED",
    }
    assert runs["credit-g"].data.metrics["best_roc_auc"] == 0.75


@pytest.mark.slow
def test_ctrl_c_in_the_terminal_does_not_reach_the_writer(store: Store, client: "MlflowClient") -> None:
    end = """
try:
    os.killpg(os.getpgrp(), signal.SIGINT)
    signal.pause()
except KeyboardInterrupt:
    tracker.finish({"roc_auc": 0.75}, [])
    tracker.close()
"""
    search = subprocess.run(
        [sys.executable, "-c", SEARCH.replace("END", end)],
        capture_output=True,
        text=True,
        timeout=PATIENT,
        start_new_session=True,
    )
    assert search.stdout.splitlines()[1].endswith("[] light")
    assert {run.info.status for run in runs_of(client)} == {"FINISHED", "KILLED"}


def test_stopped_writer_costs_the_search_nothing(store: Store) -> None:
    tracker = stopped_tracker(store)
    times = []
    for number in range(500):
        began = time.perf_counter()
        tracker.trial(sample_report(number))
        times.append(time.perf_counter() - began)
    tracker.finish({"roc_auc": 0.75}, [])
    assert sorted(times)[250] < 0.002
    assert sum(times) < 1.0
    began = time.perf_counter()
    tracker.close()
    assert time.perf_counter() - began < 1.0 + 1.0
    assert tracker.problems == [
        f"MLflow did not record 502 of 502 records in {store}; its writer was stopped after 1 s."
    ]
    assert is_gone(tracker.writer_pid)


def test_full_queue_drops_records_and_says_so(store: Store) -> None:
    tracker = MlflowTracker(store, close_timeout=0.5, max_pending=10)
    tracker.start(sample_info())
    assert tracker.writer_pid is not None
    os.kill(tracker.writer_pid, signal.SIGSTOP)
    for number in range(100):
        tracker.trial(sample_report(number, reason="x" * 100_000))
    tracker.close()
    (problem,) = tracker.problems
    assert "did not record 101 of 101 records" in problem
    assert "found the queue full" in problem


def test_writer_that_dies_is_noticed_and_its_losses_are_counted(store: Store) -> None:
    tracker = MlflowTracker(store, close_timeout=PATIENT)
    tracker.start(sample_info())
    tracker.trial(sample_report(0))
    wait_for(lambda: tracker.run_id)
    assert tracker.writer_pid is not None
    os.kill(tracker.writer_pid, signal.SIGKILL)
    wait_for(lambda: tracker.problems)
    assert "stopped during the search (exit code -9)" in tracker.problems[0]
    for number in range(1, 5):
        tracker.trial(sample_report(number))
    tracker.finish({}, [])
    tracker.close()
    assert len(tracker.problems) == 2
    assert " of 7 records in " in tracker.problems[1]


@pytest.mark.slow
def test_slow_writer_marks_its_runs_before_it_is_stopped(store: Store, client: "MlflowClient") -> None:
    tracker = MlflowTracker(store, close_timeout=4.0)
    tracker.start(sample_info())
    wait_for(lambda: tracker.run_id)
    for number in range(2000):  # minutes of work
        tracker.trial(sample_report(number))
    tracker.close()
    statuses = [run.info.status for run in runs_of(client)]
    assert "RUNNING" not in statuses
    assert client.get_run(tracker.run_id or "").info.status == "KILLED"
    (problem,) = tracker.problems
    assert "of 2001 records" in problem
    assert "stopped after 4 s" in problem


def test_store_that_cannot_be_written_is_one_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    tracker = open_tracker(f"sqlite:///{tmp_path}/file/mlflow.db", close_timeout=PATIENT)
    tracker.start(sample_info())
    for number in range(10):
        tracker.trial(sample_report(number))
    tracker.close()
    first, second = tracker.problems
    assert "did not record the search: FileExistsError" in first
    assert "did not record 11 of 11 records" in second
    assert tracker.run_id is None


def test_interpreter_that_cannot_be_started_is_one_problem(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with MlflowTracker(store) as tracker:
        tracker.start(sample_info())
        tracker.trial(sample_report(0))
    (problem,) = tracker.problems
    assert "its writer cannot be started: FileNotFoundError" in problem


def test_what_cannot_be_written_down_is_a_problem(store: Store) -> None:
    loop: dict[str, object] = {}
    loop["loop"] = loop
    tracker = stopped_tracker(store, close_timeout=0.2)
    tracker.trial(sample_report(0, config=loop))
    tracker.close()
    assert "trial() got what cannot be written down: ValueError" in tracker.problems[0]


@pytest.mark.slow
def test_searches_that_begin_at_once_share_a_new_store(own_home: Path) -> None:
    from mlflow import MlflowClient

    trackers = [open_tracker(None, close_timeout=PATIENT) for _ in range(2)]
    for tracker in trackers:
        tracker.start(sample_info())
        tracker.trial(sample_report(0))
        tracker.finish({"roc_auc": 0.75}, [])
    for tracker in trackers:
        tracker.close()
    assert [tracker.problems for tracker in trackers] == [[], []]
    runs = runs_of(MlflowClient(tracking_uri=resolve(None).uri))
    assert sorted(run.info.run_name for run in runs) == ["#0 0.75 svm"] * 2 + ["credit-g"] * 2
    assert {path.name for path in own_home.iterdir()} <= {"mlflow.db", "mlflow.db-wal", "mlflow.db-shm"}


@pytest.mark.slow
def test_folder_of_any_name_can_hold_a_store(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    (tmp_path / "card.json").write_text("{}")
    uri = f"sqlite:///{tmp_path}/größe 100% #2 🙂/mlflow.db"
    with open_tracker(uri, close_timeout=PATIENT) as tracker:
        tracker.start(sample_info())
        tracker.finish({}, [tmp_path / "card.json"])
    assert tracker.problems == []
    client = MlflowClient(tracking_uri=uri)
    assert [entry.path for entry in client.list_artifacts(tracker.run_id or "")] == ["card.json"]
    assert len(list(tmp_path.glob("größe*/mlflow-artifacts/*/artifacts/card.json"))) == 1
