"""The reference method of transfer: an ensemble of Gaussian processes, weighted by how well they rank."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from autometa.samplers._base import Proposals, Seen
from autometa.samplers._gp import Inputs, Process, Settings, fitted, log_expected_improvement, representative
from autometa.samplers._informed import InformedSampler
from autometa.samplers._sources import read_runs

Floats = npt.NDArray[np.float64]

_RUNS_OF_ONE = 200
_FITTED = 100
_SAMPLES = 256
_RANKED = 60
_PERCENTILE = 95
_LEAST = 3
_PRIOR = Settings(residual=0.0, length=np.log(0.6), noise=np.log(0.1), widths=(0.0, 0.0, 0.5, 0.7, 1.0))


class RGPESampler(InformedSampler):
    """Rank-weighted Gaussian process ensemble: the method to compare others with.

    A Gaussian process per source, and one of the target, each on standardized values. How much a process counts is the
    probability that it ranks the target's trials better than all others; the target's own is judged by leaving one
    trial out. Sources whose ranking is worse than nearly all that the target's process can do count for nothing.
    Proposals have the greatest expected improvement under the weighted sum.

    Feurer, Letham, Bakshy (2018), "Practical Transfer Learning for Bayesian Optimization", arXiv:1802.02219, sections 3
    and 4. Deviations: sources have at most 200 runs each, the best hundred among them, and their values are regrets of
    which the worst quarter is alike; lengthscales differ between hyperparameters as far as forests over all sources
    find them important; of more than 60 trials, the best and an even choice of the others are ranked; the improvement
    is over the best mean of the ensemble at the trials so far.
    """

    @cached_property
    def _teachers(self) -> list[Process]:
        """One process per source."""
        runs = read_runs(self._kb, self.space, metric=self._metric, task=self._task, most=_RUNS_OF_ONE)
        return [_process(self._plain(codes), _standardized(utility)) for codes, utility in runs]

    def prepare(self) -> None:
        """See `ModelSampler.prepare`."""
        super().prepare()
        _ = self._teachers

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        """See `ModelSampler.propose`."""
        if not len(seen.values):
            first = self.hunt(seen, rng, lambda codes: self.sources.says(codes) @ self.weights, generations=0)
            return Proposals(first, {"trust": 1.0 if len(self.sources) else 0.0})
        y, codes = _standardized(seen.values), seen.codes
        shares, own = self._shares(codes, y, rng), _process(self._plain(codes), y)
        members = [*self._teachers, self._with_pending(own, seen, y)]
        ensemble = _Ensemble([pair for pair in zip(shares, members, strict=True) if pair[0] > 0])
        around = self._plain(np.concatenate([codes, seen.pending]))
        best = float(ensemble.predict(around)[0].max())
        found = self.hunt(seen, rng, lambda codes: ensemble.log_improvement(self._plain(codes), best))
        return Proposals(found, {"trust": round(1.0 - float(shares[-1]), 4)})

    def _plain(self, codes: Floats) -> Inputs:
        """Codes as a process sees them that knows of no source."""
        n = len(codes)
        return Inputs(self.coding.features(codes) / self.sources.lengths, np.zeros(n), np.zeros((n, 0)))

    def _with_pending(self, own: Process, seen: Seen, y: Floats) -> Process:
        """The target's process as if running trials had ended as it expects."""
        if not len(seen.pending):
            return own
        expected = own.predict(self._plain(seen.pending))[0]
        both = self._plain(np.concatenate([seen.codes, seen.pending]))
        return Process(both, np.concatenate([y, expected]), own.settings)

    def _shares(self, codes: Floats, y: Floats, rng: np.random.Generator) -> Floats:
        """Weights of the sources and, last, of the target; they sum to 1."""
        n_sources = len(self._teachers)
        if not n_sources:
            return np.ones(1)
        if len(y) < _LEAST:
            return np.append(self.weights, 0.0)
        rows = representative(y, _RANKED)
        inputs, y = self._plain(codes[rows]), y[rows]
        losses = np.empty((n_sources + 1, _SAMPLES))
        for one, process in enumerate(self._teachers):
            losses[one] = _misranked(_drawn(*process.joint(inputs), rng), y)
        mean, deviation = _process(inputs, y).leave_one_out()
        losses[-1] = _misranked(mean + deviation * rng.normal(size=(_SAMPLES, len(y))), y, others=y)
        return _best_shares(losses)


class _Ensemble:
    """A weighted sum of independent processes."""

    def __init__(self, members: Sequence[tuple[float, Process]]) -> None:
        self._members = members

    def predict(self, inputs: Inputs) -> tuple[Floats, Floats]:
        """Means and standard deviations."""
        mean, variance = np.zeros(len(inputs.mean)), np.zeros(len(inputs.mean))
        for share, process in self._members:
            one, deviation = process.predict(inputs)
            mean += share * one
            variance += (share * deviation) ** 2
        return mean, np.sqrt(variance)

    def log_improvement(self, inputs: Inputs, best: float) -> Floats:
        """Logarithm of the expected improvement over ``best``."""
        mean, deviation = self.predict(inputs)
        return log_expected_improvement((mean - best) / deviation) + np.log(deviation)


def _process(inputs: Inputs, y: Floats) -> Process:
    """A process with the hyperparameters that suit at most 100 of the observations best."""
    some = np.unique(np.linspace(0, len(y) - 1, _FITTED).round().astype(np.int64))
    return Process(inputs, y, fitted(inputs.take(some), y[some], _PRIOR)[0])


def _standardized(values: Floats) -> Floats:
    deviation = float(values.std()) if len(values) else 0.0
    return np.asarray((values - values.mean()) / deviation if deviation > 0 else np.zeros(len(values)))


def _drawn(mean: Floats, covariance: Floats, rng: np.random.Generator) -> Floats:
    """Functions drawn from a posterior, shape (256, n)."""
    values, vectors = np.linalg.eigh(covariance)
    half = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(mean + rng.normal(size=(_SAMPLES, len(mean))) @ half.T)


def _misranked(functions: Floats, y: Floats, *, others: Floats | None = None) -> Floats:
    """How many pairs of trials each function orders wrongly; ``others`` are compared with instead of itself."""
    against = functions if others is None else np.broadcast_to(others, functions.shape)
    says = functions[:, :, None] < against[:, None, :]
    wrong = (says != (y[:, None] < y)) & ~np.eye(len(y), dtype=bool)
    return np.asarray(wrong.sum(axis=(1, 2)))


def _best_shares(losses: Floats) -> Floats:
    """How often each has the smallest loss; ties go to the target (the last), else they are shared out.

    Args:
        losses: Shape (n_sources + 1, n_samples).
    """
    worst = np.percentile(losses[-1], _PERCENTILE)
    losses = np.where((np.median(losses, axis=1) > worst)[:, None], np.inf, losses)
    first = losses == losses.min(axis=0)
    first[:-1, first[-1]] = False
    return np.asarray((first / first.sum(axis=0)).mean(axis=1))
