"""What a learned optimizer is, and what it promises."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from autometa.errors import OptionError
from autometa.learned_optimizers._layout import Layout, Params

Slots = dict[str, Tensor]
"""What is remembered of each coordinate, by name; shapes (..., n) or (..., n, k)."""

_CHUNK = 1 << 14
"""Coordinates of a chunk on a CPU: what the networks make of so many stays in the caches."""

_LARGEST = 1e15
"""Gradients beyond count as this. Squares of larger ones overflow, and averages that once were infinite remain so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOptions:
    """Base of the hyperparameters of a rule; plain values, so that a card can hold them."""


AnyOptions = TypeVar("AnyOptions", bound=RuleOptions)


@dataclass(frozen=True, slots=True)
class RuleAbility:
    """What a rule is; `autometa optimizers list` shows it.

    Attributes:
        paper: Authors, year, title, address.
        needs_loss: Whether it reads the loss beside the gradients.
        inputs: What its network sees of a coordinate, in words.
    """

    paper: str
    inputs: str
    needs_loss: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """Where an optimization stands.

    Attributes:
        layout: Of the parameters.
        weights: The parameters, (..., n).
        memory: What the rule's network remembers of each coordinate.
        statistics: What is averaged over the steps, and through which no derivative goes.
        step: Updates so far.
    """

    layout: Layout
    weights: Tensor
    memory: Slots
    statistics: Slots
    step: int

    @property
    def params(self) -> Params:
        """The parameters by name."""
        return self.layout.named(self.weights)

    def detached(self) -> "State":
        """The same without its past, so that derivatives end here (truncated backpropagation)."""
        memory = {name: value.detach() for name, value in self.memory.items()}
        return State(self.layout, self.weights.detach(), memory, self.statistics, self.step)


class LearnedOptimizer(nn.Module, ABC, Generic[AnyOptions]):
    """A rule that updates parameters, and whose own parameters are learned.

    `init_state` and `update` are functional, so derivatives of a whole optimization by the rule's parameters are those
    of an ordinary computation. All coordinates of all parameters, and of many optimizees at once, go through the rule
    together. For a `torch.nn.Module` of your own use `TorchOptimizer`, which is a `torch.optim.Optimizer`.

    Members say three things. `begin` gives what is remembered before the first update. `signals` turns gradients into
    what the network sees; it may look at all coordinates, and no derivative goes through it. `move` updates each
    coordinate from its own signals, weight and memory alone, differentiably in the rule's parameters. As coordinates
    meet in `signals` alone, the derivative of an optimization by the rule is a sum over coordinates, of which a
    meta-training may take a sample (`autometa.learned_optimizers.meta_train`).

    What members promise: updates are finite, whatever the gradients; the same inputs give the same update; no global
    random state changes.
    """

    name: ClassVar[str]
    """In the registry."""

    ability: ClassVar[RuleAbility]
    """What it is."""

    options_class: ClassVar[type[RuleOptions]]
    """Its hyperparameters."""

    def __init__(self, options: AnyOptions, *, seed: int = 0) -> None:
        """Make an untrained rule.

        Args:
            options: An instance of `options_class`.
            seed: Of the initial weights.
        """
        super().__init__()
        self.options, self.seed = options, seed

    @abstractmethod
    def begin(self, weights: Tensor) -> tuple[Slots, Slots]:
        """Memory and statistics before the first update of ``weights`` (..., n)."""

    @abstractmethod
    def signals(
        self, gradients: Tensor, weights: Tensor, statistics: Slots, *, layout: Layout, step: int, loss: Tensor | None
    ) -> tuple[Tensor, Slots]:
        """What the network sees of each coordinate.

        Args:
            gradients: Shape (..., n), finite, and no larger than 1e15.
            weights: The same shape.
            statistics: From `begin` or the update before.
            layout: Which coordinate belongs to which parameter.
            step: Updates so far.
            loss: Shape (...), for rules that need it.

        Returns:
            Signals (..., n, n_signals), and the statistics after this step.
        """

    @abstractmethod
    def move(self, signals: Tensor, weights: Tensor, memory: Slots, *, step: int) -> tuple[Tensor, Slots]:
        """The weights and the memory after an update; shapes as they came, (..., n, n_signals) and (..., n)."""

    def init_state(self, params: Mapping[str, Tensor], *, n_leading: int = 0) -> State:
        """The state before the first update.

        Args:
            params: By name.
            n_leading: Dimensions over optimizees that come before those of the parameters.
        """
        layout = Layout.of(params, n_leading)
        weights = layout.flat(params)
        return State(layout, weights, *self.begin(weights), 0)

    def update(self, grads: Mapping[str, Tensor], state: State, *, loss: Tensor | None = None) -> tuple[Params, State]:
        """One step: the parameters and the state after it.

        Args:
            grads: As the parameters are; NaN and infinite entries count as zero, those beyond 1e15 as 1e15.
            state: From `init_state` or the update before.
            loss: At these parameters, shape (...); only for rules that need it.

        Raises:
            OptionError: The rule needs the loss.
        """
        after = self.step(state.layout.flat(grads), state, loss=loss)
        return after.params, after

    def step(self, gradients: Tensor, state: State, *, loss: Tensor | None = None, rate: float = 1.0) -> State:
        """`update` for gradients that are one vector (..., n); ``rate`` multiplies it."""
        with torch.no_grad():
            signals, statistics = self.seen(gradients, state, loss)
        weights, memory = self.moved(signals, state.weights, state.memory, state.step, rate)
        return State(state.layout, weights, memory, statistics, state.step + 1)

    def seen(self, gradients: Tensor, state: State, loss: Tensor | None) -> tuple[Tensor, Slots]:
        """`signals` of a state, for gradients that may be anything."""
        if self.ability.needs_loss and loss is None:
            raise OptionError(f"{self.name} reads the loss. Pass loss= to update, or a closure to step.")
        clean = gradients.nan_to_num(0.0, 0.0, 0.0).clamp(-_LARGEST, _LARGEST)
        told = None if loss is None else loss.nan_to_num(0.0, 0.0, 0.0)
        return self.signals(
            clean, state.weights.detach(), state.statistics, layout=state.layout, step=state.step, loss=told
        )

    def moved(
        self, signals: Tensor, weights: Tensor, memory: Slots, step: int, rate: float = 1.0
    ) -> tuple[Tensor, Slots]:
        """`move`, ``rate`` times as far."""
        after, kept = self._in_chunks(signals, weights, memory, step)
        return (after if rate == 1.0 else weights + rate * (after - weights)), kept

    def _in_chunks(self, signals: Tensor, weights: Tensor, memory: Slots, step: int) -> tuple[Tensor, Slots]:
        """`move`, in chunks where no derivatives are wanted and the processor has caches."""
        if torch.is_grad_enabled() or weights.device.type != "cpu" or weights.numel() <= _CHUNK:
            return self.move(signals, weights, memory, step=step)
        leading = weights.shape
        flat = {name: value.reshape(-1, *value.shape[len(leading) :]) for name, value in memory.items()}
        signals, weights = signals.reshape(-1, signals.shape[-1]), weights.reshape(-1)
        out, kept = torch.empty_like(weights), {name: torch.empty_like(value) for name, value in flat.items()}
        for first in range(0, len(weights), _CHUNK):
            part = slice(first, first + _CHUNK)
            its = {name: value[part] for name, value in flat.items()}
            out[part], found = self.move(signals[part], weights[part], its, step=step)
            for name, value in found.items():
                kept[name][part] = value
        return out.view(leading), {name: value.view(*leading, *value.shape[1:]) for name, value in kept.items()}
