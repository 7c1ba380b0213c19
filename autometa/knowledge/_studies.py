"""Optuna studies that other code has made, as runs of a knowledge base."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from autometa.errors import OptionError
from autometa.knowledge._study_runs import (
    CUT_OFF,
    SOURCE,
    Findings,
    Measurement,
    StudyReport,
    choose_space,
    judge_metric,
    store,
)
from autometa.records import Direction, MetaFeatures, TrialStatus
from autometa.spaces import SearchSpace

if TYPE_CHECKING:
    import optuna

    from autometa.datasets import Dataset
    from autometa.knowledge._knowledge_base import KnowledgeBase

OWN_REPORT, OWN_ORIGIN = "autometa.report", "autometa.origin"  # what a search of autometa writes at its trials
_MOST_POINTS = 10


def add_study(
    kb: "KnowledgeBase",
    study: "optuna.Study",
    dataset: "Dataset",
    *,
    space: str | SearchSpace | None = None,
    metric: str | None = None,
    objective: int | None = None,
    source: str = SOURCE,
    meta_features: MetaFeatures | None = None,
) -> StudyReport:
    """See `KnowledgeBase.add_study`."""
    index = _objective(study, objective)
    direction: Direction = "maximize" if study.directions[index].name == "MAXIMIZE" else "minimize"
    scale = judge_metric(metric or _recorded_metric(study, index), direction, dataset.task)
    trials = study.get_trials(deepcopy=False)
    own = any(OWN_ORIGIN in trial.user_attrs or OWN_REPORT in trial.user_attrs for trial in trials)
    chosen = choose_space(space, study.study_name, own=own, task=dataset.task)
    findings = _read(study.study_name, trials, index)
    return store(kb, dataset, findings, space=chosen, scale=scale, source=source, meta_features=meta_features)


def _objective(study: "optuna.Study", objective: int | None) -> int:
    n_values = len(study.directions)
    if objective is None and n_values > 1:
        names = f" ({', '.join(study.metric_names)})" if study.metric_names else ""
        raise OptionError(
            f"Study {study.study_name!r} has {n_values} objectives{names}. Say which of them is the metric with "
            f"objective=0 to {n_values - 1}."
        )
    index = objective or 0
    if not 0 <= index < n_values:
        raise OptionError(f"objective must be from 0 to {n_values - 1}, as study {study.study_name!r} has {n_values}.")
    return index


def _recorded_metric(study: "optuna.Study", index: int) -> str:
    if study.metric_names is None:
        raise OptionError(
            f"Study {study.study_name!r} does not say what its values are. Give the metric, such as 'roc_auc' or "
            "'rmse', or a name of your own."
        )
    return str(study.metric_names[index])


def _read(name: str, trials: "Sequence[optuna.trial.FrozenTrial]", index: int) -> Findings:
    shares = step_shares(trial for trial in trials if trial.state.name == "COMPLETE")
    stored = _stored_steps(shares)
    measurements, skipped = [], Counter[str]()
    for trial in trials:
        found = _measurement(trial, index, shares)
        if isinstance(found, str):
            skipped[found] += 1
        else:
            measurements.append(replace(found, curve=_curve(trial, shares, stored)))
    return Findings(name, len(trials), measurements, dict(skipped.most_common()))


def step_shares(complete: "Iterable[optuna.trial.FrozenTrial]") -> Mapping[int, float]:
    """Which share of an evaluation a step is; empty where the steps do not tell.

    They tell where all complete trials reported at the same ones, which begin above 0, and then are what was spent, or
    at 0 with equal distances, and then count what was spent before.
    """
    reported = {tuple(sorted(trial.intermediate_values)) for trial in complete}
    steps = next(iter(reported), ())
    if len(reported) != 1 or not steps or steps[0] < 0:
        return {}
    distances = {later - earlier for earlier, later in pairwise(steps)}
    if steps[0] == 0 and len(distances) != 1:
        return {}
    ahead = distances.pop() if steps[0] == 0 else 0
    return {step: (step + ahead) / (steps[-1] + ahead) for step in steps}


def _stored_steps(shares: Mapping[int, float]) -> frozenset[int]:
    """The steps of a learning curve that a base keeps: at most ten before its end, their shares as a geometric row."""
    before = np.array([step for step, share in shares.items() if share < 1], dtype=np.int64)
    if len(before) <= _MOST_POINTS:
        return frozenset(before.tolist())
    known = np.log([shares[step] for step in before.tolist()])
    wanted = np.linspace(known[0], known[-1], _MOST_POINTS)
    return frozenset(before[np.abs(known[:, None] - wanted).argmin(axis=0)].tolist())


def _curve(
    trial: "optuna.trial.FrozenTrial", shares: Mapping[int, float], stored: frozenset[int]
) -> tuple[tuple[float, float], ...]:
    """Shares and values of the steps that are stored, up to the one at which the trial ended.

    Trials of autometa's own searches have none: what they report on their way are means over fewer folds.
    """
    if trial.state.name not in ("COMPLETE", "PRUNED") or OWN_REPORT in trial.user_attrs:
        return ()
    reported = trial.intermediate_values
    end = max(reported, default=0) if trial.state.name == "PRUNED" else math.inf
    steps = sorted(step for step in stored & reported.keys() if step < end and math.isfinite(reported[step]))
    return tuple((shares[step], reported[step]) for step in steps)


def _measurement(trial: "optuna.trial.FrozenTrial", index: int, shares: Mapping[int, float]) -> Measurement | str:
    """What a trial says, or why it says nothing."""
    state, report = trial.state.name, trial.user_attrs.get(OWN_REPORT)
    if state in ("RUNNING", "WAITING"):
        return state.lower()
    if not trial.params:
        return "without parameters"
    status: TrialStatus = "complete" if state == "COMPLETE" else "pruned"
    value, fidelity = math.nan, 1.0
    if state == "COMPLETE":
        value = (trial.values or [math.nan])[index]
    elif state == "PRUNED":
        step = trial.last_step
        if step is None or step not in shares:
            return "pruned, at a step that tells no share of an evaluation"
        value, fidelity = trial.intermediate_values[step], shares[step]
    elif report is not None and report["status"] in CUT_OFF:
        status = report["status"]
    else:
        return "failed, by the configuration or by an interruption"
    if status in ("complete", "pruned") and not math.isfinite(value):
        return f"the value is {value}"
    seconds = report["fit_seconds"] if report is not None else _seconds(trial)
    when = trial.datetime_complete
    created = None if when is None else when.astimezone(UTC)  # Optuna's times are local, and do not say so
    return Measurement(_typed(trial), value, status, fidelity, seconds, created)


def _seconds(trial: "optuna.trial.FrozenTrial") -> float | None:
    """How long it took; a trial that was brought in whole begins as it ends."""
    seconds = 0.0 if trial.duration is None else trial.duration.total_seconds()
    return seconds if seconds > 0 else None


def _typed(trial: "optuna.trial.FrozenTrial") -> dict[str, object]:
    """Parameters in the types of their distributions: one that was enqueued may be 1 where 1.0 is meant."""
    from optuna.distributions import FloatDistribution, IntDistribution

    config: dict[str, object] = {}
    for name, value in trial.params.items():
        distribution = trial.distributions[name]
        if isinstance(distribution, FloatDistribution):
            value = float(value)
        elif isinstance(distribution, IntDistribution):
            value = int(value)
        config[name] = value
    return config
