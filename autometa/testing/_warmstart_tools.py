"""A small space, and knowledge bases in the making, for the checks of warm starters and space pruners."""

import contextlib
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from autometa.knowledge import KnowledgeBase
from autometa.records import Config, DatasetRecord, Direction, MetaFeatures, TaskType
from autometa.spaces import SearchSpace

SPACE = {
    "name": "warmstart-checks",
    "summary": "A small conditional space",
    "reference": "autometa",
    "hyperparameters": {
        "model": {"type": "categorical", "choices": ["trees", "lines"], "default": "trees", "reference": "-"},
        "depth": {
            "type": "int",
            "low": 1,
            "high": 12,
            "default": 6,
            "when": {"model": ["trees"]},
            "reference": "-",
        },
        "weights": {
            "type": "categorical",
            "choices": [None, "balanced"],
            "default": "balanced",
            "when": {"model": ["trees"]},
            "reference": "-",
        },
        "penalty": {
            "type": "float",
            "low": 1e-4,
            "high": 1e2,
            "log": True,
            "default": 1.0,
            "when": {"model": ["lines"]},
            "reference": "-",
        },
        "scale": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "reference": "-"},
    },
}
TARGET = MetaFeatures("target", {"NumberOfInstances": 350.0, "NumberOfClasses": 2.0, "ClassEntropy": 0.8})


def space() -> SearchSpace:
    """The space that the checks search: a choice of model, and what belongs to each."""
    return SearchSpace.from_dict(SPACE)


class Base:
    """A small knowledge base in the making: datasets with random runs, told apart by their meta-features."""

    def __init__(self, *, seed: int = 0) -> None:
        """Starts empty."""
        self.datasets: list[tuple[DatasetRecord, MetaFeatures | None]] = []
        self.runs: list[tuple[str, str, pd.DataFrame, str, Direction]] = []
        self._rng = np.random.default_rng(seed)

    def add(
        self,
        name: str,
        *,
        task: TaskType = "binary",
        values: dict[str, float] | None = None,
        metric: str = "roc_auc",
        direction: Direction = "maximize",
        configs: Sequence[Config] | None = None,
        n_runs: int = 6,
        space_name: str = "warmstart-checks",
    ) -> "Base":
        """Add a dataset and its runs; by default random meta-features and random configurations."""
        record = DatasetRecord(f"checks/{name}", name, task, "checks")
        rows = float(self._rng.integers(50, 5000))
        drawn = {"NumberOfInstances": rows, "NumberOfClasses": 2.0, "ClassEntropy": self._rng.uniform(0, 1)}
        self.datasets.append((record, MetaFeatures(record.dataset_id, drawn if values is None else values)))
        chosen = [space().sample(self._rng) for _ in range(n_runs)] if configs is None else list(configs)
        frame = pd.DataFrame(chosen).assign(value=self._rng.uniform(0.5, 0.9, size=len(chosen)).round(6))
        self.runs.append((record.dataset_id, space_name, frame, metric, direction))
        return self

    def write(self, folder: Path) -> KnowledgeBase:
        """The base on disk."""
        kb = KnowledgeBase(folder)
        described = {record.dataset_id: values for record, values in self.datasets if values is not None}
        kb.add_datasets([record for record, _ in self.datasets], described)
        rows: dict[str, list[dict[Hashable, object]]] = {}
        for dataset_id, name, frame, metric, direction in self.runs:
            said = {"dataset_id": dataset_id, "metric": metric, "direction": direction}
            usually = {"status": "complete", "fidelity": 1.0}
            rows.setdefault(name, []).extend(usually | said | row for row in frame.to_dict("records"))
        for name, table in rows.items():
            kb.add_run_table(name, pd.DataFrame(table))
        return kb


def usual(*, seed: int = 0) -> Base:
    """Eight binary datasets of six runs each."""
    base = Base(seed=seed)
    for name in "abcdefgh":
        base.add(name)
    return base


def agreed(n_datasets: int = 12, *, others: Sequence[str] = ("lines", "trees")) -> Base:
    """Datasets on which lines of scale 0.2 to 0.4 and penalty 0.1 to 1 do well, and ``others`` badly."""
    base, rng = Base(), np.random.default_rng(1)
    for i in range(n_datasets):
        good: list[Config] = [
            {"model": "lines", "penalty": float(10 ** rng.uniform(-1, 0)), "scale": float(rng.uniform(0.2, 0.4))}
            for _ in range(4)
        ]
        drawn = [space().sample(rng) for _ in range(60)]
        bad = [one for one in drawn if one["model"] in others and not _does_well(one)][:14]
        base.add(f"agreed-{i}", configs=[*good, *bad])
        base.runs[-1][2]["value"] = np.concatenate([rng.uniform(0.88, 0.9, 4), rng.uniform(0.5, 0.6, len(bad))])
    return base


def _does_well(config: Config) -> bool:
    """Whether a configuration lies anywhere near those that do well in `agreed`."""
    scale = config["scale"]
    return config["model"] == "lines" and isinstance(scale, float) and scale < 0.5


@contextlib.contextmanager
def written(base: Base) -> Iterator[KnowledgeBase]:
    """The base on disk, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        yield base.write(Path(folder))


def contents(kb: KnowledgeBase, folder: Path) -> tuple[list[str], dict[str, bytes]]:
    """All that a base says, and all its files."""
    frames = kb.datasets(), kb.meta_features(), kb.runs("warmstart-checks")
    files = {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    return [frame.to_csv() for frame in frames], files
