"""Rules beside tuned optimizers: honest tuning, and curves that can be worked out by hand."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from autometa.learned_optimizers import (
    BASELINES,
    RATES,
    Optimizees,
    Problems,
    Split,
    compare,
    late_loss,
    make_rule,
    rollout,
    rollout_baseline,
)
from autometa.testing.learned_optimizers import Bowls


class Stretched(Optimizees):
    """Bowls whose losses are multiplied by a number of each split: the steeper, the lower the rates that suit."""

    name: ClassVar = "stretched"
    horizon: ClassVar = 12

    def __init__(self, **factors: float) -> None:
        self.factors = factors
        self.drawn: list[tuple[Split, int]] = []

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        self.drawn.append((split, n_problems))
        found, factor = Bowls().draw(n_problems, generator, split), self.factors.get(split, 1.0)
        inner = found.loss
        return replace(found, loss=lambda params, data: factor * inner(params, data))


def one_bowl() -> Problems:
    """x^2 / 2 from 4: each step of gradient descent multiplies x by 1 - lr."""
    start = {"x": torch.tensor([[4.0], [2.0]])}
    return Problems(start, lambda params, data: 0.5 * params["x"].square().sum(), lambda step: {"t": torch.zeros(2)})


def test_gradient_descent_on_a_bowl_is_a_geometric_series() -> None:
    losses = rollout_baseline("sgd", 0.5, one_bowl(), 3)
    assert losses.tolist() == [pytest.approx([8.0, 2.0, 0.5, 0.125]), pytest.approx([2.0, 0.5, 0.125, 0.03125])]


def test_baselines_follow_the_schedule_and_are_judged_by_held_out_data() -> None:
    losses = rollout_baseline("sgd", 0.5, replace(one_bowl(), rate=lambda step: 0.5**step), 3)
    assert losses[0].sqrt().tolist() == pytest.approx([8**0.5 * factor for factor in (1.0, 0.5, 0.375, 0.328125)])
    moved = replace(
        one_bowl(),
        loss=lambda params, data: 0.5 * (params["x"] - data["t"]).square().sum(),
        held_out={"t": torch.tensor([1.0, -1.0])},
    )
    assert rollout_baseline("sgd", 0.5, moved, 2).tolist() == [[4.5, 0.5, 0.0], [4.5, 2.0, 1.125]]


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_problems_side_by_side_are_descended_on_as_alone(name: str) -> None:
    problems = Bowls().sample(3, seed=0)
    together = rollout_baseline(name, 0.05, problems, 5)
    for i in range(3):
        assert torch.allclose(rollout_baseline(name, 0.05, problems.part(range(i, i + 1)), 5)[0], together[i])


def test_the_adam_that_rules_are_compared_with_is_that_of_torch() -> None:
    problems = one_bowl()
    value = nn.Parameter(problems.params["x"].clone())
    adam = torch.optim.Adam([value], lr=0.3)
    expected = []
    for _ in range(4):
        losses = 0.5 * value.square().sum(1)
        expected.append(losses.detach())
        value.grad = value.detach().clone()
        adam.step()
    assert torch.allclose(rollout_baseline("adam", 0.3, problems, 4)[:, :4], torch.stack(expected, 1))
    rule = make_rule("adam", {"lr": 0.3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8})
    assert torch.allclose(rollout(rule, problems, 4), rollout_baseline("adam", 0.3, problems, 4), atol=1e-5)


def test_the_late_loss_is_the_mean_over_the_last_tenth_of_the_steps() -> None:
    losses = torch.stack([torch.arange(21.0), torch.arange(21.0) + 10.0])
    assert late_loss(losses) == 24.5  # of 19, 20, 29 and 30
    assert late_loss(losses[:, :4]) == 8.0  # the last step at least


def rates(kind: Optimizees) -> dict[str, float | None]:
    found = compare({}, kind, n_problems=4, rates=RATES[::3], baselines=["sgd", "adam"])
    return {curve.name: curve.lr for curve in found}


def test_baselines_are_tuned_on_other_problems_than_they_are_tested_on() -> None:
    usual = rates(Stretched())
    assert rates(Stretched(test=100.0)) == usual
    steep = rates(Stretched(validation=100.0))
    assert usual["sgd"] is not None
    assert steep["sgd"] is not None
    assert steep["sgd"] < 0.1 * usual["sgd"]
    kind = Stretched()
    rates(kind)
    assert kind.drawn == [("validation", 4), ("test", 4)]


def test_tuning_finds_the_rate_that_suits_and_leaves_those_that_explode() -> None:
    class Plain(Bowls):
        def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
            return one_bowl()

    found = compare({}, Plain(), n_steps=60, rates=[1e30, 10.0, 1.0, 0.01], baselines=["sgd"])
    assert [curve.lr for curve in found] == [1.0]  # to the lowest point at once
    assert found[0].losses[:2] == (5.0, 0.0)
    assert found[0].late == 0.0


def test_curves_are_means_over_the_problems_with_their_standard_errors() -> None:
    class Plain(Bowls):
        def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
            return one_bowl()

    rules = {"mine": make_rule("adam"), "other": make_rule("lstm")}
    found = compare(rules, Plain(), n_steps=3, n_problems=2, rates=[0.5], baselines=["sgd"])
    assert [(curve.name, curve.lr) for curve in found] == [("mine", None), ("other", None), ("sgd", 0.5)]
    # Losses 8 and 2 at the start: their mean, and their deviation 6 / sqrt(2) over sqrt(2).
    assert [curve.losses[0] for curve in found] == [5.0] * 3
    assert [curve.errors[0] for curve in found] == pytest.approx([3.0] * 3)
    assert found[2].losses == pytest.approx((5.0, 1.25, 0.3125, 0.078125))
    assert found[2].late == pytest.approx(0.078125)
    assert found[0].as_dict()["losses"] == found[0].losses


def test_of_one_problem_there_is_no_spread() -> None:
    curve = compare({}, Bowls(), n_steps=2, n_problems=1, rates=[0.1], baselines=["sgd"])[0]
    assert all(math.isnan(error) for error in curve.errors)
    assert all(math.isfinite(loss) for loss in curve.losses)


def test_the_horizon_is_the_kinds_and_the_seed_decides_the_problems() -> None:
    def curve(seed: int) -> tuple[float, ...]:
        return compare({}, Stretched(), n_problems=2, rates=[0.1], baselines=["sgd"], seed=seed)[0].losses

    assert len(curve(0)) == 13
    assert curve(0) == curve(0)
    assert curve(0) != curve(1)


def test_rates_are_four_a_decade_from_a_hundred_thousandth_to_ten() -> None:
    logs = [math.log10(rate) for rate in RATES]
    assert (logs[0], logs[-1]) == pytest.approx((-5.0, 1.0))
    assert [after - before for before, after in pairwise(logs)] == pytest.approx([0.25] * 24)


def test_a_rollout_tells_the_losses_before_each_step_and_after_the_last() -> None:
    problems, rule = one_bowl(), make_rule("adam", {"lr": 1.0, "epsilon": 1e-12})
    losses: Tensor = rollout(rule, problems, 1)
    assert losses.tolist() == [pytest.approx([8.0, 4.5]), pytest.approx([2.0, 0.5])]  # from 4 to 3, from 2 to 1
