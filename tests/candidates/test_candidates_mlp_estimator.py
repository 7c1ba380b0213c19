import copy
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skops.io
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import log_loss, r2_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor
from autometa.errors import ModelError, OptionError

Table = tuple[npt.NDArray[np.float64], npt.NDArray[Any]]
TRUSTED = [f"autometa.candidates._mlp_estimator.{name}" for name in ("MLPClassifier", "MLPRegressor")]
SMALL: dict[str, Any] = {"width": 16, "n_blocks": 1, "max_epochs": 4, "device": "cpu", "random_state": 0}


def classes(n: int = 120, seed: int = 0) -> Table:
    """Two category columns (one with 12 levels), two numbers, three labels that follow from them."""
    rng = np.random.default_rng(seed)
    small, large = rng.integers(0, 3, n), rng.integers(0, 12, n)
    numbers = rng.normal(size=(n, 2))
    y = np.where(small == 0, 0, np.where(numbers[:, 0] + (large > 5) > 0.5, 1, 2))
    X = np.column_stack([small, large, numbers])
    X[rng.random(X.shape) < 0.05] = np.nan
    return X, y


def values(n: int = 300, seed: int = 0) -> Table:
    X = np.random.default_rng(seed).normal(size=(n, 3))
    return X, 100.0 + 20.0 * (X[:, 0] * X[:, 1] + np.sin(2 * X[:, 2]))


def classifier(**change: Any) -> MLPClassifier:
    settings = {"n_categorical": 2} | SMALL | change
    return MLPClassifier(**settings)


def regressor(**change: Any) -> MLPRegressor:
    settings = SMALL | change
    return MLPRegressor(**settings)


@parametrize_with_checks(  # type: ignore[untyped-decorator]
    [
        MLPClassifier(width=16, n_blocks=1, max_epochs=40, learning_rate=0.02, device="cpu", random_state=0),
        MLPRegressor(width=16, n_blocks=1, max_epochs=40, learning_rate=0.02, device="cpu", random_state=0),
    ],
    expected_failed_checks=lambda estimator: {
        "check_sample_weight_equivalence_on_dense_data": "a row that is there twice may be held out once"
    },
)
def test_scikit_learns_own_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_importing_the_candidate_imports_no_torch() -> None:
    code = "import sys, autometa.candidates._mlp as m; m.MLPClassifier(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_shapes_labels_and_sums() -> None:
    X, y = classes()
    model = classifier().fit(X, np.array(["a", "b", "c"])[y])
    probabilities = model.predict_proba(X[:7].astype(np.float32))
    assert probabilities.shape == (7, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-12)
    assert set(model.predict(X)) <= {"a", "b", "c"}
    assert regressor().fit(*values()).predict(values()[0][:5]).shape == (5,)


def test_a_learnable_table_is_learned_far_beyond_a_constant() -> None:
    (X, y), (X_new, y_new) = classes(600), classes(300, seed=1)
    model = MLPClassifier(n_categorical=2, max_epochs=30, device="cpu", random_state=0).fit(X, y)
    shares = np.bincount(y) / len(y)
    constant = log_loss(y_new, np.tile(shares, (len(y_new), 1)))
    assert log_loss(y_new, model.predict_proba(X_new)) < 0.45 * constant


def test_a_learnable_target_is_learned_and_predictions_stay_in_its_range() -> None:
    (X, y), (X_new, y_new) = values(600), values(300, seed=1)
    model = MLPRegressor(max_epochs=40, learning_rate=0.01, device="cpu", random_state=0).fit(X, y)
    assert r2_score(y_new, model.predict(X_new)) > 0.9
    extreme = model.predict(1e6 * X_new)
    assert y.min() <= extreme.min()
    assert extreme.max() <= y.max()


def test_same_seed_same_model_other_seed_other_model() -> None:
    X, y = classes()
    first, again, other = (classifier(random_state=seed).fit(X, y).predict_proba(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_fitting_twice_is_fitting_once() -> None:
    X, y = classes()
    model = classifier().fit(*classes(80, seed=3)).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), clone(model).fit(X, y).predict_proba(X))


def test_no_global_generator_is_read_or_moved() -> None:
    X, y = classes()
    torch.manual_seed(5)
    random.seed(5)
    np.random.seed(5)
    states = torch.random.get_rng_state(), random.getstate(), np.random.get_state()
    first = classifier().fit(X, y).predict_proba(X)
    classifier(random_state=None).fit(X, y)
    assert torch.equal(torch.random.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    np.testing.assert_equal(np.random.get_state(), states[2])
    torch.manual_seed(6)
    np.testing.assert_array_equal(classifier().fit(X, y).predict_proba(X), first)


@pytest.mark.parametrize("n_threads", [2, None])
def test_the_thread_setting_is_put_back(n_threads: int | None) -> None:
    before = torch.get_num_threads()
    classifier(n_threads=n_threads, max_epochs=1).fit(*classes(40))
    assert torch.get_num_threads() == before


def test_grad_mode_and_history() -> None:
    model = classifier(max_epochs=6).fit(*classes())
    assert torch.is_grad_enabled()
    assert len(model.validation_losses_) == model.n_epochs_ <= 6
    assert model.best_epoch_ == 1 + int(np.argmin(model.validation_losses_))
    assert not model.out_of_time_


@pytest.mark.parametrize("n", [20, 5, 2])
def test_tiny_tables_fit(n: int) -> None:
    X, _ = classes(n)
    y = np.arange(n) % 2
    assert classifier().fit(X, y).predict_proba(X).shape == (n, 2)
    assert np.isfinite(regressor(n_categorical=2).fit(X, y.astype(float)).predict(X)).all()


def test_a_class_of_one_row_is_kept_for_training() -> None:
    X, y = classes()
    y[17] = 9
    model = classifier().fit(X, y)
    assert model.classes_.tolist() == [0, 1, 2, 9]
    assert np.isfinite(model.predict_proba(X)).all()


@pytest.mark.parametrize("columns", [[0], [1], [0, 1], [2], [2, 3]])
def test_only_categories_or_numbers_or_one_column(columns: list[int]) -> None:
    X, y = classes()
    model = classifier(n_categorical=sum(c < 2 for c in columns)).fit(X[:, columns], y)
    assert np.isfinite(model.predict_proba(X[:, columns])).all()


def test_constant_and_wholly_missing_columns() -> None:
    X, y = classes()
    X[:, 1], X[:, 2], X[:, 3] = np.nan, 4.0, np.nan
    assert np.isfinite(classifier().fit(X, y).predict_proba(X)).all()


def test_a_constant_target_is_predicted() -> None:
    X, _ = values()
    assert regressor().fit(X, np.full(len(X), 7.5)).predict(X[:3]).tolist() == [7.5] * 3


def test_unknown_and_missing_categories_predict() -> None:
    X, y = classes()
    model = classifier().fit(X, y)
    strange = np.repeat(X[:1], 4, axis=0)
    strange[:, 0], strange[:, 1] = [-1, 99, np.nan, 0], [-1, 99, np.nan, 0]
    seen = model.predict_proba(strange)
    assert np.isfinite(seen).all()
    np.testing.assert_array_equal(seen[0], seen[1])  # both unknown
    assert not np.array_equal(seen[1], seen[2])  # missing was seen in training


def test_a_batch_larger_than_the_table_is_one_step_per_epoch() -> None:
    X, y = classes(30)
    larger, exact = (classifier(batch_size=size).fit(X, y).predict_proba(X) for size in (10_000, 30))
    np.testing.assert_array_equal(larger, exact)


def test_time_limit_is_honoured_and_leaves_a_usable_model() -> None:
    X, y = values(3000)
    model = regressor(max_epochs=100_000, patience=100_000, time_limit=0.5).fit(X, y)
    assert model.out_of_time_
    assert r2_score(y, model.predict(X)) > 0.2


def test_skops_round_trip_predicts_the_same_and_trusts_only_the_estimator() -> None:
    X, y = classes()
    model = classifier().fit(X, y)
    data = skops.io.dumps(model)
    assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED)
    loaded = skops.io.loads(data, trusted=TRUSTED)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_predict_the_same(copied: Callable[[Any], Any]) -> None:
    X, y = values()
    model = regressor().fit(X, y)
    twin = copied(model)
    assert "_net" not in vars(twin)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))


def test_weights_travel_apart_from_the_estimator() -> None:
    X, y = classes()
    model = classifier().fit(X, y)
    expected, weights = model.predict_proba(X), model.export_weights()
    assert all(value.dtype == np.float32 for value in weights.values())
    bare = skops.io.loads(skops.io.dumps(model.import_weights({})), trusted=TRUSTED)
    with pytest.raises(ModelError, match="import_weights"):
        bare.predict(X)
    np.testing.assert_array_equal(bare.import_weights(weights).predict_proba(X), expected)
    np.testing.assert_array_equal(model.import_weights(weights).predict_proba(X), expected)


def test_exported_weights_are_a_copy() -> None:
    model = classifier().fit(*classes())
    model.export_weights()["head"][:] = 0.0
    assert model.weights_["head"].any()


@pytest.mark.parametrize("damage", ["missing", "foreign", "reshaped"])
def test_weights_of_another_network_are_refused(damage: str) -> None:
    model = classifier().fit(*classes())
    weights = model.export_weights()
    if damage == "missing":
        weights.pop("head")
    elif damage == "foreign":
        weights["tail"] = weights["head"]
    else:
        weights["head"] = weights["head"][:1]
    with pytest.raises(ModelError, match="tail" if damage == "foreign" else "head"):
        model.import_weights(weights)
    assert model.predict(classes()[0]).shape == (120,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropout": 1.0}, "dropout"),
        ({"width": 0}, "width"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"time_limit": 0.0}, "time_limit"),
        ({"numeric_embedding": "linear"}, "linear"),
        ({"n_categorical": 5}, "n_categorical"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_a_bad_option_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        classifier(**change).fit(*classes())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_asking_for_a_gpu_that_is_not_there_says_so() -> None:
    with pytest.raises(OptionError, match="device='auto'"):
        classifier(device="cuda").fit(*classes())


def test_weights_out_before_fit_is_an_error() -> None:
    with pytest.raises(NotFittedError):
        classifier().export_weights()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_a_gpu_learns_what_the_cpu_learns(mixed_precision: bool) -> None:
    X, y = values(600)
    state = torch.cuda.get_rng_state()
    model = MLPRegressor(
        device="cuda", mixed_precision=mixed_precision, max_epochs=40, learning_rate=0.01, random_state=0
    ).fit(X, y)
    assert r2_score(y, model.predict(X)) > 0.9
    assert torch.equal(torch.cuda.get_rng_state(), state)
