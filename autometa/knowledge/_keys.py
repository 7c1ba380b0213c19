"""Keys that tell two runs, or two configurations, apart: 128 bits a row, made of whole columns at a time.

A column gives each row two 64-bit numbers that depend on the column's name and the row's value; null gives zeros. The
key of a row is their sum over its columns. So neither the order of columns matters, nor whether one that is null
throughout is there. A number counts as the float64 that it is, however it is stored; True is no number; JSON text
counts as the value that it stands for. Two different rows among 10 million share a key with a probability below 1e-24.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from autometa.knowledge._columns import RUN_COLUMNS, is_json

Words = npt.NDArray[np.uint64]

KEY = pa.binary(16)
_MEASURED = ("dataset_id", "metric", "value", "fidelity", "status")
# Multipliers of splitmix64 (Steele, Lea, Flood, 2014: Fast splittable pseudorandom number generators).
_GAMMA, _FIRST, _SECOND = (np.uint64(one) for one in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_LANES = 2
_AT_ONCE = 1 << 15


def row_keys(table: pa.Table) -> pa.Array:
    """One key per run: equal for two rows of the same dataset, metric, fidelity, value, status and configuration.

    Where a run came from, when, and how long it took play no part: importing the same source again, or from
    another copy, adds nothing.
    """
    return _keys(table, [*_MEASURED, *_hyperparameters(table)])


def config_keys(table: pa.Table) -> pa.Array:
    """One key per run: equal for two rows of the same configuration."""
    return _keys(table, _hyperparameters(table))


def numbered(keys: pa.Array) -> pa.Array:
    """Keys that also tell repetitions apart: the second row of a key differs from the first, and so on."""
    values = pa.chunked_array([keys]).combine_chunks().dictionary_encode()
    codes = values.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0])[: len(codes)]
    count = np.empty(len(codes), dtype=np.uint64)
    lengths = np.diff(np.r_[starts, len(codes)])
    count[order] = (np.arange(len(codes)) - np.repeat(starts, lengths)).astype(np.uint64)
    return _as_keys(words_of(keys) + (count * _GAMMA)[:, None])


def words_of(keys: pa.Array) -> Words:
    """Keys as pairs of 64-bit numbers, shape (n, 2)."""
    words = np.frombuffer(keys.buffers()[1], dtype=np.uint64).reshape(-1, _LANES)
    return words[keys.offset : keys.offset + len(keys)]


def contained(keys: pa.Array, known: Iterable[pa.Array]) -> npt.NDArray[np.bool_]:
    """Which of the keys are among the known ones."""
    values = pa.chunked_array(list(known), KEY).combine_chunks()
    found: npt.NDArray[np.bool_] = pc.is_in(keys, value_set=values).to_numpy(zero_copy_only=False)
    return found


def _hyperparameters(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name not in RUN_COLUMNS]


def _keys(table: pa.Table, names: Iterable[str]) -> pa.Array:
    names = list(names)
    total = np.zeros((table.num_rows, _LANES), dtype=np.uint64)
    for start in range(0, table.num_rows, _AT_ONCE):
        _add_words(total[start : start + _AT_ONCE], table.slice(start, _AT_ONCE), names)
    return _as_keys(total)


def _add_words(total: Words, table: pa.Table, names: Iterable[str]) -> None:
    for name in names:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks)
        rows: Any = slice(None)
        if column.null_count:
            if column.null_count == len(column):
                continue
            rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
            column = column.drop_null()
        for lane, words in enumerate(_words(column, _digest("n", name), as_json=is_json(table.schema.field(name)))):
            total[rows, lane] += words


def _as_keys(words: Words) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(KEY, len(words), [None, pa.py_buffer(words)])


def _words(column: pa.Array, salt: Sequence[int], *, as_json: bool) -> list[Words]:
    """For each lane, one number per row of a column without nulls."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        bits = _bits(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
        return [_mix(bits ^ np.uint64(one)) for one in salt]
    encoded = column.dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    distinct = [_scalar(json.loads(text) if as_json else text) for text in texts]
    lanes = np.array(distinct, dtype=np.uint64).reshape(-1, _LANES).T
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return [_mix(lanes[lane] ^ np.uint64(one))[codes] for lane, one in enumerate(salt)]


def _scalar(value: object) -> Sequence[int]:
    if isinstance(value, bool):
        return _digest("b", str(value))
    if isinstance(value, int | float):
        return [int(_bits(np.array([float(value)]))[0])] * _LANES
    return _digest("s", str(value))


def _bits(values: npt.NDArray[np.float64]) -> Words:
    bits: Words = (values + 0.0).view(np.uint64)  # -0.0 is 0.0
    return bits


def _digest(kind: str, text: str) -> Sequence[int]:
    digest = hashlib.blake2b((kind + text).encode("utf-8", "surrogatepass"), digest_size=8 * _LANES).digest()
    return [int.from_bytes(digest[8 * lane : 8 * lane + 8], "little") for lane in range(_LANES)]


def _mix(words: Words) -> Words:
    """The finalizer of splitmix64: every bit of the result depends on every bit of the word. Changes its argument."""
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        words ^= words >> np.uint64(shift)
        words *= factor
    words ^= words >> np.uint64(31)
    return words
