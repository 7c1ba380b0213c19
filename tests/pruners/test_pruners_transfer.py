"""Early stopping by what learning curves of other datasets say."""

import math
import pickle
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState

import autometa
from autometa.datasets import read_dataset
from autometa.errors import OptionError, UnknownNameError
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric, own
from autometa.pruners import PRUNERS, TransferPruner
from autometa.spaces import SearchSpace

SPACE = SearchSpace.from_dict(
    {"name": "net", "hyperparameters": {"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5}}}
)
ERROR, SCORE = own("error", "minimize"), own("score", "maximize")
STEPS = 4
X: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}


def base(folder: Path, *, telling: bool = True, metric: Metric = ERROR, n_datasets: int = 4) -> KnowledgeBase:
    """Thirty configurations a dataset at each quarter of the budget; what is telling falls evenly, else at random."""
    kb, rng = KnowledgeBase(folder), np.random.default_rng(0)
    for number in range(n_datasets):
        rows = []
        for x in rng.random(30).tolist():
            end = abs(x - 0.3) + number
            for step in range(1, STEPS + 1):
                early = end + 1 - step / STEPS if telling else rng.random() + number
                rows.append((x, step / STEPS, metric.loss(end if step == STEPS else early)))
        frame = pd.DataFrame(rows, columns=["x", "fidelity", "value"])
        kb.add_runs(f"dataset-{number}", "net", frame, metric=metric.name, direction=metric.direction)
    return kb


def ended(value: float, curve: Sequence[float] = (), state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    """A trial that reported at steps 1, 2, ..."""
    return optuna.trial.create_trial(
        state=state,
        value=value if state is TrialState.COMPLETE else None,
        params={"x": 0.5},
        distributions=X,
        intermediate_values=dict(enumerate(curve, start=1)),
    )


def falling(end: float, steps: int = STEPS) -> FrozenTrial:
    """A trial whose curve falls evenly, as those of the telling base."""
    return ended(end, [end + 1 - step / STEPS for step in range(1, steps + 1)])


def study(*trials: FrozenTrial, metric: Metric = ERROR) -> optuna.Study:
    made = optuna.create_study(direction=metric.direction)
    made.add_trials(trials)
    return made


def running(of: optuna.Study, reports: Mapping[int, float]) -> FrozenTrial:
    trial = of.ask(X)
    for step, value in reports.items():
        trial.report(value, step)
    return of._storage.get_trial(trial._trial_id)


def pruner(kb: KnowledgeBase, metric: Metric = ERROR, **options: Any) -> TransferPruner:
    return TransferPruner(SPACE, kb, metric=metric, **({"steps": STEPS} | options))


THREE = (0.1, 0.2, 0.3)


def test_a_hopeless_trial_stops_and_a_promising_one_goes_on(tmp_path: Path) -> None:
    judge, target = pruner(base(tmp_path)), study(*map(falling, THREE))
    assert judge.prune(target, running(target, {1: 1.55}))
    assert not judge.prune(target, running(target, {1: 0.80}))
    assert judge.chance(target, running(target, {1: 0.80})) > 0.9
    assert 0.2 < judge.chance(target, running(target, {1: 0.85})) < 0.8  # as the best one stood there


def test_shares_that_no_decimal_number_holds_are_judged_by_the_base(tmp_path: Path) -> None:
    rates = [i / 20 for i in range(20)]
    frame = pd.DataFrame(
        [(x, step / 27, abs(x - 0.3) + 1 - step / 27) for x in rates for step in (1, 9, 27)],
        columns=["x", "fidelity", "value"],
    )
    kb = KnowledgeBase(tmp_path)
    kb.add_runs("a", "net", frame, metric="error", direction="minimize")
    target = study(*(ended(end, [end + 26 / 27]) for end in THREE))
    assert pruner(kb, steps=27).prune(target, running(target, {1: 50.0}))


def test_where_a_share_tells_nothing_elsewhere_nothing_stops_there(tmp_path: Path) -> None:
    target = study(ended(0.1, [0.9, 0.5, 0.6]), ended(0.2, [0.3, 0.8, 0.5]), ended(0.3, [0.6, 0.1, 0.7]))
    assert not pruner(base(tmp_path, telling=False)).prune(target, running(target, {1: 1.2}))


def test_the_targets_own_trials_overrule_the_base(tmp_path: Path) -> None:
    judge, believed = pruner(base(tmp_path)), study(*map(falling, THREE))
    assert judge.prune(believed, running(believed, {1: 1.6}))
    rng = np.random.default_rng(1)
    random = [ended(float(end), rng.random(3).tolist()) for end in rng.random(20)]
    late = study(*map(falling, THREE), *random)
    assert judge.chance(late, running(late, {1: 1.6})) > judge.chance(believed, running(believed, {1: 1.6}))
    assert not pruner(base(tmp_path / "2"), keep=0.02).prune(late, running(late, {1: 0.9}))


def test_both_directions_are_alike(tmp_path: Path) -> None:
    down = study(*map(falling, THREE))
    turned = [ended(-one.value, [-v for v in one.intermediate_values.values()]) for one in map(falling, THREE)]  # type: ignore[operator]
    up = study(*turned, metric=SCORE)
    smaller, larger = pruner(base(tmp_path / "a")), pruner(base(tmp_path / "b", metric=SCORE), SCORE)
    for value in (0.8, 0.9, 1.1, 1.6):
        chance = smaller.chance(down, running(down, {1: value}))
        assert larger.chance(up, running(up, {1: -value})) == pytest.approx(chance)


def test_values_that_are_no_numbers_stop_a_trial_and_others_that_have_them_tell_nothing(tmp_path: Path) -> None:
    judge, target = pruner(base(tmp_path)), study(*map(falling, THREE))
    assert judge.prune(target, running(target, {1: math.nan}))
    assert judge.prune(target, running(target, {1: math.inf}))
    assert not judge.prune(target, running(target, {1: -math.inf}))
    few = study(falling(0.1), ended(math.inf, [1.0] * 4), ended(0.2, [math.nan, 0.7, 0.5]), falling(0.3))
    assert not judge.prune(few, running(few, {1: 1.6}))
    assert judge.prune(few, running(few, {2: 1.6}))


def test_nothing_stops_before_enough_is_known(tmp_path: Path) -> None:
    judge = pruner(base(tmp_path))
    failed, stopped = ended(0, [9.0], TrialState.FAIL), ended(0, [9.0], TrialState.PRUNED)
    early = study(falling(0.1), falling(0.2), ended(0.3), *[failed] * 5, *[stopped] * 5)
    assert not judge.prune(early, running(early, {1: 50.0}))
    assert not judge.prune(early, running(early, {1: math.nan}))
    early.add_trial(falling(0.3))
    assert judge.prune(early, running(early, {1: 50.0}))
    assert not judge.prune(early, running(early, {}))
    assert not pruner(base(tmp_path / "2"), startup=4).prune(early, running(early, {1: 50.0}))


def test_the_end_of_the_budget_is_no_time_to_stop(tmp_path: Path) -> None:
    judge, target = pruner(base(tmp_path)), study(*map(falling, THREE))
    assert judge.prune(target, running(target, {3: 5.0}))
    assert not judge.prune(target, running(target, {4: 5.0}))


def test_a_trial_must_be_able_to_beat_the_best_or_another_one(tmp_path: Path) -> None:
    kb, target = base(tmp_path), study(*map(falling, (0.1, 0.2, 0.6)))
    trial = running(target, {3: 0.7})  # ends near 0.45
    assert pruner(kb).prune(target, trial)
    assert not pruner(kb, top=3).prune(target, trial)
    assert not pruner(kb, keep=0).prune(target, running(target, {1: 50.0}))
    assert not pruner(kb, top=4).prune(target, running(target, {1: 50.0}))


@pytest.mark.parametrize("steps", [STEPS, {1: 0.25, 2: 0.5, 3: 0.75, 4: 1.0}, None])
def test_shares_come_from_the_last_step_from_a_table_or_from_the_finished_trials(tmp_path: Path, steps: Any) -> None:
    target = study(*map(falling, THREE))
    usual = pruner(base(tmp_path)).chance(target, running(target, {2: 0.9}))
    assert pruner(base(tmp_path / "2"), steps=steps).chance(target, running(target, {2: 0.9})) == usual


def test_steps_whose_share_is_not_known_are_judged_by_the_study_alone(tmp_path: Path) -> None:
    target = study(*map(falling, THREE))
    judge = pruner(base(tmp_path), steps={4: 1.0})
    assert not judge.prune(target, running(target, {1: 50.0}))
    target.add_trials([falling(0.4), falling(0.5), falling(0.45), falling(0.25)])
    assert judge.prune(target, running(target, {1: 50.0}))


def test_without_curves_the_study_decides_and_a_warning_says_so_once(tmp_path: Path) -> None:
    judge, target = pruner(KnowledgeBase(tmp_path)), study(*map(falling, THREE))
    with pytest.warns(UserWarning, match=r"no learning curves of 'net' by error.*'fidelity'"):
        assert not judge.prune(target, running(target, {1: 50.0}))
    target.add_trials([falling(0.15 + i / 20) for i in range(6)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert judge.prune(target, running(target, {1: 50.0}))
        assert not judge.prune(target, running(target, {1: 0.8}))
    assert judge.curves == ()


def test_other_units_than_the_targets_mislead_nobody(tmp_path: Path) -> None:
    """On the datasets of the base all ends lie within 1; the target's are a thousand times that, and as noisy."""
    rng = np.random.default_rng(2)
    target = study(*[ended(1000 * float(end), [1000 * float(rng.random())] * 3) for end in rng.random(4)])
    best = target.best_value
    worse = running(target, {1: best + 200})
    assert not pruner(base(tmp_path)).prune(target, worse)


def test_the_answer_is_derived_from_the_study_and_the_base_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    target = optuna.create_study(study_name="s", storage=url)
    target.add_trials([*map(falling, THREE)])
    trial = running(target, {1: 1.0})
    judge = pruner(base(tmp_path / "kb"))
    said = judge.chance(target, trial)
    assert 0 < said < 1
    resumed = optuna.load_study(study_name="s", storage=url)
    assert pruner(KnowledgeBase(tmp_path / "kb")).chance(resumed, trial) == said
    assert pickle.loads(pickle.dumps(judge)).chance(resumed, trial) == said
    assert judge.chance(target, trial) == said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 1.0}, "keep is a probability"),
        ({"top": 0}, "top counts from 1"),
        ({"startup": 1}, "startup must be at least 2"),
        ({"steps": 0}, "last step of a whole trial"),
        ({"steps": {1: 0.5, 2: 1.5}}, r"step 2 has 1\.5"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        pruner(KnowledgeBase(tmp_path), **options)


def objective(trial: optuna.Trial) -> float:
    error = abs(trial.suggest_float("x", 0, 1) - 0.25)
    for step in range(1, STEPS + 1):
        trial.report(error + 1 - step / STEPS, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return error


def test_a_study_stops_by_curves_of_ones_own_runs(tmp_path: Path) -> None:
    kb = base(tmp_path / "kb")
    options: dict[str, Any] = {"kb": kb, "space_name": "net", "seed": 0, "sampler": "random", "warm_start": "none"}
    made = autometa.create_study(X, pruner="transfer", **options)
    assert isinstance(made.pruner, TransferPruner)
    made.optimize(objective, n_trials=24)
    whole = autometa.create_study(X, pruner="none", **options)
    whole.optimize(objective, n_trials=24)
    stopped = [one for one in made.trials if one.state is TrialState.PRUNED]
    assert len(stopped) >= 10
    assert made.best_value == whole.best_value
    assert not [one for one in whole.trials if one.state is TrialState.PRUNED]


def test_a_study_that_was_added_stops_the_trials_of_the_next(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    rows = np.arange(20)
    dataset = read_dataset(
        pd.DataFrame({"a": rows / 7, "class": np.where(rows % 2, "yes", "no")}), target="class", name="twenty rows"
    )
    past = optuna.create_study(study_name="net", sampler=optuna.samplers.RandomSampler(seed=1))
    past.sampler, past.pruner = optuna.samplers.RandomSampler(seed=1), optuna.pruners.NopPruner()
    past.optimize(objective, n_trials=20)
    assert kb.add_study(past, dataset, metric="error").points == 20 * (STEPS - 1)
    made = autometa.create_study(X, pruner="transfer", kb=kb, space_name="net", seed=0, warm_start="none")
    assert isinstance(made.pruner, TransferPruner)
    made.optimize(objective, n_trials=10)
    (curves,) = made.pruner.curves
    assert len(curves.finals) == 20
    assert [one for one in made.trials if one.state is TrialState.PRUNED]


def test_threads_share_a_pruner(tmp_path: Path) -> None:
    made = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner(base(tmp_path)))
    made.optimize(objective, n_trials=24, n_jobs=4)
    states = [one.state for one in made.trials]
    assert set(states) == {TrialState.COMPLETE, TrialState.PRUNED}
    assert len(states) == 24


def test_pruners_are_chosen_by_name_or_given(tmp_path: Path) -> None:
    options: dict[str, Any] = {"kb": base(tmp_path), "space_name": "net", "warm_start": "none", "seed": 0}
    kinds = {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "halving": optuna.pruners.SuccessiveHalvingPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
        "transfer": TransferPruner,
    }
    assert set(PRUNERS.names()) >= kinds.keys()
    for name, kind in kinds.items():
        assert type(autometa.create_study(X, pruner=name, **options).pruner) is kind
    own_one = optuna.pruners.ThresholdPruner(upper=1.0)
    assert autometa.create_study(X, pruner=own_one, **options).pruner is own_one
    assert isinstance(autometa.create_study(X, **options).pruner, optuna.pruners.MedianPruner)
    with pytest.raises(UnknownNameError, match="Did you mean 'hyperband'"):
        autometa.create_study(X, pruner="hyperbnd", **options)
