"""Few-shot learners, for tables of which only a few rows are labelled."""

from typing import ClassVar

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer

from autometa.candidates._base import Candidate
from autometa.candidates._cost import FitCost
from autometa.candidates._few_shot_estimator import FewShotClassifier
from autometa.candidates._prepare import scaled
from autometa.datasets import Dataset, TableSchema
from autometa.records import Config, TaskType

FEW = 25
"""Labelled rows of a class, on average, up to which practice on tasks made of the table is worthwhile."""

MANY_CLASSES = 50


class FewShot(Candidate):
    """A few-shot learner that practises on tasks made of the table itself, then learns from the labelled rows.

    It takes part in a search of its own accord where rows with a label are few; rows without one are its material.
    """

    name: ClassVar[str] = "few_shot_tabular"
    reference: ClassVar[str] = "Nam, Tack, Lee, Lee, Shin (2023), STUNT, ICLR"
    tasks: ClassVar[frozenset[TaskType]] = frozenset(("binary", "multiclass"))
    cost: ClassVar[FitCost | None] = FitCost(start=1.5, scale=2.0, rows=1.0, columns=0.2, classes=0.0)
    powers: ClassVar = {"n_steps": 0.9, "width": 0.5}
    stops_in_time: ClassVar[bool] = True
    takes_unlabelled: ClassVar[bool] = True
    effort: ClassVar[int] = 3

    def suits(self, dataset: Dataset) -> str | None:
        """Where a class has no more than 25 labelled rows on average, and there are no more than 50 classes."""
        n_classes = dataset.n_classes
        if not 2 <= n_classes <= MANY_CLASSES or len(dataset.y) > FEW * n_classes:
            return None
        each = len(dataset.y) / n_classes
        more = 0 if dataset.unlabelled is None else len(dataset.unlabelled)
        material = f"the {more:,} rows without a label" if more else "the rows themselves"
        return f"there are {each:.3g} labelled rows per class, and {material} to make practice tasks of"

    def prepare(self, config: Config, *, schema: TableSchema, seed: int) -> ColumnTransformer:
        """Scaled numbers and one-hot categories; nothing is learned from the target."""
        scaling = str(config["scaling"])
        return scaled(schema, scaling=scaling, seed=seed, dtype="float32", sparse=False, means=False)

    def model(self, config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> BaseEstimator:
        """A `FewShotClassifier`."""
        settings = {name: value for name, value in config.items() if name != "scaling"}
        return FewShotClassifier().set_params(
            **settings, scaling="none", device="cpu", n_threads=n_threads, random_state=seed
        )
