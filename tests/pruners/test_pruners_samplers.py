"""Every sampler with every pruner: searches go on, nothing is tried twice, and pruned trials count as what they are."""

import math
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from autometa.knowledge import KnowledgeBase
from autometa.metrics import own
from autometa.pruners import PRUNERS, TransferPruner
from autometa.records import Config, Direction
from autometa.samplers import SAMPLERS, DeepKernelSampler, ModelSampler, Proposals, Seen
from autometa.spaces import SearchSpace

SPACE = SearchSpace.from_dict(
    {
        "name": "fidelities",
        "hyperparameters": {
            "kind": {"type": "categorical", "choices": ["a", "b"], "default": "a"},
            "x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5},
            "depth": {"type": "int", "low": 1, "high": 9, "default": 4, "when": {"kind": ["a"]}},
        },
    }
)
ERROR = own("error", "minimize")
STEPS = 9
N_TRIALS = 18
GIVEN: dict[str, Callable[[KnowledgeBase], optuna.pruners.BasePruner]] = {
    "median": lambda kb: optuna.pruners.MedianPruner(n_startup_trials=3),
    "halving": lambda kb: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    "hyperband": lambda kb: optuna.pruners.HyperbandPruner(max_resource=STEPS, reduction_factor=3),
    "hyperband, auto": lambda kb: optuna.pruners.HyperbandPruner(),
    "transfer": lambda kb: TransferPruner(SPACE, kb, metric=ERROR, steps=STEPS),
}


def loss(config: Config) -> float:
    depth = abs(float(config["depth"] or 0) - 4) / 10 if config["kind"] == "a" else 0.5
    return abs(float(config["x"] or 0) - 0.3) + depth


@pytest.fixture(scope="module")
def kb() -> Iterator[KnowledgeBase]:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        made = KnowledgeBase(folder)
        for number in range(3):
            configs = [SPACE.sample(rng) for _ in range(20)]
            at = [
                pd.DataFrame(configs).assign(
                    fidelity=step / STEPS, value=[loss(one) + number + STEPS / step for one in configs]
                )
                for step in (1, 3, STEPS)
            ]
            made.add_runs(f"d{number}", SPACE.name, pd.concat(at), metric="error", direction="minimize")
        yield made


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def sampler(name: str, kb: KnowledgeBase, cache: Path) -> optuna.samplers.BaseSampler:
    make = partial(DeepKernelSampler, training_steps=20) if name == "deep_kernel" else SAMPLERS.create(name)
    return make(SPACE, kb, metric=ERROR, cache=cache, seed=0)


def objective(trial: optuna.Trial) -> float:
    error = loss(SPACE.suggest(trial))
    for step in range(1, STEPS + 1):
        trial.report(error + STEPS / step, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return error + 1.0


def keys(study: optuna.Study) -> list[object]:
    return [SPACE.key({**one.params}) for one in study.trials]


def test_every_shipped_pruner_is_here() -> None:
    assert {name.split(",")[0] for name in GIVEN} == set(PRUNERS.names()) - {"none"}


@pytest.mark.parametrize("pruner", GIVEN)
@pytest.mark.parametrize("name", SAMPLERS.names())
def test_samplers_work_with_pruners(name: str, pruner: str, kb: KnowledgeBase, cache: Path) -> None:
    study = optuna.create_study(sampler=sampler(name, kb, cache), pruner=GIVEN[pruner](kb), study_name="s")
    n_trials = 12 if name == "deep_kernel" else N_TRIALS
    study.optimize(objective, n_trials=n_trials)
    states = [one.state for one in study.trials]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert study.best_value < 1.5
    if name != "tpe":
        assert len(set(keys(study))) == n_trials


@pytest.mark.parametrize("name", ["transfer", "random"])
def test_workers_on_one_storage_share_the_brackets_of_hyperband(
    name: str, kb: KnowledgeBase, cache: Path, tmp_path: Path
) -> None:
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    study = optuna.create_study(
        sampler=sampler(name, kb, cache), pruner=GIVEN["hyperband"](kb), study_name="s", storage=storage
    )
    study.optimize(objective, n_trials=N_TRIALS, n_jobs=4)
    resumed = optuna.load_study(
        study_name="s", storage=storage, sampler=sampler(name, kb, cache), pruner=GIVEN["hyperband"](kb)
    )
    resumed.optimize(objective, n_trials=6)
    assert len(set(keys(resumed))) == N_TRIALS + 6
    assert {one.state for one in resumed.trials} == {TrialState.COMPLETE, TrialState.PRUNED}


class Watcher(ModelSampler):
    """Remembers what it was shown."""

    shown: Seen

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        self.shown = seen
        return Proposals(self.draw(5, rng))


def ended(x: float, state: TrialState, value: float | None, *reports: float) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=state,
        value=value,
        params={"kind": "b", "x": x},
        distributions={name: one for name, one in SPACE.distributions().items() if name != "depth"},
        intermediate_values=dict(enumerate(reports, start=1)),
    )


def judged(
    *trials: FrozenTrial, direction: Direction = "maximize", pruner: optuna.pruners.BasePruner | None = None
) -> list[float]:
    """What a sampler is shown of trials, in order of ``x``, larger is better."""
    watcher = Watcher(SPACE, seed=0)
    study = optuna.create_study(sampler=watcher, direction=direction, study_name="s", pruner=pruner)
    study.add_trials(trials)
    SPACE.suggest(study.ask())
    place = watcher.coding.encode([{"kind": "b", "x": one.params["x"]} for one in trials])[:, 1]
    by_place = dict(zip(watcher.shown.codes[:, 1], watcher.shown.values.tolist(), strict=True))
    return [by_place[one] for one in place if one in by_place]


DONE, STOPPED, FAILED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
WHOLE = [
    ended(0.10, DONE, 0.8, 0.2, 0.7),
    ended(0.20, DONE, 0.9, 0.4, 0.8),
    ended(0.30, DONE, 1.0, 0.6, 0.9),
]


def test_of_a_pruned_trial_is_expected_what_came_of_those_that_stood_alike() -> None:
    """At step 1 the whole ones had 0.2, 0.4 and 0.6; halfway between the first two is halfway between 0.8 and 0.9."""
    found = judged(*WHOLE, ended(0.40, STOPPED, None, 0.3), ended(0.50, STOPPED, None, 0.3, 0.75))
    assert found == pytest.approx([0.8, 0.9, 1.0, 0.85, 0.85])


def test_a_pruned_trial_that_was_behind_all_stays_behind_by_as_much() -> None:
    found = judged(*WHOLE, ended(0.40, STOPPED, None, 0.1), ended(0.50, STOPPED, None, -0.8))
    assert found[3:] == pytest.approx([0.7, -0.2])


def test_a_pruned_trial_is_never_better_than_the_median() -> None:
    assert judged(*WHOLE, ended(0.40, STOPPED, None, 0.6), ended(0.50, STOPPED, None, 7.0))[3:] == [0.9, 0.9]


def test_both_directions_are_alike_for_pruned_trials() -> None:
    turned = [
        ended(one.params["x"], DONE, -float(one.values[0]), *(-v for v in one.intermediate_values.values()))
        for one in WHOLE
    ]
    found = judged(*turned, ended(0.40, STOPPED, None, -0.3), direction="minimize")
    assert found == pytest.approx([0.8, 0.9, 1.0, 0.85])


def test_pruned_trials_that_say_nothing_count_as_failed_ones() -> None:
    broken = [ended(0.40, STOPPED, None), ended(0.50, STOPPED, None, math.nan), ended(0.60, FAILED, None, 9.0)]
    assert judged(*WHOLE, *broken)[3:] == [0.8, 0.8, 0.8]


def test_where_none_is_complete_those_that_went_farthest_are_the_measure() -> None:
    found = judged(
        ended(0.10, STOPPED, None, 0.2, 0.7), ended(0.20, STOPPED, None, 0.4, 0.9), ended(0.30, STOPPED, None, 0.1)
    )
    assert found == pytest.approx([0.7, 0.9, 0.6])
    assert judged(ended(0.10, FAILED, None), ended(0.20, STOPPED, None)) == []


def test_whole_trials_that_report_nothing_leave_the_last_value_below_the_median() -> None:
    assert judged(ended(0.1, DONE, 0.5), ended(0.2, DONE, 0.7), ended(0.3, STOPPED, None, 0.55))[2] == 0.55


def test_all_brackets_of_hyperband_are_seen() -> None:
    pruner = optuna.pruners.HyperbandPruner(max_resource=9, reduction_factor=3)
    many = [ended(i / 20, DONE, i / 10, i / 20) for i in range(12)]
    assert len(judged(*many, pruner=pruner)) == 12
