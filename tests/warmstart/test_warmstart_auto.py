from pathlib import Path

from autometa.metrics import resolve
from autometa.records import MetaFeatures, Origin, Suggestion
from autometa.testing.warmstart import TARGET, space, usual
from autometa.warmstart import Auto, NearestDatasets, Portfolio, WarmStarter
from autometa.warmstart._auto import take_turns


def said(strategy: str, scales: list[float]) -> list[Suggestion]:
    return [Suggestion({"scale": scale}, Origin(strategy, rank)) for rank, scale in enumerate(scales, start=1)]


def turns(first: list[float], second: list[float], n: int) -> list[tuple[object, str, int | None]]:
    lists = iter(said("first", first)), iter(said("second", second))
    taken = take_turns(lists, n, key=lambda one: str(one.config))
    return [(one.config["scale"], one.origin.strategy, one.origin.rank) for one in taken]


def test_lists_take_turns_and_keep_their_origins() -> None:
    got = turns([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], 4)
    assert got == [(0.1, "first", 1), (0.4, "second", 1), (0.2, "first", 2), (0.5, "second", 2)]


def test_what_was_taken_is_skipped_and_the_list_moves_up() -> None:
    got = turns([0.1, 0.2], [0.1, 0.3, 0.2], 10)
    assert got == [(0.1, "first", 1), (0.3, "second", 2), (0.2, "first", 2)]


def test_the_longer_list_goes_on_alone() -> None:
    assert [scale for scale, *_ in turns([0.1], [0.2, 0.3, 0.4], 3)] == [0.1, 0.2, 0.3]
    assert turns([], [], 3) == []


def test_an_iterator_that_stands_there_twice_has_two_turns() -> None:
    first, second = iter(said("first", [0.1, 0.2, 0.3])), iter(said("second", [0.4, 0.5]))
    taken = take_turns([first, first, second], 10, key=lambda one: str(one.config))
    assert [one.config["scale"] for one in taken] == [0.1, 0.2, 0.4, 0.3, 0.5]


def ask(starter: WarmStarter, folder: Path, target: MetaFeatures, n: int = 6) -> list[Suggestion]:
    kb = usual().write(folder)
    return starter.suggest(target, kb, space(), n, metric=resolve("roc_auc", "binary"), task="binary", seed=0)


def test_every_third_place_is_for_the_nearest_datasets(tmp_path: Path) -> None:
    suggestions = ask(Auto(), tmp_path / "auto", TARGET)
    assert [one.origin.strategy for one in suggestions] == [
        "similar_portfolio",
        "similar_portfolio",
        "nearest_datasets",
    ] * 2
    assert suggestions[:2] == ask(Portfolio(by_similarity=True), tmp_path / "portfolio", TARGET, 2)
    assert suggestions[2] in ask(NearestDatasets(), tmp_path / "nearest", TARGET)


def test_without_meta_features_the_portfolio_speaks_alone(tmp_path: Path) -> None:
    blank = MetaFeatures("target", {})
    suggestions = ask(Auto(), tmp_path / "auto", blank)
    assert suggestions == ask(Portfolio(), tmp_path / "portfolio", blank)
