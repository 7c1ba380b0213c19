"""Warm-started Optuna studies of one's own objectives, and recommendations without a study."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autometa.errors import OptionError
from autometa.records import Direction, MetaFeatures, Suggestion, TaskType
from autometa.spaces import SearchSpace, load_space

if TYPE_CHECKING:
    import optuna
    import pandas as pd
    from optuna.distributions import BaseDistribution

    from autometa.datasets import Dataset
    from autometa.knowledge import KnowledgeBase
    from autometa.metrics import Metric
    from autometa.warmstart import Pruned

ORIGIN = "autometa.origin"
PRUNED = "autometa.pruned"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be optimized, and what may advise it.

    Attributes:
        space: What is searched; the base files its runs under its name.
        kb: The base, with the target's own dataset hidden.
        hidden: Ids of the datasets that are the target itself.
        metric: What the objective returns.
        task: The target's task type; None where the problem is no table.
        meta_features: What the target looks like; empty where that is not known.
    """

    space: SearchSpace
    kb: "KnowledgeBase"
    hidden: tuple[str, ...]
    metric: "Metric"
    task: TaskType | None
    meta_features: MetaFeatures


def create_study(
    space: "str | os.PathLike[str] | SearchSpace | Mapping[str, BaseDistribution]",
    *,
    dataset: "Dataset | pd.DataFrame | str | os.PathLike[str] | None" = None,
    meta_features: MetaFeatures | Mapping[str, float] | None = None,
    kb: "KnowledgeBase | str | os.PathLike[str] | None" = None,
    metric: str | None = None,
    direction: Direction | None = None,
    task: TaskType | None = None,
    space_name: str | None = None,
    warm_start: str = "auto",
    warm_trials: int = 3,
    prune_space: str = "none",
    sampler: "str | optuna.samplers.BaseSampler" = "auto",
    pruner: "str | optuna.pruners.BasePruner | None" = None,
    storage: Any = None,
    study_name: str | None = None,
    load_if_exists: bool = False,
    seed: int | None = None,
) -> "optuna.Study":
    """Create an Optuna study that starts from what worked on other datasets, and goes on from there.

    It is a real study: its first trials are queued, its sampler knows the base, and everything else is Optuna's. The
    objective asks `SearchSpace.suggest` for a configuration, or the trial itself for the same names.

    Example:
        >>> import tempfile, pandas as pd
        >>> import autometa
        >>> from optuna.distributions import FloatDistribution
        >>> kb = autometa.KnowledgeBase(tempfile.mkdtemp())
        >>> for number, best in enumerate((1e-3, 2e-3, 3e-3)):
        ...     rates = [10 ** (-5 + i / 4) for i in range(17)]
        ...     frame = pd.DataFrame({"lr": rates, "value": [-abs(rate - best) for rate in rates]})
        ...     _ = kb.add_runs(f"job-{number}", "my-net", frame, metric="accuracy", direction="maximize")
        >>> study = autometa.create_study({"lr": FloatDistribution(1e-5, 1, log=True)}, kb=kb, space_name="my-net",
        ...                               direction="maximize", seed=0)
        >>> study.optimize(lambda trial: -abs(trial.suggest_float("lr", 1e-5, 1, log=True) - 2.5e-3), n_trials=5)
        >>> 1e-3 < study.best_params["lr"] < 5e-3
        True

    Args:
        space: Name of a shipped space, a YAML file, a `SearchSpace`, or plain Optuna distributions by name.
        dataset: The table that the objective works on, or what `read_dataset` takes. Its own runs in the base advise
            nothing. None where the problem is no table.
        meta_features: What the target looks like; None computes them where there is a dataset.
        kb: A base or its path; None takes the shipped one with your own over it.
        metric: What the objective returns, as the base calls it. None takes the dataset's default, else the only one
            that the base has for this space.
        direction: Which way is better. None takes the metric's.
        task: The task type; None takes the dataset's.
        space_name: Where the base files the runs. None takes the space's name.
        warm_start: Name of a warm starter (`autometa.warmstart`), or ``none``. With ``auto`` and the sampler
            ``transfer`` the queue is what that sampler would propose first, so that they are of one mind.
        warm_trials: How many configurations it may queue.
        prune_space: ``bounding_box`` or ``quantile_box`` keeps the sampler to the part of the space where other
            datasets had their best (`autometa.warmstart.SPACE_PRUNERS`); ``study.user_attrs["autometa.pruned"]`` says
            what was cut, and why. ``none`` searches all of it.
        sampler: Name of a sampler (`autometa.samplers`), or any Optuna sampler; ``auto`` is ``transfer``.
        pruner: Which trials stop early, if the objective reports on its way: the name of a pruner (`autometa.pruners`),
            such as ``transfer``, ``hyperband`` or ``none``, or any Optuna pruner; None is Optuna's default, the median.
        storage: As in Optuna: a URL or a storage; None keeps the study in memory.
        study_name: As in Optuna.
        load_if_exists: Go on with a study that is there, instead of an error. What it has queued is not queued again.
        seed: Of all that is random; None draws one.

    Returns:
        The study. Queued trials say in ``user_attrs["autometa.origin"]`` which dataset taught them, and why.

    Raises:
        OptionError: Arguments contradict each other, or something is missing; the message says what.
        SpaceError: The space cannot be read.
    """
    import optuna

    problem = define(
        space,
        dataset=dataset,
        meta_features=meta_features,
        kb=kb,
        metric=metric,
        direction=direction,
        task=task,
        space_name=space_name,
    )
    if warm_trials < 0:
        raise OptionError(f"warm_trials must not be negative, got {warm_trials}.")
    pruned = _pruned(prune_space, problem)
    chosen = _sampler(sampler, problem, None if pruned is None else pruned.space, seed)
    study = optuna.create_study(
        storage=storage,
        sampler=chosen,
        pruner=_pruner(pruner, problem),
        study_name=study_name,
        direction=problem.metric.direction,
        load_if_exists=load_if_exists,
    )
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # has been one since 3.2
            study.set_metric_names([problem.metric.name])
    if pruned is not None:
        study.set_user_attr(PRUNED, {"summary": pruned.summary, "reasons": pruned.reasons})
    if not study.get_trials(deepcopy=False):
        first = _opening(problem, chosen, warm_start, warm_trials, seed or 0)
        # That took a while: by now another worker may have queued the same.
        if not study.get_trials(deepcopy=False):
            for suggestion in first:
                study.enqueue_trial(
                    suggestion.config, user_attrs={ORIGIN: asdict(suggestion.origin)}, skip_if_exists=True
                )
    return study


def recommend(
    space: "str | os.PathLike[str] | SearchSpace | Mapping[str, BaseDistribution]" = "tabular",
    n: int = 5,
    *,
    dataset: "Dataset | pd.DataFrame | str | os.PathLike[str] | None" = None,
    meta_features: MetaFeatures | Mapping[str, float] | None = None,
    kb: "KnowledgeBase | str | os.PathLike[str] | None" = None,
    metric: str | None = None,
    direction: Direction | None = None,
    task: TaskType | None = None,
    space_name: str | None = None,
    warm_start: str = "auto",
    seed: int = 0,
) -> list[Suggestion]:
    """Configurations to try first, best first, each with the dataset that taught it and the reason; no study.

    Args:
        space: As for `create_study`.
        n: How many at most.
        dataset: As for `create_study`, like the other arguments.

    Returns:
        Suggestions: ``config`` and ``origin``. Empty where the base knows nothing of the space.

    Raises:
        OptionError: As `create_study`.
    """
    problem = define(
        space,
        dataset=dataset,
        meta_features=meta_features,
        kb=kb,
        metric=metric,
        direction=direction,
        task=task,
        space_name=space_name,
    )
    if n < 0:
        raise OptionError(f"n must not be negative, got {n}.")
    return _suggestions(problem, warm_start, n, seed)


def define(
    space: "str | os.PathLike[str] | SearchSpace | Mapping[str, BaseDistribution]",
    *,
    dataset: "Dataset | pd.DataFrame | str | os.PathLike[str] | None" = None,
    meta_features: MetaFeatures | Mapping[str, float] | None = None,
    kb: "KnowledgeBase | str | os.PathLike[str] | None" = None,
    metric: str | None = None,
    direction: Direction | None = None,
    task: TaskType | None = None,
    space_name: str | None = None,
) -> Problem:
    """Bring the arguments of `create_study` together.

    Raises:
        OptionError: They contradict each other, or something is missing.
    """
    from autometa import metafeatures
    from autometa.knowledge import KnowledgeBase

    if kb is None:
        kb = KnowledgeBase.open_default()
    elif not isinstance(kb, KnowledgeBase):
        kb = KnowledgeBase(kb)
    table = _dataset(dataset, task)
    described = _described(meta_features)
    hidden: tuple[str, ...] = ()
    if table is not None:
        task = table.task
        if described is None:
            described = metafeatures.compute(table)
        hidden = tuple(kb.copies(table, described))
    searched = _space(space, task)
    if space_name is not None:
        searched = replace(searched, name=space_name)
    shown = kb.without(*hidden)
    chosen = _metric(shown, searched.name, metric, direction, task)
    return Problem(searched, shown, hidden, chosen, task, described or MetaFeatures("", {}))


def _dataset(given: Any, task: TaskType | None) -> "Dataset | None":
    from autometa.datasets import Dataset, read_dataset

    if given is None:
        return None
    table = given if isinstance(given, Dataset) else read_dataset(given, task=task)
    if task is not None and table.task != task:
        raise OptionError(f"task is {task!r}, but the dataset {table.name} is {table.task}. Leave one of them out.")
    return table


def _described(given: MetaFeatures | Mapping[str, float] | None) -> MetaFeatures | None:
    if given is None or isinstance(given, MetaFeatures):
        return given
    return MetaFeatures("target", {str(name): float(value) for name, value in given.items()})


def _space(given: Any, task: TaskType | None) -> SearchSpace:
    if isinstance(given, SearchSpace):
        return given if task is None else given.for_task(task)
    if isinstance(given, Mapping):
        return SearchSpace.from_distributions(given)
    path = Path(given)
    if path.suffix in (".yaml", ".yml"):
        return SearchSpace.from_yaml(path, task=task)
    return load_space(str(given), task=task)


def _metric(
    kb: "KnowledgeBase", space: str, name: str | None, direction: Direction | None, task: TaskType | None
) -> "Metric":
    """The metric that is named, or the one that goes without saying."""
    from autometa import metrics

    if direction not in (None, "maximize", "minimize"):
        raise OptionError(f"direction must be maximize or minimize, got {direction!r}.")
    if task is not None and (name is None or name in metrics.names(task)):
        metric = metrics.resolve(name, task)
    else:
        metric = _own_metric(kb, space, name, direction)
    if direction is not None and metric.direction != direction:
        raise OptionError(
            f"direction is {direction}, but {metric.name} is better the other way ({metric.direction}). Leave "
            "direction out, or return the value with its sign turned and give it a name of your own."
        )
    return metric


def _own_metric(kb: "KnowledgeBase", space: str, name: str | None, direction: Direction | None) -> "Metric":
    from autometa import metrics

    counts = kb.count_runs()
    counts = counts[counts["space"] == space]
    known = sorted({(str(one), str(way)) for one, way in zip(counts["metric"], counts["direction"], strict=True)})
    fitting = [(one, way) for one, way in known if name in (None, one) and direction in (None, way)]
    if len(fitting) == 1:
        return metrics.own(fitting[0][0], fitting[0][1])  # type: ignore[arg-type]
    if len(fitting) > 1:
        listed = ", ".join(f"{one} ({way})" for one, way in fitting)
        raise OptionError(f"The base has several metrics for {space!r}: {listed}. Say which one with metric=NAME.")
    if direction is None:
        listed = ", ".join(one for one, _ in known)
        hint = f" The base has {listed} for {space!r}." if known else f" The base has no runs of {space!r}."
        raise OptionError(f"Say which way is better: direction='maximize' or 'minimize'.{hint}")
    return metrics.own(name or "value", direction)


def _pruned(name: str, problem: Problem) -> "Pruned | None":
    from autometa.evidence import gather
    from autometa.warmstart import SPACE_PRUNERS

    if name == "none":
        return None
    evidence = gather(problem.kb, problem.space, problem.meta_features, metric=problem.metric, task=problem.task)
    return SPACE_PRUNERS.create(name)(evidence, problem.space)


def _sampler(
    given: Any, problem: Problem, within: SearchSpace | None, seed: int | None
) -> "optuna.samplers.BaseSampler":
    from optuna.samplers import BaseSampler

    from autometa.samplers import SAMPLERS

    if isinstance(given, BaseSampler):
        if within is not None:
            raise OptionError("prune_space needs a sampler by name, such as transfer or random, but got an object.")
        return given
    known = problem.meta_features if problem.meta_features.values else None
    return SAMPLERS.create("transfer" if given == "auto" else given)(
        problem.space,
        problem.kb,
        metric=problem.metric,
        task=problem.task,
        meta_features=known,
        within=within,
        seed=seed,
    )


def _pruner(given: Any, problem: Problem) -> "optuna.pruners.BasePruner | None":
    from autometa.pruners import PRUNERS

    if not isinstance(given, str):
        return given  # type: ignore[no-any-return]
    return PRUNERS.create(given)(problem.space, problem.kb, metric=problem.metric, task=problem.task)


def _opening(
    problem: Problem, sampler: "optuna.samplers.BaseSampler", warm_start: str, n: int, seed: int
) -> list[Suggestion]:
    """What a study begins with: what its sampler would begin with, where that can say so and nothing else is asked."""
    from autometa.samplers import TransferSampler

    if warm_start == "auto" and isinstance(sampler, TransferSampler) and (found := sampler.opening(n)):
        return found
    return _suggestions(problem, warm_start, n, seed)


def _suggestions(problem: Problem, warm_start: str, n: int, seed: int) -> list[Suggestion]:
    from autometa.warmstart import WARM_STARTERS

    if warm_start == "none" or not n:
        return []
    return WARM_STARTERS.create(warm_start).suggest(
        problem.meta_features,
        problem.kb,
        problem.space,
        n,
        metric=problem.metric,
        task=problem.task,
        seed=seed,
    )
