"""What several sections need to know of a search."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from autometa.records import TrialReport
from autometa.report._charts import Chart
from autometa.report._data import ReportData
from autometa.report._format import ScoreFormat
from autometa.report._html import Html, markup

GROUPS = {"warm": "Warm start", "default": "Default", "sampler": "Sampler"}
COLOURS = {"warm": "@warm", "default": "@default", "sampler": "@sampler"}
SYMBOLS = {"warm": "diamond", "default": "square", "sampler": "circle"}


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page; ``name`` is its anchor, ``short`` its entry in the table of contents."""

    name: str
    title: str
    body: Html
    charts: tuple[Chart, ...] = ()
    short: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A report's data with its finished trials, best first, and the way its scores are written."""

    data: ReportData
    score: ScoreFormat = field(init=False)
    finished: tuple[TrialReport, ...] = field(init=False)

    def __post_init__(self) -> None:
        finished = [report for report in self.data.reports if is_finished(report)]
        finished.sort(key=lambda report: (self.data.metric.loss(value_of(report)), report.number))
        object.__setattr__(self, "finished", tuple(finished))
        object.__setattr__(self, "score", ScoreFormat.for_data(self.data))

    @property
    def maximize(self) -> bool:
        """Whether greater scores are better."""
        return self.data.metric.direction == "maximize"

    @property
    def expected(self) -> float:
        """The score to compare with: the honest one where there is one."""
        return self.data.score if self.data.honest_score is None else self.data.honest_score

    def lead(self, a: float, b: float) -> float:
        """By how much ``a`` is better than ``b``; negative where it is worse."""
        return self.data.metric.loss(b) - self.data.metric.loss(a)

    def best(self, values: Sequence[float]) -> float:
        """The best of some scores."""
        return max(values) if self.maximize else min(values)


def is_finished(report: TrialReport) -> bool:
    """Whether a trial has a score on all folds."""
    return report.status == "complete" and report.value is not None and math.isfinite(report.value)


def value_of(report: TrialReport) -> float:
    """A trial's score; NaN where it has none. A pruned trial's is the mean of the folds that it saw."""
    return math.nan if report.value is None else report.value


def trial_link(number: int) -> Html:
    """A trial's number, leading to its row in the leaderboard."""
    return markup('<a href="#trial-{}">#{}</a>', number, number)
