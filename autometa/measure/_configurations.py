"""Which configurations a plan measures on which table."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import optuna

from autometa.candidates import available
from autometa.measure._journal import Measured
from autometa.measure._plan import Plan
from autometa.metrics import resolve
from autometa.records import Config, TaskType
from autometa.samplers import SAMPLERS
from autometa.spaces import SearchSpace, load_space

STAGES = ("defaults", "shared", "own", "transferred", "searched", "champions")
"""In this order a plan goes through all its tables."""

_OWED = ("transferred", "champions")  # to other tables
_AT_ONCE = 5  # proposals of a search before it learns how they fared


def space_of(plan: Plan, task: TaskType) -> SearchSpace:
    """What a task's tables are measured with: the installed candidates of the plan.

    Raises:
        OptionError: A candidate of the plan does not learn the task, or is not installed.
    """
    usable = available(task)
    wanted = [name for name in plan.candidates or usable if name in usable]
    return load_space(plan.space).for_task(task).restrict({"candidate": wanted})


def independent(plan: Plan, stage: str, dataset_id: str, task: TaskType) -> list[Config]:
    """The configurations of a stage that asks for nothing measured before: defaults, shared or own."""
    space = space_of(plan, task)
    names = [str(name) for name in space["candidate"].choices]
    if stage == "defaults":
        return [space.project({"candidate": name}) for name in names]
    count, place = (plan.shared, "") if stage == "shared" else (plan.own, dataset_id)
    found = []
    for name in names:
        rng = np.random.default_rng(_seed(plan.seed, stage, place, name))
        branch = space.branch(name)
        found += [space.add_prefix(name, branch.sample(rng)) for _ in range(count)]
    return found


def transferred(
    plan: Plan, dataset_id: str, measured: Mapping[str, Sequence[Measured]], tasks: Mapping[str, TaskType]
) -> list[Config]:
    """The best configurations of other tables: of each its best, then of each its second, until there are enough.

    Left out is what the table has been measured with already. A classification learns from every classification.
    """
    space = space_of(plan, tasks[dataset_id])
    known = {space.key(one.config) for one in measured.get(dataset_id, ())}
    rankings = [_ranked(measured.get(one, ()), tasks[one]) for one in _others(plan, dataset_id, tasks, dataset_id)]
    found: list[Config] = []
    for place in range(max(map(len, rankings), default=0)):
        for ranking in rankings:
            if place >= len(ranking) or space.problems(ranking[place]):
                continue
            key = space.key(ranking[place])
            if len(found) < plan.transferred and key not in known:
                known.add(key)
                found.append(ranking[place])
    return found


def champions(
    plan: Plan, dataset_id: str, measured: Mapping[str, Sequence[Measured]], tasks: Mapping[str, TaskType]
) -> list[Config]:
    """The best configuration of each of so many other tables, the same tables for all.

    So there are configurations known to be good somewhere that were measured everywhere, as a portfolio needs them.
    """
    space = space_of(plan, tasks[dataset_id])
    known = {space.key(one.config) for one in measured.get(dataset_id, ())}
    rankings = [_ranked(measured.get(one, ()), tasks[one]) for one in _others(plan, dataset_id, tasks)]
    best = {space.key(one[0]): one[0] for one in rankings[: plan.champions] if one and not space.problems(one[0])}
    return [config for key, config in best.items() if key not in known]


def searched(plan: Plan, dataset_id: str, measured: Sequence[Measured], task: TaskType) -> list[Config]:
    """What a search goes on with that knows this table alone: some proposals, until there are enough.

    The search is Optuna's TPE. It sees nothing that came from other tables, so that what it finds can be judged as
    theirs who never saw the others.
    """
    space, metric = space_of(plan, task), resolve(None, task)
    found = [one for one in measured if one.stage == "searched"]
    # Whole rounds alone, in an order of their own: so a search that was cut off goes on as if it never had been.
    rounds = sorted(found[: len(found) // _AT_ONCE * _AT_ONCE], key=lambda one: space.key(one.config))
    seen = [*(one for one in measured if one.stage not in (*_OWED, "searched")), *rounds]
    count = min(_AT_ONCE, plan.searched - len(rounds))
    losses = [metric.loss(one.mean(metric.name)) if one.scores else np.nan for one in seen]
    if count <= 0 or np.isnan(losses).all():
        return []
    seed = _seed(plan.seed, "searched", dataset_id, len(seen)) % 2**32
    study = _study(SAMPLERS.create("tpe")(space, None, seed=seed))
    distributions = space.distributions()
    for one, loss in zip(seen, np.nan_to_num(losses, nan=float(np.nanmax(losses))).tolist(), strict=True):
        mine = {name: distributions[name] for name in one.config}
        study.add_trial(optuna.trial.create_trial(params=one.config, distributions=mine, value=loss))
    known = {space.key(one.config) for one in measured if one.stage != "searched" or one in rounds}
    proposed: dict[str, Config] = {}
    for _ in range(4 * count):
        config = space.suggest(study.ask())
        if space.key(config) not in known:
            proposed[space.key(config)] = config
        if len(proposed) == count:
            break
    return list(proposed.values())


def _study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce the study
    try:
        return optuna.create_study(sampler=sampler)
    finally:
        optuna.logging.set_verbosity(verbosity)


def _others(plan: Plan, dataset_id: str, tasks: Mapping[str, TaskType], place: str = "") -> list[str]:
    """The other tables of the same kind of task, in an order that the place draws."""
    regression = tasks[dataset_id] == "regression"
    others = (one for one in tasks if one != dataset_id and (tasks[one] == "regression") == regression)
    return sorted(others, key=lambda one: _seed(plan.seed, "order", place, one))


def _ranked(measured: Sequence[Measured], task: TaskType) -> list[Config]:
    """Configurations that the table was the first to be measured with, best first."""
    metric = resolve(None, task)
    scored = [one for one in measured if one.scores and one.stage not in _OWED]
    return [one.config for one in sorted(scored, key=lambda one: metric.loss(one.mean(metric.name)))]


def _seed(*parts: object) -> int:
    """A number that depends on all parts, the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")
