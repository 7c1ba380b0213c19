"""Persistent evolution strategies: they follow the gradient, also that of earlier segments."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from autometa.learned_optimizers import (
    LearnedOptimizer,
    Objective,
    Problems,
    RuleAbility,
    RuleOptions,
    RuleRecipe,
    RuleTraining,
    Slots,
    make_rule,
    meta_train_rule,
    rollout,
    save_rule,
)
from autometa.learned_optimizers._evolution import Evolution
from autometa.testing.learned_optimizers import Bowls

Rule = LearnedOptimizer[Any]


def weights(rule: Rule) -> Tensor:
    return parameters_to_vector(rule.parameters()).detach().clone()


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions(RuleOptions):
    """None."""


class TwoMoves(LearnedOptimizer[NoOptions]):
    """Moves by its first parameter in the first step, by its second in the second, and so on."""

    name: ClassVar = "two_moves"
    options_class: ClassVar = NoOptions
    ability: ClassVar = RuleAbility(paper="", inputs="nothing")

    def __init__(self, options: NoOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        self.moves = nn.Parameter(torch.tensor([0.1, -0.2]))

    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        return {}, {}

    def signals(self, gradients: Tensor, weights: Tensor, statistics: Slots, **more: Any) -> tuple[Tensor, Slots]:
        return gradients.unsqueeze(-1), statistics

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        return weights + self.moves[step], memory


def estimate(rule: Rule, problems: Problems, lengths: list[int], objective: Objective, n_pairs: int) -> Tensor:
    """The estimates of all segments added up, the rule unchanged between them."""
    particles = Evolution(rule, problems, range(n_pairs), 0.01, 5)
    total = torch.zeros_like(weights(rule))
    for i, length in enumerate(lengths):
        particles.advance(length, i, objective, n_pairs)
        total += torch.cat([value.grad.flatten() for value in rule.parameters() if value.grad is not None])
    return total


def by_differences(rule: Rule, problems: Problems, lengths: list[int], objective: Objective) -> Tensor:
    """The gradient of the segments' mean losses added up."""

    def value() -> float:
        losses = rollout(rule, problems, sum(lengths))[:, 1:].double()
        losses = losses.log() if objective == "log" else losses
        return float(sum(part.mean() for part in torch.split(losses, lengths, 1)))

    found = []
    for parameter in rule.parameters():
        flat = parameter.data.view(-1)
        for i in range(len(flat)):
            was, ends = float(flat[i]), []
            for sign in (1, -1):
                flat[i] = was + sign * 1e-3
                ends.append(value())
            flat[i] = was
            found.append((ends[0] - ends[1]) / 2e-3)
    return torch.tensor(found)


def cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=0))


@pytest.mark.parametrize("objective", ["sum", "log"])
def test_evolution_follows_the_gradient(objective: Objective) -> None:
    rule, problems = make_rule("adam", {"lr": 0.1, "epsilon": 0.1}), Bowls().sample(4, seed=0)
    before = weights(rule)
    found = estimate(rule, problems, [3, 3], objective, 100)
    assert torch.equal(before, weights(rule))
    expected = by_differences(rule, problems, [3, 3], objective)
    assert cosine(found, expected) > 0.9
    assert float(found.norm()) == pytest.approx(float(expected.norm()), rel=0.3)


def test_evolution_attributes_losses_to_what_was_done_in_earlier_segments() -> None:
    late = {"weight": torch.tensor([0.0, 0.0, 1.0])}
    problems = Problems(
        {"x": torch.zeros(1, 1)},
        lambda params, data: data["weight"] * (params["x"] - 1.0).square().sum(),
        lambda step: {"weight": late["weight"][step : step + 1]},
    )
    rule = TwoMoves(NoOptions())
    found = estimate(rule, problems, [1, 1], "sum", 100)
    # Only the loss after the second step counts: (0.1 - 0.2 - 1)^2, whose derivative by both moves is -2.2.
    assert by_differences(rule, problems, [1, 1], "sum").tolist() == pytest.approx([-2.2, -2.2], abs=1e-3)
    assert cosine(found, torch.tensor([-2.2, -2.2])) > 0.95
    assert found.tolist() == pytest.approx([-2.2, -2.2], rel=0.4)


def test_pairs_cancel_where_nothing_depends_on_the_rule() -> None:
    def loss(params: dict[str, Tensor], data: dict[str, Tensor]) -> Tensor:
        return 0.0 * params["x"].sum() + data["level"]

    problems = Problems({"x": torch.zeros(2, 3)}, loss, lambda step: {"level": torch.tensor([3.0, 5.0]) + step})
    rule = make_rule("rnnprop", {"n_hidden": 4})
    particles = Evolution(rule, problems, range(3), 0.1, 0)
    assert particles.advance(2, 0, "sum", 3) == pytest.approx(5.5)  # the mean of 4, 6, 5 and 7
    assert all(value.grad is not None and not value.grad.any() for value in rule.parameters())


def test_one_particle_beyond_the_finite_numbers_does_not_decide_alone() -> None:
    problems = Problems(
        {"x": torch.zeros(1, 1)},
        lambda params, data: torch.where(params["x"].sum() > 0.1, math.nan, 1.0) + 0.0 * data["t"],
        lambda step: {"t": torch.zeros(1)},
    )
    rule = TwoMoves(NoOptions())
    particles = Evolution(rule, problems, range(4), 0.01, 0)
    mean = particles.advance(1, 0, "sum", 4)
    gradient = next(rule.parameters()).grad
    assert gradient is not None
    assert bool(gradient.isfinite().all())
    assert 1.0 < mean <= 1e6
    assert float(gradient[0]) > 0.0  # away from what breaks it


def test_the_processes_of_a_training_share_the_pairs() -> None:
    problems = Bowls().sample(2, seed=0)
    whole = make_rule("adam")
    Evolution(whole, problems, range(4), 0.01, 0).advance(2, 0, "sum", 4)
    total = torch.zeros_like(weights(whole))
    for pairs in (range(2), range(2, 4)):
        rule = make_rule("adam")
        Evolution(rule, problems, pairs, 0.01, 0).advance(2, 0, "sum", 4)
        total += torch.cat([value.grad.flatten() for value in rule.parameters() if value.grad is not None])
    expected = torch.cat([value.grad.flatten() for value in whole.parameters() if value.grad is not None])
    assert torch.allclose(total, expected, rtol=1e-4)


def test_a_rule_trained_by_evolution_learns_and_can_be_saved(tmp_path: Path) -> None:
    rule, unseen = make_rule("adam"), Bowls().sample(16, seed=1, split="test")
    before = float(rollout(rule, unseen, 10)[:, -1].mean())
    recipe = RuleRecipe(n_steps=15, n_problems=4, horizon=10, unroll_length=5, lr=0.1, estimator="evolution", n_pairs=4)
    meta_train_rule(rule, [Bowls()], RuleTraining(recipe=recipe, validate_every=5))
    assert float(rollout(rule, unseen, 10)[:, -1].mean()) < 0.7 * before
    save_rule(rule, tmp_path, {})
    assert (tmp_path / "weights.safetensors").is_file()
