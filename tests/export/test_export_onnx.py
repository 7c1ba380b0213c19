from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from export_models import EXAMPLES, Save, config_of, strange, table
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import Lasso
from sklearn.naive_bayes import GaussianNB

import autometa
from autometa import candidates, export
from autometa.calibration import Calibration
from autometa.candidates import CANDIDATES
from autometa.candidates._lightgbm import LightGBMClassifier
from autometa.datasets import Dataset
from autometa.errors import OptionError
from autometa.export._graph import Graph, Unsupported
from autometa.export._registry import CONVERTERS, convert
from autometa.records import TASK_TYPES, TaskType

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

EXPECTED_FAILURES = {"catboost": "statistics of its training rows"}
MATRIX = [
    pytest.param(
        name,
        task,
        id=f"{name}-{task}",
        marks=pytest.mark.skipif(not CANDIDATES.create(name).available(), reason=f"{name} is not installed"),
    )
    for name in CANDIDATES.names()
    for task in TASK_TYPES
    if task in CANDIDATES.create(name).tasks
]


@pytest.mark.parametrize(("name", "task"), MATRIX)
def test_a_candidate_predicts_the_same_as_onnx(
    name: str, task: str, datasets: dict[str, Dataset], save: Save, tmp_path: Path
) -> None:
    loaded = save(datasets[task], {name: 1.0})
    if name in EXPECTED_FAILURES:
        with pytest.raises(OptionError, match=EXPECTED_FAILURES[name]):
            export.to_onnx(loaded, tmp_path / "m.onnx")
        return
    export.to_onnx(loaded, tmp_path / "m.onnx")
    found = export.compare_onnx(loaded, tmp_path / "m.onnx", strange(datasets[task].X))
    assert found.n_rows == 200
    assert found.worst < 5e-6
    assert found.beyond == found.labels == 0


@pytest.mark.parametrize("scaling", ["standard", "minmax", "quantile", "robust"])
@pytest.mark.parametrize(
    ("name", "task", "changes"),
    [
        ("ridge", "regression", {"target": "quantile"}),
        ("k_nearest_neighbors", "multiclass", {"p": 1, "weights": "uniform"}),
        ("svm", "binary", {"kernel": "sigmoid", "coef0": 0.5}),
        ("svm", "multiclass", {"kernel": "poly", "degree": 2, "coef0": 1.0}),
    ],
)
def test_each_scaling_and_kernel(
    name: str,
    task: str,
    changes: dict[str, Any],
    scaling: str,
    datasets: dict[str, Dataset],
    save: Save,
    tmp_path: Path,
) -> None:
    loaded = save(datasets[task], {name: 1.0}, scaling=scaling, **changes)
    assert loaded.members[0].config[f"{name}.scaling"] == scaling
    export.to_onnx(loaded, tmp_path / "m.onnx")
    assert export.compare_onnx(loaded, tmp_path / "m.onnx", strange(datasets[task].X)).worst < 1e-9


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_products_of_columns(scaling: str, datasets: dict[str, Dataset], save: Save, tmp_path: Path) -> None:
    loaded = save(datasets["regression"], {"ridge": 1.0}, scaling=scaling, polynomial=True)
    export.to_onnx(loaded, tmp_path / "m.onnx")
    assert export.compare_onnx(loaded, tmp_path / "m.onnx", strange(datasets["regression"].X)).worst < 1e-9


def test_quantiles_of_products_are_refused(datasets: dict[str, Dataset], save: Save, tmp_path: Path) -> None:
    loaded = save(datasets["regression"], {"ridge": 1.0}, scaling="quantile", polynomial=True)
    with pytest.raises(OptionError, match="step 'products' of its preparation: quantiles of products"):
        export.to_onnx(loaded, tmp_path / "m.onnx")


@pytest.mark.skipif(not CANDIDATES.create("catboost").available(), reason="catboost is not installed")
def test_catboost_of_numbers_has_an_onnx_form(datasets: dict[str, Dataset], save: Save, tmp_path: Path) -> None:
    loaded = save(datasets["numbers"], {"catboost": 1.0})
    export.to_onnx(loaded, tmp_path / "m.onnx")
    assert export.compare_onnx(loaded, tmp_path / "m.onnx", strange(datasets["numbers"].X)).worst < 5e-7


@pytest.mark.parametrize("algorithm", ["nearest_neighbor", "siamese"])
def test_few_shot_learners_whose_knowledge_is_a_matrix(
    algorithm: str, datasets: dict[str, Dataset], save: Save, tmp_path: Path
) -> None:
    loaded = save(datasets["multiclass"], {"few_shot_tabular": 1.0}, algorithm=algorithm, n_steps=50)
    if algorithm == "siamese":
        with pytest.raises(OptionError, match="the few-shot learner siamese has no converter; prototypical has one"):
            export.to_onnx(loaded, tmp_path / "m.onnx")
        return
    export.to_onnx(loaded, tmp_path / "m.onnx")
    assert export.compare_onnx(loaded, tmp_path / "m.onnx", strange(datasets["multiclass"].X)).worst < 5e-6


@pytest.mark.parametrize("file", ["credit-g.csv", "penguins.csv"])
def test_an_ensemble_on_a_real_table(file: str, save: Save, tmp_path: Path) -> None:
    dataset = autometa.read_dataset(EXAMPLES / file)
    linear = "ridge" if dataset.task == "regression" else "logistic_regression"
    weights = {"lightgbm": 0.4, "hist_gradient_boosting": 0.3, linear: 0.2, "random_forest": 0.1}
    loaded = save(dataset, weights)
    export.to_onnx(loaded, tmp_path / "m.onnx")
    found = export.compare_onnx(loaded, tmp_path / "m.onnx", strange(dataset.X))
    assert found.worst < 1e-6
    assert found.labels == 0


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_calibrated_ensemble(task: TaskType, datasets: dict[str, Dataset], save: Save, tmp_path: Path) -> None:
    frequencies = (0.3, 0.7) if task == "binary" else (0.2, 0.3, 0.5)
    calibration, own = Calibration(1.7, 0.05, frequencies), {"random_forest": Calibration(0.4, 0.02, frequencies)}
    members = {"logistic_regression": 0.6, "random_forest": 0.4}
    loaded = save(datasets[task], members, calibration=calibration, calibrations=own)
    export.to_onnx(loaded, tmp_path / "m.onnx")
    assert export.compare_onnx(loaded, tmp_path / "m.onnx", datasets[task].X).worst < 1e-6
    assert loaded.predict_proba(table(task)).min() > 0.01


def run(path: Path, feed: dict[str, Any]) -> list[Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return list(session.run(None, feed))


def test_inputs_are_columns_and_outputs_are_labels_of_the_table(
    datasets: dict[str, Dataset], save: Save, tmp_path: Path
) -> None:
    loaded = save(datasets["binary"], {"logistic_regression": 1.0})
    signature = export.to_onnx(loaded, tmp_path / "m.onnx")
    strings = dict.fromkeys(("colour", "town", "flag"), "string")
    assert signature.inputs == {"size": "double", "count": "double", **strings, "day": "int64"}
    assert signature.outputs == {"label": "string", "probabilities": "double"}
    raw = table("binary").iloc[::-1]
    labels, probabilities = run(tmp_path / "m.onnx", export.onnx_inputs(loaded, raw))
    assert labels.tolist() == loaded.predict(raw).tolist()
    np.testing.assert_allclose(probabilities, loaded.predict_proba(raw), atol=1e-12)


def test_inputs_by_hand(datasets: dict[str, Dataset], save: Save, tmp_path: Path) -> None:
    loaded = save(datasets["regression"], {"ridge": 1.0})
    export.to_onnx(loaded, tmp_path / "m.onnx")
    by_hand = {
        "size": np.array([[0.5], [np.nan]]),
        "count": np.array([[2.0], [3.0]]),
        "colour": np.array([["red"], [""]], dtype=object),
        "town": np.array([["town 1"], ["Atlantis"]], dtype=object),
        "flag": np.array([["True"], ["False"]], dtype=object),
        "day": np.array([[86_400_000_000], [np.iinfo(np.int64).min]]),
    }
    rows = {"size": [0.5, None], "count": [2, 3], "colour": ["red", None], "town": ["town 1", "Atlantis"]}
    days = pd.to_datetime(pd.Series(["1970-01-02", None]))
    expected = loaded.predict(pd.DataFrame({**rows, "flag": [True, False], "day": days}))
    np.testing.assert_allclose(run(tmp_path / "m.onnx", by_hand)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("labels", [[1, 2, 3], [True, False], [0.5, 1.5, 2.5], ["x", "y", "z"]])
def test_labels_keep_their_type(labels: list[Any], save: Save, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"label": rng.normal(size=60), "label_2": rng.normal(size=60)})
    frame["class"] = [labels[i % len(labels)] for i in range(60)]
    dataset = autometa.read_dataset(frame, target="class", task="binary" if len(labels) == 2 else "multiclass")
    loaded = save(dataset, {"logistic_regression": 1.0})
    signature = export.to_onnx(loaded, tmp_path / "m.onnx")
    assert list(signature.outputs) == ["label_3", "probabilities"]
    found = run(tmp_path / "m.onnx", export.onnx_inputs(loaded, frame))[0]
    expected = loaded.predict(frame)
    assert found.tolist() == expected.tolist()
    assert found.dtype == expected.dtype


def test_a_class_that_a_member_never_saw_has_probability_zero(save: Save, tmp_path: Path) -> None:
    frame = table("multiclass")
    dataset = autometa.read_dataset(frame, target="target")
    loaded = save(dataset, {"random_forest": 0.5, "logistic_regression": 0.5})
    pipeline = candidates.build(config_of("random_forest", "multiclass"), schema=dataset.schema, seed=0)
    rows = dataset.y.to_numpy() != 1
    loaded.pipelines[0] = pipeline.fit(dataset.X[rows], dataset.y.to_numpy()[rows])
    export.to_onnx(loaded, tmp_path / "m.onnx")
    assert export.compare_onnx(loaded, tmp_path / "m.onnx", dataset.X).worst < 1e-6


def test_a_wrong_converter_is_noticed(
    datasets: dict[str, Dataset], save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = CONVERTERS[LightGBMClassifier]

    def shy(graph: Graph, step: Any, x: str) -> str:
        return graph.op("Add", graph.op("Mul", honest(graph, step, x), 0.998), 0.001)

    monkeypatch.setitem(CONVERTERS, LightGBMClassifier, shy)
    loaded = save(datasets["binary"], {"lightgbm": 1.0})
    export.to_onnx(loaded, tmp_path / "m.onnx")
    found = export.compare_onnx(loaded, tmp_path / "m.onnx", datasets["binary"].X)
    assert 1e-4 < found.worst <= 1e-3
    assert found.beyond > 60


def test_predictions_that_are_missing_are_a_difference_without_bound() -> None:
    found = export.compare(np.array([1.0, 2.0]), np.array([1.0, np.nan]))
    assert (found.worst, found.beyond) == (np.inf, 1)
    assert export.compare(np.zeros((3, 2)), np.zeros((3, 3))).beyond == 3
    assert export.compare(np.array([10.0, -40.0]), np.array([10.0, -38.0])).worst == pytest.approx(0.05)


def test_text_is_refused_with_the_column_and_the_way_out(save: Save, tmp_path: Path) -> None:
    frame = table("binary").assign(note=[f"the parcel number {i} has arrived at noon" for i in range(100)])
    loaded = save(autometa.read_dataset(frame, target="target"), {"logistic_regression": 1.0})
    message = (
        r"Member 0 \(logistic_regression\) cannot be written as ONNX: step 'text:note' of its preparation: the column "
        r"'note' is text.*Search again with --ignore 'note'"
    )
    with pytest.raises(OptionError, match=message):
        export.to_onnx(loaded, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.skipif(not CANDIDATES.create("catboost").available(), reason="catboost is not installed")
def test_the_member_that_has_no_onnx_form_is_named(datasets: dict[str, Dataset], save: Save, tmp_path: Path) -> None:
    loaded = save(datasets["binary"], {"logistic_regression": 0.7, "catboost": 0.3})
    message = r"Member 1 \(catboost\).*step 'model'.*--candidates extra_trees,.*ensemble_size=1 in Python"
    with pytest.raises(OptionError, match=message):
        export.to_onnx(loaded, tmp_path / "m.onnx")


def test_an_opset_that_is_too_old_is_refused(datasets: dict[str, Dataset], save: Save, tmp_path: Path) -> None:
    loaded = save(datasets["regression"], {"ridge": 1.0})
    with pytest.raises(OptionError, match=r"opset must lie in 18\.\.\d+, but got 9"):
        export.to_onnx(loaded, tmp_path / "m.onnx", opset=9)
    export.to_onnx(loaded, tmp_path / "m.onnx", opset=21)
    assert onnx.load(tmp_path / "m.onnx").opset_import[0].version == 21
    assert export.compare_onnx(loaded, tmp_path / "m.onnx", datasets["regression"].X).worst < 1e-12


def test_a_missing_library_and_a_missing_folder_are_said(
    datasets: dict[str, Dataset], save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = save(datasets["regression"], {"ridge": 1.0})
    with pytest.raises(OptionError, match="cannot be written: No such file or directory"):
        export.to_onnx(loaded, tmp_path / "nowhere" / "m.onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"onnx, which is not installed.*pip install 'autometa\[onnx\]'"):
        export.to_onnx(loaded, tmp_path / "m.onnx")


def foreign(step: Any, X: Any) -> Any:
    graph = Graph(["x"])
    graph.name_output(convert(graph, step, "x"), "out")
    shape = ["rows", X.shape[1]]
    made = onnx.helper.make_model(
        graph.proto(
            "foreign",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.DOUBLE, shape)],
            [onnx.helper.make_tensor_value_info("out", onnx.TensorProto.DOUBLE, ["rows", "k"])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 18), onnx.helper.make_opsetid("ai.onnx.ml", 3)],
        ir_version=8,
    )
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0]


class TestEstimatorsOfOthers:
    X: ClassVar[Any] = np.random.default_rng(0).normal(size=(50, 3))
    y: ClassVar[Any] = (X[:, 0] > 0).astype(np.int64)

    @pytest.fixture(autouse=True)
    def needs_skl2onnx(self) -> None:
        pytest.importorskip("skl2onnx")

    def test_a_classifier(self) -> None:
        model = GaussianNB().fit(self.X, self.y)
        np.testing.assert_allclose(foreign(model, self.X), model.predict_proba(self.X), atol=1e-9)

    def test_a_regressor(self) -> None:
        model = Lasso(0.01).fit(self.X, self.X[:, 0] * 2 + 1)
        np.testing.assert_allclose(foreign(model, self.X)[:, 0], model.predict(self.X), rtol=1e-12)

    def test_what_skl2onnx_does_not_know_is_named(self) -> None:
        class Unheard(GaussianNB):  # type: ignore[misc]
            """A plug-in's own."""

        with pytest.raises(Unsupported, match="Unheard cannot be converted by skl2onnx"):
            convert(Graph(["x"]), Unheard().fit(self.X, self.y), "x")

    def test_a_conversion_that_mixes_precisions_is_refused(self) -> None:
        model = AdaBoostClassifier(n_estimators=3).fit(self.X, self.y)
        with pytest.raises(Unsupported, match="AdaBoostClassifier"):
            convert(Graph(["x"]), model, "x")
