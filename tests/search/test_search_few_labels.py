"""A search of a table with few labels: the few-shot candidate takes part, says why, and learns from the other rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

import autometa
from autometa.candidates import CANDIDATES
from autometa.datasets import read_dataset
from autometa.search._evaluate import fit
from autometa.search._options import SearchOptions
from autometa.search._plan import check


def digits(each: int, n_unlabelled: int) -> pd.DataFrame:
    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(X))
    rows = np.concatenate([order[y[order] == label][:each] for label in range(10)])
    more = np.setdiff1d(order, rows)[:n_unlabelled]
    table = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)]).assign(digit=[f"d{label}" for label in y])
    table.loc[more, "digit"] = None
    return table.loc[[*rows, *more]].reset_index(drop=True)


def test_it_is_in_the_leaderboard_with_its_reason_where_labels_are_few(tmp_path: Path) -> None:
    result = autometa.tune(digits(5, 400), target="digit", trials=1, jobs=1, seed=0, output=tmp_path / "run")
    first = result.leaderboard.set_index("trial").loc[0]
    assert first["candidate"] == "few_shot_tabular"
    assert first["score"] < np.log(10) / 2
    said = (tmp_path / "run" / "autometa.log").read_text()
    assert "few_shot_tabular takes part: there are 5 labelled rows per class, and the 400 rows without a label" in said
    assert "few_shot_tabular takes part" in (tmp_path / "run" / "report.html").read_text()


def test_it_stays_away_where_labels_are_many_unless_it_is_named() -> None:
    data = read_dataset(digits(26, 0), target="digit")
    assert "few_shot_tabular" not in check(data, SearchOptions())[1].member_names
    named = SearchOptions(candidates=("few_shot_tabular", "svm"))
    assert set(check(data, named)[1].member_names) == {"few_shot_tabular", "svm"}
    assert "few_shot_tabular" in check(read_dataset(digits(25, 0), target="digit"), SearchOptions())[1].member_names


def test_rows_without_a_label_are_learned_from_by_the_preparation_and_the_model() -> None:
    data = read_dataset(digits(5, 100), target="digit")
    assert data.unlabelled is not None
    far = data.unlabelled.copy()
    far.loc[0, "p20"] = 1600.0  # no labelled row has more than 16
    fitted = []
    for unlabelled in (data.unlabelled, far):
        config = CANDIDATES.create("few_shot_tabular").space.default() | {"n_steps": 50, "width": 64}
        pipeline = CANDIDATES.create("few_shot_tabular").build(config, schema=data.schema, seed=0)
        fit(pipeline, replace(data, unlabelled=unlabelled), np.arange(len(data.X)), balanced=False)
        fitted.append(pipeline)
    near, wide = (pipeline[0].transform(data.X) for pipeline in fitted)
    assert near.max() <= 1.0
    column = int(np.argmax(np.abs(near - wide).max(0)))
    assert near[:, column].max() > 50 * wide[:, column].max() > 0
    assert fitted[0].predict_proba(data.X).shape == (50, 10)
    assert not np.array_equal(
        fitted[0][-1].weights_["backbone.layers.0.weight"], fitted[1][-1].weights_["backbone.layers.0.weight"]
    )
