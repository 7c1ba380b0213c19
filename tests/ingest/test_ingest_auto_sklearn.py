"""auto-sklearn's tables in miniature, with results worked out by hand."""

import csv
import gzip
import io
import json
import math
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autometa import metrics
from autometa.errors import InputError
from autometa.ingest import ImportReport, import_auto_sklearn
from autometa.ingest._auto_sklearn import _LOSSES, _SCORES, natural
from autometa.ingest._auto_sklearn_configs import Facts, Translation, Untranslatable, real_value, translate
from autometa.knowledge import KnowledgeBase
from autometa.records import ConfigValue, TaskType
from autometa.spaces import load_space

PLAIN = Facts(n_rows=1000, n_features=16, has_categories=False, has_missing=False)
CATEGORIES = "data_preprocessor:feature_type:categorical_transformer"
NUMBERS = "data_preprocessor:feature_type:numerical_transformer"
BEFORE = {
    "feature_preprocessor:__choice__": "no_preprocessing",
    f"{NUMBERS}:rescaling:__choice__": "standardize",
    f"{NUMBERS}:imputation:strategy": "mean",
    f"{CATEGORIES}:categorical_encoding:__choice__": "one_hot_encoding",
    f"{CATEGORIES}:category_coalescence:__choice__": "no_coalescense",
}
FOREST = {
    "bootstrap": "False",
    "criterion": "entropy",
    "max_depth": "None",
    "max_features": "0.25",
    "max_leaf_nodes": "None",
    "min_impurity_decrease": "0.0",
    "min_samples_leaf": "3",
    "min_samples_split": "7",
    "min_weight_fraction_leaf": "0.0",
}
BOOSTING = {
    "early_stop": "off",
    "l2_regularization": "1e-10",
    "learning_rate": "0.1",
    "loss": "auto",
    "max_leaf_nodes": "31",
    "min_samples_leaf": "20",
}
MACHINE = {"C": "2.0", "gamma": "0.25", "kernel": "rbf", "max_iter": "-1", "shrinking": "True", "tol": "0.001"}
NEIGHBORS = {"n_neighbors": "7", "p": "1", "weights": "distance"}
NETWORK = {
    "activation": "relu",
    "alpha": "0.001",
    "hidden_layer_depth": "3",
    "learning_rate_init": "0.002",
    "num_nodes_per_layer": "64",
}
GRADIENT = {"loss": "log", "penalty": "l2", "alpha": "0.001", "average": "True", "learning_rate": "optimal"}


def row(algorithm: str, settings: Mapping[str, str], *, kind: str = "classifier", **before: str) -> dict[str, str]:
    """A row of configurations.csv; ``balancing``, ``step``, ``rescaling``, ... replace the plain steps before."""
    names = {
        "balancing": "balancing:strategy",
        "step": "feature_preprocessor:__choice__",
        "rescaling": f"{NUMBERS}:rescaling:__choice__",
        "output": f"{NUMBERS}:rescaling:quantile_transformer:output_distribution",
        "imputation": f"{NUMBERS}:imputation:strategy",
        "encoding": f"{CATEGORIES}:categorical_encoding:__choice__",
        "coalescence": f"{CATEGORIES}:category_coalescence:__choice__",
    }
    steps = BEFORE | ({"balancing:strategy": "none"} if kind == "classifier" else {})
    steps |= {names[name]: value for name, value in before.items()}
    own = {f"{kind}:{algorithm}:{name}": value for name, value in settings.items()}
    return {**steps, f"{kind}:__choice__": algorithm, **own, "classifier:other:unused": ""}


def translated(
    algorithm: str,
    settings: Mapping[str, str],
    *,
    task: TaskType = "binary",
    facts: Facts = PLAIN,
    before: Mapping[str, str] | None = None,
) -> Translation:
    kind = "regressor" if task == "regression" else "classifier"
    space = load_space("tabular", task=task)
    found = translate(row(algorithm, settings, kind=kind, **(before or {})), facts, space)
    assert isinstance(found, Translation), found
    space.validate(found.config)
    return found


def own(found: Translation) -> dict[str, ConfigValue]:
    prefix = f"{found.config['candidate']}."
    return {name.removeprefix(prefix): value for name, value in found.config.items() if name != "candidate"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("None", None), ("True", True), ("False", False), ("3", 3), ("0.5", 0.5), ("1e-07", 1e-7), ("auto", "auto")],
)
def test_texts_become_the_values_they_name(text: str, value: ConfigValue) -> None:
    found = real_value(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("algorithm", ["random_forest", "extra_trees"])
def test_a_forest_is_mapped_as_it_was(algorithm: str) -> None:
    found = translated(algorithm, FOREST)
    assert found.changes == ()
    assert found.config["candidate"] == algorithm
    assert own(found) == {
        "n_estimators": 512,
        "max_features_power": 0.25,
        "min_samples_leaf": 3,
        "min_samples_split": 7,
        "bootstrap": False,
        "criterion": "entropy",
        "class_weight": None,
    }


def test_a_regression_forests_share_of_features_becomes_a_power() -> None:
    """16 ** p = 0.5 * 16 gives p = 3/4."""
    found = translated("random_forest", FOREST | {"criterion": "mse", "max_features": "0.5"}, task="regression")
    assert own(found)["max_features_power"] == pytest.approx(0.75)
    assert found.changes == ("expressed otherwise: share of features as a power",)
    whole = translated("random_forest", FOREST | {"criterion": "mse", "max_features": "1.0"}, task="regression")
    assert own(whole)["max_features_power"] == 1.0
    assert whole.changes == ()


def test_another_split_criterion_is_a_change() -> None:
    found = translated("extra_trees", FOREST | {"criterion": "mae", "max_features": "1.0"}, task="regression")
    assert found.changes == ("split criterion left out: mae",)
    assert "criterion" not in own(found)


def test_gradient_boosting_becomes_histogram_boosting() -> None:
    found = translated("gradient_boosting", BOOSTING, before={"balancing": "weighting"})
    assert found.changes == ()
    assert found.config["candidate"] == "hist_gradient_boosting"
    assert own(found) == {
        "max_iter": 512,
        "learning_rate": 0.1,
        "max_leaf_nodes": 31,
        "min_samples_leaf": 20,
        "l2_regularization": 1e-10,
        "max_features": 1.0,
        "early_stopping": False,
        "class_weight": "balanced",
    }


@pytest.mark.parametrize(
    ("early_stop", "stops", "change"),
    [
        ("train", False, "early stopping on the training loss left out"),
        ("valid", True, "early stopping in other details"),
    ],
)
def test_early_stopping_keeps_its_sense(early_stop: str, stops: bool, change: str) -> None:
    found = translated("gradient_boosting", BOOSTING | {"early_stop": early_stop})
    assert own(found)["early_stopping"] is stops
    assert found.changes == (change,)


def test_a_value_outside_our_range_is_moved_and_named() -> None:
    found = translated("gradient_boosting", BOOSTING | {"max_leaf_nodes": "1922"})
    assert own(found)["max_leaf_nodes"] == 1024
    assert found.changes == ("moved into range: hist_gradient_boosting.max_leaf_nodes",)


def test_a_support_vector_classifier_is_mapped_with_its_kernels_settings() -> None:
    rbf = translated("libsvm_svc", MACHINE, before={"balancing": "weighting"})
    assert rbf.changes == ()
    assert own(rbf) == {"C": 2.0, "kernel": "rbf", "gamma": 0.25, "class_weight": "balanced", "scaling": "standard"}
    poly = translated("libsvm_svc", MACHINE | {"kernel": "poly", "degree": "4", "coef0": "-0.5"})
    assert (own(poly)["degree"], own(poly)["coef0"]) == (4, -0.5)


def test_a_support_vector_regressor_keeps_epsilon_in_standard_deviations() -> None:
    settings = {"C": "2.0", "kernel": "sigmoid", "coef0": "0.5", "epsilon": "0.2"}
    found = translated("libsvm_svr", settings, task="regression")
    assert own(found) == {
        "C": 2.0,
        "kernel": "sigmoid",
        "gamma": 0.1,  # auto-sklearn does not tune it here, and its default is 0.1
        "coef0": 0.5,
        "epsilon": 0.2,
        "scaling": "standard",
    }


def test_neighbours_are_mapped_and_ignore_class_weights() -> None:
    found = translated("k_nearest_neighbors", NEIGHBORS, before={"balancing": "weighting", "rescaling": "minmax"})
    assert found.changes == ()
    assert own(found) == {"n_neighbors": 7, "weights": "distance", "p": 1, "scaling": "minmax"}


def test_a_network_is_always_a_projection() -> None:
    found = translated("mlp", NETWORK)
    assert found.changes == ("another architecture: mlp",)
    settings = own(found)
    assert (settings["n_blocks"], settings["width"]) == (3, 64)
    assert (settings["learning_rate"], settings["weight_decay"]) == (0.002, 0.001)
    assert settings["dropout"] == load_space("mlp").default()["dropout"]


def test_a_linear_model_by_gradient_descent_becomes_the_same_objective() -> None:
    """C = 1 / (alpha * n_rows) = 1 / (0.001 * 1000) = 1; ridge's alpha = 0.001 * 1000 = 1."""
    found = translated("sgd", GRADIENT | {"penalty": "elasticnet", "l1_ratio": "0.3"})
    assert found.changes == ("another solver: sgd",)
    assert found.config["candidate"] == "logistic_regression"
    assert own(found)["C"] == pytest.approx(1.0)
    assert (own(found)["penalty"], own(found)["l1_ratio"]) == ("elasticnet", 0.3)
    ridge = translated("sgd", GRADIENT | {"loss": "squared_loss"}, task="regression")
    assert ridge.config["candidate"] == "ridge"
    assert own(ridge)["alpha"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("algorithm", "settings", "task", "reason"),
    [
        ("sgd", GRADIENT | {"loss": "hinge"}, "binary", "sgd: no hinge loss"),
        ("sgd", GRADIENT | {"loss": "squared_loss", "penalty": "l1"}, "regression", "no squared_loss loss with l1"),
        ("libsvm_svr", MACHINE | {"kernel": "linear"}, "regression", "libsvm_svr: no linear kernel"),
        ("libsvm_svc", MACHINE | {"C": "None"}, "binary", "libsvm_svc: no value for C"),
        *[(name, {}, "binary", f"{name}: no such candidate") for name in ("adaboost", "lda", "qda", "liblinear_svc")],
        *[(name, {}, "regression", f"{name}: no such") for name in ("gaussian_process", "ard_regression")],
    ],
)
def test_what_we_do_not_have_is_dropped_with_the_reason(
    algorithm: str, settings: Mapping[str, str], task: TaskType, reason: str
) -> None:
    kind = "regressor" if task == "regression" else "classifier"
    found = translate(row(algorithm, settings, kind=kind), PLAIN, load_space("tabular", task=task))
    assert isinstance(found, Untranslatable)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("algorithm", "before", "change"),
    [
        ("random_forest", {"step": "pca"}, "feature preprocessor left out: pca"),
        ("random_forest", {"rescaling": "quantile_transformer", "output": "uniform"}, None),
        ("random_forest", {"rescaling": "normalize"}, "rescaling left out: normalize"),
        ("k_nearest_neighbors", {"rescaling": "normalize"}, "rescaling exchanged: normalize"),
        ("k_nearest_neighbors", {"rescaling": "none"}, "rescaling exchanged: none"),
        ("k_nearest_neighbors", {"rescaling": "quantile_transformer", "output": "normal"}, None),
        (
            "k_nearest_neighbors",
            {"rescaling": "quantile_transformer", "output": "uniform"},
            "rescaling in other details: quantile_transformer",
        ),
        ("k_nearest_neighbors", {"rescaling": "robust_scaler"}, "rescaling in other details: robust_scaler"),
    ],
)
def test_steps_before_the_learner_count_where_they_matter(
    algorithm: str, before: dict[str, str], change: str | None
) -> None:
    settings = FOREST if algorithm == "random_forest" else NEIGHBORS
    assert translated(algorithm, settings, before=before).changes == (() if change is None else (change,))


def test_coding_and_filling_count_where_a_dataset_has_categories_or_gaps() -> None:
    mixed = Facts(n_rows=100, n_features=4, has_categories=True, has_missing=True)
    forest = translated("random_forest", FOREST, facts=mixed, before={"coalescence": "minority_coalescer"})
    assert set(forest.changes) == {
        "categories coded otherwise: one_hot_encoding",
        "merging of rare categories left out",
        "missing values filled otherwise: mean",
    }
    assert translated("k_nearest_neighbors", NEIGHBORS, facts=mixed, before={"imputation": "median"}).changes == ()


@pytest.mark.parametrize("name", [*_SCORES, *_LOSSES])
def test_metrics_have_our_names_and_directions(name: str) -> None:
    task: TaskType = "regression" if name == "r2" or (name in _LOSSES and name != "log_loss") else "binary"
    ours, direction, value = natural(name, 0.25)
    metric = metrics.resolve(ours, task)
    assert (metric.name, metric.direction) == (ours, direction)
    assert value == (0.25 if name in _LOSSES else 0.75)


def test_rounding_does_not_lift_a_score_above_one() -> None:
    assert natural("average_precision", -2.2e-16) == ("average_precision", "maximize", 1.0)
    assert natural("r2", 1.5) == ("r2", "maximize", -0.5)


def folder(
    root: Path, name: str, metric: str, configs: list[dict[str, str]], runs: list[tuple[str, int, str, str]]
) -> None:
    """Write one folder in ASlib's format."""
    files = root / "autosklearn" / "metalearning" / "files" / name
    files.mkdir(parents=True)
    (files / "description.txt").write_text(f"performance_measures: {metric}\nmaximize: false\n")
    columns = sorted({column for config in configs for column in config})
    text = io.StringIO()
    writer = csv.DictWriter(text, ["idx", *columns], restval="")
    writer.writeheader()
    writer.writerows({"idx": str(i + 1), **config} for i, config in enumerate(configs))
    (files / "configurations.csv").write_text(text.getvalue())
    rows = "\n".join(f"{dataset},1.0,{i},{loss},{status}" for dataset, i, loss, status in runs)
    (files / "algorithm_runs.arff").write_text(
        "@RELATION R\n\n@ATTRIBUTE instance_id STRING\n@ATTRIBUTE repetition NUMERIC\n@ATTRIBUTE algorithm STRING\n"
        f"@ATTRIBUTE {metric} NUMERIC\n@ATTRIBUTE runstatus {{ok, timeout, not_applicable}}\n\n@DATA\n{rows}\n"
    )
    qualities = {"NumberOfInstances": 1000, "NumberOfFeatures": 16, "NumberOfCategoricalFeatures": 0}
    classes = [] if "regression" in name else [("NumberOfClasses", {"one": 2, "two": 3, "both": 2, "quiet": 2})]
    names = [*qualities, *(name for name, _ in classes), "KurtosisMean"]
    datasets = ["one", "two", "both", "quiet"] if classes else ["one", "priced"]
    lines = [
        ",".join([one, "1.0", *map(str, qualities.values()), *(str(values[one]) for _, values in classes), "?"])
        for one in datasets
    ]
    attributes = "\n".join(f"@ATTRIBUTE {name} NUMERIC" for name in names)
    (files / "feature_values.arff").write_text(
        f"@RELATION F\n\n@ATTRIBUTE instance_id STRING\n@ATTRIBUTE repetition NUMERIC\n{attributes}\n\n@DATA\n"
        + "\n".join(lines)
        + "\n"
    )


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    """Six folders: what is identical, ambiguous, not applicable, mapped, projected and dropped in them is known."""
    root = tmp_path / "auto-sklearn-9.8.7"
    forest, boosted = row("random_forest", FOREST), row("gradient_boosting", BOOSTING, step="polynomial")
    bayes = row("gaussian_nb", {})
    accuracy = [("one", 1, "0.25", "ok"), ("two", 2, "0.5", "ok"), ("both", 1, "0.1", "ok"), ("both", 2, "0.2", "ok")]
    for task in ("binary", "multiclass"):
        folder(root, f"accuracy_{task}.classification_dense", "accuracy", [forest, boosted], accuracy)
    sparse = [("one", 1, "0.25", "ok"), ("two", 2, "0.75", "ok")]
    folder(root, "accuracy_binary.classification_sparse", "accuracy", [forest, row("extra_trees", FOREST)], sparse)
    curves = [("one", 1, "0.125", "ok"), ("two", 2, "?", "not_applicable")]
    folder(root, "roc_auc_binary.classification_dense", "roc_auc", [bayes, boosted], curves)
    neighbors = row("k_nearest_neighbors", NEIGHBORS, kind="regressor")
    folder(
        root,
        "root_mean_squared_error_regression_dense",
        "root_mean_squared_error",
        [neighbors],
        [("one", 1, "4.5", "ok")],
    )
    folder(root, "nonsense_regression_dense", "nonsense", [neighbors], [("one", 1, "4.5", "ok")])
    (root / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: auto-sklearn\nVersion: 9.8.7\n")
    (root / "LICENSE.txt").write_text("BSD 3-Clause License\n\nCopyright (c) 2014-2099, Someone\nAll rights.\n")
    return root


def archive(root: Path) -> Path:
    path = root.parent / f"{root.name}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(root, arcname=root.name)
    return path


def check_miniature(report: ImportReport, kb: KnowledgeBase) -> None:
    assert report.datasets == {"binary": 3, "multiclass": 1, "regression": 2}
    assert report.datasets_with_runs == {"binary": 1, "multiclass": 1, "regression": 1}
    assert report.qualities == {"binary": 5, "multiclass": 5, "regression": 4}
    # one: forest (mapped), bayes (dropped); two: boosting (projected), extra trees (mapped); regression: neighbours
    tally = report.configurations
    assert (tally.mapped, tally.projected, tally.dropped, tally.total) == (3, 1, 1, 5)
    assert (report.runs.mapped, report.runs.projected, report.runs.dropped) == (3, 1, 1)
    assert report.changes == {"feature preprocessor left out: polynomial": 1}
    assert report.reasons == {"gaussian_nb: no such candidate": 1}
    assert report.skipped == {
        "name of several datasets: both": 2,
        "status not_applicable": 1,
        "unknown metric nonsense": 1,
    }
    assert (report.added_datasets, report.added_runs) == (6, 4)
    runs = kb.runs("tabular")
    found = {(r.dataset_id, r.metric, r.value, r.candidate, r.projected) for r in runs.itertuples()}
    assert found == {
        ("auto-sklearn/one", "accuracy", 0.75, "random_forest", False),
        ("auto-sklearn/two", "accuracy", 0.5, "hist_gradient_boosting", True),
        ("auto-sklearn/two", "accuracy", 0.25, "extra_trees", False),
        ("auto-sklearn/regression/one", "rmse", 4.5, "k_nearest_neighbors", False),
    }


def test_the_unpacked_distribution_is_imported(miniature: Path, tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    report = import_auto_sklearn(miniature, kb)
    check_miniature(report, kb)
    assert report.source == "auto-sklearn 9.8.7"
    datasets = kb.datasets()
    assert datasets["task"].to_dict() == {
        "auto-sklearn/one": "binary",
        "auto-sklearn/two": "multiclass",
        "auto-sklearn/both": "binary",
        "auto-sklearn/quiet": "binary",
        "auto-sklearn/regression/one": "regression",
        "auto-sklearn/regression/priced": "regression",
    }
    assert set(datasets["source"]) == {"auto-sklearn 9.8.7"}
    assert datasets["openml_id"].isna().all()
    described = kb.meta_features()
    assert described.loc["auto-sklearn/two", "NumberOfClasses"] == 3
    assert described["KurtosisMean"].isna().all()
    assert math.isnan(described["NumberOfClasses"]["auto-sklearn/regression/one"])


@pytest.mark.parametrize(
    "place",
    [archive, lambda root: root / "autosklearn" / "metalearning" / "files", str],
    ids=["archive", "folder", "text"],
)
def test_every_form_gives_the_same(miniature: Path, tmp_path: Path, place: Callable[[Path], Any]) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    report = import_auto_sklearn(place(miniature), kb)
    check_miniature(report, kb)
    (source,) = kb.info().sources
    assert source.source is not None
    assert (source.source.version, source.source.licence) == ("9.8.7", "BSD-3-Clause")
    assert source.source.copyright == "Copyright (c) 2014-2099, Someone"
    assert "Someone" in (tmp_path / "kb" / source.source.licence_file).read_text()


def test_importing_again_adds_nothing(miniature: Path, tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    first = import_auto_sklearn(miniature, kb)
    before = {path: path.read_bytes() for path in (tmp_path / "kb").rglob("*") if path.is_file()}
    again = import_auto_sklearn(archive(miniature), kb)
    assert (again.added_datasets, again.added_runs) == (0, 0)
    assert again.counts() == first.counts()
    assert {path: path.read_bytes() for path in (tmp_path / "kb").rglob("*") if path.is_file()} == before


def test_an_import_that_broke_off_is_completed(miniature: Path, tmp_path: Path) -> None:
    whole, broken = KnowledgeBase(tmp_path / "whole"), KnowledgeBase(tmp_path / "broken")
    import_auto_sklearn(miniature, whole)
    broken.add_datasets([])
    runs = whole.runs("tabular")
    broken.add_run_table("tabular", runs.iloc[:2])
    assert import_auto_sklearn(miniature, broken).added_runs == 2
    columns = ["dataset_id", "metric", "value"]
    expected = runs[columns].sort_values(columns, ignore_index=True)
    pd.testing.assert_frame_equal(broken.runs("tabular")[columns].sort_values(columns, ignore_index=True), expected)


def test_what_lies_below_is_not_added_to_the_overlay(miniature: Path, tmp_path: Path) -> None:
    below, above = KnowledgeBase(tmp_path / "below"), KnowledgeBase(tmp_path / "above")
    import_auto_sklearn(miniature, below)
    report = import_auto_sklearn(miniature, KnowledgeBase.layered([below, above]))
    assert (report.added_datasets, report.added_runs) == (0, 0)
    assert not (tmp_path / "above").exists()


def test_the_report_is_plain_json(miniature: Path, tmp_path: Path) -> None:
    report = import_auto_sklearn(miniature, KnowledgeBase(tmp_path / "kb"))
    assert json.loads(json.dumps(report.to_json()))["configurations"] == {"mapped": 3, "projected": 1, "dropped": 1}


def test_a_missing_or_foreign_path_says_what_is_expected(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    with pytest.raises(InputError, match="nothing at"):
        import_auto_sklearn(tmp_path / "typo", kb)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no such tables"):
        import_auto_sklearn(tmp_path / "empty", kb)
    (tmp_path / "note.tar.gz").write_text("hello")
    with pytest.raises(InputError, match=r"cannot be read as an archive.*Download it again"):
        import_auto_sklearn(tmp_path / "note.tar.gz", kb)


def test_a_truncated_archive_is_an_error(miniature: Path, tmp_path: Path) -> None:
    path = archive(miniature)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match="cannot be read as an archive"):
        import_auto_sklearn(path, KnowledgeBase(tmp_path / "kb"))


def test_an_archive_cut_off_between_two_files_is_an_error(miniature: Path, tmp_path: Path) -> None:
    path = archive(miniature)
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-1].offset
    packer = zlib.compressobj(wbits=31)
    path.write_bytes(packer.compress(gzip.decompress(path.read_bytes())[:last]) + packer.flush(zlib.Z_SYNC_FLUSH))
    with pytest.raises(InputError, match="cannot be read as an archive"):
        import_auto_sklearn(path, KnowledgeBase(tmp_path / "kb"))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("description.txt", "maximize: true", "must say 'maximize: false'"),
        ("algorithm_runs.arff", "@RELATION x\n@DATA\n1,2,3\n", "algorithm_runs.arff cannot be read"),
        ("feature_values.arff", "no arff", "feature_values.arff cannot be read"),
        ("configurations.csv", None, "lacks configurations.csv"),
    ],
)
def test_a_damaged_table_is_named(miniature: Path, tmp_path: Path, file: str, text: str | None, message: str) -> None:
    path = miniature / "autosklearn/metalearning/files/accuracy_binary.classification_dense" / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        import_auto_sklearn(miniature, KnowledgeBase(tmp_path / "kb"))


def test_nothing_in_an_archive_is_written_or_followed(miniature: Path, tmp_path: Path) -> None:
    path = tmp_path / "evil.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(miniature, arcname=miniature.name)
        escape = tarfile.TarInfo("../autosklearn/metalearning/files/accuracy_x/algorithm_runs.arff")
        escape.size = 4
        tar.addfile(escape, io.BytesIO(b"evil"))
        link = tarfile.TarInfo(f"{miniature.name}/autosklearn/metalearning/files/linked/algorithm_runs.arff")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    before = set(tmp_path.rglob("*"))
    kb = KnowledgeBase("memory://evil/archive")
    check_miniature(import_auto_sklearn(path, kb), kb)
    assert set(tmp_path.rglob("*")) == before
