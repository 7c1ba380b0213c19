"""Tables and models for the export: fitted directly, without a search."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from autometa import candidates, model
from autometa.calibration import Calibration
from autometa.datasets import Dataset
from autometa.model import Member, Model
from autometa.records import Config, TaskType
from autometa.spaces import load_space
from autometa.testing._candidate_tools import cheap

Save = Callable[..., Model]
EXAMPLES = Path(__file__).parents[2] / "examples"


def config_of(name: str, task: TaskType, **changes: Any) -> Config:
    """A candidate's defaults, with as few trees and units as its space allows."""
    space = candidates.CANDIDATES.create(name).space_for(task)
    own = {**cheap(space, space.default()), **changes}
    return load_space("tabular", task=task).project(
        {"candidate": name, **{f"{name}.{key}": value for key, value in own.items()}}
    )


def save_model(
    folder: Path,
    dataset: Dataset,
    members: Mapping[str, float],
    *,
    calibration: Calibration | None = None,
    calibrations: Mapping[str, Calibration] | None = None,
    **changes: Any,
) -> Model:
    """A model of these candidates and weights; ``changes`` are hyperparameters of all of them.

    ``calibration`` is the model's, ``calibrations`` are those of candidates.
    """
    saved = []
    for number, (name, weight) in enumerate(members.items()):
        config = config_of(name, dataset.task, **changes)
        pipeline = candidates.build(config, schema=dataset.schema, seed=0).fit(dataset.X, dataset.y.to_numpy())
        path = f"members/{number:02d}-{name}"
        model.save_pipeline(pipeline, folder / path)
        saved.append(Member(path, weight, name, config, number, 0.5, (calibrations or {}).get(name)))
    facts = {"metric": "log_loss", "calibration": None if calibration is None else calibration.to_json()}
    model.write_card(folder, saved, dataset.schema, facts)
    return Model.load(folder)


def table(task: TaskType, *, n: int = 100) -> pd.DataFrame:
    """Numbers, a rare number, few and many categories, truth values and dates, with gaps in most of them."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "count": np.round(rng.exponential(size=n) * 3),
            "colour": rng.choice(["red", "green", "blue"], n),
            "town": rng.choice([f"town {i}" for i in range(60)], n),
            "flag": rng.random(n) < 0.5,
            "day": pd.Timestamp("1962-02-27 13:45") + pd.to_timedelta(rng.integers(0, 80 * 365 * 24, n), unit="h"),
        }
    )
    score = frame["size"] + 1.5 * (frame["colour"] == "red") + 0.2 * frame["count"]
    for name in ("size", "colour", "town", "day"):
        frame.loc[rng.random(n) < 0.1, name] = None
    ranks = score.rank(pct=True)
    if task == "regression":
        return frame.assign(target=score)
    if task == "binary":
        return frame.assign(target=np.where(ranks > 0.4, "yes", "no"))
    return frame.assign(target=np.select([ranks > 0.7, ranks > 0.4], ["b", "c"], "a"))


def strange(X: pd.DataFrame) -> pd.DataFrame:
    """The rows, and again with holes, categories that were never seen, and numbers far out."""
    rng, odd = np.random.default_rng(1), X.copy()
    for name in X.columns:
        if X[name].dtype == "str":
            odd.loc[rng.random(len(X)) < 0.2, name] = "never seen"
        elif X[name].dtype.kind == "f":
            odd.loc[rng.random(len(X)) < 0.1, name] = 1e6
        odd.loc[rng.random(len(X)) < 0.2, name] = None
    return pd.concat([X, odd], ignore_index=True)
