"""A saved model in the forms that other tools take: a scikit-learn pipeline, an ONNX file."""

from autometa.export._check import TOLERANCE, Difference, compare, compare_onnx, compare_pipeline
from autometa.export._onnx import Signature, onnx_inputs, require, to_onnx
from autometa.export._pipeline import (
    TRUSTED_TYPES,
    LabelledClassifier,
    TableShape,
    chosen_member,
    pipeline,
    plugin_types,
)

__all__ = [
    "TOLERANCE",
    "TRUSTED_TYPES",
    "Difference",
    "LabelledClassifier",
    "Signature",
    "TableShape",
    "chosen_member",
    "compare",
    "compare_onnx",
    "compare_pipeline",
    "onnx_inputs",
    "pipeline",
    "plugin_types",
    "require",
    "to_onnx",
]
