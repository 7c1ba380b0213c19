"""Names and values are brought within MLflow's limits, and only those that need it are changed."""

import posixpath
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.tracking import _values


def test_name_of_a_hyperparameter_stays_as_it_is() -> None:
    for name in ("svm.C", "mlp.n_layers", "time_limit", "a b:c/d-e", "größe"):
        assert _values.name(name) == name


def test_name_that_mlflow_refuses_is_mended() -> None:
    assert _values.name("a=b") == "a_b"
    assert _values.name("../x") == "___x"
    assert _values.name("a//b") == "a__b"
    assert _values.name("") == "_"
    assert _values.name(".") == "_"
    assert len(_values.name("n" * 1000)) == 250


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=300))
def test_any_text_becomes_a_name_that_mlflow_takes(text: str) -> None:
    name = _values.name(text)
    assert re.fullmatch(r"[/\w.\- :]{1,250}", name)
    assert posixpath.normpath(name) == name
    assert not name.startswith(("/", ".."))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text("ab/=.", max_size=3), unique=True))
def test_different_texts_keep_different_names(texts: list[str]) -> None:
    names = _values.names(texts)
    assert list(names) == texts
    assert len(set(names.values())) == len(texts)


def test_long_names_that_differ_at_the_end_keep_different_names() -> None:
    names = _values.names(["n" * 300 + "1", "n" * 300 + "2"])
    assert sorted(map(len, names.values())) == [246, 250]


def test_long_value_is_cut_to_the_limit_and_says_so() -> None:
    text = _values.value("x" * 10_000, 100)
    assert len(text) == 100
    assert text.startswith("xxx")
    assert text.endswith("… [cut: 10000 characters]")


def test_value_within_the_limit_is_not_cut() -> None:
    assert _values.value("x" * 100, 100) == "x" * 100
    assert [_values.value(raw, 10) for raw in (None, True, 0.1, 3)] == ["None", "True", "0.1", "3"]


def test_characters_that_no_database_stores_are_replaced() -> None:
    assert _values.value("a\0b\ud800c🙂", 100) == "a\ufffdb?c🙂"
