"""What every tracker must do, as functions for its tests.

Each ``check_*(make)`` takes a function that makes a fresh tracker and raises ``AssertionError`` if the
tracker breaks its contract, `autometa.tracking.Tracker`. A tracker that is not at fault for being slow to
close should be made with a generous limit.
"""

import contextlib
import copy
import dataclasses
import math
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from autometa.records import Origin, SearchInfo, TrialReport, TrialStatus
from autometa.tracking import Tracker

MakeTracker = Callable[[], Tracker]

STATUSES: tuple[TrialStatus, ...] = (
    "complete",
    "pruned",
    "timeout",
    "memory",
    "crash",
    "invalid",
    "interrupted",
)


def sample_info(**changes: object) -> SearchInfo:
    """A search to track; ``changes`` replace fields."""
    info = SearchInfo(
        name="credit-g",
        dataset_name="credit-g",
        dataset_id="sha256:0123",
        task="binary",
        metric="roc_auc",
        direction="maximize",
        seed=7,
        folder="results/credit-g",
        settings={"time_limit": "60", "jobs": "2", "warm_start": "auto"},
    )
    return dataclasses.replace(info, **changes)  # type: ignore[arg-type]


def sample_report(number: int, **changes: object) -> TrialReport:
    """A finished trial; ``changes`` replace fields."""
    report = TrialReport(
        number=number,
        candidate="svm",
        config={"candidate": "svm", "svm.C": 1.5, "svm.shrinking": True, "svm.gamma": None},
        origin=Origin("nearest_datasets", 1, "openml:31", "credit-a", 0.25, "near in 12 of 38 meta-features"),
        started=float(number),
        ended=number + 2.5,
        status="complete",
        value=0.75,
        fold_scores=(0.5, 1.0),
        fit_seconds=2.0,
        peak_memory_mb=120.5,
    )
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]


def sample_failure(number: int, status: TrialStatus) -> TrialReport:
    """A trial that ended without a score."""
    return sample_report(
        number, status=status, value=None, fold_scores=(), peak_memory_mb=None, reason=f"it was a {status}"
    )


def check_whole_search(make: MakeTracker) -> None:
    """A search with every kind of trial is tracked without a problem, and what is passed stays as it is."""
    info = sample_info()
    reports = [sample_report(0), *(sample_failure(i, status) for i, status in enumerate(STATUSES[1:], 1))]
    reports += [sample_report(9, status="running", ended=None, value=None, fold_scores=()), sample_report(9)]
    summary: dict[str, float | str] = {"roc_auc": 0.75, "best_candidate": "svm"}
    before = copy.deepcopy((info, reports, summary))
    tracker = make()
    with _artifacts() as artifacts, tracker:
        tracker.start(info)
        for report in reports:
            tracker.trial(report)
        tracker.finish(summary, artifacts)
        tracker.close()
    _require(tracker.problems == [], f"a search without trouble has problems: {tracker.problems}")
    _require(before == (info, reports, summary), "the tracker changed what the search passed to it")


def check_odd_values(make: MakeTracker) -> None:
    """NaN, infinities, emoji, NumPy's numbers and texts of any length are no problem."""
    odd_config = {
        "svm.C": math.inf,
        "svm.gamma": math.nan,
        "": "empty name",
        "../🙂=\n": "🙂 \ud800 \0",
        "n" * 1000: "x" * 100_000,
        "count": np.int64(3),
        "rate": np.float64(0.5),
    }
    tracker = make()
    tracker.start(sample_info(name="🙂" * 400, settings={"note": "\0" * 10_000}, dataset_name=""))
    tracker.trial(sample_report(0, config=odd_config, value=math.nan, fold_scores=(math.nan, 0.5)))
    tracker.trial(sample_report(1, value=math.inf, fold_scores=(math.inf, -math.inf), fit_seconds=math.nan))
    tracker.trial(sample_report(2, candidate="🙂", origin=Origin("sampler"), reason="ä" * 20_000, ended=None))
    tracker.trial(sample_report(123_456, value=-1e308, started=5.0, ended=4.0))
    tracker.finish({"best": math.nan, "worst": -math.inf, "note": "z" * 50_000, "../x": 1.0}, [])
    tracker.close()
    _require(tracker.problems == [], f"odd values are a problem: {tracker.problems}")


def check_returns_at_once(make: MakeTracker, *, limit: float = 0.5) -> None:
    """No call but the last takes longer than ``limit`` seconds, so that trials never wait."""
    tracker = make()
    calls: list[tuple[str, Callable[[], None]]] = [("start", lambda: tracker.start(sample_info()))]
    calls += [("trial", lambda n=n: tracker.trial(sample_report(n))) for n in range(20)]  # type: ignore[misc]
    calls += [("finish", lambda: tracker.finish({"roc_auc": 0.75}, []))]
    times: dict[str, float] = {}
    for name, call in calls:
        began = time.perf_counter()
        call()
        times[name] = max(times.get(name, 0.0), time.perf_counter() - began)
    tracker.close()
    slow = {name: f"{seconds:.2f} s" for name, seconds in times.items() if seconds > limit}
    _require(not slow, f"calls that must return at once took {slow}")


def check_any_order(make: MakeTracker) -> None:
    """Calls out of order raise nothing, and closing twice is closing once."""
    tracker = make()
    tracker.trial(sample_report(0))
    tracker.finish({"roc_auc": 0.75}, [])
    tracker.close()
    tracker.close()
    tracker.start(sample_info())
    tracker.trial(sample_report(1))
    tracker.finish({}, [])
    tracker.close()
    texts = all(isinstance(problem, str) for problem in tracker.problems)
    _require(texts, f"problems must be texts: {tracker.problems}")


def check_missing_things(make: MakeTracker) -> None:
    """An earlier run or an artifact that is not there raises nothing, and the rest is recorded."""
    tracker = make()
    tracker.start(sample_info(), resume_run_id="0123456789abcdef0123456789abcdef")
    tracker.trial(sample_report(0))
    tracker.finish({"roc_auc": 0.75}, [Path(tempfile.gettempdir(), "autometa-no-such-file")])
    tracker.close()
    _require(len(tracker.problems) <= 2, f"two missing things are more problems: {tracker.problems}")


def check_nothing_left_behind(make: MakeTracker) -> None:
    """After closing, threads, child processes, environment, folder and random state are as before."""
    before = _surroundings()
    tracker = make()
    tracker.start(sample_info())
    tracker.trial(sample_report(0))
    tracker.close()
    after = _surroundings()
    changed = [name for name, value in before.items() if _is_new(after[name], value)]
    _require(not changed, f"the tracker left its mark on: {', '.join(changed)}")


def check_own_problems(make: MakeTracker) -> None:
    """Each tracker has a list of problems of its own, empty at first."""
    first, second = make(), make()
    _require(first.problems == [] and second.problems == [], "a new tracker has problems")
    first.problems.append("a problem of the first")
    _require(second.problems == [] and make().problems == [], "trackers share their problems")


CHECKS: tuple[Callable[[MakeTracker], None], ...] = (
    check_whole_search,
    check_odd_values,
    check_returns_at_once,
    check_any_order,
    check_missing_things,
    check_nothing_left_behind,
    check_own_problems,
)


@contextlib.contextmanager
def _artifacts() -> Iterator[list[Path]]:
    """A file and a folder to copy."""
    with tempfile.TemporaryDirectory() as name:
        leaderboard, model = Path(name, "leaderboard.csv"), Path(name, "model")
        leaderboard.write_text("trial,roc_auc\n0,0.75\n")
        model.mkdir()
        (model / "card.json").write_text("{}")
        yield [leaderboard, model]


def _surroundings() -> dict[str, object]:
    random_state = np.random.get_state(legacy=False)
    return {
        "threads": frozenset(thread.name for thread in threading.enumerate()),
        "child processes": _children(),
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "random state": (random.getstate(), repr(random_state)),
        "signal handlers": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)},
    }


def _is_new(after: object, before: object) -> bool:
    """Whether something was added or changed; a thread of somebody else's may well have ended."""
    if isinstance(after, frozenset) and isinstance(before, frozenset):
        return bool(after - before)
    return after != before


def _children() -> frozenset[int]:
    """Process ids of this process's children, where ``/proc`` tells."""
    children = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended while we looked
            parent = stat.read_text(errors="replace").rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                children.add(int(stat.parent.name))
    return frozenset(children)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)
