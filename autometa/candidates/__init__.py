"""What a trial can build: learners for tables, each with the preparation that suits it.

`CANDIDATES` knows them by name. Third parties add theirs through the entry-point group
``autometa.candidates``, each entry point naming what `candidate_entry` makes of a `Candidate` class;
`autometa.testing.candidates` has the checks that it should pass.
"""

from sklearn.pipeline import Pipeline

from autometa.candidates._base import Candidate, candidate_entry, member_config
from autometa.candidates._catboost import CatBoost
from autometa.candidates._cost import FitCost
from autometa.candidates._extra_trees import ExtraTrees
from autometa.candidates._few_shot import FewShot
from autometa.candidates._few_shot_estimator import FewShotClassifier
from autometa.candidates._hist_gradient_boosting import HistGradientBoosting
from autometa.candidates._k_nearest_neighbors import KNearestNeighbors
from autometa.candidates._lightgbm import LightGBM
from autometa.candidates._logistic_regression import LogisticRegression
from autometa.candidates._mlp import MLP
from autometa.candidates._random_forest import RandomForest
from autometa.candidates._ridge import Ridge
from autometa.candidates._svm import SVM
from autometa.candidates._trusted import TRUSTED_TYPES
from autometa.candidates._xgboost import XGBoost
from autometa.datasets import TableSchema
from autometa.records import Config, TaskType
from autometa.registry import Registry

__all__ = [
    "CANDIDATES",
    "MLP",
    "SVM",
    "TRUSTED_TYPES",
    "Candidate",
    "CatBoost",
    "ExtraTrees",
    "FewShot",
    "FewShotClassifier",
    "FitCost",
    "HistGradientBoosting",
    "KNearestNeighbors",
    "LightGBM",
    "LogisticRegression",
    "RandomForest",
    "Ridge",
    "XGBoost",
    "available",
    "build",
    "candidate_entry",
    "member_config",
]

CANDIDATES: Registry[Candidate] = Registry("candidate", group="autometa.candidates")

for _member in (
    CatBoost,
    ExtraTrees,
    FewShot,
    HistGradientBoosting,
    KNearestNeighbors,
    LightGBM,
    LogisticRegression,
    MLP,
    RandomForest,
    Ridge,
    SVM,
    XGBoost,
):
    CANDIDATES.register(candidate_entry(_member))


def available(task: TaskType) -> list[str]:
    """Names of the candidates that learn a task and whose library is installed, in alphabetical order."""
    return [entry.name for entry in CANDIDATES if entry.tags[task] and entry.factory().available()]


def build(config: Config, *, schema: TableSchema, seed: int, n_threads: int = 1) -> Pipeline:
    """Make the unfitted pipeline of a configuration of the space ``tabular``.

    Args:
        config: ``candidate`` and that candidate's active hyperparameters, such as ``svm.C``.
        schema: The columns and the task that the pipeline will be fitted on.
        seed: Goes into every ``random_state``; 0 or more.
        n_threads: Threads that the model may use; 1 or more.

    Raises:
        UnknownNameError: There is no such candidate.
        InvalidConfigError: A name or a value lies outside the candidate's space.
        OptionError: The candidate does not learn the task, or its library is not installed.
    """
    name, own = member_config(config)
    return CANDIDATES.create(name).build(own, schema=schema, seed=seed, n_threads=n_threads)
