import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa import config
from autometa.errors import KnowledgeBaseError
from autometa.knowledge import SCHEMA_VERSION, KnowledgeBase, Source
from autometa.records import DatasetRecord, MetaFeatures


def add(kb: KnowledgeBase, dataset_id: str = "a", *, space: str = "demo", **columns: Any) -> None:
    frame = pd.DataFrame({"value": [0.5], **columns})
    kb.add_runs(dataset_id, space, frame, metric="roc_auc", direction="maximize")


def record(dataset_id: str, name: str = "table", **known: Any) -> DatasetRecord:
    return DatasetRecord(dataset_id, name, "binary", "user", **known)


def parts(folder: Path, pattern: str = "runs/*/part-*.parquet") -> list[Path]:
    return sorted(folder.glob(pattern))


def test_the_layout_is_the_documented_one(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(record("a"), MetaFeatures("a", {"NumberOfInstances": 9.0}))
    add(kb, depth=[3])
    assert len(parts(tmp_path, "datasets/part-*.parquet")) == len(parts(tmp_path, "meta_features/part-*.parquet")) == 1
    kb.compact()
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    run = str(parts(tmp_path)[0].relative_to(tmp_path))
    assert names == {"manifest.json", "datasets.parquet", "meta_features.parquet", run}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert set(manifest["files"]) == names - {"manifest.json"}
    assert manifest["files"][run]["n_rows"] == 1
    assert pd.read_parquet(tmp_path / run)["depth"].tolist() == [3]
    assert list(kb.datasets().index) == ["a"]


def test_nothing_is_made_before_the_first_write(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "new")
    assert len(kb.runs("demo")) == 0
    assert not (tmp_path / "new").exists()
    add(kb)
    assert (tmp_path / "new" / "manifest.json").is_file()


def test_opening_reads_the_manifest_only(tmp_path: Path) -> None:
    add(KnowledgeBase(tmp_path))
    parts(tmp_path)[0].write_bytes(b"damaged")
    began = time.perf_counter()
    kb = KnowledgeBase(tmp_path)
    assert time.perf_counter() - began < 0.05
    with pytest.raises(KnowledgeBaseError, match=parts(tmp_path)[0].name):
        kb.runs("demo")


def test_damaged_pages_are_blamed_on_their_part(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    add(kb, depth=[1])
    add(kb, depth=[2])
    damaged = parts(tmp_path)[1]
    data = bytearray(damaged.read_bytes())
    data[4:60] = bytes(56)  # the first page; the footer at the end stays whole
    damaged.write_bytes(bytes(data))
    with pytest.raises(KnowledgeBaseError, match=rf"{damaged.name}.*or delete it"):
        KnowledgeBase(tmp_path).runs("demo")


def test_damaged_datasets_are_named(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(record("a"))
    parts(tmp_path, "datasets/*")[0].write_bytes(b"PAR1")
    with pytest.raises(KnowledgeBaseError, match="datasets/part-"):
        KnowledgeBase(tmp_path).datasets()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "other"}', '{"format": "autometa knowledge base"}'])
def test_a_damaged_manifest_says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(KnowledgeBaseError, match=r"manifest.json is damaged.*Restore it"):
        KnowledgeBase(tmp_path)


def test_a_newer_schema_says_which_autometa_to_install(tmp_path: Path) -> None:
    KnowledgeBase(tmp_path).compact()
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text()) | {"schema_version": 99, "written_by": "autometa 7.1.0"}
    path.write_text(json.dumps(content))
    with pytest.raises(KnowledgeBaseError, match=r"schema version 99.*pip install 'autometa>=7.1.0'"):
        KnowledgeBase(tmp_path)


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(KnowledgeBaseError, match=r"is not a knowledge base: it has no manifest.json"):
        KnowledgeBase(tmp_path)


def test_a_readme_may_be_there_first(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("A knowledge base to come.")
    kb = KnowledgeBase(tmp_path)
    add(kb)
    assert len(kb.runs("demo")) == 1


def test_a_missing_base_cannot_be_opened_read_only(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeBaseError, match="There is no knowledge base at"):
        KnowledgeBase(tmp_path / "typo", read_only=True)


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KnowledgeBaseError, match="cannot be read"):
        KnowledgeBase(tmp_path / "file")


def test_a_read_only_base_refuses_every_write(tmp_path: Path) -> None:
    KnowledgeBase(tmp_path).compact()
    kb = KnowledgeBase(tmp_path, read_only=True)
    with pytest.raises(KnowledgeBaseError, match="opened read-only"):
        add(kb)
    with pytest.raises(KnowledgeBaseError, match="opened read-only"):
        kb.add_dataset(record("a"))
    with pytest.raises(KnowledgeBaseError, match="opened read-only"):
        kb.add_source(Source("s", "MIT"))
    with pytest.raises(KnowledgeBaseError, match="opened read-only"):
        kb.compact()


def test_a_folder_without_permission_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(KnowledgeBaseError, match=r"cannot be written.*permissions.*AUTOMETA_HOME"):
        add(KnowledgeBase(tmp_path))


def test_types_of_a_shipped_space_come_from_the_space(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    frame = {"candidate": ["svm", "svm"], "svm.C": [1, 2], "svm.degree": [3.0, np.nan], "svm.class_weight": [None] * 2}
    kb.add_runs("a", "tabular", pd.DataFrame({"value": [0.1, 0.2], **frame}), metric="f1", direction="maximize")
    schema = pq.read_schema(parts(tmp_path)[0])
    assert str(schema.field("svm.C").type) == "double"
    assert str(schema.field("svm.degree").type) == "int64"
    assert "svm.class_weight" not in schema.names  # null throughout
    assert kb.runs("tabular")["svm.degree"].tolist() == [3, pd.NA]


def test_a_value_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    frame = pd.DataFrame({"value": [0.1], "candidate": ["svm"], "svm.degree": [2.5]})
    with pytest.raises(KnowledgeBaseError, match=r"'svm.degree' must hold int values.*2.5"):
        kb.add_runs("a", "tabular", frame, metric="f1", direction="maximize")


Plain = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=5)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(Plain, min_size=1, max_size=4), min_size=1, max_size=3))
def test_values_of_any_plain_type_come_back(batches: list[list[Any]]) -> None:
    kb = KnowledgeBase(f"memory://plain/{time.perf_counter_ns()}")
    for batch in batches:
        values = pd.Series(batch, dtype=object)
        kb.add_runs("a", "x", pd.DataFrame({"value": 0.0, "h": values}), metric="m", direction="maximize")
    sent = [value for batch in batches for value in batch]
    runs = kb.runs("x")
    back = runs["h"].tolist() if "h" in runs else [None] * len(sent)
    assert len(back) == len(sent)
    for given_, found in zip(sent, back, strict=True):
        assert (given_ is None and pd.isna(found)) or given_ == found


def test_columns_that_have_a_type_keep_it(tmp_path: Path) -> None:
    typed = {
        "whole": pd.array([1, None], dtype="Int64"),
        "yes": pd.array([True, None], dtype="boolean"),
        "text": pd.array(["a", None], dtype="str"),
        "number": [0.5, np.nan],
        "count": np.array([2, 3]),
        "nothing": [np.nan, np.nan],
    }
    kb = KnowledgeBase(tmp_path)
    add_two = pd.DataFrame({"value": [0.1, 0.2], **typed})
    kb.add_runs("a", "demo", add_two, metric="m", direction="maximize")
    schema = pq.read_schema(parts(tmp_path)[0])
    found = {name: str(schema.field(name).type) for name in typed if name in schema.names}
    assert found == {"whole": "int64", "yes": "bool", "text": "string", "number": "double", "count": "int64"}
    runs = kb.runs("demo")
    assert runs["whole"].tolist() == [1, pd.NA]
    assert runs["yes"].isna().tolist() == [False, True]
    assert runs["count"].tolist() == [2, 3]
    frame = pd.DataFrame({"value": [0.1], "svm.C": [2]})
    kb.add_runs("a", "tabular", frame, metric="f1", direction="maximize")  # whole numbers in a range of floats
    assert kb.runs("tabular")["svm.C"].tolist() == [2.0]
    with pytest.raises(KnowledgeBaseError, match="must hold int values"):
        kb.add_runs("a", "tabular", frame.assign(**{"svm.degree": [2.5]}), metric="f1", direction="maximize")


def test_the_order_is_that_of_adding(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    for depth in range(5):
        add(kb, depth=[depth])
        time.sleep(0.002)
    assert kb.runs("demo")["depth"].tolist() == [0, 1, 2, 3, 4]


def test_layers_are_read_as_one_and_the_last_takes_what_is_added(tmp_path: Path) -> None:
    below, above = KnowledgeBase(tmp_path / "below"), KnowledgeBase(tmp_path / "above")
    below.add_dataset(record("a", "old"), MetaFeatures("a", {"X": 1.0}))
    below.add_dataset(record("b"))
    add(below, "a", depth=[1])
    both = KnowledgeBase.layered([below, above])
    both.add_dataset(record("a", "new"), MetaFeatures("a", {"Y": 2.0}))
    add(both, "a", width=[2])
    assert both.datasets()["name"].to_dict() == {"b": "table", "a": "new"}
    assert both.meta_features().loc["a", "Y"] == 2.0
    assert len(both.runs("demo")) == 2
    assert below.datasets().loc["a", "name"] == "old"
    assert len(below.runs("demo")) == len(above.runs("demo")) == 1
    assert len(both.without("a").runs("demo")) == 0


def test_a_view_hides_in_its_own_layer_only(tmp_path: Path) -> None:
    below, above = KnowledgeBase(tmp_path / "below"), KnowledgeBase(tmp_path / "above")
    add(below, "a", depth=[1])
    add(above, "a", depth=[2])
    assert KnowledgeBase.layered([below.without("a"), above]).runs("demo")["depth"].tolist() == [2]


def test_no_layers_are_refused() -> None:
    with pytest.raises(KnowledgeBaseError, match="at least one base"):
        KnowledgeBase.layered([])


def test_the_default_base_writes_to_the_users_folder() -> None:
    kb = KnowledgeBase.open_default()
    assert not (config.home() / "kb").exists()
    before = len(kb.runs("demo"))
    add(kb)
    assert (config.home() / "kb" / "manifest.json").is_file()
    assert len(KnowledgeBase.open_default().runs("demo")) == before + 1
    assert len(KnowledgeBase.open_default(overlay=False).runs("demo")) == before


def test_what_is_hidden_is_not_added_twice(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(record("a"))
    kb.without("a").add_dataset(record("a"))
    assert len(parts(tmp_path, "datasets/*")) == 1


def test_only_new_compares_what_was_measured_not_when(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    columns = {"dataset_id": "a", "metric": "m", "direction": "maximize", "depth": 3}
    assert kb.add_run_table("x", pd.DataFrame([columns | {"value": 0.5}])) == 1
    later = pd.DataFrame([columns | {"value": 0.5, "depth": 3.0, "duration": 9.0, "source": "copy"}])
    assert kb.add_run_table("x", later, only_new=True) == 0
    assert kb.add_run_table("x", later.assign(depth=4.0), only_new=True) == 1
    assert kb.add_run_table("x", later) == 1


def test_compaction_keeps_the_newest_rows(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(record("b"), MetaFeatures("b", {"X": 1.0}))
    kb.compact()
    kb.add_dataset(record("b", "renamed", openml_id=3), MetaFeatures("b", {"X": 2.0, "Y": 1.0}))
    kb.add_dataset(record("a"))
    before = kb.datasets().sort_index(), kb.meta_features().sort_index()
    kb.compact()
    again = KnowledgeBase(tmp_path)
    pd.testing.assert_frame_equal(again.datasets(), before[0])
    pd.testing.assert_frame_equal(again.meta_features(), before[1])
    assert parts(tmp_path, "datasets/*") == []


def test_a_reader_notices_what_another_added(tmp_path: Path) -> None:
    reader, writer = KnowledgeBase(tmp_path), KnowledgeBase(tmp_path)
    assert len(reader.datasets()) == 0
    writer.add_dataset(record("a"))
    assert list(reader.datasets().index) == ["a"]
    writer.compact()
    assert list(reader.datasets().index) == ["a"]


def test_sources_are_recorded_with_their_licence(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_source(Source("s", "MIT", licence_file="licenses/s.txt"), licence_text="do as you like")
    kb.add_source(Source("t", "CC0-1.0"))
    kb.add_source(Source("s", "Apache-2.0", citation=("X (2020)",)))
    info = KnowledgeBase(tmp_path).info()
    found = {one.name: one.source for one in info.sources}
    assert (tmp_path / "licenses" / "s.txt").read_text() == "do as you like"
    assert found["s"] is not None
    assert (found["s"].licence, found["s"].citation) == ("Apache-2.0", ("X (2020)",))
    assert found["s"].imported.endswith("Z")
    assert set(found) == {"s", "t"}


def test_meta_features_are_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(record("a"), MetaFeatures("a", {"X": 1.0}))
    kb.meta_features()

    def refuse(*arguments: Any, **options: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(pq, "read_table", refuse)
    assert kb.meta_features().loc["a", "X"] == 1.0


def test_the_version_of_a_space_changes_with_what_is_shown_of_it(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    frame = pd.DataFrame({"value": [0.5], "depth": [1]})
    seen = [kb.version("demo")]
    for change in (
        lambda: kb.add_runs("a", "demo", frame, metric="roc_auc", direction="maximize"),
        lambda: kb.add_dataset(DatasetRecord("a", "a", "binary", "tests")),
        lambda: kb.compact(),
    ):
        change()
        seen.append(kb.version("demo"))
    seen.append(kb.without("a").version("demo"))
    assert len(set(seen)) == len(seen)
    assert KnowledgeBase(tmp_path).version("demo") == kb.version("demo")
    kb.add_runs("a", "other", frame, metric="roc_auc", direction="maximize")
    assert kb.version("demo") == seen[-2]
