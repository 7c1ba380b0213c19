"""Every learned optimizer against every check, and every check against one that deserves to fail it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import autometa.learned_optimizers
import autometa.testing.learned_optimizers as suite
from autometa.learned_optimizers import (
    LSTM,
    RULES,
    Layout,
    LearnedOptimizer,
    LSTMOptions,
    Params,
    Slots,
    State,
)
from autometa.testing.learned_optimizers import CHECKS, Make, maker

Check = Callable[[Make], None]

MATRIX = [pytest.param(name, check, id=f"{name}-{check.__name__}") for name in RULES.names() for check in CHECKS]


@pytest.mark.parametrize(("name", "check"), MATRIX)
def test_learned_optimizer(name: str, check: Check) -> None:
    check(maker(RULES.create(name)))


def test_every_rule_is_registered_and_every_check_is_listed() -> None:
    members = {
        one
        for one in vars(autometa.learned_optimizers).values()
        if inspect.isclass(one) and issubclass(one, LearnedOptimizer)
    }
    assert {RULES.create(name) for name in RULES.names()} == members - {LearnedOptimizer}
    assert all(RULES.create(name).name == name for name in RULES.names())
    assert set(CHECKS) == {one for name, one in vars(suite).items() if name.startswith("check_")}
    assert set(LIARS) == set(CHECKS)
    assert len(MATRIX) == len(RULES) * len(CHECKS) > 0


class Honest(LSTM):
    """A rule for a subclass to spoil."""


class Flattens(Honest):
    def update(self, grads: Mapping[str, Tensor], state: State, *, loss: Tensor | None = None) -> tuple[Params, State]:
        after, state = super().update(grads, state, loss=loss)
        return {name: value.flatten() for name, value in after.items()}, state


class SortsNames(Honest):
    def update(self, grads: Mapping[str, Tensor], state: State, *, loss: Tensor | None = None) -> tuple[Params, State]:
        after, state = super().update(grads, state, loss=loss)
        return dict(sorted(after.items())), state


class RoundsToSingle(Honest):
    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        moved, memory = super().move(signals, weights, memory, step=step)
        return moved.float(), memory


class TakesThemAsTheyAre(Honest):
    def seen(self, gradients: Tensor, state: State, loss: Tensor | None) -> tuple[Tensor, Slots]:
        weights = state.weights.detach()
        return self.signals(gradients, weights, state.statistics, layout=state.layout, step=state.step, loss=loss)


class CountsNaNAsOne(Honest):
    def seen(self, gradients: Tensor, state: State, loss: Tensor | None) -> tuple[Tensor, Slots]:
        return super().seen(gradients.nan_to_num(1.0, 1.0, 1.0), state, loss)


class AddsUpFourthPowers(Honest):
    """Beyond the largest float, and never smaller again."""

    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        return super().begin(weights)[0], {"fourth": torch.zeros_like(weights)}

    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        seen, _ = super().signals(gradients, weights, statistics, layout=layout, step=step, loss=loss)
        return seen, {"fourth": statistics["fourth"] + gradients.pow(4)}


class Noisy(Honest):
    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        return super().move(signals, weights + 1e-3 * torch.rand_like(weights), memory, step=step)


class MovesGenerators(Honest):
    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        np.random.random()
        return super().move(signals, weights, memory, step=step)


class WorksInPlace(Honest):
    """The update is right, but the state before it becomes the state after it."""

    def step(self, gradients: Tensor, state: State, *, loss: Tensor | None = None, rate: float = 1.0) -> State:
        after = super().step(gradients, State(*_copies(state)), loss=loss, rate=rate)
        state.weights.data.copy_(after.weights)
        return after


def _copies(state: State) -> tuple[Layout, Tensor, Slots, Slots, int]:
    memory = {name: value.clone() for name, value in state.memory.items()}
    return state.layout, state.weights.detach().clone(), memory, dict(state.statistics), state.step


class WearsOut(Honest):
    """Changes itself."""

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        self.out.bias.data.add_(1e-3)
        return super().move(signals, weights, memory, step=step)


class ReadsTheLossInSecret(Honest):
    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        told = 1.0 if loss is None else 1.0 + loss.unsqueeze(-1)
        return super().signals(gradients * told, weights, statistics, layout=layout, step=step, loss=loss)


class TakesNoLossForZero(Honest):
    ability: ClassVar = replace(LSTM.ability, needs_loss=True)

    def seen(self, gradients: Tensor, state: State, loss: Tensor | None) -> tuple[Tensor, Slots]:
        return super().seen(gradients, state, torch.zeros(gradients.shape[:-1]) if loss is None else loss)


class AveragesOptimizees(Honest):
    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        mixed = gradients / gradients.square().mean().sqrt()
        return super().signals(mixed, weights, statistics, layout=layout, step=step, loss=loss)


class FavoursTheFirst(Honest):
    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        by_place = gradients / (1.0 + torch.arange(gradients.shape[-1]))
        return super().signals(by_place, weights, statistics, layout=layout, step=step, loss=loss)


class LooksAround(Honest):
    """Sees the other coordinates where it may not."""

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        return super().move(signals - signals.mean(-2, keepdim=True), weights, memory, step=step)


class Detached(Honest):
    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        moved, memory = super().move(signals, weights, memory, step=step)
        return moved.detach(), memory


class HasASpare(Honest):
    def __init__(self, options: LSTMOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        self.spare = nn.Parameter(torch.zeros(()))


class HasAnIdlePart(HasASpare):
    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        return super().move(signals, weights + 0.0 * self.spare, memory, step=step)


class StumblesOverZero(HasASpare):
    """The derivative of a root at zero is infinite."""

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        root = (self.spare.exp() * signals[..., 1].square()).sqrt()
        return super().move(signals, weights - 0.1 * root, memory, step=step)


class UpdatesByHalves(Honest):
    """`update` is not what is traced, nor what `TorchOptimizer` does."""

    def update(self, grads: Mapping[str, Tensor], state: State, *, loss: Tensor | None = None) -> tuple[Params, State]:
        found = super().update(grads, state, loss=loss)[1]
        halved = replace(found, weights=(found.weights + state.weights) / 2)
        return halved.params, halved


class NeverMoves(Honest):
    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        moved, memory = super().move(signals, weights, memory, step=step)
        return weights + 0.0 * (moved - weights), memory


class HasNothingToLearn(Honest):
    """Plain gradient descent: well below the start, trained or not."""

    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        return torch.stack([gradients, gradients], -1), statistics

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        moved, memory = super().move(signals, weights, memory, step=step)
        return weights - 0.2 * signals[..., 0] + 0.0 * (moved - weights), memory


class CountsBySelf(Honest):
    """Remembers beside the state."""

    def __init__(self, options: LSTMOptions, *, seed: int = 0) -> None:
        super().__init__(options, seed=seed)
        self.count = 0

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        self.count += 1
        return super().move(signals, weights + 1e-3 * self.count, memory, step=step)


class Forgets(Honest):
    """Does not save all of itself."""

    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        return super().move(signals, weights + 1e-3, memory, step=step)


Liar = type[LearnedOptimizer[Any]]

LIARS: dict[Check, dict[Liar, str]] = {
    suite.check_updates_have_the_form_of_the_parameters: {
        Flattens: "become",
        SortsNames: "come back as",
        RoundsToSingle: "become",
    },
    suite.check_updates_are_finite: {
        TakesThemAsTheyAre: "parameters are not finite",
        CountsNaNAsOne: "does not count as zero",
        AddsUpFourthPowers: "fourth is not finite",
    },
    suite.check_update_is_pure: {
        Noisy: "two updates",
        MovesGenerators: "generator of numpy",
        WorksInPlace: "two updates|changed weights",
        WearsOut: "two updates",
    },
    suite.check_needs_loss_is_true: {
        ReadsTheLossInSecret: "needs_loss is False",
        TakesNoLossForZero: "must be an error",
    },
    suite.check_optimizees_are_independent: {AveragesOptimizees: "the others beside it"},
    suite.check_order_of_coordinates_does_not_matter: {FavoursTheFirst: "In another order"},
    suite.check_chunks_change_nothing: {LooksAround: "In chunks"},
    suite.check_gradients_reach_every_parameter: {
        Detached: "reaches the rule",
        HasASpare: "reaches spare",
        HasAnIdlePart: "spare is zero",
        StumblesOverZero: "spare is not finite",
    },
    suite.check_meta_gradient_is_exact: {UpdatesByHalves: "is off by"},
    suite.check_sampled_coordinates_are_unbiased: {LooksAround: "other coordinates than its own|are others"},
    suite.check_it_learns_bowls: {NeverMoves: "gets no lower", HasNothingToLearn: "untrained to"},
    suite.check_it_steps_a_module: {UpdatesByHalves: "not that of update"},
    suite.check_it_goes_on_from_a_state_dict: {CountsBySelf: "another way"},
    suite.check_it_can_be_saved: {Forgets: "something else"},
}


@pytest.mark.parametrize(
    ("check", "liar", "said"),
    [
        pytest.param(check, liar, said, id=f"{check.__name__}-{liar.__name__}")
        for check in CHECKS
        for liar, said in LIARS[check].items()
    ],
)
def test_check_rejects_a_liar(check: Check, liar: Liar, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check(maker(liar))
