"""Optuna samplers that carry what other datasets say through the whole search."""

from autometa.samplers._base import CLAIM, ModelSampler, Proposals, Seen
from autometa.samplers._transfer import TransferSampler

__all__ = ["CLAIM", "ModelSampler", "Proposals", "Seen", "TransferSampler"]
