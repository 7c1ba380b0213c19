"""Gathers what a report needs from a search's folder, at its end or long after."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.calibration import Calibration
from autometa.datasets import Dataset
from autometa.errors import ResumeError
from autometa.metrics import Metric, stored
from autometa.records import Note, SearchInfo, TrialReport
from autometa.report import Baseline, ColumnImportance, ReportData, write_report
from autometa.search import _study
from autometa.search._finish import blend
from autometa.search._folder import SearchFolder
from autometa.search._kept import read_search
from autometa.search._plan import CHOICE, Plan
from autometa.search._splits import Splits
from autometa.spaces import SearchSpace

_BASELINE_NAMES = {
    "logistic_regression": "linear (logistic regression, defaults)",
    "ridge": "linear (ridge, defaults)",
    "lightgbm": "LightGBM, defaults",
}


def write(
    folder: SearchFolder,
    state: Mapping[str, Any],
    dataset: Dataset,
    plan: Plan,
    reports: Sequence[TrialReport],
    metric: Metric,
) -> None:
    """Write the page of a search that has a result; the arguments are those of `collect`."""
    write_report(folder.report, collect(folder, state, dataset, plan, reports, metric))


def collect(
    folder: SearchFolder,
    state: Mapping[str, Any],
    dataset: Dataset,
    plan: Plan,
    reports: Sequence[TrialReport],
    metric: Metric,
) -> ReportData:
    """What the report shows of a search that has a result.

    Args:
        folder: Of the search.
        state: Its state file, with the result in it.
        dataset: The table.
        plan: How the trials were judged.
        reports: All trials.
        metric: Of the search.
    """
    result = state["result"]
    finished = result["finished"]
    weights = {int(number): float(weight) for number, weight in finished["weights"].items()}
    predictions, calibrated = blend(folder, weights), finished.get("calibration")
    return ReportData(
        info=SearchInfo(**result["info"]),
        metric=metric,
        schema=dataset.schema,
        reports=tuple(reports),
        weights=weights,
        score=finished["score"],
        honest_score=finished["honest_score"],
        fold_scores=tuple(finished["fold_scores"]),
        test_score=finished["test_score"],
        baselines=(_constant(dataset, plan.splits, metric), *_learners(reports, plan.space)),
        y=dataset.y.to_numpy()[plan.splits.rows],
        predictions=predictions if calibrated is None else Calibration.from_json(calibrated).apply(predictions),
        importances=_importances(folder),
        importances_reason=result["importances_reason"],
        notes=tuple(Note(**note) for note in state["notes"]),
        versions=state["versions"],
        machine=state["machine"],
        seconds=result["seconds"],
        created=result["created"],
        command=result["command"],
    )


def _constant(dataset: Dataset, splits: Splits, metric: Metric) -> Baseline:
    """Always the shares of the classes, or the mean, of the rows that were trained on."""
    y = dataset.y.to_numpy()
    weights = None if dataset.weights is None else dataset.weights.to_numpy()
    scores = []
    for train, test in splits.pairs:
        counted = None if weights is None else weights[train]
        values = _same_for_all(y[train], counted, dataset.n_classes, len(test))
        held_out = None if weights is None else weights[test]
        scores.append(metric.score(stored(values, dataset.task), y[test], held_out))
    name = "majority class" if dataset.n_classes else "mean of the target"
    return Baseline(name, float(np.mean(scores)), tuple(scores))


def _same_for_all(
    y: npt.NDArray[Any], weights: npt.NDArray[np.float64] | None, n_classes: int, n_rows: int
) -> npt.NDArray[np.float64]:
    if not n_classes:
        return np.full(n_rows, np.average(y, weights=weights))
    shares = np.bincount(y, weights, minlength=n_classes)
    return np.tile(shares / shares.sum(), (n_rows, 1))


def _learners(reports: Sequence[TrialReport], space: SearchSpace) -> list[Baseline]:
    """The linear model's and LightGBM's default configurations, where the search tried them."""
    found = []
    by_key = {space.key(report.config): report for report in reports if report.status == "complete"}
    wanted = {str(item.config[CHOICE]): space.key(item.config) for item in _study.baselines(space, CHOICE)}
    linear: list[str] = [name for name in ("logistic_regression", "ridge") if name in wanted] or ["linear"]
    for name in (*linear, "lightgbm"):
        report = by_key.get(wanted.get(name, ""))
        title = _BASELINE_NAMES.get(name, "linear")
        if report is not None:
            found.append(Baseline(title, report.value, report.fold_scores))
        else:
            reason = "the search ended before it was tried" if name in wanted else "not among the candidates"
            found.append(Baseline(title, None, reason=reason))
    return found


def _importances(folder: SearchFolder) -> tuple[ColumnImportance, ...]:
    if not folder.importances.is_file():
        return ()
    found = [ColumnImportance(**item) for item in json.loads(folder.importances.read_text(encoding="utf-8"))]
    return tuple(sorted(found, key=lambda item: -item.loss))


def rewrite(path: Path) -> Path:
    """Write the report of a finished search anew, as `autometa report` does.

    Returns:
        The page.

    Raises:
        ResumeError: There is no search in the folder, it is running, or it has no result.
    """
    search = read_search(path)
    try:
        if "result" not in search.state:
            raise ResumeError(f"The search in {path} has no result yet. Finish it with: autometa tune --resume {path}")
        write(search.folder, search.state, search.dataset, search.plan, search.reports, search.metric)
        return search.folder.report
    finally:
        search.folder.close()
