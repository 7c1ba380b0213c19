"""What a knowledge base holds, counted."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from autometa.knowledge._manifest import Source


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One source: its terms, and what the base holds of it now.

    ``source`` is None for rows whose source is recorded in no manifest, such as the user's own runs.
    ``datasets`` counts by task, ``runs`` by metric; ``configurations`` are distinct per space.
    """

    name: str
    source: Source | None
    datasets: Mapping[str, int]
    datasets_with_runs: int
    meta_features: int
    configurations: int
    projected_runs: int
    runs: Mapping[str, int]

    @property
    def n_datasets(self) -> int:
        """Datasets of all tasks."""
        return sum(self.datasets.values())

    @property
    def n_runs(self) -> int:
        """Runs of all metrics."""
        return sum(self.runs.values())


@dataclass(frozen=True, slots=True)
class KnowledgeBaseInfo:
    """Counts and provenance of a knowledge base: what ``autometa kb info`` prints.

    ``paths`` are the folders it is read from, the writable one last. ``spaces`` counts runs per space,
    ``n_qualities`` is the number of different meta-features.
    """

    paths: tuple[str, ...]
    schema_version: int
    n_datasets: int
    n_meta_features: int
    n_qualities: int
    n_runs: int
    n_bytes: int
    n_files: int
    spaces: Mapping[str, int]
    sources: tuple[SourceInfo, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``json.dumps``."""
        return asdict(self)
