"""What a check of a knowledge base finds."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a base.

    ``rule`` names the check, ``where`` the file, table or space, ``what`` says what was found, ``count`` in how many
    rows or files, and ``mend`` how to put it right. ``repairable`` tells that `KnowledgeBase.repair` does that, and
    loses nothing.
    """

    rule: str
    where: str
    what: str
    mend: str
    count: int = 1
    repairable: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``json.dumps``."""
        return asdict(self)
