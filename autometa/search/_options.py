"""The options of a search, checked once."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from autometa.errors import OptionError
from autometa.search._environment import available_memory, cores

OWN_SPLITS = "own"
CLASS_WEIGHTS = ("auto", "balanced", "none")
_CV = re.compile(r"(?P<folds>\d+)(x(?P<repeats>\d+))?|holdout(:(?P<share>0?\.\d+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What a search may use and should do.

    Attributes:
        time_limit: Seconds for everything: reading, trials, ensemble, refit. None: no limit.
        trials: Number of finished trials after which the search ends. None: no limit.
        jobs: Trials that run at the same time.
        memory_limit: Megabytes that one trial may allocate beyond its libraries. None: what is free, shared out.
        seed: Of splits, samplers and candidates.
        metric: Any scikit-learn scorer by name; None takes the task's default.
        cv: Folds (``5``), repeated folds (``5x3``), ``holdout`` or ``holdout:0.25``; ``own`` where splits are given.
        class_weight: ``balanced`` gives every class the same weight in fits, ``none`` leaves the rows alone, ``auto``
            balances where classes are rare and the metric counts classes alike.
        warm_start: Name of a warm starter, or ``none``.
        warm_trials: How many configurations the warm start may queue.
        sampler: Name of a sampler; ``auto`` is ``transfer``, or ``tpe`` where the warm start is ``none``.
        exclude_datasets: Names of datasets of the knowledge base that may not advise, nor may copies of them.
        learn: Whether the finished search adds its runs to the knowledge base.
        ensemble_size: Models at most in the ensemble.
        candidates: Names of candidates to search; None takes all that are installed.
    """

    time_limit: float | None = 300.0
    trials: int | None = None
    jobs: int = 1
    memory_limit: int | None = None
    seed: int = 0
    metric: str | None = None
    cv: str = "5"
    class_weight: str = "auto"
    warm_start: str = "auto"
    warm_trials: int = 10
    sampler: str = "auto"
    exclude_datasets: tuple[str, ...] = ()
    learn: bool = True
    ensemble_size: int = 8
    candidates: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check every rule that needs no table.

        Raises:
            OptionError: A rule is broken.
        """
        if self.time_limit is None and self.trials is None:
            raise OptionError("A search needs an end: give a time limit in seconds, a number of trials, or both.")
        for name, low in (("time_limit", 1), ("trials", 1), ("jobs", 1), ("memory_limit", 64)):
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise OptionError(f"{name} must be at least {low}, got {value}.")
        for name in ("seed", "warm_trials"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name} must not be negative, got {getattr(self, name)}.")
        if self.cv != OWN_SPLITS:
            parse_cv(self.cv)
        if self.class_weight not in CLASS_WEIGHTS:
            raise OptionError(f"class_weight must be one of {', '.join(CLASS_WEIGHTS)}, got {self.class_weight!r}.")
        if self.ensemble_size < 1:
            raise OptionError(f"ensemble_size must be at least 1 (1 = the best model alone), got {self.ensemble_size}.")

    @property
    def trial_seconds(self) -> float | None:
        """No trial may take more than a sixth of the search: one slow model must not be all that was tried.

        Fifteen seconds at least, but never more than a quarter of the search.
        """
        return None if self.time_limit is None else min(max(15.0, self.time_limit / 6), self.time_limit / 4)

    @property
    def sampler_name(self) -> str:
        """The sampler's registry name."""
        if self.sampler != "auto":
            return self.sampler
        return "tpe" if self.warm_start == "none" else "transfer"

    @property
    def threads(self) -> int:
        """Numerical threads of each trial: the cores shared out among the jobs."""
        return max(1, cores() // self.jobs)

    @property
    def trial_memory(self) -> int | None:
        """Megabytes for one trial."""
        if self.memory_limit is not None:
            return self.memory_limit
        free = available_memory()
        return None if free is None else max(256, int(0.9 * free / self.jobs))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for the state file."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> "SearchOptions":
        """The options that `to_json` wrote."""
        chosen = plain.get("candidates")
        lists = {
            "candidates": None if chosen is None else tuple(chosen),
            "exclude_datasets": tuple(plain.get("exclude_datasets", ())),
        }
        return cls(**{**plain, **lists})


def parse_cv(cv: str) -> tuple[int, int, float | None]:
    """Folds, repeats and the held-out share of a description such as ``5``, ``5x3``, ``holdout`` or ``holdout:0.3``.

    The share is None for folds; a hold-out counts as one fold.

    Raises:
        OptionError: It reads otherwise.
    """
    found = _CV.fullmatch(cv.strip())
    if found is None:
        raise OptionError(
            f"cv must be a number of folds such as 5, repeated folds such as 5x3, holdout or holdout:0.25, got {cv!r}."
        )
    if found["folds"] is None:
        return 1, 1, float(found["share"] or 0.25)
    folds, repeats = int(found["folds"]), int(found["repeats"] or 1)
    if folds < 2:
        raise OptionError(f"cv must be at least 2 folds, got {folds}. Use 5 unless rows are few, or holdout.")
    if repeats < 1:
        raise OptionError(f"cv must repeat its folds at least once, got {cv!r}.")
    return folds, repeats, None
