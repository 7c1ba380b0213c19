"""Every trial in one table."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from autometa.metrics import Metric
from autometa.records import TrialReport


def leaderboard(reports: Sequence[TrialReport], metric: Metric, weights: Mapping[int, float]) -> pd.DataFrame:
    """One row per trial: scored ones first and best first, then the others in order.

    Columns: rank, trial, candidate, score, score_std, status, weight, strategy, dataset, distance, seconds,
    fit_seconds, peak_memory_mb, reason, config.
    """
    ordered = sorted(
        reports,
        key=lambda report: (
            report.status != "complete",
            metric.loss(report.value) if report.status == "complete" and report.value is not None else 0.0,
            report.number,
        ),
    )
    return pd.DataFrame(
        [
            {
                "rank": rank if report.status == "complete" else None,
                "trial": report.number,
                "candidate": report.candidate,
                "score": report.value if report.status == "complete" else None,
                "score_std": float(np.std(report.fold_scores))
                if report.status == "complete" and len(report.fold_scores) > 1
                else None,
                "status": report.status,
                "weight": weights.get(report.number, 0.0),
                "strategy": report.origin.strategy,
                "dataset": report.origin.dataset_name,
                "distance": report.origin.distance,
                "seconds": None if report.ended is None else report.ended - report.started,
                "fit_seconds": report.fit_seconds,
                "peak_memory_mb": report.peak_memory_mb,
                "reason": report.reason,
                "config": json.dumps(report.config),
            }
            for rank, report in enumerate(ordered, start=1)
        ],
        columns=[
            *("rank", "trial", "candidate", "score", "score_std", "status", "weight", "strategy", "dataset"),
            *("distance", "seconds", "fit_seconds", "peak_memory_mb", "reason", "config"),
        ],
    ).astype({"rank": "Int64", "trial": "int64"})


def _spread(report: TrialReport) -> float | None:
    """Standard deviation over the splits; None for a single one."""
    several = report.status == "complete" and len(report.fold_scores) > 1
    return float(np.std(report.fold_scores)) if several else None
