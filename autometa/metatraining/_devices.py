"""Devices by name."""

import torch

from autometa.distributed import own_gpu
from autometa.errors import OptionError


def device_of(name: str) -> str:
    """``auto`` is CUDA where there is any, under ``torchrun`` the process's own GPU, else the CPU; or torch's names.

    Raises:
        OptionError: torch has no such device here.
    """
    if name == "auto":
        return own_gpu() if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(f"There is no device {name!r} here: {str(error).splitlines()[0]}. Use auto.") from error
    return name
