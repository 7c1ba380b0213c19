"""What every warm starter promises."""

from abc import ABC, abstractmethod

from autometa.evidence import Evidence, gather
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import MetaFeatures, Suggestion, TaskType
from autometa.spaces import SearchSpace


class WarmStarter(ABC):
    """Proposes which configurations a search should try first, and says why.

    A search calls `suggest` once, before its first trial, and enqueues what comes back in the order it comes.
    Optuna checks nothing that is enqueued, so every rule below is the warm starter's to keep:

    - at most ``n`` suggestions, best first, no two with the same ``space.key``;
    - each configuration passes ``space.validate``. A past run that lies outside the space is moved into it
      by ``space.project``, and `Origin.projected` says so; one that cannot be moved is left out;
    - `Origin` names the strategy, the dataset that taught the configuration, that dataset's distance from
      the target where it is known, the rank in the strategy's own list (from 1), and the reason, in one
      sentence that a person can read;
    - values of the metric asked for come first; a dataset that has none of it advises by its nearest
      relative (`autometa.metrics.related`), and the reason says which;
    - binary and multiclass tasks may advise each other; regression and classification never do;
    - an empty base, or one that knows nothing of this space, gives an empty list: a cold start, no error;
    - the same arguments give the same list, in whatever order the base holds its rows, and the base is
      left unchanged;
    - fewer suggestions are the beginning of more.

    The target's own runs must play no part. The caller sees to that with ``kb.without``, because only the
    caller knows under which ids the target's dataset may lie in the base.
    """

    @abstractmethod
    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        """The configurations to try first.

        Args:
            target: What the new dataset looks like. NaN and missing qualities are fine, so is an empty mapping.
            kb: The knowledge base, with the target's own dataset already hidden.
            space: The space that will be searched; runs are looked up under its name.
            n: How many suggestions are wanted at most; 0 gives an empty list.
            metric: What the search will optimize.
            task: The target's task type; None where the problem is no table, and all datasets may advise.
            seed: The only source of randomness, for strategies that draw; 0 or more.
        """


class EvidenceStarter(WarmStarter):
    """A warm starter that needs to know of the base only what `gather` finds in it."""

    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        """See `WarmStarter.suggest`."""
        return self.choose(gather(kb, space, target, metric=metric, task=task), n, seed=seed)

    @abstractmethod
    def choose(self, evidence: Evidence, n: int, *, seed: int) -> list[Suggestion]:
        """At most ``n`` configurations, best first; ``evidence.space`` is the space that will be searched."""
