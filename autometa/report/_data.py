"""What a report is made of: plain values that outlive the search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.datasets import TableSchema
from autometa.metrics import Metric
from autometa.records import Note, SearchInfo, TrialReport


@dataclass(frozen=True, slots=True)
class Baseline:
    """A simple model on the same splits.

    ``fold_scores`` are in the metric's natural unit, and ``score`` is their mean; None where it was not evaluated, and
    ``reason`` says why.
    """

    name: str
    score: float | None
    fold_scores: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ColumnImportance:
    """How much worse the best single model becomes when a column is shuffled (permutation importance).

    ``loss`` is the mean increase of the loss over the shuffles, in the metric's unit, larger = more important;
    ``std`` is their standard deviation. Measured on rows that the model was not trained on.
    """

    column: str
    loss: float
    std: float


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """Everything on the page.

    Attributes:
        info: Table, task and settings.
        metric: In its natural unit.
        schema: The columns, with what was inferred about each and why.
        reports: All trials, in order of their numbers.
        weights: The model's members: weight by trial number, largest first.
        score: Mean over the splits of the members' blended out-of-fold predictions.
        honest_score: The same with the ensemble chosen anew for each split; None for a single model.
        fold_scores: The model's score on each split.
        test_score: The saved model's score on a table that was held out by the user; None without one.
        baselines: Majority class or mean, linear model, LightGBM with its defaults, on the same splits.
        y: Target of the rows that were predicted out of fold, shape (n,): class codes, or numbers.
        predictions: The blended out-of-fold predictions of those rows, (n, n_classes) or (n,).
        importances: Of columns, most important first; empty where it was not computed.
        importances_reason: Why there are none, or of which model they are.
        notes: What was inferred, skipped, limited or failed, in the order in which it was said.
        versions: Python's and the libraries'.
        machine: Where the search ran.
        seconds: How long it took.
        created: When it ended, ISO 8601 with zone.
        command: How to run the same search again.
    """

    info: SearchInfo
    metric: Metric
    schema: TableSchema
    reports: tuple[TrialReport, ...]
    weights: Mapping[int, float]
    score: float
    honest_score: float | None
    fold_scores: tuple[float, ...]
    test_score: float | None
    baselines: tuple[Baseline, ...]
    y: npt.NDArray[Any]
    predictions: npt.NDArray[np.float64]
    importances: tuple[ColumnImportance, ...]
    importances_reason: str
    notes: tuple[Note, ...]
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    seconds: float
    created: str
    command: str
