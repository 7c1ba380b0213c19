"""The page as a whole: complete, self-contained, valid, and readable without its pictures."""

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autometa.report import ReportData, render, write_report

Build = Callable[..., ReportData]
Read = Callable[[str], Any]

SECTIONS = ["result", "history", "helped", "columns", "errors", "members", "table", "notes", "trials", "use"]
TASKS = ["binary", "multiclass", "regression"]


@pytest.mark.parametrize("task", TASKS)
def test_a_page_has_every_section_a_heading_and_a_link_to_it(build: Build, read: Read, task: str) -> None:
    page = read(render(build(task)))

    assert [section["id"] for section in page.all("section")] == SECTIONS
    anchors = [f"#{name}" for name in SECTIONS]
    assert [link["href"] for link in page.all("a") if link["href"] in anchors] == ["#result", *anchors]
    assert len(page.all("h1")) == 1
    assert len(page.all("h2")) == len(SECTIONS)


@pytest.mark.parametrize("task", TASKS)
def test_every_element_is_closed_and_every_id_is_its_own(build: Build, read: Read, task: str) -> None:
    page = read(render(build(task)))

    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert page.strays == []
    assert page.open == []
    assert len(ids) == len(set(ids))


def test_every_link_leads_to_an_element_of_the_page(build: Build, read: Read) -> None:
    page = read(render(build()))

    ids = {attributes.get("id") for _, attributes in page.elements}
    links = [link["href"] for link in page.all("a")]
    assert links
    assert all(href.startswith("#") and href[1:] in ids for href in links)


def test_every_reference_between_elements_is_kept(build: Build, read: Read) -> None:
    page = read(render(build()))

    ids = {attributes.get("id") for _, attributes in page.elements}
    assert {section["aria-labelledby"] for section in page.all("section")} <= ids
    assert {button["data-chart"] for button in page.all("button") if "data-chart" in button} == {"chart-history"}


@pytest.mark.parametrize("task", TASKS)
def test_nothing_is_loaded_from_anywhere(build: Build, read: Read, task: str) -> None:
    page = read(render(build(task)))

    for _, attributes in page.elements:
        assert not {"src", "srcset", "data", "action", "formaction", "poster"} & set(attributes)
    assert not page.all("link")
    assert not page.all("base")
    styles = [text for kind, text in page.blocks if kind == "style"]
    assert len(styles) == 1
    assert not re.search(r"url\(|@import|https?:", styles[0])


def test_the_policy_allows_the_pages_own_scripts_and_no_connection(build: Build, read: Read) -> None:
    page = read(render(build()))

    policies = [meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0]["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in _digests(page)]
    assert rules["style-src"] == "'unsafe-inline'"
    assert "http" not in policies[0]["content"]
    assert "connect-src" not in rules


def _digests(page: Any) -> list[str]:
    """Of the scripts that a browser would run, as it computes them."""
    kinds = [attributes.get("type") for name, attributes in page.elements if name in ("script", "style")]
    scripts = [text for (name, text), kind in zip(page.blocks, kinds, strict=True) if name == "script" and kind is None]
    assert len(scripts) == 2
    return [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]


def test_no_script_hangs_on_an_element(build: Build, read: Read) -> None:
    page = read(render(build()))

    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]


def test_the_charts_cannot_be_sent_to_the_librarys_maker() -> None:
    script = Path(sys.modules["autometa.report"].__path__[0], "script.js").read_text(encoding="utf-8")

    assert 'modeBarButtons: [["toImage", "resetScale2d"]]' in script
    assert 'plotlyServerURL: ""' in script


@pytest.mark.parametrize("task", TASKS)
def test_every_chart_is_drawn_from_data_and_described_in_words(build: Build, read: Read, task: str) -> None:
    page = read(render(build(task)))

    plots = [div for div in page.all("div") if div.get("class") == "plot"]
    assert {plot["id"] for plot in plots} == set(page.charts())
    assert {"chart-history", "chart-race"} < set(page.charts())
    for plot in plots:
        assert plot["role"] == "img"
        assert len(plot["aria-label"] or "") > 20


@pytest.mark.parametrize("task", TASKS)
def test_every_table_has_a_caption_and_heads_and_can_be_scrolled_by_keyboard(
    build: Build, read: Read, task: str
) -> None:
    page = read(render(build(task)))

    assert len(page.all("caption")) == len(page.all("table"))
    assert all(head.get("scope") in ("row", "col", "colgroup") for head in page.all("th"))
    boxes = [div for div in page.all("div") if div.get("class") == "scroll"]
    assert boxes
    assert all(box["tabindex"] == "0" and box["role"] == "region" and box["aria-label"] for box in boxes)


def test_every_colour_of_a_chart_is_one_of_the_themes(build: Build) -> None:
    folder = Path(sys.modules["autometa.report"].__path__[0])
    known = set(re.findall(r"--([a-z-]+):", (folder / "style.css").read_text(encoding="utf-8")))
    sources = "".join(path.read_text(encoding="utf-8") for path in folder.glob("_*.py"))
    used = set(re.findall(r'"@([a-z]+)"', sources)) | set(
        re.findall(r'colour\("([a-z]+)"\)', (folder / "script.js").read_text(encoding="utf-8"))
    )

    assert {"model", "warm", "sampler", "default", "bad"} <= used
    assert used - {"name"} <= known


def test_the_same_report_gives_the_same_page(build: Build) -> None:
    few = build(n_trials=7)  # too few for the importances, which stop after a time

    assert render(few) == render(build(n_trials=7))


def test_a_page_is_written_whole_and_replaces_the_earlier_one(build: Build, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("earlier")
    data = build()

    write_report(path, data)

    assert path.read_text(encoding="utf-8") == render(data)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_written_leaves_nothing_behind(build: Build, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()

    with pytest.raises(OSError, match="report"):
        write_report(tmp_path / "report.html", build())

    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_many_rows_make_no_larger_page(build: Build, task: str) -> None:
    few, many = (len(render(build(task, n_rows=n))) for n in (2_000, 100_000))

    assert many < few + 100_000


def test_importing_the_report_loads_neither_optuna_nor_plotly() -> None:
    code = (
        "import sys, autometa.report; print([m for m in ('optuna', 'plotly', 'sklearn', 'torch') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_rendering_loads_no_more_of_plotly_than_its_script(build: Build) -> None:
    code = (
        "import sys; from autometa.report._page import _plotly; _plotly(); "
        "print([m for m in ('plotly.graph_objects', 'plotly.graph_objs') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_random_state_of_the_user_is_untouched(build: Build) -> None:
    data = build()
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)

    render(data)

    assert np.random.random() == expected


def test_a_search_without_a_finished_trial_still_has_a_page(build: Build, read: Read) -> None:
    data = build(n_trials=6)
    failed = tuple(
        replace(report, status="timeout", value=None, fold_scores=(), reason="too slow") for report in data.reports
    )

    page = read(render(replace(data, reports=failed, weights={})))

    assert page.strays == []
    assert "No trial has finished." in page.text
