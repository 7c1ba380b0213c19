"""Parts of the transfer benchmark beside the regrets: time per suggestion, planted runs, several workers."""

import itertools
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from _transfer_methods import METHODS, Job, Method, Trace, search, study_for
from _transfer_problems import Problem, load_problem, make_base
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from autometa.knowledge import KnowledgeBase

SOURCES = 100
OBSERVED = (50, 1000)
ASKED = 15
EVALUATION = (0.1, 0.4)
_STUDY = "search"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the benchmark's files are.

    Attributes:
        data: YAHPO Gym's surrogates; None without them.
        cache: What takes long to make.
        environments: Of peers.
    """

    data: Path | None
    cache: Path
    environments: Path

    def problem(self, name: str) -> Problem:
        """The problem of that name."""
        return load_problem(name, data=self.data, cache=self.cache)


def speed(place: Place, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Seconds per suggestion with 100 sources of 200 runs, by method.

    Each first suggestion is made in a new process, from `create_study` to the configuration, with the imports that it
    needs: once with an empty cache, then with what that left in it.
    """
    found = []
    for name in methods:
        print(f"time per suggestion: {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            entry: dict[str, Any] = {"method": name}
            for cached in ("cold", "warm"):
                entry[f"first_{cached}"] = _in_new_process(_first_suggestion, place, name, Path(folder))
            for n in OBSERVED:
                seconds = _in_new_process(_suggestions, place, name, Path(folder), n)
                entry[f"at_{n}"], entry[f"slowest_at_{n}"] = float(np.median(seconds)), max(seconds)
        found.append(entry)
    return found


def _in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _speed_job(place: Place, home: Path) -> Job:
    """A search of the first rbv2_rpart task that knows of 100 others."""
    os.environ["AUTOMETA_HOME"] = str(home)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = place.problem("rbv2_rpart")
    target, *others = problem.datasets
    base = problem.base(target).without(*others[SOURCES:])
    return Job(problem, base, target, 0, max(OBSERVED), place.cache, place.environments)


def _first_suggestion(place: Place, method: str, home: Path) -> float:
    job = _speed_job(place, home)
    began = time.perf_counter()
    study = study_for(job, **METHODS[method].options)
    job.problem.space.suggest(study.ask())
    return time.perf_counter() - began


def _suggestions(place: Place, method: str, home: Path, n: int) -> list[float]:
    """Seconds of each suggestion from ``n`` observations on."""
    job = _speed_job(place, home)
    study = study_for(job, **METHODS[method].options | {"warm_start": "none"})
    rng, space = np.random.default_rng(0), job.problem.space
    configs = [space.sample(rng) for _ in range(n)]
    values = job.problem.values(job.target, configs)
    for config, value in zip(configs, values, strict=True):
        study.add_trial(
            optuna.trial.create_trial(params=config, distributions=space.distributions(), value=float(value))
        )
    seconds = []
    for number in range(ASKED + 1):
        began = time.perf_counter()
        trial = study.ask()
        config = space.suggest(trial)
        seconds.append(time.perf_counter() - began)
        study.tell(trial, float(job.problem.values(job.target, [config])[0]))
        if not number:
            seconds.clear()  # the first one reads the cache
    return seconds


def fake(place: Place, problems: Sequence[str], methods: Sequence[str], n_trials: int = 25) -> list[dict[str, Any]]:
    """Whether searches change when the base has a perfect run on their target, which does not exist.

    It stands at the worst configuration of many: a method that sees it goes there.
    """
    found = []
    for name in problems:
        problem = place.problem(name)
        target = problem.targets(1)[0]
        with tempfile.TemporaryDirectory() as folder:
            planted = plant(problem, target, Path(folder) / "kb")
            seed = problem.seed(target, 0)
            job = Job(problem, problem.base(target), target, seed, n_trials, place.cache, place.environments)
            misled = replace(job, base=problem.base(target, planted))
            for method in [METHODS[one] for one in methods]:
                print(f"planted run: {name}, {method.name}", flush=True)
                found.append({"problem": name, "method": method.name, **_compared(method, job, misled)})
    return found


def plant(problem: Problem, target: str, folder: Path) -> KnowledgeBase:
    """The problem's base, and over it one run on the target: a bad configuration with a perfect value."""
    rng = np.random.default_rng(0)
    configs = [problem.space.sample(rng) for _ in range(100)]
    losses = [problem.metric.loss(value) for value in problem.values(target, configs)]
    best, _ = problem.extremes(target)
    worst = configs[int(np.argmax(losses))]
    perfect = best + 1.0 if problem.metric.direction == "maximize" else best - 1.0
    frame = pd.DataFrame([worst]).assign(value=perfect, dataset_id=target)
    overlay = make_base(folder, lambda space, metric: [frame], problem.name, problem.metric)
    return KnowledgeBase.layered([problem.kb, overlay])


def _compared(method: Method, job: Job, misled: Job) -> dict[str, Any]:
    """How many trials of two searches differ."""
    honest, told = (search(method, one)[0].configs for one in (job, misled))
    pairs = itertools.zip_longest(honest, told)
    return {"trials": job.n_trials, "different": sum(a != b for a, b in pairs)}


def workers(
    place: Place, problem: str, methods: Sequence[str], n_workers: int, *, n_trials: int = 60, seeds: int = 3
) -> list[dict[str, Any]]:
    """Repeated configurations and final regret of several workers on one journal, beside one worker, by method.

    An evaluation takes 0.1 to 0.4 s with several workers, so that trials overlap as they do where models are trained.
    """
    found = []
    known = place.problem(problem)
    for method in methods:
        finals: dict[int, list[float]] = {1: [], n_workers: []}
        twice: Counter[str] = Counter()
        for n in finals:
            with _pool(n, place) as pool:
                for target, seed in itertools.product(known.targets(), range(seeds)):
                    trials = _shared_search(pool, n, problem, method, target, seed, n_trials)
                    finals[n].append(float(known.regrets(target, [trial.values[0] for trial in trials])[-1]))
                    twice.update(repeated(known, trials) if n > 1 else {})
                    print(f"{n} workers: {method}, {target}, seed {seed}: {finals[n][-1]:.4f}", flush=True)
        several, one = np.array(finals[n_workers]), np.array(finals[1])
        gap = several - one
        entry = {"problem": problem, "method": method, "workers": n_workers, **twice}
        entry |= {"one": float(one.mean()), "several": float(several.mean())}
        error = float(gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 else 0.0
        found.append(entry | {"searches": len(gap), "difference": float(gap.mean()), "error": error})
    return found


@contextmanager
def _pool(n: int, place: Place) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n, context, _begin_worker, (place, context.Barrier(n))) as pool:
        yield pool


_worker: dict[str, Any] = {}


def _begin_worker(place: Place, barrier: Barrier) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    _worker.update(place=place, barrier=barrier)


def _shared_search(
    pool: ProcessPoolExecutor, n: int, problem: str, method: str, target: str, seed: int, n_trials: int
) -> list[optuna.trial.FrozenTrial]:
    """One search by all workers: its trials."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal.log"
        arguments = (problem, method, target, seed, file, n_trials // n)
        for done in [pool.submit(_work, *arguments) for _ in range(n)]:
            done.result()
        storage = JournalStorage(JournalFileBackend(str(file)))
        study = optuna.load_study(study_name=_STUDY, storage=storage)
        return study.get_trials(states=[optuna.trial.TrialState.COMPLETE])


def repeated(problem: Problem, trials: Sequence[optuna.trial.FrozenTrial]) -> dict[str, int]:
    """How many trials there are, and how many that the sampler or the queue repeated."""
    found = {"trials": len(trials), "suggested_twice": 0, "queued_twice": 0}
    seen: set[str] = set()
    for trial in sorted(trials, key=lambda one: one.number):
        key = problem.space.key(trial.params)
        if key in seen:
            found["queued_twice" if trial.system_attrs.get("fixed_params") else "suggested_twice"] += 1
        seen.add(key)
    return found


def _work(problem: str, method: str, target: str, seed: int, file: Path, n_trials: int) -> None:
    """One worker's share of a search."""
    place: Place = _worker["place"]
    barrier: Barrier = _worker["barrier"]
    known = _worker.setdefault(problem, place.problem(problem))
    job = Job(known, known.base(target), target, known.seed(target, seed), n_trials, place.cache, place.environments)
    trace = Trace(job)
    storage = JournalStorage(JournalFileBackend(str(file)))
    barrier.wait()
    study = study_for(job, **METHODS[method].options, storage=storage, study_name=_STUDY, load_if_exists=True)

    def objective(trial: optuna.Trial) -> float:
        value = trace.evaluate(known.space.suggest(trial))
        if barrier.parties > 1:
            time.sleep(float(np.random.default_rng([seed, trial.number]).uniform(*EVALUATION)))
        return value

    study.optimize(objective, n_trials=n_trials)
