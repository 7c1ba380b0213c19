"""What a few-shot search is asked for, and what it gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from autometa.errors import OptionError
from autometa.fewshot import Evaluation
from autometa.pruners import PRUNERS
from autometa.records import TrialReport

if TYPE_CHECKING:
    import optuna

N_LOOKS = 8
"""At a trial, after each eighth of its episodes."""

FINAL_SHARE = 0.12
"""Of a time limit, for the last evaluation."""

_LEAST_TRIAL = 10.0
_TRIALS_AT_LEAST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FewShotOptions:
    """What a few-shot search may use and should do.

    Attributes:
        tasks: See `autometa.fewshot.split_tasks`.
        data: See there.
        rotations: See there.
        n_way: Classes of an episode.
        n_shot: Labelled items of each.
        time_limit: Seconds for everything; None: no limit.
        trials: Finished trials after which the search ends; None: no limit.
        jobs: Trials at the same time.
        threads: Of the CPU, for each trial.
        n_episodes: Training episodes of a whole trial; one with more classes than ``n_way`` counts as several.
        n_judged: Validation episodes of each of a trial's looks.
        n_final: Episodes of the last evaluation, on classes that no trial has seen.
        warm_start: ``auto``, or ``none`` for a search that knows nothing of others.
        pruner: Name of a pruner.
        seed: Of classes, episodes, weights and sampler.
        device: See `autometa.fewshot.device_of`.
        learn: Whether trials are added to the knowledge base.
    """

    tasks: str = "glyphs"
    data: str | None = None
    rotations: bool = False
    n_way: int = 5
    n_shot: int = 1
    time_limit: float | None = 600.0
    trials: int | None = None
    jobs: int = 1
    threads: int = 1
    n_episodes: int = 2000
    n_judged: int = 100
    n_final: int = 600
    warm_start: str = "auto"
    pruner: str = "hyperband"
    seed: int = 0
    device: str = "auto"
    learn: bool = True

    def __post_init__(self) -> None:
        """Check every rule that needs no tasks.

        Raises:
            OptionError: A rule is broken.
            UnknownNameError: There is no such pruner.
        """
        if self.time_limit is None and self.trials is None:
            raise OptionError("A search needs an end: give a time limit or a number of trials.")
        leasts = {"n_way": 2, "n_shot": 1, "jobs": 1, "threads": 1, "n_judged": 2, "n_final": 2}
        for name, least in leasts.items():
            if getattr(self, name) < least:
                raise OptionError(f"{name} must be at least {least}, but got {getattr(self, name)}.")
        if self.n_episodes < N_LOOKS:
            raise OptionError(f"n_episodes must be at least {N_LOOKS}, one per look, but got {self.n_episodes}.")
        if (self.time_limit is not None and self.time_limit <= 0) or (self.trials is not None and self.trials < 1):
            raise OptionError("Time limit and trials must be above 0.")
        if self.warm_start not in ("auto", "none"):
            raise OptionError(f"warm_start must be auto or none, but got {self.warm_start!r}.")
        PRUNERS.entry(self.pruner)

    @property
    def source(self) -> dict[str, Any]:
        """What the workers read the classes by."""
        return {"tasks": self.tasks, "data": self.data, "rotations": self.rotations, "seed": self.seed}

    @property
    def trial_seconds(self) -> float | None:
        """What a trial may take, so that there are ten at least."""
        if self.time_limit is None:
            return None
        return max(_LEAST_TRIAL, (1 - FINAL_SHARE) * self.time_limit * self.jobs / _TRIALS_AT_LEAST)


@dataclass(frozen=True, slots=True)
class FewShotResult:
    """What a few-shot search has found.

    Attributes:
        folder: Where everything lies.
        best: The best trial.
        evaluation: Of its learner, on classes that no trial has seen.
        leaderboard: One row per trial, best first.
        study: The Optuna study.
        learner: Folder of the learner; `autometa.fewshot.load_learner` reads it.
    """

    folder: Path
    best: TrialReport
    evaluation: Evaluation
    leaderboard: pd.DataFrame
    study: "optuna.Study"
    learner: Path
