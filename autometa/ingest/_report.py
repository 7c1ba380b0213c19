"""What an import did, counted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tally:
    """How many were brought into a space, and how.

    ``mapped``: every setting that the space has was taken as it was, and nothing that matters was left out.
    ``projected``: a value was moved, or a step left out. ``dropped``: the space has nothing like it.
    """

    mapped: int
    projected: int
    dropped: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.mapped + self.projected + self.dropped


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import found and what it added.

    ``configurations`` counts each published configuration once per dataset, ``runs`` its values of every metric.
    ``changes`` says how often each kind of change was made, ``reasons`` why configurations were dropped,
    ``skipped`` which rows were no runs at all. ``added_*`` are 0 when the same source is imported again.
    """

    source: str
    datasets: Mapping[str, int]
    datasets_with_runs: Mapping[str, int]
    datasets_with_usable_runs: Mapping[str, int]
    qualities: Mapping[str, int]
    configurations: Tally
    runs: Tally
    changes: Mapping[str, int]
    reasons: Mapping[str, int]
    skipped: Mapping[str, int]
    added_datasets: int
    added_runs: int

    def counts(self) -> dict[str, Any]:
        """What the manifest keeps: everything but what this one call added."""
        kept = asdict(self)
        for name in ("source", "added_datasets", "added_runs"):
            del kept[name]
        return kept

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``json.dumps``."""
        return asdict(self)
