"""A space as plain values for files, and as a table for people."""

from typing import TYPE_CHECKING, Any

from autometa.records import TASK_TYPES
from autometa.spaces._hyperparameter import Condition

if TYPE_CHECKING:
    from autometa.spaces._space import SearchSpace


def to_dict(space: "SearchSpace") -> dict[str, Any]:
    """See `SearchSpace.to_dict`."""
    entries: dict[str, Any] = {"name": space.name}
    entries |= {"summary": space.summary} if space.summary else {}
    entries |= {"reference": space.reference} if space.reference else {}
    entries |= {"requires": space.requires} if space.requires else {}
    if space.members:
        head = space.hyperparameters[0]
        members = [member.to_dict() for member in space.members]
        return entries | {"compose": {"choice": head.name, "default": head.default, "members": members}}
    if set(space.tasks) != set(TASK_TYPES):
        entries["tasks"] = list(space.tasks)
    return entries | {"hyperparameters": {one.name: one.to_dict() for one in space.hyperparameters}}


def describe(space: "SearchSpace") -> str:
    """See `SearchSpace.describe`."""
    header = ("name", "type", "range", "default", "when")
    rows = [
        (
            one.name,
            one.type,
            one.range_text,
            one.labels[one.index(one.default) or 0] if one.type == "categorical" else repr(one.default),
            " and ".join(condition_text(part) for part in one.when),
        )
        for one in space.hyperparameters
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (header, *rows)]
    title = f"{space.name}: {space.summary}" if space.summary else space.name
    return "\n".join(line.rstrip() for line in (title, *lines))


def condition_text(part: Condition) -> str:
    """A condition in words: ``kernel = poly``, ``kernel in {poly, sigmoid}``."""
    shown = [value if isinstance(value, str) else repr(value) for value in part.values]
    return f"{part.parent} = {shown[0]}" if len(shown) == 1 else f"{part.parent} in {{{', '.join(shown)}}}"
