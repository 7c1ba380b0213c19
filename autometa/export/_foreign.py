"""Estimators of others, such as a plug-in's, through skl2onnx."""

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from autometa.export._graph import LEAST_OPSET, ML, ML_OPSET, Graph, Unsupported

if TYPE_CHECKING:
    from onnx import ModelProto


def convert_foreign(graph: Graph, step: Any, x: str) -> str:
    """Put what skl2onnx makes of a fitted step into the graph; with double inputs, as ours.

    Raises:
        Unsupported: skl2onnx is not installed, or has no converter for the step.
    """
    name = type(step).__name__
    if importlib.util.find_spec("skl2onnx") is None:
        raise Unsupported(f"{name} has no converter of ours; skl2onnx may have one: pip install 'autometa[onnx]'")
    from onnx import compose

    converted = _converted(step)
    prefix = graph.fresh(name.lower())
    part = compose.add_prefix(converted, f"{prefix}/").graph
    (entry,) = part.input
    graph.splice(part, x, entry.name)
    output = part.output[1 if is_classifier(step) else 0].name
    if is_regressor(step):
        output = graph.op("Reshape", output, np.array([-1, 1]))
    return graph.cast(output, np.float64)


def _converted(step: Any) -> "ModelProto":
    from onnx import checker
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType

    wanted = {"": LEAST_OPSET, ML: ML_OPSET}
    options = {id(step): {"zipmap": False}} if is_classifier(step) else None
    try:
        kind = [("x", DoubleTensorType([None, step.n_features_in_]))]
        model: ModelProto = convert_sklearn(step, initial_types=kind, target_opset=wanted, options=options)
        checker.check_model(model, full_check=True)  # some of its converters mix single and double precision
    except Exception as error:  # skl2onnx raises what its converters happen to raise
        reason = str(error).strip().partition("\n")[0][:200]
        raise Unsupported(f"{type(step).__name__} cannot be converted by skl2onnx ({reason})") from error
    foreign = {one.domain for one in model.opset_import} - set(wanted)
    if foreign:
        raise Unsupported(f"{type(step).__name__} needs operators of {', '.join(sorted(foreign))}, which few run")
    return model
