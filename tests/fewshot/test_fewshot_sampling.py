"""Episodes: of the asked form, without repeats, with labels dealt anew, the same for the same seed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.errors import InputError
from autometa.fewshot import ClassSet, Episodes, UniformEpisodes, VariableEpisodes, episodes_at


def numbered(counts: list[int], groups: list[str] | None = None) -> ClassSet:
    """Classes of so many items, each item (class, number of the item)."""
    parts = []
    for position, count in enumerate(counts):
        items = torch.tensor([[float(position), float(i)] for i in range(count)])
        parts.append((f"c{position}", groups[position] if groups else "", items))
    return ClassSet.of(parts)


def check(episodes: Episodes) -> None:
    """No item twice in an episode; a label stands for one class; every class has support and queries."""
    for i in range(len(episodes)):
        x = torch.cat([episodes.support.x[i], episodes.x[i]])
        y = torch.cat([episodes.support.y[i], episodes.y[i]])
        assert len(set(map(tuple, x.tolist()))) == len(x)
        pairs = {(int(label), int(item[0])) for label, item in zip(y, x, strict=True)}
        assert len(pairs) == episodes.n_way
        assert set(episodes.support.y[i].tolist()) == set(episodes.y[i].tolist()) == set(range(episodes.n_way))
        assert episodes.classes is not None
        assert pairs == {(label, int(one)) for label, one in enumerate(episodes.classes[i])}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(4, 9), min_size=5, max_size=8), st.integers(2, 5), st.integers(1, 2), st.integers(0, 99))
def test_episodes_have_the_form_that_was_asked_for(counts: list[int], n_way: int, n_shot: int, seed: int) -> None:
    episodes = episodes_at(UniformEpisodes(numbered(counts), n_way, n_shot, 2), 3, seed=seed, step=0)
    check(episodes)
    assert episodes.support.x.shape == (3, n_way * n_shot, 2)
    assert episodes.x.shape == (3, n_way * 2, 2)
    for labels, each in ((episodes.support.y, n_shot), (episodes.y, 2)):
        assert [torch.bincount(row).tolist() for row in labels] == [[each] * n_way] * 3


def test_a_class_gets_every_label_and_every_item_is_drawn() -> None:
    episodes = episodes_at(UniformEpisodes(numbered([5, 5, 5]), 3, 1, 1), 400, seed=0, step=0)
    assert episodes.classes is not None
    of_first = (episodes.classes == 0).float().mean(0)
    assert of_first.tolist() == pytest.approx([1 / 3] * 3, abs=0.08)
    drawn = episodes.support.x[:, :, 1].flatten().long().bincount() / 1200
    assert drawn.tolist() == pytest.approx([0.2] * 5, abs=0.05)


def test_support_and_queries_come_in_random_order_of_classes() -> None:
    episodes = episodes_at(UniformEpisodes(numbered([6, 6, 6]), 3, 1, 2), 50, seed=0, step=0)
    assert len(set(map(tuple, episodes.support.y.tolist()))) == 6
    assert len(set(map(tuple, episodes.y.tolist()))) > 30


def test_seed_and_step_decide_and_nothing_else() -> None:
    source = UniformEpisodes(numbered([6] * 6), 3, 1, 2)
    state = torch.get_rng_state()
    first, same, later, other = (episodes_at(source, 4, seed=s, step=t).x for s, t in ((0, 1), (0, 1), (0, 2), (1, 1)))
    assert torch.equal(first, same)
    assert not torch.equal(first, later)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(3, 40), min_size=6, max_size=12), st.integers(0, 99))
def test_variable_episodes_keep_their_promises(counts: list[int], seed: int) -> None:
    source = VariableEpisodes(numbered(counts), max_query=4, max_support=60, max_support_of_class=9)
    episodes = episodes_at(source, 2, seed=seed, step=0)
    check(episodes)
    assert 5 <= episodes.n_way <= len(counts)
    queries = torch.bincount(episodes.y[0])
    assert queries.min() == queries.max() <= 4
    shots = torch.bincount(episodes.support.y[0])
    assert shots.max() <= 40
    assert shots.sum() <= 60 + episodes.n_way


def test_variable_episodes_differ_in_ways_and_their_classes_in_shots() -> None:
    source = VariableEpisodes(numbered([30] * 20), max_way=15)
    drawn = [episodes_at(source, 1, seed=0, step=step) for step in range(60)]
    assert {one.n_way for one in drawn} == set(range(5, 16))
    uneven = [int(count.max()) > int(count.min()) for count in (torch.bincount(one.support.y[0]) for one in drawn)]
    assert sum(uneven) > 40


def test_variable_episodes_can_keep_to_a_group() -> None:
    groups = ["a"] * 6 + ["b"] * 7 + ["c"] * 2
    source = VariableEpisodes(numbered([6] * 15, groups), by_group=True)
    for step in range(30):
        episodes = episodes_at(source, 1, seed=0, step=step)
        assert episodes.classes is not None
        drawn = {groups[i] for i in episodes.classes.flatten().tolist()}
        assert drawn in ({"a"}, {"b"})


@pytest.mark.parametrize(
    ("counts", "form", "message"),
    [
        ([5] * 3, (4, 1, 1), "4-way episodes need 4 classes, but there are 3"),
        ([5, 2, 5], (2, 1, 2), "'c1' has 2 items"),
        ([5] * 3, (2, 0, 1), "at least 1"),
    ],
)
def test_impossible_forms_are_refused(counts: list[int], form: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        UniformEpisodes(numbered(counts), *form)
    with pytest.raises(InputError, match="no more than there are 3"):
        VariableEpisodes(numbered([5] * 3))
