"""How the score went during the search."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autometa.records import TrialReport
from autometa.report._charts import Chart, Trace, axis, hover, label, numbers
from autometa.report._format import count, duration, kind_of_origin, origin_text, settings
from autometa.report._html import Html, join, markup, named, tag
from autometa.report._statistics import robust_range, running_best
from autometa.report._view import COLOURS, GROUPS, SYMBOLS, Section, View, is_finished, trial_link, value_of

_BY_TRIAL, _BY_TIME = "By trial", "By time"
_SHORTEST_MINUTES = 600.0


def history(view: View) -> Section:
    """Score by trial and by time, the best so far, and what was pruned or failed."""
    if not view.finished:
        return Section("history", "History", tag("p", "No trial has finished.", class_="quiet"))
    chart = _chart(view)
    return Section("history", "History", join([_summary(view), chart.element()]), (chart,))


def _summary(view: View) -> Html:
    best = view.finished[0]
    when = f" after {duration(best.ended)}" if best.ended is not None else ""
    return tag(
        "p",
        markup(
            "The best trial is {}: {} with {}{} ({}).",
            trial_link(best.number),
            named(best.candidate),
            view.score(best.value),
            when,
            tag("bdi", origin_text(best.origin)),
        ),
    )


def _chart(view: View) -> Chart:
    reports = view.data.reports
    scored = [report for report in reports if math.isfinite(value_of(report))]
    failed = [report for report in reports if not math.isfinite(value_of(report))]
    unit, per = ("minutes", 60.0) if max(map(_ended, reports)) > _SHORTEST_MINUTES else ("seconds", 1.0)
    traces: list[Trace] = []
    for kind in GROUPS:
        own = [report for report in scored if kind_of_origin(report.origin) == kind]
        finished = [report for report in own if is_finished(report)]
        pruned = [report for report in own if not is_finished(report)]
        if finished:
            traces.append(_points(view, finished, kind, per=per))
        if pruned:
            traces.append({**_points(view, pruned, kind, pruned=True, per=per), "showlegend": not finished})
    if failed:
        traces.append(_failures(view, failed, per))
    members = [report for report in view.finished if report.number in view.data.weights]
    if members:
        traces.append(_rings(members, per))
    traces.append(_best_so_far(view, per))
    layout, outside = _layout(view, scored)
    variants = {
        _BY_TRIAL: {"title": "trial", "traces": [trace["meta"]["trial"] for trace in traces]},
        _BY_TIME: {"title": f"{unit} since the start", "traces": [trace["meta"]["time"] for trace in traces]},
    }
    for trace in traces:
        del trace["meta"]
    return Chart(
        "chart-history",
        traces,
        _spoken(view, failed),
        {**layout, "xaxis": axis("trial")},
        _caption(outside),
        400,
        variants,
    )


def _spoken(view: View, failed: Sequence[TrialReport]) -> str:
    first, best = view.data.reports[0], view.finished[0]
    early = min(view.finished, key=lambda report: report.number)
    return (
        f"Scores of {count(len(view.data.reports), 'trial')} from number {first.number} on. The first that finished "
        f"has {view.score(early.value)}, the best {view.score(best.value)} (trial {best.number}); "
        f"{len(failed)} without a score."
    )


def _caption(outside: int) -> Html:
    hidden = (
        f" {count(outside, 'trial')} far from the others {'lies' if outside == 1 else 'lie'} outside the picture; "
        "a double click shows all."
        if outside
        else ""
    )
    return markup(
        "Hollow marks were pruned: their score is of the folds they saw. Rings are members of the model. Hover for "
        "where a configuration came from.{}",
        hidden,
    )


def _points(view: View, group: Sequence[TrialReport], kind: str, *, per: float, pruned: bool = False) -> Trace:
    name = GROUPS[kind] + (", pruned" if pruned else "")
    marker: dict[str, Any] = {"symbol": SYMBOLS[kind] + ("-open" if pruned else ""), "color": COLOURS[kind], "size": 8}
    if pruned:
        marker |= {"opacity": 0.75, "size": 7}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "marker": marker,
        "hovertext": [_hover(view, report) for report in group],
        "hoverinfo": "text",
        **_at(group, [value_of(report) for report in group], per),
    }


def _at(group: Sequence[TrialReport], values: Sequence[float], per: float) -> Trace:
    """x and y of a trace, and the same for the other axis in ``meta``."""
    by_trial = {"x": [report.number for report in group], "y": numbers(values)}
    by_time = {"x": numbers([_ended(report) / per for report in group]), "y": by_trial["y"]}
    return {**by_trial, "meta": {"trial": by_trial, "time": by_time}}


def _ended(report: TrialReport) -> float:
    return report.started if report.ended is None else report.ended


def _failures(view: View, failed: Sequence[TrialReport], per: float) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "No score",
        "yaxis": "y2",
        "marker": {"symbol": "x-thin", "size": 8, "line": {"color": "@bad", "width": 2}},
        "hovertext": [_hover(view, report) for report in failed],
        "hoverinfo": "text",
        **_at(failed, [0.02] * len(failed), per),
    }


def _rings(members: Sequence[TrialReport], per: float) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "In the model",
        "marker": {"symbol": "circle-open", "size": 16, "color": "@ink", "line": {"width": 1.5}},
        "hoverinfo": "skip",
        **_at(members, [value_of(report) for report in members], per),
    }


def _best_so_far(view: View, per: float) -> Trace:
    by_trial = sorted(view.finished, key=lambda report: report.number)
    by_time = sorted(view.finished, key=_ended)
    ways = {}
    for way, ordered in (("trial", by_trial), ("time", by_time)):
        best = running_best([value_of(report) for report in ordered], maximize=view.maximize)
        last = view.data.reports[-1].number if way == "trial" else max(map(_ended, view.data.reports)) / per
        steps = [float(r.number) if way == "trial" else _ended(r) / per for r in ordered]
        ways[way] = {"x": numbers([*steps, max(last, steps[-1])]), "y": numbers([*best, best[-1]])}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Best so far",
        "line": {"shape": "hv", "width": 2, "color": "@ink"},
        "hoverinfo": "skip",
        "meta": ways,
        **ways["trial"],
    }


def _layout(view: View, scored: Sequence[TrialReport]) -> tuple[dict[str, Any], int]:
    """Axes, and how many trials lie outside them."""
    values = np.array([value_of(report) for report in scored])
    low, high = robust_range(values, keep=value_of(view.finished[0]))
    for number in view.data.weights:
        inside = [value_of(report) for report in view.finished if report.number == number]
        low, high = min([low, *inside]), max([high, *inside])
    room = 0.06 * (high - low) or 0.05 * max(abs(high), 1e-9)
    outside = int(((values < low) | (values > high)).sum())
    yaxis = axis(label(view.data.metric.name), range=[low - 1.5 * room, high + room])
    hidden = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return {"yaxis": yaxis, "yaxis2": hidden}, outside


def _hover(view: View, report: TrialReport) -> str:
    lines = [f"trial {report.number} · {report.candidate}"]
    value = value_of(report)
    if math.isfinite(value):
        seen = "" if is_finished(report) else f", {report.status} after {count(len(report.fold_scores), 'fold')}"
        lines.append(f"{view.data.metric.name} {view.score(value)}{seen}")
    else:
        lines.append(report.status)
    lines.append(origin_text(report.origin))
    if report.origin.reason and report.origin.reason != lines[-1]:
        lines.append(report.origin.reason)
    if report.reason:
        lines.append(report.reason)
    lines += [f"{name} {text}" for name, text in settings(report.candidate, report.config).items()]
    return hover(lines)
