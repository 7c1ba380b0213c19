"""The default sampler: what other datasets say, corrected by what this one shows."""

import math

import numpy as np
import numpy.typing as npt

from autometa.records import Origin, Suggestion
from autometa.samplers._base import Proposals, Seen
from autometa.samplers._gp import Inputs, Process, Settings, fitted
from autometa.samplers._informed import InformedSampler

Floats = npt.NDArray[np.float64]

_BELIEF = 0.9  # probability, before any trial, that the sources tell something about the target
_ALONE = Settings(residual=0.0, length=math.log(0.6), noise=math.log(0.05), widths=(0.0, 0.0, 0.0, 0.7, 1.0))
_TRUSTED = 0.5
_MOST_SERVING = 7
_DOUBTS_EVERY = 5
_SERVED = 0.2  # share of the first configuration's mean regret at which the sources count as served
_SHARPNESS = 3.0
_LEAST_CONCORDANCE = 0.02
_FEW = 20
_EVERY = 5


class TransferSampler(InformedSampler):
    """Bayesian optimization whose prior is what other datasets say, for as long as it holds.

    Every dataset of the base is a source: a forest predicts its utility anywhere. The first proposals, at most seven,
    serve one source after the other: each is what lowers most the sources' mean regret of the best so far, as in a
    greedy portfolio, but a source counts for more the better it orders the trials that have ended.

    When most are served, the target's utility is modelled as the sources' weighted mean, plus learned weights on how
    they differ, plus a residual of its own (see `autometa.samplers._gp`): the more trials there are, the more the
    target's own runs decide. How far the sources explain each other is learned beforehand, and sets how fast. Proposals
    have the greatest expected improvement among the sources' best configurations, random ones, and mutations of the
    best that are known. Trials running elsewhere count with the value that the model expects of them.

    Beside that model stands a process that knows of no source. Each counts as much as the evidence makes it probable,
    so sources that mislead lose their say after a few trials, and are no longer served when it is less than half. Every
    fifth proposal is that process's alone: sources may be right about the part of the space that they lead to, and
    wrong about the rest.

    A trial's proposal notes ``trust``, what say the sources have, from 0 to 1, and the ``way`` that it was made:
    ``serves``, ``improves`` or ``doubts``.

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

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        """See `ModelSampler.propose`."""
        mixture = _Mixture(self, seen) if len(seen.values) else None
        trust = mixture.trust if mixture else float(len(self.sources) > 0)
        notes = {"trust": round(trust, 4)}
        if trust >= _TRUSTED and len(codes := self._serving(seen)):
            return Proposals(codes, notes | {"way": "serves"})
        if mixture is None:
            codes = self.hunt(seen, rng, lambda codes: self.inputs(codes).mean, generations=0)
            return Proposals(codes, notes | {"way": "improves"})
        doubts = (len(seen.values) + len(seen.pending)) % _DOUBTS_EVERY == _DOUBTS_EVERY - 1
        score = mixture.score_alone if doubts else mixture.score
        codes = self.hunt(seen, rng, lambda codes: score(self.inputs(codes)))
        return Proposals(codes, notes | {"way": "doubts" if doubts else "improves"})

    def opening(self, n: int) -> list[Suggestion]:
        """The first proposals as they are while no trial has ended, for the queue of a study; none without sources.

        Each names the dataset to which it brings most beyond the ones before.
        """
        names, sources, found = self._kb.datasets()["name"], self.sources, list[Suggestion]()
        reason = f"lowers the expected regret most over {len(sources)} datasets, after the ones before it"
        for row, source in sources.greedy(n, self.weights, np.flatnonzero(self.box.holds(sources.pool))):
            dataset = sources.ids[source]
            origin = Origin("auto", len(found) + 1, dataset, str(names.get(dataset, dataset)), reason=reason)
            found.append(Suggestion(dict(self.coding.decode(sources.pool[row])), origin))
        return found

    def _serving(self, seen: Seen) -> Floats:
        """Codes of the pool, best first, for the sources that no trial serves yet; none when there are few of these."""
        if len(seen.codes) + len(seen.pending) >= _MOST_SERVING:
            return np.empty((0, 0))
        tried = self.sources.says(np.concatenate([seen.codes, seen.pending]))
        weights = self.weights * _concordance(tried[: len(seen.values)], seen.values) ** _SHARPNESS
        weights /= weights.sum()
        served = tried.max(axis=0, initial=-1.0)
        if served @ weights >= _SERVED * (self.sources.pool_says @ weights).max():
            return np.empty((0, 0))
        return self._fresh(self.sources.pool[self.sources.complementing(served, weights)], set(seen.taken))

    def inputs(self, codes: Floats) -> Inputs:
        """Codes as the process sees them."""
        return self.sources.inputs(codes, self.sources.says(codes), self.weights)


def _concordance(says: Floats, values: Floats) -> Floats:
    """How well each source orders the trials, shape (n_sources,), in (0, 1]: Goodman and Kruskal's gamma, cut at 0.

    Every source begins with three pairs in the right order and one in the wrong, so that a few trials do not decide.

    Args:
        says: Utility of the trials on each source, shape (n, n_sources).
        values: What came of them, shape (n,), larger is better.
    """
    left, right = np.triu_indices(len(values), 1)
    agrees = np.sign(values[left] - values[right])[:, None] * np.sign(says[left] - says[right])
    gamma = (agrees.sum(axis=0) + 2) / (np.abs(agrees).sum(axis=0) + 4)
    return np.asarray(np.maximum(gamma, _LEAST_CONCORDANCE))


class _Mixture:
    """The process with sources and the one without, each as probable as the evidence makes it."""

    def __init__(self, sampler: TransferSampler, seen: Seen) -> None:
        inputs = sampler.inputs(seen.codes)
        centre, width = sampler.sources.scale_prior()
        y = sampler.bounded(seen.values)
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

    def score_alone(self, inputs: Inputs) -> Floats:
        """Logarithm of the improvement that the process without sources expects."""
        return self._parts[-1][1].log_improvement(_without_sources(inputs))


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


def _at_checkpoint(n: int) -> int:
    """How many trials the hyperparameters are fitted to: all of few, of more every fifth or fiftieth time."""
    if n <= _FEW:
        return n
    every = _EVERY if n <= 100 else 10 * _EVERY
    return n - n % every
