"""Whether a warm start helped, judged by the search's own trials."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from autometa.metrics import Metric
from autometa.records import TrialReport

Floats = npt.NDArray[np.float64]
Verdict = Literal["helped", "hurt", "made no difference", "cannot be judged"]

COLD = ("baseline", "default")
_NEITHER = ("sampler", "suited")
_SURE = 2.0  # standard errors
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class WarmStartEffect:
    """What the warm start brought.

    Attributes:
        verdict: In words.
        lead: By how much the warm start was better, in the metric's unit; negative where it was worse; NaN where it
            cannot be judged.
        error: Standard error of the lead over the splits; NaN with fewer than three.
        warm: Expected best of ``n_compared`` warm-started trials.
        cold: The same of the candidates' defaults.
        n_compared: How many of each are compared.
    """

    verdict: Verdict
    lead: float = math.nan
    error: float = math.nan
    warm: float = math.nan
    cold: float = math.nan
    n_compared: int = 0

    def sentence(self, metric: str) -> str:
        """For people."""
        if self.verdict == "cannot be judged":
            return "Whether the warm start helped cannot be judged: no warm-started trial or no default has finished."
        by = "" if self.verdict == "made no difference" else f" by {abs(self.lead):.3g}"
        noise = "" if math.isnan(self.error) else f", standard error of the difference {self.error:.2g}"
        trials = "one trial" if self.n_compared == 1 else f"{self.n_compared} trials"
        return (
            f"The warm start {self.verdict}{by}: the best of {trials} from other datasets has {metric} "
            f"{self.warm:.5g}, the best of as many defaults {self.cold:.5g}{noise}."
        )


def warm_start_effect(reports: Sequence[TrialReport], metric: Metric) -> WarmStartEffect:
    """Compare what other datasets suggested with what a search without them would begin with: candidates' defaults.

    Both groups were evaluated in the same search on the same splits. Of the larger group counts what the best of as
    many trials as the smaller has would be on average. Sure is what is more than two standard errors over the splits;
    trials of the sampler, which learned from both, take no part, and neither do candidates that were tried first
    because of what the table is like, with or without a warm start.

    Args:
        reports: All trials of a search.
        metric: What it optimized.
    """
    done = [report for report in reports if report.status == "complete" and report.value is not None]
    n_splits = max((len(report.fold_scores) for report in done), default=0)
    done = [report for report in done if len(report.fold_scores) == n_splits]
    cold = [report for report in done if report.origin.strategy in COLD]
    warm = [report for report in done if report.origin.strategy not in (*COLD, *_NEITHER)]
    k = min(len(warm), len(cold))
    if not k:
        return WarmStartEffect("cannot be judged")
    first, other = (_best_of(group, k, metric) for group in (warm, cold))
    sign = 1.0 if metric.direction == "maximize" else -1.0
    leads = sign * (first - other)
    lead = float(leads.mean())
    error = float(leads.std(ddof=1) / math.sqrt(n_splits)) if n_splits >= 3 else math.nan
    noise = max(_ROUNDING * abs(float(other.mean())), 0.0 if math.isnan(error) else _SURE * error)
    verdict: Verdict = "made no difference" if abs(lead) <= noise else "helped" if lead > 0 else "hurt"
    return WarmStartEffect(verdict, lead, error, float(first.mean()), float(other.mean()), k)


def _best_of(group: Sequence[TrialReport], k: int, metric: Metric) -> Floats:
    """Scores on each split of the best of ``k`` trials drawn from the group, on average over all such draws."""
    ordered = sorted(group, key=lambda report: metric.loss(report.value or 0.0))
    n = len(ordered)
    shares = np.array([math.comb(n - 1 - i, k - 1) / math.comb(n, k) for i in range(n)])
    return np.asarray(shares @ np.array([report.fold_scores for report in ordered]))
