"""Transformers of numbers as ONNX operators."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, QuantileTransformer, StandardScaler

from autometa.candidates._transformers import Finite, QuantileNormalizer, SquashingScaler
from autometa.export._graph import Graph, Unsupported
from autometa.export._numbers import interpolate, normal_cdf, normal_quantile
from autometa.export._registry import convert, converts

_LARGEST = 1e30
_MARGIN = 1e-7
_CLIPPED = _MARGIN - float(np.spacing(1))


@converts(Pipeline)
def pipeline(graph: Graph, step: Pipeline, x: str) -> str:
    """One step after the other."""
    return chain(graph, [one for _, one in step.steps], x)


def chain(graph: Graph, steps: Sequence[Any], x: str) -> str:
    """One step after the other.

    Raises:
        Unsupported: A step has no ONNX form, or quantiles are taken of products.
    """
    products = False
    for step in steps:
        if products and isinstance(step, QuantileTransformer):
            # Among them are pairs that differ in the last bit only, on the two sides of a jump.
            raise Unsupported("quantiles of products are not the same from one machine to the next")
        products = products or isinstance(step, PolynomialFeatures)
        x = convert(graph, step, x)
    return x


@converts(Finite)
def finite(graph: Graph, step: Finite, x: str) -> str:
    """What single precision cannot hold becomes missing."""
    numbers = graph.cast(x, np.float64)
    kept = graph.op("Less", graph.op("Abs", numbers), _LARGEST)
    values = graph.op("Where", kept, numbers, np.nan)
    return graph.rounded(values) if step.dtype == "float32" else values


@converts(SimpleImputer)
def simple_imputer(graph: Graph, step: SimpleImputer, x: str) -> str:
    """The statistic where a number is missing."""
    fill = np.asarray(step.statistics_, dtype=np.float64)
    if step.add_indicator or np.isnan(fill).any():
        raise Unsupported("an imputer that adds or drops columns has no converter")
    return graph.op("Where", graph.is_missing(x), fill, x)


@converts(MissingIndicator)
def missing_indicator(graph: Graph, step: MissingIndicator, x: str) -> str:
    """One where a number is missing, for the columns that had gaps."""
    return graph.cast(graph.is_missing(graph.columns(x, step.features_)), np.float64)


@converts(StandardScaler)
def standard_scaler(graph: Graph, step: StandardScaler, x: str) -> str:
    """(x - mean) / scale."""
    centred = x if step.mean_ is None else graph.op("Sub", x, np.asarray(step.mean_, dtype=np.float64))
    return centred if step.scale_ is None else graph.op("Div", centred, np.asarray(step.scale_, dtype=np.float64))


@converts(MinMaxScaler)
def min_max_scaler(graph: Graph, step: MinMaxScaler, x: str) -> str:
    """x scale + least."""
    if step.clip:
        raise Unsupported("a scaler that clips has no converter")
    scaled = graph.op("Mul", x, np.asarray(step.scale_, dtype=np.float64))
    return graph.op("Add", scaled, np.asarray(step.min_, dtype=np.float64))


@converts(SquashingScaler)
def squashing_scaler(graph: Graph, step: SquashingScaler, x: str) -> str:
    """z / sqrt(1 + (z / 3)^2)."""
    z = graph.op("Clip", graph.op("Div", graph.op("Sub", x, step.center_), step.scale_), -1e9, 1e9)
    third = graph.op("Div", z, 3.0)
    return graph.op("Div", z, graph.op("Sqrt", graph.op("Add", graph.op("Mul", third, third), 1.0)))


@converts(PolynomialFeatures)
def polynomial_features(graph: Graph, step: PolynomialFeatures, x: str) -> str:
    """Products of columns, each as one factor after the other; x and a column of ones are the factors."""
    n_columns = step.powers_.shape[1]
    factors = [np.repeat(np.arange(n_columns), row).tolist() for row in step.powers_]
    length = max(map(len, factors))
    ones = graph.op("Add", graph.op("Mul", graph.columns(x, [0]), 0.0), 1.0)
    extended = graph.beside([x, ones])
    padded = np.array([[*row, *[n_columns] * (length - len(row))] for row in factors])
    product = graph.columns(extended, padded[:, 0])
    for column in padded.T[1:]:
        product = graph.op("Mul", product, graph.columns(extended, column))
    return product


@converts(QuantileNormalizer, QuantileTransformer)
def quantile_normalizer(graph: Graph, step: QuantileTransformer, x: str) -> str:
    """Ranks among the quantiles as normal scores; the mean of both ways through equal quantiles."""
    at, share = _quantiles(step)
    up = interpolate(graph, x, at, share)
    down = interpolate(graph, graph.op("Neg", x), -at[::-1], -share[::-1])
    rank = graph.op("Mul", graph.op("Sub", up, down), 0.5)
    above = graph.op("Greater", graph.op("Add", x, _MARGIN), at[-1])
    below = graph.op("Less", graph.op("Sub", x, _MARGIN), at[0])
    rank = graph.op("Where", below, 0.0, graph.op("Where", above, 1.0, rank))
    return normal_quantile(graph, rank, least=_CLIPPED)


def undo_quantile_normalizer(graph: Graph, step: QuantileTransformer, z: str) -> str:
    """Normal scores to values; the inverse of `quantile_normalizer`."""
    at, share = _quantiles(step)
    rank = normal_cdf(graph, z)
    value = interpolate(graph, rank, share, at)
    above = graph.op("Greater", graph.op("Add", rank, _MARGIN), 1.0)
    below = graph.op("Less", graph.op("Sub", rank, _MARGIN), 0.0)
    return graph.op("Where", below, at[0], graph.op("Where", above, at[-1], value))


def _quantiles(step: QuantileTransformer) -> tuple[Any, Any]:
    if step.output_distribution != "normal":
        raise Unsupported("a quantile transformer without normal scores has no converter")
    at = np.asarray(step.quantiles_, dtype=np.float64)
    return at, np.tile(np.asarray(step.references_, dtype=np.float64)[:, np.newaxis], at.shape[1])
