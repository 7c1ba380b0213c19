from pathlib import Path

import pandas as pd
import pytest

from autometa.metrics import resolve
from autometa.records import Config, Suggestion
from autometa.testing.warmstart import TARGET, Base, space
from autometa.warmstart import WARM_STARTERS
from autometa.warmstart._origins import nth


def lines(scale: float) -> Config:
    return {"model": "lines", "penalty": 1.0, "scale": scale}


def nearest(base: Base, folder: Path, n: int = 10, metric: str = "roc_auc") -> list[Suggestion]:
    starter = WARM_STARTERS.create("nearest_datasets")
    kb = base.write(folder)
    return starter.suggest(TARGET, kb, space(), n, metric=resolve(metric, "binary"), task="binary", seed=0)


def three(scales: dict[str, list[float]]) -> Base:
    """Datasets near, middle and far, whose runs get worse in the order given."""
    base = Base()
    for name, rows in (("far", 9000.0), ("near", 350.0), ("middle", 500.0)):
        base.add(name, values={"NumberOfInstances": rows}, configs=[lines(scale) for scale in scales[name]])
        frame = base.runs[-1][2]
        frame["value"] = [0.9 - i / 10 for i in range(len(frame))]
    return base


def test_datasets_speak_in_turns_nearest_first(tmp_path: Path) -> None:
    base = three({"near": [0.1, 0.2], "middle": [0.3, 0.4, 0.5], "far": [0.6]})
    suggestions = nearest(base, tmp_path)
    assert [one.config["scale"] for one in suggestions] == [0.1, 0.3, 0.6, 0.2, 0.4, 0.5]
    assert [one.origin.dataset_name for one in suggestions] == ["near", "middle", "far", "near", "middle", "middle"]
    assert [one.origin.rank for one in suggestions] == [1, 2, 3, 4, 5, 6]


def test_what_a_nearer_dataset_said_is_not_said_again(tmp_path: Path) -> None:
    base = three({"near": [0.1, 0.2], "middle": [0.1, 0.2], "far": [0.1, 0.6]})
    suggestions = nearest(base, tmp_path)
    assert [one.config["scale"] for one in suggestions] == [0.1, 0.2, 0.6]
    assert [one.origin.dataset_name for one in suggestions] == ["near", "near", "far"]


def test_the_reason_can_be_read(tmp_path: Path) -> None:
    first, second, _, fourth = nearest(three({"near": [0.1, 0.2], "middle": [0.3], "far": [0.4]}), tmp_path)
    assert first.origin.reason == "Best roc_auc on 'near', the nearest of 3 datasets."
    assert second.origin.reason == "Best roc_auc on 'middle', the 2nd nearest of 3 datasets."
    assert fourth.origin.reason == "2nd best roc_auc on 'near', the nearest of 3 datasets."
    # Quantiles of 350, 500, 9000: 1/6, 3/6, 5/6; the target has 350 rows.
    assert [one.origin.distance for one in (first, second)] == pytest.approx([0.0, 1 / 3])


def test_the_reason_tells_a_related_metric_and_an_unknown_distance(tmp_path: Path) -> None:
    base = Base().add("a", metric="accuracy", values={}, configs=[lines(0.5)])
    (suggestion,) = nearest(base, tmp_path)
    assert suggestion.origin.distance is None
    assert suggestion.origin.reason == (
        "Best accuracy (no run there has roc_auc) on 'a', whose distance is not known, one of 1 datasets."
    )


def test_equal_values_are_ordered_by_configuration(tmp_path: Path) -> None:
    base = Base().add("a", configs=[lines(0.9), lines(0.1), lines(0.5)])
    base.runs[0] = (*base.runs[0][:2], base.runs[0][2].assign(value=0.7), "roc_auc", "maximize")
    assert isinstance(base.runs[0][2], pd.DataFrame)
    assert [one.config["scale"] for one in nearest(base, tmp_path)] == [0.1, 0.5, 0.9]


def test_ordinals() -> None:
    said = {1: "", 2: "2nd ", 3: "3rd ", 4: "4th ", 11: "11th ", 12: "12th ", 21: "21st ", 112: "112th ", 123: "123rd "}
    assert {position: nth(position) for position in said} == said
