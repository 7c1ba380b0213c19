"""What a search says before its first trial."""

from collections import Counter

from autometa.datasets import Dataset, LabelledRows, find_leaks, find_test_leaks
from autometa.metrics import Metric
from autometa.records import Note, SearchInfo
from autometa.search._folder import SearchFolder
from autometa.search._options import SearchOptions
from autometa.search._plan import Plan


def opening(dataset: Dataset, plan: Plan, test: LabelledRows | None, *, seed: int) -> list[Note]:
    """What was inferred about the table, what the plan leaves out, and reasons to distrust the scores to come."""
    notes = inferred(dataset) + [Note(text, "inferred") for text in dataset.notes]
    leaks = find_leaks(dataset, plan.splits.pairs, seed=seed)
    if test is not None:
        notes += [Note(f"test table: {text}", "inferred") for text in test.notes]
        leaks += find_test_leaks(dataset, test)
    return [*notes, *plan.notes, *(Note(text, "warning") for text in leaks)]


def inferred(dataset: Dataset) -> list[Note]:
    """What was inferred about the table, in sentences."""
    schema = dataset.schema
    kinds = Counter(column.kind for column in schema.features)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    classes = f" with {dataset.n_classes} classes" if dataset.n_classes else ""
    return [
        Note(
            f"target {schema.target!r} ({schema.target_reason}), {schema.task}{classes} ({schema.task_reason})",
            "inferred",
        ),
        Note(f"columns: {counted}", "inferred"),
    ]


def search_info(
    dataset: Dataset, plan: Plan, options: SearchOptions, metric: Metric, *, folder: SearchFolder, table: str
) -> SearchInfo:
    """The head of the log, the report and the tracking run: table, task and the settings in force."""
    limit = "none" if options.time_limit is None else f"{options.time_limit:g} s"
    memory = "none" if options.trial_memory is None else f"{options.trial_memory} MB a trial"
    return SearchInfo(
        name=folder.path.name,
        dataset_name=dataset.name,
        dataset_id=f"sha256:{dataset.content_hash}",
        task=dataset.task,
        metric=metric.name,
        direction=metric.direction,
        seed=options.seed,
        folder=str(folder.path.resolve()),
        settings={
            "table": table,
            "rows": str(len(dataset.X)),
            "columns": str(dataset.X.shape[1]),
            "time limit": limit,
            "trials": "no limit" if options.trials is None else str(options.trials),
            "jobs": str(options.jobs),
            "memory limit": memory,
            "splits": plan.splits.description,
            "class weights": "balanced" if plan.balanced else "none",
            "warm start": options.warm_start,
            "candidates": ", ".join(plan.space.member_names),
        },
    )
