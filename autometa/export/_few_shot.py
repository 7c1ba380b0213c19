"""`FewShotClassifier` as ONNX operators, where what it learned from the labelled rows is a matrix."""

import numpy as np
import numpy.typing as npt

from autometa.candidates import FewShotClassifier
from autometa.export._graph import Graph, Unsupported
from autometa.export._registry import converts

Floats = npt.NDArray[np.float64]
_LAST = -1


@converts(FewShotClassifier)
def few_shot_classifier(graph: Graph, step: FewShotClassifier, x: str) -> str:
    """Softmax of the negative squared distances to each class's mean, or to its nearest row."""
    if step.encoder_ is not None:
        raise Unsupported("a FewShotClassifier that scales its rows itself has no converter")
    if step.algorithm not in ("prototypical", "nearest_neighbor"):
        raise Unsupported(f"the few-shot learner {step.algorithm} has no converter; prototypical has one")
    value = graph.cast(graph.cast(x, np.float32), np.float64)
    known = step.support_.astype(np.float64)
    labels = step.support_labels_
    n_classes = len(step.classes_)
    if step.algorithm == "nearest_neighbor":
        distances = _squared_distances(graph, value, known)
        nearest = [
            graph.op("ReduceMin", graph.op("Gather", distances, np.flatnonzero(labels == label), axis=1), np.array([1]))
            for label in range(n_classes)
        ]
        distances = graph.op("Concat", *nearest, axis=1)
    else:
        layers = [
            (step.weights_[f"backbone.layers.{i}.weight"], step.weights_[f"backbone.layers.{i}.bias"])
            for i in range(step.depth)
        ]
        for weight, bias in layers:
            matrix, shift = np.ascontiguousarray(weight.T, dtype=np.float64), bias.astype(np.float64)
            value = graph.op("Relu", graph.op("Add", graph.op("MatMul", value, matrix), shift))
            known = np.maximum(known @ matrix + shift, 0.0)
        means = np.stack([known[labels == label].mean(0) for label in range(n_classes)])
        distances = _squared_distances(graph, value, means)
    return graph.op("Softmax", graph.op("Div", graph.op("Neg", distances), float(step.temperature_)), axis=_LAST)


def _squared_distances(graph: Graph, x: str, points: Floats) -> str:
    """(n, d) to (n, k), to (k, d) points."""
    own = graph.op("ReduceSum", graph.op("Mul", x, x), np.array([1]), keepdims=1)
    mixed = graph.op("Mul", graph.op("MatMul", x, np.ascontiguousarray(points.T)), -2.0)
    return graph.op("Add", graph.op("Add", own, mixed), np.square(points).sum(1))
