"""Runs of a user's own studies as a knowledge base stores them, wherever the studies come from."""

import difflib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from autometa import metrics
from autometa.errors import InvalidConfigError, OptionError
from autometa.knowledge._columns import RUN_COLUMNS
from autometa.records import Config, DatasetRecord, Direction, MetaFeatures, TaskType, TrialStatus
from autometa.spaces import SearchSpace, load_space, space_names

if TYPE_CHECKING:
    from autometa.datasets import Dataset
    from autometa.knowledge._knowledge_base import KnowledgeBase

SOURCE = "own studies"
OWN_SPACE = "tabular"
CUT_OFF: tuple[TrialStatus, ...] = ("timeout", "memory", "crash", "invalid")
"""How a trial of autometa's own ends where its configuration is to blame."""
PREFIX = "param."
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_UNNAMED = "no-name-"
_WIDEST_INT = 2**63


@dataclass(frozen=True, slots=True)
class StudyReport:
    """What adding a study did.

    Attributes:
        name: Of the study, or of the experiment.
        space: Under which the runs are stored.
        dataset_id: The dataset's id in the base.
        dataset_name: Its name.
        metric: What the values are, in its natural unit.
        direction: Which way is better.
        found: Trials that the study has.
        runs: Those that are runs, by status, whether or not the base had them already.
        projected: Runs whose configuration was moved into the space.
        changes: How often each kind of move was made.
        skipped: Trials that are no runs, by reason.
        added_dataset: Whether the dataset or its meta-features were new to the base.
        added_runs: Runs that were new to it.
        notes: What the user should know besides.
        points: Runs of lower fidelity that were new besides: what trials reported on their way.
    """

    name: str
    space: str
    dataset_id: str
    dataset_name: str
    metric: str
    direction: Direction
    found: int
    runs: Mapping[str, int]
    projected: int
    changes: Mapping[str, int]
    skipped: Mapping[str, int]
    added_dataset: bool
    added_runs: int
    notes: tuple[str, ...] = ()
    points: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``json.dumps``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One evaluated configuration as its study has it; ``value`` is in the study's own sign.

    ``curve`` has the fidelities below its own at which it reported, and the values.
    """

    config: Mapping[str, object]
    value: float
    status: TrialStatus = "complete"
    fidelity: float = 1.0
    duration: float | None = None
    created: datetime | None = None
    curve: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What was read from a study: measurements, and why the rest of its ``total`` trials are none."""

    name: str
    total: int
    measurements: Sequence[Measurement]
    skipped: Mapping[str, int]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scale:
    """What a study's values are: a metric in its natural unit, after multiplying by ``sign``."""

    metric: str
    direction: Direction
    sign: int = 1
    known: bool = True


def judge_metric(metric: str, direction: Direction, task: TaskType) -> Scale:
    """What values of a name and direction are, in the knowledge base's terms.

    Raises:
        OptionError: The metric does not fit the task, or is better in the other direction.
    """
    known = _known_metric(metric, task)
    if known is None:
        return Scale(metric, direction, known=False)
    negated = metric.startswith("neg_")
    if direction != ("maximize" if negated else known.direction):
        other = f"neg_{known.name}" if direction == "maximize" and not negated else known.name
        hint = f"If its values are those of {other!r}, give that name. " if other != metric else ""
        better = "smaller" if direction == "maximize" else "greater"
        raise OptionError(
            f"{metric} is better when it is {better}, but the direction is {direction}. {hint}Values of something "
            "else, such as 1 - accuracy, take a name of your own, such as 'error'."
        )
    return Scale(known.name, known.direction, -1 if negated else 1)


def natural_direction(metric: str, task: TaskType) -> Direction | None:
    """The direction of values of that name; None where autometa knows no such metric.

    Raises:
        OptionError: The metric does not fit the task.
    """
    known = _known_metric(metric, task)
    if known is None:
        return None
    return "maximize" if metric.startswith("neg_") else known.direction


def _known_metric(metric: str, task: TaskType) -> metrics.Metric | None:
    """The metric of that name; None where there is none for any kind of task.

    Raises:
        OptionError: There is one, for other tasks.
    """
    from sklearn.metrics import get_scorer_names

    scorers = get_scorer_names()
    names = (metric, f"neg_{metric}", metrics._SHORT.get(metric))
    return metrics.resolve(metric, task) if any(name in scorers for name in names) else None


def choose_space(space: str | SearchSpace | None, name: str, *, own: bool, task: TaskType) -> SearchSpace | str:
    """The space that configurations are checked against, or the name that they are stored under unchecked.

    Raises:
        OptionError: There is no name, or one that a space cannot have.
        SpaceError: A space cannot be read, or nothing of it fits the task.
    """
    if isinstance(space, SearchSpace):
        taken = sorted(set(space.names) & set(RUN_COLUMNS))
        if taken:
            raise OptionError(
                f"Space {space.name!r} has the hyperparameter {taken[0]!r}, which is a column of every run. Rename it, "
                f"or give a name for the space: its configurations are then stored unchecked, with {PREFIX}{taken[0]}."
            )
        return space
    if space is None and own:
        return load_space(OWN_SPACE, task=task)
    if space is None:
        return _named_after(name)
    if space in space_names() or space.endswith((".yaml", ".yml")) or os.sep in space:
        return choose_space(load_space(space, task=task), name, own=own, task=task)
    if not _NAME.fullmatch(space):
        raise OptionError(f"The name of a space may hold letters, digits, '_', '-' and '.', but got {space!r}.")
    return space


def _named_after(name: str) -> str:
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")
    if not safe or safe.startswith(_UNNAMED):
        raise OptionError(
            f"The study is called {name!r}, which says nothing of its search space. Give a space: a shipped one "
            f"({', '.join(space_names())}), or a name of your own, the same for all studies that search it."
        )
    if safe in space_names():
        raise OptionError(
            f"The study is called {name!r}, as a space that autometa ships. Give space={safe!r} if that is what it "
            "searched, else another name."
        )
    return safe


def store(
    kb: "KnowledgeBase",
    dataset: "Dataset",
    findings: Findings,
    *,
    space: SearchSpace | str,
    scale: Scale,
    source: str,
    meta_features: MetaFeatures | None,
) -> StudyReport:
    """Add what was read from a study of a dataset; see `add_study`."""
    dataset_id = known_as(kb, dataset) or f"sha256:{dataset.content_hash}"
    sorted_out = _sort_out(findings, space)
    given = {"dataset_id": dataset_id, "metric": scale.metric, "direction": scale.direction, "source": source}
    rows, points = (
        [{**row, **given, "value": scale.sign * row["value"] + 0.0} for row in some]
        for some in (sorted_out.rows, sorted_out.points)
    )
    name = space if isinstance(space, str) else space.name
    added_dataset, added_runs = _write(kb, dataset, dataset_id, name, rows, source, meta_features)
    return StudyReport(
        name=findings.name,
        space=name,
        dataset_id=dataset_id,
        dataset_name=dataset.name,
        metric=scale.metric,
        direction=scale.direction,
        found=findings.total,
        runs=dict(Counter(row["status"] for row in rows).most_common()),
        projected=sum(row["projected"] for row in rows),
        changes=dict(sorted_out.changes.most_common()),
        skipped=dict(sorted_out.skipped.most_common()),
        added_dataset=added_dataset,
        added_runs=added_runs,
        notes=(*findings.notes, *_notes(scale, space)),
        points=kb.add_run_table(name, _frame(points), only_new=True) if points else 0,
    )


@dataclass(frozen=True, slots=True)
class _SortedOut:
    """Rows for the base, and those of learning curves; moves that configurations needed; why some are no runs."""

    rows: list[dict[str, Any]]
    points: list[dict[str, Any]]
    changes: Counter[str]
    skipped: Counter[str]


def _sort_out(findings: Findings, space: SearchSpace | str) -> _SortedOut:
    found = _SortedOut([], [], Counter(), Counter(findings.skipped))
    for one in findings.measurements:
        try:
            config, moves = _placed(one.config, space)
        except InvalidConfigError as error:
            found.skipped[str(error)] += 1
            continue
        found.changes.update(moves)
        about = {name: getattr(one, name) for name in ("value", "fidelity", "duration", "status", "created")}
        row = {**config, **about, "projected": bool(moves)}
        found.rows.append(row)
        on_the_way = {"status": "complete", "duration": None}
        found.points.extend({**row, **on_the_way, "fidelity": share, "value": value} for share, value in one.curve)
    return found


def known_as(kb: "KnowledgeBase", dataset: "Dataset") -> str | None:
    """The id under which a base has a dataset already: the same table, or the same OpenML dataset and task."""
    same = kb.same_dataset(content_hash=dataset.content_hash)
    if not same and dataset.openml_id is not None:
        tasks = kb.datasets()["task"]
        same = [one for one in kb.same_dataset(openml_id=dataset.openml_id) if tasks[one] == dataset.task]
    return same[0] if same else None


def _write(
    kb: "KnowledgeBase",
    dataset: "Dataset",
    dataset_id: str,
    space: str,
    rows: Sequence[Mapping[str, Any]],
    source: str,
    meta_features: MetaFeatures | None,
) -> tuple[bool, int]:
    """Runs first, as they are checked then: what is refused leaves nothing behind."""
    if not rows:
        return False, 0
    records = []
    if dataset_id not in kb.datasets().index:
        known = {"openml_id": dataset.openml_id, "content_hash": dataset.content_hash}
        records.append(DatasetRecord(dataset_id, dataset.name, dataset.task, source, **known))  # type: ignore[arg-type]
    described = {}
    if meta_features is not None or dataset_id not in kb.meta_features().index:
        described[dataset_id] = meta_features or _describe(dataset)
    added = kb.add_run_table(space, _frame(rows), only_new=True)
    return kb.add_datasets(records, described) > 0, added


def _frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, dtype=object)  # whole numbers stay whole beside a null
    return frame.assign(projected=frame["projected"].astype(bool))


def _describe(dataset: "Dataset") -> MetaFeatures:
    from autometa import metafeatures

    return metafeatures.compute(dataset)


def _placed(config: Mapping[str, object], space: SearchSpace | str) -> tuple[Config, list[str]]:
    """A configuration as it is stored, and what kinds of moves brought it there.

    Raises:
        InvalidConfigError: It has nothing in common with the space, or a value that a base cannot hold.
    """
    if isinstance(space, str):
        return {_column(name, config): _plain(name, value) for name, value in config.items()}, []
    if not any(name in space for name in config):
        raise InvalidConfigError(f"no hyperparameter of the space {space.name}")
    config = space.up_to_date(config)
    projected, words = space.project_with_changes(config)
    if not words:
        return projected, []
    moves = [f"{name} left out" for name in config if name not in projected]
    moves += [f"{name} set to its default" for name in projected if name not in config]
    kept = [name for name in projected if name in config]
    moves += [f"{name} moved into its range" for name in kept if projected[name] != config[name]]
    return projected, moves  # none where only a type was another, such as 2.0 for 2


def column_of(name: str) -> str:
    """The column of a hyperparameter of a space of one's own."""
    return PREFIX + name if name in RUN_COLUMNS else name


def _column(name: str, config: Mapping[str, object]) -> str:
    column = column_of(name)
    if column != name and column in config:
        raise InvalidConfigError(f"both {name} and {column}, which is how a base calls {name}")
    return column


def _plain(name: str, value: object) -> bool | int | float | str | None:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | dict):
        try:
            return json.dumps(value)
        except TypeError:
            pass
    if value is None or isinstance(value, bool | float | str):
        return value
    if isinstance(value, int) and abs(value) < _WIDEST_INT:
        return value
    what = "a whole number beyond 64 bits" if isinstance(value, int) else type(value).__name__
    raise InvalidConfigError(f"{name} holds {what}, which a base cannot store")


def _notes(scale: Scale, space: SearchSpace | str) -> list[str]:
    notes = []
    if not scale.known:
        notes.append(
            f"{scale.metric!r} is no metric that autometa knows; only searches for a metric of that name would use it"
        )
    near = difflib.get_close_matches(space, space_names(), n=1, cutoff=0.8) if isinstance(space, str) else []
    if near:
        notes.append(f"{space!r} is a space of your own; did you mean {near[0]!r}, which autometa ships?")
    return notes
