"""MAML and FOMAML (Finn, Abbeel, Levine, 2017): an initialization from which few gradient steps go far."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from autometa.fewshot._base import Ability
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params

_PAPER = (
    "Finn, Abbeel, Levine (2017), Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks, arXiv:1703.03400"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MAMLOptions(GradientOptions):
    """Hyperparameters of `MAML` and `FOMAML`."""


class MAML(GradientLearner[MAMLOptions]):
    """Learns initial weights such that a few steps of gradient descent on a support do well on its queries.

    Finn, Abbeel, Levine (2017), *Model-Agnostic Meta-Learning*, https://arxiv.org/abs/1703.03400, algorithm 2. The
    outer gradient goes through all inner steps, second derivatives included. It fits any network and any loss, also
    regressions, and is the slowest of its kind.

    The paper's figures are transductive: batch normalization takes its statistics from the queries at hand. So does
    this by default; ``norm="support"`` does without. Deviations: none.
    """

    name: ClassVar[str] = "maml"
    options_class: ClassVar = MAMLOptions
    ability: ClassVar = Ability(family="optimization", paper=_PAPER, regression=True, any_way=False, order="second")
    first_order: ClassVar[bool] = False

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Sec. 2.2: steps of plain gradient descent."""
        for _ in range(n_steps):
            gradients = self.gradients(params, x, y, detached=self.first_order)
            params = {name: value - self.options.inner_lr * gradients[name] for name, value in params.items()}
        return params


class FOMAML(MAML):
    """MAML without second derivatives: the outer gradient is taken at the adapted weights.

    Finn, Abbeel, Levine (2017), sec. 5.2. A third of the time of MAML for nearly its accuracy. Gradients of the inner
    loop count as constants, so that the derivative of the adapted weights by the initial ones is the identity.
    """

    name: ClassVar[str] = "fomaml"
    ability: ClassVar = Ability(family="optimization", paper=_PAPER, regression=True, any_way=False, order="first")
    first_order: ClassVar[bool] = True
