"""The preparation of a table as ONNX operators: one input per column in, one array of doubles out."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from autometa.candidates._transformers import CategoryCodes, DatetimeParts, TextComponents
from autometa.export._dates import parts_of
from autometa.export._graph import ML, Graph, Unsupported
from autometa.export._steps import chain

_ROWS_AT_ONCE = 2048
Table = npt.NDArray[np.float64]


def prepare(graph: Graph, transformer: Any, inputs: Mapping[str, str]) -> str:
    """Write a fitted `ColumnTransformer`; ``inputs`` has the graph's input for each column.

    Raises:
        Unsupported: A step has no ONNX form.
    """
    if not isinstance(transformer, ColumnTransformer):
        raise Unsupported(
            f"its preparation is a {type(transformer).__name__}, and only a ColumnTransformer is understood"
        )
    blocks = []
    for name, step, columns in transformer.transformers_:
        listed = [columns] if isinstance(columns, str) else list(columns)
        if (isinstance(step, str) and step == "drop") or not listed:
            continue
        try:
            blocks.append(_block(graph, step, {column: inputs[column] for column in listed}))
        except Unsupported as error:
            raise Unsupported(f"step {name!r} of its preparation: {error}") from None
    return graph.beside(blocks)


def _block(graph: Graph, step: Any, inputs: Mapping[str, str]) -> str:
    steps = [one for _, one in step.steps] if isinstance(step, Pipeline) else [step]
    if isinstance(steps[0], TextComponents):
        raise Unsupported(
            f"the column {next(iter(inputs))!r} is text, whose character n-grams ONNX has no operator for"
        )
    if isinstance(steps[0], CategoryCodes):
        return _categories(graph, step, steps[0], inputs)
    if isinstance(steps[0], DatetimeParts):
        x, steps = graph.beside([parts_of(graph, one) for one in inputs.values()]), steps[1:]
    else:
        x = graph.beside(list(inputs.values()))
    return chain(graph, steps, x)


def _categories(graph: Graph, step: Any, codes: CategoryCodes, inputs: Mapping[str, str]) -> str:
    """Categories through any chain of steps that treats each column by itself: a table of what comes out.

    Each category, a missing one and an unknown one went through the fitted steps themselves, so rare categories
    and target means are right by construction.
    """
    tables = _tables(step, list(inputs), codes.categories_)
    blocks = []
    for (_, x), known, table in zip(inputs.items(), codes.categories_, tables, strict=True):
        if not table.shape[1]:
            continue
        place = _place(graph, x, [str(category) for category in known])
        blocks.append(graph.op("Gather", table, place, axis=0))
    return graph.beside(blocks)


def _place(graph: Graph, x: str, known: list[str]) -> str:
    """(n, 1) categories to (n,) places in ``known``; missing is the place after the last, unknown that after it."""
    keys = known if "" in known else [*known, ""]
    places = list(range(len(keys)))
    flat = graph.op("Reshape", x, np.array([-1]))
    return graph.op(
        "LabelEncoder", flat, domain=ML, keys_strings=keys, values_int64s=places, default_int64=len(known) + 1
    )


def _tables(step: Any, names: list[str], categories: list[npt.NDArray[Any]]) -> list[Table]:
    """Of each column a table: what comes out of its own output columns for each known category, missing, unknown."""
    values = [_values(known) for known in categories]
    base = _dense(step.transform(pd.DataFrame({name: _words([np.nan]) for name in names})))[0]
    owner = np.zeros(len(base), dtype=np.int64)
    for place in range(len(names)):
        moved = np.zeros(len(base), dtype=bool)
        for block in _outputs(step, names, place, values[place]):
            moved |= ~((block == base) | (np.isnan(block) & np.isnan(base))).all(axis=0)
        owner[moved] = place
    # A column that nothing moves is constant; whoever has it, the order of the blocks must stay.
    owner = np.maximum.accumulate(owner)
    return [
        np.vstack([block[:, owner == place] for block in _outputs(step, names, place, values[place])])
        for place in range(len(names))
    ]


def _outputs(step: Any, names: list[str], place: int, values: list[Any]) -> Iterator[Table]:
    """What comes out where one column takes these values and the others are missing."""
    for start in range(0, len(values), _ROWS_AT_ONCE):
        taken = values[start : start + _ROWS_AT_ONCE]
        gaps = _words([np.nan] * len(taken))
        yield _dense(
            step.transform(pd.DataFrame({name: _words(taken) if j == place else gaps for j, name in enumerate(names)}))
        )


def _values(known: npt.NDArray[Any]) -> list[Any]:
    unknown = "?"
    while unknown in set(known):
        unknown += "?"
    return [*known, np.nan, unknown]


def _words(values: list[Any]) -> "pd.Series[Any]":
    return pd.Series(values, dtype="str")


def _dense(block: Any) -> Table:
    return np.asarray(block.toarray() if hasattr(block, "toarray") else block, dtype=np.float64)
