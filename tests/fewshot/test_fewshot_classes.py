"""Classes: joined, split without a class on both sides, turned as wholes."""

import pytest
import torch

from autometa.errors import InputError
from autometa.fewshot import ClassSet


def letters(n_groups: int = 3, of_each: int = 4, n_items: int = 2) -> ClassSet:
    """Classes whose items all hold the class's number."""
    parts = []
    for group in range(n_groups):
        for i in range(of_each):
            number = group * of_each + i
            parts.append((f"c{number}", f"g{group}", torch.full((n_items, 1, 4, 4), number, dtype=torch.uint8)))
    return ClassSet.of(parts)


def test_bytes_become_numbers_from_0_to_1() -> None:
    classes = ClassSet.of([("a", "", torch.tensor([[0, 51, 255]], dtype=torch.uint8))])
    assert classes.gather(torch.tensor([0])).tolist() == [[0.0, pytest.approx(0.2), 1.0]]


def test_parts_of_a_split_share_no_class_and_lose_none() -> None:
    parts = letters().split((6, 3, 3), seed=0)
    assert [len(part) for part in parts] == [6, 3, 3]
    names = [name for part in parts for name in part.names]
    assert sorted(names) == sorted(letters().names)
    for part in parts:
        for position, name in enumerate(part.names):
            items = part.items[part.starts[position] : part.starts[position + 1]]
            assert set(items.flatten().tolist()) == {int(name[1:])}


def test_a_split_by_group_tears_no_group() -> None:
    first, second = letters().split((2, 1), seed=1, by_group=True)
    assert len(set(first.groups)) == 2
    assert not set(first.groups) & set(second.groups)


def test_the_seed_decides_a_split() -> None:
    splits = [letters().split((1, 1), seed=seed)[0].names for seed in (0, 0, 1)]
    assert splits[0] == splits[1] != splits[2]


def test_a_turned_class_is_a_class_of_its_own_whose_items_are_all_turned() -> None:
    corner = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    corner[:, 0, 0, 1] = torch.tensor([1, 2], dtype=torch.uint8)  # top right
    turned = ClassSet.of([("a", "g", corner)]).rotated()
    assert turned.names == ("a@0", "a@90", "a@180", "a@270")
    assert turned.groups == ("g",) * 4
    places = [turned.items[turned.starts[i] : turned.starts[i + 1], 0].nonzero()[:, 1:].tolist() for i in range(4)]
    assert places == [[[0, 1]] * 2, [[0, 0]] * 2, [[1, 0]] * 2, [[1, 1]] * 2]


def test_groups_are_found_by_name() -> None:
    assert letters().of_groups(["g1"]).names == ("c4", "c5", "c6", "c7")
    with pytest.raises(InputError, match=r"no group 'g9'.*g0, g1, g2"):
        letters().of_groups(["g9"])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "there are none"),
        ([("a", "", torch.zeros(0, 2))], "'a' has no items"),
        ([("a", "", torch.zeros(1, 2)), ("a", "", torch.zeros(1, 2))], "'a' occurs twice"),
        ([("a", "", torch.zeros(1, 2)), ("b", "", torch.zeros(1, 3))], r"\(2,\) and those of 'b' are \(3,\)"),
    ],
)
def test_what_cannot_be_classes_is_refused(parts: list[tuple[str, str, torch.Tensor]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ClassSet.of(parts)


def test_more_parts_than_groups_are_refused() -> None:
    with pytest.raises(InputError, match="3 groups cannot be split into 4"):
        letters().split((1, 1, 1, 1), seed=0, by_group=True)


def test_only_square_images_are_turned() -> None:
    with pytest.raises(InputError, match=r"\(1, 4, 5\)"):
        ClassSet.of([("a", "", torch.zeros(1, 1, 4, 5))]).rotated()
