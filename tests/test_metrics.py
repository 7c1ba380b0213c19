import numpy as np
import pytest
from sklearn.metrics import get_scorer_names, log_loss

from autometa import metrics
from autometa.errors import OptionError
from autometa.metrics import ClassPredictions, Predictions, resolve, stored
from autometa.records import TASK_TYPES, TaskType


@pytest.mark.parametrize(
    ("task", "name", "direction"),
    [("binary", "roc_auc", "maximize"), ("multiclass", "log_loss", "minimize"), ("regression", "rmse", "minimize")],
)
def test_each_task_has_its_default(task: TaskType, name: str, direction: str) -> None:
    metric = resolve(None, task)
    assert (metric.name, metric.direction) == (name, direction)


def test_losses_are_in_their_natural_unit() -> None:
    y, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 6.0])
    assert resolve("rmse", "regression").score(Predictions(predicted), y) == pytest.approx(np.sqrt(3.0))
    assert resolve("mae", "regression").score(Predictions(predicted), y) == pytest.approx(1.0)
    assert resolve("neg_mean_absolute_error", "regression") == resolve("mae", "regression")


def test_auc_counts_ordered_pairs() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.65, 0.35], [0.2, 0.8]])
    # Pairs (negative, positive): .1<.35, .1<.8, .6>.35, .6<.8: three of four in order.
    assert resolve("roc_auc", "binary").score(ClassPredictions(probabilities), [0, 0, 1, 1]) == 0.75


def test_log_loss_of_a_fold_that_lacks_a_class() -> None:
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    value = resolve("log_loss", "multiclass").score(ClassPredictions(probabilities), [0, 1])
    assert value == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)


@pytest.mark.parametrize("task", TASK_TYPES)
def test_every_listed_metric_scores_a_sensible_prediction_better_than_a_bad_one(task: TaskType) -> None:
    rng = np.random.default_rng(0)
    if task == "regression":
        y = rng.uniform(1, 10, 60)
        better, worse = Predictions(y + rng.normal(0, 0.1, 60)), Predictions(rng.permutation(y) + 0.5)
    else:
        classes = 2 if task == "binary" else 3
        y = (np.arange(60) % classes).astype(float)
        sharp = np.eye(classes)[np.arange(60) % classes] * 0.8 + 0.2 / classes
        better, worse = ClassPredictions(sharp), ClassPredictions(rng.dirichlet(np.ones(classes), 60))
    names = metrics.names(task)
    assert len(names) >= 10
    for name in names:
        metric = resolve(name, task)
        # A likelihood ratio of a perfect classifier divides by zero; that is the metric's own business.
        if "likelihood" in name:
            continue
        assert metric.better(metric.score(better, y), metric.score(worse, y)), name


def test_every_scorer_of_scikit_learn_is_classified() -> None:
    everywhere = {name for task in TASK_TYPES for name in metrics.names(task)}
    missing = {metrics._natural(name) for name in get_scorer_names()} - everywhere
    # Clustering metrics, and those for several labels a row, fit no task here.
    assert missing == {metrics._natural(name) for name in metrics._CLUSTERING} | {
        name for name in missing if name.endswith("_samples")
    }


def test_a_misspelt_metric_gets_a_hint() -> None:
    with pytest.raises(OptionError, match=r"Unknown metric 'roc_acu'\. Did you mean 'roc_auc'"):
        resolve("roc_acu", "binary")


@pytest.mark.parametrize(("name", "task"), [("f1", "multiclass"), ("accuracy", "regression"), ("rmse", "binary")])
def test_a_metric_of_another_task_is_refused_with_those_that_fit(name: str, task: TaskType) -> None:
    with pytest.raises(OptionError, match=f"'{name}' does not fit a {task} task. Use one of: "):
        resolve(name, task)


def test_multiclass_auc_is_one_versus_rest() -> None:
    assert resolve("roc_auc", "multiclass").name == "roc_auc_ovr"
    assert metrics.related(resolve("roc_auc", "multiclass"), "multiclass")[:2] == ("roc_auc_ovr", "roc_auc")


def test_stored_predictions_cannot_be_fitted() -> None:
    with pytest.raises(TypeError):
        stored(np.zeros(3), "regression").fit(None, None)


def test_log_loss_equals_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 3, 40), rng.dirichlet(np.ones(3), 40)
    assert resolve("log_loss", "multiclass").score(ClassPredictions(p), y) == pytest.approx(log_loss(y, p))


def test_a_metric_of_ones_own_has_its_direction_and_no_relatives() -> None:
    metric = metrics.own("latency", "minimize")
    assert (metric.direction, metric.loss(3.0), metric.better(1.0, 2.0)) == ("minimize", 3.0, True)
    assert metrics.related(metric, "binary") == ("latency",)
    with pytest.raises(OptionError, match="one of your own"):
        metric.score(metrics.stored(np.array([1.0]), "regression"), [1.0])
