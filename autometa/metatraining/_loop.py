"""The outer loop: steps, looks at problems that training does not see, checkpoints, limits."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from autometa.distributed import Ranks
from autometa.errors import OptionError
from autometa.metatraining._checkpoint import Checkpoint
from autometa.metatraining._outer import OuterOptimizer, snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long an outer loop goes on, and what it leaves behind.

    Attributes:
        n_steps: Outer steps.
        validate_every: Steps between looks.
        patience: Looks without a better one after which it stops; 0 never does.
        seconds: Time limit; 0 is none.
        folder: Where checkpoints go; None keeps none.
        checkpoint_every: Steps between them; each look makes one too.
    """

    n_steps: int
    validate_every: int
    patience: int = 0
    seconds: float = 0.0
    folder: Path | None = None
    checkpoint_every: int = 500


@dataclass(frozen=True, slots=True)
class Looked:
    """What every look knows, whatever is trained.

    Attributes:
        step: Outer steps so far.
        n_steps: Of the whole training.
        loss: Mean training loss since the last look.
        seconds: Since the beginning, earlier sessions included.
        best: Whether it is the best so far.
    """

    step: int
    n_steps: int
    loss: float
    seconds: float
    best: bool


V = TypeVar("V")
"""What a validation gives."""
L = TypeVar("L")
"""A look, a dataclass."""


class OuterLoop(ABC, Generic[V, L]):
    """The state of a meta-training; members say what a step, a validation and a look are.

    A step depends on its number and on what is trained alone, and a checkpoint holds everything else; so a training
    that was killed and resumed gives the same weights as one that was not, on the same machine. Under ``torchrun`` all
    processes run the same loop, and the first one writes.

    Args:
        module: What is trained, in place.
        optimizer: Of its weights.
        plan: How long.
        validates: Whether there is anything to validate on.

    Attributes:
        looks: All of them, those of earlier sessions included.
        best_step: Whose weights were best; 0 before the first look, or where training made nothing better.
        stopped: Why it ended: ``steps``, ``patience`` or ``time``.
    """

    def __init__(self, module: nn.Module, optimizer: OuterOptimizer, plan: Plan, *, validates: bool) -> None:
        if plan.n_steps < 0 or plan.validate_every < 1:
            raise OptionError("Steps and the looks between them must be positive numbers.")
        self.module, self.optimizer, self.plan = module, optimizer, plan
        self.validates = validates
        self.ranks = Ranks.join()
        self.looks: list[L] = []
        self.step, self.best_step = 0, 0
        self.stopped = "steps"
        self._best, self._best_score = snapshot(module), -math.inf
        self._spent, self._elapsed, self._began = 0.0, 0.0, time.monotonic()
        self._losses, self._since = 0.0, 0

    counts_untrained: ClassVar[bool] = False
    """Whether what the training begins with may be its best."""

    @abstractmethod
    def advance(self) -> float:
        """Outer step number `step`: the loss that this process saw of it."""

    @abstractmethod
    def validate(self) -> tuple[float, V]:
        """A score, higher is better, and what else is to be told."""

    @abstractmethod
    def look(self, facts: Looked, found: V | None) -> L:
        """Facts and a validation as one record, which is told to whoever watches."""

    @abstractmethod
    def look_of(self, plain: Mapping[str, Any]) -> L:
        """A look from what `dataclasses.asdict` made of it."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What a resumed training must have in common with the one that was killed; plain values."""

    def watched(self, look: L) -> None:
        """Called after every look, in the first process; it may raise, and no step is lost."""

    @property
    def progress(self) -> float:
        """Share of the training that is done, by steps or by time."""
        done = self.step / self.plan.n_steps
        return min(1.0, max(done, self._elapsed / self.plan.seconds) if self.plan.seconds else done)

    @property
    def _seconds(self) -> float:
        return self._spent + time.monotonic() - self._began

    def run(self, *, resume: bool) -> None:
        """To the end; the module then has the weights of its best look, or the last ones without a validation."""
        if resume:
            self._resume()
        if self.counts_untrained and not self.step:
            self._best_score = self.ranks.agreed(self.validate()[0])
        while self.step < self.plan.n_steps and not self._late():
            self._losses += self.advance()
            self.step += 1
            self._since += 1
            looking = self.step % self.plan.validate_every == 0
            if looking or self.step % self.plan.checkpoint_every == 0:
                self._keep()
            if looking:
                self._look()
            if self.plan.patience and self.step - self.best_step >= self.plan.patience * self.plan.validate_every:
                self.stopped = "patience"
                break
        if self._since:
            self._look()
        if self.validates and self.looks:
            self.module.load_state_dict(self._best)

    def _late(self) -> bool:
        if self.plan.seconds:
            self._elapsed = self.ranks.agreed(self._seconds)
            if self._elapsed >= self.plan.seconds:
                self.stopped = "time"
                return True
        return False

    def _look(self) -> None:
        """Validate, remember the best, tell, and keep all that. One that is interrupted is made again on resuming."""
        self.ranks.copy_buffers(self.module)
        found, score, better = None, -math.inf, True
        if self.validates:
            score, found = self.validate()
            score = self.ranks.agreed(score)
            better = score > self._best_score
        if better:
            self._best, self._best_score, self.best_step = snapshot(self.module), score, self.step
        mean = self.ranks.total(self._losses) / max(self._since, 1)
        facts = Looked(self.step, self.plan.n_steps, mean, self._seconds, better)
        self._losses, self._since = 0.0, 0
        look = self.look(facts, found)
        self.looks.append(look)
        if self.ranks.is_first:
            self.watched(look)
        self._keep()

    def _keep(self) -> None:
        if self.plan.folder is None or not self.ranks.is_first:
            return
        Checkpoint(
            identity=self.identity(),
            weights=snapshot(self.module),
            best=self._best,
            optimizer=self.optimizer.state(),
            numbers={
                "step": self.step,
                "best_step": self.best_step,
                "best_score": self._best_score if math.isfinite(self._best_score) else None,
                "seconds": self._seconds,
                "losses": self._losses,
                "since": self._since,
            },
            looks=[asdict(look) for look in self.looks],  # type: ignore[call-overload]
        ).write(self.plan.folder)

    def _resume(self) -> None:
        folder = self.plan.folder
        if folder is None:
            raise OptionError("A training can be resumed from a folder only. Name it.")
        kept = Checkpoint.read(folder, self.module)
        if kept is None:
            return
        kept.check(self.identity(), folder)
        self.module.load_state_dict(kept.weights)
        self._best = dict(kept.best)
        self.optimizer.restore(kept.optimizer)
        numbers = kept.numbers
        self.step, self.best_step = int(numbers["step"]), int(numbers["best_step"])
        self._best_score = -math.inf if numbers["best_score"] is None else float(numbers["best_score"])
        self._spent, self._losses, self._since = numbers["seconds"], numbers["losses"], int(numbers["since"])
        self.looks = [self.look_of(one) for one in kept.looks]
        if self._since and self.step % self.plan.validate_every == 0:
            self._look()
