"""Items of many classes, as tensors: what episodes are drawn from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from autometa.errors import InputError

_ROTATIONS = 4


@dataclass(frozen=True, slots=True)
class ClassSet:
    """Items sorted by class, all on one device.

    Attributes:
        items: Shape (n_items, \\*shape); images as uint8 (channels, height, width), vectors as float32.
        starts: Where each class begins, int64, shape (n_classes + 1,); the last entry is n_items.
        names: One per class, unique.
        groups: What each class belongs to, such as its alphabet or its superclass; "" where nothing is known.
    """

    items: Tensor
    starts: Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...]

    @classmethod
    def of(cls, parts: Sequence[tuple[str, str, Tensor]]) -> "ClassSet":
        """Join classes, each as (name, group, items).

        Raises:
            InputError: There is no class, one has no item, shapes differ, or two share a name.
        """
        if not parts:
            raise InputError("Episodes need classes, but there are none.")
        names = tuple(name for name, _, _ in parts)
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"Every class needs a name of its own, but {twice!r} occurs twice.")
        shape = parts[0][2].shape[1:]
        for name, _, items in parts:
            if not len(items):
                raise InputError(f"Class {name!r} has no items. Leave it out.")
            if items.shape[1:] != shape:
                raise InputError(
                    f"All items must have one shape, but those of {names[0]!r} are {tuple(shape)} and those of "
                    f"{name!r} are {tuple(items.shape[1:])}."
                )
        counts = torch.tensor([0, *(len(items) for _, _, items in parts)])
        return cls(torch.cat([items for *_, items in parts]), counts.cumsum(0), names, tuple(g for _, g, _ in parts))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one item."""
        return tuple(self.items.shape[1:])

    @property
    def device(self) -> torch.device:
        """Where the items lie."""
        return self.items.device

    @property
    def counts(self) -> Tensor:
        """Items of each class, int64, shape (n_classes,), on the CPU."""
        return self.starts.diff().cpu()

    def __len__(self) -> int:
        """How many classes there are."""
        return len(self.names)

    def gather(self, index: Tensor) -> Tensor:
        """Items by their positions, as float32, shape (\\*index.shape, \\*shape); bytes become 0 to 1."""
        found = self.items[index.to(self.device)]
        return found.float().div_(255.0) if found.dtype == torch.uint8 else found.float()

    def take(self, classes: Iterable[int]) -> "ClassSet":
        """These classes only, in that order."""
        chosen = list(classes)
        starts = self.starts.tolist()
        parts = [(self.names[i], self.groups[i], self.items[starts[i] : starts[i + 1]]) for i in chosen]
        return ClassSet.of(parts)

    def of_groups(self, groups: Iterable[str]) -> "ClassSet":
        """The classes of these groups.

        Raises:
            InputError: A group has no class.
        """
        wanted = set(groups)
        if missing := sorted(wanted - set(self.groups)):
            known = ", ".join(sorted(set(self.groups) - {""})) or "none"
            raise InputError(f"There is no group {missing[0]!r} among the classes. Known groups: {known}.")
        return self.take(i for i, group in enumerate(self.groups) if group in wanted)

    def split(self, shares: Sequence[float], *, seed: int, by_group: bool = False) -> tuple["ClassSet", ...]:
        """Disjoint sets of classes, at random; with ``by_group`` a group is never torn.

        Args:
            shares: Of the classes (or groups), positive; they are divided by their sum.
            seed: Of the shuffle.
            by_group: Whether whole groups are dealt.

        Raises:
            InputError: There are fewer classes (or groups) than shares.
        """
        units = [[i] for i in range(len(self))]
        if by_group:
            units = [[i for i, g in enumerate(self.groups) if g == group] for group in sorted(set(self.groups))]
        if len(units) < len(shares):
            what = "groups" if by_group else "classes"
            raise InputError(f"{len(units)} {what} cannot be split into {len(shares)} parts. Name more, or split less.")
        order = torch.randperm(len(units), generator=torch.Generator().manual_seed(seed)).tolist()
        total, left = float(sum(shares)), len(units)
        parts: list[ClassSet] = []
        for position, share in enumerate(shares):
            after = len(shares) - position - 1
            n = left if not after else min(max(1, round(len(units) * share / total)), left - after)
            dealt, order, left = order[:n], order[n:], left - n
            parts.append(self.take(sorted(i for unit in dealt for i in units[unit])))
        return tuple(parts)

    def rotated(self) -> "ClassSet":
        """Four times the classes: each, turned by 0, 90, 180 and 270 degrees, is a class of its own.

        Santoro et al. (2016), sec. 4.1. Whole classes are turned, never single images.

        Raises:
            InputError: The items are no square images.
        """
        if len(self.shape) != 3 or self.shape[1] != self.shape[2]:
            raise InputError(f"Only square images can be turned, but items have shape {self.shape}.")
        n_items, n_classes = len(self.items), len(self)
        items = torch.cat([torch.rot90(self.items, turns, (-2, -1)) for turns in range(_ROTATIONS)])
        starts = torch.cat([self.starts[:-1] + turns * n_items for turns in range(_ROTATIONS)])
        names = tuple(f"{name}@{90 * turns}" for turns in range(_ROTATIONS) for name in self.names)
        last = self.starts.new_tensor([_ROTATIONS * n_items])
        assert len(names) == _ROTATIONS * n_classes
        return ClassSet(items, torch.cat([starts, last]), names, self.groups * _ROTATIONS)

    def to(self, device: torch.device | str) -> "ClassSet":
        """The same on another device."""
        return replace(self, items=self.items.to(device))
