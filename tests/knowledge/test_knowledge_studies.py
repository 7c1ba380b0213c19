"""Optuna studies that other code has made, as runs of a knowledge base."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from autometa.datasets import Dataset, read_dataset
from autometa.errors import OptionError
from autometa.knowledge import RUN_COLUMNS, KnowledgeBase, StudyReport
from autometa.knowledge._studies import OWN_ORIGIN, OWN_REPORT
from autometa.knowledge._study_runs import OWN_SPACE
from autometa.records import DatasetRecord, Direction, MetaFeatures
from autometa.search import _plan, _study
from autometa.spaces import SearchSpace, load_space

BEGAN = datetime(2026, 3, 1, 12, 0, 0)
FEATURES = MetaFeatures("any", {"NumberOfInstances": 20.0})
DEPTH = IntDistribution(1, 9)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rows = np.arange(20)
    frame = pd.DataFrame({"a": rows / 7, "b": rows % 3, "class": np.where(rows % 2, "yes", "no")})
    return read_dataset(frame, target="class", name="twenty rows")


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    return KnowledgeBase(tmp_path / "kb")


def trial(
    value: float | Sequence[float] | None = 0.5,
    state: TrialState = TrialState.COMPLETE,
    *,
    seconds: float = 1.5,
    steps: Mapping[int, float] | None = None,
    distributions: Mapping[str, BaseDistribution] | None = None,
    attrs: Mapping[str, Any] | None = None,
    **params: Any,
) -> FrozenTrial:
    """A trial that took ``seconds``; parameters without a distribution are whole numbers from 1 to 9."""
    values = [value] if isinstance(value, float | int) else value
    finished = state.is_finished()
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=state,
        value=None,
        values=None if values is None else list(values),
        datetime_start=BEGAN,
        datetime_complete=BEGAN + timedelta(seconds=seconds) if finished else None,
        params=params,
        distributions={name: (distributions or {}).get(name, DEPTH) for name in params},
        user_attrs=dict(attrs or {}),
        system_attrs={},
        intermediate_values=dict(steps or {}),
    )


def study(*trials: FrozenTrial, name: str = "mine", direction: Direction = "maximize", **options: Any) -> optuna.Study:
    made = optuna.create_study(study_name=name, direction=None if "directions" in options else direction, **options)
    made.add_trials(trials)
    return made


def add(kb: KnowledgeBase, of: optuna.Study, dataset: Dataset, **options: Any) -> StudyReport:
    given: dict[str, Any] = {"metric": "accuracy", "meta_features": FEATURES}
    return kb.add_study(of, dataset, **(given | options))


def records(kb: KnowledgeBase, space: str = "mine") -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in kb.runs(space).to_dict("records")]


def configs(kb: KnowledgeBase, space: str = "mine") -> list[dict[str, Any]]:
    """Stored configurations, without what is null."""
    rows = kb.runs(space).drop(columns=list(RUN_COLUMNS)).astype(object).to_dict("records")
    return [{str(k): v for k, v in row.items() if v is not None and v is not pd.NA and v == v} for row in rows]


def test_a_trial_becomes_a_run(kb: KnowledgeBase, dataset: Dataset) -> None:
    report = add(kb, study(trial(0.75, depth=3)), dataset)
    (row,) = kb.runs("mine").to_dict("records")
    expected = {
        "dataset_id": f"sha256:{dataset.content_hash}",
        "metric": "accuracy",
        "direction": "maximize",
        "value": 0.75,
        "fidelity": 1.0,
        "duration": 1.5,
        "status": "complete",
        "source": "own studies",
        "created": pd.Timestamp((BEGAN + timedelta(seconds=1.5)).astimezone()).tz_convert("UTC"),
        "projected": False,
        "depth": 3,
    }
    assert {name: row[name] for name in expected} == expected
    assert (report.space, report.found, report.runs, report.added_runs) == ("mine", 1, {"complete": 1}, 1)
    assert (report.projected, report.skipped, report.notes) == (0, {}, ())


def test_the_dataset_is_described_and_none_of_its_rows_is_kept(kb: KnowledgeBase, dataset: Dataset) -> None:
    report = add(kb, study(trial(depth=3)), dataset, meta_features=None)
    assert report.added_dataset
    (record,) = kb.datasets().reset_index().to_dict("records")
    assert record["dataset_id"] == report.dataset_id == f"sha256:{dataset.content_hash}"
    assert (record["name"], record["task"], record["source"]) == ("twenty rows", "binary", "own studies")
    assert kb.meta_features()[["NumberOfInstances", "NumberOfFeatures"]].to_numpy().ravel().tolist() == [20.0, 2.0]
    assert len(kb.datasets()) == len(kb.meta_features()) == 1


def test_a_dataset_that_the_base_has_keeps_its_id(kb: KnowledgeBase, dataset: Dataset) -> None:
    kb.add_dataset(DatasetRecord("keel/twenty", "20", "binary", "keel", content_hash=dataset.content_hash), FEATURES)
    report = add(kb, study(trial(depth=3)), dataset, meta_features=None)
    assert report.dataset_id == "keel/twenty"
    assert not report.added_dataset
    assert kb.datasets()["source"].tolist() == ["keel"]


@pytest.mark.parametrize(("task", "expected"), [("binary", "openml:99"), ("regression", None)])
def test_a_dataset_of_openml_is_known_by_its_id_if_the_task_is_the_same(
    kb: KnowledgeBase, dataset: Dataset, task: Any, expected: str | None
) -> None:
    kb.add_dataset(DatasetRecord("openml:99", "other spelling", task, "openml", openml_id=99))
    report = add(kb, study(trial(depth=3)), replace(dataset, openml_id=99))
    assert report.dataset_id == (expected or f"sha256:{dataset.content_hash}")


def test_adding_again_adds_nothing_and_a_grown_study_only_what_is_new(kb: KnowledgeBase, dataset: Dataset) -> None:
    grown = study(trial(0.5, depth=1), trial(0.5, depth=1), trial(0.6, depth=2))
    assert add(kb, grown, dataset, meta_features=None).added_runs == 3
    again = add(kb, grown, dataset, meta_features=None)
    assert (again.added_runs, again.added_dataset, again.runs) == (0, False, {"complete": 3})
    grown.add_trial(trial(0.7, depth=2))
    assert add(kb, grown, dataset).added_runs == 1
    assert sorted(kb.runs("mine")["value"]) == [0.5, 0.5, 0.6, 0.7]


def test_values_keep_the_types_of_their_distributions(kb: KnowledgeBase, dataset: Dataset) -> None:
    distributions = {
        "layers": IntDistribution(1, 9),
        "rate": FloatDistribution(1e-4, 1.0, log=True),
        "share": FloatDistribution(0, 1, step=0.25),
        "boost": CategoricalDistribution([True, False]),
        "limit": CategoricalDistribution([None, 3, 0.5, "auto", True]),
    }
    given: list[dict[str, Any]] = [
        {"layers": 2, "rate": 1, "share": 0.75, "boost": True, "limit": "auto"},
        {"layers": 3, "rate": 0.001, "share": 0, "boost": False, "limit": 3},
        {"layers": 4, "rate": 0.1, "share": 0.5, "boost": False, "limit": True},
        {"layers": 5, "rate": 0.1, "share": 0.5, "boost": False, "limit": None},
    ]
    add(kb, study(*(trial(distributions=distributions, **one) for one in given)), dataset)
    runs = kb.runs("mine")
    assert {name: str(runs[name].dtype) for name in distributions} == {
        "layers": "Int64",
        "rate": "float64",
        "share": "float64",
        "boost": "boolean",
        "limit": "object",
    }
    limits = runs["limit"].tolist()
    assert limits == ["auto", 3, True, None]
    assert [type(one) for one in limits] == [str, int, bool, type(None)]
    assert runs["rate"].tolist() == [1.0, 0.001, 0.1, 0.1]


def test_parameters_that_a_trial_lacks_are_null(kb: KnowledgeBase, dataset: Dataset) -> None:
    kinds = CategoricalDistribution(["tree", "linear"])
    tree = trial(distributions={"kind": kinds}, kind="tree", depth=4)
    linear = trial(distributions={"kind": kinds, "C": FloatDistribution(0, 1)}, kind="linear", C=0.5)
    add(kb, study(tree, linear), dataset)
    assert configs(kb) == [{"kind": "tree", "depth": 4}, {"kind": "linear", "C": 0.5}]
    assert str(kb.runs("mine")["depth"].dtype) == "Int64"


def test_a_parameter_named_like_a_column_of_runs_is_told_apart(kb: KnowledgeBase, dataset: Dataset) -> None:
    add(kb, study(trial(0.5, metric="l2", distributions={"metric": CategoricalDistribution(["l1", "l2"])})), dataset)
    assert configs(kb) == [{"param.metric": "l2"}]
    assert kb.runs("mine")["metric"].tolist() == ["accuracy"]


def test_lists_become_json_and_what_no_base_can_hold_is_skipped(kb: KnowledgeBase, dataset: Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna says that a database could not hold them
        shapes = CategoricalDistribution([(100, 50), {3}])  # type: ignore[list-item]
    found = study(*(trial(shape=one, distributions={"shape": shapes}) for one in shapes.choices))
    report = add(kb, found, dataset)
    assert configs(kb) == [{"shape": "[100, 50]"}]
    assert report.skipped == {"shape holds set, which a base cannot store": 1}


def test_what_is_no_run_is_counted_by_reason(kb: KnowledgeBase, dataset: Dataset) -> None:
    found = study(
        trial(0.5, depth=1),
        trial(math.inf, depth=1),
        trial(-math.inf, depth=2),
        trial(0.5),
        trial(None, TrialState.FAIL, depth=1),
        trial(None, TrialState.RUNNING, depth=1),
        trial(None, TrialState.WAITING),
        trial(None, TrialState.PRUNED, depth=1),
    )
    report = add(kb, found, dataset)
    assert (report.found, report.runs, report.added_runs) == (8, {"complete": 1}, 1)
    assert report.skipped == {
        "the value is inf": 1,
        "the value is -inf": 1,
        "without parameters": 1,
        "failed, by the configuration or by an interruption": 1,
        "running": 1,
        "waiting": 1,
        "pruned, at a step that tells no share of an evaluation": 1,
    }


def test_a_study_without_runs_adds_nothing(kb: KnowledgeBase, dataset: Dataset, tmp_path: Path) -> None:
    report = add(kb, study(trial(None, TrialState.FAIL, depth=1)), dataset)
    assert (report.added_runs, report.added_dataset, report.runs) == (0, False, {})
    assert not (tmp_path / "kb").exists()


@pytest.mark.parametrize(
    ("whole", "cut", "share"),
    [
        ([0, 1, 2, 3], 1, 0.5),
        ([0, 10, 20, 30, 40], 10, 0.4),
        ([1, 2, 3, 4, 5], 3, 0.6),
        ([5, 10, 20], 5, 0.25),
        ([0, 1, 3, 9], 3, None),
        ([1, 2], 7, None),
        ([0], 0, None),
        ([], 1, None),
    ],
)
def test_a_pruned_trial_counts_where_its_step_tells_how_far_it_went(
    kb: KnowledgeBase, dataset: Dataset, whole: list[int], cut: int, share: float | None
) -> None:
    complete = trial(0.9, steps=dict.fromkeys(whole, 0.9), depth=1)
    pruned = trial(None, TrialState.PRUNED, steps={cut: 0.25}, depth=2)
    report = add(kb, study(complete, pruned), dataset)
    stored = kb.runs("mine").query("status == 'pruned'")
    assert report.runs.get("pruned", 0) == len(stored) == (share is not None)
    assert stored[["value", "fidelity"]].to_numpy().tolist() == ([[0.25, share]] if share else [])


def test_learning_curves_become_runs_of_lower_fidelity(kb: KnowledgeBase, dataset: Dataset) -> None:
    whole = trial(0.9, steps={1: 0.3, 2: 0.6, 4: 0.8}, depth=1)
    pruned = trial(None, TrialState.PRUNED, steps={1: 0.2, 2: 0.25}, depth=2)
    report = add(kb, study(whole, pruned), dataset)
    assert (report.runs, report.added_runs, report.points) == ({"complete": 1, "pruned": 1}, 2, 3)
    stored = kb.runs("mine")[["depth", "fidelity", "value", "status"]].sort_values(["depth", "fidelity"])
    assert stored.to_numpy().tolist() == [
        [1, 0.25, 0.3, "complete"],
        [1, 0.5, 0.6, "complete"],
        [1, 1.0, 0.9, "complete"],
        [2, 0.25, 0.2, "complete"],
        [2, 0.5, 0.25, "pruned"],
    ]
    assert kb.runs("mine").query("fidelity < 1 and status == 'complete'")["duration"].isna().all()


def test_curves_are_added_once_and_those_of_new_trials_later(kb: KnowledgeBase, dataset: Dataset) -> None:
    grown = study(trial(0.9, steps={1: 0.3, 2: 0.6, 3: 0.8}, depth=1))
    assert add(kb, grown, dataset).points == 2
    assert (add(kb, grown, dataset).points, len(kb.runs("mine"))) == (0, 3)
    grown.add_trial(trial(0.8, steps={1: 0.2, 2: 0.5, 3: 0.7}, depth=2))
    report = add(kb, grown, dataset)
    assert (report.added_runs, report.points) == (1, 2)


def test_of_a_long_curve_ten_points_are_kept_in_a_geometric_row(kb: KnowledgeBase, dataset: Dataset) -> None:
    steps = {step: step / 1000 for step in range(1, 513)}
    add(kb, study(trial(0.9, steps=steps, depth=1)), dataset)
    fidelities = sorted(kb.runs("mine")["fidelity"] * 512)
    assert len(fidelities) == 11
    assert fidelities == pytest.approx([1, 2, 4, 8, 16, 32, 64, 128, 256, 511, 512], rel=0.01)


def test_points_of_curves_are_in_the_metrics_natural_unit_and_finite(kb: KnowledgeBase, dataset: Dataset) -> None:
    whole = trial(-0.25, steps={1: -0.75, 2: math.nan, 3: -math.inf, 4: -0.25}, depth=1)
    report = add(kb, study(whole), dataset, metric="neg_log_loss")
    assert report.points == 1
    assert sorted(kb.runs("mine")["value"]) == [0.25, 0.75]


def test_no_step_tells_a_share_if_complete_trials_differ(kb: KnowledgeBase, dataset: Dataset) -> None:
    complete = [trial(0.9, steps={1: 0.9, last: 0.9}, depth=1) for last in (5, 7)]
    report = add(kb, study(*complete, trial(None, TrialState.PRUNED, steps={1: 0.3}, depth=2)), dataset)
    assert report.runs == {"complete": 2}


def test_a_pruned_trial_whose_last_value_is_nan_is_skipped(kb: KnowledgeBase, dataset: Dataset) -> None:
    complete = trial(0.9, steps={1: 0.8, 2: 0.9}, depth=1)
    report = add(kb, study(complete, trial(None, TrialState.PRUNED, steps={1: math.nan}, depth=2)), dataset)
    assert report.skipped == {"the value is nan": 1}


def test_a_duration_is_unknown_for_a_trial_that_was_brought_in_whole(kb: KnowledgeBase, dataset: Dataset) -> None:
    add(kb, study(trial(0.5, seconds=0, depth=1), trial(0.6, seconds=-3, depth=1)), dataset)
    assert kb.runs("mine")["duration"].isna().all()


@pytest.mark.parametrize(
    ("metric", "direction", "stored"),
    [
        ("log_loss", "minimize", ("log_loss", "minimize", 0.25)),
        ("neg_log_loss", "maximize", ("log_loss", "minimize", -0.25)),
        ("auc", "maximize", ("roc_auc", "maximize", 0.25)),
        ("error", "minimize", ("error", "minimize", 0.25)),
    ],
)
def test_values_are_stored_in_the_metrics_natural_unit(
    kb: KnowledgeBase, dataset: Dataset, metric: str, direction: Direction, stored: tuple[str, str, float]
) -> None:
    report = add(kb, study(trial(0.25, depth=1), direction=direction), dataset, metric=metric)
    (row,) = kb.runs("mine")[["metric", "direction", "value"]].itertuples(index=False)
    assert tuple(row) == stored
    assert (report.metric, report.direction) == stored[:2]
    assert bool(report.notes) == (metric == "error")


@pytest.mark.parametrize(
    ("metric", "direction", "hint"),
    [
        ("log_loss", "maximize", "'neg_log_loss'"),
        ("neg_log_loss", "minimize", "'log_loss'"),
        ("accuracy", "minimize", "1 - accuracy"),
        ("rmse", "minimize", "does not fit a binary task"),
    ],
)
def test_a_metric_that_cannot_be_what_the_values_are_is_refused(
    kb: KnowledgeBase, dataset: Dataset, tmp_path: Path, metric: str, direction: Direction, hint: str
) -> None:
    with pytest.raises(OptionError, match=hint):
        add(kb, study(trial(0.25, depth=1), direction=direction), dataset, metric=metric)
    assert not (tmp_path / "kb").exists()


def test_a_metric_must_be_given_unless_the_study_names_it(kb: KnowledgeBase, dataset: Dataset) -> None:
    found = study(trial(0.25, depth=1))
    with pytest.raises(OptionError, match="'mine' does not say what its values are"):
        add(kb, found, dataset, metric=None)
    found.set_metric_names(["roc_auc"])
    assert add(kb, found, dataset, metric=None).metric == "roc_auc"


def test_of_several_objectives_one_is_chosen(kb: KnowledgeBase, dataset: Dataset) -> None:
    two = study(trial([0.9, 20.0], depth=1), directions=["maximize", "minimize"])
    with pytest.raises(OptionError, match=r"2 objectives\. Say which of them is the metric with objective=0 to 1"):
        add(kb, two, dataset)
    two.set_metric_names(["accuracy", "seconds"])
    with pytest.raises(OptionError, match=r"2 objectives \(accuracy, seconds\)"):
        add(kb, two, dataset)
    with pytest.raises(OptionError, match="objective must be from 0 to 1"):
        add(kb, two, dataset, objective=2)
    assert add(kb, two, dataset, metric=None, objective=1).metric == "seconds"
    add(kb, two, dataset, metric=None, objective=0)
    assert kb.runs("mine")[["metric", "direction", "value"]].to_numpy().tolist() == [
        ["seconds", "minimize", 20.0],
        ["accuracy", "maximize", 0.9],
    ]


def test_configurations_of_a_known_space_are_checked_and_moved_into_it(kb: KnowledgeBase, dataset: Dataset) -> None:
    space = SearchSpace.from_distributions({"depth": IntDistribution(1, 9), "rate": FloatDistribution(0, 1)}, name="s")
    wide = {"depth": IntDistribution(1, 99), "rate": FloatDistribution(0, 1), "odd": FloatDistribution(0, 1)}
    found = study(
        trial(0.1, distributions=wide, depth=3, rate=0.25),
        trial(0.2, distributions=wide, depth=50, rate=0.5),
        trial(0.3, distributions=wide, depth=4, odd=0.5),
        trial(0.4, distributions=wide, odd=0.5),
    )
    report = add(kb, found, dataset, space=space)
    runs = kb.runs("s")
    assert runs[["value", "depth", "rate", "projected"]].to_numpy().tolist() == [
        [0.1, 3, 0.25, False],
        [0.2, 9, 0.5, True],
        [0.3, 4, 0.5, True],
    ]
    assert report.projected == 2
    assert report.changes == {"depth moved into its range": 1, "odd left out": 1, "rate set to its default": 1}
    assert report.skipped == {"no hyperparameter of the space s": 1}


def test_a_shipped_space_is_taken_by_name(kb: KnowledgeBase, dataset: Dataset) -> None:
    ridge = load_space("logistic_regression", task="binary")
    default: dict[str, Any] = ridge.default()
    found = study(trial(0.5, distributions=ridge.distributions(), **default))
    report = add(kb, found, dataset, space="logistic_regression")
    assert (report.space, report.runs, report.projected) == ("logistic_regression", {"complete": 1}, 0)
    (row,) = records(kb, "logistic_regression")
    assert ridge.from_row(row) == default


def test_a_space_of_a_file_is_taken_by_its_path(kb: KnowledgeBase, dataset: Dataset, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("name: own\nhyperparameters:\n  depth: {type: int, low: 1, high: 2, default: 1}\n")
    assert add(kb, study(trial(depth=3)), dataset, space=str(file)).projected == 1
    assert configs(kb, "own") == [{"depth": 2}]


@pytest.mark.parametrize(
    ("name", "space", "message"),
    [
        ("no-name-1f", None, "says nothing of its search space"),
        ("svm", None, "as a space that autometa ships"),
        ("mine", "a b", "letters, digits"),
        ("mine", "ridge", "ridge"),
    ],
)
def test_a_space_is_never_guessed(
    kb: KnowledgeBase, dataset: Dataset, name: str, space: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        add(kb, study(trial(depth=1), name=name), dataset, space=space)


def test_a_name_near_a_shipped_space_is_pointed_out(kb: KnowledgeBase, dataset: Dataset) -> None:
    report = add(kb, study(trial(depth=1)), dataset, space="tabula")
    assert report.notes == ("'tabula' is a space of your own; did you mean 'tabular', which autometa ships?",)


def test_the_name_of_a_study_is_made_safe(kb: KnowledgeBase, dataset: Dataset) -> None:
    assert add(kb, study(trial(depth=1), name="My study: 7/8"), dataset).space == "My-study-7-8"


def own_trial(status: str, number: int, depth: float, **changes: Any) -> FrozenTrial:
    """A trial as a search of autometa leaves it; it took 1.5 s, 1 s of them in fits."""
    space = load_space("tabular", task="binary")
    config = {**space.project({"candidate": "svm"}), "svm.C": depth}
    report = {"number": number, "status": status, "fit_seconds": 1.0}
    state = TrialState.COMPLETE if status == "complete" else TrialState.FAIL
    value = 0.5 if status == "complete" else None
    all_of_them = space.distributions()
    return trial(value, state, distributions=all_of_them, attrs={OWN_REPORT: report}, **(config | changes))


def test_autometas_own_study_is_recognised(kb: KnowledgeBase, dataset: Dataset) -> None:
    ended = ("complete", "timeout", "memory", "crash", "invalid", "interrupted")
    trials = [own_trial(status, number, 1.0 + number) for number, status in enumerate(ended)]
    report = add(kb, study(*trials), dataset)
    assert (report.space, report.projected) == ("tabular", 0)
    runs = kb.runs("tabular").set_index("status")
    assert set(runs.index) == set(ended) - {"interrupted"}
    assert report.skipped == {"failed, by the configuration or by an interruption": 1}
    assert runs.loc["complete", "value"] == 0.5
    assert runs.drop("complete")["value"].isna().all()
    assert set(runs["duration"]) == {1.0}
    assert runs.loc["timeout", "svm.C"] == 2.0
    assert add(kb, study(*trials), dataset).added_runs == 0


def test_the_words_of_autometas_own_studies_are_those_that_its_search_writes() -> None:
    assert (OWN_REPORT, OWN_ORIGIN, OWN_SPACE) == (_study.REPORT, _study.ORIGIN, _plan.SPACE)


def test_what_a_search_has_learned_already_is_not_added_again(kb: KnowledgeBase, dataset: Dataset) -> None:
    from autometa.metrics import resolve
    from autometa.records import Origin, TrialReport
    from autometa.search._warm import learn

    done = own_trial("complete", 0, 1.0)
    report = TrialReport(0, "svm", dict(done.params), Origin("sampler"), 0.0, 1.5, "complete", 0.5, fit_seconds=1.0)
    described = MetaFeatures(f"sha256:{dataset.content_hash}", FEATURES.values)
    learn(dataset, described, [report], kb, space="tabular", metric=resolve("accuracy", "binary"))
    added = add(kb, study(done), dataset, meta_features=None)
    assert (added.runs, added.added_runs, added.added_dataset) == ({"complete": 1}, 0, False)


def suggest(trial: optuna.Trial) -> float:
    """A conditional search space, as people write them."""
    if trial.suggest_categorical("kind", ["tree", "linear", None]) == "tree":
        return trial.suggest_int("depth", 1, 8) / 10
    return trial.suggest_float("C", 1e-3, 1.0, log=True)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "journal"])
def test_a_study_of_any_storage_is_read_alike(kb: KnowledgeBase, dataset: Dataset, tmp_path: Path, kind: str) -> None:
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    url = f"sqlite:///{tmp_path / 'study.db'}"
    storages: dict[str, Any] = {
        "memory": lambda: None,
        "sqlite": lambda: RDBStorage(url),
        "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "study.journal"))),
    }
    storage = storages[kind]()
    found = optuna.create_study(
        study_name="mine", storage=storage, direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    found.optimize(suggest, n_trials=6)
    assert add(kb, found, dataset).added_runs == 6
    runs = kb.runs("mine")
    assert runs["value"].tolist() == pytest.approx([one.value for one in found.trials])
    assert configs(kb) == [{k: v for k, v in one.params.items() if v is not None} for one in found.trials]
    assert (runs["duration"] > 0).all()
    found.optimize(suggest, n_trials=2)
    assert add(kb, found, dataset).added_runs == 2
    if kind == "sqlite":
        storage.remove_session()
        storage.engine.dispose()


def test_thousands_of_trials_are_added_at_once(kb: KnowledgeBase, dataset: Dataset) -> None:
    found = study(*(trial(number / 2000, depth=1 + number % 9) for number in range(2000)))
    assert add(kb, found, dataset).added_runs == 2000
    assert add(kb, found, dataset).added_runs == 0
    assert len(kb.runs("mine")) == 2000


def test_scores_of_fewer_folds_in_autometas_own_searches_are_no_curve(kb: KnowledgeBase, dataset: Dataset) -> None:
    one = own_trial("complete", 0, 1.0)
    for fold in (1, 2, 3):
        one.intermediate_values[fold] = 0.5
    report = add(kb, study(one), dataset)
    assert (report.added_runs, report.points, len(kb.runs("tabular"))) == (1, 0, 1)
