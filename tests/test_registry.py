import importlib.metadata

import pytest

from autometa.errors import InputError, UnknownNameError
from autometa.registry import Entry, Registry


def registry() -> Registry[list[int]]:
    parts: Registry[list[int]] = Registry("warm starter")
    for name in ("top_k", "first_k", "random"):
        parts.register(Entry(name, list, f"the {name}"))
    return parts


def test_names_are_sorted_and_filtered() -> None:
    assert registry().names() == ["first_k", "random", "top_k"]
    assert registry().names("*_k") == ["first_k", "top_k"]
    assert [entry.summary for entry in registry()] == ["the first_k", "the random", "the top_k"]
    assert len(registry()) == 3


def test_create_makes_a_fresh_part_each_time() -> None:
    parts = registry()
    assert parts.create("random") is not parts.create("random")


def test_a_miss_offers_the_nearest_name_and_all_names() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"Unknown warm starter 'topk'\. Did you mean 'top_k'\? Available: first_k, random, top_k\.",
    ) as raised:
        registry().create("topk")
    assert isinstance(raised.value, InputError)


def test_a_name_can_be_taken_once() -> None:
    parts = registry()
    with pytest.raises(ValueError, match="'random' is registered already"):
        parts.register(Entry("random", list, "another"))


def test_plugins_join_through_entry_points_and_a_broken_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Entry[list[int]]:
            if self.name == "broken":
                raise ImportError("no module named gone")
            return Entry(self.name, list, "from outside")

    def entry_points(group: str) -> list[Point]:
        assert group == "autometa.parts"
        return [Point("outside"), Point("broken")]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    parts: Registry[list[int]] = Registry("part", group="autometa.parts")
    assert parts.names() == ["outside"]
    with pytest.raises(UnknownNameError, match="failed to load: ImportError: no module named gone"):
        parts.create("broken")
