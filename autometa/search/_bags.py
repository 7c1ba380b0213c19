"""The splits' models of a trial, kept as a bag that goes into the ensemble beside the refitted model, or instead of it.

A bag predicts with the mean of its models, each of which learned without one split (Breiman, 1996, Bagging predictors,
Machine Learning 24). Alone it is about as good as one model that learned from all rows, and costs no time at the end of
a search; both together, each with half of the weight, are better than either (``docs/benchmarks/fold_bags.md``).
"""

import contextlib
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from autometa import model
from autometa.candidates import CANDIDATES
from autometa.search._splits import Splits

_LEAST_SPLITS = 3
_LEAST_SHARE = 0.6


def splits_allow(splits: Splits, n_rows: int) -> bool:
    """Whether models of the splits can stand in for one of all rows: each has seen most rows, and all together all."""
    enough = all(len(rows) >= _LEAST_SHARE * n_rows for rows in splits.train)
    return len(splits) >= _LEAST_SPLITS and enough and len(set().union(*map(set, splits.train))) == n_rows


def candidate_allows(name: str) -> bool:
    """Whether a bag of the candidate's models is worth what it takes to keep and to predict with."""
    return CANDIDATES.create(name).bags


def save(pipelines: Sequence[Any], folder: Path) -> None:
    """Write one folder per model; the bag is there when all of it is.

    What cannot be saved is no loss: the configuration is refitted then, and what hinders that is reported there.
    """
    fresh = folder.with_name(f"{folder.name}.part")
    try:
        for number, pipeline in enumerate(pipelines):
            model.save_pipeline(pipeline, fresh / f"{number}")
        os.replace(fresh, folder)
    except Exception:
        shutil.rmtree(fresh, ignore_errors=True)


def add_to_model(bag: Path, root: Path, relative: str) -> dict[str, float]:
    """Copy a bag into a model's folder; the paths of its models there, relative to ``root``, and their shares."""
    shutil.copytree(bag, root / relative)
    models = sorted(bag.iterdir())
    return {f"{relative}/{one.name}": 1 / len(models) for one in models}


def beside(bag: Mapping[str, float], refitted: str) -> dict[str, float]:
    """Paths and shares of a refitted model and of a bag beside it, if there is one."""
    return {refitted: 0.5 if bag else 1.0} | {path: share / 2 for path, share in bag.items()}


def drop(folder: Path, keep: Collection[int]) -> None:
    """Delete the bags of all trials but these."""
    wanted = {f"{number:05d}" for number in keep}
    with contextlib.suppress(FileNotFoundError):
        for one in [*folder.iterdir()]:
            if one.suffix != ".part" and one.name not in wanted:
                shutil.rmtree(one, ignore_errors=True)
