"""Few-shot Bayesian optimization: a deep kernel learned from other datasets, tuned to this one."""

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import MetaFeatures, TaskType
from autometa.samplers._base import Proposals, Seen
from autometa.samplers._deep import DeepKernel, DeepProcess, meta_train
from autometa.samplers._gp import log_expected_improvement, representative
from autometa.samplers._informed import InformedSampler
from autometa.samplers._kept import kept
from autometa.samplers._sources import cache_key, read_runs
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

_RUNS_OF_ONE = 1000
_FIRST = 5
_TOLD = 100
_STEPS = 20
_FORMAT = "deep-1"


class DeepKernelSampler(InformedSampler):
    """Bayesian optimization with a kernel that a network learned from other datasets (FSBO).

    Use it where the base has many datasets with many runs each: what it carries over is how configurations relate, not
    where the good ones are. It first tries a greedy portfolio of five configurations, as the paper does; then the
    network is tuned to all trials before each proposal, and the one with the greatest expected improvement is proposed.

    Wistuba, Grabocka (2021), "Few-Shot Bayesian Optimization with Deep Kernel Surrogates", ICLR. Deviations: the first
    configurations are chosen among those that were measured, not by an evolutionary search; what bad trials have is
    cut off; of more than 100 trials the network is tuned to the best half and an even choice of the others. Training
    takes some seconds, once for each base; the kernel is kept in the cache.
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
        within: SearchSpace | None = None,
        seed: int | None = None,
        device: str = "auto",
        training_steps: int = 1500,
    ) -> None:
        """As `InformedSampler`, and how the kernel is trained.

        Args:
            space: As in `InformedSampler`, like those that follow.
            device: cpu, cuda, or auto for what there is.
            training_steps: Batches at most; training ends earlier where held-out datasets gain nothing more.
        """
        super().__init__(
            space, kb, metric=metric, task=task, meta_features=meta_features, cache=cache, within=within, seed=seed
        )
        self.device, self.training_steps = device, training_steps

    @cached_property
    def kernel(self) -> DeepKernel:
        """Trained, or read from the cache, when first asked for."""
        name = cache_key(self._kb, self.space, self._metric, self._task, kind=f"{_FORMAT}-{self.training_steps}")
        return kept(self._cache / f"{name}.npz", self._train, DeepKernel.to_arrays, DeepKernel.from_arrays)

    def prepare(self) -> None:
        """See `ModelSampler.prepare`."""
        super().prepare()
        _ = self.kernel

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        """See `ModelSampler.propose`."""
        n_trials = len(seen.values) + len(seen.pending)
        if len(self.sources) and n_trials < _FIRST:
            first = self.sources.portfolio(_FIRST, self.weights)
            return Proposals(np.concatenate([first, self.sources.pool]))
        if not len(seen.values):
            return Proposals(self.draw(1, rng))
        y = self.bounded(seen.values)
        y = (y - y.min()) / max(float(np.ptp(y)), 1e-12)
        process = DeepProcess.tuned(
            self.kernel, self._features(seen.codes), y, told=representative(y, _TOLD), steps=_STEPS
        )
        if len(seen.pending):
            process = process.given(self._features(seen.pending))
        best = float(process.predict(self._features(np.concatenate([seen.codes, seen.pending])))[0].max())

        def improvement(codes: Floats) -> Floats:
            mean, deviation = process.predict(self._features(codes))
            return np.asarray(log_expected_improvement((mean - best) / deviation) + np.log(deviation))

        return Proposals(self.hunt(seen, rng, improvement))

    def _features(self, codes: Floats) -> Floats:
        return self.coding.features(codes, inactive=-1.0)

    def _train(self) -> DeepKernel:
        runs = read_runs(self._kb, self.space, metric=self._metric, task=self._task, most=_RUNS_OF_ONE)
        tables = [(self._features(codes), utility) for codes, utility in runs]
        return meta_train(
            tables,
            n_features=len(self.coding.groups),
            steps=self.training_steps,
            seed=0,
            device=_device(self.device),
        )


def _device(name: str) -> str:
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name
