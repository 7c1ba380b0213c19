"""Meta-training: resumed to the bit, kept at its best, by derivatives and by evolution strategies."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from autometa.errors import OptionError, ResumeError
from autometa.learned_optimizers import (
    LearnedOptimizer,
    Optimizees,
    Problems,
    Quadratic,
    RuleLook,
    RuleRecipe,
    RuleTrained,
    RuleTraining,
    Split,
    advance,
    make_rule,
    meta_train_rule,
    rollout,
    unroll,
)
from autometa.testing.learned_optimizers import Bowls

RECIPE = RuleRecipe(n_steps=10, n_problems=3, horizon=6, unroll_length=4, lr=1e-2)
EVOLUTION = replace(RECIPE, estimator="evolution", n_pairs=2)
TINY = {"n_hidden": 4}
KINDS = [Bowls(), Quadratic(n_dimensions=3)]

Rule = LearnedOptimizer[Any]


class KilledError(Exception):
    """Stands for a kill."""


def training(folder: Path | None = None, **changes: Any) -> RuleTraining:
    base = RuleTraining(recipe=RECIPE, validate_every=4, n_validation=3, folder=folder, checkpoint_every=3)
    return replace(base, **changes)


def weights(rule: Rule) -> Tensor:
    return parameters_to_vector(rule.parameters()).detach().clone()


def told(done: RuleTrained) -> list[tuple[int, float, dict[str, float]]]:
    return [(look.step, look.loss, dict(look.validation)) for look in done.looks]


class DiesAt(Bowls):
    """The process that draws the problems of a step is killed."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.left = step

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        if split == "train":
            self.left -= 1
            if self.left < 0:
                raise KilledError
        return super().draw(n_problems, generator, split)


CASES = [
    pytest.param("lstm", TINY, replace(RECIPE, n_coordinates=2, first_horizon=4, scaling=1.0), id="lstm"),
    pytest.param("small_mlp", TINY, replace(RECIPE, objective="log"), id="small_mlp"),
    pytest.param("adam", {}, EVOLUTION, id="adam-evolution"),
    pytest.param("rnnprop", TINY, replace(EVOLUTION, objective="log", scaling=0.5), id="rnnprop-evolution"),
]


@pytest.mark.parametrize(("name", "options", "recipe"), CASES)
@pytest.mark.parametrize("killed_at", [4, 8])
def test_a_killed_training_goes_on_as_if_it_had_not_been(
    name: str, options: dict[str, Any], recipe: RuleRecipe, killed_at: int, tmp_path: Path
) -> None:
    def kill(look: RuleLook) -> None:
        if look.step == killed_at:
            raise KilledError

    whole, killed, resumed = (make_rule(name, options) for _ in range(3))
    expected = meta_train_rule(whole, KINDS, training(recipe=recipe))
    with pytest.raises(KilledError):
        meta_train_rule(killed, KINDS, training(tmp_path, recipe=recipe), watch=kill)
    found = meta_train_rule(resumed, KINDS, training(tmp_path, recipe=recipe), resume=True)
    assert told(found) == told(expected)
    assert found.best_step == expected.best_step
    assert torch.equal(weights(whole), weights(resumed))
    assert not torch.equal(weights(whole), weights(make_rule(name, options)))


@pytest.mark.parametrize("recipe", [RECIPE, EVOLUTION], ids=["backpropagation", "evolution"])
def test_a_training_killed_between_looks_goes_on_too(recipe: RuleRecipe, tmp_path: Path) -> None:
    whole, resumed = make_rule("adam"), make_rule("adam")
    expected = meta_train_rule(whole, [Bowls()], training(recipe=recipe))
    with pytest.raises(KilledError):
        meta_train_rule(make_rule("adam"), [DiesAt(7)], training(tmp_path, recipe=recipe))
    seen: list[int] = []
    found = meta_train_rule(
        resumed,
        [Bowls()],
        training(tmp_path, recipe=recipe),
        resume=True,
        watch=lambda look: seen.append(look.step),
    )
    assert seen == [8, 10]  # it went on from step 6
    assert told(found) == told(expected)
    assert torch.equal(weights(whole), weights(resumed))


@pytest.mark.parametrize("recipe", [RECIPE, EVOLUTION], ids=["backpropagation", "evolution"])
def test_the_same_seed_gives_the_same_weights(recipe: RuleRecipe) -> None:
    found = []
    before = torch.get_rng_state()
    for seed in (0, 0, 1):
        rule = make_rule("lstm", TINY)
        meta_train_rule(rule, KINDS, training(recipe=recipe, seed=seed))
        found.append(weights(rule))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert torch.equal(before, torch.get_rng_state())


def test_a_folder_of_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    meta_train_rule(make_rule("adam"), KINDS, training(tmp_path))

    def resume(rule: Rule, kinds: list[Optimizees], **changes: Any) -> None:
        meta_train_rule(rule, kinds, training(tmp_path, **changes), resume=True)

    with pytest.raises(ResumeError, match="its seed is 0, but here it is 1"):
        resume(make_rule("adam"), KINDS, seed=1)
    with pytest.raises(ResumeError, match="its rule is 'adam', but here it is 'lstm'"):
        resume(make_rule("lstm"), KINDS)
    with pytest.raises(ResumeError, match=r"its options.lr is 0.01, but here it is 0.1"):
        resume(make_rule("adam", {"lr": 0.1}), KINDS)
    with pytest.raises(ResumeError, match=r"its recipe.horizon is 6, but here it is 5"):
        resume(make_rule("adam"), KINDS, recipe=replace(RECIPE, horizon=5))
    with pytest.raises(ResumeError, match=r"its optimizees.0 is \{'name': 'bowls'\}"):
        resume(make_rule("adam"), KINDS[::-1])
    with pytest.raises(OptionError, match="Name it"):
        meta_train_rule(make_rule("adam"), KINDS, training(), resume=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_problems": 0}, "must be positive"),
        ({"horizon": 0, "unroll_length": 0}, "must be positive"),
        ({"n_pairs": 0}, "must be positive"),
        ({"n_steps": -1}, "must be positive"),
        ({"unroll_length": 7}, "unroll length 7 exceeds the horizon 6"),
        ({"spread": 0.0}, "spread is the size of perturbations and above 0, but got 0.0"),
        ({"spread": math.nan}, "but got nan"),
    ],
)
def test_impossible_recipes_raise(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        replace(RECIPE, **changes)


def test_impossible_trainings_raise() -> None:
    rule = make_rule("adam")
    before = weights(rule)
    with pytest.raises(OptionError, match="at least one kind"):
        meta_train_rule(rule, [], training())
    with pytest.raises(OptionError, match="n_validation is at least 1, but got 0"):
        meta_train_rule(rule, KINDS, training(n_validation=0))
    with pytest.raises(OptionError, match="looks between them"):
        meta_train_rule(rule, KINDS, training(validate_every=0))
    assert torch.equal(before, weights(rule))


class OneNumber(Optimizees):
    """Parameters whose loss is said by the split, and by how often that was asked for."""

    name: ClassVar = "one_number"

    def __init__(self, *validation: float) -> None:
        self.validation = list(validation)
        self.drawn: list[tuple[Split, int]] = []
        self.deepest: list[int] = []

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        self.drawn.append((split, n_problems))
        if split == "train":
            self.deepest.append(0)
        value = self.validation.pop(0) if split == "validation" else 1.0

        def batch(step: int) -> dict[str, Tensor]:
            if split == "train":
                self.deepest[-1] = max(self.deepest[-1], step)
            return {"value": torch.full((n_problems,), value)}

        start = {"x": torch.zeros(n_problems, 2)}
        return Problems(start, lambda params, data: data["value"] + (params["x"] - 1.0).square().sum() * 1e-3, batch)


@pytest.mark.parametrize(
    ("losses", "best"),
    [((3.0, 1.0, 2.0), 2), ((140.0, math.nan, 150.0), 1), ((math.nan, 140.0, math.inf), 2), ((5.0, 6.0, math.inf), 1)],
)
def test_the_best_validation_is_what_stays(losses: tuple[float, ...], best: int) -> None:
    rule, kept = make_rule("adam"), []
    kind = OneNumber(math.inf, *losses)  # the first one is that of the untrained rule
    done = meta_train_rule(
        rule,
        [kind],
        training(recipe=replace(RECIPE, n_steps=6), validate_every=2),
        watch=lambda look: kept.append(weights(rule)),
    )
    assert done.best_step == 2 * best
    assert torch.equal(weights(rule), kept[best - 1])
    assert not torch.equal(kept[0], kept[1])
    assert [look.validation["one_number"] for look in done.looks] == pytest.approx(list(losses), rel=0.1, nan_ok=True)
    assert kind.drawn.count(("validation", 3)) == 4
    assert kind.drawn.count(("train", 3)) == 6


def test_a_training_that_makes_nothing_better_leaves_the_rule_as_it_was() -> None:
    rule = make_rule("adam")
    before = weights(rule)
    recipe = replace(RECIPE, n_steps=4)
    done = meta_train_rule(rule, [OneNumber(0.5, 1.0, 2.0)], training(recipe=recipe, validate_every=2))
    assert done.best_step == 0
    assert not any(look.best for look in done.looks)
    assert torch.equal(before, weights(rule))


def test_a_loss_that_is_no_number_is_told_as_a_bad_one() -> None:
    class Broken(OneNumber):
        def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
            found = super().draw(n_problems, generator, split)
            return replace(found, loss=lambda params, data: params["x"].sum() * math.nan)

    rule = make_rule("adam")
    before = weights(rule)
    done = meta_train_rule(rule, [Broken(1.0, 1.0)], training(recipe=replace(RECIPE, n_steps=2), validate_every=2))
    assert done.looks[0].loss > 1e20
    assert torch.equal(before, weights(rule))  # there was nothing to learn from


def test_kinds_of_the_same_name_are_told_apart() -> None:
    done = meta_train_rule(make_rule("adam"), [Bowls(), Bowls()], training(recipe=replace(RECIPE, n_steps=4)))
    assert set(done.looks[0].validation) == {"bowls", "bowls 2"}


def test_kinds_take_turns() -> None:
    first, second = OneNumber(*[1.0] * 9), OneNumber(*[1.0] * 9)
    meta_train_rule(make_rule("adam"), [first, second], training(recipe=replace(RECIPE, n_steps=5)))
    assert (len(first.deepest), len(second.deepest)) == (3, 2)


def test_the_horizon_grows_over_the_first_half() -> None:
    kind = OneNumber(*[1.0] * 9)
    recipe = replace(RECIPE, n_steps=8, first_horizon=2, horizon=10, unroll_length=3)
    meta_train_rule(make_rule("adam"), [kind], training(recipe=recipe))
    assert kind.deepest == [3, 4, 6, 8, 10, 10, 10, 10]  # the first segment is a whole one


def test_patience_ends_a_training() -> None:
    kind = OneNumber(9.0, 1.0, 2.0, 3.0, 4.0)
    recipe = replace(RECIPE, n_steps=100)
    done = meta_train_rule(make_rule("adam"), [kind], training(recipe=recipe, validate_every=2, patience=2))
    assert (done.stopped, done.looks[-1].step, done.best_step) == ("patience", 6, 2)


def test_a_problem_that_leaves_the_finite_numbers_teaches_nothing() -> None:
    data = {"lowest": torch.tensor([[1.0, 2.0], [1.0, 2.0]]), "broken": torch.tensor([0.0, math.nan])}
    params = {"x": torch.zeros(2, 2)}
    pair = Problems(
        params, lambda params, data: (params["x"] - data["lowest"]).square().sum() + data["broken"], lambda step: data
    )
    found = []
    for problems in (pair.part(range(1)), pair):
        rule = make_rule("lstm", TINY)
        segment = unroll(rule, problems, rule.init_state(problems.params, n_leading=1), 3)
        assert segment.surrogate is not None
        segment.surrogate.backward()  # type: ignore[no-untyped-call]
        found.append(torch.cat([value.grad.flatten() for value in rule.parameters() if value.grad is not None]))
    assert float(found[0].abs().sum()) > 0.0
    assert torch.allclose(found[1], found[0] / 2, atol=1e-7)  # the mean over two problems, one of them silent


def test_a_segment_ends_without_its_past() -> None:
    rule, problems = make_rule("lstm", TINY), Bowls().sample(2, seed=0)
    start = rule.init_state(problems.params, n_leading=1)
    first = unroll(rule, problems, start, 3)
    second = unroll(rule, problems, first.state, 2)
    assert not any(value.requires_grad for value in [first.state.weights, *first.state.memory.values()])
    assert (first.state.step, second.state.step) == (3, 5)
    assert first.losses.shape == (2, 4)
    whole = rollout(rule, problems, 5)
    assert torch.allclose(torch.cat([first.losses, second.losses[:, 1:]], 1), whole, atol=1e-6)
    assert advance(rule, problems, start, 5).surrogate is None


def judged() -> Problems:
    """Parabolas whose lowest points are elsewhere for the data that judge; updates get smaller by halves."""
    learned, judging = ({"lowest": torch.tensor([[1.0, 2.0], [3.0, -1.0]]) * sign} for sign in (1.0, -0.5))
    return Problems(
        {"x": torch.tensor([[0.5, 0.0], [1.0, 2.0]])},
        lambda params, data: (params["x"] - data["lowest"]).square().sum(),
        lambda step: learned,
        held_out=judging,
        rate=lambda step: 0.5**step,
    )


def test_held_out_data_judge_and_the_schedule_holds_in_derivatives_too() -> None:
    problems, rule = judged(), make_rule("lstm", TINY)
    assert problems.held_out is not None
    segment = unroll(rule, problems, rule.init_state(problems.params, n_leading=1), 3)
    assert segment.surrogate is not None
    segment.surrogate.backward()  # type: ignore[no-untyped-call]
    found = [value.grad.clone() for value in rule.parameters() if value.grad is not None]
    rule.zero_grad()
    state, total, losses = rule.init_state(problems.params, n_leading=1), torch.zeros(()), []
    for step in range(4):
        judge = (state.weights - problems.held_out["lowest"]).square().sum(1)
        losses.append(judge.detach())
        total = total + (judge.mean() if step else 0.0)
        before = state.weights
        gradients = 2.0 * (before - problems.batch(0)["lowest"]).detach()
        state = rule.step(gradients, state)
        state = replace(state, weights=before + 0.5**step * (state.weights - before))
    total.backward()  # type: ignore[no-untyped-call]
    expected = [value.grad for value in rule.parameters() if value.grad is not None]
    assert len(found) == len(expected) > 0
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-7) for a, b in zip(found, expected, strict=True))
    assert torch.allclose(segment.losses, torch.stack(losses, 1))
    assert torch.allclose(rollout(rule, problems, 3), segment.losses)
    assert torch.allclose(rollout(rule, problems.part(range(1, 2)), 3)[0], segment.losses[1])
