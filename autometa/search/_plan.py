"""What a search will do with a table, decided before it begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autometa import candidates
from autometa.datasets import Dataset
from autometa.errors import OptionError
from autometa.metrics import Metric, resolve
from autometa.records import Config, Note
from autometa.search._folder import SearchFolder
from autometa.search._options import OWN_SPLITS, SearchOptions, parse_cv
from autometa.search._splits import (
    Rows,
    Splits,
    check_splits,
    custom_splits,
    make_splits,
    mean_train_rows,
    sample_rows,
)
from autometa.spaces import SearchSpace, load_space
from autometa.warmstart import WARM_STARTERS

SPACE = "tabular"
CHOICE = "candidate"
MIN_ROWS = 1000
ENOUGH_ROWS = 10_000
TYPICAL = 0.8
"""Share of a trial's time that a typical configuration of a candidate may take; the larger ones need the rest."""
STOPPED = 8
"""A learner that stops in time is worth trying where it would take no more than this many times what there is."""
COPIES = 8
"""Copies of its numbers that a candidate may hold while it prepares a table and learns from it."""
RARE = 0.5
"""A class is rare when it has less than this share of the rows that it would have if all classes were alike."""
_COUNTS_CLASSES_ALIKE = {
    *("balanced_accuracy", "f1", "f1_macro", "jaccard", "jaccard_macro", "matthews_corrcoef"),
    *("precision_macro", "recall", "recall_macro"),
}


@dataclass(frozen=True, slots=True)
class Judged:
    """The splits that models are to be judged on, and what the user should know about them."""

    splits: Splits
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """How each trial is judged, and what may be tried.

    Attributes:
        splits: Of the rows that the search uses.
        space: The candidates that can finish a trial in time.
        balanced: Whether fits give every class the same weight.
        notes: What was cut, and why.
        sampled: Whether the splits use a sample of the rows.
    """

    splits: Splits
    space: SearchSpace
    balanced: bool = False
    notes: tuple[Note, ...] = ()
    sampled: bool = False


def check(dataset: Dataset, options: SearchOptions) -> tuple[Metric, SearchSpace]:
    """Check the options against the table, before anything is written.

    Returns:
        The metric, and the space of the candidates that can be used.

    Raises:
        OptionError: The metric does not fit the task or the weights, or a candidate cannot be used.
        UnknownNameError: There is no such candidate or warm starter.
    """
    metric = resolve(options.metric, dataset.task, weighted=dataset.weights is not None)
    if options.warm_start != "none":
        WARM_STARTERS.entry(options.warm_start)
    if options.sampler != "auto":
        from autometa.samplers import SAMPLERS  # Optuna takes time to import, and is not needed yet

        SAMPLERS.entry(options.sampler)
    usable = candidates.available(dataset.task)
    for name in options.candidates or ():
        candidates.CANDIDATES.entry(name)  # an unknown name says what there is
        if name not in usable:
            raise OptionError(
                f"Candidate {name!r} cannot be used here: it does not fit a {dataset.task} task, or its library is not "
                f"installed. Usable: {', '.join(usable)}."
            )
    if options.candidates is None:
        usable = [name for name in usable if candidates.CANDIDATES.create(name).suits(dataset) is not None]
    else:
        usable = [name for name in usable if name in options.candidates]
    if dataset.weights is not None:
        usable = [name for name in usable if candidates.CANDIDATES.create(name).takes_weights]
    if not usable:
        raise OptionError(
            f"None of the candidates {', '.join(options.candidates or ())} takes weights. Name others, or none."
        )
    shipped = load_space(SPACE, task=dataset.task)
    return metric, compose([name for name in shipped.member_names if name in usable], usable, dataset, shipped)


def judge(dataset: Dataset, options: SearchOptions, cv: Any = None) -> Judged:
    """The splits that were asked for, as far as the table has the rows for them.

    Args:
        dataset: The table.
        options: Its ``cv`` and ``seed``.
        cv: The user's own splitter or splits, where ``options.cv`` says so.

    Raises:
        OptionError: They are no splits of this table, or a split cannot be learned from.
        TableError: There are too few rows, groups or times.
    """
    notes: list[Note] = []
    if options.cv == OWN_SPLITS:
        splits = custom_splits(dataset, cv)
    else:
        asked, notes = _affordable_folds(dataset, options.cv)
        splits = make_splits(dataset, asked, seed=options.seed)
    check_splits(splits, dataset)
    return Judged(splits, tuple(notes))


def make_plan(
    dataset: Dataset,
    options: SearchOptions,
    metric: Metric,
    space: SearchSpace,
    judged: Judged,
    *,
    seconds: float | None,
) -> Plan:
    """Cut the work of a trial to the ``seconds`` that it may take: fewer splits, then fewer rows and candidates.

    Splits go first: where a split has thousands of rows to score on, one says nearly as much as five. Three have to do
    where less than two thirds of the candidates have the time for more, since an ensemble gains from those that differ;
    one, and then fewer rows, only where less than a third have the time for three. Candidates whose
    typical configuration cannot finish are left out rather than killed again and again. Without a time limit only the
    memory limit cuts.
    """
    balanced, notes = _balance(dataset, options, metric)
    invited = reasons(space.member_names, dataset).items()
    notes += [Note(f"{name} takes part: {clause}", "inferred") for name, clause in invited]
    plan = Plan(judged.splits, space, balanced, (*judged.notes, *notes))
    most = _rows_in_memory(dataset, options)
    if most is not None and most < len(dataset.X):
        plan = _sampled(plan, dataset, most, options, "so that a trial fits into its memory")
    if seconds is None:
        return plan
    budget = TYPICAL * seconds
    return _without_slow(_in_time(plan, dataset, options, budget, seconds), dataset, budget, seconds)


def reasons(names: Sequence[str], dataset: Dataset) -> dict[str, str]:
    """The candidates that take part for a reason that this table gives, with it."""
    found = {name: candidates.CANDIDATES.create(name).suits(dataset) for name in names}
    return {name: clause for name, clause in found.items() if clause}


def plan_of(state: Mapping[str, Any], folder: SearchFolder, dataset: Dataset, space: SearchSpace) -> Plan:
    """The plan that a search wrote down: what was cut then stays cut, so that all its scores compare."""
    written = state["plan"]
    names = written["candidates"]
    splits = Splits.load(folder.splits(written["number"]), written["splits"])
    return Plan(splits, compose(names, names, dataset, space), written["balanced"])


def shrink(plan: Plan, dataset: Dataset, options: SearchOptions) -> Plan | None:
    """A plan of a quarter of the rows and one split, for when no trial of the first plan could finish.

    Returns:
        None where the table is small already.
    """
    n_rows = len(np.union1d(plan.splits.train[0], plan.splits.test[0]))
    keep = max(MIN_ROWS, n_rows // 4)
    if keep >= n_rows and len(plan.splits) == 1:
        return None
    fewer = replace(plan, splits=plan.splits.first(1), notes=())
    return _sampled(fewer, dataset, keep, options, "since no trial could finish with more")


def _in_time(plan: Plan, dataset: Dataset, options: SearchOptions, budget: float, seconds: float) -> Plan:
    names, whole = plan.space.member_names, plan.splits
    few, most = max(1, len(names) // 3), max(1, 2 * len(names) // 3)

    def in_time(splits: Splits) -> int:
        return sum(expected_seconds(name, dataset, splits) <= budget for name in names)

    def fits(n_splits: int, keep: int) -> bool:
        return in_time(whole.first(n_splits).within(_sample(dataset, keep, options))) >= few

    counts = {n_splits: in_time(whole.first(n_splits)) for n_splits in (len(whole), 3, 1) if n_splits <= len(whole)}
    if counts[len(whole)] < most and counts.get(3, 0) > counts[len(whole)]:
        del counts[len(whole)]
    for n_splits, count in counts.items():
        if count >= few:
            return _with_first(plan, n_splits, seconds)
    for n_splits, least in ((1, ENOUGH_ROWS), (min(3, len(whole)), MIN_ROWS), (1, MIN_ROWS)):
        keep = int(mean_train_rows(whole)) // 2
        while keep > least and not fits(n_splits, keep):
            keep = max(least, int(keep / 1.5))
        if fits(n_splits, keep):
            break
    cut = _with_first(plan, n_splits, seconds)
    return _sampled(cut, dataset, max(keep, MIN_ROWS), options, f"so that a trial can end within {seconds:.0f} s")


def expected_seconds(name: str, dataset: Dataset, splits: Splits, config: Config | None = None) -> float:
    """Expected seconds of a trial of a candidate: of a configuration of the space, or of a typical one."""
    candidate = candidates.CANDIDATES.create(name)
    n_rows = round(mean_train_rows(splits))
    own = {key.removeprefix(f"{name}."): value for key, value in (config or {}).items()}
    return len(splits) * candidate.fit_seconds(n_rows, dataset.X.shape[1], dataset.n_classes, config=own)


def _stops_in_time(name: str) -> bool:
    return candidates.CANDIDATES.create(name).stops_in_time


def _with_first(plan: Plan, n_splits: int, seconds: float) -> Plan:
    if n_splits == len(plan.splits):
        return plan
    splits = plan.splits.first(n_splits)
    text = f"models are judged on {splits.description}, so that a trial can end within {seconds:.0f} s"
    return replace(plan, splits=splits, notes=(*plan.notes, Note(text, "limited")))


def _sampled(plan: Plan, dataset: Dataset, keep: int, options: SearchOptions, why: str) -> Plan:
    rows = _sample(dataset, keep, options)
    if len(rows) == len(dataset.X):
        return plan
    text = (
        f"trials use {len(rows):,} of {len(dataset.X):,} rows, {why}; the model learns from as many rows as there is "
        "time for"
    )
    splits = plan.splits.within(rows)
    if not all(len(part) for part in (*splits.train, *splits.test)):
        return plan  # splits of a few chosen rows, which a sample would miss
    return replace(plan, splits=splits, sampled=True, notes=(*plan.notes, Note(text, "limited")))


def _sample(dataset: Dataset, keep: int, options: SearchOptions) -> Rows:
    return sample_rows(dataset.y.to_numpy(), dataset.task, keep=keep, seed=options.seed)


def _without_slow(plan: Plan, dataset: Dataset, budget: float, seconds: float) -> Plan:
    """Leave out the candidates that would be killed; the quickest one stays in any case."""
    expected = {name: expected_seconds(name, dataset, plan.splits) for name in plan.space.member_names}
    slow = [name for name in expected if expected[name] > budget * (STOPPED if _stops_in_time(name) else 1)]
    if len(slow) == len(expected):
        slow.remove(min(expected, key=expected.__getitem__))
    if not slow:
        return plan
    kept = [name for name in expected if name not in slow]
    listed = ", ".join(f"{name} (about {expected[name]:.0f} s)" for name in slow)
    text = f"left out as too slow for trials of at most {seconds:.0f} s: {listed}"
    space = compose(kept, kept, dataset, plan.space)
    return replace(plan, space=space, notes=(*plan.notes, Note(text, "skipped")))


def compose(known: Sequence[str], usable: Sequence[str], dataset: Dataset, like: SearchSpace) -> SearchSpace:
    """The space of the ``usable`` candidates: the ``known`` ones first, plug-ins last."""
    names = [*known, *(name for name in usable if name not in known)]
    members = [candidates.CANDIDATES.create(name).space_for(dataset.task) for name in names]
    default = str(like[CHOICE].default)
    return SearchSpace.compose(SPACE, members, choice=CHOICE, default=default if default in names else names[0])


def _rows_in_memory(dataset: Dataset, options: SearchOptions) -> int | None:
    megabytes = options.trial_memory
    return None if megabytes is None else int((megabytes << 20) / (8 * COPIES * (dataset.X.shape[1] + 1)))


def _affordable_folds(dataset: Dataset, cv: str) -> tuple[str, list[Note]]:
    """Fewer folds than asked for where the smaller of two classes, or the table, has fewer rows than that."""
    folds, repeats, share = parse_cv(cv)
    if share is not None or dataset.times is not None:
        return cv, []
    most = min(folds, len(dataset.y))
    if dataset.task == "binary":
        most = min(most, max(2, int(np.bincount(dataset.y.to_numpy()).min())))
    if most == folds:
        return cv, []
    text = f"{most} folds instead of {folds}: the smaller class has {most} rows"
    return (str(most) if repeats == 1 else f"{most}x{repeats}"), [Note(text, "limited")]


def _balance(dataset: Dataset, options: SearchOptions, metric: Metric) -> tuple[bool, list[Note]]:
    """Whether fits weigh the classes alike, and what to tell the user about rare classes."""
    if not dataset.n_classes:
        return False, []
    shares = np.bincount(dataset.y.to_numpy(), minlength=dataset.n_classes) / len(dataset.y)
    rarest = int(shares.argmin())
    rare = bool(shares[rarest] * dataset.n_classes < RARE)
    alike = metric.name in _COUNTS_CLASSES_ALIKE
    balanced = options.class_weight == "balanced" or (options.class_weight == "auto" and rare and alike)
    if not rare and not balanced:
        return False, []
    text = f"class {dataset.schema.classes[rarest]!r} has {shares[rarest]:.2%} of the rows; folds keep that share"
    if balanced:
        text += f", and fits give every class the same weight, as {metric.name} does"
        if options.class_weight == "balanced":
            text = text.removesuffix(f", as {metric.name} does")
    if metric.name == "accuracy":
        text += f"; always saying {dataset.schema.classes[int(shares.argmax())]!r} has accuracy {shares.max():.3f}"
    return balanced, [Note(text, "inferred")]
