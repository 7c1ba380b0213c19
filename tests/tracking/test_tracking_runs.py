"""The tree of runs in a real MLflow store, written in this process."""

import io
import json
import math
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autometa.records import Origin
from autometa.testing.tracking import STATUSES, sample_failure, sample_info, sample_report
from autometa.tracking import Store, resolve
from autometa.tracking._wire import Finish, Message, Start, Trial
from autometa.tracking._writer import Writer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

T0 = 1_700_000_000.0


class Session:
    """A writer without its process, and what it reported."""

    def __init__(self, store: Store, *, resume: str | None = None, **changes: object) -> None:
        self.reports = io.BytesIO()
        self.writer = Writer(self.reports)
        info = sample_info(**changes)
        artifacts = str(store.artifacts) if store.artifacts else None
        self.writer.write([Start(store.uri, artifacts, "autometa", info, resume, T0)])

    def write(self, *messages: Message) -> None:
        self.writer.write(messages)

    def said(self, key: str) -> list[object]:
        lines = map(json.loads, self.reports.getvalue().splitlines())
        return [line[key] for line in lines if key in line]

    @property
    def run_id(self) -> str:
        (run_id,) = self.said("run_id")
        return str(run_id)


def trial(number: int, **changes: object) -> Trial:
    return Trial(sample_report(number, **changes), T0 + 10 + number)


def finish(artifacts: Sequence[Path] = (), **summary: float | str) -> Finish:
    return Finish(summary, [str(path) for path in artifacts], T0 + 60)


def children(client: "MlflowClient", run_id: str) -> "dict[int, Run]":
    """The runs of a search's trials by number."""
    experiment = client.get_run(run_id).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
    return {int(run.data.tags["trial"]): run for run in runs}


def test_search_is_one_run_with_its_settings(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    run = client.get_run(session.run_id)
    assert run.info.run_name == "credit-g"
    assert run.info.status == "RUNNING"
    assert run.info.start_time == 1_700_000_000_000
    assert run.data.params == {
        "time_limit": "60",
        "jobs": "2",
        "warm_start": "auto",
        "task": "binary",
        "metric": "roc_auc",
        "direction": "maximize",
        "seed": "7",
        "dataset": "credit-g",
    }
    expected = {"dataset": "credit-g", "dataset_id": "sha256:0123", "folder": "results/credit-g"}
    assert expected.items() <= run.data.tags.items()
    assert {"mlflow.user", "autometa.version"} <= run.data.tags.keys()
    assert client.get_experiment(run.info.experiment_id).name == "autometa"


def test_trial_is_a_nested_run_with_config_scores_and_origin(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    session.write(trial(7))
    (run,) = children(client, session.run_id).values()
    assert (run.info.run_name, run.info.status) == ("#7 0.75 svm", "FINISHED")
    assert run.data.params == {
        "candidate": "svm",
        "svm.C": "1.5",
        "svm.shrinking": "True",
        "svm.gamma": "None",
    }
    assert run.data.metrics == {
        "roc_auc": 0.75,
        "score": 0.75,
        "duration_seconds": 2.5,
        "fit_seconds": 2.0,
        "peak_memory_mb": 120.5,
        "fold_score": 1.0,
    }
    folds = client.get_metric_history(run.info.run_id, "fold_score")
    assert [(fold.step, fold.value) for fold in folds] == [(0, 0.5), (1, 1.0)]
    assert run.info.end_time - run.info.start_time == 2500
    expected = {
        "mlflow.parentRunId": session.run_id,
        "candidate": "svm",
        "status": "complete",
        "origin": "nearest_datasets: credit-a (distance 0.25)",
        "origin.strategy": "nearest_datasets",
        "origin.dataset": "credit-a",
        "origin.dataset_id": "openml:31",
        "origin.distance": "0.25",
        "origin.rank": "1",
    }
    assert expected.items() <= run.data.tags.items()
    assert "reason" not in run.data.tags
    assert session.said("written") == [1, 1]


def test_each_way_to_end_has_its_status_and_reason(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    session.write(trial(0), *(Trial(sample_failure(i, s), T0) for i, s in enumerate(STATUSES[1:], 1)))
    runs = children(client, session.run_id)
    assert {run.data.tags["status"]: run.info.status for run in runs.values()} == {
        "complete": "FINISHED",
        "pruned": "KILLED",
        "timeout": "KILLED",
        "memory": "KILLED",
        "interrupted": "KILLED",
        "crash": "FAILED",
        "invalid": "FAILED",
    }
    crash = next(run for run in runs.values() if run.data.tags["status"] == "crash")
    assert crash.data.tags["reason"] == "it was a crash"
    assert "roc_auc" not in crash.data.metrics


@pytest.mark.parametrize(
    ("direction", "course"), [("maximize", [0.5, 0.5, 0.9, 0.9]), ("minimize", [0.5, 0.4, 0.4, 0.4])]
)
def test_parent_shows_the_course_of_the_best_score(
    store: Store, client: "MlflowClient", direction: str, course: list[float]
) -> None:
    session = Session(store, direction=direction)
    session.write(trial(0, value=0.5), trial(2, value=0.4), trial(3, value=math.nan))
    session.write(Trial(sample_failure(4, "crash"), T0), trial(1, value=0.9), trial(5, value=0.6))
    history = client.get_metric_history(session.run_id, "best_roc_auc")
    assert sorted((point.step, point.value) for point in history) == list(enumerate(course))


def test_trial_that_begins_is_shown_running_then_ended(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    begun = trial(0, status="running", ended=None, value=None, fold_scores=())
    session.write(begun)
    assert children(client, session.run_id)[0].info.status == "RUNNING"
    session.write(trial(0))
    (run,) = children(client, session.run_id).values()
    assert (run.info.status, run.data.tags["status"]) == ("FINISHED", "complete")
    assert run.data.metrics["roc_auc"] == 0.75


def test_news_of_one_batch_is_written_once(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    session.write(trial(0, status="running", ended=None, value=None, config={"old": 1}), trial(0))
    (run,) = children(client, session.run_id).values()
    assert "old" not in run.data.params
    assert session.said("written") == [1, 1, 1]


def test_result_ends_the_run_and_copies_artifacts(store: Store, client: "MlflowClient", tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "card.json").write_text("{}")
    (tmp_path / "leaderboard.csv").write_text("trial\n")
    session = Session(store)
    session.write(finish([model, tmp_path / "gone.html", tmp_path / "leaderboard.csv"], auc=0.8, best="svm"))
    session.writer.end()
    run = client.get_run(session.run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", int((T0 + 60) * 1000))
    assert run.data.metrics == {"auc": 0.8}
    assert {"best": "svm", "status": "complete"}.items() <= run.data.tags.items()
    assert {entry.path for entry in client.list_artifacts(session.run_id)} == {"leaderboard.csv", "model"}
    assert [entry.path for entry in client.list_artifacts(session.run_id, "model")] == ["model/card.json"]
    assert store.artifacts is not None
    assert (store.artifacts / session.run_id / "artifacts" / "leaderboard.csv").read_text() == "trial\n"
    (problem,) = session.said("problem")
    assert "gone.html was not copied" in str(problem)


def test_search_that_ends_without_a_result_is_killed(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    session.write(trial(0), trial(1, status="running", ended=None, value=None))
    session.writer.end()
    run = client.get_run(session.run_id)
    assert (run.info.status, run.data.tags["status"]) == ("KILLED", "interrupted")
    runs = children(client, session.run_id)
    assert {number: child.info.status for number, child in runs.items()} == {
        0: "FINISHED",
        1: "KILLED",
    }


def test_resumed_search_goes_on_in_its_run(store: Store, client: "MlflowClient") -> None:
    first = Session(store)
    first.write(trial(0, value=0.9), trial(1, status="running", ended=None, value=None))
    second = Session(store, resume=first.run_id, settings={"time_limit": "120", "extra": "1"})
    assert second.run_id == first.run_id
    runs = children(client, second.run_id)
    assert runs[1].info.status == "KILLED"  # it died with the first search
    second.write(trial(0, value=0.1), trial(1, value=0.5), trial(2, value=0.95), finish())
    runs = children(client, second.run_id)
    assert {number: run.data.metrics["roc_auc"] for number, run in runs.items()} == {
        0: 0.9,
        1: 0.5,
        2: 0.95,
    }
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    history = client.get_metric_history(first.run_id, "best_roc_auc")
    assert [(point.step, point.value) for point in history] == [(0, 0.9), (1, 0.9), (2, 0.95)]
    parent = client.get_run(first.run_id)
    assert parent.info.status == "FINISHED"
    assert (parent.data.params["time_limit"], parent.data.tags["resumed.time_limit"]) == ("60", "120")
    assert parent.data.params["extra"] == "1"
    assert second.said("problem") == []


def test_resuming_a_run_that_is_gone_begins_a_new_one(store: Store, client: "MlflowClient") -> None:
    session = Session(store, resume="0" * 32)
    assert client.get_run(session.run_id).info.status == "RUNNING"
    (problem,) = session.said("problem")
    assert "0" * 32 in str(problem)


def test_two_searches_share_the_experiment(store: Store, client: "MlflowClient") -> None:
    ids = {client.get_run(Session(store).run_id).info.experiment_id for _ in range(2)}
    assert len(ids) == 1


def test_deleted_experiment_is_named_with_the_way_out(store: Store, client: "MlflowClient") -> None:
    experiment = client.create_experiment("autometa")
    client.delete_experiment(experiment)
    session = Session(store)
    session.write(trial(0))
    (problem,) = session.said("problem")
    assert f"mlflow experiments restore --experiment-id {experiment}" in str(problem)
    assert session.said("written") == []


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("sqlite:///{folder}/table.csv", "DatabaseError: file is not a database"),
        ("postgresql+psycopg://me@/mlflow?host={folder}", r"OperationalError|No module named"),
        ("http://127.0.0.1:9", "127.0.0.1"),
    ],
)
def test_store_that_is_not_there_is_one_problem_at_once(tmp_path: Path, uri: str, reason: str) -> None:
    (tmp_path / "table.csv").write_text("no database, but long enough to be looked at\n" * 50)
    environment = dict(os.environ)
    began = time.monotonic()
    session = Session(resolve(uri.format(folder=tmp_path)))
    assert time.monotonic() - began < 30
    session.write(trial(0), finish())
    session.writer.end()
    (problem,) = session.said("problem")
    assert str(problem).startswith("MLflow did not record the search: ")
    assert re.search(reason, str(problem))
    assert session.said("written") == []
    assert environment == dict(os.environ)


def test_values_beyond_mlflows_limits_are_cut_and_marked(store: Store, client: "MlflowClient") -> None:
    many: dict[str, object] = {f"p{i}": i for i in range(250)}
    scores = tuple(i / 2000 for i in range(2000))
    session = Session(store)
    session.write(
        trial(0, config={**many, "🙂=x": "v" * 9000}, fold_scores=scores, reason="r" * 9000),
    )
    assert session.said("problem") == []
    (run,) = children(client, session.run_id).values()
    assert len(run.data.params) == 251
    assert run.data.params["__x"].endswith("… [cut: 9000 characters]")
    assert len(run.data.params["__x"]) == 6000
    assert len(run.data.tags["reason"]) == 8000
    assert len(client.get_metric_history(run.info.run_id, "fold_score")) == 2000


def test_scores_that_are_no_numbers_are_kept(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    session.write(trial(0, value=math.nan, fold_scores=(math.nan,)), trial(1, value=math.inf))
    runs = children(client, session.run_id)
    assert math.isnan(runs[0].data.metrics["roc_auc"])
    assert runs[1].data.metrics["roc_auc"] > 1e308
    assert client.get_metric_history(session.run_id, "best_roc_auc") == []


def test_failing_record_is_named_and_the_next_is_written(
    store: Store, client: "MlflowClient", monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(store)
    session.write(trial(0, status="running", ended=None, value=None))
    monkeypatch.setattr(Origin, "__str__", lambda origin: 1 / 0)
    session.write(trial(0), trial(1), trial(2))
    monkeypatch.undo()
    session.write(trial(3))
    assert session.said("problem") == ["MLflow did not record trial 0: ZeroDivisionError: division by zero"]
    assert session.said("written") == [1, 1, 1]
    assert children(client, session.run_id)[3].info.status == "FINISHED"


def note_of(client: "MlflowClient", run_id: str) -> str:
    return str(client.get_run(run_id).data.tags["mlflow.note.content"])


def test_description_says_how_to_go_on_then_the_result(store: Store, client: "MlflowClient", tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>")
    session = Session(store)
    begun = note_of(client, session.run_id)
    assert begun.startswith("A search on credit-g (binary classification) that runs, or was interrupted. ")
    assert begun.endswith("Go on with it: `autometa tune --resume results/credit-g --time-limit SECONDS`")
    session.write(trial(0), finish([tmp_path / "report.html"], score=0.81234567))
    ended = note_of(client, session.run_id)
    assert ended.startswith("**roc\\_auc 0.81235** on credit-g (binary classification). ")
    assert f"[Report](#/experiments/1/runs/{session.run_id}/artifacts/report.html?" in ended
    assert "orderByKey=metrics.%60score%60&orderByAsc=false)" in ended


def test_description_that_its_user_changed_is_kept(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    client.set_tag(session.run_id, "mlflow.note.content", "the good one")
    session.write(finish(score=0.8))
    resumed = Session(store, resume=session.run_id)
    resumed.write(finish(score=0.9))
    assert note_of(client, session.run_id) == "the good one"


def test_resumed_search_describes_its_new_result(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    session.write(finish(score=0.8))
    resumed = Session(store, resume=session.run_id)
    assert "runs, or was interrupted" in note_of(client, session.run_id)
    resumed.write(finish(score=0.9))
    assert note_of(client, session.run_id).startswith("**roc\\_auc 0.9** ")


def test_search_names_its_table_and_its_best_candidate(store: Store, client: "MlflowClient") -> None:
    session = Session(store)
    session.write(trial(0, value=0.5), trial(1, value=0.7, candidate="lightgbm"), trial(2, value=0.6))
    run = client.get_run(session.run_id)
    assert run.data.tags["candidate"] == "best: lightgbm (trial 1)"
    assert run.inputs is not None
    (table,) = run.inputs.dataset_inputs
    assert (table.dataset.name, table.dataset.digest) == ("credit-g", "0123")


@pytest.mark.parametrize("by_others", [False, True])
def test_experiment_has_a_view_with_candidate_score_and_origin(
    store: Store, client: "MlflowClient", by_others: bool
) -> None:
    if by_others:
        client.create_experiment("autometa", tags={"mlflow.experimentKind": "theirs"})
    Session(store)
    tags = client.get_experiment("1").tags
    assert tags["mlflow.experimentKind"] == ("theirs" if by_others else "custom_model_development")
    view = json.loads(json.loads(tags["mlflow.sharedViewState.autometa"])["state"])
    assert {"metrics.`score`", "tags.`candidate`", "tags.`origin`"} <= set(view["selectedColumns"])
    client.set_experiment_tag("1", "mlflow.sharedViewState.autometa", "changed by its user")
    Session(store)
    assert client.get_experiment("1").tags["mlflow.sharedViewState.autometa"] == "changed by its user"
