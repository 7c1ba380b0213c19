"""`FewShotClassifier`, and when its candidate takes part in a search."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from autometa.candidates import CANDIDATES, FewShotClassifier
from autometa.datasets import Dataset, read_dataset
from autometa.errors import ModelError, OptionError, TableError, UnknownNameError

QUICK: dict[str, Any] = {"n_steps": 60, "width": 64, "random_state": 0}


def few(X: Any, y: Any, each: int, seed: int = 0) -> tuple[Any, Any]:
    """Positions of some labelled rows of each class, and of all others."""
    order = np.random.default_rng(seed).permutation(len(X))
    labelled = np.concatenate([order[y[order] == label][:each] for label in np.unique(y)])
    return labelled, np.setdiff1d(order, labelled)


@parametrize_with_checks([FewShotClassifier(n_steps=2, width=32, n_threads=1, random_state=0)])  # type: ignore[untyped-decorator]
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_practice_on_unlabelled_rows_beats_the_nearest_row() -> None:
    X, y = load_digits(return_X_y=True)
    ours, theirs = [], []
    for seed in range(4):
        rows, rest = few(X, y, 1, seed)
        pool, asked = rest[:1200], rest[1200:]
        model = FewShotClassifier(n_way=20, **{**QUICK, "n_steps": 150, "width": 128})
        ours.append(model.fit(X[rows], y[rows], X[pool]).score(X[asked], y[asked]))
        theirs.append(KNeighborsClassifier(1).fit(X[rows], y[rows]).score(X[asked], y[asked]))
        assert model.sources_ == ["stunt"]
    assert np.mean(ours) > np.mean(theirs) + 0.03


def test_any_columns_and_any_labels() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 120)
    table = pd.DataFrame(
        {
            "number": kind + 0.2 * rng.normal(size=120),
            "gaps": np.where(rng.random(120) < 0.3, np.nan, kind),
            "colour": pd.Series(np.array(["red", "green", "blue"])[kind]).mask(rng.random(120) < 0.1),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(kind * 40 + rng.integers(0, 9, 120), unit="D"),
            "key": [f"id-{i}" for i in range(120)],
        }
    )
    y = np.array(["ant", "bee", "cat"])[kind]
    model = FewShotClassifier(**QUICK, own_share=0.5).fit(table[:30], y[:30], table[30:80])
    probabilities = model.predict_proba(table[80:])
    assert probabilities.shape == (40, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    assert model.score(table[80:], y[80:]) > 0.9
    assert model.encoder_ is not None
    assert "key" not in model.encoder_.schema_.names()
    unseen = table[80:].assign(colour="violet", number=np.inf)
    assert np.isfinite(model.predict_proba(unseen)).all()


def test_a_row_is_predicted_by_itself_and_names_of_classes_do_not_matter() -> None:
    X, y = load_iris(return_X_y=True)
    rows, rest = few(X, y, 5)
    model = FewShotClassifier(**QUICK).fit(X[rows], y[rows], X[rest])
    whole = model.predict_proba(X[rest])
    np.testing.assert_allclose(model.predict_proba(X[rest[7:9]]), whole[7:9], rtol=1e-9)
    names = np.array(["c", "a", "b"])
    other = clone(model).fit(X[rows], names[y[rows]], X[rest])
    np.testing.assert_allclose(other.predict_proba(X[rest])[:, [2, 0, 1]], whole, atol=0.02)  # but for its halves


@pytest.mark.parametrize("algorithm", ["prototypical", "anil", "maml", "siamese", "matching", "reptile"])
def test_every_family_learns_to_tell_the_classes(algorithm: str) -> None:
    X, y = load_wine(return_X_y=True)
    rows, rest = few(X, y, 8)
    model = FewShotClassifier(algorithm, **QUICK, own_share=0.5).fit(X[rows], y[rows], X[rest])
    assert model.score(X[rest], y[rest]) > 0.6
    assert model.predict_proba(X[rest]).min() >= 0


def test_other_tables_are_practised_on_whatever_their_columns() -> None:
    X, y = load_iris(return_X_y=True)
    rows, rest = few(X, y, 5)
    wide, narrow = load_wine(return_X_y=True), (X[:, :2], y)
    model = FewShotClassifier(**QUICK, others_share=1.0)
    model.fit(X[rows], y[rows], X[rest], other_tables=[wide, narrow])
    assert model.sources_ == ["others"]
    plain = FewShotClassifier(**QUICK).fit(X[rows], y[rows], X[rest])
    assert not np.array_equal(model.predict_proba(X), plain.predict_proba(X))
    assert model.score(X[rest], y[rest]) > 0.8


def test_without_any_rows_to_practise_on_the_network_stays_as_it_began() -> None:
    X = np.array([[0.0, 0.0], [1.0, 1.0]])
    model = FewShotClassifier(**QUICK).fit(X, [0, 1])
    assert (model.n_steps_, model.sources_, model.temperature_) == (0, [], 1.0)
    assert model.predict([[0.1, 0.0], [0.9, 1.0]]).tolist() == [0, 1]


def test_a_few_rows_that_are_all_told_right_are_no_certainty() -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[y != 2], y[y != 2]  # these two are far apart
    rows, rest = few(X, y, 4)
    model = FewShotClassifier(**QUICK, own_share=0.5).fit(X[rows], y[rows], X[rest])
    assert model.score(X[rest], y[rest]) == 1.0
    assert 0.6 < np.median(model.predict_proba(X[rest]).max(1)) < 0.99


def test_more_labels_are_learned_without_another_meta_training() -> None:
    X, y = load_iris(return_X_y=True)
    rows, rest = few(X, y, 1)
    model = FewShotClassifier(**QUICK).fit(X[rows], y[rows], X[rest])
    weights = model.export_weights()
    more, left = few(X, y, 20, seed=1)
    names = np.array(["setosa", "versicolor", "virginica"])
    model.adapt(X[more], names[y[more]])
    assert model.classes_.tolist() == names.tolist()
    assert model.score(X[left], names[y[left]]) > 0.9
    for name, value in model.export_weights().items():
        np.testing.assert_array_equal(value, weights[name])
    model.adapt(X[y < 2], y[y < 2])
    assert model.predict_proba(X).shape == (150, 2)
    fixed = FewShotClassifier("maml", **QUICK).fit(X[more], y[more])
    with pytest.raises(OptionError, match="meta-trained for 3 classes, but the labels are of 2"):
        fixed.adapt(X[y < 2], y[y < 2])


def test_weights_travel_apart_from_the_model() -> None:
    X, y = load_iris(return_X_y=True)
    model = FewShotClassifier(**QUICK).fit(X, y)
    before, weights = model.predict_proba(X), model.export_weights()
    model.import_weights({})
    with pytest.raises(ModelError, match="without its weights"):
        model.predict(X)
    with pytest.raises(ModelError, match="missing, foreign"):
        model.import_weights({name: value[:1] for name, value in weights.items()})
    np.testing.assert_array_equal(model.import_weights(weights).predict_proba(X), before)


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"algorithm": "linear_head"}, OptionError, "all classes of a training set"),
        ({"algorithm": "prototypes"}, UnknownNameError, "prototyp"),
        ({"n_way": 1}, OptionError, r"n_way must lie in \[2, 1000\], but got 1"),
        ({"scaling": "max"}, OptionError, "scaling must be one of minmax"),
        ({"others_share": 0.5}, OptionError, "there are no other_tables"),
        ({"own_share": 1.5}, OptionError, "lie in"),
        ({"time_limit": 0.0}, OptionError, "above 0"),
        ({"options": {"rate": 1}}, OptionError, "no option 'rate'"),
    ],
)
def test_bad_settings_say_what_is_wrong(settings: Any, error: type[Exception], says: str) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(error, match=says):
        FewShotClassifier(**{**QUICK, **settings}).fit(X, y)


def test_bad_rows_say_what_is_wrong() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(OptionError, match="one class"):
        FewShotClassifier(**QUICK).fit(X, np.zeros(len(X), int))
    frame = pd.DataFrame(X, columns=list("abcd"))
    with pytest.raises(ValueError, match="yet now missing"):
        FewShotClassifier(**QUICK).fit(frame, y, frame[["a", "b"]])
    with pytest.raises(TableError, match="No column can be learned from"):
        FewShotClassifier(**QUICK).fit(pd.DataFrame({"a": [1.0] * 10}), [0, 1] * 5)


def table_of(n: int, n_classes: int, n_unlabelled: int = 0) -> Dataset:
    values = np.random.default_rng(0).normal(size=n + n_unlabelled)
    labels: list[Any] = [f"c{i % n_classes}" for i in range(n)] + [None] * n_unlabelled
    return read_dataset(pd.DataFrame({"x": values, "y": labels}))


def test_it_takes_part_where_labels_are_few() -> None:
    candidate = CANDIDATES.create("few_shot_tabular")
    assert candidate.suits(table_of(51, 2)) is None
    assert candidate.suits(table_of(102, 51)) is None
    said = candidate.suits(table_of(50, 2, n_unlabelled=1200))
    assert said == "there are 25 labelled rows per class, and the 1,200 rows without a label to make practice tasks of"
    assert "the rows themselves" in (candidate.suits(table_of(30, 2)) or "")
    numbers = read_dataset(pd.DataFrame({"x": np.arange(20) ** 0.5, "y": np.arange(20) ** 1.5}), task="regression")
    assert candidate.suits(numbers) is None


def test_rows_without_a_label_are_kept_evenly_and_travel(tmp_path: Any) -> None:
    from autometa.datasets._dataset import UNLABELLED

    data = table_of(40, 2, n_unlabelled=2 * UNLABELLED)
    assert data.unlabelled is not None
    assert len(data.unlabelled) == UNLABELLED
    kept = np.isin(np.random.default_rng(0).normal(size=40 + 2 * UNLABELLED)[40:], data.unlabelled["x"])
    assert abs(kept[:UNLABELLED].mean() - 0.5) < 0.01
    data.to_folder(tmp_path)
    again = Dataset.from_folder(tmp_path)
    pd.testing.assert_frame_equal(again.unlabelled, data.unlabelled)  # type: ignore[arg-type]
    replace(data, unlabelled=None).to_folder(tmp_path)
    assert Dataset.from_folder(tmp_path).unlabelled is None
