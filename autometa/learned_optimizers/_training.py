"""Meta-training of a rule: optimizations of fresh problems, one after the other, each in truncated segments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from autometa.errors import OptionError
from autometa.learned_optimizers._base import LearnedOptimizer
from autometa.learned_optimizers._evaluation import late_loss
from autometa.learned_optimizers._evolution import Evolution
from autometa.learned_optimizers._problems import Optimizees, Problems
from autometa.learned_optimizers._unroll import Objective, rollout, unroll
from autometa.metatraining import Looked, OuterLoop, OuterOptimizer, Plan, Schedule, generator_of

Estimator = Literal["backpropagation", "evolution"]
_VALIDATION_SEED = 7_919
_SCALING, _SAMPLING = 1, 2  # what generators of a step are for
_WORST = 1e30  # what counts for losses that are not finite


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRecipe:
    """How a rule is meta-trained.

    Attributes:
        n_steps: Outer steps; each is one optimization of ``n_problems`` fresh problems.
        n_problems: Optimizees side by side.
        horizon: Steps of an optimization.
        unroll_length: Steps of a segment, after which the past is cut off and the rule is updated.
        first_horizon: Steps of an optimization at the beginning; it grows to ``horizon`` over the first half of the
            training. 0 has the whole horizon from the start.
        scaling: Bound of the random scaling of coordinates (`Problems.scaled`); 0 scales nothing.
        objective: What is descended on.
        n_coordinates: Coordinates of each problem that derivatives are taken of; 0 takes all.
        estimator: Truncated backpropagation, or persistent evolution strategies, which is not biased by the
            truncation and needs no derivatives.
        n_pairs: Antithetic pairs of evolution strategies.
        spread: Standard deviation of their perturbations.
        lr: Outer learning rate of Adam at the start.
        schedule: How it goes on.
        clip: Largest norm of the gradient; 0 leaves it.
    """

    n_steps: int = 1000
    n_problems: int = 8
    horizon: int = 100
    unroll_length: int = 20
    first_horizon: int = 0
    scaling: float = 0.0
    objective: Objective = "sum"
    n_coordinates: int = 2048
    estimator: Estimator = "backpropagation"
    n_pairs: int = 4
    spread: float = 0.01
    lr: float = 3e-3
    schedule: Schedule = "cosine"
    clip: float = 1.0

    def __post_init__(self) -> None:
        """Numbers must be possible."""
        if min(self.n_problems, self.horizon, self.unroll_length, self.n_pairs) < 1 or self.n_steps < 0:
            raise OptionError("Problems, steps, horizon, unroll length and pairs must be positive numbers.")
        if self.unroll_length > self.horizon:
            raise OptionError(f"The unroll length {self.unroll_length} exceeds the horizon {self.horizon}. Lower it.")
        if not self.spread > 0.0:
            raise OptionError(f"spread is the size of perturbations and above 0, but got {self.spread!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTraining:
    """How a meta-training runs; what it does is in the `RuleRecipe`.

    Attributes:
        recipe: See there.
        seed: Of the problems.
        validate_every: Outer steps between looks.
        n_validation: Validation problems of each kind.
        patience: Looks without a better one after which it stops; 0 never does.
        seconds: Time limit; 0 is none. The schedule then follows the time, if that is the sooner.
        folder: Where checkpoints go; None keeps none.
        checkpoint_every: Outer steps between them; each look makes one too.
    """

    recipe: RuleRecipe
    seed: int = 0
    validate_every: int = 50
    n_validation: int = 16
    patience: int = 0
    seconds: float = 0.0
    folder: Path | None = None
    checkpoint_every: int = 50


@dataclass(frozen=True, slots=True)
class RuleLook:
    """One look at the meta-training of a rule.

    Attributes:
        step: Outer steps so far.
        n_steps: Of the whole training.
        loss: Mean over all steps of the optimizations since the last look.
        seconds: Since the beginning, earlier sessions included.
        validation: Late loss on validation problems by kind (`late_loss`).
        best: Whether it is the best so far.
    """

    step: int
    n_steps: int
    loss: float
    seconds: float
    validation: dict[str, float]
    best: bool


@dataclass(frozen=True, slots=True)
class RuleTrained:
    """What a meta-training did.

    Attributes:
        looks: All of them, those of earlier sessions included.
        best_step: Whose weights the rule now has; 0 where training made it no better.
        stopped: Why it ended: ``steps``, ``patience`` or ``time``.
    """

    looks: tuple[RuleLook, ...]
    best_step: int
    stopped: str


RuleWatch = Callable[[RuleLook], None]
"""Called after every look; it may raise to stop the training."""


def meta_train_rule(
    rule: LearnedOptimizer[Any],
    optimizees: Sequence[Optimizees],
    training: RuleTraining,
    *,
    watch: RuleWatch | None = None,
    resume: bool = False,
) -> RuleTrained:
    """Train a rule in place; it ends with the weights that were best on validation problems.

    Each outer step draws problems of one of the kinds, in turn. A killed training that is resumed gives the same
    weights as one that was not, on the same machine; at most the steps since the last checkpoint are done again. Under
    ``torchrun`` the problems of a step are shared between the processes.

    Args:
        rule: On its device.
        optimizees: Kinds of problems, on the same device.
        training: See `RuleTraining`.
        watch: Is told of every look.
        resume: Go on from the folder's checkpoint, where there is one.

    Raises:
        OptionError: A setting is impossible.
        ResumeError: The checkpoint is that of another training.
    """
    loop = _Loop(rule, optimizees, training, watch)
    loop.run(resume=resume)
    return RuleTrained(tuple(loop.looks), loop.best_step, loop.stopped)


class _Loop(OuterLoop[dict[str, float], RuleLook]):
    """Steps are optimizations; the score is the negative mean logarithm of late validation losses."""

    counts_untrained = True

    def __init__(
        self,
        rule: LearnedOptimizer[Any],
        optimizees: Sequence[Optimizees],
        training: RuleTraining,
        watch: RuleWatch | None,
    ) -> None:
        if not optimizees:
            raise OptionError("A rule is trained on at least one kind of optimizees.")
        if training.n_validation < 1:
            raise OptionError(f"n_validation is at least 1, but got {training.n_validation}: it chooses the best.")
        recipe = training.recipe
        optimizer = OuterOptimizer(rule, lr=recipe.lr, schedule=recipe.schedule, clip=recipe.clip)
        plan = Plan(
            n_steps=recipe.n_steps,
            validate_every=training.validate_every,
            patience=training.patience,
            seconds=training.seconds,
            folder=training.folder,
            checkpoint_every=training.checkpoint_every,
        )
        super().__init__(rule, optimizer, plan, validates=True)
        self.rule, self.optimizees, self.training, self.recipe = rule, optimizees, training, recipe
        self.watch = watch

    def advance(self) -> float:
        recipe, seed = self.recipe, self.training.seed
        kind = self.optimizees[self.step % len(self.optimizees)]
        problems = kind.sample(recipe.n_problems, seed=_mixed(seed, self.step))
        if recipe.scaling:
            problems = problems.scaled(recipe.scaling, generator_of(seed, self.step, _SCALING))
        if recipe.estimator == "evolution":
            return self._evolve(problems)
        return self._descend(problems.part(self.ranks.share(recipe.n_problems)), len(problems))

    @property
    def _lengths(self) -> list[int]:
        """Steps of the segments of this optimization."""
        recipe = self.recipe
        grown = min(1.0, 2.0 * self.progress)
        first = recipe.first_horizon or recipe.horizon
        horizon = max(recipe.unroll_length, round(first + grown * (recipe.horizon - first)))
        full, rest = divmod(horizon, recipe.unroll_length)
        return [recipe.unroll_length] * full + ([rest] if rest else [])

    def _descend(self, problems: Problems, n_all: int) -> float:
        """One optimization by truncated backpropagation, a step of the outer optimizer after each segment."""
        recipe, lengths = self.recipe, self._lengths
        sampling = generator_of(self.training.seed, self.step, _SAMPLING, self.ranks.rank)
        state = self.rule.init_state(problems.params, n_leading=1)
        total, share = 0.0, len(problems) / n_all
        for length in lengths:
            self.optimizer.zero_grad()
            segment = unroll(
                self.rule,
                problems,
                state,
                length,
                objective=recipe.objective,
                n_coordinates=recipe.n_coordinates,
                generator=sampling,
            )
            assert segment.surrogate is not None
            (segment.surrogate * (share / length)).backward()  # type: ignore[no-untyped-call]
            self._update()
            state = segment.state
            total += float(segment.losses[:, 1:].nan_to_num(_WORST, _WORST).mean()) * share * length
        return total / sum(lengths)

    def _evolve(self, problems: Problems) -> float:
        """One optimization by persistent evolution strategies; each process has particles of its own."""
        recipe, lengths = self.recipe, self._lengths
        pairs = self.ranks.share(recipe.n_pairs)
        particles = Evolution(self.rule, problems, pairs, recipe.spread, _mixed(self.training.seed, self.step))
        total, share = 0.0, len(pairs) / recipe.n_pairs
        for i, length in enumerate(lengths):
            self.optimizer.zero_grad()
            loss = particles.advance(length, i, recipe.objective, recipe.n_pairs)
            self._update()
            total += loss * share * length
        return total / sum(lengths)

    def _update(self) -> None:
        self.ranks.add_gradients(self.rule)
        for value in self.rule.parameters():
            if value.grad is not None:
                value.grad.nan_to_num_(0.0, 0.0, 0.0)
        self.optimizer.step(self.progress)

    def validate(self) -> tuple[float, dict[str, float]]:
        found = {}
        for i, kind in enumerate(self.optimizees):
            sets = kind.sets(self.training.n_validation, seed=_VALIDATION_SEED, split="validation")
            key = kind.name if kind.name not in found else f"{kind.name} {i + 1}"
            found[key] = late_loss(torch.cat([rollout(self.rule, problems, self.recipe.horizon) for problems in sets]))
        logs = torch.tensor(list(found.values())).clamp_min(1e-30).log()
        return -float(logs.mean().nan_to_num(_WORST, _WORST)), found

    def look(self, facts: Looked, found: dict[str, float] | None) -> RuleLook:
        return RuleLook(facts.step, facts.n_steps, facts.loss, facts.seconds, found or {}, facts.best)

    def look_of(self, plain: Mapping[str, Any]) -> RuleLook:
        return RuleLook(**plain)

    def watched(self, look: RuleLook) -> None:
        if self.watch is not None:
            self.watch(look)

    def identity(self) -> dict[str, Any]:
        recipe = {f"recipe.{name}": value for name, value in asdict(self.recipe).items()}
        own = {f"options.{name}": value for name, value in asdict(self.rule.options).items()}
        kinds = {f"optimizees.{i}": dict(kind.description) for i, kind in enumerate(self.optimizees)}
        settings = {
            name: getattr(self.training, name) for name in ("seed", "validate_every", "n_validation", "seconds")
        }
        return {"rule": self.rule.name, **own, **recipe, **kinds, **settings}


def _mixed(seed: int, step: int) -> int:
    """One number from two, so that neighbouring seeds have nothing in common."""
    return int(torch.randint(1 << 62, (), generator=generator_of(seed, step)))
