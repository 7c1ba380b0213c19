"""What a person sees who opens ``autometa ui`` after a search, without setting anything up."""

import re
from typing import TYPE_CHECKING, Protocol

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

TRIAL = re.compile(r"#\d+ [\d.]+ (ridge|k_nearest_neighbors)")


class Ui(Protocol):
    """The fixture of that name."""

    page: str
    folder: "Path"
    reported_run: str


def column(page: "Page", name: str) -> list[str]:
    """The texts of a column of the runs table, from top to bottom."""
    cells = page.locator(f".ag-row [col-id='{name}']")
    placed = [(cell.locator("xpath=ancestor::*[@row-index]").get_attribute("row-index"), cell) for cell in cells.all()]
    return [cell.inner_text().split("\n")[-1] for _, cell in sorted(placed, key=lambda item: int(item[0] or 0))]


def open_table(page: "Page", address: str) -> None:
    page.goto(address)
    page.get_by_role("link", name="penguins", exact=True).wait_for()


def unfold(page: "Page") -> None:
    page.locator(".ag-row", has_text="penguins").locator("button").first.click()
    page.get_by_role("link", name=TRIAL).nth(5).wait_for()


def test_searches_are_listed_newest_first_with_their_trials_folded(ui: Ui, page: "Page") -> None:
    open_table(page, ui.page)
    assert column(page, "attributes.`Run Name`") == ["penguins", "reported"]
    assert page.get_by_role("link", name=TRIAL).count() == 0


def test_unfolded_trials_show_candidate_score_and_origin(ui: Ui, page: "Page") -> None:
    open_table(page, ui.page)
    unfold(page)
    board = pd.read_csv(ui.folder / "leaderboard.csv").sort_values("trial", ascending=False)
    names = [f"#{trial} {score:.5g} {name}" for trial, score, name in board[["trial", "score", "candidate"]].to_numpy()]
    assert column(page, "attributes.`Run Name`")[1:7] == names
    assert column(page, "tags.`candidate`")[1:7] == list(board["candidate"])
    shown = [float(text.rstrip("…")) for text in column(page, "metrics.`score`")[1:7]]
    assert [round(score, 2) for score in shown] == [round(score, 2) for score in board["score"]]
    origins = column(page, "tags.`origin`")[1:7]
    assert [origin.partition(":")[0] for origin in origins] == list(board["strategy"])
    assert any("(distance " in origin for origin in origins)


def test_run_page_tells_the_result_and_leads_to_the_trials_best_first(ui: Ui, page: "Page") -> None:
    open_table(page, ui.page)
    page.get_by_role("link", name="penguins", exact=True).click()
    page.get_by_text(f"autometa tune --resume {ui.folder}").wait_for()
    assert page.get_by_text(re.compile(r"^rmse [\d.]+$")).is_visible()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Trials, best first").click()
    opened.value.get_by_role("link", name=TRIAL).nth(5).wait_for()
    names = column(opened.value, "attributes.`Run Name`")
    scores = [float(name.split()[1]) for name in names]
    assert scores == sorted(scores)
    assert len(scores) == 6


def test_report_opens_from_its_run_and_runs_its_script(ui: Ui, page: "Page") -> None:
    page.goto(f"{ui.page.partition('/runs')[0]}/runs/{ui.reported_run}")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Report", exact=True).click()
    report = opened.value.frame_locator("iframe")
    report.get_by_text("written by its own script").wait_for()


def test_report_of_a_search_works_inside_mlflow(ui: Ui, page: "Page") -> None:
    open_table(page, ui.page)
    page.get_by_role("link", name="penguins", exact=True).click()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Report", exact=True).click()
    report = opened.value.frame_locator("iframe")
    report.get_by_role("heading", name="penguins").wait_for()
    scheme = report.locator("html").evaluate("root => root.style.colorScheme")
    report.get_by_role("button", name="Switch between light and dark").click()
    assert report.locator("html").evaluate("root => root.style.colorScheme") != scheme
