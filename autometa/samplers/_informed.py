"""What samplers share that know of other datasets: their sources, and the hunt for what promises most."""

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autometa import config
from autometa.knowledge import DatasetIndex, KnowledgeBase
from autometa.metrics import Metric
from autometa.records import MetaFeatures, TaskType
from autometa.samplers._base import ModelSampler, Seen
from autometa.samplers._sources import Sources, read_sources
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

_RANDOM = 100
_PARENTS = 10
_CHILDREN = 60
_SIMILARITY_SCALE = 0.1
_SLACK = 1.5


class InformedSampler(ModelSampler):
    """A sampler that learns from the runs of a base before a search begins."""

    def __init__(
        self,
        space: SearchSpace,
        kb: KnowledgeBase,
        *,
        metric: Metric,
        task: TaskType | None = None,
        meta_features: MetaFeatures | None = None,
        cache: Path | None = None,
        within: SearchSpace | None = None,
        seed: int | None = None,
    ) -> None:
        """Nothing is read before the first proposal.

        Args:
            space: What is searched; the base files runs under its name.
            kb: The base, with the target's own dataset hidden (`KnowledgeBase.without`).
            metric: What the objective returns; its direction must be the study's.
            task: The target's task type; None where the problem is no table.
            meta_features: What the target looks like: datasets that look alike count for more. None: all alike.
            cache: Folder for what was learned from the base. None: `autometa.config.cache`.
            within: A part of the space that proposals keep to; None: all of it.
            seed: Of all that is random; None draws one.
        """
        super().__init__(space, within=within, seed=seed)
        self._kb, self._metric, self._task = kb, metric, task
        self._meta_features = meta_features
        self._cache = config.cache() if cache is None else cache

    def prepare(self) -> None:
        """See `ModelSampler.prepare`."""
        _ = self.weights

    @cached_property
    def sources(self) -> Sources:
        """What the base says; learned, or read from the cache, when first asked for."""
        return read_sources(self._kb, self.space, metric=self._metric, task=self._task, cache=self._cache)

    @cached_property
    def weights(self) -> Floats:
        """How much each source counts before any trial, shape (n_sources,), summing to 1."""
        return _similarity(self.sources, self._kb, self._meta_features)

    def bounded(self, values: Floats) -> Floats:
        """Values, larger is better, of which the bad ones are alike: how bad one was says nothing of the good ones."""
        best, median = float(values.max()), float(np.median(values))
        centre, width = self.sources.scale_prior()
        reach = _SLACK * math.exp(centre + 2 * width)
        if len(values) >= 6 and best > median:
            reach = min(reach, 4 * (best - median))
        return np.maximum(values, best - reach)

    def hunt(
        self,
        seen: Seen,
        rng: np.random.Generator,
        score: Callable[[Floats], Floats],
        *,
        generations: int = 2,
    ) -> Floats:
        """Codes that nobody has tried, those of the highest score first.

        Scored are the sources' best configurations, random ones, and generations of mutations of the best of these and
        of the best trials.

        Args:
            seen: What the study shows.
            rng: Of everything that is random.
            score: Takes codes, shape (n, n_hyperparameters), and gives a number for each.
            generations: How many there are.
        """
        known = set(seen.taken)
        codes = self._fresh(np.concatenate([self.draw(_RANDOM, rng), self.sources.pool]), known)
        scores = score(codes)
        incumbents = seen.codes[np.argsort(-seen.values, kind="stable")[:_PARENTS]]
        for _ in range(generations):
            best = codes[np.argsort(-scores, kind="stable")[:_PARENTS]]
            parents = np.concatenate([best, incumbents])
            if not len(parents):
                break
            children = self.coding.mutate(parents[rng.integers(0, len(parents), _CHILDREN)], rng)
            children = self._fresh(self.box.move(children, rng), known)
            codes, scores = np.concatenate([codes, children]), np.concatenate([scores, score(children)])
        return np.asarray(codes[np.argsort(-scores, kind="stable")])

    def _fresh(self, codes: Floats, known: set[bytes]) -> Floats:
        """Codes in the box that are not known yet, each once; now they are."""
        codes, rows = codes[self.box.holds(codes)], []
        for row, key in enumerate(self.coding.keys(codes)):
            if key not in known:
                known.add(key)
                rows.append(row)
        return codes[rows]


def _similarity(sources: Sources, kb: KnowledgeBase, target: MetaFeatures | None) -> Floats:
    """Weights of the sources, summing to 1: near ones count more where meta-features can be compared."""
    weights = np.ones(len(sources))
    if target is not None and len(sources):
        distances = DatasetIndex(kb.meta_features().reindex(list(sources.ids))).distances(target)
        known = ~np.isnan(distances)
        if known.any():
            distances = np.where(known, distances, np.median(distances[known]))
            weights = np.exp(-(distances - distances.min()) / _SIMILARITY_SCALE)
    return np.asarray(weights / max(float(weights.sum()), 1e-300))
