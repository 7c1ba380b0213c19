import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autometa.metrics import resolve
from autometa.records import Config, Suggestion
from autometa.testing.warmstart import TARGET, Base, space
from autometa.warmstart import Portfolio
from autometa.warmstart._portfolio import choose


def even(n: int) -> np.ndarray:
    return np.full(n, 1 / n)


def lines(scale: float) -> Config:
    return {"model": "lines", "penalty": 1.0, "scale": scale}


def ask(base: Base, folder: Path, n: int = 10, *, by_similarity: bool = False) -> list[Suggestion]:
    starter = Portfolio(by_similarity=by_similarity)
    metric = resolve("roc_auc", "binary")
    return starter.suggest(TARGET, base.write(folder), space(), n, metric=metric, task="binary", seed=0)


def test_the_first_pick_is_best_on_average_and_the_next_complements_it() -> None:
    regret = np.array(
        [
            [0.3, 0.3, 0.3, 0.3],  # never good, never bad: the best single one
            [0.0, 0.0, 0.9, 0.8],
            [0.9, 0.8, 0.0, 0.1],
            [0.2, 0.4, 0.3, 0.4],
        ]
    )
    picks, after = choose(regret, even(4), 3)
    # Means .3, .425, .45, .325. Then row 1 leaves (0+0+.3+.3)/4 = .15, row 2 (.3+.3+0+.1)/4 = .175, row 3 .275.
    assert picks == [0, 1, 2]
    assert after == pytest.approx([0.3, 0.15, (0 + 0 + 0 + 0.1) / 4])


def test_weights_say_which_datasets_count() -> None:
    regret = np.array([[0.0, 0.9], [0.9, 0.0]])
    assert choose(regret, np.array([0.9, 0.1]), 1)[0] == [0]
    assert choose(regret, np.array([0.1, 0.9]), 1)[0] == [1]


def test_when_nothing_more_can_be_gained_the_better_on_average_come_first() -> None:
    regret = np.array([[0.5], [0.0], [0.2], [0.2]])
    assert choose(regret, even(1), 4) == ([1, 2, 3, 0], [0.0, 0.0, 0.0, 0.0])


matrices = st.tuples(st.integers(1, 6), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(0, 1, width=32))
)


@settings(deadline=None, max_examples=50)
@given(matrices)
def test_each_pick_is_the_best_next_one_by_exhaustive_search(regret: np.ndarray) -> None:
    picks, after = choose(regret, even(regret.shape[1]), len(regret))
    assert sorted(picks) == list(range(len(regret)))
    for i in range(len(picks)):
        rest = [regret[[*picks[:i], row]].min(axis=0).mean() for row in range(len(regret)) if row not in picks[:i]]
        assert after[i] == pytest.approx(min(rest), abs=1e-9)
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(after))


@settings(deadline=None, max_examples=50)
@given(matrices, st.integers(0, 2**32 - 1))
def test_the_order_of_datasets_does_not_matter(regret: np.ndarray, seed: int) -> None:
    shuffled = regret[:, np.random.default_rng(seed).permutation(regret.shape[1])]
    assert choose(regret, even(regret.shape[1]), 6)[0] == choose(shuffled, even(regret.shape[1]), 6)[0]


def test_a_dense_base_gives_the_classic_greedy_portfolio(tmp_path: Path) -> None:
    values = {0.1: [0.9, 0.9, 0.5], 0.2: [0.8, 0.85, 0.7], 0.3: [0.6, 0.6, 0.9], 0.4: [0.5, 0.5, 0.4]}
    base = Base()
    for i, name in enumerate("abc"):
        base.add(name, configs=[lines(scale) for scale in values])
        base.runs[-1][2]["value"] = [scores[i] for scores in values.values()]
    # Regrets, in units of best to median: a: 0, .5, 1, 1 (median .7); b: 0, .2, 1, 1 (median .725 -> .05/.175);
    # c: 1, .67, 0, 1 (median .6). Means: .33, .49, .67, 1. After the first, only the third helps c fully.
    suggestions = ask(base, tmp_path)
    assert [one.config["scale"] for one in suggestions] == [0.1, 0.3, 0.2, 0.4]
    first, second = suggestions[0].origin, suggestions[1].origin
    assert first.dataset_name in {"a", "b"}
    assert second.dataset_name == "c"
    assert second.reason == (
        "Lowers the expected regret over 3 datasets from 0.33 to 0.00; it did best on 'c', by roc_auc."
    )
    assert suggestions[2].origin.reason.startswith(
        "Best on average of what is left; the expected regret over 3 datasets stays at 0.00;"
    )


def test_a_sparse_base_gives_the_middle_of_the_crowd_first(tmp_path: Path) -> None:
    base = Base()
    for name, scale in zip("abcdefgh", [0.06, 0.08, 0.1, 0.12, 0.14, 0.7, 0.72, 0.74], strict=True):
        base.add(name, configs=[lines(scale)])
    assert [one.config["scale"] for one in ask(base, tmp_path, 2)] == [0.1, 0.72]


def test_model_families_that_serve_other_datasets_come_up(tmp_path: Path) -> None:
    base = Base()
    for i in range(8):
        trees: Config = {"model": "trees", "depth": 5 + i % 3, "weights": "balanced", "scale": 0.5}
        base.add(f"d{i}", configs=[trees if i < 5 else lines(0.5 + i / 100)])
    assert [one.config["model"] for one in ask(base, tmp_path, 2)] == ["trees", "lines"]


def test_similarity_lets_near_datasets_decide(tmp_path: Path) -> None:
    base = Base()
    for i in range(6):
        base.add(f"far{i}", values={"NumberOfInstances": 9000.0 + i}, configs=[lines(0.1 + i / 1000)])
    base.add("near", values={"NumberOfInstances": 350.0}, configs=[lines(0.9)])
    even_handed = ask(base, tmp_path / "even", 1)[0].config["scale"]
    by_similarity = ask(base, tmp_path / "near", 1, by_similarity=True)[0]
    assert isinstance(even_handed, float)
    assert even_handed < 0.2
    assert by_similarity.config["scale"] == 0.9
    assert "over 7 datasets, near ones counting more, from" in by_similarity.origin.reason


def test_the_portfolio_does_not_depend_on_the_target(tmp_path: Path) -> None:
    base = Base()
    for name in "abcdefgh":
        base.add(name)
    kb = base.write(tmp_path)
    metric = resolve("roc_auc", "binary")
    lists = [
        Portfolio().suggest(target, kb, space(), 5, metric=metric, task="binary", seed=0)
        for target in (TARGET, type(TARGET)("other", {"NumberOfInstances": 1e6}), type(TARGET)("blank", {}))
    ]
    assert [[one.config for one in suggestions] for suggestions in lists] == [[one.config for one in lists[0]]] * 3
