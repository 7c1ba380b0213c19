"""The MLP's optimizers: what a step of each does, what a learned one may do, and what happens where it diverges."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skops.io
import torch

from autometa.candidates import MLP, TRUSTED_TYPES, _mlp_train
from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor
from autometa.candidates._mlp_net import NetSpec, TabularNet
from autometa.candidates._mlp_optimizer import DEFAULT_RATE, EMBEDDING_FACTOR, RULE, SGD_FACTOR, NetOptimizer
from autometa.candidates._mlp_timer import Timer
from autometa.candidates._mlp_train import DIVERGED, Diverged, Options, Rows, fit, train
from autometa.errors import OptionError
from autometa.learned_optimizers import RULES, make_rule, save_rule, shipped_rules
from autometa.model import load_pipeline, save_pipeline
from autometa.testing.candidates import Table, predict

Ship = Callable[..., None]

SMALL: dict[str, Any] = {"width": 16, "n_blocks": 1, "device": "cpu", "random_state": 0, "max_epochs": 4}
ADAM = {"lr": 3e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ship:
    """Ships an untrained rule as the one for tables; without a name, none at all."""

    def ship(name: str | None = "adam", **options: float) -> None:
        rules = {"quadratic": tmp_path / "elsewhere"}
        if name is not None:
            save_rule(make_rule(name, options), tmp_path / "rule", {"trained": False})
            rules[RULE] = tmp_path / "rule"
        monkeypatch.setattr("autometa.learned_optimizers.shipped_rules", lambda: rules)

    return ship


def numbers(n: int = 120, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X[:, 0] - X[:, 1] ** 2 + 0.3 * rng.normal(size=n)


def labels() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    X, y = numbers()
    return X, y > 0


def regressor(**change: Any) -> MLPRegressor:
    settings = SMALL | change
    return MLPRegressor(**settings)


def same(a: Any, b: Any) -> None:
    for name, value in a.weights_.items():
        np.testing.assert_array_equal(b.weights_[name], value, err_msg=name)


def net() -> TabularNet:
    return TabularNet(
        NetSpec(2, 0, (), 1, 1, 8, 0.0, "periodic", 2, 2, 1.0, 2), torch.Generator().manual_seed(0)
    ).requires_grad_()


def stepped(name: str, *gradients: float, anneal: float = 1.0, **change: float) -> list[tuple[str, float, float]]:
    """A weight of each kind before and after steps with the same gradient everywhere."""
    its = net()
    settings = {"learning_rate": 0.002, "weight_decay": 0.0} | change
    optimizer = NetOptimizer(its, name, **settings)
    names = {"numeric.weight": "embedding", "stem.weight": "decayed", "stem.bias": "free"}
    params = dict(its.named_parameters())
    before = {one: float(params[one].detach().flatten()[0]) for one in names}
    for gradient in gradients:
        optimizer.zero_grad()
        for value in params.values():
            value.grad = torch.full_like(value, gradient)
        optimizer.step(anneal, torch.tensor(1.0))
    return [(kind, before[one], float(params[one].detach().flatten()[0])) for one, kind in names.items()]


def test_the_default_is_adamw() -> None:
    X, y = numbers()
    same(regressor().fit(X, y), regressor(optimizer="adamw").fit(X, y))


def test_steps_of_sgd_by_hand() -> None:
    g, rate = 1e-3, 0.5 * SGD_FACTOR * 0.002
    # Nesterov: the first step is g + 0.9 g, the second g + 0.9 (g + 0.9 g).
    moved = rate * (1.9 * g + 2.71 * g)
    shrink = (1 - 0.5 * 0.002 * 0.1) ** 2
    for kind, before, after in stepped("sgd", g, g, anneal=0.5, weight_decay=0.1):
        factor = EMBEDDING_FACTOR if kind == "embedding" else 1.0
        kept = before * shrink if kind == "decayed" else before
        assert after == pytest.approx(kept - factor * moved, abs=1e-6), kind


def test_gradients_of_sgd_are_clipped_to_a_norm_of_one() -> None:
    n = sum(value.numel() for value in net().parameters())
    for kind, before, after in stepped("sgd", 1e3):
        factor = EMBEDDING_FACTOR if kind == "embedding" else 1.0
        assert before - after == pytest.approx(factor * SGD_FACTOR * 0.002 * 1.9 / n**0.5, rel=1e-3), kind


def test_a_step_of_a_learned_optimizer_by_hand(ship: Ship) -> None:
    ship("adam", lr=0.004, epsilon=1e-12)
    # Adam's first step is its rate, whatever the gradient; the learning rate of the estimator does not matter.
    for kind, before, after in stepped("learned", 1e-3, anneal=0.5, weight_decay=0.1, learning_rate=7.0):
        factor = EMBEDDING_FACTOR if kind == "embedding" else 1.0
        kept = before * (1 - 0.5 * DEFAULT_RATE * 0.1) if kind == "decayed" else before
        assert after == pytest.approx(kept - factor * 0.5 * 0.004, abs=1e-7), kind


def test_the_rate_of_weight_decay_is_adamws_default() -> None:
    assert MLPClassifier().learning_rate == DEFAULT_RATE


def test_a_learned_adam_with_the_values_of_adamw_is_adamw(ship: Ship) -> None:
    ship("adam", **ADAM)
    X, y = numbers()
    learned, adamw = (regressor(optimizer=name, weight_decay=0.1).fit(X, y) for name in ("learned", "adamw"))
    np.testing.assert_allclose(learned.predict(X), adamw.predict(X), rtol=1e-3, atol=1e-3)
    assert learned.fallback_ == adamw.fallback_ == ""
    assert learned.refitted_


def test_a_learned_optimizer_ignores_the_learning_rate(ship: Ship) -> None:
    ship("adam", lr=0.01)
    X, y = numbers()
    same(regressor(optimizer="learned").fit(X, y), regressor(optimizer="learned", learning_rate=0.1).fit(X, y))
    assert not np.array_equal(regressor().fit(X, y).predict(X), regressor(optimizer="learned").fit(X, y).predict(X))


@pytest.mark.parametrize("name", RULES.names())
def test_every_rule_can_be_the_one_for_tables(name: str, ship: Ship) -> None:
    ship(name)
    X, y = labels()
    first, again = (
        MLPClassifier(optimizer="learned", **(SMALL | {"max_epochs": 2})).fit(X, y).predict_proba(X) for _ in "ab"
    )
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)


def test_sgd_and_what_ships_learn() -> None:
    X, y = numbers(300)
    assert RULE in shipped_rules()
    for name in ("sgd", "learned"):
        model = regressor(optimizer=name, max_epochs=25, batch_size=32).fit(X, y)
        assert min(model.validation_losses_) < 0.5 * model.validation_losses_[0], name
        assert model.fallback_ == ""


def test_sgd_stays_finite_at_the_largest_rate_of_the_space() -> None:
    X, y = numbers()
    model = regressor(optimizer="sgd", learning_rate=0.03, max_epochs=30).fit(X, y)
    assert np.isfinite(model.validation_losses_).all()
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize(
    ("name", "message"), [("adam", "'adamw', 'sgd', 'learned', but got 'adam'"), (None, "but got None")]
)
def test_an_unknown_optimizer_is_named(name: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        regressor(optimizer=name).fit(*numbers())


def test_a_rule_that_is_not_shipped_is_named_with_the_way_out(ship: Ship) -> None:
    ship(None)
    with pytest.raises(OptionError, match=r"shipped rule 'tables', but this installation has 'quadratic'. Take opt"):
        regressor(optimizer="learned").fit(*numbers())


# What happens where a rule diverges. A rate of 1000 or more makes Adam explode.


@pytest.mark.parametrize(("lr", "said"), [(1e3, "the loss went from"), (1e30, "the training loss was nan in epoch 1")])
def test_where_a_rule_explodes_adamw_trains_as_if_nothing_had_been(ship: Ship, lr: float, said: str) -> None:
    ship("adam", lr=lr)
    X, y = numbers()
    rescued, adamw = (regressor(optimizer=name, batch_size=32).fit(X, y) for name in ("learned", "adamw"))
    same(rescued, adamw)
    assert rescued.fallback_.startswith(f"the learned optimizer diverged: {said}")
    assert rescued.fallback_.endswith("; AdamW trained instead")
    assert rescued.validation_losses_ == adamw.validation_losses_
    assert (rescued.refitted_, rescued.best_epoch_) == (adamw.refitted_, adamw.best_epoch_)


def test_where_a_rule_explodes_adamw_trains_with_the_estimators_learning_rate(ship: Ship) -> None:
    ship("adam", lr=1e3)
    X, y = labels()
    rescued, adamw = (
        MLPClassifier(optimizer=name, learning_rate=0.02, **SMALL).fit(X, y) for name in ("learned", "adamw")
    )
    same(rescued, adamw)
    assert "AdamW" in rescued.fallback_


def options(**change: Any) -> Options:
    settings: dict[str, Any] = {
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "batch_size": 32,
        "max_epochs": 4,
        "patience": 20,
        "label_smoothing": 0.0,
        "timer": Timer(time.monotonic(), None),
        "mixed_precision": False,
        "refit_below": 0,
        "optimizer": "learned",
    }
    return Options(**(settings | change))


def rows(n: int) -> Rows:
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(n))
    return Rows(x, torch.zeros(n, 0), torch.zeros(n, 0, dtype=torch.int64), x[:, 0] - x[:, 1])


def script(monkeypatch: pytest.MonkeyPatch, *losses: float) -> None:
    left = iter(losses)
    monkeypatch.setattr(_mlp_train, "validation_loss", lambda net, rows: next(left))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_loss_may_grow_up_to_a_multiple_of_the_initial_one(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    ship("adam")
    script(monkeypatch, 1.0, 0.9, DIVERGED, 0.8, 0.7)  # the first is the initial one
    assert train(net(), rows(64), rows(8), options(), seeded()).losses == (0.9, DIVERGED, 0.8, 0.7)
    script(monkeypatch, 1.0, 0.9, DIVERGED + 0.1)
    with pytest.raises(Diverged, match=r"from 1 to 4\.1 in epoch 2"):
        train(net(), rows(64), rows(8), options(), seeded())


def test_a_rule_that_never_lowers_the_loss_has_diverged(ship: Ship, monkeypatch: pytest.MonkeyPatch) -> None:
    ship("adam")
    script(monkeypatch, 1.0, 1.3, 1.2, 1.4, 1.5)
    with pytest.raises(Diverged, match=r"from 1 to no less than 1\.2"):
        train(net(), rows(64), rows(8), options(), seeded())


def test_nobody_watches_over_the_other_optimizers(monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, 9.0, 99.0, 9.5, 9.9)  # no initial one
    assert train(net(), rows(64), rows(8), options(optimizer="sgd"), seeded()).losses == (9.0, 99.0, 9.5, 9.9)


def test_where_only_the_second_training_diverges_the_first_net_stays(
    ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship("adam", lr=0.01)
    table, split = rows(64), (torch.arange(48), torch.arange(48, 64))
    first = net()
    train(first, table.take(split[0]), table.take(split[1]), options(), seeded())
    losses = iter([1.0, 0.9, 0.8, 0.7, 0.6, 1.0, 1.1])  # the last two before and after the second training
    monkeypatch.setattr(_mlp_train, "validation_loss", lambda net, rows: next(losses))
    its = net()
    outcome = fit(its, table, split, options(refit_below=100), seeded())
    assert not outcome.refitted
    assert outcome.fallback.startswith("the learned optimizer diverged on all rows: the loss went from 1 to no less")
    assert next(losses, None) is None
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in its.state_dict().items())


# With a clock.


class Clock:
    """Goes on by a second each time that someone looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: Callable[[], float]) -> None:
    monkeypatch.setattr("autometa.candidates._mlp_timer.time.monotonic", clock)


def stopped() -> float:
    raise AssertionError("A repeated fit must not look at the clock.")


def test_a_training_that_begins_again_has_all_of_its_rate_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, Clock())
    timer = Timer(0.0, 32.0)  # a level is a tick
    assert [timer.progress("training", step, 0.0)[0] for step in range(8)] == [i / 32 for i in range(1, 9)]
    # Nine ticks are over at its first step, and 23 are left.
    again = [timer.progress("fallback", step, 0.0) for step in range(24)]
    assert again[0] == (0.0, False)
    assert again[1][0] == pytest.approx(1 / 23)
    assert again[-1] == (1.0, True)
    record = json.loads(json.dumps(timer.record))
    set_clock(monkeypatch, stopped)
    twin = Timer(0.0, 1.0, record)
    assert [twin.progress("training", step, 0.0)[0] for step in range(8)] == [i / 32 for i in range(1, 9)]
    assert [twin.progress("fallback", step, 0.0) for step in range(24)] == again
    assert twin.record == record


def test_a_training_that_begins_again_after_the_time_is_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, lambda: 99.0)
    assert Timer(0.0, 32.0).progress("fallback", 0, 0.0) == (1.0, True)


# A tick is a step. The first training takes 7 steps an epoch, the second 8, and a rule that explodes ends at its
# first epoch, so that the limits cut the fallback, the second training, and none.
@pytest.mark.parametrize("lr", [1e-2, 1e3])
@pytest.mark.parametrize("seconds", [4.0, 20.0, 45.0, 100.0])
def test_a_fit_by_a_rule_is_repeated_to_the_bit(
    ship: Ship, monkeypatch: pytest.MonkeyPatch, lr: float, seconds: float
) -> None:
    ship("adam", lr=lr)
    X, y = numbers()
    settings = {"optimizer": "learned", "batch_size": 16, "max_epochs": 6}
    set_clock(monkeypatch, Clock())
    limited = regressor(**settings, time_limit=seconds).fit(X, y)
    assert ("AdamW" in limited.fallback_) == (lr > 1)
    assert any(name.startswith("fallback") for name in limited.training_record_) == (lr > 1)
    record = json.loads(json.dumps(limited.training_record_))
    set_clock(monkeypatch, lambda: 0.0)  # `fit` notes when it began
    again = regressor(**settings, replay=record).fit(X, y)
    same(again, limited)
    for name in ("training_record_", "fallback_", "validation_losses_", "out_of_time_", "refitted_"):
        assert getattr(again, name) == getattr(limited, name), name


def test_a_rule_that_explodes_when_the_time_is_over_leaves_the_initial_weights(
    ship: Ship, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship("adam", lr=1e3)
    set_clock(monkeypatch, Clock())
    X, y = numbers()
    model = regressor(optimizer="learned", batch_size=16, time_limit=5.0).fit(X, y)
    assert model.out_of_time_
    assert model.best_epoch_ == 1
    set_clock(monkeypatch, lambda: 1e9)
    untrained = regressor(batch_size=16, time_limit=5.0, replay={"training 32/32": 0}).fit(X, y)
    same(model, untrained)


# What is saved.


def test_a_saved_model_predicts_without_the_rule(ship: Ship, tmp_path: Path) -> None:
    ship("adam", lr=0.01)
    data = Table("multiclass")
    config = MLP().space_for("multiclass").project({"optimizer": "learned", "width": 32})
    pipeline = MLP().build(config, schema=data.schema, seed=0).set_params(model__max_epochs=3, model__device="cpu")
    expected = predict(pipeline.fit(data.X, data.y), data.X, "multiclass")
    save_pipeline(pipeline, tmp_path / "saved")
    data.X.to_pickle(tmp_path / "table.pkl")
    np.save(tmp_path / "expected.npy", expected)
    ship(None)
    np.testing.assert_array_equal(predict(load_pipeline(tmp_path / "saved"), data.X, "multiclass"), expected)
    code = f"""
import sys
from pathlib import Path
import numpy as np, pandas as pd
from autometa.model import load_pipeline
folder = Path({str(tmp_path)!r})
found = load_pipeline(folder / "saved").predict_proba(pd.read_pickle(folder / "table.pkl"))
np.testing.assert_array_equal(found, np.load(folder / "expected.npy"))
assert not [name for name in sys.modules if name.startswith("autometa.learned_optimizers")]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_skops_trusts_no_more_than_before(ship: Ship) -> None:
    ship("adam", lr=1e3)
    X, y = labels()
    model = MLPClassifier(optimizer="learned", **SMALL).fit(X, y)
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED_TYPES)
    loaded = skops.io.loads(data, trusted=list(TRUSTED_TYPES))
    assert loaded.fallback_ == model.fallback_ != ""
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_updates_by_a_rule_count_in_the_expected_time() -> None:
    space = MLP().space
    usual, learned = (MLP().fit_seconds(1000, 10, config=space.project({"optimizer": name})) for name in ("sgd", RULE))
    assert usual == learned == MLP().fit_seconds(1000, 10)  # no such choice is the default
    assert MLP().fit_seconds(1000, 10, config=space.project({"optimizer": "learned"})) > usual


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("lr", [3e-3, 1e3])
def test_a_rule_trains_on_a_gpu(ship: Ship, lr: float) -> None:
    ship("adam", lr=lr)
    X, y = numbers(300)
    model = regressor(optimizer="learned", device="cuda", max_epochs=30, batch_size=32).fit(X, y)
    assert min(model.validation_losses_) < 0.5 * model.validation_losses_[0]
    assert ("AdamW" in model.fallback_) == (lr > 1)
