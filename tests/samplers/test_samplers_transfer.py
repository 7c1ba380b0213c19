"""The first proposals serve one source after the other, and follow those that order the trials well."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from autometa.knowledge import KnowledgeBase
from autometa.metrics import own
from autometa.samplers import TransferSampler, _transfer
from autometa.samplers._sources import Sources
from autometa.samplers._transfer import _concordance
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

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
    for x in (0.0, 0.4, 0.6):  # each of the six is 0.2 away from its best
        trial = create_trial(params={"x": x}, distributions={"x": FloatDistribution(0.0, 1.0)}, value=bowl(0.8)(x))
        study.add_trial(trial)
    assert LINE.suggest(study.ask())["x"] == pytest.approx(0.8, abs=0.06)


def test_when_all_are_served_the_target_s_own_runs_lead(tmp_path: Path) -> None:
    tried = search(sampler(tmp_path, bowl(0.2), bowl(0.25), bowl(0.2)), bowl(0.45), 8)
    assert tried[0] in (0.2, 0.25)
    assert min(map(bowl(0.45), tried)) < 0.02


def spike(best: float) -> Callable[[float], float]:
    """An error that grows to the right, but for one place: a source that only that place serves."""
    return lambda x: 0.0 if x == best else 0.5 + x / 2


def served(folder: Path, error: Callable[[float], float], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many of fifteen trials serve one of seventeen sources; the others come from the model."""
    calls = list[int]()
    original = Sources.complementing

    def counted(self: Sources, served: Floats, weights: Floats) -> npt.NDArray[np.int64]:
        calls.append(1)
        return original(self, served, weights)

    monkeypatch.setattr(Sources, "complementing", counted)
    search(sampler(folder, *map(spike, GRID[1:18])), error, 15)
    return len(calls)


def test_sources_that_are_right_are_served_as_long_as_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 6 <= served(tmp_path / "ten", spike(1.0), monkeypatch) <= _transfer._MOST_SERVING
    monkeypatch.setattr(_transfer, "_MOST_SERVING", 3)
    assert served(tmp_path / "three", spike(1.0), monkeypatch) == 3


def test_sources_that_say_the_opposite_are_no_longer_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= served(tmp_path, bowl(1.0), monkeypatch) <= 5
