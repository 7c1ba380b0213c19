"""An MLflow store of its own for each test, copied from one that is made once."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autometa.tracking import Store, resolve

if TYPE_CHECKING:
    from mlflow import MlflowClient


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; MLflow takes seconds to make one."""
    from autometa.tracking import _sqlite

    folder = tmp_path_factory.mktemp("template")
    _sqlite.prepare(folder / "mlflow.db", folder / "mlflow-artifacts")
    return folder / "mlflow.db"


@pytest.fixture
def store(template: Path, own_home: Path) -> Store:
    """The default store, empty."""
    shutil.copy(template, own_home / "mlflow.db")
    return resolve(None)


@pytest.fixture
def client(store: Store) -> "MlflowClient":
    """MLflow's own view of the store."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=store.uri)
