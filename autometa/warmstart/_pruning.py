"""Smaller spaces out of what worked elsewhere."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.errors import OptionError
from autometa.evidence import Evidence
from autometa.records import ConfigValue
from autometa.spaces import Hyperparameter, SearchSpace
from autometa.warmstart._regret import mean_squared_distances

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# A hyperparameter is narrowed by at least as many datasets. The best value of one more dataset lies between those of n
# others with a chance of (n - 1) / (n + 1), if they are of a kind: two thirds here.
MIN_DATASETS = 5

_SMALL_TRIM = 1e-9


@dataclass(frozen=True, slots=True)
class Cut:
    """What was cut of one hyperparameter, and why.

    Attributes:
        name: The hyperparameter.
        before: Its range, in words.
        after: What is left of it, in words; empty where it can no longer be active.
        left: The share that is left: of a range on its own scale (0 = one value), or of the choices.
        n_datasets: How many datasets had a say.
        set_by: Names of the datasets that set the low and the high end of a range; empty for choices.
        reason: One sentence that a person can read.
    """

    name: str
    before: str
    after: str
    left: float
    n_datasets: int
    set_by: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Pruned:
    """A part of a space, and what was cut of the whole.

    ``space`` has the name of the whole, and every configuration of it is one of the whole. ``cuts`` are in the order
    of the hyperparameters; where there are none, ``space`` is the whole. ``n_datasets`` told where good
    configurations lie, and ``summary`` says all of it in a sentence.
    """

    space: SearchSpace
    cuts: tuple[Cut, ...]
    n_datasets: int
    summary: str

    @property
    def reasons(self) -> dict[str, str]:
        """Why each hyperparameter was cut, by name; those that stayed whole are absent."""
        return {cut.name: cut.reason for cut in self.cuts}


SpacePruner = Callable[[Evidence, SearchSpace], Pruned]
"""Finds the part of a space that is worth searching; the evidence is left unchanged."""


def bounding_box(evidence: Evidence, space: SearchSpace, *, min_datasets: int = MIN_DATASETS) -> Pruned:
    """The smallest part of a space that holds the best configuration of every dataset.

    Use it where the datasets are of one kind and of each many configurations were tried: one odd dataset widens the
    box. Ranges reach from the smallest to the largest best value. A choice goes where at least ``min_datasets`` tried
    it, and none had it among its best; what nobody tried stays, since nothing speaks against it. So does a range in
    which all tried the same value. What belongs to a choice that was cut goes with it; of a choice that stays
    everything stays, and is narrowed only by at least ``min_datasets`` that chose it. Where several configurations of
    a dataset are equally good, the one most like the best of the other datasets counts; a dataset on which all are
    equally good has no say.

    Perrone, Shen, Seeger, Archambeau, Jenatton (2019), "Learning search spaces for Bayesian optimization: Another view
    of hyperparameter transfer learning", NeurIPS 32. Deviations: conditions, choices, what nobody tried, ties, and the
    least number of datasets.

    Args:
        evidence: What the base knows; values that lie outside ``space`` have no say.
        space: What is narrowed; usually ``evidence.space``.
        min_datasets: A hyperparameter is narrowed by at least as many datasets in whose best it is active.

    Raises:
        OptionError: ``min_datasets`` is below 1.
    """
    return _prune(evidence, space, _Rule(0.0, 0.0, min_datasets))


def quantile_box(
    evidence: Evidence,
    space: SearchSpace,
    *,
    quantile: float = 0.1,
    trim: float = 0.1,
    min_datasets: int = MIN_DATASETS,
) -> Pruned:
    """The part of a space that holds the best share of each dataset's configurations, but for odd datasets.

    Use it where the base is large and mixed. Each dataset has an interval of its own, from the smallest to the
    largest value among its best configurations. The box begins at the ``trim`` quantile of the low ends and stops at
    the ``1 - trim`` quantile of the high ends, both rounded outwards to a value that was seen. A choice goes where at
    most ``trim`` of the datasets that tried it had it among their best, the rarest first, as long as what goes was
    among the best of no more than ``trim`` of all. At least ``1 / trim`` datasets are needed to narrow anything, so
    that one odd dataset never decides an end. All else is as in `bounding_box`.

    The idea of keeping only the regions that did well on other datasets is that of Wistuba, Schilling, Schmidt-Thieme
    (2015), "Hyperparameter Search Space Pruning", ECML PKDD. Deviation: they cut regions around points that are bad
    by the surrogates of similar datasets, which a sampler must know of; this is a box, which any sampler can search.

    Args:
        evidence: What the base knows. Where it was thinned, the share is of what was left of each dataset's runs, the
            better half of which are its best, so the box is narrower than one of all runs.
        space: What is narrowed; usually ``evidence.space``.
        quantile: Share of each dataset's configurations that count as its best, at least one of them.
        trim: Share of the datasets that may lie outside, at each end.
        min_datasets: As in `bounding_box`, besides ``1 / trim``.

    Raises:
        OptionError: An argument is out of range.
    """
    if not 0.0 <= quantile <= 1.0:
        raise OptionError(f"quantile must lie between 0 and 1, got {quantile!r}. It is a share of the configurations.")
    if not 0.0 <= trim < 0.5:
        raise OptionError(f"trim must be at least 0 and below 0.5, got {trim!r}. It is a share of the datasets.")
    return _prune(evidence, space, _Rule(quantile, trim, min_datasets))


def leaders(evidence: Evidence, share: float = 0.0) -> pd.DataFrame:
    """The best ``share`` of each dataset's configurations, at least one: rows of ``evidence.runs``.

    Of equally good ones the first are those most like the best of all datasets: in ``crowd`` is the mean squared
    distance to them. Ordered by adviser, then regret, ``crowd`` and config.
    """
    runs = evidence.runs
    if runs.empty:
        return runs.assign(crowd=0.0)
    grouped = runs.groupby("adviser")["regret"]
    quota = np.maximum(1.0, np.ceil(share * grouped.transform("size") - 1e-9))
    position = grouped.rank(method="min")
    runs = runs.assign(quota=quota, first=position == 1.0)[position <= quota]
    runs = runs.assign(crowd=_distances_to_the_best(evidence, runs))
    runs = runs.sort_values(["adviser", "regret", "crowd", "config"])
    kept: pd.DataFrame = runs[runs.groupby("adviser").cumcount() < runs["quota"]]
    return kept.drop(columns=["quota", "first"])


def _distances_to_the_best(evidence: Evidence, runs: pd.DataFrame) -> Floats:
    """Of each row's configuration; every dataset counts the same, however many of its configurations are best."""
    used, place = np.unique(runs["config"].to_numpy(), return_inverse=True)
    encoded = evidence.space.encode([evidence.configs[i] for i in used])
    first = runs["first"].to_numpy()
    per_dataset = runs["first"].groupby(runs["adviser"]).transform("sum").to_numpy(dtype=np.float64)
    weights = np.bincount(place[first], weights=1.0 / per_dataset[first], minlength=len(used))
    return mean_squared_distances(encoded, encoded, weights / weights.sum())[place]


@dataclass(frozen=True, slots=True)
class _Rule:
    """Which of a dataset's configurations count, how many datasets lie outside, and how many must speak."""

    share: float
    trim: float
    min_datasets: int

    def __post_init__(self) -> None:
        if self.min_datasets < 1:
            raise OptionError(f"min_datasets must be at least 1, got {self.min_datasets!r}.")

    @property
    def best(self) -> str:
        return f"the best {100 * self.share:g} %" if self.share else "the best"

    @property
    def needed(self) -> int:
        """How many datasets must speak: where some are trimmed, enough for one at each end."""
        return max(self.min_datasets, math.ceil(1.0 / max(self.trim, _SMALL_TRIM) - 1e-9) if self.trim else 0)

    def n_outside(self, n_datasets: int) -> int:
        return math.floor(self.trim * n_datasets + 1e-9)


@dataclass(frozen=True, slots=True)
class _Limit:
    """What is left of a hyperparameter: ``(low, high)``, or choices."""

    values: tuple[ConfigValue, ...]
    n_datasets: int
    set_by: tuple[int, ...] = ()

    def holds(self, one: Hyperparameter, value: ConfigValue) -> bool:
        if one.type == "categorical":
            return any(one.index(value) == one.index(kept) for kept in self.values)
        return self.values[0] <= value <= self.values[1]  # type: ignore[operator]


def _prune(evidence: Evidence, space: SearchSpace, rule: _Rule) -> Pruned:
    best = _telling(evidence, leaders(evidence, rule.share))
    limits = _limits(evidence, space, best, rule)
    narrowed = space.restrict({name: limit.values for name, limit in limits.items()}) if limits else space
    cuts = []
    for one in space.hyperparameters:
        if one.name not in narrowed:
            cuts.append(_gone(one, space, limits))
        elif narrowed[one.name].range_text != one.range_text:
            cuts.append(_cut(one, narrowed[one.name], limits[one.name], evidence, rule))
    n_datasets = best["adviser"].nunique()
    return Pruned(narrowed if cuts else space, tuple(cuts), n_datasets, _summary(space, cuts, n_datasets, rule))


def _telling(evidence: Evidence, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of datasets that tell good configurations from others, or know of one only."""
    regret = evidence.runs.groupby("adviser")["regret"]
    flat = (regret.max() <= 0.0) & (regret.size() > 1)
    return rows[~rows["adviser"].isin(flat.index[flat])]


def _limits(evidence: Evidence, space: SearchSpace, best: pd.DataFrame, rule: _Rule) -> dict[str, _Limit]:
    """Parents first: a configuration whose branch was cut has no say in what else belonged to it."""
    runs = _telling(evidence, evidence.runs)
    configs = [evidence.configs[i] for i in best["config"]]
    advisers = best["adviser"].to_numpy(dtype=np.int64)
    inside: dict[str, Bools] = {}
    limits: dict[str, _Limit] = {}
    for one in space.hyperparameters:
        said = [one.name in config and one.problem(config[one.name]) is None for config in configs]
        active = np.array(said, dtype=bool)
        for ancestor in space.requirements.needs(one.name):
            active &= inside[ancestor]
        inside[one.name] = active
        if len(np.unique(advisers[active])) < rule.needed:
            continue
        values = [config[one.name] for config, counts in zip(configs, active, strict=True) if counts]
        find = _choices if one.type == "categorical" else _range
        limit = find(one, values, advisers[active], _tried(evidence, runs, one), rule)
        if limit is not None:
            limits[one.name] = limit
            inside[one.name][active] = [limit.holds(one, value) for value in values]
    return limits


@dataclass(frozen=True, slots=True)
class _Tried:
    """All values of a hyperparameter that were tried: a number or the position of a choice, and where."""

    numbers: Floats
    advisers: Ints

    def n_datasets(self, which: Bools) -> int:
        return len(np.unique(self.advisers[which]))


def _tried(evidence: Evidence, runs: pd.DataFrame, one: Hyperparameter) -> _Tried:
    values = [config.get(one.name, math.nan) for config in evidence.configs]
    if one.type == "categorical":
        places = [one.index(value) for value in values]
        values = [math.nan if place is None else place for place in places]
    numbers = np.asarray(values, dtype=np.float64)[runs["config"].to_numpy()]
    active = ~np.isnan(numbers)
    return _Tried(numbers[active], runs["adviser"].to_numpy(dtype=np.int64)[active])


def _range(
    one: Hyperparameter, values: Sequence[ConfigValue], advisers: Ints, tried: _Tried, rule: _Rule
) -> _Limit | None:
    """The range of the best ``values``; None where they are all one value, and hardly anybody tried another."""
    n_datasets = len(np.unique(advisers))
    numbers, n_outside = np.asarray(values, dtype=np.float64), rule.n_outside(n_datasets)
    low, lowest = _end(numbers, advisers, n_outside)
    high, highest = _end(-numbers, advisers, n_outside)
    if low == -high and tried.n_datasets(tried.numbers != low) < rule.needed:
        return None
    return _Limit((low, -high), n_datasets, (lowest, highest))


def _end(values: Floats, advisers: Ints, n_outside: int) -> tuple[float, int]:
    """The smallest value of the adviser who has the smallest but for ``n_outside`` others; and that adviser."""
    order = np.lexsort((advisers, values))
    _, first = np.unique(advisers[order], return_index=True)
    place = order[np.sort(first)[n_outside]]
    return float(values[place]), int(advisers[place])


def _choices(
    one: Hyperparameter, values: Sequence[ConfigValue], advisers: Ints, tried: _Tried, rule: _Rule
) -> _Limit | None:
    """The choices that enough datasets had, of those that tried them; None where all stay.

    The rarest go first, and equally rare ones together, as long as no more of the datasets than may lie outside had
    what goes: so one choice stays at least.
    """
    n_datasets = len(np.unique(advisers))
    pairs = {(one.index(value), int(adviser)) for value, adviser in zip(values, advisers, strict=True)}
    had = Counter(place for place, _ in pairs)
    known = {place: tried.n_datasets(tried.numbers == place) for place in range(len(one.choices))}
    open_to_doubt = [
        place for place, count in known.items() if count >= rule.needed and had[place] <= rule.n_outside(count)
    ]
    left, gone = rule.n_outside(n_datasets), set[int]()
    for count in sorted({had[place] for place in open_to_doubt}):
        rare = {place for place in open_to_doubt if had[place] == count}
        if count * len(rare) > left:
            break
        left -= count * len(rare)
        gone |= rare
    if not gone:
        return None
    return _Limit(tuple(choice for place, choice in enumerate(one.choices) if place not in gone), n_datasets)


def _cut(one: Hyperparameter, after: Hyperparameter, limit: _Limit, evidence: Evidence, rule: _Rule) -> Cut:
    held, n_outside = f"{rule.best} of {limit.n_datasets} datasets", rule.n_outside(limit.n_datasets)
    set_by = tuple(evidence.advisers[i].name for i in limit.set_by)
    if one.type == "categorical":
        left = len(after.choices) / len(one.choices)
        lost = [label for choice, label in zip(one.choices, one.labels, strict=True) if after.index(choice) is None]
        seldom = "hardly ever" if n_outside else "never"
        why = f"{_listed(lost)} was tried, but {seldom} among {held}"
    else:
        low, high = one.unit(np.array(after.bounds, dtype=np.float64))
        left = float(high - low)
        but = f", less {n_outside} at each end" if n_outside else ""
        ends = f"{set_by[0]!r} set the low end, {set_by[1]!r} the high end"
        why = f"it holds {held}{but}; {ends if set_by[0] != set_by[1] else f'{set_by[0]!r} set both ends'}"
    reason = f"{_short(one)} became {_short(after)}: {why}."
    return Cut(one.name, _short(one), _short(after), left, limit.n_datasets, set_by, reason)


def _gone(one: Hyperparameter, space: SearchSpace, limits: dict[str, _Limit]) -> Cut:
    """A hyperparameter of which some ancestor has lost all values that it needs."""
    needed, n_datasets = [], 0
    for name, values in space.requirements.needs(one.name).items():
        limit, ancestor = limits.get(name), space[name]
        if limit is not None and not any(limit.holds(ancestor, value) for value in values):
            needed.append(f"{name} = {' or '.join(map(str, values))}")
            n_datasets = max(n_datasets, limit.n_datasets)
    reason = f"It exists only where {' and '.join(needed)}, which was cut."
    return Cut(one.name, _short(one), "", 0.0, n_datasets, (), reason)


def _short(one: Hyperparameter) -> str:
    """The range in words, with few digits."""
    if one.type == "categorical":
        return one.range_text
    low, high = one.bounds
    return f"[{low:.4g}, {high:.4g}]" + (" log" if one.log else "")


def _listed(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"each of {', '.join(labels)}"


def _summary(space: SearchSpace, cuts: Sequence[Cut], n_datasets: int, rule: _Rule) -> str:
    held = f"{rule.best} of {n_datasets} datasets"
    if not cuts:
        few = n_datasets < rule.needed
        why = f"{rule.needed} are needed" if few else "too few share a hyperparameter, or they fill the space"
        return f"Nothing was cut by {held}: {why}."
    gone = sum(not cut.after for cut in cuts)
    total = len(space.hyperparameters)
    return f"Of {total} hyperparameters {len(cuts) - gone} were narrowed by {held}, and {gone} went with their parents."
