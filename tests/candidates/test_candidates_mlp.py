import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline

from autometa.candidates._mlp import MLP
from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor
from autometa.datasets import Dataset, read_dataset
from autometa.records import TaskType

TASKS: tuple[TaskType, ...] = ("binary", "multiclass", "regression")


def dataset(task: TaskType, n: int = 120) -> Dataset:
    rng = np.random.default_rng(0)
    colour, size = rng.integers(0, 3, n), rng.normal(size=n)
    score = size + (colour == 1)
    labels = {"binary": score > 0, "multiclass": np.digitize(score, [0.0, 1.0]), "regression": score}[task]
    frame = pd.DataFrame(
        {
            "size": np.where(rng.random(n) < 0.1, np.nan, size),
            "colour": np.array(["red", "green", "blue"])[colour],
            "town": [f"town {i}" for i in rng.integers(0, 30, n)],
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "note": [f"the {word} parcel number {i} arrived" for i, word in enumerate(rng.choice(["big", "old"], n))],
            "y": labels,
        }
    )
    kinds = {"town": "categorical", "day": "datetime", "note": "text"}
    return read_dataset(frame, target="y", task=task, kinds=kinds, name="parcels")  # type: ignore[arg-type]


def built(data: Dataset) -> Pipeline:
    pipeline = MLP().build(MLP().space_for(data.task).default(), schema=data.schema, seed=0)
    return pipeline.set_params(model__max_epochs=5, model__device="cpu")


@pytest.mark.parametrize("task", TASKS)
def test_the_spaces_defaults_are_the_estimators(task: TaskType) -> None:
    estimator = MLPRegressor() if task == "regression" else MLPClassifier()
    defaults = MLP().space_for(task).default()
    assert defaults.items() <= estimator.get_params().items()


@pytest.mark.parametrize("task", TASKS)
def test_every_kind_of_column_reaches_the_model(task: TaskType) -> None:
    data = dataset(task)
    model = built(data).fit(data.X, data.y)[-1]
    assert model.n_categorical == 2
    assert model.n_features_in_ > len(data.X.columns)
    assert len(model.input_plan_["levels"]) == 2


def test_missing_and_unseen_categories_predict() -> None:
    data = dataset("multiclass")
    pipeline = built(data).fit(data.X, data.y)
    strange = data.X.iloc[:2].assign(colour=["violet", "red"], size=np.nan)
    strange[["town", "day", "note"]] = None
    probabilities = pipeline.predict_proba(data.schema.apply(strange))
    assert probabilities.shape == (2, 3)
    assert np.isfinite(probabilities).all()


def test_random_configurations_fit_and_give_the_same_twice() -> None:
    data = dataset("regression", 60)
    rng = np.random.default_rng(1)
    for _ in range(3):
        config = MLP().space_for("regression").sample(rng) | {"width": 32}
        models = [MLP().build(config, schema=data.schema, seed=3) for _ in range(2)]
        first, again = (m.set_params(model__max_epochs=3).fit(data.X, data.y).predict(data.X) for m in models)
        assert np.isfinite(first).all()
        np.testing.assert_array_equal(first, again)


def test_the_pipeline_survives_skops() -> None:
    data = dataset("binary")
    pipeline = built(data).fit(data.X, data.y)
    dumped = skops.io.dumps(pipeline)
    ours = skops.io.get_untrusted_types(data=dumped)
    assert [name for name in ours if "_mlp" in name] == ["autometa.candidates._mlp_estimator.MLPClassifier"]
    loaded = skops.io.loads(dumped, trusted=ours)
    np.testing.assert_array_equal(loaded.predict_proba(data.X), pipeline.predict_proba(data.X))
