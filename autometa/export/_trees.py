"""Ensembles of trees as one ONNX operator, at the precision in which they ask."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.export._graph import ML, Graph

_LEAF = "LEAF"
Floats = npt.NDArray[np.float64]


@dataclass(slots=True)
class Trees:
    """Nodes of many trees, and what their leaves add to each target."""

    nodes: dict[str, list[Any]] = field(
        default_factory=lambda: {
            name: []
            for name in (
                "treeids",
                "nodeids",
                "featureids",
                "modes",
                "values",
                "truenodeids",
                "falsenodeids",
                "missing_value_tracks_true",
            )
        }
    )
    leaves: dict[str, list[Any]] = field(
        default_factory=lambda: {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    )
    _tree: int = -1
    _size: int = 0

    def begin(self, size: int) -> None:
        """Begin a tree, whose own nodes are 0..size-1; `ask_members` may add more."""
        self._tree += 1
        self._size = size

    def ask(self, node: int, mode: str, feature: int, threshold: float, true: int, false: int, missing: bool) -> None:
        """An inner node; ``missing`` says whether a missing number goes to ``true``."""
        row = (self._tree, node, feature, mode, threshold, true, false, int(missing))
        for values, value in zip(self.nodes.values(), row, strict=True):
            values.append(value)

    def ask_members(
        self, node: int, feature: int, members: Sequence[int], inside: int, outside: int, missing: bool
    ) -> None:
        """An inner node that asks whether a category is among ``members``; ``missing``: that it is there.

        A chain of questions, one a member, that all lead to the same node, which onnxruntime makes one again.
        """
        places = [node, *range(self._size, self._size + len(members) - 1)]
        self._size += len(members) - 1
        for place, member, following in zip(places, members, [*places[1:], outside], strict=True):
            self.ask(place, "BRANCH_EQ", feature, float(member), inside, following, missing)

    def leaf(self, node: int, values: Sequence[float], targets: Sequence[int]) -> None:
        """A leaf, and what it adds to each of some targets."""
        self.ask(node, _LEAF, 0, 0.0, 0, 0, False)
        for target, value in zip(targets, values, strict=True):
            for column, entry in zip(self.leaves.values(), (self._tree, node, target, value), strict=True):
                column.append(entry)

    def write(self, graph: Graph, x: str, start: npt.ArrayLike) -> str:
        """(n, d) doubles to (n, targets) doubles: ``start`` and the sum of the leaves."""
        from onnx import numpy_helper

        base = np.asarray(start, dtype=np.float64).ravel()
        thresholds = numpy_helper.from_array(np.array(self.nodes["values"], dtype=np.float64), "nodes_values")
        weights = numpy_helper.from_array(np.array(self.leaves["weights"], dtype=np.float64), "target_weights")
        attributes = {f"nodes_{name}": values for name, values in self.nodes.items() if name != "values"}
        attributes |= {f"target_{name}": values for name, values in self.leaves.items() if name != "weights"}
        total = graph.op(
            "TreeEnsembleRegressor",
            x,
            domain=ML,
            n_targets=len(base),
            nodes_values_as_tensor=thresholds,
            target_weights_as_tensor=weights,
            **attributes,
        )
        return graph.op("Add", graph.cast(total, np.float64), base)
