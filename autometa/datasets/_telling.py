"""Columns that predict the target by themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from autometa.datasets._dataset import Dataset
from autometa.datasets._words import combined

Split = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
Values = npt.NDArray[np.float64]

TELLING = 0.99
_METRICS = {"binary": "ROC AUC", "multiclass": "balanced accuracy", "regression": "R2"}
_ROWS, _LEAST_ROWS, _LEAST_CLASS = 5000, 50, 5
_LOOKED_AT, _SPLITS = 8, 3
_ORDERLY = 0.8  # far below what a column that tells all would have
_TOGETHER = 0.5  # of the rows have another one of their category, or it cannot be learned
_CELLS = 1 << 21
_OTHERS, _OTHER_ROWS = 30, 1500


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """Some thousand rows in random order, in which rare classes are not rarer than need be, as numbers.

    ``X`` has shape (len(rows), len(names)): words and dates as codes, NaN = missing; no column of text.
    """

    names: list[str]
    rows: npt.NDArray[np.int64]
    X: Values


def glance(dataset: Dataset, *, seed: int) -> Glance:
    """Take the rows and number what stands in them."""
    names = dataset.schema.names("numeric", "datetime", "categorical")
    rows = _sample(dataset, np.random.default_rng(seed))
    return Glance(names, rows, _matrix(dataset, names, rows))


def telling_columns(
    dataset: Dataset, seen: Glance, splits: Sequence[Split], *, seed: int
) -> list[tuple[str, float, str]]:
    """Columns that reach 0.99 alone in cross-validation, where the others together do not.

    First every column at a glance: in the rows sorted by it, how often neighbours share the class, or how near their
    targets are, against chance. Then a small decision tree (a table of means for categories) for the few best ones.
    Nothing is reported where more than two columns (and more than a tenth of them) tell the target, or where the
    others do without them: then the task is easy.

    Returns:
        Name, score, and the metric's name, best first.
    """
    names, rows, X = seen.names, seen.rows, seen.X
    if len(names) < 2 or len(dataset.y) < _LEAST_ROWS or not splits:
        return []
    y = dataset.y.to_numpy()[rows]
    if dataset.task != "regression" and np.unique(y, return_counts=True)[1].min() < _LEAST_CLASS:
        return []
    categorical = set(dataset.schema.names("categorical"))
    words = np.array([name in categorical for name in names])
    order = _orderliness(X, y, dataset.task, words)
    best = [int(place) for place in np.argsort(-order, kind="stable")[:_LOOKED_AT] if order[place] >= _ORDERLY]
    inner = _inner(splits[:_SPLITS], rows, len(dataset.y))
    scores = {
        place: _score_alone(X[:, place], y, inner, dataset.task, words=bool(words[place]), seed=seed) for place in best
    }
    telling = sorted((place for place in best if scores[place] >= TELLING), key=lambda place: -scores[place])
    others = [int(place) for place in np.argsort(-order, kind="stable") if place not in telling][:_OTHERS]
    if not telling or not others or len(telling) > max(2, len(names) // 10):
        return []
    if _score_together(X[:, others], y, inner, dataset.task, seed=seed) >= TELLING:
        return []
    return [(names[place], scores[place], _METRICS[dataset.task]) for place in telling]


def _sample(dataset: Dataset, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    y = dataset.y.to_numpy()
    shuffled = rng.permutation(len(y))
    if len(y) <= _ROWS or dataset.task == "regression":
        return shuffled[:_ROWS]
    ordered = shuffled[np.argsort(y[shuffled], kind="stable")]
    counts = np.bincount(y, minlength=dataset.n_classes)
    share = np.maximum(_ROWS * counts // len(y), _ROWS // (10 * dataset.n_classes) + _LEAST_CLASS)
    rank = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rng.permutation(ordered[rank < np.repeat(share, counts)])


def _matrix(dataset: Dataset, names: list[str], rows: npt.NDArray[np.int64]) -> Values:
    X = np.empty((len(rows), len(names)))
    for place, name in enumerate(names):
        column = dataset.X[name]
        if column.dtype.kind == "f":
            X[:, place] = column.to_numpy()[rows]
        elif column.dtype.kind == "M":
            moments = column.to_numpy()[rows]
            X[:, place] = np.where(np.isnat(moments), np.nan, moments.astype(np.int64))
        else:
            words = combined(column)
            words = words if len(rows) == len(column) else words.take(pa.array(rows))
            indices = words.dictionary_encode().indices.to_numpy(zero_copy_only=False)
            X[:, place] = indices[rows] if len(rows) == len(column) else indices
    return X


def _orderliness(X: Values, y: npt.NDArray[Any], task: str, words: npt.NDArray[np.bool_]) -> Values:
    """For each column: 1 where rows sorted by it have the target in order, 0 as by chance.

    Among categories (``words``) only neighbours in the same one count: their order means nothing.
    """
    found = np.empty(X.shape[1])
    if task == "regression":
        y = y.argsort().argsort() / len(y)  # ranks: one giant target must not decide
        chance = 1 / 3
    else:
        chance = float(np.square(np.bincount(y) / len(y)).sum())
    step = max(1, _CELLS // len(X))
    for first in range(0, X.shape[1], step):
        columns = np.ascontiguousarray(X[:, first : first + step].T)
        order = np.argsort(columns, axis=1, kind="stable")  # rows come in random order: so do equal values
        sorted_y = y[order]
        if task == "regression":
            near = 1 - np.abs(np.diff(sorted_y, axis=1)) / chance
        else:
            near = ((sorted_y[:, 1:] == sorted_y[:, :-1]) - chance) / max(1 - chance, 1e-9)
        found[first : first + step] = near.mean(axis=1)
        for place in np.flatnonzero(words[first : first + step]):
            together = np.diff(columns[place][order[place]]) == 0
            found[first + place] = near[place][together].mean() if together.mean() > _TOGETHER else 0.0
    return found


def _inner(splits: Sequence[Split], rows: npt.NDArray[np.int64], n_rows: int) -> list[Split]:
    """The splits among the rows of the sample, numbered as there."""
    place = np.full(n_rows, -1)
    place[rows] = np.arange(len(rows))
    found = [(place[train], place[test]) for train, test in splits]
    return [(train[train >= 0], test[test >= 0]) for train, test in found]


def _score_alone(
    column: Values, y: npt.NDArray[Any], splits: Sequence[Split], task: str, *, words: bool, seed: int
) -> float:
    from sklearn.linear_model import LinearRegression
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if words:
        return _mean(_score(_by_category(column, y, *split, task), y[split[1]], task) for split in splits)
    if task != "regression":
        leaves = max(16, 4 * (int(y.max()) + 1))
        return _cross_validated(
            DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=seed), column, y, splits, task
        )
    tree = DecisionTreeRegressor(max_leaf_nodes=256, random_state=seed)
    filled = np.where(np.isnan(column), np.nanmean(column), column)
    # A tree cannot follow a target with long tails, a line can.
    return max(
        _cross_validated(tree, column, y, splits, task), _cross_validated(LinearRegression(), filled, y, splits, task)
    )


def _score_together(X: Values, y: npt.NDArray[Any], splits: Sequence[Split], task: str, *, seed: int) -> float:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    forest = ExtraTreesRegressor if task == "regression" else ExtraTreesClassifier
    few = [(train[:_OTHER_ROWS], test[:_OTHER_ROWS]) for train, test in splits[:1]]
    return _cross_validated(forest(n_estimators=10, max_features=0.5, random_state=seed), X, y, few, task)


def _cross_validated(model: Any, X: Values, y: npt.NDArray[Any], splits: Sequence[Split], task: str) -> float:
    X = X.reshape(len(y), -1)
    scores = []
    for train, test in splits:
        if task != "regression" and 2 * len(np.unique(y[train])) > len(train):
            continue
        fitted = model.fit(X[train], y[train])
        if task == "binary":
            chances = fitted.predict_proba(X[test])
            found = chances[:, 1] if chances.shape[1] == 2 else np.zeros(len(test))
        else:
            found = fitted.predict(X[test])
        scores.append(_score(found, y[test], task))
    return _mean(scores)


def _by_category(
    column: Values, y: npt.NDArray[Any], train: npt.NDArray[np.int64], test: npt.NDArray[np.int64], task: str
) -> npt.NDArray[Any]:
    """The mean target (the commonest class) of each category; that of all rows for an unseen one."""
    codes = np.where(np.isnan(column), np.nanmax(column, initial=-1) + 1, column).astype(np.int64)
    seen, target = codes[train], y[train]
    rows = np.bincount(seen, minlength=int(codes.max()) + 1)
    if task != "multiclass":
        means = np.bincount(seen, weights=target, minlength=len(rows)) / np.maximum(rows, 1)
        return np.asarray(np.where(rows > 0, means, target.mean())[codes[test]])
    n_classes = int(y.max()) + 1
    counts = np.zeros((len(rows), n_classes))
    np.add.at(counts, (seen, target), 1)
    return np.asarray(np.where(rows > 0, counts.argmax(axis=1), np.bincount(target).argmax())[codes[test]])


def _score(found: npt.NDArray[Any], y: npt.NDArray[Any], task: str) -> float:
    """ROC AUC, balanced accuracy or R2; NaN where the rows do not tell."""
    if task == "regression":
        spread = np.square(y - y.mean()).sum() if len(y) else 0.0
        return float(1 - np.square(y - found).sum() / spread) if spread else np.nan
    if len(np.unique(y)) < 2:
        return np.nan
    if task == "binary":
        from sklearn.metrics import roc_auc_score

        return float(roc_auc_score(y, found))
    return float(np.mean([(found[y == code] == code).mean() for code in np.unique(y)]))


def _mean(scores: Iterable[float]) -> float:
    known = [score for score in scores if not np.isnan(score)]
    return float(np.mean(known)) if known else 0.0
