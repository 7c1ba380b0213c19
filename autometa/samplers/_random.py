"""Random search that repeats nothing."""

from typing import Any

import numpy as np

from autometa.knowledge import KnowledgeBase
from autometa.samplers._base import ModelSampler, Proposals, Seen
from autometa.spaces import SearchSpace


class RandomSampler(ModelSampler):
    """Draws configurations of a space as `SearchSpace.sample` does, none of them twice.

    Bergstra, Bengio (2012), "Random Search for Hyper-Parameter Optimization", JMLR 13. With a narrower space it is the
    bounding-box method of Perrone et al. (2019).
    """

    def __init__(
        self,
        space: SearchSpace,
        kb: KnowledgeBase | None = None,
        *,
        within: SearchSpace | None = None,
        seed: int | None = None,
        **_: Any,
    ) -> None:
        """As the samplers that know of other datasets; the base and what belongs to it are not used."""
        super().__init__(space, within=within, seed=seed)

    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        """See `ModelSampler.propose`."""
        return Proposals(self.draw(16, rng))
