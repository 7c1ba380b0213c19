"""Whether an exported model says what the model says."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.export._onnx import as_inputs, require
from autometa.model import Model, raw_predictions

Floats = npt.NDArray[np.float64]
TOLERANCE = 1e-4
"""A difference that no one should wonder about: of probabilities, or of numbers as a share of the largest."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two sets of predictions are apart.

    ``worst`` is the largest difference of a probability, or of a number as a share of the largest number; ``beyond``
    counts the rows above `TOLERANCE`; ``labels`` those with another label.
    """

    n_rows: int
    worst: float
    beyond: int
    labels: int


def compare_onnx(model: Model, path: str | os.PathLike[str], X: pd.DataFrame) -> Difference:
    """Run an exported file with onnxruntime on X, as `TableSchema.apply` gives it, and compare.

    Raises:
        OptionError: onnxruntime is not installed.
    """
    require("onnxruntime", install="onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
    found = session.run(None, as_inputs(model, X))
    expected = model.raw_predictions(X)
    if not model.classes:
        return compare(expected, found[0])
    labels = model.schema.decode_target(expected.argmax(axis=1))
    return compare(expected, found[1], labels, np.asarray(found[0]))


def compare_pipeline(model: Model, pipeline: Any, X: pd.DataFrame, *, member: int | None = None) -> Difference:
    """Compare an exported pipeline with a member, or with the whole model if that is None, on the table X."""
    if member is None:
        expected = model.raw_predictions(X)
    else:
        expected = raw_predictions(model.pipelines[member], X, len(model.classes))
    if not model.classes:
        return compare(expected, np.asarray(pipeline.predict(X)))
    labels = model.schema.decode_target(np.arange(len(model.classes)))
    found = np.asarray(pipeline.predict_proba(X))[:, np.searchsorted(pipeline.classes_, labels)]
    return compare(expected, found, labels[expected.argmax(axis=1)], pipeline.predict(X))


def compare(expected: Floats, found: Floats, labels: Any = None, found_labels: Any = None) -> Difference:
    """Compare predictions of n rows; NaN is a difference without bound."""
    n_rows = len(expected)
    if found.shape != expected.shape:
        return Difference(n_rows, float("inf"), n_rows, n_rows)
    scale = 1.0 if expected.ndim == 2 else float(np.abs(expected).max(initial=0.0)) or 1.0
    gaps = np.nan_to_num(np.abs(expected - found).reshape(n_rows, -1) / scale, nan=np.inf).max(axis=1, initial=0.0)
    others = 0 if labels is None else int((np.asarray(labels) != found_labels).sum())
    return Difference(n_rows, float(gaps.max(initial=0.0)), int((gaps > TOLERANCE).sum()), others)
