"""Models of the splits go into the ensemble where they are worth more than a refit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autometa
from autometa.api import TuneResult
from autometa.candidates import CANDIDATES
from autometa.model import load_pipeline, raw_predictions
from autometa.search import _bags
from autometa.search._splits import Splits

CANDIDATES_OF_BOTH_KINDS = ("hist_gradient_boosting", "logistic_regression")


def splits(*train: range, test: range = range(0)) -> Splits:
    return Splits(tuple(np.array(one) for one in train), tuple(np.array(test) for _ in train), "by hand")


@pytest.mark.parametrize(
    ("made", "allowed"),
    [
        (splits(range(7), range(3, 10), range(2, 9)), True),
        (splits(range(7), range(3, 10)), False),  # two splits vary too little
        (splits(range(7), range(5), range(3, 10)), False),  # the second has seen half of the rows
        (splits(range(7), range(1, 8), range(2, 9)), False),  # nobody has seen the last row
    ],
)
def test_splits_that_have_seen_most_rows_each_and_all_together_can_stand_in(made: Splits, allowed: bool) -> None:
    assert _bags.splits_allow(made, 10) is allowed


def test_candidates_that_gain_from_it_say_so() -> None:
    said = {name: _bags.candidate_allows(name) for name in CANDIDATES.names()}
    assert said["lightgbm"]
    assert not said["logistic_regression"]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> tuple[TuneResult, pd.DataFrame]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(200, 3))
    table = pd.DataFrame(x, columns=["a", "b", "c"]).round(3)
    table["class"] = np.where(np.sin(2 * x[:, 0]) + x[:, 1] ** 2 + rng.normal(0, 0.3, 200) > 0.8, "yes", "no")
    folder = tmp_path_factory.mktemp("bags") / "out"
    return tuned(table, folder, trials=6), table


def tuned(table: pd.DataFrame, folder: Path, **options: object) -> TuneResult:
    settings = {"jobs": 1, "candidates": CANDIDATES_OF_BOTH_KINDS, "warm_start": "none", "output": folder}
    settings |= {"mlflow": False, "learn": False, "report": False}
    return autometa.tune(table, target="class", **{**settings, **options})  # type: ignore[arg-type]


def test_a_bag_has_half_of_its_trial_s_weight_and_the_refitted_model_the_other(
    search: tuple[TuneResult, pd.DataFrame],
) -> None:
    result, _ = search
    bagged = {}
    for trial, weight in result.weights.items():
        mine = [member for member in result.model.members if member.trial == trial]
        boosted = mine[0].candidate == "hist_gradient_boosting"
        shares = [0.5, *[0.1] * 5] if boosted else [1.0]
        assert [member.weight for member in mine] == pytest.approx([weight * share for share in shares])
        bagged[trial] = boosted
    assert any(bagged.values())
    assert sum(member.weight for member in result.model.members) == pytest.approx(1.0)


def test_without_time_for_a_refit_the_bag_is_the_model(
    search: tuple[TuneResult, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, table = search
    monkeypatch.setattr("autometa.search._trials.TrialLoop.refit_seconds", lambda *_, **__: 1e6)
    result = tuned(table, tmp_path / "out", trials=2, time_limit=600, candidates=CANDIDATES_OF_BOTH_KINDS[:1])
    assert {member.path.split("/")[1].rpartition("-")[2] for member in result.model.members} == {"splits"}
    assert sum(member.weight for member in result.model.members) == pytest.approx(1.0)


def test_the_models_are_those_that_were_judged(search: tuple[TuneResult, pd.DataFrame]) -> None:
    result, table = search
    made = Splits.load(result.folder / "work" / "splits-0.npy")
    X = result.model.schema.apply(table)
    for bag in sorted((result.folder / "work" / "bags").iterdir()):
        judged = np.load(result.folder / "work" / "predictions" / f"{bag.name}.npy")
        again = [
            raw_predictions(load_pipeline(bag / f"{split}"), X.iloc[held_out], 2)
            for split, (_, held_out) in enumerate(made.pairs)
        ]
        np.testing.assert_allclose(np.concatenate(again), judged, atol=1e-12)


def test_the_model_predicts_the_mean_of_its_bags(search: tuple[TuneResult, pd.DataFrame]) -> None:
    result, table = search
    X = result.model.schema.apply(table)
    values = [raw_predictions(one, X, 2) for one in result.model.pipelines]
    expected = np.average(values, axis=0, weights=[member.weight for member in result.model.members])
    np.testing.assert_allclose(result.model.predict_proba(table), expected, atol=1e-12)


def test_a_resumed_search_finds_the_bags_of_before(search: tuple[TuneResult, pd.DataFrame], tmp_path: Path) -> None:
    _, table = search
    before = tuned(table, tmp_path / "out", trials=3, candidates=CANDIDATES_OF_BOTH_KINDS[:1])
    after = autometa.tune(resume=before.folder, trials=4, mlflow=False)
    assert {len([m for m in after.model.members if m.trial == trial]) for trial in after.weights} == {6}


def test_one_split_has_no_bag(search: tuple[TuneResult, pd.DataFrame], tmp_path: Path) -> None:
    _, table = search
    result = tuned(table, tmp_path / "out", trials=2, cv="holdout", candidates=CANDIDATES_OF_BOTH_KINDS[:1])
    assert len(result.model.members) == len(result.weights)
    assert not list((result.folder / "work" / "bags").iterdir())


class Unsaveable:
    def export_weights(self) -> None:
        raise RuntimeError("no")


def test_what_cannot_be_saved_leaves_nothing(tmp_path: Path) -> None:
    _bags.save([["fine"], [Unsaveable()]], tmp_path / "00001")
    assert list(tmp_path.iterdir()) == []


def test_bags_of_trials_that_fell_behind_are_deleted(tmp_path: Path) -> None:
    for name in ("00001", "00012", "00003.part"):
        (tmp_path / name).mkdir()
    _bags.drop(tmp_path, {12, 40})
    assert sorted(one.name for one in tmp_path.iterdir()) == ["00003.part", "00012"]
    _bags.drop(tmp_path / "none", {1})
