"""Whether rows of runs keep the rules of a knowledge base."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from autometa.errors import InputError
from autometa.knowledge._columns import RUN_COLUMNS, is_json, to_frame
from autometa.knowledge._finding import Finding
from autometa.knowledge._keys import row_keys
from autometa.records import ConfigValue, Direction, TaskType, TrialStatus
from autometa.spaces import Hyperparameter, SearchSpace, load_space

Mask = npt.NDArray[np.bool_]

OWN_SOURCES = frozenset({"user", "own searches", "own studies"})
"""Names under which autometa itself adds runs: nobody's licence is needed."""

_REMOVE = (
    "Find out where the rows come from and add them again as they should be, without these: kb remove, then import."
)
_HIGHER = "accuracy balanced_accuracy top_k_accuracy average_precision f1 precision recall jaccard roc_auc"
_LOWER = "log_loss rmse mse mae medae rmsle msle mape max_error brier_score"
_BOUNDS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(_HIGHER.split(), (0.0, 1.0)),
    **dict.fromkeys(_LOWER.split(), (0.0, np.inf)),
    "brier_score": (0.0, 2.0),
    "matthews_corrcoef": (-1.0, 1.0),
    **dict.fromkeys(("r2", "explained_variance", "d2_absolute_error_score"), (-np.inf, 1.0)),
}
_ROUNDING = 1e-9  # a mean of five ones can be 1.0000000000000002
_AVERAGES = ("_macro", "_micro", "_weighted", "_samples", "_ovr", "_ovo", "_ovr_weighted", "_ovo_weighted")


@dataclass(frozen=True, slots=True)
class Known:
    """What runs may refer to; ``datasets`` are task types by id."""

    datasets: Mapping[str, str]
    sources: Collection[str]


def check_runs(space: str, table: pa.Table, known: Known) -> Iterator[Finding]:
    """What is wrong with runs of a space; the table holds all runs of each of its datasets."""
    if not table.num_rows:
        return
    for rule, mask, what, mend in _rules(table, known):
        if mask.any():
            yield Finding(rule, space, what(_row(table, int(mask.argmax()))), mend, int(mask.sum()))
    copies = table.num_rows - len(row_keys(table).unique())
    if copies:
        what_copies = "runs say what another says: same dataset, metric, value, fidelity, status and configuration"
        yield Finding("duplicates", space, what_copies, "kb verify --repair keeps one of each.", copies, True)
    tasks = pa.array([known.datasets.get(one) for one in table.column("dataset_id").to_pylist()], pa.string())
    for task in get_args(TaskType):
        yield from _check_configs(space, table.filter(pc.equal(tasks, task)), task)


def _row(table: pa.Table, position: int) -> dict[str, Any]:
    return {str(name): value for name, value in to_frame(table.slice(position, 1)).iloc[0].items()}


Rule = tuple[str, Mask, Callable[[Any], str], str]


def _rules(table: pa.Table, known: Known) -> Iterator[Rule]:
    value, status = _numbers(table, "value"), table.column("status")
    complete = _mask(pc.equal(status, "complete"))
    yield "values", complete & ~np.isfinite(value), lambda r: f"a complete run has the value {r['value']}", _REMOVE
    yield "status", ~_among(status, get_args(TrialStatus)), lambda r: f"the status is {r['status']!r}", _REMOVE
    for name, low, high in (("fidelity", 1e-300, 1.0), ("duration", 0.0, np.inf), ("spread", 0.0, 1e300)):
        numbers = _numbers(table, name)
        wrong = (numbers < low) | (numbers > high)
        yield "ranges", wrong, lambda r, name=name: f"{name} is {r[name]}", _REMOVE  # type: ignore[misc]
    yield "ranges", _numbers(table, "repeats") < 1, lambda r: f"repeats is {r['repeats']}", _REMOVE
    yield from _metric_rules(table, complete, value)
    strange = "Add them (add_dataset, or merge the base that has them), or remove their runs: kb remove --dataset."
    unknown = ~_among(table.column("dataset_id"), known.datasets)
    yield (
        "orphan rows",
        unknown,
        lambda r: f"runs on datasets that the base does not know, such as {r['dataset_id']!r}",
        strange,
    )
    source = ~_among(table.column("source"), {*known.sources, *OWN_SOURCES})
    mend = "Record the source with its licence (add_source), or remove its rows: kb remove --source."
    yield "unknown sources", source, lambda r: f"no source {r['source']!r} is recorded", mend


def _metric_rules(table: pa.Table, complete: Mask, value: npt.NDArray[np.float64]) -> Iterator[Rule]:
    metrics, directions = table.column("metric"), table.column("direction")
    yield (
        "direction",
        ~_among(directions, get_args(Direction)),
        lambda r: f"the direction is {r['direction']!r}",
        _REMOVE,
    )
    for metric in metrics.unique().to_pylist():
        bounds = _BOUNDS.get(_bare(metric))
        if bounds is None:
            continue
        mine = _mask(pc.equal(metrics, metric))
        wrong = mine & complete & ((value < bounds[0] - _ROUNDING) | (value > bounds[1] + _ROUNDING))
        said = f"{metric} lies in [{bounds[0]:g}, {bounds[1]:g}]"
        yield "ranges", wrong, lambda r, said=said: f"{said}, but is {r['value']}", _REMOVE  # type: ignore[misc]
        right: Direction = "minimize" if _bare(metric) in _LOWER.split() else "maximize"
        other = mine & _mask(pc.not_equal(directions, right))
        yield "direction", other, lambda r, right=right: f"{r['metric']} is to {right}", _REMOVE  # type: ignore[misc]


def _check_configs(name: str, table: pa.Table, task: TaskType) -> Iterator[Finding]:
    """Configurations on datasets of one task type against a shipped space; other spaces are not known here."""
    try:
        space = load_space(name, task=task)
    except InputError:
        return
    inside = inside_of(space, table)
    if not inside.all():
        row = _row(table, int((~inside).argmax()))
        given = {name: value for name, value in row.items() if name not in RUN_COLUMNS and not pd.isna(value)}
        problems = space.problems({**given, **space.from_row(row)}) or ("a value has another type",)
        what = f"configurations outside {name}, such as one where {problems[0]}"
        mend = "Import the runs again with this autometa, which brings them into the space or leaves them out."
        yield Finding("configurations", name, what, mend, int((~inside).sum()))


def inside_of(space: SearchSpace, table: pa.Table) -> Mask:
    """Which rows hold a configuration of the space; null is inactive, the choice None, or older than the column."""
    everywhere = np.ones(table.num_rows, dtype=bool)
    active: dict[str, Mask] = {}
    inside = everywhere.copy()
    for one in space.hyperparameters:
        there = everywhere
        for condition in one.when:
            there = there & active[condition.parent] & _has(table, space[condition.parent], condition.values)
        active[one.name] = there
        present = _present(table, one.name)
        allowed = _allowed(one, table) if one.name in table.column_names else present
        if None in one.choices or one.before is not None:
            allowed = allowed | ~present
        inside &= np.where(there, allowed, ~present)
    for column in set(table.column_names) - set(space.names) - set(RUN_COLUMNS):
        inside &= ~_present(table, column)
    return inside


def _has(table: pa.Table, parent: Hyperparameter, values: Sequence[ConfigValue]) -> Mask:
    if parent.name not in table.column_names:
        return np.full(table.num_rows, parent.before in values)
    return _by_value(table, parent.name, lambda value: (parent.before if value is None else value) in values)


def _allowed(one: Hyperparameter, table: pa.Table) -> Mask:
    column = table.column(one.name)
    if one.type == "categorical" or one.step is not None or not _is_number(column.type):
        return _by_value(table, one.name, lambda value: _fits(one, value))
    low, high = one.bounds
    numbers = _numbers(table, one.name)
    mask: Mask = (numbers >= low) & (numbers <= high) & ((one.type == "float") | (numbers % 1 == 0))
    return mask


def _fits(one: Hyperparameter, value: Any) -> bool:
    """Whether a value is in range, in its own type or in the one that a widened column gave it."""
    if value is None:
        return False
    if one.problem(value) is None:
        return True
    if isinstance(value, float) and value.is_integer():
        return one.problem(int(value)) is None
    return type(value) is int and one.problem(float(value)) is None


def _by_value(table: pa.Table, name: str, judge: Callable[[Any], bool]) -> Mask:
    """A judgement on each distinct value, for each row."""
    column = table.column(name).combine_chunks().dictionary_encode(null_encoding="encode")
    values = column.dictionary.to_pylist()
    if is_json(table.schema.field(name)):
        values = [None if value is None else json.loads(value) for value in values]
    judged = np.array([judge(value) for value in values], dtype=bool)
    mask: Mask = judged[column.indices.to_numpy(zero_copy_only=False)]
    return mask


def _present(table: pa.Table, name: str) -> Mask:
    if name not in table.column_names:
        return np.zeros(table.num_rows, dtype=bool)
    return _mask(pc.is_valid(table.column(name)))


def _numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = table.column(name).cast(pa.float64()).to_numpy()
    return numbers


def _among(column: pa.ChunkedArray, values: Collection[str]) -> Mask:
    return _mask(pc.is_in(column, value_set=pa.array(sorted(values), pa.string())))


def _mask(column: pa.ChunkedArray) -> Mask:
    mask: Mask = pc.fill_null(column, False).to_numpy().astype(bool)
    return mask


def _is_number(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_floating(dtype) or pa.types.is_integer(dtype))


def _bare(metric: str) -> str:
    for average in sorted(_AVERAGES, key=len, reverse=True):
        if metric.endswith(average):
            return metric.removesuffix(average)
    return metric
