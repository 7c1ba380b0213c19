"""Meta-training: outer steps on batches of episodes, validated, kept and resumed."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autometa.distributed import Ranks
from autometa.errors import OptionError, ResumeError
from autometa.fewshot._base import FewShotLearner, Recipe
from autometa.fewshot._evaluation import Evaluation, evaluate
from autometa.fewshot._keeping import Checkpoint
from autometa.fewshot._sampling import EpisodeSource, episodes_at

_HALVINGS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How a meta-training runs; what it learns is in the `Recipe`.

    Attributes:
        recipe: Optimizer, schedule, length.
        seed: Of the episodes.
        chunk_size: Episodes that are computed at once; 0 takes all of a step. Smaller ones need less memory, and on a
            CPU fit its caches.
        validate_every: Steps between looks at the validation episodes.
        n_validation: Validation episodes.
        patience: Looks without a better one after which training stops; 0 never does.
        seconds: Time limit; 0 is none. The schedule then follows the time, if that is the sooner.
        folder: Where checkpoints go; None keeps none.
        checkpoint_every: Steps between them; each look at the validation makes one too.
        mixed_precision: Whether networks compute in bfloat16. It pays on CUDA, and on CPUs with matrix units (AMX);
            the gradient family gains little.
    """

    recipe: Recipe
    seed: int = 0
    chunk_size: int = 0
    validate_every: int = 500
    n_validation: int = 200
    patience: int = 0
    seconds: float = 0.0
    folder: Path | None = None
    checkpoint_every: int = 500
    mixed_precision: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a meta-training.

    Attributes:
        step: Outer steps so far.
        n_steps: Of the whole training.
        episodes: Training episodes so far.
        loss: Mean training loss since the last look.
        seconds: Since the beginning, earlier sessions included.
        validation: On the validation episodes; None where there are none.
        best: Whether it is the best so far.
    """

    step: int
    n_steps: int
    episodes: int
    loss: float
    seconds: float
    validation: Evaluation | None
    best: bool


@dataclass(frozen=True, slots=True)
class Training:
    """What a meta-training did.

    Attributes:
        looks: All of them, those of earlier sessions included.
        best_step: Whose weights the learner now has.
        stopped: Why it ended: ``steps``, ``patience`` or ``time``.
    """

    looks: tuple[Look, ...]
    best_step: int
    stopped: str


Watch = Callable[[Look], None]
"""Called after every look; it may raise to stop the training, whose checkpoint is then complete."""


def meta_train(
    learner: FewShotLearner[Any],
    source: EpisodeSource,
    options: TrainOptions,
    *,
    validation: EpisodeSource | None = None,
    watch: Watch | None = None,
    resume: bool = False,
) -> Training:
    """Train a learner in place; it ends with the weights of its best validation, or the last ones without any.

    Episodes depend on the seed and the step alone, and a checkpoint holds everything else, so a training that was
    killed and resumed gives the same weights as one that was not, on the same machine. Under ``torchrun`` the episodes
    of a step are shared between the processes, and their gradients averaged.

    Args:
        learner: On its device.
        source: Of training episodes.
        options: See `TrainOptions`.
        validation: Of validation episodes, whose classes are not among those of ``source``.
        watch: Is told of every look.
        resume: Go on from the folder's checkpoint, where there is one.

    Raises:
        OptionError: A setting is impossible.
        ResumeError: The checkpoint is that of another training.
    """
    return _Loop(learner, source, options, validation, watch).run(resume=resume)


class _Loop:
    """The state of a training."""

    def __init__(
        self,
        learner: FewShotLearner[Any],
        source: EpisodeSource,
        options: TrainOptions,
        validation: EpisodeSource | None,
        watch: Watch | None,
    ) -> None:
        recipe = options.recipe
        if recipe.episodes_per_step < 1 or recipe.n_steps < 0 or options.validate_every < 1:
            raise OptionError("Steps, their episodes and the looks between them must be positive numbers.")
        self.learner, self.source, self.options, self.recipe = learner, source, options, recipe
        self.validation, self.watch = validation, watch
        self.optimizer = _optimizer(learner, recipe)
        self.step, self.best_step, self.spent = 0, 0, 0.0
        self.best = snapshot(learner)
        self.best_score = -math.inf
        self.looks: list[Look] = []
        self.losses = 0.0
        self.since = 0
        self.began = time.monotonic()
        self.ranks = Ranks.join()
        self.elapsed = 0.0

    @property
    def seconds(self) -> float:
        return self.spent + time.monotonic() - self.began

    @property
    def progress(self) -> float:
        """Share of the training that is done, by steps or by time."""
        done = self.step / self.recipe.n_steps
        return min(1.0, max(done, self.elapsed / self.options.seconds) if self.options.seconds else done)

    def run(self, *, resume: bool) -> Training:
        if resume:
            self._resume()
        stopped = "steps"
        while self.step < self.recipe.n_steps:
            if self.options.seconds:
                self.elapsed = self.ranks.agreed(self.seconds)
                if self.elapsed >= self.options.seconds:
                    stopped = "time"
                    break
            self._advance()
            looking = self.step % self.options.validate_every == 0
            if looking:
                self._look()
            if looking or self.step % self.options.checkpoint_every == 0:
                self._keep()
            if self._impatient():
                stopped = "patience"
                break
        if self.since:
            self._look()
            self._keep()
        if self.validation is not None and self.looks:
            self.learner.load_state_dict(self.best)
        return Training(tuple(self.looks), self.best_step or self.step, stopped)

    def _advance(self) -> None:
        """One outer step."""
        recipe, learner = self.recipe, self.learner
        learner.train()
        learner.started(self.progress)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.lr * _anneal(recipe.schedule, self.progress)
        episodes = episodes_at(self.source, recipe.episodes_per_step, seed=self.options.seed, step=self.step)
        mine = self.ranks.share(len(episodes))
        size = self.options.chunk_size or len(episodes)
        self.optimizer.zero_grad(set_to_none=True)
        for first in range(mine.start, mine.stop, size):
            part = episodes.part(first, min(first + size, mine.stop))
            with self._precision():
                loss = learner.meta_loss(part) * (len(part) / len(episodes))
            loss.backward()  # type: ignore[no-untyped-call]
            self.losses += float(loss.detach())
        self.ranks.add_gradients(learner)
        if recipe.clip:
            nn.utils.clip_grad_norm_(learner.parameters(), recipe.clip)
        if recipe.clip_value:
            nn.utils.clip_grad_value_(learner.parameters(), recipe.clip_value)
        self.optimizer.step()
        self.step += 1
        self.since += 1

    def _precision(self) -> torch.autocast:
        device = next((value.device.type for value in self.learner.parameters()), "cpu")
        return torch.autocast(device, torch.bfloat16, enabled=self.options.mixed_precision)

    def _look(self) -> None:
        """Validate, remember the best, tell."""
        found, better = None, True
        self.ranks.copy_buffers(self.learner)
        if self.validation is not None:
            with self._precision():
                found = evaluate(
                    self.learner, self.validation, n_episodes=self.options.n_validation, seed=self.options.seed
                )
            score = self.ranks.agreed(found.accuracy if self.learner.form.n_way else -found.accuracy)
            better = score > self.best_score
        if better:
            self.best, self.best_step = snapshot(self.learner), self.step
            self.best_score = score if found is not None else self.best_score
        n_episodes = self.step * self.recipe.episodes_per_step
        mean = self.ranks.total(self.losses) / max(self.since, 1)
        look = Look(self.step, self.recipe.n_steps, n_episodes, mean, self.seconds, found, better)
        self.losses, self.since = 0.0, 0
        self.looks.append(look)
        if self.watch is not None and self.ranks.is_first:
            self.watch(look)

    def _impatient(self) -> bool:
        every, patience = self.options.validate_every, self.options.patience
        return bool(patience) and self.step - self.best_step >= patience * every

    def _keep(self) -> None:
        if self.options.folder is None or not self.ranks.is_first:
            return
        Checkpoint(
            identity=identity(self.learner, self.options),
            weights=snapshot(self.learner),
            best=self.best,
            optimizer=_optimizer_state(self.optimizer, self.learner),
            numbers={
                "step": self.step,
                "best_step": self.best_step,
                "best_score": self.best_score if math.isfinite(self.best_score) else None,
                "seconds": self.seconds,
                "losses": self.losses,
                "since": self.since,
            },
            looks=[asdict(look) for look in self.looks],
        ).write(self.options.folder)

    def _resume(self) -> None:
        folder = self.options.folder
        if folder is None:
            raise OptionError("A training can be resumed from a folder only. Name it.")
        kept = Checkpoint.read(folder, self.learner)
        if kept is None:
            return
        if kept.identity != (mine := identity(self.learner, self.options)):
            name = next(key for key in [*mine, *kept.identity] if mine.get(key) != kept.identity.get(key))
            raise ResumeError(
                f"The training in {folder} is another one: its {name} is {kept.identity.get(name)!r}, but here it is "
                f"{mine.get(name)!r}. Name another folder, or pass what was passed then."
            )
        self.learner.load_state_dict(kept.weights)
        self.best = dict(kept.best)
        _restore(self.optimizer, self.learner, kept.optimizer)
        numbers = kept.numbers
        self.step, self.best_step = int(numbers["step"]), int(numbers["best_step"])
        self.best_score = -math.inf if numbers["best_score"] is None else float(numbers["best_score"])
        self.spent, self.losses, self.since = numbers["seconds"], numbers["losses"], int(numbers["since"])
        self.looks = [_look_of(one) for one in kept.looks]


def identity(learner: FewShotLearner[Any], options: TrainOptions) -> dict[str, Any]:
    """What a resumed training must have in common with the one that was killed."""
    recipe = {f"recipe.{name}": value for name, value in asdict(options.recipe).items()}
    form = {f"form.{name}": value for name, value in asdict(learner.form).items()}
    form["form.shape"] = list(learner.form.shape)
    backbone = {f"backbone.{name}": value for name, value in asdict(learner.spec).items()}
    own = {f"options.{name}": value for name, value in asdict(learner.options).items()}
    settings = {
        name: getattr(options, name) for name in ("seed", "chunk_size", "validate_every", "n_validation", "seconds")
    }
    return {"algorithm": learner.name, **form, **backbone, **own, **recipe, **settings}


def snapshot(learner: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights."""
    return {name: value.detach().clone() for name, value in learner.state_dict().items()}


def _optimizer(learner: FewShotLearner[Any], recipe: Recipe) -> torch.optim.Optimizer:
    params = [value for value in learner.parameters() if value.requires_grad] or [nn.Parameter(torch.zeros(0))]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(params, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.Adam(params, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _anneal(schedule: str, progress: float) -> float:
    """What the learning rate is multiplied by."""
    if schedule == "halving":
        return float(0.5 ** math.floor(progress * _HALVINGS))
    if schedule == "cosine":
        return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0 - progress if schedule == "linear" else 1.0


def _named(learner: nn.Module) -> dict[int, str]:
    return {id(value): name for name, value in learner.named_parameters()}


def _optimizer_state(optimizer: torch.optim.Optimizer, learner: nn.Module) -> dict[str, Tensor]:
    """All tensors of an optimizer, as ``name:slot``."""
    names = _named(learner)
    found = {}
    for param, slots in optimizer.state.items():
        for slot, value in slots.items():
            if isinstance(value, Tensor) and id(param) in names:
                found[f"{names[id(param)]}:{slot}"] = value.detach().clone()
    return found


def _restore(optimizer: torch.optim.Optimizer, learner: nn.Module, state: Mapping[str, Tensor]) -> None:
    params = dict(learner.named_parameters())
    for key, value in state.items():
        name, _, slot = key.rpartition(":")
        optimizer.state[params[name]][slot] = value.clone()


def _look_of(plain: Mapping[str, Any]) -> Look:
    found = plain["validation"]
    return Look(**{**plain, "validation": Evaluation(**found) if found else None})
