"""The default sampler: what other datasets say, corrected by what this one shows."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autometa import config
from autometa.knowledge import DatasetIndex, KnowledgeBase
from autometa.metrics import Metric
from autometa.records import MetaFeatures, TaskType
from autometa.samplers._base import ModelSampler, Proposals, Seen
from autometa.samplers._gp import Inputs, Process, Settings, fitted
from autometa.samplers._sources import Sources, read_sources
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

_BELIEF = 0.9  # probability, before any trial, that the sources tell something about the target
_ALONE = Settings(residual=0.0, length=math.log(0.6), noise=math.log(0.05), widths=(0.0, 0.0, 0.0, 0.7, 1.0))
_RANDOM = 100
_PARENTS = 10
_CHILDREN = 60
_ROUNDS = 2
_FEW = 20
_EVERY = 5
_SIMILARITY_SCALE = 0.1
_SLACK = 1.5


class TransferSampler(ModelSampler):
    """Bayesian optimization whose prior is what other datasets say, for as long as it holds.

    Every dataset of the base is a source: a forest predicts its utility anywhere. The target's utility is modelled as
    their weighted mean, plus learned weights on how they differ, plus a residual of its own (see
    `autometa.samplers._gp`). So its first proposal is what does best over all sources; the next ones tell apart which
    of them the target resembles; and the more trials there are, the more the target's own runs decide. How far the
    sources explain each other is learned beforehand, and sets how fast.

    Beside it stands a process that knows of no source. Each counts as much as the evidence makes it probable, so
    sources that mislead lose their say after a few trials (``trust`` in a trial's proposal is what they still have).

    Proposals have the greatest expected improvement among the sources' best configurations, random ones, and mutations
    of the best that are known. Trials running elsewhere count with the value that the model expects of them.

    Without sources it is Bayesian optimization with a Matern-5/2 kernel.

    Example:
        >>> import optuna, tempfile, pandas as pd
        >>> from autometa import KnowledgeBase, SearchSpace
        >>> from autometa.metrics import own
        >>> space = SearchSpace.from_dict({"name": "demo", "hyperparameters": {
        ...     "x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5}}})
        >>> kb = KnowledgeBase(tempfile.mkdtemp())
        >>> for name, best in (("a", 0.2), ("b", 0.3)):
        ...     frame = pd.DataFrame({"x": [i / 20 for i in range(21)]})
        ...     frame["value"] = (frame["x"] - best) ** 2
        ...     _ = kb.add_runs(name, "demo", frame, metric="error", direction="minimize")
        >>> sampler = TransferSampler(space, kb, metric=own("error", "minimize"), seed=0)
        >>> study = optuna.create_study(sampler=sampler)
        >>> study.optimize(lambda trial: (space.suggest(trial)["x"] - 0.25) ** 2, n_trials=5)
        >>> study.best_value < 0.003
        True
    """

    def __init__(
        self,
        space: SearchSpace,
        kb: KnowledgeBase,
        *,
        metric: Metric,
        task: TaskType | None = None,
        meta_features: MetaFeatures | None = None,
        cache: Path | None = None,
        seed: int | None = None,
    ) -> None:
        """Nothing is read before the first proposal.

        Args:
            space: What is searched; the base files runs under its name.
            kb: The base, with the target's own dataset hidden (`KnowledgeBase.without`).
            metric: What the objective returns; its direction must be the study's.
            task: The target's task type; None where the problem is no table.
            meta_features: What the target looks like: datasets that look alike count for more. None: all alike.
            cache: Folder for what was learned from the base. None: ``cache`` in autometa's data folder.
            seed: Of all that is random; None draws one.
        """
        super().__init__(space, seed=seed)
        self._kb, self._metric, self._task = kb, metric, task
        self._meta_features = meta_features
        self._cache = config.home() / "cache" if cache is None else cache
        self._sources: Sources | None = None
        self._weights = np.zeros(0)

    @property
    def sources(self) -> Sources:
        """What the base says; learned, or read from the cache, when first asked for."""
        if self._sources is None:
            self._sources = read_sources(
                self._kb,
                self.space,
                metric=self._metric,
                task=self._task,
                cache=self._cache,
            )
            self._weights = _similarity(self._sources, self._kb, self._meta_features)
        return self._sources

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        """See `ModelSampler.propose`."""
        sources = self.sources
        pool = _Pool(self, seen)
        pool.add(self.coding.random(_RANDOM, rng))
        if not len(seen.values) and not len(seen.pending):
            order = np.argsort(-pool.inputs().mean, kind="stable")
            return Proposals(pool.codes[order], {"trust": 1.0 if len(sources) else 0.0})
        mixture = _Mixture(self, seen)
        scores = mixture.score(pool.inputs())
        for _ in range(_ROUNDS):
            best = pool.codes[np.argsort(-scores, kind="stable")[:_PARENTS]]
            incumbents = seen.codes[np.argsort(-seen.values, kind="stable")[:_PARENTS]]
            parents = np.concatenate([best, incumbents])
            children = self.coding.mutate(parents[rng.integers(0, len(parents), _CHILDREN)], rng)
            pool.add(children)
            scores = np.concatenate([scores, mixture.score(pool.inputs(len(scores)))])
        order = np.argsort(-scores, kind="stable")
        return Proposals(pool.codes[order], {"trust": round(mixture.trust, 4)})

    def inputs(self, codes: Floats, says: Floats | None = None) -> Inputs:
        """Codes as the process sees them."""
        sources = self.sources
        return sources.inputs(codes, sources.says(codes) if says is None else says, self._weights)


class _Pool:
    """Configurations that may be proposed: none that is taken, none twice."""

    def __init__(self, sampler: TransferSampler, seen: Seen) -> None:
        self._sampler, self._known = sampler, set(seen.taken)
        self.codes = np.zeros((0, len(sampler.space.hyperparameters)))
        self._says = np.zeros((0, len(sampler.sources)))
        self.add(sampler.sources.pool, sampler.sources.pool_says)

    def add(self, codes: Floats, says: Floats | None = None) -> None:
        fresh = []
        for row, key in enumerate(self._sampler.coding.keys(codes)):
            if key not in self._known:
                self._known.add(key)
                fresh.append(row)
        codes = codes[fresh]
        said = self._sampler.sources.says(codes) if says is None else says[fresh]
        self.codes, self._says = np.concatenate([self.codes, codes]), np.concatenate([self._says, said])

    def inputs(self, start: int = 0) -> Inputs:
        return self._sampler.inputs(self.codes[start:], self._says[start:])


class _Mixture:
    """The process with sources and the one without, each as probable as the evidence makes it."""

    def __init__(self, sampler: TransferSampler, seen: Seen) -> None:
        inputs = sampler.inputs(seen.codes)
        centre, width = sampler.sources.scale_prior()
        y = _bounded(seen.values, math.exp(centre + 2 * width))
        told = _at_checkpoint(len(y))
        settings = sampler.sources.settings
        prior, alone = _scaled(settings, centre, width), _scaled(_ALONE, centre, width)
        self._parts: list[tuple[float, Process, bool]] = []
        odds = []
        for believed, belief, with_sources in ((prior, _BELIEF, True), (alone, 1 - _BELIEF, False)):
            if with_sources and not len(sampler.sources):
                continue
            known = inputs if with_sources else _without_sources(inputs)
            some = known.take(np.arange(told))
            chosen, evidence = fitted(some, y[:told], believed)
            process = _with_pending(sampler, seen, Process(known, y, chosen), known, y, with_sources=with_sources)
            self._parts.append((0.0, process, with_sources))
            odds.append(evidence + math.log(belief))
        share = np.exp(np.array(odds) - max(odds))
        share /= share.sum()
        self._parts = [(float(p), process, told) for p, (_, process, told) in zip(share, self._parts, strict=True)]
        self.trust = sum(p for p, _, with_sources in self._parts if with_sources)

    def score(self, inputs: Inputs) -> Floats:
        """Logarithm of the expected improvement."""
        total = np.full(len(inputs.mean), -np.inf)
        for share, process, with_sources in self._parts:
            if share > 1e-6:
                known = inputs if with_sources else _without_sources(inputs)
                total = np.logaddexp(total, math.log(share) + process.log_improvement(known))
        return total


def _with_pending(
    sampler: TransferSampler, seen: Seen, process: Process, inputs: Inputs, y: Floats, *, with_sources: bool
) -> Process:
    """The process as if running trials had ended as it expects (kriging believer: Ginsbourger et al., 2010)."""
    if not len(seen.pending):
        return process
    pending = sampler.inputs(seen.pending)
    pending = pending if with_sources else _without_sources(pending)
    expected = process.predict(pending)[0] * process.scale
    return Process(Inputs.join(inputs, pending), np.concatenate([y, expected]), process.settings)


def _scaled(settings: Settings, centre: float, width: float) -> Settings:
    """The settings with a prior on the scale."""
    return Settings.of([centre, *settings.vector()[1:]], [width, *settings.widths[1:]])


def _without_sources(inputs: Inputs) -> Inputs:
    n = len(inputs.mean)
    return Inputs(inputs.x, np.zeros(n), np.zeros((n, 0)))


def _bounded(values: Floats, unit: float) -> Floats:
    """Values of which the bad ones are alike: how bad a bad trial was says nothing of the good ones."""
    best, median = float(values.max()), float(np.median(values))
    spread = best - median
    reach = _SLACK * unit
    if len(values) >= 6 and spread > 0:
        reach = min(reach, 4 * spread)
    return np.maximum(values, best - reach)


def _at_checkpoint(n: int) -> int:
    """How many trials the hyperparameters are fitted to: all of few, of more every fifth or fiftieth time."""
    if n <= _FEW:
        return n
    every = _EVERY if n <= 100 else 10 * _EVERY
    return n - n % every


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
