"""The problems of the transfer benchmark: tables that others have measured whole, and surrogates of many runs.

A `Problem` is a space, datasets on which any configuration has a value, and a knowledge base of runs on all of them.
`Problem.base` hides the dataset that is searched. `_transfer_hostile` makes bases that mislead.
"""

import contextlib
import functools
import json
import math
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.config import shipped
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric, own
from autometa.records import Config, ConfigValue, Direction
from autometa.spaces import Hyperparameter, SearchSpace, load_space

Floats = npt.NDArray[np.float64]

RUNS_PER_TASK = 200
_SAMPLED = 10_000
_ROUNDS = 15
_PARENTS = 20
_CHILDREN = 200
_STEP = 0.05
_PROBED = 50
_SAME = 0.9


class LeakError(RuntimeError):
    """What a method would get says something of the dataset that it is to search."""


class Problem(ABC):
    """A space, and datasets on which every configuration has a value.

    Attributes:
        space: What is searched; its name is the problem's.
        metric: What is optimized.
        datasets: Ids, in a fixed order.
        n_targets: How many of them are searched, spread evenly over the order.
        n_trials: How long a search is.
    """

    def __init__(
        self, space: SearchSpace, metric: Metric, datasets: Sequence[str], *, n_targets: int, n_trials: int
    ) -> None:
        """See the class."""
        self.space, self.metric, self.datasets = space, metric, tuple(datasets)
        self.n_targets, self.n_trials = n_targets, n_trials

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return self.space.name

    @property
    @abstractmethod
    def kb(self) -> KnowledgeBase:
        """Runs on all datasets; a search gets `base`."""

    @abstractmethod
    def values(self, dataset_id: str, configs: Sequence[Mapping[str, ConfigValue]]) -> Floats:
        """The metric of configurations on a dataset, shape (len(configs),)."""

    @abstractmethod
    def extremes(self, dataset_id: str) -> tuple[float, float]:
        """The best and the worst value on a dataset."""

    def targets(self, n: int | None = None) -> tuple[str, ...]:
        """The datasets that are searched: ``n`` of them, or `n_targets`, spread evenly."""
        n = min(n or self.n_targets, len(self.datasets))
        return tuple(self.datasets[i] for i in np.linspace(0, len(self.datasets) - 1, n).round().astype(int))

    def seed(self, target: str, seed: int) -> int:
        """The seed of a search: another one on every dataset, so that first draws are independent."""
        return 1000 * seed + self.datasets.index(target)

    def regrets(self, dataset_id: str, values: Sequence[float]) -> Floats:
        """Normalized regret after each trial: (best - incumbent) / (best - worst), 0 where the best was found."""
        best, worst = (self.metric.loss(value) for value in self.extremes(dataset_id))
        incumbent = np.minimum.accumulate([self.metric.loss(value) for value in values])
        return np.asarray(np.maximum(incumbent - best, 0.0) / (worst - best))

    def base(self, target: str, kb: KnowledgeBase | None = None) -> KnowledgeBase:
        """What a search on a dataset may know; ``kb`` stands in for the problem's own base.

        Raises:
            LeakError: It shows runs on the dataset.
        """
        shown = (self.kb if kb is None else kb).without(target)
        if shown.run_table(self.space.name, dataset_ids=[target]).num_rows:
            raise LeakError(f"The runs on {target} must be hidden from a search on it, but the base shows them.")
        return shown

    def sources(self, base: KnowledgeBase, target: str) -> dict[str, pd.DataFrame]:
        """The runs on each dataset of a base: one column per hyperparameter, and ``value``.

        Raises:
            LeakError: There are runs on the target, or a dataset of another name has the target's values.
        """
        runs = base.runs(self.space.name, metrics=[self.metric.name])
        columns = [*self.space.names, "value"]
        found = {str(name): rows[columns].reset_index(drop=True) for name, rows in runs.groupby("dataset_id")}
        for name, rows in found.items():
            some = rows.iloc[:: max(1, len(rows) // _PROBED)]
            there = self.values(target, [self.space.from_row(row) for row in records(some)])
            if name == target or np.mean(there == some["value"].to_numpy(dtype=np.float64)) > _SAME:
                raise LeakError(f"No source may be the target {target} itself, but {name} has its values.")
        return found


class Table(Problem):
    """A benchmark of which the shipped base has every configuration."""

    def __init__(self, space: str, metric: str, direction: Direction, cache: Path, *, n_trials: int) -> None:
        """``space`` is the name of a shipped one. Its runs of the metric are copied, so that they are quick to read."""
        self._kb = make_base(cache / f"kb-{space}", _shipped_runs, space, own(metric, direction))
        ids = sorted(self._kb.count_runs()["dataset_id"])
        super().__init__(load_space(space), own(metric, direction), ids, n_targets=len(ids), n_trials=n_trials)
        self._lookup = functools.cache(self._read)

    @property
    def kb(self) -> KnowledgeBase:
        """See `Problem.kb`."""
        return self._kb

    def values(self, dataset_id: str, configs: Sequence[Mapping[str, ConfigValue]]) -> Floats:
        """See `Problem.values`."""
        known, names = self._lookup(dataset_id), self.space.names
        return np.array([known[tuple(config[name] for name in names)] for config in configs])

    def extremes(self, dataset_id: str) -> tuple[float, float]:
        """See `Problem.extremes`."""
        return _best_and_worst(self.metric, list(self._lookup(dataset_id).values()))

    def _read(self, dataset_id: str) -> dict[tuple[ConfigValue, ...], float]:
        runs = self.kb.runs(self.space.name, dataset_ids=[dataset_id])
        columns = [runs[name].tolist() for name in self.space.names]
        return dict(zip(zip(*columns, strict=True), runs["value"].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario of YAHPO Gym (Pfisterer et al., 2022).

    Attributes:
        name: Of its folder, and of the space.
        metric: The output that is optimized.
        output: Its position.
        direction: Which way is better.
        numbers: The numeric inputs, in order.
        categories: The other inputs, in order.
        fixed: Inputs that are not searched: the full fidelity.
        n_targets: How many tasks are searched.
    """

    name: str
    metric: str
    output: int
    direction: Direction
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    fixed: Mapping[str, float] = field(default_factory=dict)
    n_targets: int = 30


RPART = Scenario(
    "rbv2_rpart",
    "acc",
    0,
    "maximize",
    ("cp", "maxdepth", "minbucket", "minsplit", "trainsize", "repl"),
    ("task_id", "num.impute.selected.cpo"),
    {"trainsize": 1.0, "repl": 10.0},
)
GLMNET = Scenario(
    "iaml_glmnet", "mmce", 0, "minimize", ("alpha", "s", "trainsize"), ("task_id",), {"trainsize": 1.0}, n_targets=4
)


class Surrogates(Problem):
    """A scenario of YAHPO Gym: one neural network predicts the metric on every task.

    The base has 200 random runs of every task. Best and worst of a task are those of 10,000 random configurations and
    of local searches from the 20 best and the 20 worst.
    """

    def __init__(self, scenario: Scenario, data: Path, cache: Path, *, n_trials: int) -> None:
        """``data`` has a folder per scenario; what takes long is kept in the cache."""
        import onnxruntime

        folder = data / scenario.name
        said = json.loads((folder / "config_space.json").read_text(encoding="utf-8"))["hyperparameters"]
        self._codes = json.loads((folder / "encoding.json").read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._network = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self._scenario, self._cache = scenario, cache
        self._extremes: dict[str, tuple[float, float]] = {}
        searched = {one["name"]: _entry(one) for one in said if one["name"] not in (*scenario.fixed, "task_id")}
        space = SearchSpace.from_dict({"name": scenario.name, "hyperparameters": searched})
        tasks = next(one["choices"] for one in said if one["name"] == "task_id")
        datasets = [f"{scenario.name}/{task}" for task in sorted(tasks, key=int)]
        metric = own(scenario.metric, scenario.direction)
        super().__init__(space, metric, datasets, n_targets=scenario.n_targets, n_trials=n_trials)

    @functools.cached_property
    def kb(self) -> KnowledgeBase:
        """See `Problem.kb`; made once."""
        folder = self._cache / f"kb-{self.name}-{RUNS_PER_TASK}"
        return make_base(folder, lambda space, metric: map(self._runs, self.datasets), self.name, self.metric)

    def values(self, dataset_id: str, configs: Sequence[Mapping[str, ConfigValue]]) -> Floats:
        """See `Problem.values`."""
        task, fixed = dataset_id.rpartition("/")[2], self._scenario.fixed
        rows = [{**config, **fixed, "task_id": task} for config in configs]
        numbers = np.array([[row[name] for name in self._scenario.numbers] for row in rows], dtype=np.float32)
        coded = [[self._codes[name][row[name]] for name in self._scenario.categories] for row in rows]
        said = self._network.run(None, {"x_cont": numbers, "x_cat": np.array(coded, dtype=np.int32)})[0]
        return np.asarray(said[:, self._scenario.output], dtype=np.float64)

    def extremes(self, dataset_id: str) -> tuple[float, float]:
        """See `Problem.extremes`; searched once, and kept in the cache."""
        if dataset_id not in self._extremes:
            self._extremes[dataset_id] = self._kept_extremes(dataset_id)
        return self._extremes[dataset_id]

    def _kept_extremes(self, dataset_id: str) -> tuple[float, float]:
        file = self._cache / f"extremes-{dataset_id.replace('/', '-')}.json"
        with contextlib.suppress(OSError, ValueError):
            best, worst = json.loads(file.read_text(encoding="utf-8"))
            return best, worst
        found = self._search_extremes(dataset_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(f".{np.random.SeedSequence().entropy:x}")
        temporary.write_text(json.dumps(found), encoding="utf-8")
        temporary.replace(file)
        return found

    def _search_extremes(self, dataset_id: str) -> tuple[float, float]:
        rng = np.random.default_rng(0)
        places = rng.random((_SAMPLED, len(self.space.names)))
        values = self._at(dataset_id, places)
        ends = []
        for sign in (1.0, -1.0):
            mine, scores = places, sign * values
            for _ in range(_ROUNDS):
                kept = np.argsort(scores, kind="stable")[:_PARENTS]
                children = _moved(mine[kept], rng)
                mine = np.concatenate([mine[kept], children])
                scores = np.concatenate([scores[kept], sign * self._at(dataset_id, children)])
            ends.append(sign * float(scores.min()))
        return _best_and_worst(self.metric, ends)

    def _at(self, dataset_id: str, places: Floats) -> Floats:
        return self.values(dataset_id, [self._config(row) for row in places])

    def _config(self, places: Floats) -> Config:
        return {one.name: at(one, float(u)) for one, u in zip(self.space.hyperparameters, places, strict=True)}

    def _runs(self, dataset_id: str) -> pd.DataFrame:
        rng = np.random.default_rng([0, self.datasets.index(dataset_id)])
        configs = [self.space.sample(rng) for _ in range(RUNS_PER_TASK)]
        return pd.DataFrame(configs).assign(value=self.values(dataset_id, configs), dataset_id=dataset_id)


Runs = Callable[[str, Metric], Iterable[pd.DataFrame]]


def make_base(folder: Path, runs: Runs, space: str, metric: Metric) -> KnowledgeBase:
    """The knowledge base of a folder, read-only; made of what ``runs(space, metric)`` gives where it is missing.

    Tables of runs have ``dataset_id``, ``value`` and the hyperparameters. Of two processes that make the base at once
    the first one's stays.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch) / "kb"
            given = {"metric": metric.name, "direction": metric.direction, "source": "benchmark"}
            KnowledgeBase(made).add_run_table(space, pd.concat(runs(space, metric), ignore_index=True).assign(**given))
            with contextlib.suppress(OSError):
                made.rename(folder)
    return KnowledgeBase(folder, read_only=True)


def _shipped_runs(space: str, metric: Metric) -> Iterable[pd.DataFrame]:
    runs = KnowledgeBase(shipped("meta_db"), read_only=True).runs(space, metrics=[metric.name])
    return [runs[["dataset_id", *load_space(space).names, "value"]]]


def at(one: Hyperparameter, place: float) -> ConfigValue:
    """The value at a place of the range: 0 is its beginning or the first choice, 1 its end or the last choice."""
    if one.type == "categorical":
        return one.choices[min(int(place * len(one.choices)), len(one.choices) - 1)]
    low, high = one.bounds
    if one.log:
        return one.nearest(math.exp(math.log(low) + place * (math.log(high) - math.log(low))))
    number = low + place * (high - low)
    return one.nearest(number if one.type == "float" else round(number))


def place_of(one: Hyperparameter, value: ConfigValue) -> float:
    """The inverse of `at`: the middle of the places where the value is a choice."""
    if one.type == "categorical":
        return ((one.index(value) or 0) + 0.5) / len(one.choices)
    return float(one.unit(np.array([value], dtype=np.float64))[0])


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def load_problem(name: str, *, data: Path | None, cache: Path) -> Problem:
    """The problem of that name.

    Args:
        name: One of `PROBLEMS`.
        data: Where the surrogates lie; only those need it.
        cache: Where to keep what takes long to make.

    Raises:
        ValueError: There is none of that name, or it needs ``data``.
    """
    if name in ("hpobench_mlp", "nas_bench_201"):
        return Table(name, "accuracy", "maximize", cache, n_trials=100)
    for scenario in (RPART, GLMNET):
        if name == scenario.name:
            if data is None:
                raise ValueError(f"{name} needs the folder of YAHPO Gym's surrogates: --data FOLDER.")
            return Surrogates(scenario, data, cache, n_trials=60)
    raise ValueError(f"A problem must be one of {', '.join(PROBLEMS)}, but got {name!r}.")


PROBLEMS = ("hpobench_mlp", "nas_bench_201", RPART.name, GLMNET.name)
NEED_DATA = (RPART.name, GLMNET.name)


def _entry(said: Mapping[str, Any]) -> dict[str, Any]:
    """A hyperparameter of ConfigSpace's JSON as `SearchSpace.from_dict` takes it."""
    if said["type"] == "categorical":
        return {"type": "categorical", "choices": said["choices"], "default": said["default"]}
    kind = said["type"].removeprefix("uniform_")
    scale = {"log": True} if said["log"] else {}
    return {"type": kind, "low": said["lower"], "high": said["upper"], "default": said["default"], **scale}


def _moved(places: Floats, rng: np.random.Generator) -> Floats:
    """Children of configurations: every place a small step away, or, one in four, anywhere."""
    parents = places[rng.integers(0, len(places), _CHILDREN)]
    stepped = np.clip(parents + rng.normal(0.0, _STEP, parents.shape), 0.0, 1.0)
    return np.where(rng.random(parents.shape) < 0.25, rng.random(parents.shape), stepped)


def _best_and_worst(metric: Metric, values: Sequence[float]) -> tuple[float, float]:
    return min(values, key=metric.loss), max(values, key=metric.loss)
