"""Several processes on one training, as ``torchrun`` starts them: who is who, and what they tell each other."""

import atexit
import math
import os
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those of a training; one that was started alone is the first of one.

    All processes make the same calls in the same order.

    Attributes:
        rank: Its number, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def join(cls) -> "Ranks":
        """Meet the others, where ``torchrun`` has started several; gloo carries what is on the CPU, NCCL the rest."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1 or not torch.distributed.is_available():
            return cls()
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
            atexit.register(torch.distributed.destroy_process_group)
        return cls(torch.distributed.get_rank(), torch.distributed.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and tells."""
        return self.rank == 0

    def share(self, n: int) -> range:
        """Which of so many things are this process's; their numbers differ by one share at most."""
        each = math.ceil(n / self.size)
        return range(min(self.rank * each, n), min((self.rank + 1) * each, n))

    def agreed(self, value: float) -> float:
        """What the first process says."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64)
        torch.distributed.broadcast(told, src=0)
        return float(told)

    def total(self, value: float) -> float:
        """The sum over all processes."""
        if self.size == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64)
        torch.distributed.all_reduce(told)
        return float(told)

    def add_gradients(self, module: nn.Module) -> None:
        """Gradients become their sum over all processes; what has none counts as zeros."""
        if self.size == 1:
            return
        for value in module.parameters():
            if value.requires_grad:
                if value.grad is None:
                    value.grad = torch.zeros_like(value)
                torch.distributed.all_reduce(value.grad)

    def copy_buffers(self, module: nn.Module) -> None:
        """Buffers, such as running averages, become those of the first process."""
        if self.size > 1:
            for value in module.buffers():
                torch.distributed.broadcast(value, src=0)


def started_first() -> bool:
    """Whether this process is the first one, by what ``torchrun`` told it; asks nobody."""
    return os.environ.get("RANK", "0") == "0"


def processes_here() -> int:
    """How many processes of the training share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def own_gpu() -> str:
    """The GPU of this process among those of the machine, by torch's name."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if "LOCAL_RANK" in os.environ else "cuda"
