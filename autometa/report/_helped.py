"""What helped: where configurations came from, which candidates, which hyperparameters."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from autometa.records import TrialReport
from autometa.report._charts import Chart, Trace, axis, bar, label, numbers, strip
from autometa.report._format import NOTHING, count, duration, kind_of_origin, number, seconds_of, share
from autometa.report._html import Html, join, markup, named, tag
from autometa.report._hyperparameters import MIN_TRIALS, Importance, importances
from autometa.report._statistics import explained_by_groups, robust_range, running_best
from autometa.report._table import Cell, Head, Row, table
from autometa.report._view import COLOURS, GROUPS, Section, View, trial_link, value_of
from autometa.warmstart import warm_start_effect

_DATASETS = 8
_BARS = 8
_FEW = 30


def helped(view: View) -> Section:
    """Warm start against the rest, candidates, hyperparameters."""
    if not view.finished:
        return Section("helped", "What helped", tag("p", "No trial has finished.", class_="quiet"))
    chart = _race(view)
    parts = [_origins(view, chart), _datasets(view), _candidates(view), _hyperparameters(view)]
    return Section("helped", "What helped", join(parts), (chart,) if chart else ())


def _by_group(view: View) -> dict[str, list[TrialReport]]:
    """Finished trials by the kind of their origin, in order of their numbers."""
    groups: dict[str, list[TrialReport]] = {kind: [] for kind in GROUPS}
    for report in sorted(view.finished, key=lambda report: report.number):
        groups[kind_of_origin(report.origin)].append(report)
    return {kind: group for kind, group in groups.items() if group}


def _origins(view: View, chart: Chart | None) -> Html:
    heads = (
        Head("Origin"),
        Head("Trials", number=True),
        Head("Finished", number=True),
        Head("Best", number=True),
        Head("Median", number=True),
        Head("Reached by", hint="The trial with the best score"),
        Head("Time", number=True),
        Head("In the model", number=True, hint="Sum of the weights"),
    )
    rows = []
    for kind, name in GROUPS.items():
        own = [report for report in view.data.reports if kind_of_origin(report.origin) == kind]
        if own:
            dot = tag("span", class_=f"dot {kind}")
            rows.append([tag("span", dot, tag("span", name, class_="short"), class_="from"), *_summary(view, own)])
    return join(
        [
            tag("h3", "Warm start against the rest"),
            tag("p", _warm_sentence(view)),
            chart.element() if chart else None,
            table(heads, rows, caption="Trials by where their configurations came from"),
        ]
    )


def _summary(view: View, own: Sequence[TrialReport]) -> Row:
    """Trials, finished, best, median, best trial, time, weight."""
    numbers_of = {report.number for report in own}
    done = [report for report in view.finished if report.number in numbers_of]
    spent = math.fsum(seconds_of(report) or 0.0 for report in own)
    weight = math.fsum(view.data.weights.get(report.number, 0.0) for report in own)
    return [
        f"{len(own):,}",
        f"{len(done):,}",
        view.score(done[0].value) if done else NOTHING,
        view.score(float(np.median([value_of(report) for report in done]))) if done else NOTHING,
        trial_link(done[0].number) if done else NOTHING,
        duration(spent),
        share(weight) if weight else NOTHING,
    ]


def _warm_sentence(view: View) -> Html:
    groups = _by_group(view)
    warm, sampled = groups.get("warm", []), groups.get("sampler", [])
    if not warm:
        return Html("No finished trial was warm-started, so nothing was taken from other datasets.")
    effect = warm_start_effect(view.data.reports, view.data.metric).sentence(view.data.metric.name)
    if not sampled:
        return markup("{} The search ended before the sampler finished a trial of its own.", effect)
    k = min(len(warm), len(sampled))
    first, later = (view.best([value_of(report) for report in group[:k]]) for group in (warm, sampled))
    lead = view.lead(first, later)
    words = "the same" if lead == 0 else f"{view.score(abs(lead))} {'better' if lead > 0 else 'worse'}"
    return markup(
        "{} After {} finished each, the best warm start has {}, the sampler's best {}: warm start is {}. "
        "The sampler came later and had learned from the warm starts, so this comparison favours it.",
        effect,
        count(k, "trial"),
        view.score(first),
        view.score(later),
        words,
    )


def _race(view: View) -> Chart | None:
    groups = {kind: group for kind, group in _by_group(view).items() if len(group) > 1}
    if not groups or len(_by_group(view)) < 2:
        return None
    traces: list[Trace] = []
    said = []
    dashes = {"warm": "solid", "default": "dot", "sampler": "dash"}
    everything = []
    for kind, group in groups.items():
        best = running_best([value_of(report) for report in group], maximize=view.maximize)
        everything += [*best]
        said.append(f"{GROUPS[kind]} from {view.score(float(best[0]))} to {view.score(float(best[-1]))}")
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": GROUPS[kind],
                "x": list(range(1, len(best) + 1)),
                "y": numbers(best),
                "line": {"shape": "hv", "width": 2.5, "color": COLOURS[kind], "dash": dashes[kind]},
                "hovertemplate": "best of %{x}: %{y}",
            }
        )
    low, high = robust_range(np.array(everything), keep=float(view.best(everything)))
    room = 0.06 * (high - low) or 0.05 * max(abs(high), 1e-9)
    yaxis = axis(label(view.data.metric.name), range=[low - room, high + room])
    return Chart(
        "chart-race",
        traces,
        f"Best score after each finished trial of a kind: {'; '.join(said)}.",
        {"xaxis": axis("finished trials of that origin"), "yaxis": yaxis, "hovermode": "x unified"},
        Html("Best score after the first so many finished trials of each origin, whenever they ran."),
        280,
    )


def _datasets(view: View) -> Html | None:
    """The datasets whose experience was used."""
    found: dict[str, list[TrialReport]] = {}
    for report in view.finished:
        name = report.origin.dataset_name or report.origin.dataset_id
        if kind_of_origin(report.origin) == "warm" and name:
            found.setdefault(name, []).append(report)
    if not found:
        return None
    heads = (
        Head("Dataset"),
        Head("Distance", number=True),
        Head("Finished trials", number=True),
        Head("Best", number=True),
        Head("Reached by"),
        Head("In the model", number=True),
    )
    rows: list[Row] = []
    for name, own in list(found.items())[:_DATASETS]:
        near = min((r.origin.distance for r in own if r.origin.distance is not None), default=None)
        weight = math.fsum(view.data.weights.get(report.number, 0.0) for report in own)
        rows.append(
            [
                named(name),
                number(near, 3),
                len(own),
                view.score(own[0].value),
                markup("{} {}", trial_link(own[0].number), named(own[0].candidate)),
                share(weight) if weight else NOTHING,
            ]
        )
    more = f" The best {_DATASETS} of {len(found)}." if len(found) > _DATASETS else ""
    note = f"Datasets whose best configurations were tried here, in order of what they reached.{more}"
    return join([tag("h3", "Whose experience helped"), tag("p", note), table(heads, rows, caption="Datasets")])


def _candidates(view: View) -> Html:
    values = np.array([value_of(report) for report in view.finished])
    low, high = robust_range(values, keep=value_of(view.finished[0]))
    heads = (
        Head("Candidate"),
        Head("Trials", number=True),
        Head("Finished", number=True),
        Head("Best", number=True),
        Head("Median", number=True),
        Head("Reached by"),
        Head("Time", number=True),
        Head("In the model", number=True, hint="Sum of the weights"),
        Head(f"Scores, from {view.score(low)} to {view.score(high)}", wide=True),
    )
    rows = [_candidate(view, name, low, high) for name in _ordered(view)]
    outside = int(((values < low) | (values > high)).sum())
    cut = f" {count(outside, 'score')} far from the others not drawn." if outside else ""
    note = f"Each dot is a finished trial, the stroke the median; better is to the {_better(view)}.{cut}"
    return join(
        [
            tag("h3", "Candidates"),
            tag("p", _choice(view)),
            table(heads, rows, caption="Trials by candidate"),
            tag("p", note, class_="note"),
        ]
    )


def _better(view: View) -> str:
    return "right" if view.maximize else "left"


def _ordered(view: View) -> list[str]:
    """Candidates, best first; those without a finished trial last."""
    names = [report.candidate for report in view.finished]
    rest = sorted({report.candidate for report in view.data.reports} - set(names))
    return [*dict.fromkeys(names), *rest]


def _candidate(view: View, name: str, low: float, high: float) -> Row:
    own = [report for report in view.data.reports if report.candidate == name]
    scores = [value_of(report) for report in view.finished if report.candidate == name]
    if not scores:
        return [named(name), *_summary(view, own), Cell("no trial finished", kind="quiet")]
    median = float(np.median(scores))
    title = f"{count(len(scores), 'score')} from {view.score(min(scores))} to {view.score(max(scores))}"
    thinned = scores if len(scores) <= 100 else sorted(scores)[:: -(-len(scores) // 100)]
    return [
        named(name),
        *_summary(view, own),
        strip(thinned, low=low, high=high, centre=median, kind="trials", title=title),
    ]


def _choice(view: View) -> Html:
    explained = explained_by_groups(
        [value_of(report) for report in view.finished], [report.candidate for report in view.finished]
    )
    if explained is None:
        return Html("Too few candidates or finished trials to say how much the choice of candidate mattered.")
    words = "decides most" if explained >= 0.5 else "matters" if explained >= 0.15 else "matters little"
    return markup(
        "The choice of candidate {}: it accounts for {} of the variance of the finished trials' ranks "
        "(Kruskal-Wallis, adjusted for the number of candidates).",
        words,
        share(explained),
    )


def _hyperparameters(view: View) -> Html:
    found = importances(view.finished)
    cards = [_card(importance) for importance in found if importance.shares]
    left_out = [
        markup("{} ({}: {})", named(one.candidate), count(one.n_trials, "trial"), one.reason)
        for one in found
        if not one.shares
    ]
    parts: list[Html | None] = [tag("h3", "Hyperparameters")]
    if cards:
        text = (
            "How much of the variation among a candidate's own trials each hyperparameter accounts for, interactions "
            f"aside (functional ANOVA). Under {_FEW} trials, take it as a hint."
        )
        parts += [tag("p", text), tag("div", cards, class_="cards")]
    else:
        parts.append(tag("p", f"No candidate has the {MIN_TRIALS} varied, finished trials that this needs."))
    if left_out:
        parts.append(tag("p", "Not computed: ", join(left_out, ", "), ".", class_="note"))
    return join(parts)


def _card(found: Importance) -> Html:
    top = list(found.shares.items())[:_BARS]
    most = max(found.shares.values())
    rows = [
        tag(
            "tr",
            tag("th", named(name), scope="row"),
            tag("td", bar(value, low=0.0, high=most, title=share(value))),
            tag("td", share(value), class_="num"),
        )
        for name, value in top
    ]
    caption = join([named(found.candidate), tag("small", count(found.n_trials, "trial"))])
    return tag("div", tag("table", tag("caption", caption), tag("tbody", rows)), *_remarks(found), class_="card")


def _remarks(found: Importance) -> Iterator[Html]:
    rest = len(found.shares) - _BARS
    if rest > 0:
        left = math.fsum(list(found.shares.values())[_BARS:])
        yield tag("p", f"{count(rest, 'other')}: {share(left)} together", class_="note")
    if found.partly:
        yield _names("Only in some of its trials, not compared", found.partly)
    if found.fixed:
        yield _names("Never varied", found.fixed)


def _names(what: str, names: Iterable[str]) -> Html:
    return tag("p", f"{what}: ", join(map(named, names), ", "), class_="note")
