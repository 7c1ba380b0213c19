"""Rules against values worked out by hand, and against torch's own layers and optimizers."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autometa.errors import OptionError, UnknownNameError
from autometa.learned_optimizers import Layout, LearnedOptimizer, State, make_rule
from autometa.metatraining import generator_of, log_and_sign

COORDINATEWISE = ["adam", "lstm", "meta_learner_lstm", "rnnprop"]


def state_of(rule: LearnedOptimizer[Any], **params: list[float]) -> State:
    return rule.init_state({name: torch.tensor(values) for name, values in params.items()})


def seen(rule: LearnedOptimizer[Any], state: State, gradients: list[float]) -> tuple[Tensor, State]:
    """Signals of each coordinate, and the state after them, weights unmoved."""
    signals, statistics = rule.seen(torch.tensor(gradients), state, None)
    return signals, State(state.layout, state.weights, state.memory, statistics, state.step + 1)


def drawn(step: int, n: int = 6) -> Tensor:
    return torch.randn(n, generator=generator_of(step, 4))


@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_learned_adam_is_adam(epsilon: float) -> None:
    rule = make_rule("adam", {"lr": 0.01, "beta1": 0.8, "beta2": 0.95, "epsilon": epsilon})
    value = nn.Parameter(drawn(0))
    adam = torch.optim.Adam([value], lr=0.01, betas=(0.8, 0.95), eps=epsilon)
    state = rule.init_state({"value": value.detach()})
    for step in range(20):
        value.grad = drawn(step) * 10.0 ** (step % 5 - 2)
        adam.step()
        after, state = rule.update({"value": value.grad}, state)
        assert torch.allclose(after["value"], value, rtol=0.0, atol=1e-6), step


def test_the_rate_of_learned_adam_falls_by_a_power_of_the_step() -> None:
    rule = make_rule("adam", {"lr": 0.1, "power": 1.0, "epsilon": 1e-12})
    state = state_of(rule, value=[1.0, -1.0])
    for _ in range(3):
        after, state = rule.update({"value": torch.tensor([2.0, -3.0])}, state)
    # A gradient that stays the same is divided by its own size, so each step is as long as the rate.
    assert after["value"].tolist() == pytest.approx([1.0 - 0.1 * (1 + 1 / 2 + 1 / 3), -1.0 + 0.1 * (1 + 1 / 2 + 1 / 3)])


def test_rnnprop_sees_what_adam_and_rmsprop_see() -> None:
    rule = make_rule("rnnprop", {"decay": 0.5})
    first, state = seen(rule, state_of(rule, value=[0.0]), [2.0])
    assert first.tolist() == [pytest.approx([1.0, 1.0])]
    second, state = seen(rule, state, [4.0])
    # mean 0.5 * 1 + 0.5 * 4 and square 0.5 * 2 + 0.5 * 16, both over 1 - 0.5^2
    root = math.sqrt(9.0 / 0.75)
    assert second.tolist() == [pytest.approx([2.5 / 0.75 / root, 4.0 / root])]
    assert {name: value.item() for name, value in state.statistics.items()} == {"mean": 2.5, "square": 9.0}


def test_rnnprop_does_not_see_the_scale_of_the_loss_and_moves_no_further_than_it_may() -> None:
    rule = make_rule("rnnprop", {"scale": 0.3})
    with torch.no_grad():
        rule.get_parameter("out.bias").fill_(50.0)
    plain, scaled = state_of(rule, value=[0.0, 1.0]), state_of(rule, value=[0.0, 1.0])
    for step in range(4):
        before = plain.weights
        plain = rule.step(drawn(step, 2), plain)
        scaled = rule.step(1000.0 * drawn(step, 2), scaled)
        assert torch.allclose(plain.weights, scaled.weights, atol=1e-5)
        assert (plain.weights - before).tolist() == pytest.approx([0.3, 0.3])


def test_the_small_mlp_divides_by_the_root_mean_square_of_the_tensor() -> None:
    rule = make_rule("small_mlp")
    state = state_of(rule, a=[1.0, 7.0], b=[3.0])
    signals, after = seen(rule, state, [3.0, 4.0, 20.0])
    gradient = [3.0 / math.sqrt(12.5), 4.0 / math.sqrt(12.5), 1.0]
    weight = [1.0 / 5.0, 7.0 / 5.0, 1.0]
    assert signals.shape == (3, 2 + 6 + 11)
    for i in range(3):
        assert signals[i, :2].tolist() == pytest.approx([gradient[i], weight[i]])
        assert signals[i, 2:8].tolist() == pytest.approx([gradient[i]] * 6, rel=1e-3)  # all momenta are shares of it
        assert signals[i, 8:].tolist() == pytest.approx([math.tanh(-1.0)] * 11)
    shares = [0.9, 0.5, 0.1, 0.01, 0.001, 0.0001]
    assert after.statistics["momenta"][2].tolist() == pytest.approx([20.0 * share for share in shares], rel=1e-3)


def test_the_clocks_of_the_small_mlp_go() -> None:
    rule = make_rule("small_mlp")
    state = state_of(rule, a=[1.0])
    for _ in range(4):
        signals, state = seen(rule, state, [1.0])
    clocks = [math.tanh(3 / time - 1) for time in (1, 3, 10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5)]
    assert signals[0, 8:].tolist() == pytest.approx(clocks)


def test_the_small_mlp_moves_by_a_direction_times_an_exponential() -> None:
    rule = make_rule("small_mlp", {"scale": 0.1, "magnitude_scale": 0.5})
    with torch.no_grad():
        rule.get_parameter("layers.2.weight").zero_()
        rule.get_parameter("layers.2.bias").copy_(torch.tensor([2.0, 2.0 * math.log(3.0)]))
    after, _ = rule.update({"a": torch.tensor([5.0])}, state_of(rule, a=[1.0]))
    assert after["a"].item() == pytest.approx(1.0 - 0.1 * 2.0 * 3.0)


@pytest.mark.parametrize("preprocessing", ["log_and_sign", "none"])
def test_the_lstm_is_that_of_torch_over_the_steps(preprocessing: str) -> None:
    rule = make_rule("lstm", {"n_hidden": 5, "preprocessing": preprocessing, "scale": 0.5})
    reference = nn.LSTM(2 if preprocessing == "log_and_sign" else 1, 5, num_layers=2)
    weights = dict(rule.named_parameters())
    for name, value in reference.named_parameters():
        kind, _, layer = name.rpartition("_l")
        value.data.copy_(weights[f"cells.layers.{layer}.{kind}"])
    gradients = torch.stack([drawn(step, 3) for step in range(6)])
    inputs = log_and_sign(gradients) if preprocessing == "log_and_sign" else gradients.unsqueeze(-1)
    moves = 0.5 * (reference(inputs)[0] @ weights["out.weight"][0] + weights["out.bias"])
    state = rule.init_state({"value": torch.ones(3)})
    for step, gradient in enumerate(gradients):
        state = rule.step(gradient, state)
        assert torch.allclose(state.weights, 1.0 + moves[: step + 1].sum(0), atol=1e-6)


def test_the_meta_learner_is_descent_and_decay_by_its_gates() -> None:
    rule = make_rule("meta_learner_lstm")
    with torch.no_grad():
        rule.get_parameter("rule.gates.weight").zero_()
    forget, enter = rule.get_parameter("rule.gates.bias").sigmoid().tolist()
    gradients, expected = [[1.0, -3.0], [2.0, 0.5]], [2.0, -1.0]
    state = state_of(rule, value=expected)
    for gradient in gradients:
        state = rule.step(torch.tensor(gradient), state, loss=torch.tensor(7.0))
        expected = [forget * weight - enter * slope for weight, slope in zip(expected, gradient, strict=True)]
        assert state.weights.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_meta_learner_starts_as_gradient_descent() -> None:
    rule = make_rule("meta_learner_lstm", seed=3)
    rate = float(rule.get_parameter("rule.gates.bias").detach()[1].sigmoid())
    assert 0.005 < rate < 0.02
    gradient = torch.tensor([1e-3, 1.0, -100.0])
    after = rule.step(gradient, state_of(rule, value=[0.0, 0.0, 0.0]), loss=torch.tensor(2.0))
    assert torch.allclose(after.weights, -rate * gradient, rtol=0.05)


@pytest.mark.parametrize("name", COORDINATEWISE)
def test_it_does_not_matter_how_coordinates_are_parted(name: str) -> None:
    rule = make_rule(name).double()
    whole, parted = _whole_and_parted(rule)
    assert torch.allclose(whole, parted, atol=1e-12)


def test_to_the_small_mlp_it_matters_which_tensor_a_coordinate_belongs_to() -> None:
    whole, parted = _whole_and_parted(make_rule("small_mlp").double())
    assert not torch.allclose(whole, parted, atol=1e-6)


def _whole_and_parted(rule: LearnedOptimizer[Any]) -> tuple[Tensor, Tensor]:
    found = []
    for cuts in ([6], [2, 4]):
        params = {str(i): part for i, part in enumerate(torch.split(drawn(0).double(), cuts))}
        state = rule.init_state(params)
        for step in range(4):
            gradients = drawn(step).double() * torch.arange(1, 7)
            state = rule.step(gradients, state, loss=torch.tensor(2.0, dtype=torch.float64))
        found.append(state.weights.detach())
    return found[0], found[1]


def test_the_mean_of_each_parameter_stands_at_all_of_its_coordinates() -> None:
    layout = Layout({"a": (2,), "b": (3,), "c": ()})
    values = torch.tensor([[1.0, 3.0, 3.0, 6.0, 0.0, 9.0], [0.0, 0.0, 1.0, 1.0, 1.0, 5.0]])
    assert layout.mean_of_each(values).tolist() == [[2.0, 2.0, 3.0, 3.0, 3.0, 9.0], [0.0, 0.0, 1.0, 1.0, 1.0, 5.0]]


@pytest.mark.parametrize("name", ["lstm", "meta_learner_lstm", "rnnprop", "small_mlp"])
def test_the_seed_decides_the_first_weights(name: str) -> None:
    first, same, other = (make_rule(name, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(value, same[key]) for key, value in first.items())
    assert not all(torch.equal(value, other[key]) for key, value in first.items())


def test_a_state_without_its_past_is_the_same_but_for_derivatives() -> None:
    rule = make_rule("lstm")
    state = rule.step(drawn(0), rule.init_state({"value": drawn(1)}))
    assert state.weights.requires_grad
    detached = state.detached()
    assert not any(value.requires_grad for value in [detached.weights, *detached.memory.values()])
    assert torch.equal(detached.weights, state.weights)
    assert detached.step == state.step == 1


def test_unknown_rules_and_options_are_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'rnnprop'"):
        make_rule("rnn_prop")
    with pytest.raises(OptionError, match=r"adam has no option 'rate'. Known: beta1, beta2, epsilon, lr, power"):
        make_rule("adam", {"rate": 1.0})
