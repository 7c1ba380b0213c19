"""What every few-shot learner promises."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

from torch import Tensor, nn

from autometa.errors import OptionError
from autometa.fewshot._backbones import Backbone, BackboneSpec, NormMode
from autometa.fewshot._episodes import Episodes, Predictor, Support
from autometa.metatraining import Schedule

Family = Literal["metric", "model", "optimization", "baseline"]
Order = Literal["", "first", "second"]
_CPU_ITEMS = 100
AnyOptions = TypeVar("AnyOptions", bound="Options")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What the episodes look like that a learner is made for.

    Attributes:
        shape: Of an item.
        n_way: Classes; 0 makes it a regression.
        n_shot: Labelled items of each class, or in all of a regression.
        n_outputs: Targets of a regression.
        n_base: Classes of the whole training set, for baselines that learn to tell them all; 0 where not known.
    """

    shape: tuple[int, ...]
    n_way: int = 5
    n_shot: int = 1
    n_outputs: int = 1
    n_base: int = 0

    @property
    def n_support(self) -> int:
        """Labelled items of an episode."""
        return self.n_shot * max(self.n_way, 1)

    @property
    def head(self) -> int:
        """Outputs of a network that says all: one per class, or one per target."""
        return self.n_way or self.n_outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Hyperparameters of a learner; each learner has a class of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a learner is meta-trained, by default as its paper does.

    Attributes:
        n_way: Classes of a training episode.
        n_shot: Labelled items of each.
        n_query: Queries of each.
        episodes_per_step: Episodes whose losses are averaged before the outer optimizer steps.
        n_steps: Outer steps.
        optimizer: Of the outer loop.
        lr: Its learning rate at the start.
        schedule: How the rate goes on: ``halving`` halves it eight times in all, ``cosine`` ends at a hundredth,
            ``linear`` at zero.
        clip: Largest norm of the gradient; 0 leaves it.
        clip_value: Largest entry of the gradient; 0 leaves it.
        weight_decay: Of the outer optimizer.
    """

    n_way: int
    n_shot: int
    n_query: int
    episodes_per_step: int = 1
    n_steps: int = 10_000
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = 1e-3
    schedule: Schedule = "cosine"
    clip: float = 0.0
    clip_value: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What a learner can do; `autometa fewshot list` shows it.

    Attributes:
        family: The line of research.
        paper: Authors, year, title, address.
        regression: Whether it also learns targets that are numbers.
        any_way: Whether it takes episodes of other ways than it was trained with.
        order: Derivatives that the outer gradient needs of the inner loop; "" where there is no such loop.
        equivariant: Whether other names for the same classes give the same logits in that other order.
        on_vectors: Whether it sees items through the vectors of its backbone alone, which may then be computed once and
            left as they are while the rest is trained.
        trained: Whether it has anything to meta-train.
    """

    family: Family
    paper: str
    regression: bool = False
    any_way: bool = True
    order: Order = ""
    equivariant: bool = False
    on_vectors: bool = False
    trained: bool = True


class FewShotLearner(nn.Module, ABC, Generic[AnyOptions]):
    """Learns to learn: from a few labelled items of new classes to a predictor of those classes.

    A meta-training draws `Episodes`, calls `meta_loss`, and steps an optimizer on its gradient. Afterwards `adapt`
    turns a support into a `Predictor`. Both work on batches of episodes at once.

    What members promise:

    - `adapt` is pure: neither the learner, nor the support, nor any global random state changes, and the same support
      gives the same predictor. It also works inside `torch.no_grad`. It raises where a class has no labelled item.
    - Unless `transductive`, what a predictor says of a query does not depend on the others.
    - Where the ability says ``equivariant``, permuting the labels of the support permutes the logits. The others are
      trained with labels dealt anew in each episode, so that no class has one of its own.
    - `meta_loss` is a scalar whose gradient reaches every parameter. It is the quantity to descend on, which is not in
      every algorithm the loss of the queries (Reptile).
    """

    name: ClassVar[str]
    """In the registry."""

    ability: ClassVar[Ability]
    """What it can do."""

    options_class: ClassVar[type[Options]]
    """Its hyperparameters."""

    def __init__(self, form: Form, backbone: BackboneSpec, options: AnyOptions) -> None:
        """Make an untrained learner.

        Args:
            form: What episodes look like.
            backbone: The network.
            options: An instance of `options_class`.

        Raises:
            OptionError: The learner cannot do this.
        """
        super().__init__()
        if form.n_way == 0 and not self.ability.regression:
            raise OptionError(f"{self.name} learns classes, not numbers. Regressions are for the gradient family.")
        self.form, self.spec, self.options = form, backbone, options

    @abstractmethod
    def meta_loss(self, episodes: Episodes) -> Tensor:
        """What meta-training descends on, averaged over the episodes; a scalar."""

    @abstractmethod
    def adapt(self, support: Support) -> Predictor:
        """Learn from the support of each episode."""

    @classmethod
    @abstractmethod
    def recipe(cls, form: Form) -> Recipe:
        """How the paper trains for episodes of this form."""

    @classmethod
    def usual_backbone(cls, form: Form) -> BackboneSpec:
        """The network that suits such items: the paper's for images, a multi-layer perceptron for vectors."""
        return BackboneSpec(name="conv4" if len(form.shape) == 3 else "mlp")

    @property
    def norm_mode(self) -> NormMode:
        """Where batch normalization takes its statistics from when it predicts."""
        return self.spec.norm

    @property
    def transductive(self) -> bool:
        """Whether queries are predicted together, so that one helps the other."""
        return self.norm_mode == "transductive"

    @property
    def items_apart(self) -> bool:
        """Whether the backbone, when it predicts, makes of an item the same beside whatever others."""
        return self.norm_mode in ("running", "none")

    def chunk_size(self, device: str) -> int:
        """Episodes to compute at once in training, so that they suit the device; 0 takes all of a step.

        On a CPU what convolutions make of some hundred images fits into the caches of a core.
        """
        if device != "cpu" or len(self.form.shape) != 3 or self.spec.name in ("mlp", "pixels"):
            return 0
        recipe = self.recipe(self.form)
        return max(1, _CPU_ITEMS // (max(recipe.n_way, 1) * (recipe.n_shot + recipe.n_query)))

    def start_from(self, other: "FewShotLearner[Any]") -> None:
        """Begin where a trained learner ended: with all its weights if it is of the same kind, else with its backbone.

        Short trainings gain most from it, above all those of the gradient family.

        Raises:
            OptionError: The backbones differ, or one of the learners has none.
        """
        if self.name == other.name and _shapes(self.state_dict()) == _shapes(other.state_dict()):
            self.load_state_dict(other.state_dict())
        else:
            self.take_backbone(other)

    def take_backbone(self, other: "FewShotLearner[Any]") -> None:
        """Begin with the backbone of another learner; all else stays as it is."""
        mine, its = _backbone(self), _backbone(other)
        if _shapes(dict(mine.named_parameters())) != _shapes(dict(its.named_parameters())):
            raise OptionError(
                f"{self.name} cannot begin with the backbone of this {other.name}: {self.spec} and {other.spec} have "
                "parameters of other names or shapes. Train one with the same backbone, width and downsampling."
            )
        mine.load_state_dict(its.state_dict(), strict=False)  # only some norms have running averages

    def started(self, done: float) -> None:
        """Called before each step of a meta-training, for what is annealed; nothing by default.

        Args:
            done: Share of the training that is over, by steps or by time, in [0, 1].
        """

    def _check(self, support: Support) -> None:
        """Raise where a support does not suit the learner.

        Raises:
            InputError: A label is missing.
            OptionError: Shape, ways or shots are not what the learner was made for.
        """
        support.check_labels()
        if tuple(support.x.shape[2:]) != self.form.shape:
            raise OptionError(
                f"This learner takes items of shape {self.form.shape}, but got {tuple(support.x.shape[2:])}."
            )
        if not self.ability.any_way and support.n_way != self.form.n_way:
            raise OptionError(
                f"{self.name} was made for {self.form.n_way}-way episodes, but got {support.n_way}-way ones. Train "
                f"one for those: autometa fewshot train {self.name} --n-way {support.n_way}."
            )


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in tensors.items()}


def _backbone(learner: nn.Module) -> Backbone:
    """The network that a learner stands on."""
    found = next((module for module in learner.modules() if isinstance(module, Backbone)), None)
    if found is None:
        raise OptionError(f"{getattr(learner, 'name', learner)} has no backbone to begin with.")
    return found
