"""Which function writes which fitted step as ONNX operators."""

from collections.abc import Callable
from typing import Any, TypeVar

from autometa.export._graph import Graph

Converter = Callable[[Graph, Any, str], str]
"""Takes the graph, the fitted step and the name of its input, (n, d) doubles; gives the name of its output.

A transformer's output are (n, m) doubles; a classifier's (n, K) probabilities, columns as in ``classes_``; a
regressor's (n, 1) numbers.
"""

CONVERTERS: dict[type, Converter] = {}
_Function = TypeVar("_Function", bound=Converter)


def converts(*types: type) -> Callable[[_Function], _Function]:
    """Register a function for steps of exactly these types."""

    def register(function: _Function) -> _Function:
        CONVERTERS.update(dict.fromkeys(types, function))
        return function

    return register


def convert(graph: Graph, step: Any, x: str) -> str:
    """Write a fitted step, with our converter or else with skl2onnx.

    Raises:
        Unsupported: Neither can.
    """
    converter = CONVERTERS.get(type(step))
    if converter is not None:
        return converter(graph, step, x)
    from autometa.export._foreign import convert_foreign

    return convert_foreign(graph, step, x)
