"""Experiments of a real MLflow store, as runs of a knowledge base."""

import io
import math
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from autometa.datasets import Dataset, read_dataset
from autometa.errors import OptionError
from autometa.ingest._mlflow import add_mlflow
from autometa.knowledge import RUN_COLUMNS, KnowledgeBase, StudyReport
from autometa.records import Config, MetaFeatures, TrialStatus
from autometa.spaces import SearchSpace, load_space
from autometa.testing.tracking import sample_failure, sample_info, sample_report
from autometa.tracking import _sqlite
from autometa.tracking._wire import Finish, Start, Trial

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

T0 = 1_700_000_000.0
FEATURES = MetaFeatures("any", {"NumberOfInstances": 20.0})
SVM = load_space("tabular", task="binary").project({"candidate": "svm"})


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rows = np.arange(20)
    frame = pd.DataFrame({"a": rows / 7, "b": rows % 3, "class": np.where(rows % 2, "yes", "no")})
    return read_dataset(frame, target="class", name="twenty rows")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all tests, which takes MLflow seconds to make; each has an experiment of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    _sqlite.prepare(folder / "mlflow.db", folder / "artifacts")
    return f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture(scope="module")
def client(uri: str) -> "MlflowClient":
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


@pytest.fixture
def experiment(client: "MlflowClient", request: pytest.FixtureRequest) -> str:
    """The name of an empty experiment."""
    name = str(request.node.name)
    client.create_experiment(name)
    return name


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    return KnowledgeBase(tmp_path / "kb")


def log(
    client: "MlflowClient",
    experiment: str,
    params: Mapping[str, object],
    *,
    status: str = "FINISHED",
    parent: str | None = None,
    **metrics: float,
) -> str:
    """Write a run of 2.5 s, a second later than the one before; the last value of a metric counts."""
    from mlflow.entities import Metric, Param

    found = client.get_experiment_by_name(experiment)
    assert found is not None
    tags = {} if parent is None else {"mlflow.parentRunId": parent}
    start = int(T0 * 1000) + 1000 * len(client.search_runs([found.experiment_id]))
    run_id = str(client.create_run(found.experiment_id, start_time=start, tags=tags).info.run_id)
    history = [Metric(name, at, 0, step) for name, value in metrics.items() for step, at in enumerate([0.1, value])]
    client.log_batch(run_id, history, [Param(name, str(value)) for name, value in params.items()])
    if status != "RUNNING":
        client.set_terminated(run_id, status, end_time=start + 2500)
    return run_id


def restored(kb: KnowledgeBase, space: SearchSpace) -> list[Config]:
    """Stored configurations as their space reads them."""
    rows = kb.runs(space.name).to_dict("records")
    return [space.from_row({str(name): value for name, value in row.items()}) for row in rows]


def configs(kb: KnowledgeBase, space: str) -> list[dict[str, Any]]:
    """Stored configurations, without what is null."""
    rows = kb.runs(space).drop(columns=list(RUN_COLUMNS)).astype(object).to_dict("records")
    return [{str(k): v for k, v in row.items() if v is not None and v is not pd.NA and v == v} for row in rows]


@pytest.fixture
def add(kb: KnowledgeBase, dataset: Dataset, uri: str, experiment: str) -> Any:
    def added(**options: Any) -> StudyReport:
        given: dict[str, Any] = {"metric": "accuracy", "tracking_uri": uri, "space": "net", "meta_features": FEATURES}
        return add_mlflow(kb, experiment, dataset, **(given | options))

    return added


def test_a_run_becomes_a_run(
    kb: KnowledgeBase, dataset: Dataset, client: "MlflowClient", experiment: str, add: Any
) -> None:
    log(client, experiment, {"depth": 3}, accuracy=0.75)
    report = add()
    (row,) = kb.runs("net").to_dict("records")
    expected = {
        "dataset_id": f"sha256:{dataset.content_hash}",
        "metric": "accuracy",
        "direction": "maximize",
        "value": 0.75,
        "fidelity": 1.0,
        "duration": 2.5,
        "status": "complete",
        "source": "own studies",
        "created": pd.Timestamp(T0 + 2.5, unit="s", tz="UTC"),
        "projected": False,
        "depth": 3,
    }
    assert {name: row[name] for name in expected} == expected
    assert (report.name, report.found, report.runs, report.added_runs) == (experiment, 1, {"complete": 1}, 1)
    assert kb.datasets()["name"].tolist() == ["twenty rows"]


def test_texts_become_what_every_value_of_a_parameter_reads_as(
    kb: KnowledgeBase, client: "MlflowClient", experiment: str, add: Any
) -> None:
    first = {"n": "5", "rate": "1e-3", "flag": "True", "limit": "None", "words": "sqrt", "code": "007", "metric": "l1"}
    other = {"n": "-2", "rate": "2", "flag": "false", "limit": "3", "words": "4", "code": "8", "metric": "None"}
    for value, params in ((0.1, first), (0.2, other)):
        log(client, experiment, params, accuracy=value)
    add()
    runs = kb.runs("net")
    assert {name: runs[name].tolist() for name in ("n", "rate", "flag", "words", "code", "param.metric")} == {
        "n": [5, -2],
        "rate": [0.001, 2.0],
        "flag": [True, False],
        "words": ["sqrt", "4"],
        "code": ["007", "8"],
        "param.metric": ["l1", "None"],
    }
    assert runs["limit"].isna().tolist() == [True, False]
    assert runs["limit"].iloc[1] == 3


def test_adding_again_adds_only_what_is_new_whatever_its_texts_read_as(
    kb: KnowledgeBase, client: "MlflowClient", experiment: str, add: Any
) -> None:
    log(client, experiment, {"features": 1, "words": "a"}, accuracy=0.1)
    log(client, experiment, {"features": 2, "words": "b"}, accuracy=0.2)
    assert [add().added_runs, add().added_runs] == [2, 0]
    log(client, experiment, {"features": "sqrt", "words": 7}, accuracy=0.3)
    assert [add().added_runs, add().added_runs] == [1, 0]
    assert configs(kb, "net") == [
        {"features": 1, "words": "a"},
        {"features": 2, "words": "b"},
        {"features": "sqrt", "words": "7"},
    ]


def test_only_leaves_are_runs(kb: KnowledgeBase, client: "MlflowClient", experiment: str, add: Any) -> None:
    parent = log(client, experiment, {"depth": 0}, accuracy=0.9)
    inner = log(client, experiment, {"depth": 1}, parent=parent, accuracy=0.8)
    log(client, experiment, {"depth": 2}, parent=inner, accuracy=0.7)
    report = add()
    assert configs(kb, "net") == [{"depth": 2}]
    assert report.found == 1


def test_what_is_no_run_is_counted_by_reason(
    kb: KnowledgeBase, client: "MlflowClient", experiment: str, add: Any
) -> None:
    log(client, experiment, {"depth": 1}, accuracy=0.5)
    log(client, experiment, {"depth": 2}, loss=0.5)
    log(client, experiment, {}, accuracy=0.5)
    log(client, experiment, {"depth": 3}, accuracy=math.nan)
    log(client, experiment, {"depth": 4}, accuracy=-math.inf)
    for status in ("FAILED", "KILLED", "RUNNING"):
        log(client, experiment, {"depth": 5}, status=status, accuracy=0.5)
    report = add()
    assert (report.found, report.runs) == (8, {"complete": 1})
    assert report.skipped == {
        "did not log accuracy": 1,
        "without parameters": 1,
        "the value is nan": 1,
        "the value is -inf": 1,
        "failed": 1,
        "killed": 1,
        "running": 1,
    }


def test_hyperparameters_can_be_chosen_and_a_metric_have_another_name(
    kb: KnowledgeBase, client: "MlflowClient", experiment: str, add: Any
) -> None:
    log(client, experiment, {"depth": 3, "host": "a"}, val_nll=0.25)
    assert add(metric="log_loss", logged_as="val_nll", params=["depth"]).direction == "minimize"
    assert configs(kb, "net") == [{"depth": 3}]
    assert kb.runs("net")[["metric", "value"]].to_numpy().tolist() == [["log_loss", 0.25]]


def test_texts_are_read_by_a_space_that_is_known(
    kb: KnowledgeBase, client: "MlflowClient", experiment: str, add: Any
) -> None:
    space = load_space("svm", task="binary")
    config = space.default()
    log(client, experiment, config, accuracy=0.5)
    log(client, experiment, {**config, "C": 1e9, "host": "a"}, accuracy=0.6)
    report = add(space="svm")
    runs = kb.runs("svm")
    assert restored(kb, space) == [config, {**config, "C": space["C"].high}]
    assert runs["projected"].tolist() == [False, True]
    assert report.changes == {"host left out": 1, "C moved into its range": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": None}, r"give the metric\. The experiment's runs logged: accuracy"),
        ({"metric": "acuracy"}, r"No run of the experiment logged 'acuracy'; they logged: accuracy\. .* logged_as"),
        ({"metric": "gain", "logged_as": "accuracy"}, "Give its direction"),
        ({"direction": "minimize"}, "accuracy is better when it is greater, but the direction is minimize"),
        ({"metric": "rmse", "logged_as": "accuracy"}, "does not fit a binary task"),
        ({"params": ["width"]}, "No run logged the parameter 'width'; they logged: depth"),
    ],
)
def test_nothing_is_guessed(
    kb: KnowledgeBase,
    dataset: Dataset,
    client: "MlflowClient",
    uri: str,
    tmp_path: Path,
    options: dict[str, Any],
    message: str,
) -> None:
    if client.get_experiment_by_name("guesses") is None:
        client.create_experiment("guesses")
        log(client, "guesses", {"depth": 3}, accuracy=0.75)
    given: dict[str, Any] = {"metric": "accuracy", "tracking_uri": uri, "meta_features": FEATURES}
    with pytest.raises(OptionError, match=message):
        add_mlflow(kb, "guesses", dataset, **(given | options))
    assert not (tmp_path / "kb").exists()


def test_a_metric_of_ones_own_takes_the_direction_that_is_given(
    client: "MlflowClient", experiment: str, add: Any
) -> None:
    log(client, experiment, {"depth": 3}, gain=0.75)
    report = add(metric="gain", direction="minimize")
    assert (report.metric, report.direction) == ("gain", "minimize")
    assert "'gain' is no metric that autometa knows" in report.notes[0]


def test_an_experiment_is_found_by_its_id_and_a_missing_one_lists_what_there_is(
    client: "MlflowClient", kb: KnowledgeBase, dataset: Dataset, uri: str, experiment: str
) -> None:
    log(client, experiment, {"depth": 3}, accuracy=0.75)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    given: Any = {"metric": "accuracy", "tracking_uri": uri, "meta_features": FEATURES}
    assert add_mlflow(kb, found.experiment_id, dataset, space="net", **given).added_runs == 1
    with pytest.raises(OptionError, match=f"no MLflow experiment 'typo'. The store has: .*{experiment}"):
        add_mlflow(kb, "typo", dataset, **given)


def searched(uri: str, experiment: str, dataset: Dataset, *, metric: str = "roc_auc", own: bool = True) -> None:
    """A search of autometa's with a trial of every ending, as its writer records it."""
    from autometa.tracking._writer import Writer

    table = f"sha256:{dataset.content_hash}" if own else "sha256:0123"
    direction = "maximize" if metric == "roc_auc" else "minimize"
    info = sample_info(dataset_id=table, metric=metric, direction=direction)
    writer = Writer(io.BytesIO())
    writer.write([Start(uri, None, experiment, info, None, T0)])
    ended: tuple[TrialStatus, ...] = ("pruned", "timeout", "memory", "crash", "invalid", "interrupted")
    failures = [sample_failure(number, status) for number, status in enumerate(ended, start=1)]
    reports = [sample_report(0, config=SVM), *failures]
    writer.write([Trial(report, T0 + 10) for report in reports])
    writer.write([Finish({"score": 0.9}, [], T0 + 60)])


def test_searches_of_autometas_own_are_recognised(
    kb: KnowledgeBase, dataset: Dataset, uri: str, client: "MlflowClient", experiment: str, add: Any
) -> None:
    searched(uri, experiment, dataset)
    searched(uri, experiment, dataset, own=False)
    searched(uri, experiment, dataset, metric="log_loss")
    log(client, experiment, {"depth": 3}, accuracy=0.75)
    with pytest.raises(OptionError, match="different metrics: log_loss, roc_auc"):
        add(metric=None, space=None)
    report = add(metric="roc_auc", space=None)
    assert (report.space, report.metric, report.projected) == ("tabular", "roc_auc", report.runs["timeout"] + 3)
    assert report.runs == {"complete": 1, "timeout": 1, "memory": 1, "crash": 1, "invalid": 1}
    assert report.skipped == {
        "of a search of another table": 7,
        "of a search for log_loss": 7,
        "not of a search of autometa": 1,
        "pruned": 1,
        "interrupted": 1,
    }
    runs = kb.runs("tabular")
    complete = runs["status"] == "complete"
    assert restored(kb, load_space("tabular", task="binary"))[complete.tolist().index(True)] == SVM
    assert runs.loc[complete, ["value", "duration"]].to_numpy().tolist() == [[0.75, 2.0]]
    assert runs.loc[~complete, "value"].isna().all()
    assert add(metric="roc_auc", space=None).added_runs == 0


def test_a_search_of_another_table_is_told_apart(dataset: Dataset, uri: str, experiment: str, add: Any) -> None:
    searched(uri, experiment, dataset, own=False)
    with pytest.raises(OptionError, match="None of the 1 searches in the experiment is of the table twenty rows"):
        add(metric=None, space=None)


def test_a_folder_of_runs_is_read_too(
    kb: KnowledgeBase, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    with monkeypatch.context() as allowed:
        allowed.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        old = MlflowClient(tracking_uri=str(tmp_path / "mlruns"))
        old.create_experiment("old")
        log(old, "old", {"depth": 3}, accuracy=0.75)
    for address in (str(tmp_path / "mlruns"), (tmp_path / "mlruns").as_uri()):
        report = add_mlflow(kb, "old", dataset, metric="accuracy", tracking_uri=address, meta_features=FEATURES)
        assert (report.space, report.runs) == ("old", {"complete": 1})
    assert kb.runs("old")["depth"].tolist() == [3]
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sqlite:///{}/none.db", "There is no MLflow store at .*none.db"),
        ("{}/none", "There is no MLflow store at .*none"),
        ("{}", "holds no MLflow experiments"),
        ("sqlite:///{}/foreign.db", "is no MLflow store: it has no experiments"),
        ("{}/foreign.db", "is no MLflow store: it has no experiments"),
        ("sqlite:///{}/old.db", "mlflow db upgrade"),
        ("sqlite:///{}/text.db", "cannot be read: .*not a database"),
        ("postgresql://me:secret@127.0.0.1:1/x", r"postgresql://me:\*\*\*@127"),
        ("http://127.0.0.1:1", "cannot be read"),
        ("gopher://x", "Cannot track in"),
    ],
)
def test_a_store_that_is_not_there_is_named_and_not_made(
    kb: KnowledgeBase, dataset: Dataset, tmp_path: Path, address: str, message: str
) -> None:
    for name, table in (("foreign.db", "studies"), ("old.db", "experiments")):
        with sqlite3.connect(tmp_path / name) as connection:
            connection.execute(f"CREATE TABLE {table} (id INTEGER)")
        connection.close()
    (tmp_path / "text.db").write_text("these are words " * 80)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OptionError, match=message):
        add_mlflow(kb, "x", dataset, metric="accuracy", tracking_uri=address.format(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
