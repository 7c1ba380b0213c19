"""A saved model as one ONNX file."""

import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.calibration import TINY, Calibration
from autometa.candidates import available
from autometa.datasets import Column
from autometa.errors import OptionError
from autometa.export import _boosters, _catboost, _few_shot, _forests, _models, _network, _steps
from autometa.export._dates import MISSING
from autometa.export._graph import LEAST_OPSET, ML, ML_OPSET, Graph, Unsupported
from autometa.export._prepare import prepare
from autometa.export._registry import convert
from autometa.model import Model

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, ValueInfoProto

_ = _boosters, _catboost, _few_shot, _forests, _models, _network, _steps  # they register the converters
_MOST_BYTES = 2**31 - 1
_ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs of an exported model: names and ONNX types, in order."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def to_onnx(model: Model, path: str | os.PathLike[str], *, opset: int | None = None) -> Signature:
    """Write a model, preparation and ensemble included, as one ONNX file.

    The file predicts as the model does, to about 1e-6: numbers stay double precision up to a tree's question.

    Each feature is an input of shape (rows, 1) by its column's name: ``double`` for a number (NaN is missing),
    ``string`` for a category (the empty text is missing), ``int64`` for a datetime (microseconds since 1970, and the
    least int64 is missing). `onnx_inputs` makes them from a table. Outputs are ``label`` (rows,) and
    ``probabilities`` (rows, classes), columns in the order of ``model.classes``; or ``prediction`` (rows,) of a
    regression. An output whose name is a column's gets a number.

    Args:
        model: A loaded model.
        path: Where to write; an existing file is replaced.
        opset: Version of ONNX's operators, 18 or more; None takes 18, which most runtimes know.

    Returns:
        The names and types of inputs and outputs.

    Raises:
        OptionError: onnx is not installed, the opset is not known, a member has no ONNX form, or the file cannot be
            written. What has none: columns of text, CatBoost, and members of plug-ins that skl2onnx does not know.
    """
    require("onnx")
    made = _model(model, _opset(opset))
    size = made.ByteSize()
    if size > _MOST_BYTES:
        raise OptionError(
            f"An ONNX file holds at most 2 GB, but this model would take {size / 1e9:.1f} GB. Search again with "
            "--candidates that make smaller models, such as lightgbm."
        )
    from onnx import checker

    checker.check_model(made)
    try:
        Path(path).write_bytes(made.SerializeToString())
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error.strerror}. Choose another file.") from error
    return Signature(_described(made.graph.input), _described(made.graph.output))


def onnx_inputs(model: Model, table: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """A raw table as an exported model takes it: what ``onnxruntime.InferenceSession.run(None, ...)`` wants.

    Raises:
        TableError: The table lacks a column that the model needs, or holds what cannot be read as its kind.
    """
    return as_inputs(model, model.schema.apply(table))


def as_inputs(model: Model, X: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """X, as `TableSchema.apply` gives it, for an exported model."""
    return {column.name: _values(X[column.name], column).reshape(-1, 1) for column in model.schema.features}


def require(module: str, *, install: str = "'autometa[onnx]'") -> None:
    """Refuse to go on without an optional library.

    Raises:
        OptionError: It is not installed.
    """
    if importlib.util.find_spec(module) is None:
        raise OptionError(f"This needs {module}, which is not installed. Install it with: pip install {install}.")


def _values(values: "pd.Series[Any]", column: Column) -> npt.NDArray[Any]:
    if column.kind == "numeric":
        return values.to_numpy(dtype=np.float64)
    if column.kind == "datetime":
        return values.to_numpy().astype("datetime64[us]").astype(np.int64)
    return values.astype(object).where(values.notna(), "").to_numpy(dtype=object)


def _opset(wanted: int | None) -> int:
    from onnx import defs

    latest = defs.onnx_opset_version()
    if wanted is not None and not LEAST_OPSET <= wanted <= latest:
        raise OptionError(
            f"opset must lie in {LEAST_OPSET}..{latest}, but got {wanted}. Leave it out for {LEAST_OPSET}."
        )
    return wanted or LEAST_OPSET


def _model(model: Model, opset: int) -> "ModelProto":
    from onnx import helper

    domains = [helper.make_opsetid("", opset), helper.make_opsetid(ML, ML_OPSET)]
    made = helper.make_model(
        _graph(model),
        opset_imports=domains,
        ir_version=helper.find_min_ir_version_for(domains),
        producer_name="autometa",
        doc_string=f"Predicts {model.schema.target!r} ({model.task}).",
    )
    facts = {"task": model.task, "target": model.schema.target, "classes": json.dumps(list(model.classes))}
    helper.set_model_props(made, {f"autometa.{name}": value for name, value in facts.items()})
    return made


def _graph(model: Model) -> "GraphProto":
    names = model.schema.names()
    graph = Graph(names)
    ends = [graph.fresh(end) for end in (("label", "probabilities") if model.classes else ("prediction",))]
    inputs = {name: name for name in names}
    total = ""
    for place, member in enumerate(model.members):
        values = _calibrated(graph, member.calibration, _member(graph, model, place, inputs))
        values = graph.op("Mul", values, float(member.weight))
        total = graph.op("Add", total, values) if total else values
    total = _calibrated(graph, model.calibration, total)
    outputs = _labels(graph, model, total, ends) if model.classes else _prediction(graph, total, *ends)
    return graph.proto("autometa", [_input(column) for column in model.schema.features], outputs)


def _calibrated(graph: Graph, calibration: Calibration | None, values: str) -> str:
    """`Calibration.apply`, operator by operator."""
    if calibration is None:
        return values
    raised = graph.op("Pow", graph.op("Max", values, TINY), 1.0 / calibration.temperature)
    kept = graph.op("Mul", graph.normalised(raised), 1.0 - calibration.smoothing)
    return graph.op("Add", kept, calibration.smoothing * np.array([calibration.frequencies]))


def _member(graph: Graph, model: Model, place: int, inputs: Mapping[str, str]) -> str:
    """A member's probabilities, (n, K), or numbers, (n, 1)."""
    pipeline = model.pipelines[place]
    try:
        prepared = prepare(graph, pipeline[0], inputs)
        try:
            values = convert(graph, pipeline[-1], prepared)
        except Unsupported as error:
            raise Unsupported(f"step 'model': {error}") from None
    except Unsupported as error:
        raise OptionError(_refusal(model, place, str(error))) from None
    if not model.classes or len(pipeline.classes_) == len(model.classes):
        return values
    nothing = graph.op("Mul", graph.columns(values, [0]), 0.0)
    codes = [int(code) for code in pipeline.classes_]
    found = [codes.index(code) if code in codes else len(codes) for code in range(len(model.classes))]
    return graph.columns(graph.beside([values, nothing]), found)


def _refusal(model: Model, place: int, reason: str) -> str:
    member = model.members[place]
    texts = model.schema.names("text")
    if texts:
        without = " ".join(f"--ignore {name!r}" for name in texts)
        way = f"Search again with {without}"
    else:
        others = ",".join(name for name in available(model.task) if name != member.candidate)
        way = f"Search again with --candidates {others}"
        if len(model.members) > 1:
            way = f"{way}, or with ensemble_size=1 in Python, which keeps the best candidate alone"
    way = f"{way}; or use --pipeline, which exports any member"
    return f"Member {place} ({member.candidate}) cannot be written as ONNX: {reason}. {way}."


def _input(column: Column) -> "ValueInfoProto":
    from onnx import TensorProto, helper

    kinds = {"numeric": TensorProto.DOUBLE, "datetime": TensorProto.INT64}
    about = {"numeric": "a number; NaN is missing", "datetime": f"microseconds since 1970; {MISSING} is missing"}
    return helper.make_tensor_value_info(
        column.name,
        kinds.get(column.kind, TensorProto.STRING),
        [_ROWS, 1],
        doc_string=about.get(column.kind, "a category; the empty text is missing"),
    )


def _labels(graph: Graph, model: Model, total: str, ends: list[str]) -> list["ValueInfoProto"]:
    from onnx import TensorProto, helper

    labels = model.schema.decode_target(np.arange(len(model.classes)))
    if labels.dtype.kind == "i":
        labels = labels.astype(np.int64)
    code = graph.op("ArgMax", total, axis=1, keepdims=0)
    graph.name_output(graph.op("Gather", labels, code, axis=0), ends[0])
    graph.name_output(total, ends[1])
    kind = TensorProto.STRING if labels.dtype.kind == "O" else helper.np_dtype_to_tensor_dtype(labels.dtype)
    return [
        helper.make_tensor_value_info(ends[0], kind, [_ROWS]),
        helper.make_tensor_value_info(ends[1], TensorProto.DOUBLE, [_ROWS, len(labels)]),
    ]


def _prediction(graph: Graph, total: str, end: str) -> list["ValueInfoProto"]:
    from onnx import TensorProto, helper

    graph.name_output(graph.op("Reshape", total, np.array([-1])), end)
    return [helper.make_tensor_value_info(end, TensorProto.DOUBLE, [_ROWS])]


def _described(infos: Any) -> dict[str, str]:
    from onnx import TensorProto

    return {one.name: TensorProto.DataType.Name(one.type.tensor_type.elem_type).lower() for one in infos}
