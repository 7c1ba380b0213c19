"""iMAML (Rajeswaran et al., 2019): the outer gradient without a way back through the inner loop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vjp, vmap

from autometa.fewshot._base import Ability
from autometa.fewshot._episodes import Episodes
from autometa.fewshot._gradient import GradientLearner, GradientOptions, Params

_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class IMAMLOptions(GradientOptions):
    """Hyperparameters of `IMAML`.

    Attributes:
        regularization: lambda, how strongly adapted weights are held near the initial ones.
        n_cg_steps: Steps of conjugate gradients.
    """

    inner_lr: float = 0.1
    n_inner_steps: int = 16
    n_inner_steps_test: int = 16
    regularization: float = 2.0
    n_cg_steps: int = 5


class IMAML(GradientLearner[IMAMLOptions]):
    """Adapts by a regularized optimization, and differentiates its solution by the implicit function theorem.

    Rajeswaran, Finn, Kakade, Levine (2019), *Meta-Learning with Implicit Gradients*, https://arxiv.org/abs/1909.04630,
    algorithms 1 and 2: the outer gradient is (I + H / lambda)^-1 g, with the Hessian H of the support's loss at the
    solution and the gradient g of the queries' loss there, solved by conjugate gradients. Memory does not grow with the
    number of inner steps, so that many can be taken.

    The inner loop descends on the regularized loss in every step and in testing too. The authors' code does otherwise:
    it takes one proximal step at the end, none in testing, and another matrix. Deviations from the paper: none.
    """

    name: ClassVar = "imaml"
    options_class: ClassVar = IMAMLOptions
    ability: ClassVar = Ability(
        family="optimization",
        paper="Rajeswaran, Finn, Kakade, Levine (2019), Meta-Learning with Implicit Gradients, arXiv:1909.04630",
        regression=True,
        any_way=False,
        order="second",
    )

    def inner(self, params: Params, learned: Mapping[str, Tensor], x: Tensor, y: Tensor, *, n_steps: int) -> Params:
        """Eq. 3 by gradient descent; nothing is differentiated through it."""
        anchor = {name: value.detach() for name, value in params.items()}
        found, weight, rate = anchor, self.options.regularization, self.options.inner_lr
        for _ in range(n_steps):
            gradients = self.gradients(found, x, y, detached=True)
            found = {
                name: value - rate * (gradients[name] + weight * (value - anchor[name]))
                for name, value in found.items()
            }
        return found

    def meta_loss(self, episodes: Episodes) -> Tensor:
        """The queries' loss as value; its gradient by the initial weights is the implicit one (eq. 6)."""
        support = episodes.support
        initial = self.initial
        losses, gradients = vmap(self._implicit, in_dims=(None, 0, 0, 0, 0))(
            {name: value.detach() for name, value in initial.items()}, support.x, support.y, episodes.x, episodes.y
        )
        towards = sum((initial[name] * value.mean(0).detach()).sum() for name, value in gradients.items())
        assert isinstance(towards, Tensor)
        return losses.mean().detach() + towards - towards.detach()

    def _implicit(self, params: Params, x: Tensor, y: Tensor, queries: Tensor, wanted: Tensor) -> tuple[Tensor, Params]:
        """Of one episode: the queries' loss at the solution, and its gradient by the initial weights."""
        solution = self.inner(params, {}, x, y, n_steps=self.options.n_inner_steps)

        def outer(at: Params) -> Tensor:
            return self.loss(self.answer(at, x, queries), wanted)

        gradients, loss = grad_and_value(outer)(solution)
        hessian = vjp(lambda at: grad(self.support_loss)(at, x, y), solution)[1]

        def matrix(vector: Params) -> Params:
            (curved,) = hessian(vector)
            return {name: value + curved[name] / self.options.regularization for name, value in vector.items()}

        return loss, conjugate_gradients(matrix, gradients, self.options.n_cg_steps)


def conjugate_gradients(matrix: Callable[[Params], Params], b: Params, n_steps: int) -> Params:
    """Solve A v = b for a symmetric positive definite A, given as a product (Hestenes, Stiefel, 1952)."""
    solution = {name: torch.zeros_like(value) for name, value in b.items()}
    residual = direction = b
    square = _dot(residual, residual)
    for _ in range(n_steps):
        moved = matrix(direction)
        step = square / (_dot(direction, moved) + _TINY)
        solution = {name: value + step * direction[name] for name, value in solution.items()}
        residual = {name: value - step * moved[name] for name, value in residual.items()}
        after = _dot(residual, residual)
        ratio = after / (square + _TINY)
        direction = {name: value + ratio * direction[name] for name, value in residual.items()}
        square = after
    return solution


def _dot(a: Params, b: Params) -> Tensor:
    return torch.stack([(a[name] * b[name]).sum() for name in a]).sum()
