"""Where a suggestion came from, told alike by all warm starters."""

import math

from autometa.evidence import Adviser
from autometa.records import Origin


def origin(source: Adviser, *, strategy: str, rank: int, reason: str, projected: bool) -> Origin:
    """The origin of a configuration that ``source`` taught."""
    return Origin(
        strategy=strategy,
        rank=rank,
        dataset_id=source.dataset_id,
        dataset_name=source.name,
        distance=None if math.isnan(source.distance) else source.distance,
        reason=reason,
        projected=projected,
    )


def nth(position: int) -> str:
    """Ordinal prefix: empty for the first, then "2nd ", "3rd ", "11th "."""
    if position == 1:
        return ""
    suffix = "th" if 10 <= position % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{suffix} "
