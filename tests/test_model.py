import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

import autometa
from autometa import candidates, model
from autometa.candidates import TRUSTED_TYPES
from autometa.datasets import Dataset
from autometa.errors import ModelError, OptionError, TableError
from autometa.model import Member, Model
from autometa.spaces import load_space

CANARY: list[str] = []


def strike(X: Any) -> Any:
    CANARY.append("the hostile file ran")
    return X


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=90), "b": rng.choice(["x", "y"], 90)})
    frame["class"] = np.where(frame["a"] > 0.5, "high", np.where(frame["a"] > -0.5, "middle", "low"))
    return autometa.read_dataset(frame, name="toy")


def saved(folder: Path, dataset: Dataset, weights: dict[str, float]) -> Path:
    """A model of default candidates with these weights."""
    members = []
    for number, (name, weight) in enumerate(weights.items()):
        config = load_space("tabular", task=dataset.task).project({"candidate": name})
        pipeline = candidates.build(config, schema=dataset.schema, seed=0)
        pipeline.fit(dataset.X, dataset.y.to_numpy())
        path = f"members/{number:02d}-{name}"
        model.save_pipeline(pipeline, folder / path)
        members.append(Member(path, weight, name, config, number, 0.5))
    model.write_card(folder, members, dataset.schema, {"metric": "log_loss"})
    return folder


def test_a_model_is_the_weighted_mean_of_its_members(dataset: Dataset, tmp_path: Path) -> None:
    loaded = Model.load(saved(tmp_path, dataset, {"logistic_regression": 0.75, "k_nearest_neighbors": 0.25}))
    linear, neighbours = (pipeline.predict_proba(dataset.X) for pipeline in loaded.pipelines)
    np.testing.assert_allclose(loaded.predict_proba(dataset.X), 0.75 * linear + 0.25 * neighbours)
    assert loaded.classes == ("high", "low", "middle")
    assert set(loaded.predict(dataset.X)) == {"high", "low", "middle"}


def test_a_network_keeps_its_tensors_in_safetensors(dataset: Dataset, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    config = load_space("tabular", task="multiclass").project({"candidate": "mlp", "mlp.width": 32, "mlp.n_blocks": 1})
    pipeline = candidates.build(config, schema=dataset.schema, seed=0).fit(dataset.X, dataset.y.to_numpy())
    before = pipeline.predict_proba(dataset.X)
    model.save_pipeline(pipeline, tmp_path / "m")
    np.testing.assert_array_equal(pipeline.predict_proba(dataset.X), before)
    loaded = model.load_pipeline(tmp_path / "m")
    np.testing.assert_allclose(loaded.predict_proba(dataset.X), before, rtol=1e-6)
    tensors = load_file(tmp_path / "m" / "weights.safetensors")
    assert sum(array.size for array in tensors.values()) > 1000
    assert skops.io.load(tmp_path / "m" / "pipeline.skops", trusted=TRUSTED_TYPES)[-1].weights_ == {}


def test_a_class_that_a_member_never_saw_has_probability_zero() -> None:
    class Partial:
        classes_ = np.array([0, 2])

        def predict_proba(self, X: Any) -> Any:
            return np.tile([0.3, 0.7], (len(X), 1))

    assert model.raw_predictions(Partial(), pd.DataFrame({"a": [1, 2]}), 3).tolist() == [[0.3, 0.0, 0.7]] * 2


def test_tables_to_predict_may_be_reordered_longer_or_empty(dataset: Dataset, tmp_path: Path) -> None:
    loaded = Model.load(saved(tmp_path, dataset, {"logistic_regression": 1.0}))
    expected = loaded.predict_proba(dataset.X)
    shuffled = dataset.X[["b", "a"]].assign(extra=1)
    np.testing.assert_array_equal(loaded.predict_proba(shuffled), expected)
    assert loaded.predict_proba(dataset.X.iloc[:0]).shape == (0, 3)
    with pytest.raises(TableError, match="'b'"):
        loaded.predict(dataset.X[["a"]])


def test_loading_a_hostile_file_runs_nothing(dataset: Dataset, tmp_path: Path) -> None:
    folder = saved(tmp_path, dataset, {"logistic_regression": 1.0})
    member = folder / "members" / "00-logistic_regression"
    skops.io.dump(Pipeline([("strike", FunctionTransformer(strike))]), member / "pipeline.skops")
    card = json.loads((folder / "card.json").read_text())
    card["files"] = {name: model._sha256(folder / name) for name in card["files"]}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="cannot be loaded safely"):
        Model.load(folder).predict(dataset.X)
    assert CANARY == []


def changed(folder: Path, **changes: Any) -> Path:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **changes}))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "has format 99; this autometa reads up to 2. Install a newer autometa"),
        ({"format": None}, "names no format"),
        ({"members": [{"path": "x"}]}, "is damaged: TypeError"),
        ({"files": {"../outside": "0"}}, "names a file outside the model"),
    ],
)
def test_a_wrong_card_is_refused(dataset: Dataset, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    folder = changed(saved(tmp_path, dataset, {"logistic_regression": 1.0}), **changes)
    with pytest.raises(ModelError, match=message):
        Model.load(folder).predict(dataset.X)


def test_a_member_outside_the_folder_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    outside = saved(tmp_path / "outside", dataset, {"logistic_regression": 1.0})
    folder = saved(tmp_path / "model", dataset, {"logistic_regression": 1.0})
    card = json.loads((folder / "card.json").read_text())
    member = {**card["members"][0], "path": f"../{outside.name}/members/00-logistic_regression"}
    with pytest.raises(ModelError, match="outside the model"):
        Model.load(changed(folder, members=[member])).predict(dataset.X)
    with pytest.raises(ModelError, match="no checksum for the member 'members/01-other'"):
        Model.load(changed(folder, members=[{**member, "path": "members/01-other"}])).predict(dataset.X)


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"'])
def test_no_card_at_all(tmp_path: Path, content: str) -> None:
    with pytest.raises(ModelError, match="holds no model"):
        Model.load(tmp_path)
    (tmp_path / "card.json").write_text(content)
    with pytest.raises(ModelError, match=r"card\.json"):
        Model.load(tmp_path)


def test_a_regression_has_no_probabilities(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.linspace(0, 1, 40), "y": np.linspace(0, 1, 40) ** 2 + 0.001})
    loaded = Model.load(saved(tmp_path, autometa.read_dataset(frame), {"ridge": 1.0}))
    assert loaded.predict(frame).dtype == np.float64
    with pytest.raises(OptionError, match="no class probabilities"):
        loaded.predict_proba(frame)


def test_a_missing_or_changed_file_is_named(dataset: Dataset, tmp_path: Path) -> None:
    victim = saved(tmp_path, dataset, {"logistic_regression": 1.0}) / "members/00-logistic_regression/pipeline.skops"
    content = victim.read_bytes()
    victim.write_bytes(content[:-1])
    with pytest.raises(ModelError, match="does not match its checksum"):
        Model.load(tmp_path).predict(dataset.X)
    victim.unlink()
    with pytest.raises(ModelError, match=r"pipeline\.skops is missing. Copy the whole model folder"):
        Model.load(tmp_path).predict(dataset.X)
