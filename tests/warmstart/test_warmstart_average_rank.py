from pathlib import Path

import numpy as np
import pytest

from autometa.metrics import resolve
from autometa.records import Config, Suggestion
from autometa.testing.warmstart import TARGET, Base, space
from autometa.warmstart import AverageRank
from autometa.warmstart._average_rank import rank


def lines(scale: float) -> Config:
    return {"model": "lines", "penalty": 1.0, "scale": scale}


def ask(base: Base, folder: Path, n: int = 10, *, by_similarity: bool = False) -> list[Suggestion]:
    starter = AverageRank(by_similarity=by_similarity)
    metric = resolve("roc_auc", "binary")
    return starter.suggest(TARGET, base.write(folder), space(), n, metric=metric, task="binary", seed=0)


def dense(values: dict[float, list[float]]) -> Base:
    """Every dataset has every scale; ``values`` has one value per dataset, of which the first is near the target."""
    base = Base()
    for i, name in enumerate("abc"):
        base.add(name, values={"NumberOfInstances": 350.0 * 10**i}, configs=[lines(scale) for scale in values])
        base.runs[-1][2]["value"] = [scores[i] for scores in values.values()]
    return base


def test_rows_are_ordered_by_their_mean_rank_and_not_by_their_mean() -> None:
    regret = np.array([[0.0, 0.1, 0.9], [0.1, 0.2, 0.0], [0.2, 0.0, 1.0]])
    # Ranks by column: (1, 2, 3), (2, 3, 1), (2, 1, 3); so the rows have 1+2+2, 2+3+1 and 3+1+3, over 3.
    order, ranks = rank(regret, np.full(3, 1 / 3))
    assert ranks == pytest.approx([5 / 3, 2.0, 7 / 3])
    assert order.tolist() == [0, 1, 2]
    assert regret.mean(axis=1).argmin() == 1


def test_ties_share_the_mean_of_their_ranks() -> None:
    order, ranks = rank(np.array([[0.5], [0.0], [0.5], [0.5]]), np.ones(1))
    assert ranks.tolist() == [3.0, 1.0, 3.0, 3.0]
    assert order.tolist() == [1, 0, 2, 3]


def test_equal_mean_ranks_are_ordered_by_mean_regret() -> None:
    order, ranks = rank(np.array([[0.0, 0.9], [0.1, 0.0]]), np.full(2, 0.5))
    assert ranks.tolist() == [1.5, 1.5]
    assert order.tolist() == [1, 0]


def test_weights_say_which_datasets_count() -> None:
    regret = np.array([[0.0, 0.9], [0.1, 0.0]])
    assert rank(regret, np.array([0.9, 0.1]))[0].tolist() == [0, 1]
    assert rank(regret, np.array([0.1, 0.9]))[0].tolist() == [1, 0]


def test_the_best_on_average_comes_first_and_says_so(tmp_path: Path) -> None:
    base = dense({0.1: [0.9, 0.8, 0.5], 0.2: [0.8, 0.9, 0.7], 0.3: [0.6, 0.5, 0.9], 0.4: [0.5, 0.6, 0.6]})
    # Ranks: (1, 2, 4), (2, 1, 2), (3, 4, 1), (4, 3, 3).
    suggestions = ask(base, tmp_path)
    assert [one.config["scale"] for one in suggestions] == [0.2, 0.1, 0.3, 0.4]
    origin = suggestions[0].origin
    assert (origin.strategy, origin.rank, origin.dataset_name) == ("average_rank", 1, "b")
    assert origin.reason == ("Mean rank 1.7 among 4 configurations over 3 datasets; it did best on 'b', by roc_auc.")


def test_similarity_lets_the_near_dataset_decide(tmp_path: Path) -> None:
    base = dense({0.1: [0.9, 0.5, 0.5], 0.2: [0.8, 0.9, 0.9], 0.3: [0.6, 0.8, 0.8]})
    assert ask(base, tmp_path / "even", 1)[0].config["scale"] == 0.2
    (near,) = ask(base, tmp_path / "near", 1, by_similarity=True)
    assert near.config["scale"] == 0.1
    assert "over 3 datasets, near ones counting more; it" in near.origin.reason


def test_what_no_dataset_tried_nearby_is_not_told_apart_by_the_estimate(tmp_path: Path) -> None:
    base = Base()
    for name, scale in zip("abcdefgh", [0.06, 0.08, 0.1, 0.12, 0.14, 0.7, 0.72, 0.74], strict=True):
        base.add(name, configs=[lines(scale)])
    crowd, odd = [0.06, 0.08, 0.1, 0.12, 0.14], [0.7, 0.72, 0.74]
    scales = [one.config["scale"] for one in ask(base, tmp_path)]
    assert set(scales[:5]) == set(crowd)
    assert set(scales[5:]) == set(odd)
