"""Every few-shot learner against every check, and every check against one that deserves to fail it."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import autometa.fewshot
import autometa.testing.fewshot as suite
from autometa.fewshot import (
    LEARNERS,
    MAML,
    MANN,
    Episodes,
    FewShotLearner,
    Predictor,
    PrototypicalNetworks,
    Support,
)
from autometa.testing.fewshot import CHECKS, Make, maker

Check = Callable[[Make], None]

MATRIX = [pytest.param(name, check, id=f"{name}-{check.__name__}") for name in LEARNERS.names() for check in CHECKS]


@pytest.mark.parametrize(("name", "check"), MATRIX)
def test_few_shot_learner(name: str, check: Check) -> None:
    check(maker(LEARNERS.create(name)))


def test_every_learner_is_registered_and_every_check_is_listed() -> None:
    members = {
        one for one in vars(autometa.fewshot).values() if inspect.isclass(one) and issubclass(one, FewShotLearner)
    }
    assert {LEARNERS.create(name) for name in LEARNERS.names()} == members - {FewShotLearner}
    assert set(CHECKS) == {one for name, one in vars(suite).items() if name.startswith("check_")}
    assert set(LIARS) == set(CHECKS)


class Honest(PrototypicalNetworks):
    """A learner for a subclass to spoil."""


class WrongShape(Honest):
    def adapt(self, support: Support) -> Predictor:
        predict = super().adapt(support)
        return lambda x: predict(x).flatten(0, 1)


class NotPure(Honest):
    def adapt(self, support: Support) -> Predictor:
        torch.rand(1)
        return super().adapt(support)


class LearnsFromQueries(Honest):
    """Trains while it predicts: the same call twice differs."""

    def adapt(self, support: Support) -> Predictor:
        predict = super().adapt(support)

        def spoiled(x: Tensor) -> Tensor:
            with torch.no_grad():
                for value in self.parameters():
                    value.add_(1e-2)
            return predict(x)

        return spoiled


class IgnoresGaps(Honest):
    def adapt(self, support: Support) -> Predictor:
        return lambda x: x.new_zeros(*x.shape[:2], support.n_way)


class CentresQueries(Honest):
    """Transductive, and does not say so."""

    def adapt(self, support: Support) -> Predictor:
        predict = super().adapt(support)
        return lambda x: predict(x - x.mean(1, keepdim=True))


class LikesTheFirstClass(Honest):
    def adapt(self, support: Support) -> Predictor:
        predict = super().adapt(support)
        return lambda x: predict(x) + torch.arange(support.n_way).mul(-1.0)


class Detached(Honest):
    def meta_loss(self, episodes: Episodes) -> Tensor:
        logits = self.adapt(episodes.support)(episodes.x).detach()
        bias = next(self.parameters()).sum() * 0.0
        return F.cross_entropy(logits.flatten(0, 1), episodes.y.flatten()) + bias


class HalfSecondOrder(MAML):
    """Says second order, and drops the second derivatives."""

    first_order: ClassVar[bool] = True


class SeesTheLabel(MANN):
    """Shows each item together with its own label, not with that of the one before."""

    def _run(self, features: Tensor, labels: Tensor, state: Any) -> Any:
        return super()._run(features, labels.roll(-1, 1), state)


class OnlyGuesses(Honest):
    def adapt(self, support: Support) -> Predictor:
        return lambda x: x.new_zeros(*x.shape[:2], support.n_way)


class Forgets(Honest):
    """Does not save all of its state."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.secret = torch.rand(())

    def adapt(self, support: Support) -> Predictor:
        predict = super().adapt(support)
        return lambda x: predict(x) * self.secret


LIARS: dict[Check, list[type[FewShotLearner[Any]]]] = {
    suite.check_logits_have_the_right_shape: [WrongShape],
    suite.check_adapt_is_pure: [NotPure, LearnsFromQueries],
    suite.check_missing_labels_raise: [IgnoresGaps],
    suite.check_queries_are_independent: [CentresQueries],
    suite.check_labels_are_only_names: [LikesTheFirstClass],
    suite.check_gradients_reach_every_parameter: [Detached],
    suite.check_second_order_gradients_are_exact: [HalfSecondOrder],
    suite.check_first_presentations_are_guesses: [SeesTheLabel],
    suite.check_it_learns_blobs: [OnlyGuesses],
    suite.check_it_can_be_saved: [Forgets],
}


@pytest.mark.parametrize(
    ("check", "liar"),
    [pytest.param(check, liar, id=f"{check.__name__}-{liar.__name__}") for check in CHECKS for liar in LIARS[check]],
)
def test_check_rejects_a_liar(check: Check, liar: type[FewShotLearner[Any]]) -> None:
    with pytest.raises(AssertionError):
        check(maker(liar))
