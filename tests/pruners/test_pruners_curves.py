"""Learning curves of a base: from runs with a fidelity to what says how telling a share of the budget is."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autometa.evidence import gather_curves
from autometa.knowledge import KnowledgeBase
from autometa.metrics import own
from autometa.pruners._forecast import chance, relation
from autometa.records import DatasetRecord
from autometa.spaces import SearchSpace

SPACE = SearchSpace.from_dict(
    {"name": "net", "hyperparameters": {"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5}}}
)
ERROR, SCORE = own("error", "minimize"), own("score", "maximize")
RATES = [i / 10 for i in range(6)]


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    return KnowledgeBase(tmp_path / "kb")


def add(kb: KnowledgeBase, rows: list[tuple[float, float, float]], dataset_id: str = "a", **said: str) -> None:
    frame = pd.DataFrame(rows, columns=["x", "fidelity", "value"])
    if "status" in said:
        frame["status"] = said.pop("status")
    kb.add_runs(dataset_id, "net", frame, **({"metric": "error", "direction": "minimize"} | said))  # type: ignore[arg-type]


def whole(kb: KnowledgeBase, dataset_id: str = "a") -> None:
    """Six configurations; the loss at half of the budget is twice that at the end, at a quarter thrice."""
    add(kb, [(x, f, x * times) for x in RATES for f, times in ((0.25, 3.0), (0.5, 2.0), (1.0, 1.0))], dataset_id)


def test_a_curve_has_what_was_measured_at_a_fidelity_and_what_came_of_it(kb: KnowledgeBase) -> None:
    whole(kb)
    (curves,) = gather_curves(kb, SPACE, metric=ERROR, task=None)
    assert curves.dataset_id == "a"
    for fidelity, times in ((0.25, 3.0), (0.5, 2.0)):
        then, end = curves.at(fidelity)
        assert sorted(then) == pytest.approx([x * times for x in RATES])
        assert then == pytest.approx(end * times)


def test_what_was_measured_a_little_earlier_stands_for_a_fidelity_but_nothing_later(kb: KnowledgeBase) -> None:
    whole(kb)
    (curves,) = gather_curves(kb, SPACE, metric=ERROR, task=None)
    assert sorted(curves.at(0.9)[0]) == pytest.approx([x * 2 for x in RATES])
    assert sorted(curves.at(0.45)[0]) == pytest.approx([x * 3 for x in RATES])
    assert not len(curves.at(0.2)[0])
    assert not len(curves.at(0.01)[0])


def test_shares_that_no_decimal_number_holds_are_found_again(kb: KnowledgeBase) -> None:
    add(kb, [(x, f, x) for x in RATES for f in (1 / 27, 0.333333, 1.0)])
    (curves,) = gather_curves(kb, SPACE, metric=ERROR, task=None)
    for share in (1 / 27, 0.037037, 1 / 3):
        assert len(curves.at(share)[0]) == 6


def test_larger_is_better_turns_the_sign_only(kb: KnowledgeBase) -> None:
    rows = [(x, f, -x / f) for x in RATES for f in (0.5, 1.0)]
    add(kb, rows, metric="score", direction="maximize")
    (curves,) = gather_curves(kb, SPACE, metric=SCORE, task=None)
    assert sorted(curves.at(0.5)[0]) == pytest.approx([x * 2 for x in RATES])
    assert gather_curves(kb, SPACE, metric=ERROR, task=None) == ()


def test_repeats_are_averaged_and_sources_kept_apart(kb: KnowledgeBase) -> None:
    whole(kb)
    whole(kb)
    add(kb, [(x, f, 5 + x) for x in RATES for f in (0.5, 1.0)], source="elsewhere")
    found = gather_curves(kb, SPACE, metric=ERROR, task=None)
    assert [len(one.finals) for one in found] == [6, 6]
    assert sorted(float(one.finals.min()) for one in found) == [0.0, 5.0]


def test_only_configurations_with_an_end_have_a_curve_and_five_are_needed(kb: KnowledgeBase) -> None:
    add(kb, [(x, f, x) for x in RATES[:4] for f in (0.5, 1.0)])
    add(kb, [(x, 0.5, 0.0) for x in RATES[4:]], status="pruned")
    add(kb, [(x, 1.0, x) for x in RATES], "no curves")
    assert gather_curves(kb, SPACE, metric=ERROR, task=None) == ()
    add(kb, [(RATES[4], 1.0, 0.4)])
    (curves,) = gather_curves(kb, SPACE, metric=ERROR, task=None)
    assert len(curves.at(0.5)[0]) == 5
    assert 0.0 in curves.at(0.5)[0][curves.at(0.5)[1] == 0.4]


def test_hidden_datasets_and_those_of_other_tasks_tell_nothing(kb: KnowledgeBase) -> None:
    for name in ("a", "b"):
        whole(kb, name)
    kb.add_dataset(DatasetRecord("b", "b", "regression", "user"))
    said = [one.dataset_id for one in gather_curves(kb.without("a"), SPACE, metric=ERROR, task=None)]
    assert said == ["b"]
    assert gather_curves(kb.without("a"), SPACE, metric=ERROR, task="binary") == ()


def test_the_line_of_a_dataset_is_found_beside_configurations_that_fail_to_learn(kb: KnowledgeBase) -> None:
    rates = [i / 20 for i in range(20)]
    noise = {x: 0.01 * (-1) ** i for i, x in enumerate(rates)}
    add(kb, [(x, 0.5, 2 * x) for x in rates] + [(x, 1.0, 3 + x + noise[x]) for x in rates])
    add(kb, [(1.0, 0.5, 50.0), (1.0, 1.0, 1e9)])
    (curves,) = gather_curves(kb, SPACE, metric=ERROR, task=None)
    line = relation(curves, 0.5)
    assert line is not None
    assert line.slope == pytest.approx(0.5, abs=0.02)
    assert line.scale == pytest.approx(0.015, abs=0.005)
    assert relation(curves, 0.1) is None


def test_a_dataset_on_which_all_end_alike_has_no_line(kb: KnowledgeBase) -> None:
    add(kb, [(x, 0.5, x) for x in RATES] + [(x, 1.0, 7.0) for x in RATES])
    (curves,) = gather_curves(kb, SPACE, metric=ERROR, task=None)
    assert relation(curves, 0.5) is None


def test_the_chance_falls_from_one_to_zero_as_a_trial_stands_worse(kb: KnowledgeBase) -> None:
    whole(kb)
    (curves,) = gather_curves(kb, SPACE, metric=ERROR, task=None)
    line = relation(curves, 0.5)
    assert line is not None
    then, end = np.array([0.4, 0.6, 0.8]), np.array([0.2, 0.3, 0.4])
    found = [chance([line], then, end, now, 0.2) for now in (-2.0, 0.3, 0.39, 0.41, 0.5, 3.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.98
    assert found[2] > 0.5 > found[3]
    assert found[-1] < 0.02


def test_without_any_difference_nothing_is_known() -> None:
    assert chance([], np.ones(5), np.ones(5), 2.0, 1.0) == 1.0
    assert math.isfinite(chance([], np.arange(5.0), np.ones(5), 2.0, 1.0))
