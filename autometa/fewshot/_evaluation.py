"""How well a learner does on classes it has never seen: accuracy with its interval, or squared error."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autometa.errors import OptionError
from autometa.fewshot._base import FewShotLearner
from autometa.fewshot._episodes import Episodes
from autometa.fewshot._sampling import EpisodeSource, episodes_at

_Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Of a learner on episodes.

    Attributes:
        accuracy: Mean over the episodes of the share of queries that are right; of a regression the mean squared error.
        ci95: Half the width of its 95 % interval, 1.96 standard errors over the episodes.
        n_episodes: How many there were.
        norm_mode: Where batch normalization took its statistics from.
        transductive: Whether queries were predicted together.
    """

    accuracy: float
    ci95: float
    n_episodes: int
    norm_mode: str
    transductive: bool

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def evaluate(
    learner: FewShotLearner[Any], source: EpisodeSource, *, n_episodes: int = 600, seed: int = 0, batch_size: int = 10
) -> Evaluation:
    """Adapt to episodes and predict their queries.

    The learner is left as it was. The same seed gives the same episodes, whatever the learner and the device.

    Args:
        learner: Trained or not.
        source: Of the episodes.
        n_episodes: How many; papers take 600 or more.
        seed: Of the episodes.
        batch_size: Episodes at once; the episodes depend on it.

    Raises:
        OptionError: There are no two episodes.
    """
    if n_episodes < 2:
        raise OptionError(f"An interval needs at least 2 episodes, but n_episodes is {n_episodes}.")
    scores = []
    for step in range(math.ceil(n_episodes / batch_size)):
        scores.append(scores_of(learner, episodes_at(source, batch_size, seed=seed, step=step)))
    return evaluation_of(learner, torch.cat(scores)[:n_episodes])


def evaluation_of(learner: FewShotLearner[Any], scores: Tensor) -> Evaluation:
    """Mean and interval of the scores of episodes, shape (n_episodes,), as `scores_of` gives them."""
    found, n_episodes = scores.double(), len(scores)
    spread = float(found.std()) / math.sqrt(n_episodes)
    return Evaluation(float(found.mean()), _Z95 * spread, n_episodes, learner.norm_mode, learner.transductive)


@torch.no_grad()
def scores_of(learner: FewShotLearner[Any], episodes: Episodes) -> Tensor:
    """Accuracy, or mean squared error, of each episode, shape (n_episodes,)."""
    was_training = learner.training
    learner.eval()
    try:
        outputs = learner.adapt(episodes.support)(episodes.x)
    finally:
        learner.train(was_training)
    if episodes.n_way == 0:
        return F.mse_loss(outputs, episodes.y, reduction="none").flatten(1).mean(1)
    return (outputs.argmax(2) == episodes.y).float().mean(1)
