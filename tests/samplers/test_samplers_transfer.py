"""The first proposals serve one source after the other, and follow those that order the trials well."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from autometa.knowledge import KnowledgeBase
from autometa.metrics import own
from autometa.samplers import TransferSampler, _transfer
from autometa.samplers._base import CLAIM
from autometa.samplers._transfer import _concordance
from autometa.spaces import SearchSpace

LINE = SearchSpace.from_dict(
    {"name": "line", "hyperparameters": {"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5}}}
)
GRID = [round(0.05 * step, 2) for step in range(21)]


def bowl(best: float) -> Callable[[float], float]:
    """An error that is least at ``best``."""
    return lambda x: abs(x - best)


def sampler(folder: Path, *errors: Callable[[float], float]) -> TransferSampler:
    """One source for each error, measured on the grid."""
    kb = KnowledgeBase(folder / "kb")
    for number, error in enumerate(errors):
        frame = pd.DataFrame({"x": GRID, "value": [error(x) for x in GRID]})
        kb.add_runs(f"d{number}", LINE.name, frame, metric="error", direction="minimize")
    return TransferSampler(LINE, kb, metric=own("error", "minimize"), cache=folder / "cache", seed=0)


def search(chosen: TransferSampler, error: Callable[[float], float], n_trials: int) -> list[float]:
    """What is tried."""
    study = optuna.create_study(sampler=chosen)
    study.optimize(lambda trial: error(float(str(LINE.suggest(trial)["x"]))), n_trials=n_trials)
    return [trial.params["x"] for trial in study.trials]


def told(study: optuna.Study, places: Sequence[float], error: Callable[[float], float]) -> None:
    """Add trials."""
    for x in places:
        trial = create_trial(params={"x": x}, distributions={"x": FloatDistribution(0.0, 1.0)}, value=error(x))
        study.add_trial(trial)


def test_concordance_counts_pairs_and_starts_from_three_to_one() -> None:
    values = np.array([1.0, 2.0, 3.0, 3.0])  # five pairs that differ
    right, wrong, silent, half = [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [0.0] * 4, [1.0, 2.0, 1.0, 1.0]
    found = _concordance(np.array([right, wrong, silent, half]).T, values)
    # The last orders three pairs: one as they are and two the other way round.
    assert found == pytest.approx([(5 + 2) / (5 + 4), 0.02, 2 / 4, (1 - 2 + 2) / (3 + 4)])
    assert _concordance(np.zeros((0, 2)), np.zeros(0)) == pytest.approx([0.5, 0.5])


def test_running_trials_serve_one_group_of_sources_each(tmp_path: Path) -> None:
    study = optuna.create_study(sampler=sampler(tmp_path, *[bowl(0.2)] * 3, *[bowl(0.8)] * 2))
    asked = [LINE.suggest(study.ask())["x"] for _ in range(2)]
    assert asked == [0.2, 0.8]


def test_a_source_that_orders_the_trials_comes_before_many_that_do_not(tmp_path: Path) -> None:
    study = optuna.create_study(sampler=sampler(tmp_path, *[bowl(0.2)] * 5, bowl(0.8)))
    told(study, (0.0, 0.4, 0.6), bowl(0.8))  # each of the six is 0.2 away from its best
    assert LINE.suggest(study.ask())["x"] == pytest.approx(0.8, abs=0.06)


def test_when_all_are_served_the_target_s_own_runs_lead(tmp_path: Path) -> None:
    tried = search(sampler(tmp_path, bowl(0.2), bowl(0.25), bowl(0.2)), bowl(0.45), 8)
    assert tried[0] in (0.2, 0.25)
    assert min(map(bowl(0.45), tried)) < 0.02


def spike(best: float) -> Callable[[float], float]:
    """An error that grows to the right, but for one place: a source that only that place serves."""
    return lambda x: 0.0 if x == best else 0.5 + x / 2


def ways(chosen: TransferSampler, error: Callable[[float], float], n_trials: int) -> list[str]:
    """How each trial was proposed."""
    study = optuna.create_study(sampler=chosen)
    found = []
    for _ in range(n_trials):
        trial = study.ask()
        study.tell(trial, error(float(str(LINE.suggest(trial)["x"]))))
        said = study._storage.get_trial_system_attrs(trial._trial_id)[CLAIM]
        found.append(str(json.loads(said)["way"]))
    return found


def test_sources_that_are_right_are_served_as_long_as_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [spike(best) for best in GRID[1:18]]
    assert 6 <= ways(sampler(tmp_path / "ten", *errors), spike(1.0), 12).count("serves") <= _transfer._MOST_SERVING
    monkeypatch.setattr(_transfer, "_MOST_SERVING", 3)
    assert ways(sampler(tmp_path / "three", *errors), spike(1.0), 6) == ["serves"] * 3 + [
        "improves",
        "doubts",
        "improves",
    ]


def test_sources_that_say_the_opposite_are_no_longer_served(tmp_path: Path) -> None:
    found = ways(sampler(tmp_path, *[spike(best) for best in GRID[1:18]]), bowl(1.0), 12)
    assert 1 <= found.count("serves") <= 5
    assert found[-3] == "doubts"


@pytest.mark.parametrize(("n_trials", "the_same"), [(3, False), (4, True)])
def test_every_fifth_proposal_does_not_hang_on_what_sources_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_trials: int, the_same: bool
) -> None:
    monkeypatch.setattr(_transfer, "_MOST_SERVING", 0)
    tried = []
    for best in (0.2, 0.8):
        study = optuna.create_study(sampler=sampler(tmp_path / str(best), bowl(best), bowl(best)))
        told(study, (0.5, 0.52, 0.48, 0.51)[:n_trials], lambda x: 0.3 + (x - 0.5) ** 2)
        tried.append(LINE.suggest(study.ask())["x"])
    assert (tried[0] == pytest.approx(tried[1], abs=0.05)) is the_same


def test_without_sources_it_is_bayesian_optimization(tmp_path: Path) -> None:
    chosen = sampler(tmp_path)
    assert ways(chosen, bowl(0.3), 3) == ["improves"] * 3
    assert min(map(bowl(0.3), search(chosen, bowl(0.3), 12))) < 0.05


def test_the_opening_is_what_would_be_proposed_first_and_names_whom_it_serves(tmp_path: Path) -> None:
    errors = [spike(0.2), spike(0.2), spike(0.2), spike(0.7)]
    first, second, third = sampler(tmp_path, *errors).opening(3)
    proposed = search(sampler(tmp_path, *errors), lambda x: 0.0, 2)
    assert [first.config["x"], second.config["x"]] == proposed
    assert [first.origin.dataset_id, second.origin.dataset_id] == ["d0", "d3"]
    assert [one.origin.rank for one in (first, second, third)] == [1, 2, 3]
    assert third.config["x"] not in proposed


def test_an_opening_keeps_to_its_part_of_the_space_and_is_empty_without_sources(tmp_path: Path) -> None:
    everywhere = sampler(tmp_path / "some", bowl(0.2))
    assert sampler(tmp_path / "none").opening(3) == []
    narrowed = TransferSampler(
        LINE, everywhere._kb, metric=own("error", "minimize"), cache=tmp_path, within=LINE.restrict({"x": (0.4, 0.9)})
    )
    assert all(0.4 <= float(str(one.config["x"])) <= 0.9 for one in narrowed.opening(3))
    assert narrowed.opening(3)
