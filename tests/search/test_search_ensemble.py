import time

import numpy as np
import pytest

from autometa.metrics import names, resolve, stored
from autometa.records import TASK_TYPES, TaskType
from autometa.search._ensemble import _batch_loss, select


def toy(task: TaskType, n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """A target, folds, and the predictions of four models of falling quality."""
    rng = np.random.default_rng(seed)
    folds = np.arange(n) % 4
    if task == "regression":
        y = rng.uniform(1, 5, n)
        return y, folds, {7 + i: y * np.exp(rng.normal(0, 0.05 + 0.05 * i, n)) for i in range(4)}
    classes = 2 if task == "binary" else 3
    codes = rng.integers(0, classes, n)
    library = {}
    for i in range(4):
        logits = 1.5 * np.eye(classes)[codes] + rng.normal(0, 1 + 0.5 * i, (n, classes))
        library[7 + i] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return codes, folds, library


@pytest.mark.parametrize("task", TASK_TYPES)
def test_fast_losses_equal_their_scorers(task: TaskType) -> None:
    y, _, library = toy(task)
    batch = np.stack(list(library.values()))
    for name in names(task):
        metric = resolve(name, task)
        expected = [metric.loss(metric.score(stored(values, task), y)) for values in batch]
        np.testing.assert_allclose(_batch_loss(metric, task, y)(batch), expected, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("task", TASK_TYPES)
def test_the_ensemble_is_no_worse_than_its_best_member_on_pooled_predictions(task: TaskType) -> None:
    y, folds, library = toy(task)
    metric = resolve(None, task)
    ensemble = select(library, y, folds, metric=metric, task=task)
    assert sum(ensemble.weights.values()) == pytest.approx(1.0)
    blended = sum(weight * library[number] for number, weight in ensemble.weights.items())
    best_single = min(metric.loss(metric.score(stored(values, task), y)) for values in library.values())
    assert metric.loss(metric.score(stored(np.asarray(blended), task), y)) <= best_single
    assert list(ensemble.weights.values()) == sorted(ensemble.weights.values(), reverse=True)


def test_a_perfect_model_is_chosen_alone() -> None:
    y, folds, library = toy("regression")
    ensemble = select(
        {1: library[9], 2: y.copy(), 3: library[8]},
        y,
        folds,
        metric=resolve("rmse", "regression"),
        task="regression",
        max_members=8,
    )
    assert ensemble.weights == {2: 1.0}
    assert ensemble.score == 0.0


def test_two_models_with_opposite_errors_share_the_weight() -> None:
    y = np.linspace(0, 1, 40)
    off = np.where(np.arange(40) % 2, 0.3, -0.3)
    ensemble = select(
        {1: y + off, 2: y - off},
        y,
        np.arange(40) % 4,
        metric=resolve("rmse", "regression"),
        task="regression",
        max_members=8,
    )
    assert ensemble.weights == {1: 0.5, 2: 0.5}


def test_the_honest_score_never_saw_the_fold_it_scores() -> None:
    """A model that is right on one fold by luck helps the flattering score and not the honest one."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=80)
    folds = np.arange(80) // 20
    lucky = {}
    for fold in range(4):
        guess = rng.normal(size=80)
        guess[folds == fold] = y[folds == fold]
        lucky[fold] = guess
    ensemble = select(lucky, y, folds, metric=resolve("rmse", "regression"), task="regression")
    assert ensemble.honest_score is not None
    assert ensemble.honest_score > ensemble.score


def test_a_deadline_that_has_passed_still_gives_an_ensemble() -> None:
    y, folds, library = toy("binary")
    ensemble = select(library, y, folds, metric=resolve("f1", "binary"), task="binary", deadline=time.monotonic() - 1)
    assert sum(ensemble.weights.values()) == pytest.approx(1.0)
    assert ensemble.honest_score is None


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        select(
            {},
            np.zeros(3),
            np.zeros(3, dtype=np.int64),
            metric=resolve("rmse", "regression"),
            task="regression",
            max_members=8,
        )


def test_no_more_members_than_allowed() -> None:
    y, folds, library = toy("binary")
    metric = resolve("roc_auc", "binary")
    for most in (1, 2, 3):
        ensemble = select(library, y, folds, metric=metric, task="binary", max_members=most)
        assert len(ensemble.weights) <= most
    assert ensemble.score >= select(library, y, folds, metric=metric, task="binary", max_members=1).score - 0.01
