"""Persistent evolution strategies (Vicol, Metz, Sohl-Dickstein, 2021)."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from autometa.learned_optimizers._base import LearnedOptimizer, State
from autometa.learned_optimizers._problems import Problems
from autometa.learned_optimizers._unroll import Objective, advance
from autometa.metatraining import generator_of

_LEAST = 1e-10
_WORST = 1e6
"""Losses above count as this: one particle that leaves the finite numbers must not decide alone."""


class Evolution:
    """Pairs of optimizations with rules that are perturbed in opposite directions, segment by segment.

    Vicol, Metz, Sohl-Dickstein (2021), *Unbiased Gradient Estimation in Unrolled Computation Graphs with Persistent
    Evolution Strategies*, ICML, https://arxiv.org/abs/2112.13835, algorithm 2: each segment has a perturbation of its
    own, and losses are attributed to the sum of all of a particle's so far, which takes the bias of the truncation
    away.

    Args:
        rule: Its parameters get gradients.
        problems: All particles optimize these.
        pairs: Numbers of the pairs that are this process's.
        spread: Standard deviation of the perturbations.
        seed: Of the perturbations.
    """

    def __init__(self, rule: LearnedOptimizer[Any], problems: Problems, pairs: range, spread: float, seed: int) -> None:
        self._rule, self._problems, self._pairs, self._spread, self._seed = rule, problems, pairs, spread, seed
        start = rule.init_state(problems.params, n_leading=1).detached()
        self._states: dict[tuple[int, int], State] = {(pair, sign): start for pair in pairs for sign in (1, -1)}
        nothing = torch.zeros_like(parameters_to_vector(rule.parameters()))
        self._sums = dict.fromkeys(pairs, nothing)

    @torch.no_grad()
    def advance(self, n_steps: int, segment: int, objective: Objective, n_pairs: int) -> float:
        """One segment: adds the gradient's estimate to the parameters' gradients; the mean loss."""
        centre = parameters_to_vector(self._rule.parameters()).clone()
        gradient, total = torch.zeros_like(centre), 0.0
        for pair in self._pairs:
            generator = generator_of(self._seed, segment, pair)
            noise = self._spread * torch.randn(len(centre), generator=generator).to(centre)
            self._sums[pair] = self._sums[pair] + noise
            values = []
            for sign in (1, -1):
                vector_to_parameters(centre + sign * noise, self._rule.parameters())
                found = advance(self._rule, self._problems, self._states[pair, sign], n_steps)
                self._states[pair, sign] = found.state
                values.append(_value(found.losses[:, 1:], objective))
                total += float(found.losses[:, 1:].nan_to_num(_WORST, _WORST).clamp_max(_WORST).mean()) / 2
            gradient += self._sums[pair] * (values[0] - values[1]) / (2 * self._spread**2 * n_pairs)
        vector_to_parameters(centre, self._rule.parameters())
        first = 0
        for value in self._rule.parameters():
            value.grad = gradient[first : first + value.numel()].view_as(value).clone()
            first += value.numel()
        return total / max(1, len(self._pairs))


def _value(losses: Tensor, objective: Objective) -> Tensor:
    """The mean objective of a segment."""
    kept = losses.nan_to_num(_WORST, _WORST).clamp_max(_WORST)
    return (kept.clamp_min(_LEAST).log() if objective == "log" else kept).mean()
