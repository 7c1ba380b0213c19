"""The Optuna study of a search: opening it, queueing the warm start, and reading trials back."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autometa.errors import OptionError
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import Direction, MetaFeatures, Origin, Suggestion, TaskType, TrialReport
from autometa.spaces import SearchSpace

if TYPE_CHECKING:
    import optuna

ORIGIN = "autometa.origin"
REPORT = "autometa.report"
RETRY = "autometa.retry_of"
QUEUED = "autometa.queued"
STUDY_NAME = "autometa"
BASELINE = "baseline"
SUITED = "suited"
_LEAST_COST = 0.5  # seconds of a trial below which nobody waits
BASELINES = ("logistic_regression", "ridge", "lightgbm")


def open_study(journal: Path, storage: str | None, *, name: str, direction: Direction) -> "optuna.Study":
    """Create or load the study; it has no sampler yet.

    Args:
        journal: File of the journal storage that is used when ``storage`` is None.
        storage: Any Optuna storage URL.
        name: Name of the study in that storage.
        direction: Of the metric in its natural unit.

    Raises:
        OptionError: The storage cannot be opened.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    backend: Any = storage
    try:
        if storage is None:
            backend = JournalStorage(JournalFileBackend(str(journal), lock_obj=JournalFileOpenLock(str(journal))))
        study = optuna.create_study(storage=backend, study_name=name, direction=direction, load_if_exists=True)
    except OSError:
        raise
    except Exception as error:  # SQLAlchemy, drivers and URL parsers each have their own
        raise OptionError(f"The storage {storage or journal} cannot be opened: {error}") from error
    # The worst third goes, after two folds at least and never before ten trials have finished: a single fold's score
    # is noise, and a middling model still has a place in the ensemble.
    study.pruner = optuna.pruners.PercentilePruner(200 / 3, n_startup_trials=10, n_warmup_steps=2, n_min_trials=5)
    return study


def make_sampler(
    study: "optuna.Study",
    name: str,
    space: SearchSpace,
    kb: KnowledgeBase,
    *,
    metric: Metric,
    task: TaskType,
    meta_features: MetaFeatures,
    seed: int,
) -> "optuna.samplers.BaseSampler":
    """A sampler of that name for a study that may have trials already.

    One that does not count trials itself gets a seed derived from their number: with the same seed, a study that is
    opened again would repeat its first draws.
    """
    import numpy as np

    from autometa.samplers import SAMPLERS, ModelSampler

    maker = SAMPLERS.create(name)
    if not (isinstance(maker, type) and issubclass(maker, ModelSampler)):
        seed = int(np.random.SeedSequence([seed, len(study.get_trials(deepcopy=False))]).generate_state(1)[0])
    return maker(space, kb, metric=metric, task=task, meta_features=meta_features, seed=seed)


def quick_first(suggestions: Iterable[Suggestion], seconds: Callable[[Suggestion], float]) -> list[Suggestion]:
    """Sort by expected seconds, in steps of a factor four, keeping the order among equals.

    All of them are tried; this way a person sees a score after seconds, and a short search sees more of them.
    """
    return sorted(suggestions, key=lambda one: math.floor(math.log(max(seconds(one), _LEAST_COST), 4)))


def enqueue(study: "optuna.Study", suggestions: Iterable[Suggestion], space: SearchSpace) -> int:
    """Queue configurations to be tried first; each is validated, since Optuna does not.

    A search that was killed while it did so can do it again: what the study has already is not queued twice.

    Returns:
        How many were queued; repeats are not.
    """
    queued = 0
    there = [trial.system_attrs.get("fixed_params", {}) for trial in study.get_trials(deepcopy=False)]
    seen = {space.key(params) for params in there if params}
    for suggestion in suggestions:
        space.validate(suggestion.config)
        key = space.key(suggestion.config)
        if key not in seen:
            seen.add(key)
            study.enqueue_trial(suggestion.config, user_attrs={ORIGIN: asdict(suggestion.origin)})
            queued += 1
    study.set_user_attr(QUEUED, True)
    return queued


def is_queued(study: "optuna.Study") -> bool:
    """Whether `enqueue` came to its end."""
    return bool(study.user_attrs.get(QUEUED))


def baselines(space: SearchSpace, choice: str) -> list[Suggestion]:
    """The defaults of a linear model and of LightGBM, which everything else is compared with."""
    return [
        Suggestion(space.project({choice: name}), Origin(BASELINE, reason=f"the default of {name}, to compare with"))
        for name in BASELINES
        if name in space[choice].choices
    ]


def requeue(study: "optuna.Study", trial: "optuna.Trial | optuna.trial.FrozenTrial") -> bool:
    """Queue a trial's configuration once more, with its origin.

    Returns:
        Whether it was; a trial that had drawn nothing yet has no configuration.
    """
    # What was queued for a trial is whole from the start; what was drawn may not be yet.
    queued = getattr(trial, "system_attrs", {}).get("fixed_params", {})  # a live trial has drawn everything
    params = {**queued, **trial.params}
    if params:
        attrs = {ORIGIN: trial.user_attrs.get(ORIGIN, asdict(Origin("sampler"))), RETRY: trial.number}
        study.enqueue_trial(params, user_attrs=attrs)
    return bool(params)


def defaults(space: SearchSpace, choice: str, covered: Iterable[str]) -> list[Suggestion]:
    """The default configuration of every candidate that no suggestion covers."""
    missing = [name for name in space[choice].choices if name not in set(covered)]
    return [
        Suggestion(space.project({choice: name}), Origin("default", reason=f"the default of {name}"))
        for name in missing
    ]


def suited(space: SearchSpace, choice: str, reasons: Mapping[str, str]) -> list[Suggestion]:
    """The default configuration of candidates that take part because of what the table is like."""
    return [Suggestion(space.project({choice: name}), Origin(SUITED, reason=why)) for name, why in reasons.items()]


def retry_unfinished(study: "optuna.Study") -> int:
    """Close the trials that were running when a search was killed, and queue each once more.

    Returns:
        How many were queued again.
    """
    import optuna

    queued = 0
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        if REPORT in trial.user_attrs:  # it had ended, and only the study had not been told
            report = trial.user_attrs[REPORT]
            tell(study, trial.number, report["status"], report["value"])
            continue
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        if RETRY not in trial.user_attrs:
            queued += requeue(study, trial)
    return queued


def tell(study: "optuna.Study", trial: "optuna.Trial | int", status: str, value: float | None) -> None:
    """End a trial in the study as it ended in its process."""
    import optuna

    if status == "complete":
        study.tell(trial, value)
    else:
        state = optuna.trial.TrialState.PRUNED if status == "pruned" else optuna.trial.TrialState.FAIL
        study.tell(trial, state=state)


def origin_of(trial: "optuna.trial.FrozenTrial") -> Origin:
    """Where a trial's configuration came from."""
    if ORIGIN in trial.user_attrs:
        return Origin(**trial.user_attrs[ORIGIN])
    from autometa.samplers import CLAIM

    said = json.loads(trial.system_attrs.get(CLAIM, "{}"))
    if "trust" not in said:
        return Origin("sampler")
    return Origin("sampler", reason=f"{said['by']}; what other datasets say counts {said['trust']:.0%}")


def write_report(trial: "optuna.Trial", report: TrialReport) -> None:
    """Keep a finished trial's report in the study; must come before ``tell``."""
    plain = asdict(report)
    plain.pop("config")  # Optuna has it as params
    trial.set_user_attr(REPORT, plain)


def read_reports(study: "optuna.Study") -> list[TrialReport]:
    """The reports of all trials that ended, in order of their numbers."""
    import optuna

    reports = []
    for trial in study.get_trials(deepcopy=False):
        if not trial.state.is_finished():
            continue
        if REPORT in trial.user_attrs:
            plain = dict(trial.user_attrs[REPORT])
            plain["origin"] = Origin(**plain["origin"])
            plain["fold_scores"] = tuple(plain["fold_scores"])
            plain["records"] = tuple(plain.get("records", ()))
            reports.append(TrialReport(config=dict(trial.params), **plain))
        elif trial.state is optuna.trial.TrialState.FAIL:
            reports.append(
                TrialReport(
                    number=trial.number,
                    candidate=str(trial.params.get("candidate", "")),
                    config=dict(trial.params),
                    origin=origin_of(trial),
                    started=0.0,
                    status="interrupted",
                    reason="the search ended while it ran",
                )
            )
    return reports
