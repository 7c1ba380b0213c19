"""Early stopping by what learning curves of other datasets say."""

import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial, TrialState

from autometa.errors import OptionError
from autometa.evidence import Curves, gather_curves
from autometa.knowledge import KnowledgeBase
from autometa.knowledge._studies import step_shares
from autometa.metrics import Metric
from autometa.pruners._forecast import Relation, chance, relation
from autometa.records import TaskType
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

_LEAST, _LEAST_ALONE = 3, 5


class TransferPruner(optuna.pruners.BasePruner):
    """Stops a trial when it hardly can end better than the best one, by learning curves of other datasets.

    Where a trial stands at a share of its budget says more or less of where it ends: more at nine tenths of the epochs
    than at one tenth, more on some datasets than on others. From runs of a base that were measured at several
    fidelities this is learned for each dataset: the line from the value at a share to the final value, and what
    configurations that stood alike came to beside it. A trial of the target is forecast with all of them, each weighted
    by how probable it makes the target's own finished trials, beside lines of many slopes that know of no dataset. So
    the base decides at first, and the study's own curves the more of them there are. A trial is stopped when the
    probability of a better end falls below ``keep``.

    Use it with any sampler and any number of workers: everything is derived from the study and the base, so a resumed
    study goes on as it would have, and the same study gives the same answer. Nothing is stopped before 3 trials have
    finished with values at the trial's step (5 where no dataset of the base was measured there), nor at the end of the
    budget. A value that is NaN, or infinitely bad, ends a trial from then on. Failed trials say nothing, pruned ones
    neither: they were stopped by their standing, and nobody knows their ends.

    The base gets learning curves from `KnowledgeBase.add_study`, or from `KnowledgeBase.add_runs` with a column
    ``fidelity``. Without any, the study's own curves decide, and a warning says so once.

    Stopping by the probability of beating the best is that of Domhan, Springenberg, Hutter (2015), "Speeding up
    automatic hyperparameter optimization of deep neural networks by extrapolation of learning curves", IJCAI.
    Deviation: no parametric curves; the forecast is learned from whole curves of other configurations.

    Example:
        >>> import optuna, tempfile, pandas as pd
        >>> from autometa import KnowledgeBase, SearchSpace
        >>> from autometa.metrics import own
        >>> space = SearchSpace.from_dict({"name": "demo", "hyperparameters": {
        ...     "x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5}}})
        >>> kb = KnowledgeBase(tempfile.mkdtemp())
        >>> for name, best in (("a", 0.2), ("b", 0.3)):
        ...     rows = [(i / 20, f, abs(i / 20 - best) / f) for i in range(21) for f in (0.25, 0.5, 1.0)]
        ...     frame = pd.DataFrame(rows, columns=["x", "fidelity", "value"])
        ...     _ = kb.add_runs(name, "demo", frame, metric="error", direction="minimize")
        >>> def objective(trial):
        ...     error = abs(trial.suggest_float("x", 0, 1) - 0.25)
        ...     for epoch in (1, 2, 3, 4):
        ...         trial.report(error * 4 / epoch, epoch)
        ...         if trial.should_prune():
        ...             raise optuna.TrialPruned
        ...     return error
        >>> pruner = TransferPruner(space, kb, metric=own("error", "minimize"), steps=4)
        >>> study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner)
        >>> study.optimize(objective, n_trials=20)
        >>> sum(trial.state.name == "PRUNED" for trial in study.trials) > 8
        True
    """

    def __init__(
        self,
        space: SearchSpace,
        kb: KnowledgeBase,
        *,
        metric: Metric,
        task: TaskType | None = None,
        steps: int | Mapping[int, float] | None = None,
        keep: float = 0.05,
        top: int = 1,
        startup: int = _LEAST,
    ) -> None:
        """Nothing is read before the first trial can be judged.

        Args:
            space: What is searched; the base files runs under its name.
            kb: The base, with the target's own dataset hidden (`KnowledgeBase.without`).
            metric: What the objective reports and returns; its direction must be the study's.
            task: The target's task type; None where the problem is no table.
            steps: Which share of the full budget a step is: the last step of a whole trial, where steps count what was
                spent; or the share of every step, above 0 and at most 1; or None: the finished trials tell, if they
                reported at the same steps, which begin above 0, or at 0 with equal distances.
            keep: A trial goes on while its probability of a better end is at least this, at every look. 0 stops none.
            top: Better than which one a trial must be able to end: 1 is the best, 3 the third best.
            startup: How many finished trials are needed with values at the trial's step.

        Raises:
            OptionError: A number is out of its range.
        """
        self._space, self._kb, self._metric, self._task = space, kb, metric, task
        self._steps, self._keep, self._top, self._startup = steps, keep, top, startup
        self._relations: dict[float, tuple[Relation, ...]] = {}
        self._warned = False
        self._check()

    def _check(self) -> None:
        if not 0 <= self._keep < 1:
            raise OptionError(f"keep is a probability, at least 0 and below 1, but got {self._keep}.")
        if self._top < 1:
            raise OptionError(f"top counts from 1, the best trial, but got {self._top}.")
        if self._startup < 2:
            raise OptionError(f"startup must be at least 2, as a line needs two trials, but got {self._startup}.")
        if isinstance(self._steps, Mapping):
            wrong = {step: share for step, share in self._steps.items() if not 0 < share <= 1}
            if wrong:
                step, share = next(iter(wrong.items()))
                raise OptionError(f"The share of a step must be above 0 and at most 1, but step {step} has {share}.")
        elif self._steps is not None and self._steps < 1:
            raise OptionError(f"steps must be the last step of a whole trial, at least 1, but got {self._steps}.")

    @functools.cached_property
    def curves(self) -> tuple[Curves, ...]:
        """The learning curves of the base, read when first asked for; empty where it has none."""
        return gather_curves(self._kb, self._space, metric=self._metric, task=self._task)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial should stop; Optuna's `Trial.should_prune` asks."""
        return self.chance(study, trial) < self._keep

    def chance(self, study: optuna.Study, trial: FrozenTrial) -> float:
        """The probability that a trial ends better than the best one, or the ``top``-th, as far as it has come.

        1 where too little is known, or its budget is spent.
        """
        step = trial.last_step
        if step is None:
            return 1.0
        sign = 1.0 if study.direction is optuna.study.StudyDirection.MINIMIZE else -1.0
        finished = _finished(study)
        pairs = _pairs(finished, step, sign)
        share = self._share(finished, step)
        if len(pairs) < self._startup or self._is_over(finished, step, share):
            return 1.0
        now = sign * trial.intermediate_values[step]
        if not now < math.inf:
            return 0.0
        relations = self._relations_at(share)
        least = self._startup if relations else max(self._startup, _LEAST_ALONE)
        if len(pairs) < max(least, self._top) or now == -math.inf:
            return 1.0
        then, end = np.array(pairs).T
        bar = sorted(sign * float(one.values[0]) for one in finished)[self._top - 1]
        return chance(relations, then, end, now, bar)

    def _is_over(self, finished: Sequence[FrozenTrial], step: int, share: float | None) -> bool:
        if share is not None:
            return share >= 1
        return step >= max((one.last_step for one in finished if one.last_step is not None), default=0)

    def _share(self, finished: Sequence[FrozenTrial], step: int) -> float | None:
        """The share of the full budget at a step; None where that is not known."""
        if isinstance(self._steps, Mapping):
            return self._steps.get(step)
        if self._steps is not None:
            return step / self._steps if step > 0 else None
        return step_shares(finished).get(step)

    def _relations_at(self, share: float | None) -> tuple[Relation, ...]:
        if not self.curves:
            self._warn()
        if share is None:
            return ()
        if share not in self._relations:
            found = (relation(one, share) for one in self.curves)
            self._relations[share] = tuple(one for one in found if one is not None)
        return self._relations[share]

    def _warn(self) -> None:
        """Say once that there is nothing to learn from."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"The base has no learning curves of {self._space.name!r} by {self._metric.name}: trials are stopped "
                "by the study's own. KnowledgeBase.add_study and add_runs with a column 'fidelity' bring some.",
                stacklevel=5,
            )

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what was read, which is read again."""
        return {name: value for name, value in vars(self).items() if name != "curves"} | {"_relations": {}}


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    """Complete trials with a finite value."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [one for one in trials if one.values and math.isfinite(one.values[0])]


def _pairs(finished: Sequence[FrozenTrial], step: int, sign: float) -> list[tuple[float, float]]:
    """Losses at a step, or at the last reported one before it, and final losses."""
    pairs = []
    for one in finished:
        reported = one.intermediate_values
        at = step if step in reported else max((earlier for earlier in reported if earlier < step), default=None)
        if at is not None and math.isfinite(reported[at]):
            pairs.append((sign * reported[at], sign * float(one.values[0])))
    return pairs
