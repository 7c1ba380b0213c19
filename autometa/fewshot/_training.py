"""Meta-training: outer steps on batches of episodes, validated, kept and resumed."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from autometa.errors import OptionError
from autometa.fewshot._base import FewShotLearner, Recipe
from autometa.fewshot._evaluation import Evaluation, evaluate
from autometa.fewshot._sampling import EpisodeSource, episodes_at
from autometa.metatraining import Looked, OuterLoop, OuterOptimizer, Plan


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
        frozen_backbone: Fingerprint of the backbone whose vectors the items are; "" where they are none. A training
            goes on only with the same.
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
    frozen_backbone: str = ""


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
    loop = _Loop(learner, source, options, validation, watch)
    loop.run(resume=resume)
    return Training(tuple(loop.looks), loop.best_step or loop.step, loop.stopped)


class _Loop(OuterLoop[Evaluation, Look]):
    """Steps are batches of episodes; the score is the accuracy, or the negative squared error."""

    def __init__(
        self,
        learner: FewShotLearner[Any],
        source: EpisodeSource,
        options: TrainOptions,
        validation: EpisodeSource | None,
        watch: Watch | None,
    ) -> None:
        recipe = options.recipe
        if recipe.episodes_per_step < 1:
            raise OptionError(f"A step takes at least one episode, but got {recipe.episodes_per_step}.")
        optimizer = OuterOptimizer(
            learner,
            optimizer=recipe.optimizer,
            lr=recipe.lr,
            schedule=recipe.schedule,
            clip=recipe.clip,
            clip_value=recipe.clip_value,
            weight_decay=recipe.weight_decay,
        )
        plan = Plan(
            n_steps=recipe.n_steps,
            validate_every=options.validate_every,
            patience=options.patience,
            seconds=options.seconds,
            folder=options.folder,
            checkpoint_every=options.checkpoint_every,
        )
        super().__init__(learner, optimizer, plan, validates=validation is not None)
        self.learner, self.source, self.options, self.recipe = learner, source, options, recipe
        self.validation, self.watch = validation, watch

    def advance(self) -> float:
        recipe, learner = self.recipe, self.learner
        learner.train()
        learner.started(self.progress)
        episodes = episodes_at(self.source, recipe.episodes_per_step, seed=self.options.seed, step=self.step)
        mine = self.ranks.share(len(episodes))
        size = self.options.chunk_size or len(episodes)
        self.optimizer.zero_grad()
        total = 0.0
        for first in range(mine.start, mine.stop, size):
            part = episodes.part(first, min(first + size, mine.stop))
            with self._precision():
                loss = learner.meta_loss(part) * (len(part) / len(episodes))
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        self.ranks.add_gradients(learner)
        self.optimizer.step(self.progress)
        return total

    def _precision(self) -> torch.autocast:
        device = next((value.device.type for value in self.learner.parameters()), "cpu")
        return torch.autocast(device, torch.bfloat16, enabled=self.options.mixed_precision)

    def validate(self) -> tuple[float, Evaluation]:
        assert self.validation is not None
        with self._precision():
            found = evaluate(
                self.learner, self.validation, n_episodes=self.options.n_validation, seed=self.options.seed
            )
        return (found.accuracy if self.learner.form.n_way else -found.accuracy), found

    def look(self, facts: Looked, found: Evaluation | None) -> Look:
        episodes = facts.step * self.recipe.episodes_per_step
        return Look(facts.step, facts.n_steps, episodes, facts.loss, facts.seconds, found, facts.best)

    def look_of(self, plain: Mapping[str, Any]) -> Look:
        found = plain["validation"]
        return Look(**{**plain, "validation": Evaluation(**found) if found else None})

    def watched(self, look: Look) -> None:
        if self.watch is not None:
            self.watch(look)

    def identity(self) -> dict[str, Any]:
        learner, options = self.learner, self.options
        recipe = {f"recipe.{name}": value for name, value in asdict(self.recipe).items()}
        form = {f"form.{name}": value for name, value in asdict(learner.form).items()}
        form["form.shape"] = list(learner.form.shape)
        backbone = {f"backbone.{name}": value for name, value in asdict(learner.spec).items()}
        own = {f"options.{name}": value for name, value in asdict(learner.options).items()}
        settings = {
            name: getattr(options, name) for name in ("seed", "chunk_size", "validate_every", "n_validation", "seconds")
        }
        if options.frozen_backbone:
            settings["frozen_backbone"] = options.frozen_backbone
        return {"algorithm": learner.name, **form, **backbone, **own, **recipe, **settings}
