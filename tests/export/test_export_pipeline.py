import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from export_models import Save, table
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.ensemble import VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import cross_val_score

import autometa
from autometa import export
from autometa.calibration import Calibration
from autometa.datasets import Dataset
from autometa.errors import OptionError, TableError
from autometa.records import TaskType


def test_the_best_member_speaks_labels(datasets: dict[str, Dataset], save: Save) -> None:
    loaded = save(datasets["multiclass"], {"k_nearest_neighbors": 0.3, "lightgbm": 0.7})
    pipeline = export.pipeline(loaded)
    raw = table("multiclass")
    assert is_classifier(pipeline)
    assert pipeline.classes_.tolist() == ["a", "b", "c"]
    assert pipeline.feature_names_in_.tolist() == ["size", "count", "colour", "town", "flag", "day"]
    codes = loaded.pipelines[1].predict(datasets["multiclass"].X)
    assert pipeline.predict(raw).tolist() == loaded.schema.decode_target(codes).tolist()
    proba = loaded.pipelines[1].predict_proba(datasets["multiclass"].X)
    np.testing.assert_array_equal(pipeline.predict_proba(raw), proba)
    assert type(pipeline[-1].estimator_[-1]).__name__ == "LightGBMClassifier"


def test_another_member_by_its_place(datasets: dict[str, Dataset], save: Save) -> None:
    loaded = save(datasets["regression"], {"ridge": 0.3, "lightgbm": 0.7})
    pipeline = export.pipeline(loaded, member=0)
    assert is_regressor(pipeline)
    assert list(pipeline.named_steps) == ["table", "prepare", "model"]
    expected = loaded.pipelines[0].predict(datasets["regression"].X)
    np.testing.assert_array_equal(pipeline.predict(table("regression")), expected)
    with pytest.raises(OptionError, match=r"member must be one of 0 \(ridge\), 1 \(lightgbm\), but got 2"):
        export.pipeline(loaded, member=2)
    with pytest.raises(OptionError, match="Leave one of them out"):
        export.pipeline(loaded, member=0, whole=True)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_whole_model_is_a_vote(task: TaskType, datasets: dict[str, Dataset], save: Save) -> None:
    linear = "ridge" if task == "regression" else "logistic_regression"
    loaded = save(datasets[task], {linear: 0.3, "lightgbm": 0.7})
    pipeline = export.pipeline(loaded, whole=True)
    assert export.compare_pipeline(loaded, pipeline, datasets[task].X).worst < 1e-12
    raw = table(task)
    again = clone(pipeline).fit(raw, raw["target"])
    assert export.compare_pipeline(loaded, again, datasets[task].X).worst < 1e-12


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_the_whole_model_is_calibrated(task: TaskType, datasets: dict[str, Dataset], save: Save) -> None:
    frequencies = (0.3, 0.7) if task == "binary" else (0.2, 0.3, 0.5)
    calibration, own = Calibration(1.7, 0.05, frequencies), {"random_forest": Calibration(0.4, 0.02, frequencies)}
    members = {"logistic_regression": 0.6, "random_forest": 0.4}
    loaded = save(datasets[task], members, calibration=calibration, calibrations=own)
    pipeline = export.pipeline(loaded, whole=True)
    assert export.compare_pipeline(loaded, pipeline, datasets[task].X).worst < 1e-12
    found = skops.io.loads(skops.io.dumps(pipeline), trusted=export.TRUSTED_TYPES)
    assert export.compare_pipeline(loaded, found, datasets[task].X).worst < 1e-12


def test_a_member_alone_keeps_its_own_calibration(datasets: dict[str, Dataset], save: Save) -> None:
    own = Calibration(0.4, 0.02, (0.3, 0.7))
    members = {"logistic_regression": 0.6, "random_forest": 0.4}
    loaded = save(datasets["binary"], members, calibrations={"random_forest": own})
    by_code = own.apply(loaded.pipelines[1].predict_proba(datasets["binary"].X))
    found = export.pipeline(loaded, member=1)
    places = np.searchsorted(found.classes_, loaded.classes)
    np.testing.assert_allclose(found.predict_proba(table("binary"))[:, places], by_code, atol=1e-12)
    plain = export.pipeline(loaded, member=0).predict_proba(table("binary"))[:, places]
    np.testing.assert_array_equal(plain, loaded.pipelines[0].predict_proba(datasets["binary"].X))


def test_members_that_never_saw_a_class_can_vote(datasets: dict[str, Dataset], save: Save) -> None:
    dataset = datasets["multiclass"]
    loaded = save(dataset, {"logistic_regression": 0.4, "random_forest": 0.6})
    rows = dataset.y.to_numpy() != 1
    loaded.pipelines[0] = clone(loaded.pipelines[0]).fit(dataset.X[rows], dataset.y.to_numpy()[rows])
    pipeline = export.pipeline(loaded, whole=True)
    assert isinstance(pipeline[-1].estimator_, VotingClassifier)
    assert export.compare_pipeline(loaded, pipeline, dataset.X).worst < 1e-12


def test_classes_are_sorted_as_metrics_expect(save: Save) -> None:
    frame = table("binary")
    dataset = autometa.read_dataset(frame.assign(target=frame["target"].map({"yes": "a", "no": "b"})), target="target")
    loaded = save(dataset, {"logistic_regression": 1.0})
    loaded.schema = type(loaded.schema).from_json({**loaded.schema.to_json(), "classes": ["b", "a"]})
    pipeline = export.pipeline(loaded)
    assert pipeline.classes_.tolist() == ["a", "b"]
    codes = loaded.pipelines[0].predict_proba(dataset.X)
    np.testing.assert_array_equal(pipeline.predict_proba(frame), codes[:, ::-1])
    assert export.compare_pipeline(loaded, pipeline, dataset.X, member=0).labels == 0


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_saved_pipeline_is_the_same(
    task: str, whole: bool, datasets: dict[str, Dataset], save: Save, tmp_path: Path
) -> None:
    loaded = save(datasets[task], {"mlp" if task == "binary" else "svm": 0.6, "random_forest": 0.4})
    pipeline = export.pipeline(loaded, whole=whole)
    skops.io.dump(pipeline, tmp_path / "m.skops")
    assert set(skops.io.get_untrusted_types(file=tmp_path / "m.skops")) <= set(export.TRUSTED_TYPES)
    for again in (
        skops.io.load(tmp_path / "m.skops", trusted=list(export.TRUSTED_TYPES)),
        pickle.loads(pickle.dumps(pipeline)),
    ):
        found = export.compare_pipeline(loaded, again, datasets[task].X, member=None if whole else 0)
        assert found.worst < 1e-6
        assert found.labels == 0


def test_scikit_learns_tools_take_it(datasets: dict[str, Dataset], save: Save) -> None:
    loaded = save(datasets["binary"], {"logistic_regression": 1.0})
    pipeline, raw = export.pipeline(loaded), table("binary")
    X, y = raw.drop(columns="target"), raw["target"]
    refitted = clone(pipeline).fit(X, y)
    np.testing.assert_allclose(refitted.predict_proba(X), pipeline.predict_proba(X))
    scores = cross_val_score(pipeline, X, y, cv=3, scoring="roc_auc")
    assert scores.min() > 0.6
    drops = permutation_importance(pipeline, X, y, n_repeats=3, random_state=0).importances_mean
    assert drops.argmax() == list(X.columns).index("colour") or drops.argmax() == list(X.columns).index("size")


def test_arrays_and_missing_columns_are_refused(datasets: dict[str, Dataset], save: Save) -> None:
    loaded = save(datasets["binary"], {"logistic_regression": 1.0})
    pipeline = export.pipeline(loaded)
    with pytest.raises(TableError, match="takes a pandas DataFrame with the columns by name, but got ndarray"):
        pipeline.predict(np.zeros((2, 6)))
    with pytest.raises(TableError, match="'colour'"):
        pipeline.predict(table("binary").drop(columns="colour"))
    shuffled = table("binary")[["day", "flag", "town", "colour", "count", "size"]].assign(more=1)
    assert pipeline.predict(shuffled).tolist() == pipeline.predict(table("binary")).tolist()


def test_a_label_that_is_none_of_the_classes_is_refused(datasets: dict[str, Dataset], save: Save) -> None:
    loaded = save(datasets["binary"], {"logistic_regression": 1.0})
    raw = table("binary")
    with pytest.raises(TableError, match="Unknown label 'maybe'"):
        clone(export.pipeline(loaded)).fit(raw, pd.Series(["maybe"] * len(raw)))
