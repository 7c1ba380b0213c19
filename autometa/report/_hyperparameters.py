"""Which hyperparameters mattered, through Optuna's functional ANOVA on each candidate's own trials.

Hutter, Hoos, Leyton-Brown (2014), An efficient approach for assessing hyperparameter importance, ICML.
The space is conditional: a candidate's hyperparameters exist only in its own trials, so each candidate is a study of
its own here. The trials' ranks are explained rather than their scores, so that one failed fit does not outweigh the
others.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from autometa.records import ConfigValue, TrialReport
from autometa.report._statistics import midranks
from autometa.report._view import value_of

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

MIN_TRIALS = 8
_MOST_TRIALS = 100
_TREES = 16
_LOG_SPAN = 50.0  # a positive range as wide as this is taken for one on a logarithmic scale
_LARGEST = 2**53

Numbers = int | float


@dataclass(frozen=True, slots=True)
class Importance:
    """Of one candidate's hyperparameters.

    ``shares`` add up to 1, largest first; empty where ``reason`` says why. ``partly`` are those that only some of the
    trials have, ``fixed`` those that had one value.
    """

    candidate: str
    n_trials: int
    shares: Mapping[str, float]
    partly: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    reason: str = ""


def importances(finished: Sequence[TrialReport], *, seconds: float = 0.6) -> list[Importance]:
    """Of every candidate in these finished trials, the one with most trials first.

    Args:
        finished: Trials with a finite value, best first.
        seconds: Candidates are left out, and say so, once this time is over.
    """
    trials: dict[str, list[TrialReport]] = {}
    for report in finished:
        trials.setdefault(report.candidate, []).append(report)
    import optuna.importance  # noqa: F401 - its time, where the search has not taken it yet, is not the trials'

    deadline = time.monotonic() + seconds
    found = []
    for candidate, own in sorted(trials.items(), key=lambda item: (-len(item[1]), item[0])):
        late = time.monotonic() > deadline
        found.append(_without(candidate, own, "no time") if late else _importance(candidate, own))
    return found


def _without(candidate: str, own: Sequence[TrialReport], reason: str) -> Importance:
    return Importance(candidate, len(own), {}, reason=reason)


def _importance(candidate: str, own: Sequence[TrialReport]) -> Importance:
    if len(own) < MIN_TRIALS:
        return _without(candidate, own, f"fewer than {MIN_TRIALS} finished trials")
    if len({value_of(report) for report in own}) == 1:
        return _without(candidate, own, "all trials have the same score")
    kept = own[:: -(-len(own) // _MOST_TRIALS)]
    values = _columns(candidate, kept)
    partly = tuple(name for name, column in values.items() if len(column) < len(kept))
    whole = {name: column for name, column in values.items() if len(column) == len(kept)}
    fixed = tuple(name for name, column in whole.items() if len({(type(v), v) for v in column}) == 1)
    varied = {name: column for name, column in whole.items() if name not in fixed}
    if not varied:
        return Importance(candidate, len(own), {}, partly, fixed, "no hyperparameter that all its trials share varied")
    if len(varied) == 1:
        return Importance(candidate, len(own), dict.fromkeys(varied, 1.0), partly, fixed)
    shares = _anova(varied, midranks(np.array([value_of(report) for report in kept])).tolist())
    if shares is None:
        return Importance(candidate, len(own), {}, partly, fixed, "the scores do not depend on any hyperparameter")
    return Importance(candidate, len(own), shares, partly, fixed)


def _columns(candidate: str, own: Sequence[TrialReport]) -> dict[str, list[ConfigValue]]:
    """Values by hyperparameter, in the order of the trials that have it."""
    values: dict[str, list[ConfigValue]] = {}
    for report in own:
        for key, value in report.config.items():
            if key != "candidate":
                values.setdefault(key.removeprefix(f"{candidate}."), []).append(value)
    return values


def _anova(varied: Mapping[str, list[ConfigValue]], scores: Sequence[float]) -> dict[str, float] | None:
    import optuna

    distributions: dict[str, BaseDistribution] = {}
    columns: dict[str, list[ConfigValue]] = {}
    for name, column in varied.items():
        distributions[name], columns[name] = _distribution(column)
    trials = [
        optuna.trial.create_trial(
            params={name: column[i] for name, column in columns.items()}, distributions=distributions, value=score
        )
        for i, score in enumerate(scores)
    ]
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce the study
    try:
        study = optuna.create_study()
        study.add_trials(trials)
        evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    finally:
        optuna.logging.set_verbosity(verbosity)
    plain = {name: float(shares[name]) for name in sorted(shares, key=lambda name: (-shares[name], name))}
    # Optuna gives equal shares where nothing is explained.
    return plain if all(map(math.isfinite, plain.values())) and len(set(plain.values())) > 1 else None


def _distribution(column: Sequence[ConfigValue]) -> "tuple[BaseDistribution, list[ConfigValue]]":
    """The range that the trials covered, as a distribution, and the column as that takes it.

    Logarithms are taken here: the evaluator reads every range as a linear one, where most of a wide one is at its end.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    plain = [value for value in column if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(plain) < len(column) or not all(math.isfinite(v) and abs(v) < _LARGEST for v in plain):
        words = [str(value) for value in column]
        return CategoricalDistribution(sorted(set(words))), list(words)
    log = min(plain) > 0 and max(plain) / min(plain) >= _LOG_SPAN
    values = [math.log(value) if log else float(value) for value in plain]
    return FloatDistribution(min(values), max(values)), list(values)
