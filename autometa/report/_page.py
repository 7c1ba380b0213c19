"""The page itself: one file, no network, and no script but its own two."""

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from autometa.records import TaskType
from autometa.report._classification import classification
from autometa.report._columns import columns, understood
from autometa.report._data import ReportData
from autometa.report._format import count, duration, moment
from autometa.report._helped import helped
from autometa.report._history import history
from autometa.report._html import Html, clean, cut, data_block, join, markup, named, tag
from autometa.report._leaderboard import leaderboard, members
from autometa.report._regression import regression
from autometa.report._remarks import remarks, usage
from autometa.report._result import result
from autometa.report._view import Section, View

_TASKS: dict[TaskType, str] = {
    "binary": "Binary classification",
    "multiclass": "Multiclass classification",
    "regression": "Regression",
}


def write_report(path: Path, data: ReportData) -> None:
    """Write the page of a search; a file of that name is replaced, whole or not at all.

    Args:
        path: The HTML file; its folder must exist. The page weighs 5 MB, most of it the charts' library.
        data: What the search found.

    Raises:
        OSError: The file cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(render(data), encoding="utf-8", newline="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def render(data: ReportData) -> str:
    """The page of a search: HTML that needs no other file and no network.

    All text of the table, the configurations and plug-ins is escaped; a Content-Security-Policy allows no script but
    the page's own, by their hashes, and no connection.
    """
    view = View(data)
    errors = regression(view) if data.info.task == "regression" else classification(view)
    sections = [
        *(result(view), history(view), helped(view), columns(view), errors, members(view), understood(view)),
        *(remarks(view), leaderboard(view), usage(view)),
    ]
    charts = {chart.name: chart.figure() for section in sections for chart in section.charts}
    scripts = [_plotly(), _own("script.js")] if charts else [_own("script.js")]
    no_script = tag("noscript", tag("p", "The charts need JavaScript. All else can be read without.", class_="quiet"))
    body = tag(
        "body",
        tag("a", "Skip to the result", href="#result", class_="skip"),
        _header(view),
        tag(
            "div",
            _contents(sections),
            tag("main", no_script, [_section(section) for section in sections]),
            class_="page",
        ),
        tag("footer", f"Written by {_program(data)}. This page loads nothing from anywhere."),
        data_block("charts", charts),
        [_script(script) for script in scripts],
    )
    return f"<!doctype html>\n{tag('html', _head(view, scripts), body, lang='en')}\n"


def _program(data: ReportData) -> str:
    return f"autometa {data.versions.get('autometa', '')}".strip()


def _head(view: View, scripts: Sequence[str]) -> Html:
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    title = f"{cut(clean(view.data.info.dataset_name), 80)} – autometa"
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("title", title),
        Html(f"<style>{_own('style.css')}</style>"),
    )


def _header(view: View) -> Html:
    data = view.data
    facts = [
        count(len(data.y), "row"),
        count(len(data.schema.columns), "column"),
        count(len(data.reports), "trial"),
        duration(data.seconds),
        moment(data.created),
    ]
    toggle = tag("button", "Dark", type="button", id="theme", aria_label="Switch between light and dark")
    return tag(
        "header",
        tag("div", tag("p", "autometa · search report", class_="eyebrow"), toggle, class_="bar-top"),
        tag("h1", named(data.info.dataset_name)),
        tag("p", markup("{} of {}", _TASKS[data.info.task], tag("b", named(data.schema.target))), class_="task"),
        tag("p", " · ".join(facts), class_="facts-line"),
    )


def _contents(sections: Sequence[Section]) -> Html:
    links = [tag("li", tag("a", section.short or section.title, href=f"#{section.name}")) for section in sections]
    return tag("nav", tag("ol", links), aria_label="Contents")


def _section(section: Section) -> Html:
    heading = f"{section.name}-title"
    return tag("section", tag("h2", section.title, id=heading), section.body, id=section.name, aria_labelledby=heading)


@cache
def _own(name: str) -> str:
    return files("autometa.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    """The charts' library, as plotly ships it; its Python side is not loaded."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


@cache
def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _script(text: str) -> Html:
    return join([Html("<script>"), Html(text), Html("</script>")])
