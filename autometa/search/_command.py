"""The command line that runs a search again."""

import shlex
from typing import Any

from autometa.datasets import Dataset
from autometa.search._options import OWN_SPLITS, SearchOptions


def command_line(table: str, dataset: Dataset, options: SearchOptions, test: str | None) -> str:
    """The command that runs the same search again; empty where it cannot be said in one."""
    roles = {column.kind: column.name for column in dataset.schema.columns}
    in_memory = "in memory" in (table, test or "")
    unnamed = (dataset.groups is not None and "group" not in roles) or (
        dataset.weights is not None and "weight" not in roles
    )
    if in_memory or unnamed or options.cv == OWN_SPLITS:
        return ""
    words = ["autometa", "tune", table, "--target", dataset.schema.target, "--task", dataset.task]
    given: dict[str, Any] = {
        "--time-limit": options.time_limit,
        "--trials": options.trials,
        "--jobs": options.jobs,
        "--memory-limit": options.memory_limit,
        "--metric": options.metric,
        "--cv": options.cv,
        "--group": roles.get("group"),
        "--weight": roles.get("weight"),
        "--time-column": None if dataset.times is None else str(dataset.times.name),
        "--test": test,
        "--class-weight": None if options.class_weight == "auto" else options.class_weight,
        "--warm-start": None if options.warm_start == "auto" else options.warm_start,
        "--candidates": None if options.candidates is None else ",".join(options.candidates),
        "--sampler": None if options.sampler == "auto" else options.sampler,
        "--seed": options.seed,
    }
    for name, value in given.items():
        if value is not None:
            words += [name, f"{value:g}" if isinstance(value, float) else str(value)]
    for name in options.exclude_datasets:
        words += ["--exclude-dataset", name]
    for column in dataset.schema.columns:
        if column.kind == "ignored":
            words += ["--ignore", column.name]
    return shlex.join(words)
