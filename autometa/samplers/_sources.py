"""What other datasets say of the configurations of a space, learned once."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.evidence import Evidence, gather
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import MetaFeatures, TaskType
from autometa.samplers._coding import Coding
from autometa.samplers._forests import Forests
from autometa.samplers._gp import Inputs, Settings, representative
from autometa.samplers._kept import kept
from autometa.samplers._learning import learn_settings
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

MOST_CONFIGS = 60_000
LEAST_CONFIGS = 8
_ROWS_OF_ONE = 3000
_BEST_IN_ALL = 600
_RANDOM = 1000
_LONGEST = 8.0
_FORMAT = "forests-3"


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """The datasets of a base that have runs enough to be modelled, and what they say.

    Utility is minus regret: 0 is the best that was measured on a dataset, -1 its worst quarter.

    Attributes:
        coding: Of the space.
        ids: Of the datasets; ``names`` likewise.
        units: What a regret of 1 is in the metric's unit, shape (n_sources,); NaN where another metric was measured.
        forests: Predict utility; None where there are no sources.
        lengths: Relative lengthscale of every feature, shape (n_features,): short where much hangs on it.
        pool: Codes of configurations worth considering: the best of each dataset, and random ones.
        pool_says: Their utility on each source, measured where it was, shape (n_pool, n_sources). Zero rows: not known.
        settings: Hyperparameters with which the sources best explain each other.
    """

    coding: Coding
    ids: tuple[str, ...]
    names: tuple[str, ...]
    units: Floats
    forests: Forests | None
    lengths: Floats
    pool: Floats
    pool_says: Floats
    settings: Settings
    _rows: dict[bytes, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Remember where in the pool each configuration stands."""
        known = self.coding.keys(self.pool[: len(self.pool_says)])
        object.__setattr__(self, "_rows", {key: row for row, key in enumerate(known)})

    def __len__(self) -> int:
        return len(self.ids)

    def says(self, codes: Floats) -> Floats:
        """Utility on each source, shape (n, n_sources): measured where it is known, else what the forest predicts."""
        if self.forests is None:
            return np.zeros((len(codes), 0))
        rows = np.array([self._rows.get(key, -1) for key in self.coding.keys(codes)], dtype=np.int64)
        says, new = np.empty((len(codes), len(self))), rows < 0
        says[~new] = self.pool_says[rows[~new]]
        if new.any():
            predicted = self.forests.predict(self.coding.features(codes[new], inactive=-1.0))
            says[new] = np.clip(predicted, -1.0, 0.0)
        return says

    def inputs(self, codes: Floats, says: Floats, weights: Floats) -> Inputs:
        """Codes as the process sees them; ``weights`` of the sources sum to 1."""
        x = self.coding.features(codes) / self.lengths
        mean = says @ weights if len(self) else np.zeros(len(codes))
        return Inputs(x, mean, (says - mean[:, None]) * np.sqrt(weights))

    def complementing(self, served: Floats, weights: Floats) -> npt.NDArray[np.int64]:
        """Rows of the pool, first the one with which the sources' weighted mean utility is greatest.

        Ties go to the greater mean of its own, then to the earlier one; sums are compared to 12 digits.

        Args:
            served: What each source has already, shape (n_sources,); a configuration that is worse there adds nothing.
            weights: Of the sources, summing to 1.
        """
        together = np.round(np.maximum(self.pool_says, served) @ weights, 12)
        return np.lexsort((-np.round(self.pool_says @ weights, 12), -together))

    def portfolio(self, n: int, weights: Floats) -> Floats:
        """Codes of the pool, chosen greedily: each lowers most the weighted mean regret of the best so far.

        Where none does, those of the least mean regret of their own follow.
        """
        return self.pool[[row for row, _ in self.greedy(n, weights, np.arange(len(self.pool)))]]

    def greedy(self, n: int, weights: Floats, among: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        """Rows of a `portfolio` that is chosen among some rows of the pool, each with the source it brings most to."""
        served, chosen = np.full(len(self), -1.0), list[tuple[int, int]]()
        left = among
        for _ in range(min(n, len(among)) if len(self) else 0):
            rows = self.complementing(served, weights)
            row = int(rows[np.isin(rows, left)][0])
            left, after = left[left != row], np.maximum(served, self.pool_says[row])
            chosen.append((row, int(np.argmax(weights * (after - served)))))
            served = after
        return chosen

    def scale_prior(self) -> tuple[float, float]:
        """Mean and standard deviation of the logarithm of what a utility of 1 is on a new dataset."""
        known = np.log(self.units[np.isfinite(self.units)])
        if len(known) < 2:
            return (float(known[0]) if len(known) else 0.0), 2.0
        return float(known.mean()), float(np.clip(known.std(ddof=1) * 1.5, 0.3, 3.0))


def read_sources(
    kb: KnowledgeBase,
    space: SearchSpace,
    *,
    metric: Metric,
    task: TaskType | None,
    cache: Path | None = None,
) -> Sources:
    """Learn from the runs of a base.

    Args:
        kb: The base, with the target's own dataset hidden.
        space: What is searched; the base files runs under its name.
        metric: What the search optimizes.
        task: The target's task type; None where the problem is no table.
        cache: Folder in which what was learned is kept for the next time; None keeps nothing.
    """
    coding, nothing = Coding(space), MetaFeatures("", {})

    def make() -> Sources:
        return learn(gather(kb, space, nothing, metric=metric, task=task, max_configs=MOST_CONFIGS), coding)

    file = None if cache is None else cache / f"{cache_key(kb, space, metric, task, kind=_FORMAT)}.npz"
    return kept(file, make, _to_arrays, lambda arrays: _from_arrays(arrays, coding))


def learn(evidence: Evidence, coding: Coding) -> Sources:
    """Model what each dataset of the evidence says."""
    codes = coding.encode(evidence.configs)
    rng = np.random.default_rng(0)
    fresh = coding.random(_RANDOM, rng)
    tables = _tables(evidence)
    n_features = len(coding.groups)
    if not tables:
        none = np.zeros((len(fresh), 0))
        return Sources(coding, (), (), np.zeros(0), None, np.ones(n_features), fresh, none, Settings())
    advisers = [evidence.advisers[one] for one in tables]
    features = coding.features(codes, inactive=-1.0)
    thinned = [_thin(configs, utility, _ROWS_OF_ONE) for configs, utility in tables.values()]
    forests = Forests.fit([(features[rows], utility) for rows, utility in thinned], seed=0)
    best = _best_of_each(list(tables.values()))
    pool = np.concatenate([codes[best], fresh])
    units = [one.unit if one.metric == evidence.metric.name else math.nan for one in advisers]
    sources = Sources(
        coding,
        tuple(one.dataset_id for one in advisers),
        tuple(one.name for one in advisers),
        np.array(units),
        forests,
        _lengths(forests, coding, codes),
        pool,
        np.zeros((0, len(advisers))),
        Settings(),
    )
    says = sources.says(pool)
    for column, (configs, utility) in enumerate(tables.values()):
        _, at, where = np.intersect1d(best, configs, return_indices=True)
        says[at, column] = utility[where]
    samples = [(codes[rows], utility) for rows, utility in thinned]
    return replace(sources, pool_says=says, settings=learn_settings(sources, samples))


def read_runs(
    kb: KnowledgeBase, space: SearchSpace, *, metric: Metric, task: TaskType | None, most: int
) -> list[tuple[Floats, Floats]]:
    """Codes, shape (n_runs, n_hyperparameters), and utilities of each source, in the order of `Sources.ids`.

    Args:
        kb: As in `read_sources`, like the other arguments.
        most: Runs of one source at most; the best half is kept, the others are thinned.
    """
    nothing, coding = MetaFeatures("", {}), Coding(space)
    evidence = gather(kb, space, nothing, metric=metric, task=task, max_configs=MOST_CONFIGS)
    codes = coding.encode(evidence.configs)
    thinned = [_thin(configs, utility, most) for configs, utility in _tables(evidence).values()]
    return [(codes[rows], utility) for rows, utility in thinned]


def _tables(evidence: Evidence) -> dict[int, tuple[npt.NDArray[np.int64], Floats]]:
    """Configurations and utilities of the datasets that have enough of them, by position of the dataset."""
    tables = {
        int(str(one)): (rows["config"].to_numpy(), -rows["regret"].to_numpy())
        for one, rows in evidence.runs.groupby("adviser")
    }
    return {one: table for one, table in tables.items() if len(table[0]) >= LEAST_CONFIGS and np.ptp(table[1]) > 0}


def _thin(configs: npt.NDArray[np.int64], utility: Floats, most: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """The rows that a model learns from."""
    rows = representative(utility, most)
    return configs[rows], utility[rows]


def _best_of_each(tables: Sequence[tuple[npt.NDArray[np.int64], Floats]]) -> npt.NDArray[np.int64]:
    """The best configurations of each dataset, and those that are best on average where they were measured."""
    each = max(3, _BEST_IN_ALL // len(tables))
    chosen = [configs[np.argsort(-utility, kind="stable")[:each]] for configs, utility in tables]
    everywhere = np.concatenate([configs for configs, _ in tables])
    total = np.bincount(everywhere, weights=np.concatenate([utility for _, utility in tables]))
    count = np.bincount(everywhere)
    shared = np.flatnonzero(count >= max(2, len(tables) // 2))
    chosen.append(shared[np.argsort(-total[shared] / count[shared], kind="stable")[: _BEST_IN_ALL // 2]])
    return np.unique(np.concatenate(chosen))


def _lengths(forests: Forests, coding: Coding, codes: Floats) -> Floats:
    """Lengthscales from how much of the sources' variance each hyperparameter explains where it is active."""
    n_hyperparameters = codes.shape[1]
    explained = np.zeros(n_hyperparameters)
    np.add.at(explained, coding.groups, forests.importances.mean(axis=0))
    explained /= np.maximum((~np.isnan(codes)).mean(axis=0), 1e-3)
    relevance = explained / max(float(explained.max()), 1e-12)
    return np.asarray(np.clip(1.0 / np.sqrt(np.maximum(relevance, 1e-12)), 1.0, _LONGEST)[coding.groups])


def cache_key(kb: KnowledgeBase, space: SearchSpace, metric: Metric, task: TaskType | None, *, kind: str) -> str:
    """Names what was learned: another base, space, metric, library or ``kind`` gives another name."""
    import sklearn

    said = [kind, sklearn.__version__, np.__version__, kb.version(space.name), space.fingerprint, metric.name]
    return hashlib.sha256(json.dumps([*said, metric.direction, task]).encode()).hexdigest()[:32]


def _to_arrays(sources: Sources) -> dict[str, npt.NDArray[Any]]:
    arrays = {
        "ids": np.array(sources.ids, dtype=np.str_),
        "names": np.array(sources.names, dtype=np.str_),
        "units": sources.units,
        "lengths": sources.lengths,
        "pool": sources.pool,
        "pool_says": sources.pool_says,
        "settings": np.array([*sources.settings.vector(), *sources.settings.widths]),
    }
    return arrays if sources.forests is None else arrays | sources.forests.to_arrays()


def _from_arrays(arrays: Mapping[str, npt.NDArray[Any]], coding: Coding) -> Sources:
    settings = arrays["settings"].tolist()
    return Sources(
        coding,
        tuple(arrays["ids"].tolist()),
        tuple(arrays["names"].tolist()),
        arrays["units"],
        Forests.from_arrays(arrays) if len(arrays["ids"]) else None,
        arrays["lengths"],
        arrays["pool"],
        arrays["pool_says"],
        Settings.of(settings[:5], settings[5:]),
    )
