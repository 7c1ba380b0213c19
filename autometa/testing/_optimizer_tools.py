"""What the checks of `autometa.testing.learned_optimizers` work with: problems, parameters, and what to compare."""

import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import vmap

from autometa.learned_optimizers import (
    Batch,
    LearnedOptimizer,
    Objective,
    Optimizees,
    Params,
    Problems,
    Split,
    State,
    unroll,
)
from autometa.metatraining import generator_of, seeded

Rule = LearnedOptimizer[Any]
Make = Callable[[], Rule]
"""Makes an untrained rule, the same one in every call."""

N_DIMENSIONS = 4
N_STEPS = 5
HORIZON = 20
_SHAPES: dict[str, tuple[int, ...]] = {"weight": (3, 2), "bias": (3,), "scale": ()}


class Bowls(Optimizees):
    """Quadratics of four dimensions with curvatures between 0.4 and 2, which a rule can hardly miss.

    Args:
        dtype: Precision.
    """

    name: ClassVar = "bowls"
    horizon: ClassVar = HORIZON

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        self.dtype = dtype

    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        """Bowls that are turned, and whose lowest points are normally distributed around the start."""
        n = N_DIMENSIONS
        turned = torch.linalg.qr(torch.randn(n_problems, n, n, generator=generator, dtype=torch.float64))[0]
        curvature = 0.2 + 0.8 * torch.rand(n_problems, n, 1, generator=generator, dtype=torch.float64)
        lowest = torch.randn(n_problems, n, generator=generator, dtype=torch.float64)
        data = {"root": (curvature.sqrt() * turned).to(self.dtype), "lowest": lowest.to(self.dtype)}
        params = {name: torch.zeros(n_problems, n // 2, dtype=self.dtype) for name in ("a", "b")}
        return Problems(params, height, lambda step: data)


def height(params: Params, data: Batch) -> Tensor:
    """The loss of a bowl."""
    return (data["root"] @ (torch.cat([params["a"], params["b"]]) - data["lowest"])).square().sum()


def params_of(leading: tuple[int, ...] = (), dtype: torch.dtype = torch.float32, seed: int = 17) -> Params:
    """Parameters or gradients, from a normal distribution."""
    generator = generator_of(seed)
    return {
        name: torch.randn((*leading, *shape), generator=generator, dtype=torch.float64).to(dtype)
        for name, shape in _SHAPES.items()
    }


def double_of(leading: tuple[int, ...] = (), seed: int = 17) -> Params:
    """`params_of` in double precision."""
    return params_of(leading, torch.float64, seed)


def nth(params: Mapping[str, Tensor], i: int) -> Params:
    """Parameters of one of many optimizees."""
    return {name: value[i] for name, value in params.items()}


def spoiled(params: Params, value: float, every: int) -> Params:
    """With a value in the place of every so many numbers."""
    found = {name: one.clone() for name, one in params.items()}
    for one in found.values():
        one.view(-1)[::every] = value
    return found


def forms(params: Mapping[str, Tensor]) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and precision of each."""
    return {name: (tuple(value.shape), value.dtype) for name, value in params.items()}


def tensors(state: State) -> dict[str, Tensor]:
    """All that a state holds."""
    return {"weights": state.weights, **state.memory, **state.statistics}


def generators() -> dict[str, object]:
    """States of the global generators."""
    numbers: Any = np.random.get_state()
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": (numbers[1].tolist(), *numbers[2:]),
        "random": random.getstate(),
    }


def shaken(make: Make, dtype: torch.dtype = torch.float64) -> Rule:
    """A rule a little away from its untrained weights, among which there may be zeros that hide something."""
    rule, generator = make().to(dtype), generator_of(3)
    with torch.no_grad():
        for value in rule.parameters():
            value.add_(0.05 * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(dtype))
    return rule


def meta_gradients(rule: Rule, problems: Problems) -> dict[str, Tensor]:
    """Of each parameter that one reaches."""
    segment = unroll(rule, problems, rule.init_state(problems.params, n_leading=1), N_STEPS)
    assert segment.surrogate is not None
    assert segment.surrogate.requires_grad, "No gradient reaches the rule."
    segment.surrogate.backward()  # type: ignore[no-untyped-call]
    return {name: value.grad for name, value in rule.named_parameters() if value.grad is not None}


def gradient_of(loss: Tensor, rule: Rule) -> Tensor:
    """By all parameters of the rule, as one vector; zero where none reaches."""
    params = [value for value in rule.parameters() if value.requires_grad]
    assert loss.requires_grad, "No gradient reaches the rule."
    found = torch.autograd.grad(loss, params, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([value.flatten() for value in found])


def unrolled(rule: Rule, problems: Problems, objective: Objective) -> Tensor:
    """The objective over steps of `update`, as plainly as can be."""
    state = rule.init_state(problems.params, n_leading=1)
    total = torch.zeros((), dtype=torch.float64)
    for _ in range(N_STEPS):
        gradients, loss = problems.gradients(state.weights.detach(), state.step)
        params, state = rule.update(problems.layout.named(gradients), state, loss=loss)
        losses = vmap(problems.loss)(params, problems.batch(state.step))
        total = total + (losses.log() if objective == "log" else losses).mean()
    return total


def close(one: Tensor, other: Tensor) -> bool:
    """The same but for rounding, in double precision."""
    return torch.allclose(one, other, rtol=1e-6, atol=1e-9)


def module_of() -> nn.Module:
    """A small network, always the same."""
    with seeded(5):
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def module_loss(module: nn.Module, step: int) -> Tensor:
    """On a batch of the step."""
    x = torch.randn(8, 3, generator=generator_of(step, 9))
    loss: Tensor = (module(x).squeeze(1) - x[:, 0]).square().mean()
    return loss


def closure_of(module: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> Callable[[], Tensor]:
    """What `TorchOptimizer.step` takes."""

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = module_loss(module, step)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    return closure
