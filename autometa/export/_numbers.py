"""Piecewise linear functions and the normal distribution as ONNX operators, in double precision.

ONNX has no interpolation, and its error function comes in single precision only where it is run most. Both
functions of the normal distribution are smooth in the right variable, so Chebyshev interpolation (Trefethen, 2019,
*Approximation Theory and Approximation Practice*, chapter 8) gives them to some 1e-13.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import Chebyshev
from numpy.polynomial.chebyshev import cheb2poly
from scipy import special

from autometa.export._graph import Graph

_DEGREE = 24
_FARTHEST = 12.0
_LEAST = 1e-8
Floats = npt.NDArray[np.float64]


def interpolate(graph: Graph, x: str, at: Floats, values: Floats) -> str:
    """Column j of x, (n, d), through the line from (at[i, j], values[i, j]) to the next; flat beyond the ends.

    ``at`` is (m, d), ascending in each column; of equal ones the last counts, as in `numpy.interp`.
    """
    place = _locate(graph, x, at)
    gaps, rises = np.diff(at, axis=0), np.diff(values, axis=0)
    slopes = np.divide(rises, gaps, out=np.zeros_like(rises), where=gaps > 0)
    start, level = (_entries(graph, table, place) for table in (at, values))
    slope = _entries(graph, np.vstack([slopes, np.zeros((1, at.shape[1]))]), place)
    gone = graph.op("Max", graph.op("Sub", x, start), 0.0)
    return graph.op("Add", level, graph.op("Mul", slope, gone))


def _locate(graph: Graph, x: str, at: Floats) -> str:
    """Where `_entries` finds the last of each column's ascending ``at``, (m, d), that is at most x; else the first.

    By bisection, so that no array is larger than x.
    """
    steps = _steps(at)
    flat = graph.constant(_flat(at, steps, np.inf))
    place = graph.op("Expand", np.arange(at.shape[1], dtype=np.int64) * steps, graph.op("Shape", x))
    step = steps // 2
    while step:
        ahead = graph.op("Add", place, step)
        passed = graph.op("LessOrEqual", graph.op("Gather", flat, ahead, axis=0), x)
        place = graph.op("Where", passed, ahead, place)
        step //= 2
    return place


def _entries(graph: Graph, table: Floats, place: str) -> str:
    """Of a table, (m, d), the entries that `_locate` found."""
    return graph.op("Gather", _flat(table, _steps(table), 0.0), place, axis=0)


def _steps(table: Floats) -> int:
    return 1 << max(len(table) - 1, 1).bit_length()


def _flat(table: Floats, steps: int, filler: float) -> Floats:
    padded = np.full((steps, table.shape[1]), filler)
    padded[: len(table)] = table
    return padded.T.ravel()


def normal_quantile(graph: Graph, p: str, *, least: float) -> str:
    """z with Phi(z) = p; p are clipped to [least, 1 - least].

    For p <= 1/2 a smooth function of sqrt(-2 log p).
    """
    clipped = graph.op("Clip", p, least, 1.0 - least)
    tail = graph.op("Min", clipped, graph.op("Sub", 1.0, clipped))
    r = graph.op("Sqrt", graph.op("Mul", graph.op("Log", tail), -2.0))
    low, high = np.sqrt(-2 * np.log(0.5)), np.sqrt(-2 * np.log(least))
    z = _smooth(graph, r, lambda t: special.ndtri(np.exp(-np.square(t) / 2)), low, high)
    lower = graph.op("LessOrEqual", clipped, 0.5)
    return graph.op("Where", lower, z, graph.op("Neg", z))


def normal_cdf(graph: Graph, z: str) -> str:
    """Phi(z) = erfcx(-z / sqrt 2) exp(-z^2 / 2) / 2 for z <= 0; erfcx is smooth in (x - 3) / (x + 3)."""
    far = graph.op("Min", graph.op("Abs", z), _FARTHEST)
    x = graph.op("Mul", far, float(np.sqrt(0.5)))
    t = graph.op("Div", graph.op("Sub", x, 3.0), graph.op("Add", x, 3.0))
    high = (_FARTHEST * np.sqrt(0.5) - 3) / (_FARTHEST * np.sqrt(0.5) + 3)
    scaled = _smooth(graph, t, lambda t: special.erfcx(3 * (1 + t) / (1 - t)), -1.0, high)
    decay = graph.op("Exp", graph.op("Mul", graph.op("Mul", far, far), -0.5))
    tail = graph.op("Mul", graph.op("Mul", scaled, decay), 0.5)
    return graph.op("Where", graph.op("LessOrEqual", z, 0.0), tail, graph.op("Sub", 1.0, tail))


def _smooth(graph: Graph, x: str, function: Callable[[Any], Any], low: float, high: float) -> str:
    """A smooth function on [low, high] as a polynomial."""
    fitted = Chebyshev.interpolate(function, _DEGREE, domain=[low, high])
    scaled = graph.op("Mul", graph.op("Sub", x, float((low + high) / 2)), float(2 / (high - low)))
    return graph.polynomial(scaled, cheb2poly(fitted.coef))
