"""The estimators inside scikit-learn's own tools: pipelines, cross-validation, grids, routing."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import Parallel, delayed
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from autometa import AutoMetaClassifier, AutoMetaRegressor

Make = Callable[..., AutoMetaClassifier]
MakeRegressor = Callable[..., AutoMetaRegressor]


@pytest.fixture
def routing() -> Iterator[None]:
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(scope="module")
def families() -> tuple[Any, Any, Any]:
    """20 groups of 6 rows; rows of a group are alike, and its label is chance."""
    rng = np.random.default_rng(11)
    groups = np.repeat(np.arange(20), 6)
    X = rng.normal(size=(20, 3))[groups] + rng.normal(0, 0.01, (120, 3))
    return X, rng.permutation(np.repeat([0, 1], 10))[groups], groups


class Recorder:
    """A splitter that writes down what it was asked to split."""

    def __init__(self, seen: list[Any]) -> None:
        self.seen = seen

    def split(self, X: Any, y: Any, groups: Any = None) -> Any:
        self.seen.append((len(X), None if groups is None else list(groups)))
        return KFold(3).split(X)

    def __sklearn_clone__(self) -> "Recorder":
        return self

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return 3


def test_a_pipeline_hands_its_column_names_on(classifier: Make, numbers: Any) -> None:
    X, y = numbers
    frame = pd.DataFrame(X, columns=["width", "height", "depth"])
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), classifier())
    pipeline.fit(frame, y)
    assert pipeline[-1].feature_names_in_.tolist() == ["width", "height", "depth"]
    assert pipeline[-1].model_.schema.names() == ["width", "height", "depth"]
    assert pipeline.score(frame, y) > 0.9


def test_what_a_column_transformer_leaves_as_it_is_keeps_its_type(classifier: Make, people: Any) -> None:
    X, y = people
    scaled = make_column_transformer(
        (StandardScaler(), ["age"]), remainder="passthrough", verbose_feature_names_out=False
    )
    pipeline = make_pipeline(scaled.set_output(transform="pandas"), classifier()).fit(X, y)
    assert pipeline[-1].model_.schema.names("categorical") == ["city", "plan", "member"]
    assert pipeline[-1].model_.schema.names("datetime") == ["since"]
    assert pipeline.score(X, y) > 0.8


def test_cross_validation_works(classifier: Make, regressor: MakeRegressor, numbers: Any) -> None:
    X, y = numbers
    assert (cross_val_predict(classifier(), X, y, cv=3) == y).mean() > 0.85
    probabilities = cross_val_predict(classifier(), X, y, cv=3, method="predict_proba")
    assert ((probabilities[:, 1] > 0.5) == y).mean() > 0.85
    assert cross_val_score(regressor(), X, 2 * X[:, 0] - X[:, 2], cv=3).min() > 0.95


def test_a_grid_searches_over_parameters(classifier: Make, numbers: Any) -> None:
    grid = GridSearchCV(classifier(), {"metric": ["accuracy", "roc_auc"]}, cv=2).fit(*numbers)
    assert grid.best_score_ > 0.85
    assert set(grid.cv_results_["param_metric"]) == {"accuracy", "roc_auc"}
    assert grid.predict(numbers[0]).shape == (80,)


def test_fits_run_side_by_side_in_threads(classifier: Make, numbers: Any) -> None:
    X, y = numbers
    alone = classifier().fit(X, y).predict_proba(X)
    found = Parallel(n_jobs=2, prefer="threads")(delayed(classifier().fit)(X, y) for _ in range(3))
    for model in found:
        np.testing.assert_array_equal(model.predict_proba(X), alone)


def test_sample_weights_change_the_model(classifier: Make, regressor: MakeRegressor, numbers: Any) -> None:
    X, y = numbers
    one_sided = np.where(y == 1, 10.0, 0.1)
    plain, weighted = classifier().fit(X, y), classifier().fit(X, y, sample_weight=one_sided)
    assert weighted.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean() + 0.05
    target = X[:, 0] + 5 * (np.arange(80) % 2)
    heavy = regressor().fit(X, target, sample_weight=1.0 + 99 * (np.arange(80) % 2))
    assert heavy.predict(X).mean() > regressor().fit(X, target).predict(X).mean() + 1


def test_class_weights_may_be_a_dict(classifier: Make, numbers: Any) -> None:
    X, codes = numbers
    y = np.array(["rare", "usual"])[codes]
    plain = classifier(class_weight=None).fit(X, y)
    weighted = classifier(class_weight={"rare": 20, "usual": 1}).fit(X, y)
    assert weighted.predict_proba(X)[:, 0].mean() > plain.predict_proba(X)[:, 0].mean() + 0.05
    with pytest.raises(ValueError, match="only one class has any"):
        classifier(class_weight={"rare": 0}).fit(X, y)


def test_rows_of_a_group_are_held_out_together(classifier: Make, families: Any) -> None:
    X, y, groups = families
    search = {"candidates": ["k_nearest_neighbors"], "cv": 5, "metric": "accuracy"}
    parted = classifier(**search).fit(X, y)
    together = classifier(**search).fit(X, y, groups=groups)
    assert parted.search_.score > 0.95  # a row's siblings give its label away
    assert together.search_.score < 0.75


def test_a_splitter_of_ones_own_gets_the_rows_and_the_groups(classifier: Make, families: Any) -> None:
    X, y, groups = families
    seen: list[Any] = []
    model = classifier(cv=Recorder(seen)).fit(X, y, groups=groups)
    assert [n_rows for n_rows, _ in seen] == [120]
    assert pd.factorize(np.array(seen[0][1]))[0].tolist() == groups.tolist()
    assert len(model.search_.fold_scores) == 3
    pairs = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
    assert len(classifier(cv=pairs).fit(X, y).search_.fold_scores) == 2


def test_weights_and_groups_are_routed_through_pipelines(classifier: Make, families: Any, routing: None) -> None:
    X, y, groups = families
    search = classifier(candidates=["extra_trees"], cv=5, metric="accuracy")
    scaler = StandardScaler().set_fit_request(sample_weight=False)
    pipeline = make_pipeline(scaler, search.set_fit_request(sample_weight=True, groups=True))
    pipeline.fit(X, y, groups=groups, sample_weight=np.ones(120))
    assert pipeline[-1].search_.score < 0.75


def test_weights_and_groups_are_routed_through_cross_validation(classifier: Make, families: Any, routing: None) -> None:
    X, y, groups = families
    seen: list[Any] = []
    search = classifier(cv=Recorder(seen)).set_fit_request(groups=True, sample_weight=True)
    search.set_score_request(sample_weight=True)
    params = {"groups": groups, "sample_weight": np.ones(120)}
    scores = cross_val_score(search, X, y, cv=GroupKFold(3), params=params)
    assert len(scores) == len(seen) == 3
    assert all(given is not None and len(set(given)) < 20 for _, given in seen)
