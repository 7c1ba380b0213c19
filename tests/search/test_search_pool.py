import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autometa.search._pool import Outcome, WorkerPool


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    try:
        with WorkerPool(threads=3, preload=["numpy"]) as started:
            yield started
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def run(
    pool: WorkerPool, name: str, *, seconds: float | None = None, memory_mb: int | None = None, **arguments: Any
) -> Outcome:
    deadline = None if seconds is None else time.monotonic() + seconds
    pool.submit(f"pool_jobs:{name}", arguments, deadline=deadline, memory_mb=memory_mb)
    return finish(pool)


def finish(pool: WorkerPool) -> Outcome:
    while True:
        for event in pool.wait(10):
            if event.outcome is not None:
                return event.outcome
            pool.answer(event.job, go=event.message["score"] > 0)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it may go while we read
        return False


def gone_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def test_a_job_asks_hears_and_returns(pool: WorkerPool) -> None:
    assert run(pool, "echo", n=1).value == {"answer": True, "threads": "3"}
    assert run(pool, "echo", n=-1).value == {"answer": False, "threads": "3"}


def test_jobs_run_at_the_same_time_and_keep_their_messages_apart(pool: WorkerPool) -> None:
    jobs = {pool.submit("pool_jobs:echo", {"n": n}): n for n in (-1, 1, 2)}
    answers = {}
    while pool.running:
        for event in pool.wait(10):
            if event.outcome is not None:
                answers[jobs[event.job]] = event.outcome.value["answer"]
            else:
                assert event.message["score"] == jobs[event.job]
                pool.answer(event.job, go=event.message["score"] > 0)
    assert answers == {-1: False, 1: True, 2: True}


def test_too_much_memory_is_one_outcome_with_its_reason(pool: WorkerPool) -> None:
    outcome = run(pool, "hog", memory_mb=300)
    assert (outcome.status, outcome.reason) == ("memory", "needed more than 300 MB")
    assert outcome.peak_memory_mb is not None
    assert 200 < outcome.peak_memory_mb < 700


@pytest.mark.parametrize("escape", [False, True])
def test_a_job_out_of_time_dies_with_its_children(pool: WorkerPool, tmp_path: Path, escape: bool) -> None:
    marker = tmp_path / "pids"
    began = time.monotonic()
    assert run(pool, "sleep", seconds=1.0, marker=str(marker), escape=escape).status == "timeout"
    assert time.monotonic() - began < 10
    job, child = map(int, marker.read_text().split())
    assert not alive(job)
    assert gone_within(child, 5)


def test_a_child_left_behind_by_a_finished_job_dies_too(pool: WorkerPool, tmp_path: Path) -> None:
    outcome = run(pool, "leave_child", marker=str(tmp_path / "pid"))
    assert outcome.status == "ok"
    assert gone_within(outcome.value, 5)


def test_a_segfault_is_a_crash_with_the_python_stack(pool: WorkerPool, tmp_path: Path) -> None:
    pool.submit("pool_jobs:segfault", {}, crash_file=tmp_path / "crash.txt")
    outcome = finish(pool)
    assert (outcome.status, outcome.reason) == ("crash", "the process ended with SIGSEGV")
    assert "string_at" in outcome.value


def test_other_sudden_ends(pool: WorkerPool) -> None:
    assert run(pool, "leave").reason == "the process ended with exit code 7"
    shot = run(pool, "shoot_self")
    assert shot.status == "memory"
    assert "killed from outside" in shot.reason


def test_a_long_error_message_is_cut_and_arrives(pool: WorkerPool) -> None:
    outcome = run(pool, "fail")
    assert outcome.status == "crash"
    assert outcome.reason.startswith("ValueError: xxx")
    assert len(outcome.reason) < 70_000


def test_an_unknown_function_is_a_crash_of_that_job_alone(pool: WorkerPool) -> None:
    assert "has no attribute 'nothing'" in run(pool, "nothing").reason
    assert run(pool, "echo", n=1).status == "ok"


def test_output_of_jobs_goes_nowhere(pool: WorkerPool, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(pool, "chatter").value == "done"
    assert capfd.readouterr() == ("", "")


def test_what_the_server_warmed_is_inherited_and_survives_a_restart(pool: WorkerPool) -> None:
    pool.warm("pool_jobs:remember", {"key": "a", "value": 41})
    assert run(pool, "recall", key="a").value == 41
    pool._server.kill()
    pool._server.wait()
    assert run(pool, "recall", key="a").value == 41


def test_a_server_that_dies_ends_its_jobs(pool: WorkerPool, tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    pool.submit("pool_jobs:sleep", {"marker": str(marker), "escape": False})
    while not marker.exists() or len(marker.read_text().split()) < 2:
        pool.wait(0.05)
    pool._server.kill()
    outcome = finish(pool)
    assert outcome.status == "crash"
    assert "server was killed" in outcome.reason
    assert gone_within(int(marker.read_text().split()[0]), 5)


def test_kill_gives_the_status_that_was_asked_for(pool: WorkerPool, tmp_path: Path) -> None:
    job = pool.submit("pool_jobs:sleep", {"marker": str(tmp_path / "pids"), "escape": False})
    pool.kill(job, "interrupted")
    assert finish(pool).status == "interrupted"


def test_closing_kills_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    marker = tmp_path / "pids"
    with WorkerPool(preload=[]) as own:
        own.submit("pool_jobs:sleep", {"marker": str(marker), "escape": False})
        while not marker.exists() or len(marker.read_text().split()) < 2:
            own.wait(0.05)
    assert all(gone_within(int(pid), 5) for pid in marker.read_text().split())
    with contextlib.suppress(ChildProcessError):
        assert own._server.poll() is not None


def test_what_only_some_jobs_need_is_imported_after_the_first_job_began(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    with WorkerPool(preload=["decimal"], later=["colorsys", "no_such_module"]) as own:
        assert run(own, "imported", module="decimal").value is True
        end = time.monotonic() + 20
        while not run(own, "imported", module="colorsys").value:
            assert time.monotonic() < end
