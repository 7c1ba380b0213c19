"""The format's rules: each mistake is refused, with its file, its line, the rule, the value and a way out."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from autometa.errors import SpaceError
from autometa.spaces import SearchSpace, load_space

HEAD = "name: mine\nhyperparameters:\n"


def mistakes() -> list[pytest.ParameterSet]:
    """The cases in ``mistakes.txt``: name, file, line and message."""
    text = (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8")
    cases = []
    for case in text.split("\n=== ")[1:]:
        name, expected, file = case.split("\n", 2)
        line, part = expected.removeprefix("--- ").split(": ", 1)
        cases.append(pytest.param(file, int(line), part, id=name))
    return cases


def write(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(SpaceError) as caught:
        load_space(path)
    assert caught.value.__cause__ is None, "A library's error leaks."
    return str(caught.value)


@pytest.mark.parametrize(("text", "line", "part"), mistakes())
def test_a_mistake_is_refused_with_its_line(text: str, line: int, part: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    message = refusal(path)
    assert message.startswith(f"{path}:{line}: ")
    assert part in message


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert "mine.yaml:1: the file is empty" in refusal(write(tmp_path, ""))


def test_a_message_reads_well(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "  C: {type: float, low: 3, high: 2, default: 2}")
    rule = "low must not exceed high, but got low = 3.0 and high = 2.0. Swap them."
    assert refusal(path) == f"{path}:3: C.low: {rule}"


def test_a_path_below_the_working_directory_is_shown_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, HEAD + "  C: {type: int}")
    assert refusal(Path("mine.yaml")).startswith("mine.yaml:3: C: ")


def test_a_dictionary_says_where_without_a_line() -> None:
    entries = {"name": "mine", "hyperparameters": {"C": {"type": "float", "low": 3, "high": 2, "default": 2}}}
    with pytest.raises(SpaceError, match=r"^space 'mine': C\.low: low must not exceed high"):
        SearchSpace.from_dict(entries)


@pytest.mark.parametrize("entries", [None, [], {"hyperparameters": {5: {}}}, {"hyperparameters": None}, {1: 2}])
def test_a_dictionary_of_another_shape_is_refused(entries: Any) -> None:
    with pytest.raises(SpaceError, match=r"^space 'custom': "):
        SearchSpace.from_dict(entries)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: \xff\xfe")
    assert "cannot be read as UTF-8 text" in refusal(path)
    path.write_bytes(b"name: a\x00b")
    assert "not valid YAML" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "none.yaml")
    assert "cannot be read" in refusal(tmp_path)


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(SpaceError, match=r"no search space 'tabula'\. Did you mean 'tabular'\? Shipped: catboost, "):
        load_space("tabula")


def test_a_space_that_contains_itself_is_refused(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "c"), ("c", "a")):
        write(tmp_path, f"name: {one}\ncompose: {{choice: x, default: {other}, members: [{other}]}}\n", one)
    assert "a space cannot contain itself, but a -> b -> c -> a" in refusal(tmp_path / "a.yaml")


def test_a_member_comes_from_the_same_folder_before_the_shipped_ones(tmp_path: Path) -> None:
    write(tmp_path, "name: svm\nhyperparameters: {nu: {type: float, low: 0, high: 1, default: 1}}\n", "svm")
    path = write(tmp_path, "compose: {choice: model, default: ridge, members: [svm, ridge]}\n")
    space = load_space(path)
    assert space.name == "mine"
    assert space.names[:2] == ("model", "svm.nu")
    assert space.branch("ridge") == load_space("ridge")


def test_a_member_whose_file_has_another_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "name: b\nhyperparameters: {}\n", "a")
    path = write(tmp_path, "compose: {choice: model, default: a, members: [a]}\n")
    assert "the file of member 'a' names itself 'b'" in refusal(path)


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "  C: {type: int, low: 0, high: 1, default: 0}")
    assert load_space(path)["C"].high == 1
    path.write_text(HEAD + "  C: {type: int, low: 0, high: 2, default: 0}", encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert load_space(path)["C"].high == 2


def test_real_none_and_booleans_come_out_of_a_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, HEAD + "  k: {type: categorical, choices: [null, true, 'null', none, 2, 0.5], default: null}"
    )
    assert load_space(path)["k"].choices == (None, True, "null", "none", 2, 0.5)
    assert load_space(path).default() == {"k": None}


@pytest.mark.parametrize(("text", "line", "part"), mistakes())
def test_the_loader_without_libyaml_refuses_the_same(
    text: str, line: int, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autometa.spaces._yaml._Loader", yaml.SafeLoader)
    message = refusal(write(tmp_path, text))
    assert f"mine.yaml:{line}: " in message
    assert part in message
