"""What early stopping brings at equal cost: the transfer sampler and random search with pruners, on surrogates.

The problem is rbv2_rpart of YAHPO Gym, whose fidelity is the share of the training rows. A trial is measured at 1/27,
1/9, 1/3 and all of them, and a pruner may stop it between. The base has 200 random runs of every other task at all four
(``TransferPruner`` learns its curves from them, the sampler ``transfer`` from those on all rows). Every dataset that is
searched is left out of the base.

Cost is in whole trials, and counted in two ways: ``anew`` adds up all fidelities of a trial, as where a learner begins
again with more rows (a trial at all four costs 1.48; one that is measured on all rows only costs 1), ``onward`` the
last one alone, as where it goes on, like epochs. The figure is the normalized regret of the best whole trial.

Run ``python benchmarks/multi_fidelity.py --data FOLDER``, where FOLDER has YAHPO Gym's surrogates (a folder for each
scenario with model.onnx, config_space.json and encoding.json).
"""

import argparse
import contextlib
import copy
import itertools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from _report import write
from _transfer_problems import RPART, RUNS_PER_TASK, Surrogates, make_base

import autometa
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.pruners import TransferPruner

Floats = npt.NDArray[np.float64]

STEPS = (1, 3, 9, 27)
WHOLE = STEPS[-1]
COSTS = (5, 10, 20)
SAMPLERS = ("random", "transfer")
MOST_TRIALS = 120
PEER_DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "yahpo"


@dataclass(frozen=True, slots=True)
class Fidelities:
    """The problem, at each share of the training rows.

    Attributes:
        whole: The problem as it is searched.
        at: The same by step.
        kb: Runs of all tasks at all shares.
    """

    whole: Surrogates
    at: dict[int, Surrogates]
    kb: KnowledgeBase


@dataclass(frozen=True, slots=True)
class Search:
    """What a search spent until the end of each whole trial, counted in both ways, and the values; shape (n,) each."""

    anew: Floats
    onward: Floats
    values: Floats
    n_trials: int


Pruner = Callable[[Fidelities, KnowledgeBase], optuna.pruners.BasePruner | None]


def _transfer(problem: Fidelities, base: KnowledgeBase) -> optuna.pruners.BasePruner:
    return TransferPruner(problem.whole.space, base, metric=problem.whole.metric, steps=WHOLE)


def _hyperband(problem: Fidelities, base: KnowledgeBase) -> optuna.pruners.BasePruner:
    return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=WHOLE, reduction_factor=3)


METHODS: dict[str, Pruner] = {
    "whole trials only": lambda problem, base: None,
    "MedianPruner": lambda problem, base: optuna.pruners.MedianPruner(),
    "HyperbandPruner": _hyperband,
    "TransferPruner": _transfer,
}


def load(data: Path, cache: Path) -> Fidelities:
    """The problem and its base, which is kept in the cache."""
    whole = Surrogates(RPART, data, cache, n_trials=MOST_TRIALS)
    at = {step: _at_share(whole, step / WHOLE) for step in STEPS}

    def runs(_: str, metric: Metric) -> Iterable[pd.DataFrame]:
        for dataset_id in whole.datasets:
            rng = np.random.default_rng([0, whole.datasets.index(dataset_id)])
            configs = [whole.space.sample(rng) for _ in range(RUNS_PER_TASK)]
            for step, problem in at.items():
                values = problem.values(dataset_id, configs)
                yield pd.DataFrame(configs).assign(value=values, dataset_id=dataset_id, fidelity=step / WHOLE)

    return Fidelities(whole, at, make_base(cache / f"kb-{whole.name}-curves", runs, whole.name, whole.metric))


def _at_share(whole: Surrogates, share: float) -> Surrogates:
    problem = copy.copy(whole)
    problem._scenario = replace(RPART, fixed={"trainsize": share, "repl": 10.0})
    return problem


def search(problem: Fidelities, sampler: str, pruner: Pruner, target: str, seed: int) -> Search:
    """Trials until their cost reaches the greatest that is reported, or there are as many as allowed."""
    space, metric, base = problem.whole.space, problem.whole.metric, problem.whole.base(target, problem.kb)
    chosen = pruner(problem, base)
    study = autometa.create_study(
        space,
        kb=base,
        metric=metric.name,
        direction=metric.direction,
        warm_start="none",
        sampler=sampler,
        pruner=chosen,
        seed=problem.whole.seed(target, seed),
    )
    spent, ended = [0.0, 0.0], list[tuple[float, float, float]]()
    while spent[1] < COSTS[-1] and len(study.trials) < MOST_TRIALS:
        trial = study.ask()
        config = space.suggest(trial)
        for step in STEPS if chosen is not None else (WHOLE,):
            value = float(problem.at[step].values(target, [config])[0])
            spent[0] += step / WHOLE
            trial.report(value, step)
            if step < WHOLE and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
        spent[1] += step / WHOLE
        if step == WHOLE:
            ended.append((spent[0], spent[1], value))
    anew, onward, values = np.array(ended).T
    return Search(anew, onward, values, len(study.trials))


def regrets(problem: Fidelities, target: str, found: Search, spent: Floats) -> Floats:
    """Normalized regret of the best whole trial at each cost; that of the first before it ended."""
    after = problem.whole.regrets(target, found.values.tolist())
    position = np.searchsorted(spent, np.array(COSTS) + 1e-9) - 1
    return np.asarray(after[np.maximum(position, 0)])


def compare(problem: Fidelities, targets: Sequence[str], n_seeds: int) -> list[list[str]]:
    """The rows of the table: each method, counted in both ways, mean and standard error over targets and seeds."""
    rows, searches = [], [(target, seed) for target in targets for seed in range(n_seeds)]
    for sampler, (name, pruner) in itertools.product(SAMPLERS, METHODS.items()):
        found = {one: search(problem, sampler, pruner, *one) for one in searches}
        trials = np.mean([one.n_trials for one in found.values()])
        whole = np.mean([len(one.values) for one in found.values()])
        for way in ("anew", "onward"):
            after = np.array([regrets(problem, target, one, getattr(one, way)) for (target, _), one in found.items()])
            error = after.std(axis=0, ddof=1) / np.sqrt(len(after))
            cells = [f"{mean:.4f} ± {spread:.4f}" for mean, spread in zip(after.mean(axis=0), error, strict=True)]
            rows.append([sampler, name, way, *cells, f"{trials:.0f}", f"{whole:.0f}"])
        print(*rows[-2:], sep="\n", flush=True)
    return rows


def main() -> None:
    """Search, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PEER_DATA, help="folder of YAHPO Gym's surrogates")
    parser.add_argument("--cache", type=Path, help="keep the base and what was learned here")
    parser.add_argument("--targets", type=int, default=6, help="datasets that are searched, each left out")
    parser.add_argument("--seeds", type=int, default=2)
    options = parser.parse_args()
    if not (options.data / RPART.name / "model.onnx").is_file():
        raise SystemExit(
            f"There is no {RPART.name}/model.onnx in {options.data}. Give YAHPO Gym's data: --data FOLDER."
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with contextlib.ExitStack() as stack:
        cache = options.cache or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        problem = load(options.data, cache)
        targets = problem.whole.targets(options.targets)
        rows = compare(problem, targets, options.seeds)
    header = ("sampler", "pruner", "cost", *(f"at {cost}" for cost in COSTS), "trials", "whole ones")
    remarks = (
        f"Normalized regret of the best whole trial, mean ± standard error over {len(targets)} datasets and "
        f"{options.seeds} seeds each; no warm start. Trials: until a cost of "
        f"{COSTS[-1]} counted onward, at most {MOST_TRIALS}.\n\n" + (__doc__ or "").partition("\n\n")[2].strip()
    )
    command = f"python benchmarks/multi_fidelity.py --data FOLDER --targets {options.targets} --seeds {options.seeds}"
    write("multi_fidelity", header, rows, command, remarks)


if __name__ == "__main__":
    main()
