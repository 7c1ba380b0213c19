"""Optuna samplers that carry what other datasets say through the whole search.

Third parties join through the entry-point group ``autometa.samplers``: an `Entry` whose factory gives what makes the
sampler, called as the shipped classes are: ``(space, kb, *, metric, task, meta_features, cache, within, seed)``.
`autometa.testing.samplers` holds the checks that every member passes.
"""

from collections.abc import Callable

from optuna.samplers import BaseSampler

from autometa.registry import Entry, Registry
from autometa.samplers import _optuna
from autometa.samplers._base import CLAIM, ModelSampler, Proposals, Seen
from autometa.samplers._deep_kernel import DeepKernelSampler
from autometa.samplers._informed import InformedSampler
from autometa.samplers._random import RandomSampler
from autometa.samplers._rgpe import RGPESampler
from autometa.samplers._transfer import TransferSampler

SAMPLERS: Registry[Callable[..., BaseSampler]] = Registry("sampler", group="autometa.samplers")
SAMPLERS.register(
    Entry(
        "transfer",
        lambda: TransferSampler,
        summary="A Gaussian process whose prior is what other datasets say, beside one that knows of none.",
        tags={"base": "used"},
    )
)
SAMPLERS.register(
    Entry(
        "rgpe",
        lambda: RGPESampler,
        summary="Gaussian processes of all datasets, weighted by how well they rank the target's trials.",
        reference="Feurer, Letham, Bakshy (2018), Practical Transfer Learning for Bayesian Optimization",
        tags={"base": "used"},
    )
)
SAMPLERS.register(
    Entry(
        "deep_kernel",
        lambda: DeepKernelSampler,
        summary="A Gaussian process on features that a network learned from other datasets.",
        reference="Wistuba, Grabocka (2021), Few-Shot Bayesian Optimization with Deep Kernel Surrogates, ICLR",
        tags={"base": "used"},
    )
)
SAMPLERS.register(
    Entry(
        "tpe",
        lambda: _optuna.tpe,
        summary="Optuna's tree-structured Parzen estimators, multivariate and grouped.",
        reference="Bergstra et al. (2011), Algorithms for Hyper-Parameter Optimization, NeurIPS",
        tags={"base": "not used"},
    )
)
SAMPLERS.register(
    Entry(
        "random",
        lambda: RandomSampler,
        summary="Random search that repeats nothing.",
        reference="Bergstra, Bengio (2012), Random Search for Hyper-Parameter Optimization, JMLR 13",
        tags={"base": "not used"},
    )
)

__all__ = [
    "CLAIM",
    "SAMPLERS",
    "DeepKernelSampler",
    "InformedSampler",
    "ModelSampler",
    "Proposals",
    "RGPESampler",
    "RandomSampler",
    "Seen",
    "TransferSampler",
]
