"""Names and values of tables, configurations and plug-ins are hostile; on the page they are text."""

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from autometa.records import Note, Origin, TrialReport
from autometa.report import Baseline, ColumnImportance, ReportData, render

Build = Callable[..., ReportData]
Read = Callable[[str], Any]

NAMES = {
    "script": "<script>alert(1)</script>",
    "breakout": "</script><img src=x onerror=alert(1)>",
    "comment": "<!-- <script> -->",
    "attribute": '" onmouseover="alert(1)" x=\'',
    "link": '<a href="javascript:alert(1)">x</a><b>bold</b>',
    "entity": "&lt;b&gt; &amp; &#60;script&#62;",
    "formula": "=cmd|' /C calc'!A0",
    "template": "{} {0} %{x} ${y} {{z}} $x$",
    "emoji": "🦜 naïve 数据",
    "long": "A" * 5000,
    "rtl": "\u202eevil\u202c שלום",
    "lines": "one\u2028two\u2029three\x00four\x1b[31m",
    "surrogate": "broken \ud800 half",
    "blank": "   ",
    "colour": "@ink",
}


def poisoned(data: ReportData, name: str) -> ReportData:
    """The report with this name wherever text comes from outside."""
    columns = tuple(replace(column, name=f"{name}{i}", reason=name) for i, column in enumerate(data.schema.columns))
    classes = tuple(f"{name}{label}" for label in data.schema.classes)
    return replace(
        data,
        info=replace(data.info, name=name, dataset_name=name, dataset_id=name, folder=name, settings={name: name}),
        schema=replace(
            data.schema, columns=columns, target=name, target_reason=name, task_reason=name, classes=classes
        ),
        reports=tuple(_poisoned(report, name) for report in data.reports),
        baselines=(*data.baselines, Baseline(name, None, reason=name)),
        importances=tuple(ColumnImportance(name, 0.1, 0.01) for _ in range(3)),
        importances_reason=name,
        notes=tuple(Note(name, kind) for kind in ("inferred", "warning", "limited", "skipped", "failed", "info")),
        versions={name: name},
        machine={name: name},
        created=name,
        command=name,
    )


def _poisoned(report: TrialReport, name: str) -> TrialReport:
    origin = Origin(name, rank=1, dataset_id=name, dataset_name=name, distance=0.5, reason=name)
    return replace(
        report,
        candidate=name,
        config={"candidate": name, f"{name}.{name}": name, "depth": report.number},
        origin=origin if report.number % 2 else report.origin,
        reason=name,
    )


@pytest.mark.parametrize("task", ["multiclass", "regression"])
@pytest.mark.parametrize("kind", NAMES)
def test_a_hostile_name_adds_no_element_and_no_attribute(build: Build, read: Read, task: str, kind: str) -> None:
    data = build(task, n_trials=14, n_rows=200, n_columns=4)
    plain, hostile = (read(render(poisoned(data, name))) for name in ("plain", NAMES[kind]))

    assert _shape(hostile) == _shape(plain)
    assert hostile.strays == []
    assert hostile.open == []


def _shape(page: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Elements with their attributes' names; titles aside, which only long names have."""
    return [(tag, tuple(key for key in attributes if key != "title")) for tag, attributes in page.elements]


@pytest.mark.parametrize("kind", ["script", "breakout", "comment", "attribute", "link", "entity", "formula", "emoji"])
def test_a_hostile_name_is_shown_as_it_is(build: Build, read: Read, kind: str) -> None:
    page = read(render(poisoned(build(n_trials=14, n_rows=200), NAMES[kind])))

    assert NAMES[kind] in page.text
    assert page.text.count(NAMES[kind]) > 20


@pytest.mark.parametrize("kind", NAMES)
def test_no_name_ends_the_data_of_the_charts(build: Build, kind: str) -> None:
    page = render(poisoned(build(n_trials=14, n_rows=200), NAMES[kind]))

    block = page[page.index('<script type="application/json"') :]
    text = block[block.index(">") + 1 : block.index("</script>")]
    assert "chart-history" in json.loads(text)
    assert not re.search(r"[<>&\u2028\u2029]", text)
    assert text.isascii()


@pytest.mark.parametrize("kind", ["script", "link", "entity", "breakout"])
def test_names_are_no_markup_in_the_labels_of_the_charts(build: Build, read: Read, kind: str) -> None:
    name = NAMES[kind]
    charts = read(render(poisoned(build(n_trials=14, n_rows=200), name))).charts()

    texts = [text for trace in charts["chart-history"]["data"] for text in trace.get("hovertext", [])]
    assert texts
    for text in texts:
        assert set(re.findall(r"<[^>]*>", text)) <= {"<br>"}
    whole = html.unescape("".join(texts).replace("<br>", ""))
    assert name in whole
    axis = charts["chart-calibration"]["layout"]["xaxis"]["title"]["text"]
    assert not re.search(r"<", axis)


def test_marks_that_turn_the_text_around_are_shown_as_unknown(build: Build, read: Read) -> None:
    page = read(render(poisoned(build(n_trials=14, n_rows=200), NAMES["rtl"])))

    assert "\u202e" not in page.text
    assert "\ufffdevil\ufffd שלום" in page.text


def test_names_keep_their_own_direction(build: Build, read: Read) -> None:
    data = build(n_trials=14, n_rows=200)
    page = read(render(replace(data, notes=(Note("שלום"),))))

    assert {"dir": "auto"} in page.all("li")
    assert len(page.all("bdi")) > 50


def test_a_very_long_name_is_cut(build: Build, read: Read) -> None:
    page = read(render(poisoned(build(n_trials=14, n_rows=200, n_columns=4), NAMES["long"])))

    titles = {bdi["title"] for bdi in page.all("bdi") if "title" in bdi}
    assert titles
    assert max(map(len, titles)) <= 600
    assert max(map(len, page.charts()["chart-history"]["data"][0]["hovertext"])) < 2000


def test_the_folder_is_quoted_for_the_shell_and_for_python(build: Build, read: Read) -> None:
    data = build(n_trials=14, n_rows=200)
    page = read(render(replace(data, info=replace(data.info, folder="it's; rm -rf $HOME"))))

    assert """autometa predict 'it'"'"'s; rm -rf $HOME' new.csv""" in page.text
    assert 'autometa.load_model("it\'s; rm -rf $HOME")' in page.text
