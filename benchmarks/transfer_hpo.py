"""Searches that know other datasets, beside searches that do not: normalized regret over trials, leaving one out.

Four problems: HPOBench's multi-layer perceptrons (8 tables) and NAS-Bench-201 (3 image datasets), of which others have
measured every configuration, and two scenarios of YAHPO Gym, surrogates of OpenML runs (rbv2_rpart on 117 tasks,
iaml_glmnet on 4). The dataset that is searched is hidden from the base. Optuna's samplers run here; other libraries
in environments of their own, which this makes.

Every finished search is a line of a results file; a second call goes on where the first one stopped, and with
``--results docs/benchmarks/transfer_hpo.jsonl`` where the published ones did.

    python benchmarks/transfer_hpo.py --data FOLDER [--problems ...] [--methods ...] [--seeds 10] [--jobs 1]
    python benchmarks/transfer_hpo.py --data FOLDER --hostile inverted shuffled other --methods autometa transfer
    python benchmarks/transfer_hpo.py --data FOLDER --speed --fake --workers 4
    python benchmarks/transfer_hpo.py --report

``--again METHOD`` measures a method anew whose code has changed; a new version of a library does so by itself.
"""

# ruff: noqa: E402
from autometa.config import limit_threads

limit_threads()

import argparse
import functools
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import _transfer_report
import optuna
import platformdirs
from _transfer_hostile import HOSTILE, OTHER, Hostile, hostile_base
from _transfer_methods import DEFAULT, METHODS, SEEDS_OF_SLOW, Job, needed_environments, search
from _transfer_problems import NEED_DATA, PROBLEMS, Problem
from _transfer_results import Result, Results, improvements
from _transfer_sections import Place, fake, speed, workers

from autometa.knowledge import KnowledgeBase

CACHE = Path(platformdirs.user_cache_dir("autometa", appauthor=False)) / "transfer_hpo"
OWN = tuple(name for name, method in METHODS.items() if method.own)
DIGITS = 7


@dataclass(frozen=True, slots=True)
class Spec:
    """One search, by names: what a process is sent."""

    place: Place
    problem: str
    hostile: str
    target: str
    method: str
    seed: int
    n_trials: int


@functools.cache
def problem_of(place: Place, name: str) -> Problem:
    """The problem of that name, loaded once in a process."""
    return place.problem(name)


@functools.cache
def base_of(place: Place, name: str, hostile: Hostile | None, target: str) -> KnowledgeBase:
    """What a search may know: the problem's base or a hostile one, without the target."""
    problem = problem_of(place, name)
    if hostile is None:
        return problem.base(target)
    other = problem_of(place, OTHER[name]) if hostile == "other" else None
    return problem.base(target, hostile_base(problem, hostile, place.cache, other=other))


def do(spec: Spec) -> Result:
    """One search."""
    os.environ["AUTOMETA_HOME"] = str(spec.place.cache / "home")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    method, problem = METHODS[spec.method], problem_of(spec.place, spec.problem)
    hostile = next((kind for kind in HOSTILE if kind == spec.hostile), None)
    base = base_of(spec.place, spec.problem, hostile, spec.target)
    seed = problem.seed(spec.target, spec.seed)
    job = Job(problem, base, spec.target, seed, spec.n_trials, spec.place.cache, spec.place.environments)
    trace, failure = search(method, job)
    regrets = problem.regrets(spec.target, trace.values).tolist() if trace.values else []
    return Result(
        problem=spec.problem,
        hostile=spec.hostile,
        target=spec.target,
        method=spec.method,
        key=method.key,
        seed=spec.seed,
        n_trials=spec.n_trials,
        improvements=improvements([round(regret, DIGITS) for regret in regrets]),
        first_seconds=round(trace.seconds[0], 4) if trace.seconds else None,
        later_seconds=round(statistics.median(trace.seconds[1:]), 4) if len(trace.seconds) > 1 else None,
        failure=failure,
    )


def wanted(arguments: argparse.Namespace, place: Place) -> Iterator[Spec]:
    """All searches that were asked for: seed by seed, so that an interrupted call has something of everything."""
    for seed in range(arguments.seeds):
        for name in arguments.problems:
            problem = problem_of(place, name)
            n_trials = arguments.trials or problem.n_trials
            for target in problem.targets(arguments.targets):
                for method in arguments.methods:
                    if METHODS[method].slow and seed >= SEEDS_OF_SLOW:
                        continue
                    for kind in arguments.hostile or [""]:
                        if METHODS[method].told or not kind:
                            yield Spec(place, name, kind, target, method, seed, n_trials)


def complete(arguments: argparse.Namespace, place: Place, results: Results) -> None:
    """Do the searches that are missing, and keep them."""
    for method in arguments.again:
        results.forget(method)
    known = {one.identity for one in results.current()}
    missing = [
        spec
        for spec in wanted(arguments, place)
        if (spec.problem, spec.hostile, spec.target, spec.method, METHODS[spec.method].key, spec.seed, spec.n_trials)
        not in known
    ]
    if not missing:
        return
    needed_environments(sorted({spec.method for spec in missing}), place.environments)
    for spec in {(one.problem, one.hostile): one for one in missing}.values():
        kind = next((one for one in HOSTILE if one == spec.hostile), None)
        base_of(place, spec.problem, kind, spec.target)  # makes the base before several processes would
    began = time.monotonic()
    for number, result in enumerate(done(missing, arguments.jobs), 1):
        results.add(result)
        left = (time.monotonic() - began) / number * (len(missing) - number)
        told = result.failure.splitlines()[0] if result.failure else f"{result.at(result.n_trials):.4f}"
        name = " ".join(filter(None, (result.problem, result.hostile, result.target.rpartition("/")[2])))
        print(f"{number}/{len(missing)} {name}, {result.method}, seed {result.seed}: {told}; {left / 60:.0f} min left")


def done(specs: Sequence[Spec], jobs: int) -> Iterator[Result]:
    """Results as they come, of so many processes at a time."""
    if jobs == 1:
        yield from map(do, specs)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(do, spec) for spec in specs]):
            yield future.result()


def sections(arguments: argparse.Namespace, place: Place, results: Results) -> None:
    """Measure the sections that were asked for."""
    own = [name for name in arguments.methods if METHODS[name].own]
    if arguments.speed:
        results.add_section("speed", {"rows": speed(place, own)})
    if arguments.fake:
        told = [name for name in arguments.methods if METHODS[name].told and METHODS[name].peer is None]
        results.add_section("fake", {"rows": fake(place, arguments.problems, told)})
    if arguments.workers:
        few = [name for name in own if name in ("autometa", "transfer")]
        results.add_section("workers", {"rows": workers(place, "hpobench_mlp", few, arguments.workers)})


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=list(DEFAULT))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, help="default: 100, and 60 of the YAHPO problems")
    parser.add_argument(
        "--targets", type=int, help="how many datasets of each problem (default: all; 30 of rbv2_rpart)"
    )
    parser.add_argument("--hostile", nargs="+", choices=HOSTILE, default=[], help="search with sources that mislead")
    parser.add_argument("--again", nargs="+", choices=tuple(METHODS), default=[], help="forget what they have done")
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time")
    parser.add_argument("--speed", action="store_true", help="time per suggestion, and nothing else")
    parser.add_argument("--fake", action="store_true", help="searches with a planted run, and nothing else")
    parser.add_argument("--workers", type=int, default=0, help="searches by so many processes, and nothing else")
    parser.add_argument("--report", action="store_true", help="write docs/benchmarks from all results; measure nothing")
    parser.add_argument("--data", type=Path, help="the folder of YAHPO Gym's surrogates")
    parser.add_argument("--results", type=Path, default=CACHE / "results.jsonl")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--environments", type=Path, default=CACHE / "environments", help="of other libraries")
    arguments = parser.parse_args(words)
    needs = (
        [name for name in arguments.problems if name in NEED_DATA] or arguments.speed or "other" in arguments.hostile
    )
    if arguments.data is None and needs and not arguments.report:
        parser.error(f"{' and '.join(NEED_DATA)} need --data FOLDER; choose others with --problems.")
    return arguments


def main(words: Sequence[str] | None = None) -> None:
    """Measure what is missing, then report."""
    arguments = parsed(words)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place = Place(arguments.data, arguments.cache.resolve(), arguments.environments.resolve())
    os.environ["AUTOMETA_HOME"] = str(place.cache / "home")
    results = Results(arguments.results)
    special = arguments.speed or arguments.fake or arguments.workers
    if special:
        sections(arguments, place, results)
    elif not arguments.report:
        complete(arguments, place, results)
    whole = parsed(["--data", "."])
    narrowed = any(
        getattr(arguments, name) != getattr(whole, name) for name in ("problems", "methods", "trials", "targets")
    )
    everything = not (narrowed or special or arguments.hostile or arguments.seeds < whole.seeds)
    if arguments.report or everything:
        _transfer_report.write(results)
    else:
        print("\n" + _transfer_report.tables(results, arguments.problems, arguments.hostile))


if __name__ == "__main__":
    main()
