"""The lines between a search and its writer process: one JSON object each."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from autometa.records import Origin, SearchInfo, TrialReport


@dataclass(frozen=True, slots=True)
class Start:
    """The first line: the store, and the search that begins there.

    ``sent`` is the time since the epoch in seconds, here and below.
    """

    uri: str
    artifacts: str | None
    experiment: str
    info: SearchInfo
    resume_run_id: str | None
    sent: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial began or ended."""

    report: TrialReport
    sent: float


@dataclass(frozen=True, slots=True)
class Point:
    """Numbers at a step of what the search itself does."""

    step: int
    values: Mapping[str, float]
    sent: float


@dataclass(frozen=True, slots=True)
class Finish:
    """The search has a result."""

    summary: Mapping[str, float | str]
    artifacts: Sequence[str]
    sent: float


Message = Start | Trial | Point | Finish


def encode(message: Message) -> bytes:
    """One line. NaN and infinities are kept as Python writes them; unknown values become text."""
    line = {"kind": type(message).__name__, **_shallow(message)}
    return json.dumps(line, default=_plain, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line.

    Raises:
        ValueError: The line is cut off or not ours.
    """
    body = json.loads(line)
    match body.pop("kind"):
        case "Start":
            return Start(**{**body, "info": SearchInfo(**body["info"])})
        case "Trial":
            return Trial(_report(body["report"]), body["sent"])
        case "Point":
            return Point(**body)
        case "Finish":
            return Finish(**body)
        case kind:
            raise ValueError(f"Unknown kind of message {kind!r}.")


def now() -> float:
    """The ``sent`` of a message."""
    return time.time()


def _report(body: dict[str, Any]) -> TrialReport:
    tuples = {name: tuple(body[name]) for name in ("fold_scores", "records")}
    return TrialReport(**{**body, "origin": Origin(**body["origin"]), **tuples})


def _plain(value: object) -> object:
    """What ``json`` cannot write: our own records, mappings, NumPy's scalars; anything else as text."""
    if isinstance(value, SearchInfo | TrialReport | Origin):
        return _shallow(value)
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else str(value)


def _shallow(record: Message | SearchInfo | TrialReport | Origin) -> dict[str, object]:
    return {field.name: getattr(record, field.name) for field in fields(record)}
