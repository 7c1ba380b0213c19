"""Realistic reports to write pages of, and a reader of the pages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from autometa.datasets import Column, ColumnKind, Label, TableSchema
from autometa.metrics import Metric, resolve
from autometa.records import Config, Note, Origin, SearchInfo, TaskType, TrialReport
from autometa.report import Baseline, ColumnImportance, ReportData

Build = Callable[..., ReportData]
Floats = npt.NDArray[np.float64]

_CANDIDATES = ("lightgbm", "catboost", "random_forest", "logistic_regression", "svm")
_SKILL = {"lightgbm": 0.79, "catboost": 0.795, "random_forest": 0.775, "logistic_regression": 0.765, "svm": 0.72}
_NEIGHBOURS = ("adult", "bank-marketing", "credit-approval", "churn")
_FAILURES: tuple[tuple[Any, str], ...] = (
    ("timeout", "took longer than 12.5 s"),
    ("memory", "needed more than 4,096 MB"),
    ("crash", "the process ended with signal 11"),
    ("invalid", "ValueError: the kernel gave NaN"),
)


@pytest.fixture
def build() -> Build:
    """Makes a report; every field that is not given is made up, from a fixed seed."""
    return build_report


def build_report(
    task: TaskType = "binary",
    *,
    n_trials: int = 60,
    n_rows: int = 1000,
    n_columns: int = 12,
    n_classes: int = 2,
    metric: str | None = None,
    n_warm: int = 20,
    name: str = "credit-g",
    **changes: Any,
) -> ReportData:
    """See `build`; ``changes`` are fields of `ReportData`, as they are."""
    rng = np.random.default_rng(0)
    resolved = resolve(metric, task)
    to_unit = _unit(resolved.name)
    n_classes = {"binary": 2, "multiclass": max(3, n_classes), "regression": 0}[task]
    y, predictions = _predictions(rng, task, n_rows, n_classes)
    reports = _reports(rng, n_trials, n_warm, to_unit)
    finished = [report for report in reports if report.status == "complete" and report.value is not None]
    finished.sort(key=lambda report: resolved.loss(report.value or 0.0))
    fields: dict[str, Any] = {
        "info": _info(name, task, resolved),
        "metric": resolved,
        "schema": _schema(task, n_columns, n_classes),
        "reports": tuple(reports),
        "weights": dict(zip([report.number for report in finished[:4]], (0.48, 0.28, 0.16, 0.08), strict=False)),
        "score": to_unit(0.8012),
        "honest_score": to_unit(0.7961),
        "fold_scores": tuple(to_unit(value) for value in (0.782, 0.811, 0.795, 0.823, 0.795)),
        "test_score": to_unit(0.7894),
        "baselines": _baselines(to_unit),
        "y": y,
        "predictions": predictions,
        "importances": _importances(rng, n_columns),
    }
    return ReportData(**(_CIRCUMSTANCES | fields | changes))


def _info(name: str, task: TaskType, metric: Metric) -> SearchInfo:
    return SearchInfo(
        name=f"{name}-2026-11-23",
        dataset_name=name,
        dataset_id="sha256:0f3a",
        task=task,
        metric=metric.name,
        direction=metric.direction,
        seed=7,
        folder="/home/ann/autometa_runs/credit-g 1",
        settings={"time limit": "60 s", "trials": "none", "jobs": "2", "folds": "5", "warm start": "auto"},
    )


def _unit(metric: str) -> Callable[[float], float]:
    """From a skill between 0 and 1 to the metric's unit."""
    units: dict[str, Callable[[float], float]] = {
        "log_loss": lambda skill: 1.6 * (1 - skill),
        "rmse": lambda skill: 2000 * (1 - skill),
    }
    return units.get(metric, lambda skill: skill)


def _predictions(rng: np.random.Generator, task: TaskType, n: int, n_classes: int) -> tuple[npt.NDArray[Any], Floats]:
    if task == "regression":
        actual = rng.gamma(4.0, 900.0, n)
        return actual, actual + rng.normal(0.0, 120.0 + 0.06 * actual)
    shares = rng.dirichlet(np.full(n_classes, 4.0)) if n_classes > 2 else np.array([0.7, 0.3])
    y = rng.choice(n_classes, size=n, p=shares)
    y[:n_classes] = np.arange(min(n, n_classes))
    scores = rng.normal(0.0, 1.0, (n, n_classes)) + 1.6 * np.eye(n_classes)[y]
    raised = np.exp(scores)
    return y, raised / raised.sum(axis=1, keepdims=True)


def _reports(
    rng: np.random.Generator, n_trials: int, n_warm: int, to_unit: Callable[[float], float]
) -> list[TrialReport]:
    reports = []
    clock = 1.5
    for number in range(n_trials):
        candidate = _CANDIDATES[int(rng.integers(len(_CANDIDATES)))] if number >= 5 else _CANDIDATES[number]
        config = _config(rng, candidate)
        skill = _SKILL[candidate] + 0.008 * float(rng.normal()) - 0.01 - _miss(candidate, config)
        took = float(rng.gamma(2.0, 0.5))
        folds = tuple(to_unit(skill + 0.015 * float(rng.normal())) for _ in range(5))
        report = TrialReport(
            number=number,
            candidate=candidate,
            config=config,
            origin=_origin(number, n_warm),
            started=clock,
            ended=clock + took,
            status="complete",
            value=float(np.mean(folds)),
            fold_scores=folds,
            fit_seconds=0.9 * took,
            peak_memory_mb=float(rng.gamma(4.0, 90.0)),
        )
        reports.append(_troubled(report, rng))
        clock += took / 2
    return reports


def _config(rng: np.random.Generator, candidate: str) -> Config:
    config: Config = {"candidate": candidate}
    if candidate == "svm":
        kernel = str(rng.choice(["rbf", "poly"]))
        config |= {"svm.C": float(10 ** rng.uniform(-2, 3)), "svm.kernel": kernel}
        if kernel == "poly":
            config["svm.degree"] = int(rng.integers(2, 6))
        return config
    config[f"{candidate}.learning_rate"] = float(10 ** rng.uniform(-2.3, -0.3))
    config[f"{candidate}.n_estimators"] = int(10 ** rng.uniform(1.3, 3.3))
    config[f"{candidate}.num_leaves"] = int(rng.integers(3, 200))
    config[f"{candidate}.class_weight"] = [None, "balanced"][int(rng.integers(2))]
    config[f"{candidate}.extra_trees"] = bool(rng.integers(2))
    config[f"{candidate}.max_depth"] = 6
    return config


def _miss(candidate: str, config: Config) -> float:
    """What a bad learning rate costs."""
    rate = config.get(f"{candidate}.learning_rate")
    return 0.03 * (math.log10(rate) + 1.3) ** 2 if isinstance(rate, float) else 0.0


def _origin(number: int, n_warm: int) -> Origin:
    if number < 5:
        return Origin("default", reason="the default of a candidate")
    if number < 5 + n_warm:
        neighbour = number % len(_NEIGHBOURS)
        return Origin(
            "nearest_datasets",
            rank=number - 4,
            dataset_id=f"openml:{1590 + neighbour}",
            dataset_name=_NEIGHBOURS[neighbour],
            distance=0.11 + 0.07 * neighbour,
            reason="best of 212 runs there",
            projected=number % 7 == 0,
        )
    return Origin("sampler", reason="multivariate TPE")


def _troubled(report: TrialReport, rng: np.random.Generator) -> TrialReport:
    from dataclasses import replace

    if report.number < 5:
        return report
    chance = float(rng.random())
    if chance < 0.12:
        return replace(report, status="pruned", fold_scores=report.fold_scores[:2], reason="pruned after 2 of 5 folds")
    if chance < 0.20:
        status, reason = _FAILURES[report.number % len(_FAILURES)]
        return replace(report, status=status, value=None, fold_scores=(), reason=reason, peak_memory_mb=None)
    return report


def _baselines(to_unit: Callable[[float], float]) -> tuple[Baseline, ...]:
    def one(name: str, values: Sequence[float]) -> Baseline:
        folds = tuple(map(to_unit, values))
        return Baseline(name, float(np.mean(folds)), folds)

    return (
        one("Majority class", (0.5, 0.5, 0.5, 0.5, 0.5)),
        one("Linear model", (0.742, 0.771, 0.768, 0.79, 0.75)),
        one("LightGBM, defaults", (0.752, 0.788, 0.77, 0.794, 0.761)),
    )


def _schema(task: TaskType, n_columns: int, n_classes: int) -> TableSchema:
    kinds: tuple[tuple[ColumnKind, str], ...] = (
        ("numeric", "numbers with fractions"),
        ("categorical", "5 different words"),
        ("numeric", "whole numbers"),
        ("datetime", "dates written year first"),
        ("identifier", "whole numbers, distinct in every row, and named like a key"),
        ("constant", "only 'EUR'"),
    )
    columns = tuple(Column(f"column_{i}", *kinds[i % len(kinds)]) for i in range(n_columns))
    classes: tuple[Label, ...] = tuple(f"class {k}" for k in range(n_classes))
    if n_classes == 2:
        classes = ("good", "bad")
    return TableSchema(columns, "class" if classes else "price", "named class", task, "two values", classes)


def _importances(rng: np.random.Generator, n_columns: int) -> tuple[ColumnImportance, ...]:
    losses = np.sort(rng.gamma(0.6, 0.02, n_columns))[::-1] - 0.002
    return tuple(ColumnImportance(f"column_{i}", float(loss), 0.003) for i, loss in enumerate(losses))


_NOTES = (
    Note("Target class: a column of that name.", "inferred"),
    Note("column_4 looks like an identifier and is not learned from.", "skipped"),
    Note("column_0 alone predicts the target almost perfectly (AUC 0.993): is it known before the outcome?", "warning"),
    Note("Searched a sample of 10,000 of 120,000 rows.", "limited"),
    Note("xgboost is not installed.", "skipped"),
    Note("trial 17 (svm) could not be refitted: took longer than 12.5 s", "failed"),
    Note("The table is in the knowledge base already and does not advise itself.", "info"),
)


_CIRCUMSTANCES: dict[str, Any] = {
    "importances_reason": "of trial 31 (catboost)",
    "notes": _NOTES,
    "versions": {"python": "3.11.9", "autometa": "0.1.0", "scikit-learn": "1.9.1", "lightgbm": "4.6.0"},
    "machine": {"system": "Linux 6.8", "processor": "x86_64", "cores": "2", "memory": "16 GB"},
    "seconds": 61.3,
    "created": "2026-11-23T02:20:56+00:00",
    "command": "autometa tune credit-g.csv --target class --time-limit 60 --seed 7",
}


@dataclass
class Page(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text."""

    text: str = ""
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    blocks: list[tuple[str, str]] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    _VOID = frozenset({"meta", "input", "br"})

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self.blocks.append((tag, ""))
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.strays.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("script", "style"):
            tag, text = self.blocks[-1]
            self.blocks[-1] = (tag, text + data)
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def charts(self) -> dict[str, Any]:
        """The charts' figures."""
        import json

        i = [attributes.get("type") for name, attributes in self.elements if name in ("script", "style")].index(
            "application/json"
        )
        return dict(json.loads(self.blocks[i][1]))


@pytest.fixture
def read() -> Callable[[str], Page]:
    """Parses a page."""

    def parse(html: str) -> Page:
        page = Page()
        page.feed(html)
        page.close()
        return page

    return parse
