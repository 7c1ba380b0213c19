"""What a fitted estimator is, and that it needs nothing else."""

import copy
import inspect
import pickle
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import autometa
from autometa import AutoMetaClassifier, AutoMetaRegressor
from autometa.knowledge import KnowledgeBase

Make = Callable[..., AutoMetaClassifier]
MakeRegressor = Callable[..., AutoMetaRegressor]


@pytest.fixture(scope="module")
def fitted(classifier: Make, people: Any) -> AutoMetaClassifier:
    """One search that several tests look at; none of them changes it."""
    return classifier(trials=3, candidates=["logistic_regression", "extra_trees"], ensemble_size=4).fit(*people)


def test_a_clone_has_the_same_parameters_and_no_model(fitted: AutoMetaClassifier, tmp_path: Path) -> None:
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert not hasattr(fresh, "model_")
    with_base = AutoMetaRegressor(kb=KnowledgeBase(tmp_path / "kb"), output=tmp_path, metric="mae")
    assert clone(with_base).get_params().keys() == with_base.get_params().keys()
    assert clone(with_base).metric == "mae"


def test_every_parameter_is_given_by_name_and_has_a_default() -> None:
    for kind in (AutoMetaClassifier, AutoMetaRegressor):
        given = list(inspect.signature(kind).parameters.values())
        assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in given)
        assert set(kind().get_params()) == {parameter.name for parameter in given}
    assert set(AutoMetaClassifier().get_params()) - set(AutoMetaRegressor().get_params()) == {"class_weight"}


def test_the_facts_of_the_search_are_there(fitted: AutoMetaClassifier) -> None:
    assert len(fitted.leaderboard_) == fitted.search_.n_trials == 3
    assert fitted.search_.metric == "roc_auc"
    assert fitted.search_.score == pytest.approx(np.mean(fitted.search_.fold_scores))
    assert sum(fitted.search_.weights.values()) == pytest.approx(1)
    assert fitted.search_.seed == 0
    assert fitted.search_folder_ is None
    assert any("bought" in str(note) for note in fitted.search_.notes)


def test_the_best_pipeline_is_that_of_the_best_member(fitted: AutoMetaClassifier, people: Any) -> None:
    members = fitted.model_.members
    best = max(range(len(members)), key=lambda place: members[place].score)
    assert fitted.best_pipeline_ is fitted.model_.pipelines[best]
    codes = fitted.best_pipeline_.predict(fitted.model_.schema.apply(people[0]))
    assert (fitted.classes_[codes] == people[1]).mean() > 0.8


def test_the_search_leaves_no_file_behind(
    classifier: Make, numbers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    model = classifier().fit(*numbers)
    assert list(tmp_path.iterdir()) == []
    assert not model.model_.folder.exists()
    assert model.score(*numbers) > 0.9


def test_with_output_the_search_is_kept(
    classifier: Make, people: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = classifier(output="kept").fit(*people)
    assert model.search_folder_ == tmp_path / "kept"
    saved = autometa.load_model(tmp_path / "kept")
    np.testing.assert_array_equal(saved.predict_proba(people[0]), model.predict_proba(people[0]))
    with pytest.raises(ValueError, match="holds a search already"):
        model.fit(*people)
    expected = model.predict(people[0])
    shutil.rmtree(tmp_path / "kept")
    np.testing.assert_array_equal(model.predict(people[0]), expected)


def test_copies_predict_the_same(fitted: AutoMetaClassifier, people: Any) -> None:
    expected = fitted.predict_proba(people[0])
    for copied in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(copied.predict_proba(people[0]), expected)


def test_a_fresh_process_predicts_from_a_pickle_without_what_the_search_needed(
    fitted: AutoMetaClassifier, people: Any, tmp_path: Path
) -> None:
    people[0].to_pickle(tmp_path / "table.pkl")
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(fitted))
    code = (
        "import pickle, sys, pandas as pd\n"
        "model = pickle.load(open('model.pkl', 'rb'))\n"
        "print(*model.predict(pd.read_pickle('table.pkl')))\n"
        "print({'optuna', 'mlflow', 'torch'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == fitted.predict(people[0]).tolist(), done.stderr
    assert done.stderr.strip() == "set()"


@pytest.mark.slow
@pytest.mark.parametrize("candidate", ["lightgbm", "mlp", "xgboost", "catboost", "svm", "hist_gradient_boosting"])
def test_every_kind_of_model_can_be_pickled(classifier: Make, people: Any, candidate: str) -> None:
    model = classifier(candidates=[candidate]).fit(*people)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(people[0]), model.predict_proba(people[0]))


def test_the_same_random_state_gives_the_same_search_and_model(classifier: Make, numbers: Any) -> None:
    first, second, other = (
        classifier(trials=4, random_state=random_state).fit(*numbers)
        for random_state in (np.random.RandomState(7), np.random.RandomState(7), 1)
    )
    np.testing.assert_array_equal(first.predict_proba(numbers[0]), second.predict_proba(numbers[0]))
    assert first.leaderboard_["config"].tolist() == second.leaderboard_["config"].tolist()
    assert first.search_.seed == second.search_.seed != 1
    assert set(first.leaderboard_["config"]) != set(other.leaderboard_["config"])


def test_no_random_state_is_a_fresh_one_and_leaves_numpys_own_alone(classifier: Make, numbers: Any) -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index, union-attr, unused-ignore]
    seeds = {classifier(random_state=None).fit(*numbers).search_.seed for _ in range(2)}
    assert len(seeds) == 2
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index, union-attr, unused-ignore]


def test_fitting_again_forgets_the_first_table(classifier: Make, people: Any, numbers: Any) -> None:
    model = classifier().fit(*people)
    model.fit(*numbers)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 3
    assert model.classes_.tolist() == [0, 1]
    assert model.score(*numbers) > 0.9


def test_warm_start_may_be_scikit_learns_bool(classifier: Make, numbers: Any) -> None:
    cold = classifier(warm_start=False).fit(*numbers)
    warm = classifier(warm_start=True).fit(*numbers)
    assert cold.leaderboard_["dataset"].isna().all()
    assert warm.leaderboard_["dataset"].notna().all()


def test_fits_of_estimators_never_advise_each_other(classifier: Make, numbers: Any, own_home: Path) -> None:
    X, y = numbers
    learning = classifier(learn=True, warm_start="auto", trials=2)
    taught = learning.fit(X[:60], y[:60])
    base = KnowledgeBase.open_default()
    assert len(base.datasets()) == len(KnowledgeBase.open_default(overlay=False).datasets()) + 1
    advised = clone(learning).fit(X[10:75], y[10:75])
    assert advised.leaderboard_["dataset"].notna().any()
    learned = set(base.datasets()["name"]) - set(KnowledgeBase.open_default(overlay=False).datasets()["name"])
    assert learned
    assert not learned & set(advised.leaderboard_["dataset"])
    assert taught.search_.n_trials == 2
    assert own_home.is_dir()


def test_a_fit_in_another_thread_works(classifier: Make, numbers: Any) -> None:
    scores: list[float] = []
    thread = threading.Thread(target=lambda: scores.append(classifier().fit(*numbers).score(*numbers)))
    thread.start()
    thread.join()
    assert scores[0] > 0.9


def test_the_tags_say_what_may_be_passed(classifier: Make) -> None:
    tags = classifier().__sklearn_tags__()
    assert tags.input_tags.allow_nan
    assert tags.input_tags.string
    assert tags.input_tags.categorical
    assert not tags.input_tags.sparse
    assert not tags.non_deterministic
    assert AutoMetaClassifier(trials=3).__sklearn_tags__().non_deterministic  # several jobs
    assert tags.estimator_type == "classifier"
    assert AutoMetaRegressor().__sklearn_tags__().estimator_type == "regressor"


@pytest.mark.parametrize("kind", [AutoMetaClassifier, AutoMetaRegressor])
def test_the_docstrings_example_runs(kind: Any) -> None:
    import doctest

    examples = doctest.DocTestParser().get_doctest(inspect.getdoc(kind) or "", {}, kind.__name__, None, 0)
    assert len(examples.examples) >= 4
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0
