"""Runs the trials of a search again, as its journal has them, and compares the values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autometa.errors import ResumeError
from autometa.records import TrialReport
from autometa.search._environment import machine, versions
from autometa.search._kept import read_search
from autometa.search._pool import Job, WorkerPool
from autometa.search._trials import balanced

_Running = dict[Job, tuple[TrialReport, list[float]]]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One trial, then and now.

    ``scores`` are the splits' scores of this time. ``identical`` says whether every one of them is the recorded number,
    bit for bit; None where the trial cannot be replayed, and ``reason`` says why.
    """

    report: TrialReport
    scores: tuple[float, ...] = ()
    identical: bool | None = None
    reason: str = ""


class Replay:
    """Evaluates each finished trial of a search once more, with its configuration, splits, seed and threads.

    Trials that a limit, a crash or the end of the search cut off have no value to compare, and are only listed. A
    learner that ended its own training for want of time is told to end it at the same place.
    """

    def __init__(self, path: Path) -> None:
        """Open a search folder.

        Raises:
            ResumeError: There is no search in it, one is still running there, or an older version wrote it.
        """
        self._search = read_search(path)
        if not self._search.reports:
            self._search.folder.close()
            raise ResumeError(f"The search in {path} has no finished trial, so there is nothing to replay.")

    def __len__(self) -> int:
        return len(self._search.reports)

    def changes(self) -> list[str]:
        """Library versions and parts of the machine that differ from the search's; they may change values."""
        then = {**self._search.state["versions"], **self._search.state["machine"]}
        now = {**versions(), **machine()}
        compared = [name for name in then if name not in ("free memory", "cores")]
        return [
            f"{name}: {then[name]} then, {now.get(name, 'absent')} now"
            for name in compared
            if then[name] != now.get(name)
        ]

    def run(self, *, jobs: int = 1) -> Iterator[Replayed]:
        """Replay every trial, in order; use once.

        Args:
            jobs: Trials at the same time.
        """
        try:
            with WorkerPool(threads=int(self._search.state["threads"])) as pool:
                pool.warm("autometa.search._evaluate:load", {"folder": str(self._search.folder.data)})
                yield from self._in_order(pool, jobs)
        finally:
            self._search.folder.close()

    def _in_order(self, pool: WorkerPool, jobs: int) -> Iterator[Replayed]:
        waiting = list(self._search.reports)
        running: _Running = {}
        done: dict[int, Replayed] = {}
        for report in self._search.reports:
            while report.number not in done:
                while waiting and len(running) < jobs:
                    self._begin(waiting.pop(0), pool, running, done)
                if report.number not in done:
                    self._hear(pool, running, done)
            yield done.pop(report.number)

    def _begin(
        self,
        report: TrialReport,
        pool: WorkerPool,
        running: _Running,
        done: dict[int, Replayed],
    ) -> None:
        if report.status not in ("complete", "pruned"):
            done[report.number] = Replayed(report, reason=f"has no value: {report.status}")
            return
        arguments = {
            "data": str(self._search.folder.data),
            "splits": str(self._search.folder.splits(self._search.state["plan"]["number"])),
            "config": report.config,
            "metric": self._search.metric.name,
            "seed": self._search.options.seed,
            "threads": int(self._search.state["threads"]),
            "balanced": balanced(self._search.plan.balanced, report.candidate),
            "replay": _records(report, len(self._search.plan.splits)),
        }
        job = pool.submit("autometa.search._evaluate:evaluate", arguments, memory_mb=self._search.options.trial_memory)
        running[job] = (report, [])

    def _hear(self, pool: WorkerPool, running: _Running, done: dict[int, Replayed]) -> None:
        for event in pool.wait():
            report, scores = running[event.job]
            if event.outcome is None:
                scores.append(event.message["score"])
                scores[:] = event.message.get("scores", scores)
                pool.answer(event.job, go=len(scores) < len(report.fold_scores))
                continue
            del running[event.job]
            same = tuple(scores) == report.fold_scores
            reason = "" if event.outcome.status == "ok" else f"{event.outcome.status}: {event.outcome.reason}"
            done[report.number] = Replayed(report, tuple(scores), same, reason)


def _records(report: TrialReport, n_splits: int) -> Sequence[Mapping[str, Any]]:
    """Where a learner stopped, split by split; always one per split, so that no clock is used."""
    records = list(report.records)
    return records + [{}] * (n_splits - len(records))
