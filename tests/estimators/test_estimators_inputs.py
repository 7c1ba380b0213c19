"""What may be passed as X and y, and what is said of the rest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError

import autometa
from autometa import AutoMetaClassifier, AutoMetaRegressor

Make = Callable[..., AutoMetaClassifier]
MakeRegressor = Callable[..., AutoMetaRegressor]


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["no", "yes"], "OUT"),
        ([-1, 4], "i"),
        ([False, True], "b"),
        ([1.0, 2.0], "f"),
        (["1", "02"], "OUT"),
        (["True", "None"], "OUT"),
    ],
)
def test_labels_come_back_as_they_were(
    classifier: Make, numbers: tuple[Any, Any], labels: list[Any], kind: str, tmp_path: Any
) -> None:
    X, codes = numbers
    y = np.array(labels)[codes]
    model = classifier(output=tmp_path / "out").fit(X, y)
    assert model.classes_.tolist() == sorted(labels)
    assert model.classes_.dtype == y.dtype
    found = model.predict(X)
    assert found.dtype == y.dtype
    assert found.dtype.kind in kind
    assert (found == y).mean() > 0.9
    saved = autometa.load_model(tmp_path / "out")
    assert saved.predict(pd.DataFrame(X, columns=["x0", "x1", "x2"])).tolist() == found.tolist()


def test_three_classes_given_as_a_list(classifier: Make) -> None:
    X = [[float(i % 3), 1.0 / (i + 1)] for i in range(60)]
    y = [["low", "mid", "top"][i % 3] for i in range(60)]
    model = classifier().fit(X, y)
    assert model.predict(X).tolist() == y
    assert model.predict_proba(X).shape == (60, 3)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.n_features_in_ == 2
    assert not hasattr(model, "feature_names_in_")


def test_a_frame_of_every_type_is_learned_from_without_its_index(classifier: Make, people: Any) -> None:
    X, y = people
    model = classifier().fit(X, y)
    assert model.feature_names_in_.tolist() == list(X.columns)
    assert model.model_.schema.target == "bought"
    assert model.score(X, y) > 0.8
    shuffled = X.sample(frac=1, random_state=0)
    assert model.predict(shuffled).tolist() == pd.Series(model.predict(X), X.index).loc[shuffled.index].tolist()


def test_columns_of_a_frame_are_found_by_name(classifier: Make, people: Any) -> None:
    X, y = people
    model = classifier().fit(X, y)
    reordered = X[X.columns[::-1]]
    np.testing.assert_array_equal(model.predict_proba(reordered), model.predict_proba(X))
    with pytest.raises(ValueError, match=r"(?s)feature names.*wealth"):
        model.predict(X.rename(columns={"age": "wealth"}))
    with pytest.raises(ValueError, match=r"(?s)Feature names seen at fit time.*age"):
        model.predict(X.drop(columns="age"))


def test_a_frame_without_the_names_of_the_first_is_taken_by_position(classifier: Make, numbers: Any) -> None:
    X, y = numbers
    by_number = pd.DataFrame(X)  # its columns are 0, 1, 2
    model = classifier().fit(by_number, y)
    np.testing.assert_array_equal(model.predict(X), model.predict(by_number))
    named = classifier().fit(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(named.predict(X), model.predict(X))


def test_an_arrow_table_and_an_array_of_objects_are_tables_of_types(classifier: Make, people: Any) -> None:
    X, y = people
    X = X[["age", "city"]]
    from_arrow = classifier().fit(pa.Table.from_pandas(X, preserve_index=False), y)
    assert from_arrow.model_.schema.names("categorical") == ["city"]
    objects = X.to_numpy(dtype=object)
    from_objects = classifier().fit(objects, y)
    assert from_objects.model_.schema.names("numeric") == ["x0"]
    assert from_objects.model_.schema.names("categorical") == ["x1"]
    np.testing.assert_allclose(from_objects.predict_proba(objects), from_arrow.predict_proba(X))


def test_numbers_in_an_array_are_numbers_whatever_they_look_like(regressor: MakeRegressor) -> None:
    rows = np.arange(60)
    X = np.column_stack([rows, rows % 2, np.full(60, 7), rows[::-1] * 1000])
    y = 3.0 * rows + 1
    model = regressor().fit(X, y)
    assert model.model_.schema.names("numeric") == ["x0", "x1", "x3"]
    assert [column.name for column in model.model_.schema.dropped] == ["x2"]
    assert model.score(X, y) > 0.99
    as_frame = regressor().fit(pd.DataFrame({"row": rows, "odd": rows % 2}), y)
    assert as_frame.model_.schema.names() == ["odd"]


@pytest.mark.parametrize("X", [np.arange(60).reshape(-1, 1), np.full((60, 2), 5.0)], ids=["row numbers", "constant"])
def test_a_table_with_nothing_else_in_it_is_still_learned_from(regressor: MakeRegressor, X: Any) -> None:
    y = np.random.default_rng(0).normal(size=60) + np.arange(60)
    for table in (X, pd.DataFrame(X).add_prefix("row_id")):
        assert np.isfinite(regressor().fit(table, y).predict(table)).all()


def test_missing_values_are_fine_and_infinite_ones_count_as_missing(classifier: Make, numbers: Any) -> None:
    X, y = numbers[0].copy(), numbers[1]
    X[::5, 1] = np.nan
    model = classifier().fit(X, y)
    infinite = np.where(np.isnan(X), np.inf, X)
    np.testing.assert_array_equal(model.predict_proba(infinite), model.predict_proba(X))


def test_a_column_may_be_called_as_the_target_is(classifier: Make, numbers: Any) -> None:
    X, y = numbers
    frame = pd.DataFrame(X, columns=["y", "y_2", "a"])
    model = classifier().fit(frame, pd.Series(y, name="y"))
    assert model.model_.schema.target not in frame.columns
    assert model.model_.schema.names() == ["y", "y_2", "a"]
    assert model.score(frame, y) > 0.9


def test_names_that_differ_in_white_space_are_two_columns(classifier: Make, numbers: Any) -> None:
    X, y = numbers
    frame = pd.DataFrame(X, columns=["b", "a", " a"])
    model = classifier().fit(frame, y)
    np.testing.assert_allclose(model.predict_proba(frame), classifier().fit(X, y).predict_proba(X))


def test_two_columns_of_the_same_name_are_refused(classifier: Make, numbers: Any) -> None:
    with pytest.raises(ValueError, match="must be unique, but X has 'a' more than once"):
        classifier().fit(pd.DataFrame(numbers[0], columns=["a", "a", "b"]), numbers[1])


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (np.zeros((20, 2)), None, ValueError, "requires y to be passed"),
        (np.zeros((20, 2)), np.arange(19) % 2, ValueError, r"inconsistent numbers of samples: \[20, 19\]"),
        (np.zeros((1, 2)), [1], ValueError, "1 sample"),
        (np.zeros((20, 2)), ["a"] * 20, ValueError, "only one class: 'a'"),
        (np.zeros((20, 2)), ["a", None] * 10, ValueError, "y contains NaN"),
        (np.zeros((20, 2)), np.linspace(0, 1, 20), ValueError, "Unknown label type"),
        (np.zeros((20, 2)), np.array([1j, 2] * 10), ValueError, "Complex data not supported"),
        (pd.DataFrame({"a": np.ones(20) * 1j}), [0, 1] * 10, ValueError, "Complex data not supported"),
        (pd.DataFrame(index=range(20)), [0, 1] * 10, ValueError, r"0 feature\(s\)"),
        (pd.DataFrame({"a": [1.0, 2.0]}), [0, 1], ValueError, r"2 sample\(s\).*minimum of 10"),
        (scipy.sparse.csr_array(np.eye(20)), [0, 1] * 10, TypeError, "Sparse data was passed"),
        (np.zeros(20), [0, 1] * 10, ValueError, "Expected 2D array, got 1D array"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    classifier: Make, X: Any, y: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        classifier().fit(X, y)


def test_a_regression_needs_finite_numbers(regressor: MakeRegressor) -> None:
    X = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(ValueError, match="Input y contains NaN"):
        regressor().fit(X, [np.nan, *range(19)])
    with pytest.raises(ValueError, match="needs a y of numbers, got 'much'"):
        regressor().fit(X, ["much"] * 20)


@pytest.mark.parametrize("name", ["predict", "predict_proba", "best_pipeline_"])
def test_before_fit_there_is_nothing(classifier: Make, numbers: Any, name: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(classifier(), name)(numbers[0])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"candidates": ["logistic_regresion"]},
            "Unknown candidate 'logistic_regresion'. Did you mean 'logistic_regression'",
        ),
        ({"metric": "rmse"}, "does not fit a binary task"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"warm_start": "nearest"}, "Unknown warm starter"),
        ({"random_state": -1}, "seed must not be negative"),
    ],
)
def test_parameters_are_checked_in_fit_and_not_before(
    classifier: Make, numbers: Any, params: dict[str, Any], message: str
) -> None:
    estimator = classifier(**params)
    with pytest.raises(ValueError, match=message):
        estimator.fit(*numbers)
