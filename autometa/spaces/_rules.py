"""How a broken rule finds its way to the place where it was written."""

import difflib
from collections.abc import Iterable

from autometa.errors import SpaceError

Path = tuple[str | int, ...]
"""Where something stands inside a space's dictionary, such as ``("hyperparameters", "C", "low")``."""


class RuleError(SpaceError):
    """A rule that was broken, and where inside the part that was being made.

    Whoever made that part from a file catches this and names the file and the line instead.
    """

    def __init__(self, rule: str, path: Path = (), owner: str = "") -> None:
        """``owner`` says whose rule it is, in words; a file and its line take its place."""
        super().__init__(rule, path, owner)
        self.rule = rule
        self.path = path
        self.owner = owner

    def __str__(self) -> str:
        return sentence(self.owner, self.path, self.rule)


def sentence(owner: str, path: Path, rule: str) -> str:
    """An error message: whose rule, the place inside, and the rule that was broken."""
    shown = path[1:] if path[:1] == ("hyperparameters",) and len(path) > 1 else path
    return ": ".join(part for part in (owner, ".".join(map(str, shown)), rule) if part)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known name, with a space before it; empty if none is near."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
