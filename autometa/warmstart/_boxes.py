"""Draws from the part of the space where other datasets found their best."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from autometa.evidence import Evidence, judged_by
from autometa.records import Config, ConfigValue, Suggestion
from autometa.spaces import Hyperparameter, SearchSpace
from autometa.warmstart._base import EvidenceStarter
from autometa.warmstart._origins import nth, origin
from autometa.warmstart._pruning import Pruned, bounding_box, leaders, quantile_box
from autometa.warmstart._regret import squared_distances

# Points are drawn in blocks, a power of 2. So many draws in a row that bring nothing new mean that the box is used up.
_BLOCK = 64
_ENOUGH = 512


class BoundingBox(EvidenceStarter):
    """Draws from the smallest box that holds the best configuration of every dataset.

    Use it where no single past configuration is to be trusted, but the region is: the draws fill the box evenly, so
    what comes after them sees all of it. The first suggestion is a past run: of the best configurations of all
    datasets the one most like the others. Where so few datasets speak that nothing of the space is cut, a draw would
    be no advice, and the best configuration of each dataset is all there is.

    Perrone et al. (2019), "Learning search spaces for Bayesian optimization", NeurIPS 32, section 4.1, with random
    search in the box. Deviations: see `bounding_box`; the first suggestion, and scrambled Sobol points (Owen 1998) in
    place of independent draws. The same seed with a larger ``n`` goes on where the smaller stopped.
    """

    def choose(self, evidence: Evidence, n: int, *, seed: int) -> list[Suggestion]:
        """See `EvidenceStarter.choose`."""
        return draw(evidence, bounding_box(evidence, evidence.space), n, strategy="bounding_box", seed=seed)


class QuantileBox(EvidenceStarter):
    """Draws from a box that holds the best share of most datasets' configurations.

    As `BoundingBox`, where the base is mixed: one odd dataset does not widen the box. See `quantile_box`.
    """

    def __init__(self, *, quantile: float = 0.1, trim: float = 0.1) -> None:
        """``quantile`` is the share of each dataset's configurations, ``trim`` that of the datasets left outside."""
        self.quantile = quantile
        self.trim = trim

    def choose(self, evidence: Evidence, n: int, *, seed: int) -> list[Suggestion]:
        """See `EvidenceStarter.choose`."""
        pruned = quantile_box(evidence, evidence.space, quantile=self.quantile, trim=self.trim)
        return draw(evidence, pruned, n, strategy="quantile_box", seed=seed)


def draw(evidence: Evidence, pruned: Pruned, n: int, *, strategy: str, seed: int) -> list[Suggestion]:
    """Up to ``n`` distinct configurations of a box: the most typical past best, then draws.

    Args:
        evidence: What the box was made of.
        pruned: The box. Where nothing was cut, the best of each dataset are suggested, and nothing is drawn.
        n: How many at most.
        strategy: Registry name of the warm starter.
        seed: Of the draws.
    """
    if not evidence.configs or n <= 0:
        return []
    best = leaders(evidence)
    typical = best.sort_values(["crowd", "adviser"]).drop_duplicates("config")
    if not pruned.cuts:
        return _past(evidence, typical.head(n), strategy)
    inside = [not pruned.space.problems(evidence.configs[i]) for i in typical["config"]]
    suggestions = _past(evidence, typical[inside].head(1), strategy)
    drawn = _fresh(pruned.space, seed, n - len(suggestions), [one.config for one in suggestions])
    return suggestions + _drawn(evidence, pruned, best, drawn, strategy, len(suggestions) + 1)


def _fresh(space: SearchSpace, seed: int, n: int, known: Sequence[Config]) -> list[Config]:
    """Up to ``n`` distinct draws that are not ``known``."""
    found, seen, in_vain = list[Config](), {space.key(config) for config in known}, 0
    for config in points(space, seed):
        if len(found) == n or in_vain == _ENOUGH:
            break
        key = space.key(config)
        in_vain = in_vain + 1 if key in seen else 0
        if key not in seen:
            seen.add(key)
            found.append(config)
    return found


def points(space: SearchSpace, seed: int) -> Iterator[Config]:
    """Configurations that fill a space evenly, without end: scrambled Sobol points, each hyperparameter a dimension."""
    from scipy.stats import qmc

    engine = qmc.Sobol(len(space.hyperparameters), seed=np.random.default_rng(seed))
    while True:
        for point in engine.random(_BLOCK):
            config: Config = {}
            for one, place in zip(space.hyperparameters, point, strict=True):
                if space.requirements.hold(one.name, config):
                    config[one.name] = value_at(one, float(place))
            yield config


def value_at(one: Hyperparameter, place: float) -> ConfigValue:
    """The value at a place in [0, 1) of a range, such that even places are as likely as `Hyperparameter.sample`'s."""
    if one.type == "categorical":
        return one.choices[int(place * len(one.choices))]
    low, high = one.bounds
    if one.log:
        widened = 0.5 if one.type == "int" else 0.0
        start, stop = math.log(low - widened), math.log(high + widened)
        value = math.exp(start + place * (stop - start))
        return one.nearest(round(value) if one.type == "int" else value)
    step = one.step or (1 if one.type == "int" else None)
    if step is None:
        return one.nearest(low + place * (high - low))
    return one.nearest(low + step * int(place * (round((high - low) / step) + 1)))


def _past(evidence: Evidence, rows: pd.DataFrame, strategy: str) -> list[Suggestion]:
    """Suggestions of datasets' best configurations, the most typical first."""
    suggestions = []
    table = zip(rows["config"], rows["adviser"], rows["projected"], strict=True)
    for rank, (config, adviser, projected) in enumerate(table, start=1):
        source, count = evidence.advisers[adviser], len(evidence.advisers)
        typical = f", the {nth(rank)}most typical of the best of {count} datasets" if count > 1 else ""
        reason = f"Best {judged_by(evidence, source)} on {source.name!r}{typical}."
        told = origin(source, strategy=strategy, rank=rank, reason=reason, projected=bool(projected))
        suggestions.append(Suggestion(dict(evidence.configs[config]), told))
    return suggestions


def _drawn(
    evidence: Evidence, pruned: Pruned, best: pd.DataFrame, configs: Sequence[Config], strategy: str, first_rank: int
) -> list[Suggestion]:
    """Suggestions of draws; each names the dataset whose best configuration is nearest to it."""
    if not configs:
        return []
    bests = evidence.space.encode([evidence.configs[i] for i in best["config"]])
    nearest = np.round(squared_distances(evidence.space.encode(configs), bests), 12).argmin(axis=1)
    box = f"Drawn from where {pruned.n_datasets} datasets found their best{_ends(pruned)}"
    suggestions = []
    for rank, (config, row) in enumerate(zip(configs, nearest, strict=True), start=first_rank):
        source = evidence.advisers[int(best["adviser"].iloc[row])]
        reason = f"{box}; the nearest of these is the best {judged_by(evidence, source)} on {source.name!r}."
        told = origin(source, strategy=strategy, rank=rank, reason=reason, projected=False)
        suggestions.append(Suggestion(config, told))
    return suggestions


def _ends(pruned: Pruned) -> str:
    """Who set the ends of the box, those who set most of them first."""
    counts = Counter(name for cut in pruned.cuts for name in cut.set_by)
    names = [repr(name) for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
    if not names:
        return ""
    shown = names if len(names) <= 3 else [*names[:2], f"{len(names) - 2} others"]
    return f", a box with ends set by {', '.join(shown[:-1])}{' and ' if len(shown) > 1 else ''}{shown[-1]}"
