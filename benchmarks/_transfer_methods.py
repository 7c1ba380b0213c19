"""The methods of the transfer benchmark: autometa's, Optuna's, and those of libraries with environments of their own.

A `Method` searches a `Job` and evaluates what it chooses with the job's `Trace`. To add one, add it to ``_ALL``.
"""

import functools
import hashlib
import importlib.metadata
import itertools
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pandas as pd
from _peers import PEERS, Parameter, Peer, PeerError, environment, write_sources
from _peers import Problem as PeerProblem
from _peers import run as run_peer
from _transfer_problems import Problem

import autometa
from autometa.knowledge import KnowledgeBase
from autometa.records import Config, ConfigValue
from autometa.spaces import Hyperparameter, SearchSpace

TOLD_OF_EACH, TOLD_IN_ALL = 100, 2000
SEEDS_OF_SLOW = 3  # a search of 100 trials takes them minutes to half an hour
PEER_TIMEOUT = 7200.0


@dataclass(frozen=True, slots=True)
class Job:
    """One search to do.

    Attributes:
        problem: What is searched.
        base: What may be known; the target's runs are hidden.
        target: The dataset.
        seed: Of the method; see `Problem.seed`.
        n_trials: How many configurations it may evaluate.
        cache: Where to keep what takes long to make.
        environments: Where the environments of peers are.
    """

    problem: Problem
    base: KnowledgeBase
    target: str
    seed: int
    n_trials: int
    cache: Path
    environments: Path


@dataclass(slots=True)
class Trace:
    """What a search evaluated, and how long it took to choose.

    Attributes:
        job: The search.
        configs: What was evaluated, in order.
        values: The metric of each.
        seconds: What the method took to choose each, what it took to begin with the first.
    """

    job: Job
    configs: list[Config] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)

    def evaluate(self, config: Mapping[str, ConfigValue]) -> float:
        """The metric of a configuration, in its own unit."""
        self.seconds.append(time.perf_counter() - self._since)
        value = float(self.job.problem.values(self.job.target, [config])[0])
        self.configs.append(dict(config))
        self.values.append(value)
        self._since = time.perf_counter()
        return value


@dataclass(frozen=True, slots=True)
class Method:
    """One way to search.

    Attributes:
        name: What the command line calls it.
        title: What tables call it.
        search: Does a job; evaluates by the trace.
        library: The distribution whose version counts.
        version: Its version.
        settings: What else the outcome depends on.
        told: Whether it is told of other datasets.
        options: For `study_for`, of autometa's own.
        peer: The library with an environment of its own, if it is one.
    """

    name: str
    title: str
    search: Callable[[Job, Trace], None]
    library: str
    version: str
    settings: str = ""
    told: bool = True
    options: dict[str, str] = field(default_factory=dict)
    peer: Peer | None = None

    @property
    def key(self) -> str:
        """Results of another key are of another method."""
        return f"{self.library} {self.version} {self.settings}".strip()

    @property
    def own(self) -> bool:
        """Whether it is autometa's."""
        return self.library == "autometa"

    @property
    def slow(self) -> bool:
        """Whether it gets no more than `SEEDS_OF_SLOW` seeds."""
        return self.peer is not None and self.peer.limited


def search(method: Method, job: Job) -> tuple[Trace, str]:
    """Do a job. Gives what was evaluated, and why the method failed, empty if it did not."""
    trace = Trace(job)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            method.search(job, trace)
    except PeerError as error:
        return trace, str(error)
    return trace, ""


def study_for(job: Job, *, sampler: str, warm_start: str, **options: Any) -> optuna.Study:
    """`autometa.create_study` as a user calls it; ``options`` are its other arguments."""
    metric = job.problem.metric
    return autometa.create_study(
        job.problem.space,
        kb=job.base,
        metric=metric.name,
        direction=metric.direction,
        sampler=sampler,
        warm_start=warm_start,
        seed=job.seed,
        **options,
    )


def _autometa(job: Job, trace: Trace, *, sampler: str, warm_start: str) -> None:
    study = study_for(job, sampler=sampler, warm_start=warm_start)
    study.optimize(lambda trial: trace.evaluate(job.problem.space.suggest(trial)), n_trials=job.n_trials)


Sampler = Callable[[int], optuna.samplers.BaseSampler]


def _tpe(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(multivariate=True, group=True, seed=seed)


def _random(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def _gp(seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def _optuna(job: Job, trace: Trace, *, sampler: Sampler, portfolio: int | Literal["all"] = 0) -> None:
    """An Optuna sampler, after as many points of a greedy portfolio; ordered choices are whole numbers to it."""
    problem = job.problem
    study = optuna.create_study(sampler=sampler(job.seed), direction=problem.metric.direction)
    for config in portfolio_of(job, job.n_trials if portfolio == "all" else portfolio):
        study.enqueue_trial({one.name: _code(one, config[one.name]) for one in problem.space.hyperparameters})
    study.optimize(lambda trial: trace.evaluate(_suggested(problem.space, trial)), n_trials=job.n_trials)


def _suggested(space: SearchSpace, trial: optuna.Trial) -> Config:
    return {
        one.name: one.choices[trial.suggest_int(one.name, 0, len(one.choices) - 1)]
        if is_ordered(one)
        else one.suggest(trial)
        for one in space.hyperparameters
    }


def _code(one: Hyperparameter, value: ConfigValue) -> ConfigValue:
    return one.index(value) if is_ordered(one) else value


def is_ordered(one: Hyperparameter) -> bool:
    """Whether choices are numbers in increasing order."""
    choices = one.choices
    numbers = [choice for choice in choices if isinstance(choice, int | float) and not isinstance(choice, bool)]
    return len(numbers) == len(choices) > 1 and all(a < b for a, b in itertools.pairwise(numbers))


_portfolios: dict[tuple[str, str], list[Config]] = {}


def portfolio_of(job: Job, n: int) -> list[Config]:
    """The first points of the greedy portfolio; it does not depend on the seed, and is computed once in a process."""
    if not n:
        return []
    metric, space = job.problem.metric, job.problem.space
    key = (job.base.version(space.name), job.problem.name)
    if len(_portfolios.get(key, ())) < n:
        found = autometa.recommend(
            space,
            max(n, job.n_trials),
            kb=job.base,
            metric=metric.name,
            direction=metric.direction,
            warm_start="portfolio",
        )
        _portfolios[key] = [one.config for one in found]
    return _portfolios[key][:n]


def _peer(job: Job, trace: Trace, *, peer: Peer) -> None:
    """A library in its own environment; it minimizes, and is told of all sources."""
    problem = PeerProblem(parameters(job.problem.space), sources_file(job, limited=peer.limited))
    sign = job.problem.metric.loss(1.0)
    run_peer(
        peer,
        environment(peer, job.environments),
        problem,
        lambda config: sign * trace.evaluate(config),
        seed=job.seed,
        n_trials=job.n_trials,
        timeout=PEER_TIMEOUT,
    )


def parameters(space: SearchSpace) -> tuple[Parameter, ...]:
    """A space without conditions, as peers take it."""
    return tuple(_parameter(one) for one in space.hyperparameters)


def _parameter(one: Hyperparameter) -> Parameter:
    if one.type == "categorical":
        kind: Literal["ordinal", "categorical"] = "ordinal" if is_ordered(one) else "categorical"
        return Parameter(one.name, kind, choices=one.choices, default=one.default)
    low, high = one.bounds
    return Parameter(one.name, one.type, low, high, log=one.log, default=one.default)


def sources_file(job: Job, *, limited: bool) -> Path:
    """The other datasets' runs in a file for peers, made once.

    Args:
        job: The search.
        limited: A random sample of at most 100 runs of each dataset and 2,000 in all, the same for every peer and seed.
    """
    limits = [TOLD_OF_EACH, TOLD_IN_ALL] if limited else []
    known = [job.base.version(job.problem.name), job.problem.name, job.target, limits]
    file = job.cache / "sources" / f"{hashlib.sha256(repr(known).encode()).hexdigest()[:32]}.npz"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        tables = job.problem.sources(job.base, job.target)
        if limited:
            n = min(TOLD_OF_EACH, TOLD_IN_ALL // max(1, len(tables)))
            tables = {name: sampled(rows, n, name) for name, rows in tables.items()}
        sign = job.problem.metric.loss(1.0)
        losses = {name: (rows, sign * rows["value"].to_numpy(dtype=np.float64)) for name, rows in tables.items()}
        temporary = file.with_name(f"{file.stem}-{time.monotonic_ns()}.npz")
        write_sources(temporary, parameters(job.problem.space), losses).replace(file)
    return file


def sampled(rows: pd.DataFrame, n: int, name: str) -> pd.DataFrame:
    """At most ``n`` runs, drawn at random and in random order; the same ones of a dataset for everybody."""
    drawn = np.random.default_rng(list(name.encode())).permutation(len(rows))[:n]
    return rows.iloc[drawn].reset_index(drop=True)


def _own(name: str, title: str, *, sampler: str, warm_start: str) -> Method:
    bound = functools.partial(_autometa, sampler=sampler, warm_start=warm_start)
    options = {"sampler": sampler, "warm_start": warm_start}
    return Method(name, title, bound, "autometa", importlib.metadata.version("autometa"), options=options)


def _of_optuna(name: str, title: str, sampler: Sampler, portfolio: int | Literal["all"] = 0) -> Method:
    bound = functools.partial(_optuna, sampler=sampler, portfolio=portfolio)
    version = importlib.metadata.version("optuna")
    return Method(name, title, bound, "optuna", version, told=bool(portfolio))


def _of_peer(peer: Peer) -> Method:
    settings = f"{peer.digest()} {TOLD_OF_EACH} {TOLD_IN_ALL}" if peer.limited else peer.digest()
    bound = functools.partial(_peer, peer=peer)
    return Method(peer.name, peer.title, bound, peer.library, peer.version, settings, peer=peer)


_ALL = (
    _own("autometa", "autometa", sampler="auto", warm_start="auto"),
    _own("transfer", "autometa, transfer alone", sampler="transfer", warm_start="none"),
    _own("deep_kernel", "autometa, deep_kernel alone", sampler="deep_kernel", warm_start="none"),
    _own("rgpe", "autometa, rgpe alone", sampler="rgpe", warm_start="none"),
    _of_optuna("random", "random search", _random),
    _of_optuna("tpe", "TPE", _tpe),
    _of_optuna("gp", "Optuna's GP", _gp),
    _of_optuna("tpe_after_5", "5 portfolio points, then TPE", _tpe, 5),
    _of_optuna("tpe_after_10", "10 portfolio points, then TPE", _tpe, 10),
    _of_optuna("portfolio", "portfolio, then random", _random, "all"),
    *map(_of_peer, PEERS),
)
METHODS: Mapping[str, Method] = {method.name: method for method in _ALL}
DEFAULT = tuple(name for name in METHODS if name != "openbox_rgpe_prf")  # four times as slow as the paper's own


def needed_environments(names: Sequence[str], folder: Path) -> None:
    """Make the environments of methods that have one of their own."""
    for name in names:
        if (peer := METHODS[name].peer) is not None:
            environment(peer, folder)
