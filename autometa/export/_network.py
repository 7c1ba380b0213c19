"""The MLP as ONNX operators."""

from typing import Any

import numpy as np

from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor
from autometa.candidates._mlp_inputs import MAX_ONE_HOT, InputPlan
from autometa.export._graph import Graph
from autometa.export._registry import converts

_FAR = 1e6
_EPSILON = 1e-5
_LAST = -1


@converts(MLPClassifier)
def mlp_classifier(graph: Graph, step: MLPClassifier, x: str) -> str:
    """The mean over members of their probabilities."""
    scores = graph.op("Div", _outputs(graph, step, x), float(step.temperature_))
    return graph.op("ReduceMean", graph.op("Softmax", scores, axis=_LAST), np.array([0]), keepdims=0)


@converts(MLPRegressor)
def mlp_regressor(graph: Graph, step: MLPRegressor, x: str) -> str:
    """The mean over members, in the target's own unit and range."""
    mean = graph.op("ReduceMean", _outputs(graph, step, x), np.array([0]), keepdims=0)
    values = graph.op("Add", graph.op("Mul", mean, float(step.target_scale_)), float(step.target_mean_))
    return graph.op("Clip", values, *map(float, step.target_range_))


def _outputs(graph: Graph, step: Any, x: str) -> str:
    """(ensemble_size, n, n_outputs) doubles; single precision inside, as torch computes them."""
    weights = step.weights_
    value = graph.op("Mul", graph.beside(_inputs(graph, step, x)), weights["scale"])
    value = _layer(graph, value, weights, "stem")
    for number in range(step.net_spec_["n_blocks"]):
        block = f"blocks.{number}"
        hidden = _layer(graph, _normed(graph, value, weights, f"{block}.norm"), weights, f"{block}.inner")
        change = _layer(graph, graph.op("Relu", hidden), weights, f"{block}.outer")
        value = graph.op("Add", value, change)
    value = graph.op("Relu", _normed(graph, value, weights, "norm"))
    value = graph.op("Add", graph.op("MatMul", value, weights["head"]), weights["head_bias"])
    return graph.cast(value, np.float64)


def _layer(graph: Graph, x: str, weights: Any, name: str) -> str:
    matrix = np.ascontiguousarray(weights[f"{name}.weight"].T)
    return graph.op("Add", graph.op("MatMul", x, matrix), weights[f"{name}.bias"])


def _normed(graph: Graph, x: str, weights: Any, name: str) -> str:
    scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
    return graph.op("LayerNormalization", x, scale, shift, axis=_LAST, epsilon=_EPSILON)


def _inputs(graph: Graph, step: Any, x: str) -> list[str]:
    """Blocks of single-precision columns: numbers and their waves, flags, embedded categories; `InputPlan.apply`."""
    plan, weights = InputPlan(**step.input_plan_), step.weights_
    n_categorical = len(plan.levels)
    parts = []
    if len(plan.center):
        raw = graph.columns(x, range(n_categorical, n_categorical + len(plan.center)))
        parts += _numbers(graph, raw, plan, weights)
        if plan.missing.any():
            gaps = graph.is_missing(graph.columns(raw, np.flatnonzero(plan.missing)))
            parts.append(graph.cast(gaps, np.float32))
    embedded = 0
    flags, vectors = [], []
    for place, levels in enumerate(plan.levels.tolist()):
        code = _code(graph, graph.columns(x, [place]), levels, bool(plan.missing_level[place]))
        if levels <= MAX_ONE_HOT:
            flags += _flags(graph, code, levels)
            continue
        table = np.vstack([weights[f"categories.tables.{embedded}"], np.zeros((1, 8), dtype=np.float32)])
        known = graph.cast(graph.op("Where", graph.op("Less", code, 0.0), float(levels), code), np.int64)
        vectors.append(graph.op("Gather", table, graph.op("Reshape", known, np.array([-1])), axis=0))
        embedded += 1
    return [*parts, *flags, *vectors]


def _numbers(graph: Graph, raw: str, plan: InputPlan, weights: Any) -> list[str]:
    """Scaled, smoothly clipped, 0 where missing; beside them the embeddings of their waves."""
    scaled = graph.op("Mul", graph.op("Sub", raw, plan.center), plan.scale)
    filled = graph.op("Where", graph.is_missing(scaled), 0.0, scaled)
    bounded = graph.op("Clip", filled, -_FAR, _FAR)
    third = graph.op("Div", bounded, 3.0)
    root = graph.op("Sqrt", graph.op("Add", graph.op("Mul", third, third), 1.0))
    x = graph.cast(graph.op("Div", bounded, root), np.float32)
    if "numeric.frequency" not in weights:
        return [x]
    tall = graph.op("Unsqueeze", x, np.array([2]))
    frequency = np.float32(2 * np.pi) * weights["numeric.frequency"]
    angle = graph.op("Add", graph.op("Mul", tall, frequency), weights["numeric.phase"])
    mixed = graph.op("Einsum", graph.op("Cos", angle), weights["numeric.weight"], equation="nfk,fkd->nfd")
    embedded = graph.op("Add", mixed, weights["numeric.bias"])
    return [x, graph.op("Flatten", embedded, axis=1)]


def _code(graph: Graph, raw: str, levels: int, missing_level: bool) -> str:
    """The code of a category, -1 for an unknown one."""
    beyond = graph.op("GreaterOrEqual", raw, float(levels - missing_level))
    known = graph.op("Where", beyond, -1.0, raw)
    return graph.op("Where", graph.is_missing(raw), float(levels - 1 if missing_level else -1), known)


def _flags(graph: Graph, code: str, levels: int) -> list[str]:
    """Columns of 0 and 1; two levels share one of -1 and 1."""
    if levels == 0:
        return []
    if levels == 2:
        both = graph.op("Sub", graph.op("Mul", code, 2.0), 1.0)
        return [graph.cast(graph.op("Where", graph.op("Less", code, 0.0), 0.0, both), np.float32)]
    return [graph.cast(graph.op("Equal", code, np.arange(levels, dtype=np.float64)), np.float32)]
