"""Knowledge bases that mislead: what a search makes of them shows whether it can be hurt by what it is told."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from _transfer_problems import Problem, at, make_base, place_of, records

from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.spaces import SearchSpace

Hostile = Literal["inverted", "shuffled", "other"]
HOSTILE: tuple[Hostile, ...] = ("inverted", "shuffled", "other")
OTHER = {
    "hpobench_mlp": "nas_bench_201",
    "nas_bench_201": "hpobench_mlp",
    "rbv2_rpart": "iaml_glmnet",
    "iaml_glmnet": "rbv2_rpart",
}


def hostile_base(problem: Problem, kind: Hostile, cache: Path, *, other: Problem | None = None) -> KnowledgeBase:
    """The problem's base turned into one that misleads; made once.

    - ``inverted``: the best configuration of every dataset has the worst value and the other way round;
    - ``shuffled``: every dataset's values are dealt out anew among its configurations;
    - ``other``: runs of another learner on other datasets. Its hyperparameters have other names, so the first one's
      place in its range becomes the first one's place here, and so on; what is left has its default.

    Args:
        problem: Whose base.
        kind: Which.
        cache: Where bases are kept.
        other: The problem whose runs are to mislead, for ``other``.
    """

    def runs(space: str, metric: Metric) -> Iterable[pd.DataFrame]:
        if kind == "other":
            if other is None:
                raise ValueError("Runs of another learner need its problem, but got none.")
            return [_projected(frame, other, problem) for frame in _by_dataset(other)]
        return [_turned(frame, kind) for frame in _by_dataset(problem)]

    return make_base(cache / f"kb-{problem.name}-{kind}", runs, problem.name, problem.metric)


def _by_dataset(problem: Problem) -> list[pd.DataFrame]:
    runs = problem.kb.runs(problem.name, metrics=[problem.metric.name])
    return [rows for _, rows in runs[["dataset_id", *problem.space.names, "value"]].groupby("dataset_id")]


def _turned(frame: pd.DataFrame, kind: Hostile) -> pd.DataFrame:
    values = frame["value"].to_numpy(dtype=np.float64)
    if kind == "inverted":
        return frame.assign(value=values.min() + values.max() - values)
    seed = list(str(frame["dataset_id"].iloc[0]).encode())
    return frame.assign(value=np.random.default_rng(seed).permutation(values))


def _projected(frame: pd.DataFrame, theirs: Problem, ours: Problem) -> pd.DataFrame:
    """Another learner's runs in our space, better where they were better; one value per configuration."""
    configs = [translated(row, theirs.space, ours.space) for row in records(frame)]
    sign = 1.0 if theirs.metric.direction == ours.metric.direction else -1.0
    moved = pd.DataFrame(configs).assign(value=sign * frame["value"].to_numpy(dtype=np.float64))
    means = moved.groupby(list(ours.space.names), sort=False)["value"].mean()
    return means.reset_index().assign(dataset_id=str(frame["dataset_id"].iloc[0]))


def translated(row: dict[str, object], theirs: SearchSpace, ours: SearchSpace) -> dict[str, object]:
    """A configuration with the same places in the ranges of another space's hyperparameters, in their order."""
    known = theirs.from_row(row)
    places = [place_of(one, known[one.name]) for one in theirs.hyperparameters]
    pairs = zip(ours.hyperparameters, places, strict=False)
    return {**ours.default(), **{one.name: at(one, place) for one, place in pairs}}
