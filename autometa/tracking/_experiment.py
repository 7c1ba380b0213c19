"""MLflow's store and the experiment in it, as a writer needs them."""

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException

from autometa.tracking import _sqlite
from autometa.tracking._view import EXPERIMENT_TAGS
from autometa.tracking._wire import Start


def open_experiment(start: Start) -> tuple[MlflowClient, str, Callable[[], None]]:
    """A client, the id of the experiment, and what to call when the last run is written.

    The store and the experiment are made if they are not there.

    Raises:
        Exception: Whatever keeps MLflow from using the store.
    """
    artifacts = Path(start.artifacts) if start.artifacts else None
    settle: Callable[[], None] = lambda: None  # noqa: E731
    if artifacts and start.uri.startswith("sqlite:///"):
        path = Path(start.uri.removeprefix("sqlite:///"))
        _sqlite.prepare(path, artifacts)
        settle = partial(_sqlite.settle, path)
    elif artifacts:
        _probe(start.uri)
    client = MlflowClient(tracking_uri=start.uri)
    with _impatient():
        return client, _experiment_id(client, start.experiment, artifacts), settle


def _probe(uri: str) -> None:
    """Fail at once on a database that is not there; MLflow would retry for minutes."""
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    engine.connect().close()


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Fail at once on a server that is not there; one that goes away later is waited for."""
    name = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
    later = os.environ.pop(name, None)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if later is not None:
            os.environ[name] = later


def _experiment_id(client: MlflowClient, name: str, artifacts: Path | None) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = artifacts.as_uri() if artifacts else None
        try:
            return str(client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS))
        except MlflowException:  # another search may have made it just now
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise RuntimeError(
            f"the experiment {name!r} is in MLflow's bin; bring it back with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    _dress(client, experiment)
    return str(experiment.experiment_id)


def _dress(client: MlflowClient, experiment: Experiment) -> None:
    """Give an experiment that others made the tags that it lacks."""
    with contextlib.suppress(MlflowException):  # not ours to change: it is shown as its owner has it
        for key in EXPERIMENT_TAGS.keys() - experiment.tags.keys():
            client.set_experiment_tag(experiment.experiment_id, key, EXPERIMENT_TAGS[key])
