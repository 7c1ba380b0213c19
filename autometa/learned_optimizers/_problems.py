"""Optimizees: many problems of one kind side by side, with the same parameters and data of their own."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from autometa.learned_optimizers._layout import Layout, Params
from autometa.metatraining import generator_of

Batch = dict[str, Tensor]
"""Data of one step by name; of many problems with a leading dimension."""

Split = Literal["train", "validation", "test"]
_SPLITS: dict[str, int] = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class Problems:
    """Some optimizees at their starting points.

    Attributes:
        params: By name, each (n_problems, \\*shape).
        loss: Of one problem, from its parameters and its data; a scalar, differentiable.
        batch: The data of a step, each (n_problems, ...). The same step gives the same data.
        scales: What the parameters are multiplied by before they are used, (n_problems, n_coordinates); None is 1.
        held_out: Data that judge, each (n_problems, ...), from which nothing is learned; None judges by the data of
            each step.
        rate: What updates are multiplied by at a step, as a learning rate's schedule does; None is 1.
    """

    params: Params
    loss: Callable[[Params, Batch], Tensor]
    batch: Callable[[int], Batch]
    scales: Tensor | None = None
    held_out: Batch | None = None
    rate: Callable[[int], float] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.params.values())))

    @property
    def layout(self) -> Layout:
        """Of the parameters of one problem."""
        return Layout.of(self.params, 1)

    def part(self, which: range) -> "Problems":
        """Some of the problems."""
        if len(which) == len(self):
            return self

        def its(values: Batch) -> Batch:
            return {name: value[which.start : which.stop] for name, value in values.items()}

        return replace(
            self,
            params=its(self.params),
            batch=lambda step: its(self.batch(step)),
            scales=None if self.scales is None else self.scales[which.start : which.stop],
            held_out=None if self.held_out is None else its(self.held_out),
        )

    def scaled(self, bound: float, generator: torch.Generator) -> "Problems":
        """The same problems in other units, drawn for each coordinate: exp(U(-bound, bound)).

        Lv, Jiang, Li (2017), sec. 3.1: random scaling. An optimizer that is trained so cannot count on the size of
        gradients and weights.
        """
        start = self.layout.flat(self.params)
        spread = torch.rand(start.shape, generator=generator).to(start) * 2 - 1
        scales = (bound * spread).exp()
        whole = scales if self.scales is None else self.scales * scales
        return replace(self, params=self.layout.named(start / scales), scales=whole)

    def gradients(self, weights: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Gradients (n_problems, n_coordinates) and losses (n_problems,) at ``weights``, on the data of a step."""
        return self._gradients(weights, self.batch(step))

    def judged(self, weights: Tensor, learned: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Gradients and losses on the data that judge; ``learned`` are those of `gradients`, for where these judge."""
        return learned if self.held_out is None else self._gradients(weights, self.held_out)

    def judged_losses(self, weights: Tensor, learned: Tensor) -> Tensor:
        """`judged` without gradients."""
        return learned if self.held_out is None else self._losses(weights, self.held_out)

    def losses(self, weights: Tensor, step: int) -> Tensor:
        """Losses (n_problems,) at ``weights``, on the data that judge."""
        return self._losses(weights, self.batch(step) if self.held_out is None else self.held_out)

    def rate_of(self, step: int) -> float:
        """`rate`."""
        return 1.0 if self.rate is None else self.rate(step)

    def _at(self, weights: Tensor) -> Params:
        return self.layout.named(weights if self.scales is None else weights * self.scales)

    @torch.no_grad()
    def _losses(self, weights: Tensor, data: Batch) -> Tensor:
        found: Tensor = vmap(self.loss)(self._at(weights), data)
        return found

    def _gradients(self, weights: Tensor, data: Batch) -> tuple[Tensor, Tensor]:
        found, losses = vmap(grad_and_value(self.loss))(self._at(weights), data)
        gradients = self.layout.flat(found)
        return (gradients if self.scales is None else gradients * self.scales), losses


class Optimizees(ABC):
    """A kind of problems, of which some can be drawn.

    Members are made with what describes the kind, such as the width of a network; see `OPTIMIZEES`.
    """

    name: ClassVar[str]
    """In the registry."""

    horizon: ClassVar[int] = 100
    """Steps after which papers compare optimizers on it."""

    device: str = "cpu"
    """Where the problems are to be."""

    def sample(self, n_problems: int, *, seed: int, split: Split = "train") -> Problems:
        """So many problems; the same seed gives the same ones, on every device.

        Args:
            n_problems: How many.
            seed: Of problems, starting points and batches.
            split: Data and problems of one split are not those of another.
        """
        return self.draw(n_problems, generator_of(seed, _SPLITS[split]), split)

    def sets(self, n_problems: int, *, seed: int, split: Split = "train") -> list[Problems]:
        """`sample`, but of all there is: kinds that learn from several tables give problems on each of them.

        Args:
            n_problems: How many in all, at least; each set has as many as the others.
            seed: See `sample`.
            split: See `sample`.
        """
        return [self.sample(n_problems, seed=seed, split=split)]

    @abstractmethod
    def draw(self, n_problems: int, generator: torch.Generator, split: Split) -> Problems:
        """`sample`, for members to implement; ``generator`` is one of the CPU."""

    @property
    def description(self) -> dict[str, int | float | str]:
        """What the kind is, as plain values for a card."""
        return {"name": self.name}

    def to(self, device: str) -> "Optimizees":
        """The same on a device."""
        self.device = device
        return self


def normal_params(
    shapes: Mapping[str, tuple[int, ...]], n_problems: int, spread: float, generator: torch.Generator
) -> Params:
    """Starting points drawn from a normal distribution around zero."""
    return {name: spread * torch.randn(n_problems, *shape, generator=generator) for name, shape in shapes.items()}
