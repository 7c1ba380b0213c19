"""How numbers of all magnitudes become inputs of a network."""

import math

import torch
from torch import Tensor

PRECISION = 10.0


def log_and_sign(x: Tensor, precision: float = PRECISION) -> Tensor:
    """Logarithm and sign of numbers of all magnitudes, (...) to (..., 2).

    Andrychowicz et al. (2016), app. A, with p = ``precision``; the two cases meet at exp(-precision).
    """
    size = x.abs()
    large = size >= math.exp(-precision)
    logarithm = size.clamp_min(math.exp(-precision)).log() / precision
    first = torch.where(large, logarithm, -torch.ones_like(x))
    second = torch.where(large, x.sign(), x * math.exp(precision))
    return torch.stack([first, second], -1)
