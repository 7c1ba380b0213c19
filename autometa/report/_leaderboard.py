"""Every trial in a table that sorts, and those of them that vote in the model."""

from autometa.records import Config, Origin, TrialReport
from autometa.report._charts import numbers
from autometa.report._format import (
    count,
    duration,
    kind_of_origin,
    memory,
    origin_place,
    origin_source,
    seconds_of,
    settings,
    spread,
)
from autometa.report._html import Child, Html, cut, join, markup, named, tag
from autometa.report._table import Cell, Head, Row, fold, table
from autometa.report._view import Section, View, is_finished, trial_link, value_of

_FIRST_SETTINGS = 2
_LONGEST = 300


def members(view: View) -> Section:
    """Who votes in the model."""
    data = view.data
    reports = {report.number: report for report in data.reports}
    heads = (
        Head("Trial"),
        Head("Weight", number=True),
        Head("Candidate"),
        Head(data.metric.name, number=True),
        Head("Where it came from"),
        Head("Settings", wide=True),
    )
    rows = []
    for number, weight in data.weights.items():
        report = reports.get(number)
        rows.append(_member(view, number, weight, report))
    said = (
        "The model's prediction is the weighted mean of its members' predictions."
        if len(data.weights) > 1
        else "The model is this one trial's, fitted on all rows."
    )
    body = join([tag("p", said), table(heads, rows, caption="Members of the model")])
    return Section("members", "The ensemble's members" if len(data.weights) > 1 else "The model", body, short="Members")


def _member(view: View, number: int, weight: float, report: TrialReport | None) -> Row:
    share = tag("span", tag("i", style=f"width:{100 * min(1.0, max(0.0, weight)):.1f}%"), class_="weight")
    shown = markup("{}{}", share, f"{weight:.3f}")
    if report is None:
        return [trial_link(number), shown, Cell("The trial's report is missing.", span=4, kind="quiet")]
    return [
        trial_link(number),
        shown,
        named(report.candidate),
        view.score(value_of(report)),
        origin(report.origin),
        settings_list(report.candidate, report.config),
    ]


def leaderboard(view: View) -> Section:
    """All trials, best first; a click on a heading sorts."""
    data = view.data
    heads = (
        Head("Rank", number=True),
        Head("Trial", number=True),
        Head("Candidate"),
        Head(data.metric.name, number=True),
        Head("±", number=True, hint="Standard deviation over the folds"),
        Head("Status"),
        Head("Weight", number=True, hint="In the model"),
        Head("Where it came from"),
        Head("Time", number=True),
        Head("Memory", number=True, hint="Largest, of the trial's process"),
        Head("Settings", wide=True),
    )
    finished = {report.number for report in view.finished}
    others = [report for report in data.reports if report.number not in finished]
    rows = [_trial(view, rank, report) for rank, report in enumerate(view.finished, start=1)]
    rows += [_trial(view, None, report) for report in others]
    caption = f"All {count(len(data.reports), 'trial')}, best first"
    search = tag("input", type="search", id="filter", placeholder="Filter", aria_label="Filter trials by any text")
    hint = "Click a heading to sort. The same table, with exact settings, is in leaderboard.csv."
    tools = tag("div", tag("p", hint, class_="note"), search, class_="tools")
    printed = tag("p", "Only the first 30 rows are printed.", class_="note printed") if len(rows) > 30 else None
    board = table(heads, rows, caption=caption, sortable=True, kind="board", name="leaderboard")
    return Section("trials", "Leaderboard", join([tools, board, printed]))


def _trial(view: View, rank: int | None, report: TrialReport) -> Row:
    deviation = spread(report.fold_scores) if report.value is not None else None
    weight = view.data.weights.get(report.number)
    seconds = seconds_of(report)
    value = report.value
    partial = "partial" if value is not None and not is_finished(report) else ""
    return [
        Cell("" if rank is None else rank, sort=rank),
        Cell(tag("span", report.number, id=f"trial-{report.number}"), sort=report.number),
        named(report.candidate),
        Cell(view.score(value), sort=_key(value), kind=partial),
        Cell(view.score(deviation), sort=_key(deviation)),
        Cell(_status(report), sort=report.status),
        Cell("" if weight is None else f"{weight:.3f}", sort=_key(weight)),
        origin(report.origin),
        Cell(duration(seconds), sort=_key(seconds)),
        Cell(memory(report.peak_memory_mb), sort=_key(report.peak_memory_mb)),
        settings_list(report.candidate, report.config),
    ]


def _key(value: float | None) -> float | int | None:
    """What a column sorts by; nothing for what is not a finite number."""
    return None if value is None else numbers([value])[0]


def _status(report: TrialReport) -> Child:
    mark = tag("span", report.status, class_=f"status {report.status}")
    return join([mark, tag("small", cut(report.reason, _LONGEST))]) if report.reason else mark


def origin(source: Origin) -> Html:
    """Where a configuration came from, and why."""
    kind = kind_of_origin(source)
    dot = tag("span", class_=f"dot {kind}")
    where = tag("bdi", origin_source(source), title=cut(source.reason, _LONGEST) or None, class_="name")
    details = (origin_place(source), "brought into today's space" if source.projected else "")
    said = ", ".join(filter(None, details))
    return tag("span", dot, tag("span", where, tag("small", said) if said else None), class_="from")


def settings_list(candidate: str, config: Config) -> Html:
    """A configuration: its first settings, and all of them after a click."""
    values = settings(candidate, config)
    if not values:
        return tag("span", "none", class_="quiet")
    pairs = [tag("div", tag("dt", tag("bdi", name)), tag("dd", tag("bdi", value))) for name, value in values.items()]
    if len(pairs) <= _FIRST_SETTINGS:
        return tag("dl", pairs, class_="settings")
    return fold(count(len(pairs), "setting"), tag("dl", pairs, class_="settings"))
