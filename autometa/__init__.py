"""autometa: hyperparameter searches that start from what worked on other datasets.

The public names are loaded on first use, so that ``import autometa`` is quick and loads neither torch, mlflow nor
openml.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autometa.api import TuneResult, tune
    from autometa.candidates import FewShotClassifier
    from autometa.datasets import Dataset, read_dataset
    from autometa.errors import AutometaError
    from autometa.estimators import AutoMetaClassifier, AutoMetaRegressor
    from autometa.knowledge import KnowledgeBase
    from autometa.model import Model, load_model
    from autometa.spaces import SearchSpace, load_space
    from autometa.studies import create_study, recommend

__version__ = "0.1.0"

_HOMES = {
    "AutoMetaClassifier": "autometa.estimators",
    "AutoMetaRegressor": "autometa.estimators",
    "AutometaError": "autometa.errors",
    "Dataset": "autometa.datasets",
    "FewShotClassifier": "autometa.candidates",
    "KnowledgeBase": "autometa.knowledge",
    "Model": "autometa.model",
    "SearchSpace": "autometa.spaces",
    "TuneResult": "autometa.api",
    "create_study": "autometa.studies",
    "load_model": "autometa.model",
    "load_space": "autometa.spaces",
    "read_dataset": "autometa.datasets",
    "recommend": "autometa.studies",
    "tune": "autometa.api",
}

__all__ = [
    "AutoMetaClassifier",
    "AutoMetaRegressor",
    "AutometaError",
    "Dataset",
    "FewShotClassifier",
    "KnowledgeBase",
    "Model",
    "SearchSpace",
    "TuneResult",
    "create_study",
    "load_model",
    "load_space",
    "read_dataset",
    "recommend",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autometa' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
