import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from autometa.candidates import CANDIDATES, MLP
from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor
from autometa.candidates._mlp_timer import LEVELS, Phase, Timer
from autometa.errors import OptionError
from autometa.model import load_pipeline, save_pipeline
from autometa.testing.candidates import Table, predict

SMALL: dict[str, Any] = {"width": 16, "n_blocks": 1, "device": "cpu", "random_state": 0, "batch_size": 16}


class Clock:
    """Goes on by ``ticks`` each time that someone looks, evenly or not."""

    def __init__(self, *ticks: float) -> None:
        self.ticks, self.looks, self.now = ticks, 0, 0.0

    def __call__(self) -> float:
        self.now += self.ticks[self.looks % len(self.ticks)]
        self.looks += 1
        return self.now


def stopped() -> float:
    raise AssertionError("A repeated fit must not look at the clock.")


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: Any) -> None:
    monkeypatch.setattr("autometa.candidates._mlp_timer.time.monotonic", clock)


def steps(timer: Timer, n: int, *, phase: Phase = "training", of: int = 1000) -> list[tuple[float, bool]]:
    return [timer.progress(phase, step, step / of) for step in range(n)]


def test_without_a_limit_epochs_alone_count(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, stopped)
    timer = Timer(0.0, None)
    assert steps(timer, 3, of=4) == [(0.0, False), (0.25, False), (0.5, False)]
    assert timer.record == {}


def test_time_counts_in_whole_parts_and_is_recorded_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, Clock(1.0))
    timer = Timer(0.0, 64.0)  # a part is two ticks
    assert steps(timer, 4) == [(0.0, False), (1 / LEVELS, False), (1 / LEVELS, False), (2 / LEVELS, False)]
    assert timer.record == {"training 1/32": 1, "training 2/32": 3}


def test_time_that_is_over_ends_training(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, Clock(3.0))
    timer = Timer(0.0, 6.0)
    assert steps(timer, 2) == [(0.5, False), (1.0, True)]
    assert timer.record == {"training 16/32": 0, "training 32/32": 1}


def test_a_limit_that_never_mattered_leaves_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, Clock(1.0))
    timer = Timer(0.0, 1000.0)
    assert [share for share, _ in steps(timer, 4, of=4)] == [0.0, 0.25, 0.5, 0.75]
    assert timer.record == {}


def test_a_replay_says_the_same_without_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, Clock(1.0, 0.0, 7.0, 2.5))
    timer = Timer(0.0, 40.0)
    said = steps(timer, 9) + steps(timer, 8, phase="refit")
    assert said[-1][1]
    set_clock(monkeypatch, stopped)
    again = Timer(0.0, 40.0, json.loads(json.dumps(timer.record)))
    assert steps(again, 9) + steps(again, 8, phase="refit") == said
    assert again.record == timer.record


@pytest.mark.parametrize(
    "record", [{"training": 3}, {"training 33/32": 3}, {"training 1/32": -1}, {"training 1/32": 1.0}, {"x 1/32": 1}]
)
def test_what_is_no_record_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(record))):
        MLPClassifier(replay=record).fit(np.eye(4), [0, 1, 0, 1])


def table() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    return X, X[:, 0] - X[:, 1] ** 2 + 0.3 * rng.normal(size=120)


# A tick is a step, on average. The first training takes 6 epochs of 7, the second on all rows at most 6 of 8. The
# limits end the first at once, the first in its third epoch, the second, and none; but then the second begins with
# nearly half of the time over, and so with a lower learning rate.
@pytest.mark.parametrize(
    ("seconds", "out_of_time", "refitted"),
    [(1.0, True, False), (18.5, True, False), (52.0, False, False), (100.0, False, True)],
)
def test_a_fit_that_the_clock_decided_is_repeated_to_the_bit(
    monkeypatch: pytest.MonkeyPatch, seconds: float, out_of_time: bool, refitted: bool
) -> None:
    X, y = table()
    settings = SMALL | {"max_epochs": 6}
    set_clock(monkeypatch, Clock(1.0, 0.5, 1.5))
    limited = MLPRegressor(**settings, time_limit=seconds).fit(X, y)
    assert (limited.out_of_time_, limited.refitted_) == (out_of_time, refitted)
    record = json.loads(json.dumps(limited.training_record_))
    assert record
    set_clock(monkeypatch, lambda: 0.0)  # `fit` notes when it began
    again = MLPRegressor(**settings, replay=record).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), limited.predict(X))
    for name, value in limited.weights_.items():
        np.testing.assert_array_equal(again.weights_[name], value)
    assert again.training_record_ == limited.training_record_
    assert again.validation_losses_ == limited.validation_losses_
    assert (again.out_of_time_, again.refitted_) == (out_of_time, refitted)
    unlimited = MLPRegressor(**settings).fit(X, y)
    assert not np.array_equal(unlimited.predict(X), limited.predict(X))


def test_a_fit_that_no_limit_ended_has_an_empty_record_which_repeats_it() -> None:
    X, y = table()
    settings = SMALL | {"max_epochs": 3}
    free = MLPRegressor(**settings).fit(X, y)
    roomy = MLPRegressor(**settings, time_limit=1e6).fit(X, y)
    assert free.training_record_ == roomy.training_record_ == {}
    again = MLPRegressor(**settings, time_limit=1e-6, replay={}).fit(X, y)
    np.testing.assert_array_equal(again.predict(X), free.predict(X))
    np.testing.assert_array_equal(roomy.predict(X), free.predict(X))


def pipeline(table: Table, **change: Any) -> Pipeline:
    config = MLP().space_for(table.task).default() | {"width": 32}
    return MLP().build(config, schema=table.schema, seed=0).set_params(**change)


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_repeated_pipeline_is_saved_and_loaded(task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Table(task, texts=True)
    set_clock(monkeypatch, Clock(1.0))
    limited = pipeline(data, model__time_limit=9.0).fit(data.X, data.y)
    expected = predict(limited, data.X, task)
    monkeypatch.setattr("autometa.candidates._mlp_timer.time.monotonic", time.perf_counter)
    save_pipeline(limited, tmp_path / "limited")
    record = load_pipeline(tmp_path / "limited")["model"].training_record_
    again = pipeline(data, model__replay=record).fit(data.X, data.y)
    save_pipeline(again, tmp_path / "again")
    for folder in ("limited", "again"):
        np.testing.assert_array_equal(predict(load_pipeline(tmp_path / folder), data.X, task), expected)
    loaded = load_pipeline(tmp_path / "again")["model"]
    assert loaded.replay == loaded.training_record_ == record


@pytest.mark.parametrize("name", CANDIDATES.names())
def test_only_networks_have_a_limit_of_their_own(name: str) -> None:
    candidate = CANDIDATES.create(name)
    if not candidate.available():
        pytest.skip(f"{name} is not installed")
    data = Table("regression" if name == "ridge" else "binary", n=8)
    model = candidate.build(candidate.space_for(data.task).default(), schema=data.schema, seed=0)["model"]
    assert (
        ("time_limit" in model.get_params())
        == ("replay" in model.get_params())
        == (name in ("few_shot_tabular", "mlp"))
    )
