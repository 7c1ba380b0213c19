"""A search in words, as MLflow shows it on the page of its run.

MLflow folds what is longer than a few lines, and what is folded cannot be clicked: the links come first.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from autometa.records import SearchInfo
from autometa.tracking import _view

NOTE = "mlflow.note.content"
_REPORT = "report.html"
_TASKS = {"binary": "binary classification", "multiclass": "classification", "regression": "regression"}


def running(info: SearchInfo, *, experiment_id: str, run_id: str) -> str:
    """What is said while a search runs, and after one that was killed."""
    links = " ".join(_trials_link(info, experiment_id, run_id))
    return f"A {info.what} on {_about(info)} that runs, or was interrupted. {links}\n\n{_way_back(info)}"


def finished(
    info: SearchInfo,
    summary: Mapping[str, float | str],
    artifacts: Sequence[str],
    *,
    experiment_id: str,
    run_id: str,
) -> str:
    """What is said of a search that has a result."""
    score = summary.get("score")
    found = f"{info.metric} {score:.5g}" if isinstance(score, int | float) else "Finished"
    links = _trials_link(info, experiment_id, run_id)
    if _REPORT in (Path(path).name for path in artifacts):
        links.insert(0, _link("Report", _view.artifact_page(experiment_id, run_id, _REPORT)))
    return f"**{_escape(found)}** on {_about(info)}. {' · '.join(links)}\n\n{_way_back(info)}"


def _trials_link(info: SearchInfo, experiment_id: str, run_id: str) -> list[str]:
    """A training has no trials."""
    if info.what == "training":
        return []
    page = _view.leaderboard_page(experiment_id, run_id, ascending=info.direction == "minimize")
    return [_link("Trials, best first", page)]


def _about(info: SearchInfo) -> str:
    if info.what == "training":
        return _escape(info.dataset_name)
    return f"{_escape(info.dataset_name or 'a table')} ({_TASKS[info.task]})"


def _way_back(info: SearchInfo) -> str:
    if info.resume:
        return f"Go on with it, options as they were: {_code(info.resume)}"
    return f"Go on with it: {_code(f'autometa tune --resume {shlex.quote(info.folder)} --time-limit SECONDS')}"


def _link(text: str, target: str) -> str:
    return f"[{text}]({target})"


def _code(text: str) -> str:
    """As it is, in a frame that no backtick inside it can close."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"


def _escape(text: str) -> str:
    """As it is, whatever Markdown or HTML would make of it."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~])", r"\\\1", " ".join(text.split()))
