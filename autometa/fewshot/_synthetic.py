"""Tasks that need no data: sine waves for regressions (Finn et al., 2017)."""

import math
from dataclasses import dataclass

import torch

from autometa.fewshot._episodes import Episodes, Support


@dataclass(frozen=True, slots=True)
class SineEpisodes:
    """Points of y = A sin(x - p), with amplitude and phase of each task's own.

    Finn, Abbeel, Levine (2017), sec. 5.1: A uniform in 0.1 to 5, p in 0 to pi, x in -5 to 5.

    Attributes:
        n_shot: Points of the support.
        n_query: Points to predict.
        device: Where the tensors are to be.
    """

    n_shot: int = 10
    n_query: int = 10
    device: str = "cpu"

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        """So many tasks."""
        amplitude = 0.1 + 4.9 * torch.rand(n_episodes, 1, 1, generator=generator)
        phase = math.pi * torch.rand(n_episodes, 1, 1, generator=generator)
        x = 10 * torch.rand(n_episodes, self.n_shot + self.n_query, 1, generator=generator) - 5
        y = amplitude * (x - phase).sin()
        x, y = x.to(self.device), y.to(self.device)
        return Episodes(Support(x[:, : self.n_shot], y[:, : self.n_shot], 0), x[:, self.n_shot :], y[:, self.n_shot :])
