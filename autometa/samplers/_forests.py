"""What past runs say of any configuration: a forest for each dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TREES = (8, 50)
_TREES_IN_ALL = 800


@dataclass(frozen=True, slots=True)
class Forests:
    """Extremely randomized trees (Geurts, Ernst, Wehenkel, 2006, Machine Learning 63) of several datasets.

    The trees are asked one by one, without the estimators around them: with a hundred datasets these would cost ten
    times what the trees do.

    Attributes:
        trees: Of each dataset, scikit-learn's trees.
        importances: Shape (n_datasets, n_features): the share of the variance that each feature explains.
    """

    trees: tuple[tuple[Any, ...], ...]
    importances: Floats

    @classmethod
    def fit(cls, tables: Sequence[tuple[Floats, Floats]], *, seed: int) -> "Forests":
        """Fit one forest per dataset.

        Args:
            tables: Features, shape (n_runs, n_features), and what is to be predicted, shape (n_runs,), of each.
            seed: Of the trees.
        """
        from sklearn.ensemble import ExtraTreesRegressor

        n_trees = int(np.clip(_TREES_IN_ALL // max(len(tables), 1), *_TREES))
        trees, importances = [], []
        for number, (features, values) in enumerate(tables):
            forest = ExtraTreesRegressor(n_trees, random_state=seed + number, n_jobs=1).fit(features, values)
            trees.append(tuple(one.tree_ for one in forest.estimators_))
            importances.append(forest.feature_importances_)
        return cls(tuple(trees), np.array(importances))

    def predict(self, features: Floats) -> Floats:
        """What each dataset's forest says, shape (n, n_datasets)."""
        rows = np.ascontiguousarray(features, dtype=np.float32)
        said = np.zeros((len(rows), len(self.trees)))
        for column, trees in enumerate(self.trees):
            for tree in trees:
                said[:, column] += tree.predict(rows)[:, 0]
            said[:, column] /= len(trees)
        return said

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for `from_arrays`, of the same version of scikit-learn."""
        states = [tree.__getstate__() for trees in self.trees for tree in trees]
        return {
            "nodes": np.concatenate([state["nodes"] for state in states]),
            "values": np.concatenate([state["values"] for state in states]),
            "counts": np.array([state["node_count"] for state in states]),
            "depths": np.array([state["max_depth"] for state in states]),
            "n_trees": np.array([len(trees) for trees in self.trees]),
            "importances": self.importances,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> "Forests":
        """Forests as they were.

        Raises:
            ValueError: The arrays are of another version of scikit-learn.
        """
        from sklearn.tree import ExtraTreeRegressor

        n_features = arrays["importances"].shape[1]
        some = ExtraTreeRegressor().fit(np.zeros((2, n_features)), np.zeros(2)).tree_
        make, arguments, _ = some.__reduce__()
        ends = np.cumsum(arrays["counts"])
        restored = []
        for count, end, depth in zip(arrays["counts"], ends, arrays["depths"], strict=True):
            tree, own = make(*arguments), slice(end - count, end)
            state = {"max_depth": int(depth), "node_count": int(count)}
            tree.__setstate__(state | {"nodes": arrays["nodes"][own], "values": arrays["values"][own]})
            restored.append(tree)
        last = np.cumsum(arrays["n_trees"])
        trees = tuple(tuple(restored[end - n : end]) for n, end in zip(arrays["n_trees"], last, strict=True))
        return cls(trees, arrays["importances"])
