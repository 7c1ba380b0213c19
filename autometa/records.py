"""The plain values that layers hand to each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

TaskType = Literal["binary", "multiclass", "regression"]
Direction = Literal["minimize", "maximize"]
TrialStatus = Literal["complete", "pruned", "timeout", "memory", "crash", "invalid", "interrupted"]
ConfigValue = bool | int | float | str | None
Config = dict[str, ConfigValue]

TASK_TYPES: tuple[TaskType, ...] = ("binary", "multiclass", "regression")


@dataclass(frozen=True, slots=True)
class MetaFeatures:
    """One dataset's description.

    Keys are OpenML's quality names. A quality that cannot be computed is NaN; a key is never missing
    because of the data.
    """

    dataset_id: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """One dataset of a knowledge base: what is known about it besides its meta-features.

    ``dataset_id`` is unique within a base, and stable: ``openml:31``, ``auto-sklearn/anneal``,
    ``sha256:…`` for a user's own table. ``content_hash`` is ``Dataset.content_hash`` where known.
    """

    dataset_id: str
    name: str
    task: TaskType
    source: str
    openml_id: int | None = None
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One evaluated configuration on one dataset.

    ``value`` is in the metric's natural unit, ``direction`` says which way is better, ``fidelity`` is the
    share of the full budget that was spent (1.0 = all folds, all rows, all epochs), ``duration`` is seconds.
    """

    dataset_id: str
    space: str
    config: Config
    metric: str
    direction: Direction
    value: float
    source: str
    fidelity: float = 1.0
    duration: float | None = None
    status: TrialStatus = "complete"
    created: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration came from.

    ``strategy`` is the warm starter's registry name, ``sampler``, ``default``, ``baseline`` (a default to compare with)
    or ``suited`` (the default of a candidate that suits the table). ``distance`` is in the strategy's own unit, 0 = the
    same; ``rank`` counts from 1 within the strategy's list.
    """

    strategy: str
    rank: int | None = None
    dataset_id: str | None = None
    dataset_name: str | None = None
    distance: float | None = None
    reason: str = ""
    projected: bool = False

    def __str__(self) -> str:
        if self.dataset_name is None:
            return self.strategy
        where = f"{self.strategy}: {self.dataset_name}"
        return where if self.distance is None else f"{where} (distance {self.distance:.2f})"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A configuration to try first, and why."""

    config: Config
    origin: Origin


@dataclass(frozen=True, slots=True)
class TrialReport:
    """What is known of one trial, for progress, tracking and the leaderboard.

    Times are seconds since the search began. ``fold_scores`` are in the metric's natural unit; ``value``
    is their mean, or None where the trial did not finish. ``fit_seconds`` is time inside the candidate's
    own fit and predict, so ``ended - started - fit_seconds`` is overhead. ``reason`` says why a trial has no score, or
    what its learner did otherwise than ``config`` says. ``records`` says for each split where a
    learner stopped that its own time limit ended, so that the trial can be repeated exactly; empty if none did.
    ``calibration`` (`Calibration.to_json`) is what its probabilities go through before they are scored, where the
    metric asks that they mean what they say and it helps.
    """

    number: int
    candidate: str
    config: Config
    origin: Origin
    started: float
    ended: float | None = None
    status: TrialStatus | Literal["running"] = "running"
    value: float | None = None
    fold_scores: tuple[float, ...] = ()
    fit_seconds: float = 0.0
    peak_memory_mb: float | None = None
    reason: str = ""
    records: tuple[Mapping[str, int], ...] = ()
    calibration: Mapping[str, Any] | None = None


NoteKind = Literal["info", "inferred", "warning", "limited", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the user should know about a search.

    ``kind`` is one of: ``inferred`` (a guess about the table), ``warning`` (a reason to distrust the score, such as a
    leak), ``limited`` (fewer rows, folds or members than asked for), ``skipped`` (a candidate or column that was left
    out), ``failed`` (something that did not work), ``info``.
    """

    text: str
    kind: NoteKind = "info"


@dataclass(frozen=True, slots=True)
class SearchInfo:
    """What a search is about: the head of its log, its report and its tracking run.

    ``settings`` are the options in force, as strings, for display. ``what`` says whether it has trials, or is one
    training with its curves. ``resume`` is the command that goes on with it, with its options; where it is empty,
    ``autometa tune --resume`` with the folder does.
    """

    name: str
    dataset_name: str
    dataset_id: str
    task: TaskType
    metric: str
    direction: Direction
    seed: int
    folder: str
    settings: Mapping[str, str] = field(default_factory=dict)
    what: Literal["search", "training"] = "search"
    resume: str = ""
