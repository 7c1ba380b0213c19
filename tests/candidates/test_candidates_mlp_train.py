import math
import time
from dataclasses import replace

import pytest
import torch

from autometa.candidates import _mlp_train
from autometa.candidates._mlp_net import NetSpec, TabularNet
from autometa.candidates._mlp_timer import Timer
from autometa.candidates._mlp_train import (
    Options,
    Rows,
    fit,
    fit_temperature,
    members_loss,
    predict,
    train,
    validation_loss,
)


def spec(n_outputs: int = 1, *, rate: float = 0.0, members: int = 2) -> NetSpec:
    return NetSpec(2, 0, (), n_outputs, 1, 16, rate, "none", 1, 1, 1.0, members)


def options(**change: float | Timer) -> Options:
    settings: dict[str, float | Timer] = {
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "batch_size": 32,
        "max_epochs": 20,
        "patience": 20,
        "label_smoothing": 0.0,
        "timer": Timer(time.monotonic(), None),
        "mixed_precision": False,
        "refit_below": 0,
    }
    return Options(**(settings | change))  # type: ignore[arg-type]


def rows(n: int, seed: int, *, noise: bool = False) -> Rows:
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=source)
    y = torch.randn(n, generator=source) if noise else x[:, 0] - x[:, 1]
    return Rows(x, torch.zeros(n, 0), torch.zeros(n, 0, dtype=torch.int64), y)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_parts_hold_every_row_once_in_even_slices() -> None:
    parts = list(rows(10, 0).parts(3))
    assert [len(part) for part in parts] == [4, 3, 3]
    torch.testing.assert_close(torch.cat([part.y for part in parts]), rows(10, 0).y)


def test_loss_is_the_mean_of_the_members_own_losses() -> None:
    outputs = torch.tensor([[[1.0], [2.0]], [[3.0], [0.0]]])
    # Members against y = (1, 0): (0 + 4) / 2 and (4 + 0) / 2; the averaged prediction would give 1.
    assert float(members_loss(outputs, torch.tensor([1.0, 0.0]))) == pytest.approx(2.0)


def test_smoothed_loss_by_hand() -> None:
    outputs = torch.log(torch.tensor([[[0.7, 0.2, 0.1]]]))
    # Label 0, smoothing 0.3 over three classes: weights 0.8, 0.1, 0.1.
    expected = -(0.8 * math.log(0.7) + 0.1 * math.log(0.2) + 0.1 * math.log(0.1))
    assert float(members_loss(outputs, torch.tensor([0]), 0.3)) == pytest.approx(expected, rel=1e-6)
    assert float(members_loss(outputs, torch.tensor([0]))) == pytest.approx(-math.log(0.7), rel=1e-6)


def test_weighted_losses_by_hand() -> None:
    outputs, weights = torch.tensor([[[1.0], [2.0]], [[3.0], [0.0]]]), torch.tensor([0.5, 1.5]).double()
    # Members against y = (1, 0): (0.5 * 0 + 1.5 * 4) / 2 and (0.5 * 4 + 1.5 * 0) / 2, and their mean.
    assert float(members_loss(outputs, torch.tensor([1.0, 0.0]), weights=weights)) == pytest.approx(2.0)
    scores = torch.log(torch.tensor([[[0.8, 0.2], [0.5, 0.5]]]))
    expected = -(0.5 * math.log(0.8) + 1.5 * math.log(0.5)) / 2
    assert float(members_loss(scores, torch.tensor([0, 1]), weights=weights)) == pytest.approx(expected, rel=1e-6)


def test_a_weighted_validation_loss_by_hand() -> None:
    net, table = coin(4, 1, math.log(3.0))  # says 3/4 for class 1
    weighted = replace(table, weights=torch.tensor([2.5, 0.5, 0.5, 0.5]).double())
    expected = -(2.5 * math.log(0.75) + 1.5 * math.log(0.25)) / 4
    assert validation_loss(net, weighted) == pytest.approx(expected, rel=1e-6)
    numbers = Rows(table.numeric, table.flags, table.codes, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    zero = TabularNet(spec(), seeded())
    with torch.no_grad():
        zero.head.zero_()
    assert validation_loss(zero, replace(numbers, weights=weighted.weights)) == pytest.approx(2.5 / 4)


def test_equal_weights_give_the_losses_of_none() -> None:
    net, table = coin(10, 3, 1.0)
    even = replace(table, weights=torch.full((10,), 5.0).double()).even()
    assert validation_loss(net, even) == pytest.approx(validation_loss(net, table), rel=1e-12)
    assert fit_temperature(net, even) == pytest.approx(fit_temperature(net, table), rel=1e-9)


def test_temperature_follows_the_weights() -> None:
    # 30 % heads, but these weigh as much as 70 % of all rows.
    net, table = coin(10_000, 3_000, 2.0)
    weights = torch.where(table.y == 1, 7 / 3, 3 / 7).double()
    assert fit_temperature(net, replace(table, weights=weights)) == pytest.approx(2 / math.log(7 / 3), rel=0.02)


def test_prediction_averages_probabilities_not_logits() -> None:
    net = TabularNet(spec(2), seeded())
    with torch.no_grad():
        net.head.zero_()
        net.head_bias.copy_(torch.tensor([[[0.0, 2.0]], [[0.0, -1.0]]]))
    table = rows(3, 0)
    codes = Rows(table.numeric, table.flags, table.codes, torch.zeros(3, dtype=torch.int64))
    sigmoid = (1 / (1 + math.exp(-2)) + 1 / (1 + math.exp(1))) / 2
    assert predict(net, codes)[:, 1].tolist() == pytest.approx([sigmoid] * 3)
    assert validation_loss(net, codes) == pytest.approx(-math.log(1 - sigmoid))


def test_prediction_in_chunks_equals_prediction_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net, table = TabularNet(spec(), seeded()), rows(50, 0)
    whole = predict(net, table)
    monkeypatch.setattr(_mlp_train, "_CHUNK", 16)
    torch.testing.assert_close(predict(net, table), whole, atol=1e-6, rtol=1e-6)


def coin(n: int, heads: int, score: float) -> tuple[TabularNet, Rows]:
    """A net that always says ``score`` for class 1, and n rows of which ``heads`` are."""
    net = TabularNet(spec(2), seeded())
    with torch.no_grad():
        net.head.zero_()
        net.head_bias.copy_(torch.tensor([0.0, score]).expand(2, 1, 2))
    table = rows(n, 0)
    return net, Rows(table.numeric, table.flags, table.codes, (torch.arange(n) < heads).long())


def test_temperature_calibrates_on_many_rows() -> None:
    # 70 % heads, and the net says sigmoid(2) = 88 %: the score 2 / T must be log(0.7 / 0.3).
    net, table = coin(10_000, 7_000, 2.0)
    expected = 2.0 / math.log(0.7 / 0.3)
    temperature = fit_temperature(net, table)
    assert temperature == pytest.approx(expected, rel=0.02)
    assert float(predict(net, table, temperature)[0, 1]) == pytest.approx(0.7, abs=0.005)


def test_temperature_stays_near_one_on_a_few_rows_that_are_all_right() -> None:
    assert 0.8 < fit_temperature(*coin(5, 5, 2.0)) < 1.0


def test_temperature_of_numbers_is_one() -> None:
    assert fit_temperature(TabularNet(spec(), seeded()), rows(10, 0)) == 1.0


def test_the_best_epoch_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([5.0, 3.0, 4.0, 2.0, 6.0, 7.0, 8.0])
    seen: list[dict[str, torch.Tensor]] = []

    def scripted(net: TabularNet, _: Rows) -> float:
        seen.append({name: value.clone() for name, value in net.state_dict().items()})
        return next(losses)

    monkeypatch.setattr(_mlp_train, "validation_loss", scripted)
    net = TabularNet(spec(), seeded())
    history = train(net, rows(64, 0), rows(8, 1), options(patience=3), seeded())
    assert history.losses == (5.0, 3.0, 4.0, 2.0, 6.0, 7.0, 8.0)
    assert history.best_epoch == 4
    assert all(torch.equal(value, seen[3][name]) for name, value in net.state_dict().items())
    assert not torch.equal(net.stem.weight, seen[-1]["stem.weight"])


def test_pure_noise_stops_early_and_the_kept_weights_have_the_lowest_loss() -> None:
    net, held_out = TabularNet(spec(), seeded()), rows(30, 1, noise=True)
    history = train(net, rows(60, 0, noise=True), held_out, options(max_epochs=200, patience=5), seeded())
    assert len(history.losses) == history.best_epoch + 5
    assert validation_loss(net, held_out) == pytest.approx(min(history.losses), rel=1e-6)


def test_training_lowers_the_loss_by_far() -> None:
    net, held_out = TabularNet(spec(rate=0.1), seeded()), rows(100, 1)
    before = validation_loss(net, held_out)
    train(net, rows(400, 0), held_out, options(), seeded())
    assert validation_loss(net, held_out) < 0.05 * before


def test_divergence_keeps_the_initial_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mlp_train, "validation_loss", lambda net, table: math.nan)
    net = TabularNet(spec(), seeded())
    initial = net.stem.weight.clone()
    history = train(net, rows(64, 0), rows(8, 1), options(patience=2), seeded())
    assert history.best_epoch == 0
    assert len(history.losses) == 2
    assert torch.equal(net.stem.weight, initial)


def test_the_time_limit_ends_training_within_an_epoch_and_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    net, held_out = TabularNet(spec(), seeded()), rows(8, 1)
    # Two steps per epoch, one tick per step, the limit at the sixth: two whole epochs and a half.
    history = train(net, rows(64, 0), held_out, options(timer=Timer(-1.0, 6.0)), seeded())
    assert history.out_of_time
    assert len(history.losses) == 3
    assert validation_loss(net, held_out) == pytest.approx(min(history.losses), rel=1e-6)


def test_a_limit_that_is_over_at_once_still_gives_a_net_with_a_loss() -> None:
    net = TabularNet(spec(), seeded())
    history = train(net, rows(64, 0), rows(8, 1), options(timer=Timer(time.monotonic() - 10, 1.0)), seeded())
    assert history.out_of_time
    assert history.best_epoch == 1


def halves(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(n // 2), torch.arange(n // 2, n)


def test_a_small_table_is_trained_again_on_all_rows_for_the_best_number_of_epochs() -> None:
    table, settings = rows(64, 0, noise=True), options(patience=3, refit_below=65)
    net = TabularNet(spec(), seeded())
    initial = {name: value.clone() for name, value in net.state_dict().items()}
    source = seeded()
    outcome = fit(net, table, halves(64), settings, source)
    assert outcome.refitted
    # By hand: the same draws, so first the early stopping, then that many epochs from the start.
    twin, again = TabularNet(spec(), seeded()), seeded()
    history = train(twin, table.take(halves(64)[0]), table.take(halves(64)[1]), settings, again)
    assert history == outcome.history
    twin.load_state_dict(initial)
    epochs = _mlp_train._epochs(twin, table, "refit", settings, again)
    assert [next(epochs) for _ in range(history.best_epoch)] == [False] * history.best_epoch
    assert all(torch.equal(value, twin.state_dict()[name]) for name, value in net.state_dict().items())


def test_a_large_table_keeps_the_weights_of_early_stopping() -> None:
    table = rows(64, 0)
    net = TabularNet(spec(), seeded())
    outcome = fit(net, table, halves(64), options(refit_below=64), seeded())
    assert not outcome.refitted
    held_out = table.take(halves(64)[1])
    assert validation_loss(net, held_out) == pytest.approx(min(outcome.history.losses), rel=1e-6)


def test_a_second_training_that_runs_out_of_time_leaves_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    table, net = rows(64, 0), TabularNet(spec(), seeded())
    # One step and one tick per epoch on half the rows, so five; the second training takes two per epoch.
    settings = options(timer=Timer(0.0, 8.0), max_epochs=5, refit_below=65)
    outcome = fit(net, table, halves(64), settings, seeded())
    assert not outcome.history.out_of_time
    assert not outcome.refitted
    held_out = table.take(halves(64)[1])
    assert validation_loss(net, held_out) == pytest.approx(min(outcome.history.losses), rel=1e-6)


@pytest.mark.parametrize(("progress", "factor"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)])
def test_learning_rate_follows_a_cosine(progress: float, factor: float) -> None:
    assert _mlp_train.cosine(progress) == pytest.approx(factor)
