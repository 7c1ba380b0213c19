from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from autometa.metrics import resolve
from autometa.records import Config, Suggestion
from autometa.spaces import Hyperparameter, SearchSpace
from autometa.testing.warmstart import TARGET, Base, agreed, space, usual
from autometa.warmstart import WARM_STARTERS, BoundingBox, QuantileBox, WarmStarter
from autometa.warmstart._boxes import points, value_at


def ask(
    starter: WarmStarter, base: Base, folder: Path, n: int = 6, *, searched: SearchSpace | None = None, seed: int = 0
) -> list[Suggestion]:
    metric = resolve("roc_auc", "binary")
    kb = base.write(folder)
    return starter.suggest(TARGET, kb, searched or space(), n, metric=metric, task="binary", seed=seed)


def lines(scale: float) -> Config:
    return {"model": "lines", "penalty": 1.0, "scale": scale}


def scale_of(suggestion: Suggestion) -> float:
    scale = suggestion.config["scale"]
    assert isinstance(scale, float)
    return scale


@pytest.mark.parametrize(
    ("entries", "values"),
    [
        ({"type": "categorical", "choices": ["a", None], "default": "a"}, ["a", "a", None, None]),
        ({"type": "int", "low": 3, "high": 4, "default": 3}, [3, 3, 4, 4]),
        ({"type": "int", "low": 0, "high": 10, "step": 10, "default": 0}, [0, 0, 10, 10]),
        ({"type": "int", "low": 7, "high": 7, "default": 7}, [7, 7, 7, 7]),
        ({"type": "float", "low": 1.0, "high": 3.0, "default": 1.0}, [1.25, 1.75, 2.25, 2.75]),
        ({"type": "float", "low": 0.0, "high": 0.3, "step": 0.1, "default": 0.0}, [0.0, 0.1, 0.2, 0.3]),
        (
            {"type": "float", "low": 1e-4, "high": 1.0, "log": True, "default": 1.0},
            [10**-3.5, 10**-2.5, 0.1**1.5, 0.1**0.5],
        ),
        # From log 0.5 to log 4.5 in four steps: the middles are 0.66, 1.14, 1.97 and 3.42.
        ({"type": "int", "low": 1, "high": 4, "log": True, "default": 1}, [1, 1, 2, 3]),
    ],
)
def test_even_places_give_even_values(entries: dict[str, Any], values: list[Any]) -> None:
    one = Hyperparameter(name="x", **{**entries, "choices": tuple(entries.get("choices", ()))})
    found = [value_at(one, place) for place in (0.125, 0.375, 0.625, 0.875)]
    assert found == [value if value is None or isinstance(value, str) else pytest.approx(value) for value in values]
    assert all(one.problem(value) is None for value in [*found, value_at(one, 0.0), value_at(one, 1 - 2**-30)])


def test_points_fill_each_half_of_a_range_and_each_choice_evenly() -> None:
    drawn = list(islice(points(space(), 0), 64))
    assert sum(float(str(config["scale"])) < 0.5 for config in drawn) == 32
    assert Counter(config["model"] for config in drawn) == {"trees": 32, "lines": 32}
    assert all(space().problems(config) == () for config in drawn)


def test_the_first_is_the_most_typical_best_and_the_others_are_drawn_from_the_box(tmp_path: Path) -> None:
    base, scales = Base(), [0.2, 0.3, 0.31, 0.32, 0.4]
    for i, scale in enumerate(scales):
        base.add(f"d{i}", configs=[lines(scale), lines(0.9)])
        base.runs[-1][2]["value"] = [0.9, 0.5]
    first, *others = ask(BoundingBox(), base, tmp_path)
    assert (first.config["scale"], first.origin.dataset_name) == (0.31, "d2")
    assert first.origin.reason == "Best roc_auc on 'd2', the most typical of the best of 5 datasets."
    assert [one.origin.rank for one in others] == [2, 3, 4, 5, 6]
    assert all(0.2 <= scale_of(one) <= 0.4 for one in others)
    assert len({scale_of(one) for one in others}) == 5
    for one in others:
        home = min(range(5), key=lambda i: abs(scale_of(one) - scales[i]))
        assert one.origin.reason == (
            "Drawn from where 5 datasets found their best, a box with ends set by 'd0' and 'd4'; "
            f"the nearest of these is the best roc_auc on 'd{home}'."
        )


def test_another_seed_draws_others_from_the_same_box(tmp_path: Path) -> None:
    first = ask(BoundingBox(), agreed(), tmp_path / "first")
    other = ask(BoundingBox(), agreed(), tmp_path / "other", seed=1)
    assert first[0] == other[0]
    assert not {space().key(one.config) for one in first[1:]} & {space().key(one.config) for one in other[1:]}


def test_an_odd_dataset_draws_the_bounding_box_only(tmp_path: Path) -> None:
    base = agreed(19).add("odd", configs=[lines(0.99), lines(0.3), lines(0.95)])
    base.runs[-1][2]["value"] = [0.9, 0.5, 0.4]
    wide = [scale_of(one) for one in ask(BoundingBox(), base, tmp_path / "wide", 30)]
    trimmed = [scale_of(one) for one in ask(QuantileBox(), base, tmp_path / "trimmed", 30)]
    assert max(wide) > 0.6
    assert max(trimmed) < 0.42


@pytest.mark.parametrize("name", ["bounding_box", "quantile_box"])
def test_where_nothing_is_cut_each_datasets_best_is_all_there_is(tmp_path: Path, name: str) -> None:
    base = Base()
    for dataset, scale in (("a", 0.1), ("b", 0.5), ("c", 0.6)):
        base.add(dataset, configs=[lines(scale), lines(0.9)])
        base.runs[-1][2]["value"] = [0.9, 0.5]
    suggestions = ask(WARM_STARTERS.create(name), base, tmp_path)
    # Sums of squared distances to 0.1, 0.5 and 0.6: of 0.5 .16 + .01, of 0.6 .25 + .01, of 0.1 .16 + .25.
    assert [one.config["scale"] for one in suggestions] == [0.5, 0.6, 0.1]
    assert suggestions[1].origin.reason == "Best roc_auc on 'c', the 2nd most typical of the best of 3 datasets."


def test_a_box_of_few_configurations_is_used_up_without_end(tmp_path: Path) -> None:
    grid = SearchSpace.from_dict(
        {"name": "warmstart-checks", "hyperparameters": {"depth": {"type": "int", "low": 1, "high": 12, "default": 6}}}
    )
    base = Base()
    for i in range(6):
        base.add(f"d{i}", configs=[{"depth": 4 + i % 3}, {"depth": 12}])
        base.runs[-1][2]["value"] = [0.9, 0.5]
    depths = [one.config["depth"] for one in ask(BoundingBox(), base, tmp_path, 1000, searched=grid)]
    assert len(depths) == 3
    assert set(depths) == {4, 5, 6}


def test_the_options_of_the_quantile_box_decide(tmp_path: Path) -> None:
    base = usual()
    nothing_cut = ask(QuantileBox(), base, tmp_path / "usual", 20)
    assert len(nothing_cut) == len(base.datasets) == 8
    assert len(ask(QuantileBox(quantile=0.5, trim=0.2), base, tmp_path / "wide", 20)) == 20
