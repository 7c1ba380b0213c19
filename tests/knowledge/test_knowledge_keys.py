"""Keys of runs: what makes two the same, and that they are made of columns."""

import itertools
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.knowledge import KnowledgeBase
from autometa.knowledge._columns import RUN_SCHEMA, encode_column
from autometa.knowledge._keys import config_keys, contained, numbered, row_keys
from autometa.knowledge._parts import RunFolder

ROW = {"dataset_id": "a", "metric": "m", "direction": "maximize", "value": 0.5, "fidelity": 1.0, "status": "complete"}


def table(rows: list[dict[str, Any]], **columns: Any) -> pa.Table:
    made = pa.Table.from_pylist([ROW | row for row in rows], schema=RUN_SCHEMA)
    for name, values in columns.items():
        encoded = values if isinstance(values, tuple) else encode_column(name, pd.Series(values, dtype=object), None)
        if encoded is not None:
            made = made.append_column(*encoded)
    return made


def keys(*tables: pa.Table) -> list[bytes]:
    return [key for one in tables for key in row_keys(one).to_pylist()]


def test_storage_order_and_absent_columns_play_no_part() -> None:
    as_int = table([{}], depth=[3], mode=["x"])
    as_float = table([{}], mode=["x"], depth=(pa.field("depth", pa.float64()), pa.array([3.0])))
    with_null = table(
        [{}], mode=["x"], other=(pa.field("other", pa.string()), pa.array([None], pa.string())), depth=[3]
    )
    as_json = table([{}, {}], mode=["x", 1], depth=[3, True]).slice(0, 1)
    assert len(set(keys(as_int, as_float, with_null, as_json))) == 1


def test_where_when_and_how_long_play_no_part() -> None:
    later = {"source": "copy", "duration": 9.0, "projected": True, "spread": 0.1, "repeats": 3}
    assert len(set(keys(table([{}, later])))) == 1


@pytest.mark.parametrize(
    "changed", [{"dataset_id": "b"}, {"metric": "n"}, {"value": 0.25}, {"fidelity": 0.5}, {"status": "pruned"}]
)
def test_what_was_measured_makes_a_difference(changed: dict[str, Any]) -> None:
    assert len(set(keys(table([{}, changed])))) == 2


def test_values_of_different_types_differ() -> None:
    values = [1, True, "1", 2, False, 0, "", "True", "null", 0.5, None]
    assert len(set(keys(table([{}] * len(values), h=values)))) == len(values)


def test_the_same_value_of_another_hyperparameter_differs() -> None:
    assert len(set(keys(table([{}], h=[1]), table([{}], g=[1]), table([{}])))) == 3
    assert len(set(keys(table([{}, {}], h=[1, 2], g=[2, 1])))) == 2


def test_negative_zero_is_zero() -> None:
    assert len(set(keys(table([{}, {}], h=[0.0, -0.0])))) == 1


Plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=3)


def said(row: dict[str, Any]) -> str:
    """What the row says, in the words of JSON: the rule that keys stand for."""
    given_ = {name: value for name, value in row.items() if value is not None}
    return json.dumps({k: float(v) + 0.0 if type(v) in (int, float) else v for k, v in given_.items()}, sort_keys=True)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.fixed_dictionaries({"g": Plain, "h": Plain}), min_size=1, max_size=6))
def test_keys_agree_with_the_rule(rows: list[dict[str, Any]]) -> None:
    found = keys(table([{}] * len(rows), g=[row["g"] for row in rows], h=[row["h"] for row in rows]))
    for (one, a), (two, b) in itertools.combinations(zip(rows, found, strict=True), 2):
        assert (said(one) == said(two)) == (a == b)


def test_a_slice_has_the_keys_of_its_rows() -> None:
    whole = table([{"value": float(i)} for i in range(10)], h=[None if i % 3 else i for i in range(10)])
    assert row_keys(whole.slice(4, 3)).to_pylist() == row_keys(whole).to_pylist()[4:7]


def test_configurations_are_told_apart_without_their_results() -> None:
    one = table([{}, {"value": 9.0, "dataset_id": "b"}, {}], h=[1, 1, 2])
    assert len(set(config_keys(one).to_pylist())) == 2


def test_repetitions_are_numbered() -> None:
    found = row_keys(table([{}, {"value": 1.0}, {}, {}]))
    mine = numbered(found).to_pylist()
    assert len(set(mine)) == 4
    assert mine[:2] == found.to_pylist()[:2]
    assert set(mine) == set(numbered(found.take(pa.array([3, 2, 1, 0]))).to_pylist())
    assert len(numbered(found.slice(0, 0))) == 0


def test_contained_tells_which_are_known() -> None:
    found = row_keys(table([{}, {"value": 1.0}]))
    assert contained(found, [found.slice(1)]).tolist() == [False, True]
    assert contained(found, []).tolist() == [False, False]


def test_only_the_datasets_at_hand_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    kb = KnowledgeBase("memory://keys/only-new")
    given_ = {"metric": "m", "direction": "maximize", "value": [1.0]}
    for dataset_id in ("a", "b", "c"):
        kb.add_run_table("x", pd.DataFrame({**given_, "dataset_id": dataset_id}))
    read: list[int] = []
    whole = RunFolder.read

    def watched(self: RunFolder, *arguments: Any) -> pa.Table:
        found = whole(self, *arguments)
        read.append(found.num_rows)
        return found

    monkeypatch.setattr(RunFolder, "read", watched)
    assert kb.add_run_table("x", pd.DataFrame({**given_, "dataset_id": "b"}), only_new=True) == 0
    assert read == [1]


def test_many_rows_have_different_keys() -> None:
    rows = 50_000
    made = pa.table({"dataset_id": pa.array(np.arange(rows).astype(str)), "value": np.arange(rows) % 7})
    made = made.append_column("metric", pa.array(["m"] * rows)).append_column("fidelity", pa.array(np.ones(rows)))
    made = made.append_column("status", pa.array(["complete"] * rows))
    words = np.frombuffer(row_keys(made).buffers()[1], dtype=np.uint64)
    assert len(np.unique(words)) == 2 * rows  # either half alone would do
