"""What a few-shot learner sees: batches of episodes, as tensors."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from autometa.errors import InputError

Predictor = Callable[[Tensor], Tensor]
"""Queries, shape (n_episodes, n_queries, \\*shape), to logits, shape (n_episodes, n_queries, n_way).

Of a regression the last dimension is that of the targets.
"""


@dataclass(frozen=True, slots=True)
class Support:
    """The labelled items that learners adapt to, of a batch of episodes.

    Attributes:
        x: Items, float32, shape (n_episodes, n_support, \\*shape).
        y: Labels 0 to n_way - 1, int64, shape (n_episodes, n_support), every class at least once in each episode; of a
            regression float32 targets, shape (n_episodes, n_support, n_outputs).
        n_way: Classes of each episode; 0 in a regression.
    """

    x: Tensor
    y: Tensor
    n_way: int

    def __post_init__(self) -> None:
        """Shapes must agree; that labels are complete is `check_labels`."""
        if self.x.shape[:2] != self.y.shape[:2] or self.x.ndim < 3:
            raise InputError(
                "A support has items of shape (n_episodes, n_support, *shape) and labels of shape (n_episodes, "
                f"n_support), but got {tuple(self.x.shape)} and {tuple(self.y.shape)}."
            )
        if not self.x.is_floating_point():
            raise InputError(f"Items are floats, but got {self.x.dtype}. Convert them: x.float().")
        if (self.n_way == 0) != self.y.is_floating_point():
            raise InputError(f"Labels are int64, and floats where n_way is 0; got {self.y.dtype} with {self.n_way=}.")

    @property
    def n_episodes(self) -> int:
        """Episodes of the batch."""
        return len(self.x)

    @property
    def one_hot(self) -> Tensor:
        """Labels as indicators, float32, shape (n_episodes, n_support, n_way)."""
        return torch.nn.functional.one_hot(self.y, self.n_way).to(self.x.dtype)

    def check_labels(self) -> None:
        """Raise where a label is missing or out of range; costs a look at the data, so training does without it.

        Raises:
            InputError: An episode lacks a class, or has a label that is none of 0 to n_way - 1.
        """
        if self.n_way == 0:
            return
        if int(self.y.min()) < 0 or int(self.y.max()) >= self.n_way:
            raise InputError(
                f"Labels of an episode are 0 to n_way - 1 = {self.n_way - 1}, but got {int(self.y.min())} to "
                f"{int(self.y.max())}. Number the classes of each episode from 0, without gaps."
            )
        counts = self.one_hot.sum(1)
        if not bool((counts > 0).all()):
            episode, label = (counts == 0).nonzero()[0].tolist()
            raise InputError(
                f"Every class needs a labelled item, but episode {episode} has none of class {label}. Number the "
                "classes of each episode from 0, without gaps, or lower n_way."
            )


@dataclass(frozen=True, slots=True)
class Episodes:
    """A batch of episodes: a support, and queries with the labels that are to be predicted.

    Attributes:
        support: What is adapted to.
        x: Queries, shape (n_episodes, n_queries, \\*shape).
        y: Their labels, as those of the support.
        classes: Which class each label stands for, as its position in the `ClassSet`, int64, shape (n_episodes, n_way);
            None where that is not known. Only learners that are no meta-learners look at it.
    """

    support: Support
    x: Tensor
    y: Tensor
    classes: Tensor | None = None

    @property
    def n_way(self) -> int:
        """Classes of each episode; 0 in a regression."""
        return self.support.n_way

    def __len__(self) -> int:
        """Episodes of the batch."""
        return len(self.x)

    def part(self, first: int, last: int) -> "Episodes":
        """The episodes from ``first`` to before ``last``."""
        support = Support(self.support.x[first:last], self.support.y[first:last], self.n_way)
        classes = None if self.classes is None else self.classes[first:last]
        return Episodes(support, self.x[first:last], self.y[first:last], classes)

    def to(self, device: torch.device | str) -> "Episodes":
        """The same on another device."""
        support = Support(self.support.x.to(device), self.support.y.to(device), self.n_way)
        classes = None if self.classes is None else self.classes.to(device)
        return Episodes(support, self.x.to(device), self.y.to(device), classes)
