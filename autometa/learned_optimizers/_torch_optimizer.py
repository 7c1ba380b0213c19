"""Learned optimizers in the place of `torch.optim.Adam`."""

from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from autometa.errors import OptionError
from autometa.learned_optimizers._base import LearnedOptimizer, State
from autometa.learned_optimizers._keeping import load_rule, shipped_rule
from autometa.learned_optimizers._layout import Layout


class TorchOptimizer(torch.optim.Optimizer):
    """A trained rule as a `torch.optim.Optimizer`: ``step``, ``zero_grad``, ``state_dict``, parameter groups.

    All parameters of a group go through the rule at once. What the rule remembers lies in ``state`` by parameter, so a
    reloaded ``state_dict`` continues exactly, and parameters that get no gradient in a step stay as they are.

    Args:
        params: As `torch.optim.Adam` takes them.
        rule: Trained; it is not changed.
        lr: What every update is multiplied by, for schedulers and groups; 1 is what the rule was trained for.
    """

    def __init__(
        self, params: Iterable[nn.Parameter] | Iterable[dict[str, Any]], rule: LearnedOptimizer[Any], *, lr: float = 1.0
    ) -> None:
        if not lr >= 0.0:
            raise OptionError(f"lr multiplies the rule's updates and is at least 0, but got {lr!r}.")
        self.rule = rule
        super().__init__(params, {"lr": lr})

    def __getstate__(self) -> dict[str, Any]:
        """With the rule, so that a copy is an optimizer."""
        return {**super().__getstate__(), "rule": self.rule}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`; what the rule remembers keeps its precision, whatever the parameters' is."""
        super().load_state_dict(state_dict)
        numbers = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
        mine = chain.from_iterable(group["params"] for group in self.param_groups)
        for number, value in zip(numbers, mine, strict=True):
            for slot, kept in state_dict["state"].get(number, {}).items():
                self.state[value][slot] = kept.to(self.state[value][slot].device, copy=True)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        params: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        *,
        lr: float = 1.0,
    ) -> Self:
        """An optimizer with a rule that ships with autometa, or one of a folder that a meta-training left.

        Args:
            name: Of the shipped rule (`autometa optimizers list`), or the folder.
            params: As `torch.optim.Adam` takes them.
            lr: See the class.

        Raises:
            UnknownNameError: There is no such rule.
            ModelError: The folder holds no rule.
        """
        folder = Path(name) if Path(name).is_dir() else shipped_rule(str(name))
        return cls(params, load_rule(folder), lr=lr)

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor | float] | None = None) -> Tensor | float | None:  # type: ignore[override]
        """One update of all parameters that have a gradient.

        Args:
            closure: Computes loss and gradients anew and returns the loss; rules that read the loss need it.

        Raises:
            OptionError: The rule needs a closure.
        """
        loss: Tensor | float | None = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            used = [value for value in group["params"] if value.grad is not None]
            # Parameters that missed steps are at another one: they go through the rule by themselves.
            for step in sorted({self._steps(value) for value in used}):
                self._update([value for value in used if self._steps(value) == step], step, group["lr"], loss)
        return loss

    def _steps(self, value: Tensor) -> int:
        return int(self.state[value].get("step", 0))

    def _update(self, used: list[Tensor], step: int, lr: float, loss: Tensor | float | None) -> None:
        named = {str(i): value for i, value in enumerate(used)}
        layout = Layout.of(named)
        self.rule.to(used[0].device)
        before = layout.flat({name: value.detach().float() for name, value in named.items()})
        memory, statistics = self.rule.begin(before)
        if step:
            memory, statistics = (
                {slot: self._gathered(used, slot) for slot in slots} for slots in (memory, statistics)
            )
        gradients = layout.flat({name: value.grad.float() for name, value in named.items() if value.grad is not None})
        told = None if loss is None else torch.as_tensor(loss, dtype=before.dtype, device=before.device).detach()
        after = self.rule.step(gradients, State(layout, before, memory, statistics, step), loss=told, rate=lr)
        for value, found in zip(used, after.params.values(), strict=True):
            value.copy_(found)
        self._scatter(used, layout, after)

    def _gathered(self, used: list[Tensor], slot: str) -> Tensor:
        return torch.cat([self.state[value][slot] for value in used])

    def _scatter(self, used: list[Tensor], layout: Layout, after: State) -> None:
        for slot, values in {**after.memory, **after.statistics}.items():
            for value, part in zip(used, torch.split(values, layout.sizes), strict=True):
                self.state[value][slot] = part
        for value in used:
            self.state[value]["step"] = torch.tensor(float(after.step))


class LSTMOptimizer(TorchOptimizer):
    """The coordinatewise LSTM of Andrychowicz et al. (2016) as a `torch.optim.Optimizer`.

    ``LSTMOptimizer.from_pretrained("mlp", model.parameters())`` trains any module; the rule ``quadratic`` is for
    quadratics.

    Args:
        params: As `torch.optim.Adam` takes them.
        rule: A trained `LSTM`.
        lr: See `TorchOptimizer`.
    """

    def __init__(
        self, params: Iterable[nn.Parameter] | Iterable[dict[str, Any]], rule: LearnedOptimizer[Any], *, lr: float = 1.0
    ) -> None:
        if rule.name != "lstm":
            raise OptionError(
                f"LSTMOptimizer takes an LSTM, but this rule is {rule.name}. Use TorchOptimizer, which takes any."
            )
        super().__init__(params, rule, lr=lr)
