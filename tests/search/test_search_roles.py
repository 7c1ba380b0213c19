"""Groups, time, weights, test tables and custom splits, through a whole search."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import ShuffleSplit

import autometa
from autometa.api import TuneResult
from autometa.errors import InputError
from autometa.search._splits import Splits


def searched(frame: pd.DataFrame, folder: Path, **options: Any) -> TuneResult:
    settings: dict[str, Any] = {
        "trials": 1,
        "jobs": 1,
        "candidates": ["logistic_regression"],
        "warm_start": "none",
        "mlflow": False,
        "learn": False,
        "report": False,
        "output": folder,
        "target": "class",
    }
    return autometa.tune(frame, **{**settings, **options})


@pytest.fixture
def people() -> pd.DataFrame:
    """Two hundred rows of forty people, whose class depends on x."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    frame = pd.DataFrame({"x": x, "z": rng.normal(size=200), "person": [f"p{k}" for k in rng.integers(0, 40, 200)]})
    frame["day"] = pd.date_range("2024-01-01", periods=200, freq="D")
    frame["counts"] = rng.uniform(0.1, 3, 200)
    frame["class"] = np.where(x + rng.normal(0, 0.8, 200) > 0, "yes", "no")
    return frame


def test_groups_stay_together_and_are_not_learned_from(people: pd.DataFrame, tmp_path: Path) -> None:
    result = searched(people, tmp_path / "a", group="person", ignore=["day", "counts"])
    splits = Splits.load(tmp_path / "a" / "work" / "splits-0.npy")
    person = people["person"].to_numpy()
    for train, test in splits.pairs:
        assert not set(person[train]) & set(person[test])
    assert result.info.settings["splits"] == "5 grouped folds"
    assert [column.name for column in result.model.schema.features] == ["x", "z"]
    assert len(result.model.predict(people[["z", "x"]])) == 200


def test_time_judges_on_later_rows(people: pd.DataFrame, tmp_path: Path) -> None:
    shuffled = people.sample(frac=1, random_state=0)
    result = searched(shuffled, tmp_path / "a", time_column="day", cv=3, ignore=["counts", "person"])
    days = shuffled["day"].to_numpy()
    for train, test in Splits.load(tmp_path / "a" / "work" / "splits-0.npy").pairs:
        assert days[train].max() < days[test].min()
    assert len(result.fold_scores) == 3


def test_weights_count_in_the_score(people: pd.DataFrame, tmp_path: Path) -> None:
    result = searched(people, tmp_path / "a", weight="counts", ignore=["day", "person"])
    splits = Splits.load(tmp_path / "a" / "work" / "splits-0.npy")
    values = np.load(tmp_path / "a" / "work" / "predictions" / "00000.npy")[:, 1]
    y, weights = (people["class"] == "yes").to_numpy()[splits.rows], people["counts"].to_numpy()[splits.rows]
    by_hand = [
        roc_auc_score(y[splits.folds == k], values[splits.folds == k], sample_weight=weights[splits.folds == k])
        for k in range(5)
    ]
    assert result.score == pytest.approx(np.mean(by_hand))


def test_weights_count_in_the_fit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    # Two populations with opposite rules; the weights say which of the two counts.
    first = np.arange(300) % 2 == 0
    frame = pd.DataFrame({"x": x, "class": np.where((x > 0) == first, "yes", "no")})
    towards = searched(frame, tmp_path / "a", weight=np.where(first, 1.0, 0.01))
    against = searched(frame, tmp_path / "b", weight=np.where(first, 0.01, 1.0))
    probe = pd.DataFrame({"x": [2.0]})
    assert towards.model.predict(probe).tolist() == ["yes"]
    assert against.model.predict(probe).tolist() == ["no"]


def test_a_test_table_is_scored_and_never_learned_from(people: pd.DataFrame, tmp_path: Path) -> None:
    kept, held_out = people.iloc[:150], people.iloc[150:]
    options: dict[str, Any] = {"ignore": ["day", "person", "counts"]}
    with_test = searched(kept, tmp_path / "a", test=held_out, **options)
    without = searched(kept, tmp_path / "b", **options)
    assert with_test.score == without.score
    predicted = with_test.model.predict_proba(held_out)[:, 1]
    assert with_test.test_score == pytest.approx(roc_auc_score(held_out["class"] == "yes", predicted))
    assert without.test_score is None
    assert json.loads((tmp_path / "a" / "model" / "card.json").read_text())["test_score"] == with_test.test_score


def test_a_test_table_with_rows_of_the_table_is_a_leak_and_named(people: pd.DataFrame, tmp_path: Path) -> None:
    result = searched(people, tmp_path / "a", test=people.iloc[:50], ignore=["day", "person", "counts"])
    assert any("50" in note and "test" in note and "copies" in note for note in result.notes)


def test_a_test_table_without_the_target_is_refused_before_the_search(people: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'class'"):
        searched(people, tmp_path / "a", test=people.drop(columns="class"))
    assert not (tmp_path / "a").exists()


def test_a_scikit_learn_splitter(people: pd.DataFrame, tmp_path: Path) -> None:
    splitter = ShuffleSplit(n_splits=2, test_size=30, random_state=1)
    result = searched(people, tmp_path / "a", cv=splitter, ignore=["day", "person", "counts"])
    splits = Splits.load(tmp_path / "a" / "work" / "splits-0.npy")
    assert [test.tolist() for test in splits.test] == [sorted(test) for _, test in splitter.split(people)]
    assert len(result.fold_scores) == 2
    resumed = autometa.tune(resume=tmp_path / "a", trials=2, mlflow=False, report=False)
    assert len(resumed.fold_scores) == 2


def test_a_holdout_chooses_and_scores_an_ensemble(people: pd.DataFrame, tmp_path: Path) -> None:
    options: dict[str, Any] = {"trials": 4, "candidates": ["logistic_regression", "extra_trees"]}
    result = searched(people, tmp_path / "a", cv="holdout", ignore=["day", "person", "counts"], **options)
    assert len(result.fold_scores) == 1
    assert result.score == result.fold_scores[0]
    assert len(result.weights) == 1 or result.honest_score is not None


def test_a_resumed_search_keeps_its_roles(people: pd.DataFrame, tmp_path: Path) -> None:
    searched(people, tmp_path / "a", group="person", weight="counts", ignore=["day"])
    again = autometa.tune(people, resume=tmp_path / "a", trials=2, mlflow=False, report=False)
    assert len(again.trials) == 2
    changed = people.assign(counts=people["counts"] + 1)
    with pytest.raises(InputError, match="is not the one that this search began with"):
        autometa.tune(changed, resume=tmp_path / "a", trials=3, mlflow=False)


def test_balanced_fits_find_a_rare_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    y = np.where(x + rng.normal(0, 1.0, 600) > 2.6, "rare", "usual")
    frame = pd.DataFrame({"x": x, "class": y})
    recalls = {}
    for class_weight in ("balanced", "none"):
        result = searched(frame, tmp_path / class_weight, metric="balanced_accuracy", class_weight=class_weight)
        recalls[class_weight] = (result.model.predict(frame)[y == "rare"] == "rare").mean()
    assert recalls["balanced"] > recalls["none"] + 0.2


def test_the_command_that_repeats_the_search_is_complete(people: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "my people.csv"
    people.to_csv(path, index=False)
    options: dict[str, Any] = {"group": "person", "weight": "counts", "ignore": ["day"], "cv": "3", "seed": 4}
    searched(path, tmp_path / "a", **options)  # type: ignore[arg-type]
    command = json.loads((tmp_path / "a" / "search.json").read_text())["command"]
    for words in ("--target class", "--group person", "--weight counts", "--ignore day", "--cv 3", "--seed 4"):
        assert words in command
    assert re.match(r"autometa tune '.*my people.csv' ", command)


def test_a_column_that_gives_the_target_away_is_named(people: pd.DataFrame, tmp_path: Path) -> None:
    leaky = people.assign(outcome_code=np.where(people["class"] == "yes", 7, 3) + 0.0)
    result = searched(leaky, tmp_path / "a", ignore=["day", "person", "counts"])
    assert any("'outcome_code'" in note for note in result.notes)
