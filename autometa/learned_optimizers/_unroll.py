"""Optimizations by a rule, and their derivatives by its parameters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from autometa.learned_optimizers._base import LearnedOptimizer, Slots, State
from autometa.learned_optimizers._problems import Problems

Objective = Literal["sum", "log"]
"""What is descended on: the losses of all steps (Andrychowicz et al., 2016, eq. 2), or their logarithms, to which the
late steps, where losses are small, matter as much as the early ones."""

_LEAST = 1e-10


@dataclass(frozen=True, slots=True)
class Segment:
    """Some steps of an optimization.

    Attributes:
        state: After them, without its past.
        losses: On the data that judge, before each step and after the last one, (n_problems, n_steps + 1).
        surrogate: A scalar whose derivative by the rule's parameters is that of the objective over the steps, for
            problems whose losses stay finite; its value means nothing. None where no derivatives were wanted.
    """

    state: State
    losses: Tensor
    surrogate: Tensor | None


def rollout(rule: LearnedOptimizer[Any], problems: Problems, n_steps: int) -> Tensor:
    """Losses of whole optimizations on the data that judge, before each step and after the last one.

    Shape (n_problems, n_steps + 1).
    """
    state = rule.init_state(problems.params, n_leading=1)
    with torch.no_grad():
        return advance(rule, problems, state, n_steps).losses


@torch.no_grad()
def advance(rule: LearnedOptimizer[Any], problems: Problems, state: State, n_steps: int) -> Segment:
    """Steps without derivatives."""
    losses = []
    for _ in range(n_steps):
        gradients, loss = problems.gradients(state.weights, state.step)
        losses.append(problems.judged_losses(state.weights, loss))
        state = rule.step(gradients, state, loss=loss, rate=problems.rate_of(state.step))
    losses.append(problems.losses(state.weights, state.step))
    return Segment(state, torch.stack(losses, 1), None)


def unroll(
    rule: LearnedOptimizer[Any],
    problems: Problems,
    state: State,
    n_steps: int,
    *,
    objective: Objective = "sum",
    n_coordinates: int = 0,
    generator: torch.Generator | None = None,
) -> Segment:
    """Steps with derivatives by the rule's parameters: truncated backpropagation through time.

    Derivatives of gradients by parameters are dropped (Andrychowicz et al., 2016, sec. 2.1, the dashed edges of
    fig. 2). The rule then sees a coordinate's gradients as given, so the objective's derivative is the sum over steps
    and coordinates of the loss's gradient there times the derivative of the coordinate. The optimization computes that
    gradient anyway, but for the one on held-out data, where these judge. So nothing is backpropagated through the
    optimizees; and as every coordinate's term is computed from its own past alone, a sample of the coordinates gives an
    unbiased estimate, at a fraction of time and memory.

    Args:
        rule: Whose parameters get gradients when the surrogate is backpropagated.
        problems: The optimizees.
        state: Where they stand.
        n_steps: How many steps.
        objective: See `Objective`.
        n_coordinates: How many of each problem to take derivatives of, drawn anew in each call; 0 takes all.
        generator: Draws them; one of the CPU.
    """
    state = state.detached()
    traced = _Traced.of(rule, state, n_coordinates, generator)
    losses: list[Tensor] = []
    surrogate = state.weights.new_zeros(())
    for t in range(n_steps + 1):
        gradients, loss = problems.gradients(state.weights, state.step)
        its, judged = problems.judged(state.weights, (gradients, loss))
        losses.append(judged)
        if t:
            surrogate = surrogate + traced.term(_weighted(its, judged, objective))
        if t == n_steps:
            break
        with torch.no_grad():
            signals, statistics = rule.seen(gradients, state, loss)
        rate = problems.rate_of(state.step)
        traced.move(signals, state.step, rate)
        weights, memory = traced.full(signals, state, rate)
        state = State(state.layout, weights, memory, statistics, state.step + 1)
    return Segment(state, torch.stack(losses, 1), surrogate)


def _weighted(gradients: Tensor, loss: Tensor, objective: Objective) -> Tensor:
    """The objective's gradient at a step; nothing of problems that have left the finite numbers."""
    if objective == "log":
        gradients = gradients / loss.clamp_min(_LEAST).unsqueeze(1)
    usable = gradients.isfinite().all(1, keepdim=True) & loss.isfinite().unsqueeze(1)
    return torch.where(usable, gradients, torch.zeros_like(gradients)).detach() / len(loss)


class _Traced:
    """Coordinates whose past is kept for derivatives: all, or a sample of each problem."""

    def __init__(self, rule: LearnedOptimizer[Any], state: State, index: Tensor | None) -> None:
        self.rule, self.index = rule, index
        self.weights = self._take(state.weights)
        self.memory: Slots = {name: self._take(value) for name, value in state.memory.items()}
        self.share = 1.0 if index is None else index.shape[1] / state.weights.shape[1]

    @classmethod
    def of(
        cls, rule: LearnedOptimizer[Any], state: State, n_coordinates: int, generator: torch.Generator | None
    ) -> "_Traced":
        n_problems, n = state.weights.shape
        if not n_coordinates or n_coordinates >= n:
            return cls(rule, state, None)
        index = torch.rand(n_problems, n, generator=generator).topk(n_coordinates, dim=1).indices
        return cls(rule, state, index.to(state.weights.device))

    def _take(self, values: Tensor) -> Tensor:
        if self.index is None:
            return values
        index = self.index.view(*self.index.shape, *(1 for _ in values.shape[2:])).expand(-1, -1, *values.shape[2:])
        return values.gather(1, index)

    def term(self, gradients: Tensor) -> Tensor:
        return (self._take(gradients) * self.weights).sum() / self.share

    def move(self, signals: Tensor, step: int, rate: float) -> None:
        self.weights, self.memory = self.rule.moved(self._take(signals), self.weights, self.memory, step, rate)

    def full(self, signals: Tensor, state: State, rate: float) -> tuple[Tensor, Slots]:
        """Weights and memory of all coordinates after the step, without a past."""
        if self.index is None:
            return self.weights.detach(), {name: value.detach() for name, value in self.memory.items()}
        with torch.no_grad():
            return self.rule.moved(signals, state.weights, state.memory, state.step, rate)


BASELINES: dict[str, Callable[[Tensor, float], torch.optim.Optimizer]] = {
    "sgd": lambda weights, lr: torch.optim.SGD([weights], lr),
    "nesterov": lambda weights, lr: torch.optim.SGD([weights], lr, momentum=0.9, nesterov=True),
    "rmsprop": lambda weights, lr: torch.optim.RMSprop([weights], lr),
    "adam": lambda weights, lr: torch.optim.Adam([weights], lr),
}
"""What learned optimizers are compared with, each with a learning rate that is to be tuned."""


def rollout_baseline(name: str, lr: float, problems: Problems, n_steps: int) -> Tensor:
    """`rollout` by one of `BASELINES`; all of them work coordinate by coordinate, so problems may share a tensor."""
    weights = problems.layout.flat(problems.params).clone().requires_grad_()
    optimizer = BASELINES[name](weights, lr)
    losses = []
    for step in range(n_steps):
        weights.grad, loss = problems.gradients(weights.detach(), step)
        losses.append(problems.judged_losses(weights.detach(), loss))
        optimizer.param_groups[0]["lr"] = lr * problems.rate_of(step)
        optimizer.step()
    losses.append(problems.losses(weights.detach(), n_steps))
    return torch.stack(losses, 1)
