"""auto-sklearn's published meta-learning tables: what they say, and how they become runs of ``tabular``.

The distribution has one folder per metric, task type and density in ASlib's format, each with the
meta-features of the datasets and, per dataset, the configuration that did best and its loss.
What was found in version 0.15.0:

- Folders of binary and multiclass classification are the same byte for byte, and so are the dense and sparse
  ones of regression. Identical folders are read once.
- The sparse folders of classification hold the best configuration among those that can handle sparse input,
  measured on the same data: where dense and sparse name the same configuration their values are equal, and
  sparse is never better. They are second opinions on the same datasets and are read too.
- A value is auto-sklearn's loss, ``optimum - score`` (``autosklearn.metrics.calculate_losses``): one minus the
  score for scores, the metric itself for losses such as ``log_loss``.
- A name that has two rows in one folder stands for two OpenML datasets; its runs are left out.
- Numbers of rows, and every other meta-feature, describe the 67 % of the rows that were trained on.
"""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from autometa.errors import InputError
from autometa.ingest._auto_sklearn_configs import Facts, Translation, Untranslatable, translate
from autometa.ingest._auto_sklearn_files import Published, read_published
from autometa.ingest._report import ImportReport, Tally
from autometa.knowledge import KnowledgeBase, Source
from autometa.records import DatasetRecord, Direction, MetaFeatures, TaskType
from autometa.spaces import SearchSpace, load_space

SPACE = "tabular"
_FOLDER = re.compile(r"(?P<metric>\w+)_(binary\.classification|multiclass\.classification|regression)_(dense|sparse)")
_AVERAGES = ("", "_macro", "_micro", "_weighted")
_SCORES = (
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    *(name + average for name in ("f1", "precision", "recall") for average in _AVERAGES),
    "r2",
    "roc_auc",
)
_LOSSES = {
    "log_loss": "log_loss",
    "mean_absolute_error": "mae",
    "mean_squared_error": "mse",
    "mean_squared_log_error": "msle",
    "median_absolute_error": "medae",
    "root_mean_squared_error": "rmse",
}
_COPYRIGHT = "Copyright (c) 2014-2021, AutoML Freiburg"
_CITATION = (
    "M. Feurer, A. Klein, K. Eggensperger, J. Springenberg, M. Blum, F. Hutter (2015): Efficient and robust "
    "automated machine learning. Advances in Neural Information Processing Systems 28.",
    "M. Feurer, K. Eggensperger, S. Falkner, M. Lindauer, F. Hutter (2022): Auto-sklearn 2.0: Hands-free AutoML "
    "via meta-learning. Journal of Machine Learning Research 23(261).",
)
_RELEASED = {"0.15.0": "2022-09-20"}


@dataclass(frozen=True, slots=True)
class _Run:
    """One published value: a configuration, as sorted pairs of names and texts, on a dataset."""

    dataset_id: str
    metric: str
    loss: float
    row: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Found:
    """Everything that the folders say, with repetitions removed. Meta-features are by dataset id."""

    records: dict[str, DatasetRecord] = field(default_factory=dict)
    meta_features: dict[str, MetaFeatures] = field(default_factory=dict)
    runs: dict[_Run, None] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


def import_auto_sklearn(path: str | Path, kb: KnowledgeBase) -> ImportReport:
    """Add auto-sklearn's published datasets and runs to a knowledge base.

    Dataset ids are ``auto-sklearn/<name>``, and ``auto-sklearn/regression/<name>`` for regression, where the
    same names occur again. Values are turned into the metric's natural unit. Importing again adds nothing.

    Args:
        path: The folder ``autosklearn/metalearning/files``, the unpacked source distribution, or its archive.
        kb: Where to add.

    Raises:
        InputError: There are no such tables at ``path``, or one is damaged.
        KnowledgeBaseError: The base cannot be written.
    """
    published = read_published(Path(path))
    name = f"auto-sklearn {published.version}".strip()
    found = _read_folders(published, name)
    translations = _translate_all(found)
    frame = _run_table(found, translations, name)
    added_datasets = kb.add_datasets(list(found.records.values()), found.meta_features)
    added_runs = kb.add_run_table(SPACE, frame, only_new=True)
    report = _report(name, found, translations, added_datasets, added_runs)
    if added_datasets or added_runs:
        kb.add_source(_source(name, published, report), licence_text=published.licence_text)
        kb.compact()
    return report


def _read_folders(published: Published, source: str) -> _Found:
    found, seen = _Found(), set()
    for name, files in sorted(published.folders.items()):
        match = _FOLDER.fullmatch(name)
        if match is None:
            continue
        kind = "regression" if name.rpartition("_")[0].endswith("regression") else "classification"
        digest = hashlib.sha256(b"\0".join(files[file] for file in sorted(files))).digest()
        if (match["metric"], kind, digest) not in seen:
            seen.add((match["metric"], kind, digest))
            _read_features(found, name, files["feature_values.arff"], kind, source)
            _read_runs(found, name, files, kind, match["metric"])
    return found


def _read_features(found: _Found, folder: str, data: bytes, kind: str, source: str) -> None:
    for row in _arff(data, f"{folder}/feature_values.arff"):
        name = str(row.pop("instance_id"))
        row.pop("repetition", None)
        values = {key: float("nan") if value is None else float(value) for key, value in row.items()}
        task: TaskType = "regression"
        if kind == "classification":
            task = "binary" if values.get("NumberOfClasses") == 2 else "multiclass"
        key = _dataset_id(name, kind)
        found.records.setdefault(key, DatasetRecord(key, name, task, source))
        found.meta_features.setdefault(key, MetaFeatures(key, values))


def _read_runs(found: _Found, folder: str, files: Mapping[str, bytes], kind: str, metric: str) -> None:
    if b"maximize: false" not in files["description.txt"]:
        raise InputError(f"{folder}/description.txt must say 'maximize: false': values are taken to be losses.")
    configurations = _configurations(files["configurations.csv"])
    rows = _arff(files["algorithm_runs.arff"], f"{folder}/algorithm_runs.arff")
    times = Counter(str(row["instance_id"]) for row in rows)
    for row in rows:
        name, loss, config = str(row["instance_id"]), row.get(metric), configurations.get(str(row["algorithm"]))
        key = _dataset_id(name, kind)
        if row["runstatus"] != "ok" or loss is None:
            found.skipped[f"status {row['runstatus']}"] += 1
        elif metric not in _SCORES and metric not in _LOSSES:
            found.skipped[f"unknown metric {metric}"] += 1
        elif times[name] > 1:
            found.skipped[f"name of several datasets: {name}"] += 1
        elif key not in found.records or config is None:
            found.skipped["dataset or configuration not described"] += 1
        else:
            found.runs[_Run(key, metric, float(loss), config)] = None


def _dataset_id(name: str, kind: str) -> str:
    return f"auto-sklearn/regression/{name}" if kind == "regression" else f"auto-sklearn/{name}"


@lru_cache(maxsize=4)  # the same two tables of meta-features come with every folder
def _parsed(data: bytes) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
    import arff

    content = arff.loads(data.decode())
    return tuple(name for name, _ in content["attributes"]), tuple(map(tuple, content["data"]))


def _arff(data: bytes, name: str) -> list[dict[str, Any]]:
    import arff

    try:
        names, rows = _parsed(data)
    except (arff.ArffException, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read: {error}. Use a complete copy of auto-sklearn's files.") from error
    return [dict(zip(names, row, strict=True)) for row in rows]


def _configurations(data: bytes) -> dict[str, tuple[tuple[str, str], ...]]:
    rows = csv.DictReader(io.StringIO(data.decode()))
    return {row.pop("idx"): tuple(sorted((k, v) for k, v in row.items() if v)) for row in rows}


_Translations = Mapping[tuple[str, tuple[tuple[str, str], ...]], Translation | Untranslatable]


def _translate_all(found: _Found) -> _Translations:
    """What each published configuration became, by dataset id and configuration."""
    spaces: dict[TaskType, SearchSpace] = {}
    translations: dict[tuple[str, tuple[tuple[str, str], ...]], Translation | Untranslatable] = {}
    for run in found.runs:
        key = (run.dataset_id, run.row)
        if key not in translations:
            task = found.records[run.dataset_id].task
            if task not in spaces:
                spaces[task] = load_space(SPACE, task=task)
            facts = _facts(found.meta_features[run.dataset_id].values)
            translations[key] = translate(dict(run.row), facts, spaces[task])
    return translations


def _facts(values: Mapping[str, float]) -> Facts:
    return Facts(
        n_rows=values["NumberOfInstances"],
        n_features=values["NumberOfFeatures"],
        has_categories=values.get("NumberOfCategoricalFeatures", 0) > 0,
        has_missing=values.get("NumberOfMissingValues", 0) > 0,
    )


def _run_table(found: _Found, translations: _Translations, source: str) -> pd.DataFrame:
    rows = []
    for run in found.runs:
        translation = translations[run.dataset_id, run.row]
        if isinstance(translation, Translation):
            metric, direction, value = natural(run.metric, run.loss)
            rows.append(
                {
                    "dataset_id": run.dataset_id,
                    "metric": metric,
                    "direction": direction,
                    "value": value,
                    "projected": bool(translation.changes),
                    **translation.config,
                }
            )
    columns = ["dataset_id", "metric", "direction", "value", "projected"]
    table = pd.DataFrame(rows, dtype=object) if rows else pd.DataFrame(columns=columns, dtype=object)
    return table.assign(source=source, projected=table["projected"].astype(bool))


def natural(metric: str, loss: float) -> tuple[str, Direction, float]:
    """Our name of auto-sklearn's metric, its direction, and the value that a loss stands for.

    A loss of -2e-16, which rounding left, is a score of 1.
    """
    if metric in _LOSSES:
        return _LOSSES[metric], "minimize", loss
    return metric, "maximize", min(1.0, 1.0 - loss)


def _report(
    name: str, found: _Found, translations: _Translations, added_datasets: int, added_runs: int
) -> ImportReport:
    changes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for translation in translations.values():
        if isinstance(translation, Translation):
            changes.update(translation.changes)
        else:
            reasons[translation.reason] += 1
    tasks = {key: record.task for key, record in found.records.items()}
    usable = {key for key, one in translations.items() if isinstance(one, Translation)}
    outcomes = [translations[run.dataset_id, run.row] for run in found.runs]
    return ImportReport(
        source=name,
        datasets=_ordered(Counter(tasks.values())),
        datasets_with_runs=_ordered(Counter(tasks[one] for one in {run.dataset_id for run in found.runs})),
        datasets_with_usable_runs=_ordered(Counter(tasks[one] for one in {key[0] for key in usable})),
        qualities=_ordered({tasks[key]: len(one.values) for key, one in found.meta_features.items()}),
        configurations=_tally(translations.values()),
        runs=_tally(outcomes),
        changes=dict(changes.most_common()),
        reasons=dict(reasons.most_common()),
        skipped=dict(found.skipped.most_common()),
        added_datasets=added_datasets,
        added_runs=added_runs,
    )


def _ordered(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(key): counts[key] for key in sorted(counts)}


def _tally(outcomes: Any) -> Tally:
    kinds = Counter(
        "dropped" if isinstance(one, Untranslatable) else "projected" if one.changes else "mapped" for one in outcomes
    )
    return Tally(kinds["mapped"], kinds["projected"], kinds["dropped"])


def _source(name: str, published: Published, report: ImportReport) -> Source:
    line = re.search(r"^Copyright .*$", published.licence_text, re.MULTILINE)
    return Source(
        name=name,
        licence="BSD-3-Clause",
        copyright=line[0].strip() if line else _COPYRIGHT,
        citation=_CITATION,
        url="https://pypi.org/project/auto-sklearn/",
        version=published.version,
        released=_RELEASED.get(published.version, ""),
        licence_file="licenses/auto-sklearn.txt" if published.licence_text else "",
        counts=report.counts(),
    )
