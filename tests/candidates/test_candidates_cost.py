from typing import ClassVar

import pytest

from autometa.candidates import CANDIDATES, FitCost, KNearestNeighbors


def test_a_cost_by_hand() -> None:
    cost = FitCost(start=0.5, scale=2.0, rows=1.5, columns=0.5, classes=1.0)
    assert cost.seconds(1000, 10, 2) == pytest.approx(2.5)
    assert cost.seconds(4000, 10, 2) == pytest.approx(0.5 + 2 * 8)
    assert cost.seconds(1000, 90, 2) == pytest.approx(2.5 * 3)
    assert cost.seconds(1000, 10, 6) == pytest.approx(2.5 * 3)
    assert cost.seconds(1000, 10) == cost.seconds(1000, 10, 1) == cost.seconds(1000, 10, 2)


@pytest.mark.parametrize("name", CANDIDATES.names())
def test_a_candidate_has_a_cost_of_its_own_that_grows_with_the_table(name: str) -> None:
    candidate = CANDIDATES.create(name)
    assert candidate.cost is not None
    small, large = candidate.fit_seconds(1_000, 10, 2), candidate.fit_seconds(100_000, 10, 2)
    assert 0 < small < large
    assert small <= candidate.fit_seconds(1_000, 60, 2)
    assert small <= candidate.fit_seconds(1_000, 10, 10)


def test_the_costs_of_a_large_table_tell_the_quick_from_the_hopeless() -> None:
    seconds = {name: CANDIDATES.create(name).fit_seconds(200_000, 60, 2) for name in CANDIDATES.names()}
    assert max(seconds["logistic_regression"], seconds["lightgbm"]) < 60
    assert min(seconds["svm"], seconds["mlp"]) > 200


def test_a_plug_in_without_a_cost_goes_by_its_effort() -> None:
    class Quick(KNearestNeighbors):
        cost: ClassVar[FitCost | None] = None
        effort: ClassVar[int] = 1

    class Slow(Quick):
        effort: ClassVar[int] = 3

    assert 0 < Quick().fit_seconds(5_000, 20, 2) < 1 < Slow().fit_seconds(5_000, 20, 2)
    assert Slow().fit_seconds(50_000, 20, 2) > 10 * Slow().fit_seconds(5_000, 20, 2) * 0.9
