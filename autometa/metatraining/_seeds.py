"""Randomness from seeds, without a trace in torch's global generator."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def generator_of(*numbers: int) -> torch.Generator:
    """A generator of the CPU whose state depends on all of the numbers."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state & (2**63 - 1))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, torch's global generator of the CPU starts from ``seed``; afterwards it is as it was before."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
