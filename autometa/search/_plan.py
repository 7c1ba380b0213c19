"""What a search will do with a table, decided before it begins."""

from collections import Counter
from dataclasses import replace

import numpy as np

from autometa import candidates
from autometa.datasets import Dataset
from autometa.errors import OptionError
from autometa.metrics import Metric, resolve
from autometa.search._options import SearchOptions
from autometa.search._splits import sample_rows
from autometa.search._warm import CHOICE
from autometa.spaces import SearchSpace, load_space
from autometa.warmstart import WARM_STARTERS

SPACE = "tabular"
# Five folds of a forest, or of boosting with some hundred rounds, take about a second for this many cells.
CELLS_PER_SECOND = 30_000
MIN_ROWS = 1000


def check(dataset: Dataset, options: SearchOptions) -> tuple[Metric, SearchSpace]:
    """Check the options against the table, before anything is written.

    Returns:
        The metric, and the space of the candidates that can be used.

    Raises:
        OptionError: The metric does not fit the task, or a candidate cannot be used.
        UnknownNameError: There is no such candidate or warm starter.
    """
    metric = resolve(options.metric, dataset.task)
    if options.warm_start != "none":
        WARM_STARTERS.entry(options.warm_start)
    usable = candidates.available(dataset.task)
    for name in options.candidates or ():
        candidates.CANDIDATES.entry(name)  # an unknown name says what there is
        if name not in usable:
            raise OptionError(
                f"Candidate {name!r} cannot be used here: it does not fit a {dataset.task} task, or its library is not "
                f"installed. Usable: {', '.join(usable)}."
            )
    if options.candidates is not None:
        usable = [name for name in usable if name in options.candidates]
    shipped = load_space(SPACE, task=dataset.task)
    known = [name for name in shipped.member_names if name in usable]
    plugged_in = [name for name in usable if name not in known]
    members = [candidates.CANDIDATES.create(name).space_for(dataset.task) for name in known + plugged_in]
    return metric, SearchSpace.compose(SPACE, members, choice=CHOICE, default=str(shipped[CHOICE].default))


def affordable(whole: Dataset, options: SearchOptions) -> tuple[Dataset, list[str]]:
    """As many rows as a trial can take in its time; a sample that looks like the whole where that is fewer.

    Returns:
        The table to search on, and what to tell the user about it.
    """
    seconds = options.trial_seconds
    if seconds is None:
        return whole, []
    keep = max(MIN_ROWS, int(CELLS_PER_SECOND * seconds / whole.X.shape[1]))
    rows = sample_rows(whole.y.to_numpy(), whole.task, keep=keep, seed=options.seed)
    if len(rows) == len(whole.X):
        return whole, []
    note = (
        f"{len(rows)} of {len(whole.X)} rows are used, in trials and in the model, so that a trial can end within "
        f"{seconds:.0f} s; a longer time limit uses more"
    )
    X, y = whole.X.iloc[rows].reset_index(drop=True), whole.y.iloc[rows].reset_index(drop=True)
    return replace(whole, X=X, y=y), [note]


def plan_folds(dataset: Dataset, options: SearchOptions) -> tuple[int, list[str]]:
    """The number of folds: fewer than asked for where the smaller of two classes has fewer rows than that.

    Returns:
        The number, and what to tell the user about it.
    """
    asked = min(options.folds, len(dataset.y))
    if dataset.task != "binary":
        return asked, []
    smallest = int(np.bincount(dataset.y.to_numpy()).min())
    if smallest >= asked:
        return asked, []
    folds = max(2, smallest)
    return folds, [f"{folds} folds instead of {asked}: the smaller class has {smallest} rows"]


def inferred(dataset: Dataset) -> list[str]:
    """What was inferred about the table, in sentences."""
    schema = dataset.schema
    kinds = Counter(column.kind for column in schema.features)
    counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    classes = f" with {dataset.n_classes} classes" if dataset.n_classes else ""
    lines = [
        f"target {schema.target!r} ({schema.target_reason}), {schema.task}{classes} ({schema.task_reason})",
        f"columns: {counted}",
    ]
    return lines + [f"column {column.name!r} is left out: {column.kind} ({column.reason})" for column in schema.dropped]
