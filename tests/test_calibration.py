"""Probabilities that are too sure are made less sure, and those that are right are left alone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autometa
from autometa import model
from autometa.calibration import Calibration, calibrate, learn
from autometa.datasets import Dataset
from autometa.model import Member, Model
from autometa.search._splits import Splits
from tests.test_model import dataset as dataset  # a fixture
from tests.test_model import saved


def test_by_hand() -> None:
    found = Calibration(2.0, 0.1, (0.25, 0.75)).apply(np.array([[0.8, 0.2], [1.0, 0.0]]))
    # The roots of 0.8 and 0.2 are as 2 to 1; nine tenths of that, and a tenth of the frequencies.
    np.testing.assert_allclose(found[0], [0.9 * 2 / 3 + 0.025, 0.9 / 3 + 0.075])
    np.testing.assert_allclose(found[1], [0.925, 0.075], atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def sample(temperature: float, *, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities whose logits are ``temperature`` times what they should be, outcomes and folds."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (n, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = (rng.random(n)[:, None] > true.cumsum(axis=1)).sum(axis=1)
    said = np.exp(temperature * logits)
    return said / said.sum(axis=1, keepdims=True), y, np.arange(n) % 5


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_temperature_that_was_lost_is_found(temperature: float) -> None:
    found = calibrate(*sample(temperature))
    assert found is not None
    assert found[0].temperature == pytest.approx(temperature, rel=0.1)


def test_probabilities_that_are_right_are_left_alone() -> None:
    assert calibrate(*sample(1.0)) is None


def test_one_sure_mistake_no_longer_costs_more_than_all_else() -> None:
    probabilities, y, folds = sample(1.0)
    probabilities[::500] = 0.0
    probabilities[np.arange(0, len(y), 500), (y[::500] + 1) % 3] = 1.0
    found = calibrate(probabilities, y, folds)
    assert found is not None
    calibration, crossed = found
    assert calibration.smoothing > 1e-3
    np.testing.assert_allclose(calibration.frequencies, np.bincount(y) / len(y), atol=1e-6)
    assert crossed.min() > 1e-4
    np.testing.assert_allclose(crossed.sum(axis=1), 1.0)


def test_what_is_learned_from_a_fold_is_not_used_on_it() -> None:
    probabilities, y, folds = sample(2.0, n=500)
    _, crossed = calibrate(probabilities, y, folds) or pytest.fail("nothing was learned")
    changed = y.copy()
    changed[folds == 0] = (y[folds == 0] + 1) % 3
    _, others = calibrate(probabilities, changed, folds) or pytest.fail("nothing was learned")
    np.testing.assert_array_equal(crossed[folds == 0], others[folds == 0])
    assert not np.array_equal(crossed[folds == 1], others[folds == 1])


def test_a_single_split_is_cut_into_parts() -> None:
    probabilities, y, folds = sample(2.0)
    assert calibrate(probabilities, y, np.zeros_like(folds)) is not None


def test_rows_count_by_their_weights() -> None:
    probabilities, y, folds = sample(2.0)
    weights = (np.arange(len(y)) < 2000).astype(float)
    half, _ = calibrate(probabilities[:2000], y[:2000], folds[:2000]) or pytest.fail("nothing was learned")
    found, _ = calibrate(probabilities, y, folds, sample_weights=weights) or pytest.fail("nothing was learned")
    assert found.temperature == pytest.approx(half.temperature, rel=1e-3)


def test_what_is_learned_from_many_rows_is_learned_from_some_of_them() -> None:
    probabilities, y, _ = sample(2.0, n=40_000)
    found = learn(probabilities, y)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    assert found.frequencies == pytest.approx(np.bincount(y) / len(y), abs=1e-6)
    others = probabilities.copy()
    others[1::8] = 1 / 3  # rows that are not looked at
    assert learn(others, y) == found


def test_members_are_calibrated_before_they_are_weighted(dataset: Dataset, tmp_path: Path) -> None:
    plain = Model.load(saved(tmp_path, dataset, {"logistic_regression": 0.75, "k_nearest_neighbors": 0.25}))
    calibration = Calibration(2.0, 0.1, (0.2, 0.3, 0.5))
    linear, neighbours = plain.members
    model.write_card(tmp_path, [linear, replace(neighbours, calibration=calibration)], dataset.schema, {})
    assert json.loads((tmp_path / "card.json").read_text())["format"] == 2
    values = [one.predict_proba(dataset.X) for one in plain.pipelines]
    expected = 0.75 * values[0] + 0.25 * calibration.apply(values[1])
    np.testing.assert_allclose(autometa.load_model(tmp_path).predict_proba(dataset.X), expected, atol=1e-12)


@pytest.mark.parametrize("metric", ["log_loss", "accuracy"])
def test_trials_are_calibrated_where_the_metric_asks_for_it(metric: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    table = pd.DataFrame(x, columns=["a", "b"]).assign(y=np.where(x[:, 0] + rng.normal(0, 0.7, 200) > 0, "yes", "no"))
    result = autometa.tune(
        table, target="y", metric=metric, trials=1, jobs=1, candidates=["k_nearest_neighbors"], warm_start="none",
        mlflow=False, learn=False, report=False, output=tmp_path / "out",
    )  # fmt: skip
    (trial,) = result.trials
    predictions = np.load(tmp_path / "out" / "work" / "predictions" / "00000.npy")
    splits = Splits.load(tmp_path / "out" / "work" / "splits-0.npy")
    right = predictions[np.arange(200), (table["y"] == "yes").to_numpy(int)[np.concatenate(splits.test)]]
    if metric == "accuracy":
        assert trial.calibration is None
        assert result.model.members[0].calibration is None
        return
    assert predictions.min() > 0.0  # a vote of neighbours that all agree is no longer certain
    scores = [-np.log(right[splits.folds == fold]).mean() for fold in range(5)]
    assert trial.fold_scores == pytest.approx(scores)
    assert trial.value == pytest.approx(np.mean(scores))
    (member,) = result.model.members
    assert member.calibration == Calibration.from_json(trial.calibration or pytest.fail("there is none"))
    assert result.model.predict_proba(table).min() > 0.0


def test_a_saved_model_calibrates_and_older_versions_refuse_it(dataset: Dataset, tmp_path: Path) -> None:
    plain = Model.load(saved(tmp_path, dataset, {"logistic_regression": 1.0}))
    calibration = Calibration(2.0, 0.1, (0.2, 0.3, 0.5))
    assert json.loads((tmp_path / "card.json").read_text())["format"] == 1
    members = [Member(**{name: getattr(one, name) for name in Member.__slots__}) for one in plain.members]
    model.write_card(tmp_path, members, dataset.schema, {"calibration": calibration.to_json()})
    assert json.loads((tmp_path / "card.json").read_text())["format"] == 2
    loaded = autometa.load_model(tmp_path)
    np.testing.assert_allclose(
        loaded.predict_proba(dataset.X), calibration.apply(plain.predict_proba(dataset.X)), atol=1e-12
    )
