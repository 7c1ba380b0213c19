"""Candidates that misbehave, each in its own way; they join the search through the entry point as plug-ins do."""

import ctypes
import time
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer

from autometa.candidates import Candidate, candidate_entry
from autometa.datasets import TableSchema
from autometa.records import Config, TaskType
from autometa.spaces import SearchSpace


class Misbehaving(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    def __init__(self, how: str = "", level: float = 0.5) -> None:
        self.how = how
        self.level = level

    def fit(self, X: Any, y: Any) -> "Misbehaving":
        self.classes_ = np.unique(y)
        if self.how == "sleeps":
            time.sleep(60)
        if self.how == "segfaults":
            ctypes.string_at(0)
        if self.how == "raises":
            raise RuntimeError("this candidate always fails")
        if self.how == "eats_memory":
            self.held_ = [np.ones(10**7) for _ in range(2000)]
        return self

    def predict_proba(self, X: Any) -> Any:
        value = np.nan if self.how == "says_nan" else self.level
        return np.full((len(X), len(self.classes_)), value)


class Plugin(Candidate):
    """A candidate that misbehaves."""

    def space_for(self, task: TaskType | None) -> SearchSpace:
        level = {"type": "float", "low": 0.1, "high": 0.9, "default": 0.5, "reference": "none"}
        return SearchSpace.from_dict(
            {"name": self.name, "summary": "x", "reference": "x", "hyperparameters": {"level": level}}
        )

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        return ColumnTransformer([("keep", "passthrough", schema.names("numeric"))])

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        return Misbehaving(self.name, float(str(config["level"])))


class Constant(Plugin):
    """It says the same of every row, and does so reliably."""

    name = "constant"
    trusted_types = ("plugin_candidates.Misbehaving",)


constant = candidate_entry(Constant)
HOWS = ("sleeps", "segfaults", "raises", "eats_memory", "says_nan")
for _how in HOWS:
    _member = type(_how, (Plugin,), {"name": _how, "__doc__": f"It {_how}."})
    globals()[_how] = candidate_entry(_member)
