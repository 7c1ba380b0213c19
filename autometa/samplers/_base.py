"""What samplers share that model the trials: reading a study, agreeing with other workers, and never repeating one."""

import json
import math
import threading
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from autometa.errors import InvalidConfigError, OptionError
from autometa.records import Config
from autometa.samplers._box import Box
from autometa.samplers._coding import Coding
from autometa.spaces import SearchSpace

Floats = npt.NDArray[np.float64]

CLAIM = "autometa:proposal"
"""System attribute of a trial: what a sampler proposed for it, and why, as JSON."""

_PATIENCE = 2.0  # seconds to wait for other workers to say what they try
_POLL = 0.01
_WORTH_COUNTING = 2_000_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a study shows a sampler.

    Attributes:
        codes: Of the trials that ended, shape (n, n_hyperparameters).
        values: What came of them, or would have; larger is better, shape (n,). Failed ones have the worst of all.
        pending: Codes of trials that are running elsewhere, shape (n_pending, n_hyperparameters).
        taken: Keys of all configurations that were tried, are running or wait in the queue.
    """

    codes: Floats
    values: Floats
    pending: Floats
    taken: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Proposals:
    """Codes, best first, and what is to be remembered of them: plain values for JSON."""

    codes: Floats
    notes: Mapping[str, Any] = field(default_factory=dict)


class ModelSampler(optuna.samplers.BaseSampler):
    """A sampler that proposes whole configurations of a `SearchSpace`, conditions included.

    Members implement `propose`. The rest is the same for all of them:

    - proposals are for one objective of either direction; running trials count as pending, failed ones as bad; of a
      pruned one is expected what came of trials that stood as it did at its last step, and no more than the median;
    - all trials of a study count, also where Hyperband would show those of one bracket only;
    - no configuration is proposed that was tried, is running elsewhere or waits in the queue, as long as the space has
      others. Workers on one storage wait a moment for each other: each trial's proposal is written down before the next
      one is made;
    - a proposal depends on the seed, the trial's number and the trials before it, so a resumed search goes on as it
      would have.

    A parameter that is not in the space is drawn at random.
    """

    def __init__(self, space: SearchSpace, *, within: SearchSpace | None = None, seed: int | None = None) -> None:
        """Take the space.

        Args:
            space: What is searched.
            within: A part of it that proposals keep to (`autometa.warmstart.SPACE_PRUNERS`); None: all of it.
            seed: Of all that is random; None draws one.
        """
        self.space = space
        self.coding = Coding(space)
        self.box = Box(self.coding, within or space)
        self._seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        self._n_configs = self.coding.n_configs(at_most=_WORTH_COUNTING)
        self._silent: set[int] = set()
        self._preparing = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the lock."""
        return {name: value for name, value in vars(self).items() if name != "_preparing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was, with a lock of its own."""
        vars(self).update(state)
        self._preparing = threading.Lock()

    def get_ready(self) -> None:
        """Learn what takes long, if that was not done yet; may be called from another thread before it is needed."""
        with self._preparing:
            self.prepare()

    def prepare(self) -> None:
        """Called before every proposal, by one thread at a time: what takes long to learn is learned here, once."""

    @abstractmethod
    def propose(self, seen: Seen, rng: np.random.Generator) -> Proposals:
        """Configurations to try next, best first; those that are taken may be among them."""

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Codes of random configurations, shape (n, n_hyperparameters)."""
        return self.box.move(self.coding.random(n, rng), rng)

    def reseed_rng(self) -> None:
        """Nothing to do: every trial has random numbers of its own."""

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The whole space, with all its branches; Optuna drops what the objective does not ask for."""
        return self.space.distributions()

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A configuration of the space.

        Raises:
            OptionError: The study has several objectives.
        """
        if len(study.directions) > 1:
            raise OptionError(
                f"{type(self).__name__} optimizes one objective, but the study has {len(study.directions)}. Use "
                "optuna.samplers.TPESampler or NSGAIISampler for several."
            )
        fixed = trial.system_attrs.get("fixed_params", {})
        if fixed and not self.space.problems(fixed):
            return {}
        self.get_ready()
        seen = self._look(study, trial)
        rng = self._rng(trial.number)
        proposals = self.propose(seen, rng)
        inside = proposals.codes[self.box.holds(proposals.codes)]
        config = self.coding.decode(self._first_free(inside, seen.taken, rng))
        if fixed:
            config = self.space.project({**config, **fixed})
        claim = json.dumps({"config": config, "by": type(self).__name__, **proposals.notes})
        study._storage.set_trial_system_attr(trial._trial_id, CLAIM, claim)
        return dict(config)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for parameters that are not in the space."""
        number = int(self._rng(trial.number, param_name).integers(2**31))
        random = optuna.samplers.RandomSampler(seed=number)
        return random.sample_independent(study, trial, param_name, param_distribution)

    def _rng(self, number: int, name: str = "") -> np.random.Generator:
        return np.random.default_rng([self._seed, number, *name.encode()])

    def _look(self, study: optuna.Study, trial: FrozenTrial) -> Seen:
        """The study as it is once every earlier trial that still runs has said what it tries."""
        study = getattr(study, "_study", study)  # what Optuna wraps to show the trials of a bracket of Hyperband
        deadline = time.monotonic() + _PATIENCE
        while True:
            trials = study.get_trials(deepcopy=False)
            running = [one for one in trials if one.state is TrialState.RUNNING and one.number < trial.number]
            quiet = {one.number for one in running if not _said(one)} - self._silent
            if not quiet or time.monotonic() > deadline:
                break
            time.sleep(_POLL)
        self._silent |= quiet  # such as trials of workers that were killed: nobody waits for them twice
        sign = 1.0 if study.direction is optuna.study.StudyDirection.MAXIMIZE else -1.0
        return self._seen([one for one in trials if one.number != trial.number], sign)

    def _seen(self, trials: Iterable[FrozenTrial], sign: float) -> Seen:
        ended: list[tuple[Config, FrozenTrial]] = []
        pending: list[Config] = []
        taken: list[Config] = []
        for one in trials:
            config = self._config(one)
            if config is None:
                continue
            taken.append(config)
            if one.state is TrialState.RUNNING:
                pending.append(config)
            elif one.state.is_finished():
                ended.append((config, one))
        values = _judged([one for _, one in ended], sign)
        known = ~np.isnan(values)
        codes = self.coding.encode([config for config, *_ in ended])
        keys = frozenset(self.coding.keys(self.coding.encode(taken)))
        return Seen(codes[known], values[known], self.coding.encode(pending), keys)

    def _config(self, trial: FrozenTrial) -> Config | None:
        """What a trial tries; None where that is not known, or has no place in the space."""
        said = trial.params if trial.state.is_finished() else _said(trial)
        if not said:
            return None
        config = self.space.up_to_date({name: value for name, value in said.items() if name in self.space})
        if not self.space.problems(config):
            return config
        try:
            return self.space.project(config)
        except InvalidConfigError:
            return None

    def _first_free(self, codes: Floats, taken: frozenset[bytes], rng: np.random.Generator) -> Floats:
        for code, key in zip(codes, self.coding.keys(codes), strict=True):
            if key not in taken:
                return np.asarray(code)
        if len(taken) < self._n_configs:
            for _ in range(20):
                drawn = self.draw(256, rng)
                for code, key in zip(drawn, self.coding.keys(drawn), strict=True):
                    if key not in taken:
                        return np.asarray(code)
        return np.asarray(codes[0] if len(codes) else self.draw(1, rng)[0])


def _said(trial: FrozenTrial) -> Mapping[str, Any]:
    """What a trial that has not ended tries, as far as it has said."""
    if CLAIM in trial.system_attrs:
        return dict(json.loads(trial.system_attrs[CLAIM])["config"])
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def _judged(trials: Sequence[FrozenTrial], sign: float) -> Floats:
    """What came of trials that ended, larger is better; NaN throughout where none of them says anything.

    A pruned trial counts as what whole ones came to that stood as it did at its last step: the same quantile. It is no
    better than their median, as it was stopped. Failed ones are as bad as the worst. Where none is complete, those
    count as whole that were pruned last.
    """
    last = [_last_report(one, sign) for one in trials]
    finals = np.array([sign * float(one.values[0]) if one.values else math.nan for one in trials])
    whole = np.array([one.state is TrialState.COMPLETE for one in trials], dtype=bool) & np.isfinite(finals)
    if not whole.any():
        end = max((step for step, value in last if math.isfinite(value)), default=-1)
        finals = np.array([value for _, value in last])
        whole = np.array([step == end for step, _ in last], dtype=bool) & np.isfinite(finals)
    if not whole.any():
        return np.full(len(trials), math.nan)
    worst, median = float(finals[whole].min()), float(np.median(finals[whole]))
    measure = [(trials[i], float(finals[i])) for i in np.flatnonzero(whole).tolist()]
    standings: dict[int, tuple[Floats, Floats]] = {}
    judged = np.where(whole, finals, worst)
    for i in np.flatnonzero(~whole).tolist():
        step, value = last[i]
        if math.isfinite(value):
            if step not in standings:
                standings[step] = _standing(measure, step, sign)
            judged[i] = min(_expected(value, *standings[step]), median)
    return np.asarray(judged)


def _last_report(trial: FrozenTrial, sign: float) -> tuple[int, float]:
    """Where a pruned trial was stopped, and the value there; NaN of all others."""
    step = trial.last_step
    if trial.state is not TrialState.PRUNED or step is None:
        return -1, math.nan
    return step, sign * float(trial.intermediate_values[step])


def _standing(measure: Sequence[tuple[FrozenTrial, float]], step: int, sign: float) -> tuple[Floats, Floats]:
    """Values of whole trials at a step, or at their last one before it, and at their end; both in ascending order."""
    pairs = []
    for trial, final in measure:
        before = max((one for one in trial.intermediate_values if one <= step), default=None)
        if before is not None and math.isfinite(value := trial.intermediate_values[before]):
            pairs.append((sign * value, final))
    then, end = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return np.sort(then), np.sort(end)


def _expected(value: float, then: Floats, end: Floats) -> float:
    """What comes of a trial with a value at a step; a worse one than all stays behind by as much."""
    if not len(then):
        return value
    return float(np.interp(value, then, end)) - max(0.0, float(then[0]) - value)
