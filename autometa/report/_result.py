"""How good the model is, against what simple models reach on the same rows."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from autometa.report._charts import strip
from autometa.report._data import Baseline
from autometa.report._format import NOTHING, count, duration, kind_of_origin, spread
from autometa.report._html import Child, Html, join, markup, named, tag
from autometa.report._table import Cell, Head, Row, table
from autometa.report._view import Section, View, trial_link

_LEAD = "By how much the model's score, the honest one where there is one, is better; negative: worse"


@dataclass(frozen=True, slots=True)
class _Rival:
    """One row of the comparison; ``score`` is None where it was not evaluated."""

    name: Html
    score: float | None
    fold_scores: tuple[float, ...]
    kind: str = "other"
    reason: str = ""


def result(view: View) -> Section:
    """The headline: score, what it means, and the comparison."""
    body = join([_hero(view), _verdicts(view), _comparison(view)])
    return Section("result", "Result", body)


def _hero(view: View) -> Html:
    data = view.data
    deviation = spread(data.fold_scores)
    better = "higher is better" if view.maximize else "lower is better"
    number = tag("p", tag("span", view.score(data.score), class_="big"), _plus_minus(view, deviation), class_="figure")
    what = markup("{} ({}), {}", named(data.metric.name), better, _over(view))
    return tag(
        "div",
        tag("div", number, tag("p", what, class_="unit"), class_="score"),
        tag("dl", list(_tiles(view)), class_="tiles"),
        class_="hero",
    )


def _over(view: View) -> str:
    n_folds = len(view.data.fold_scores)
    return f"mean ± standard deviation over {n_folds} folds" if n_folds > 1 else "on one split"


def _plus_minus(view: View, deviation: float | None) -> Html | None:
    return None if deviation is None else tag("span", f"± {view.score(deviation)}", class_="spread")


def _tiles(view: View) -> Iterator[Html]:
    data = view.data
    if data.honest_score is not None:
        yield _tile("Honest score", view.score(data.honest_score), "members chosen anew for each fold, without it")
    if data.test_score is not None:
        yield _tile("Test score", view.score(data.test_score), "the saved model on the table you held out")
    share = f"of {len(data.reports):,} started"
    yield _tile("Trials", f"{len(view.finished):,}", f"finished, {share}")
    n_warm = sum(kind_of_origin(report.origin) == "warm" for report in data.reports)
    yield _tile("Warm starts", f"{n_warm:,}", "trials taken from what worked elsewhere")
    yield _tile(
        "Members", f"{len(data.weights)}", "models in the ensemble" if len(data.weights) > 1 else "single model"
    )
    yield _tile("Time", duration(data.seconds), "for the whole search")


def _tile(name: str, value: str, meaning: str) -> Html:
    return tag("div", tag("dt", name), tag("dd", tag("b", value), tag("small", meaning)))


def _verdicts(view: View) -> Html:
    return tag("div", _verdict(view), _meaning(view), _on_test(view), class_="verdicts")


def _verdict(view: View) -> Html:
    """Whether the model is worth having, in one sentence."""
    evaluated = [baseline for baseline in view.data.baselines if _is_number(baseline.score)]
    if not evaluated:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in view.data.baselines if one.reason)
        text = markup("{}, so nothing says what this score is worth.", f" ({reasons})" if reasons else "")
        return _callout("warn", "No baseline was evaluated", text)
    nearest = max(evaluated, key=lambda baseline: view.lead(_score(baseline), view.expected))
    lead = view.lead(view.expected, _score(nearest))
    which = markup("{} ({})", named(nearest.name), view.score(nearest.score))
    value = view.score(view.expected)
    if lead <= 0:
        beaten = [baseline for baseline in evaluated if view.lead(view.expected, _score(baseline)) <= 0]
        title = f"Not better than {count(len(beaten), 'baseline')}"
        text = markup(
            ": {} reaches at least what the model does ({}). Prefer the simpler model, or search longer.", which, value
        )
        return _callout("bad", title, text)
    doubt = _doubt(view, nearest)
    if doubt:
        return _callout("warn", "Only just better than a baseline", markup(": {} against {}. {}", value, which, doubt))
    return _callout("good", "Better than every baseline", markup(": {} against {}, the nearest.", value, which))


def _doubt(view: View, baseline: Baseline) -> str:
    """Why a lead may be chance, judged by the folds; empty where they agree."""
    ours, theirs = view.data.fold_scores, baseline.fold_scores
    if len(ours) != len(theirs) or len(ours) < 2:
        return ""
    leads = np.array([view.lead(a, b) for a, b in zip(ours, theirs, strict=True)])
    mean = view.lead(view.expected, _score(baseline))
    error = float(leads.std(ddof=1) / math.sqrt(len(leads)))
    if not mean < 2 * error:
        return ""
    wins = int((leads > 0).sum())
    return (
        f"The lead is {view.score(mean)} with a standard error of {view.score(error)} over the folds, and the model "
        f"wins {wins} of {len(leads)}: it may be chance."
    )


def _meaning(view: View) -> Html:
    data = view.data
    if data.honest_score is not None:
        gap = view.lead(data.score, data.honest_score)
        text = (
            f"The score of {view.score(data.score)} is of the rows that also chose the ensemble's members, so it "
            f"flatters. Choosing them anew for each fold gives {view.score(data.honest_score)}"
        )
        text += f", {view.score(gap)} worse. " if gap > 0 else ". "
        text += "Expect that on new rows like these."
    elif len(data.weights) > 1:
        text = (
            "The rows that give this score also chose the ensemble's members, so it flatters a little. There was no "
            "time to choose them anew for each fold."
        )
    else:
        text = (
            f"Out-of-fold score of one model, the best of {count(len(view.finished), 'finished trial')}. "
            "Being the best of many flatters a little."
        )
    return tag("p", text)


def _on_test(view: View) -> Html | None:
    data = view.data
    if data.test_score is None:
        return None
    gap, deviation = view.lead(view.expected, data.test_score), spread(data.fold_scores) or 0.0
    value = view.score(data.test_score)
    if gap > 2 * deviation and gap > 0:
        text = (
            f"On the test table the model reaches only {value}, further below cross-validation than its folds differ. "
            "The test rows may be of another kind, or the score was luck."
        )
        return tag("p", text, class_="alert")
    return tag("p", f"On the test table, which no trial saw, the model reaches {value}.")


def _comparison(view: View) -> Html:
    rivals = [*_baselines(view), *_own(view)]
    known = [v for rival in rivals for v in (*rival.fold_scores, rival.score) if v is not None and math.isfinite(v)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    heads = (
        Head("Model"),
        Head(view.data.metric.name, number=True, hint="Mean over the folds"),
        Head("±", number=True, hint="Standard deviation over the folds"),
        Head("Model's lead", number=True, hint=_LEAD),
        Head(f"Folds, from {view.score(low)} to {view.score(high)}", wide=True),
    )
    rows = [_row(view, rival, low, high) for rival in rivals]
    ours = [i for i, rival in enumerate(rivals) if rival.kind == "model"]
    better = "right" if view.maximize else "left"
    note = f"Each dot is one fold, the stroke their mean; all on the same splits. Better is to the {better}."
    return join(
        [
            tag("h3", "Against simple models"),
            table(heads, rows, caption="Scores of the model and of simple models", kind="rivals", marked=ours),
            tag("p", note, class_="note"),
        ]
    )


def _baselines(view: View) -> Iterator[_Rival]:
    for baseline in view.data.baselines:
        yield _Rival(named(baseline.name), baseline.score, baseline.fold_scores, "other", baseline.reason)


def _own(view: View) -> Iterator[_Rival]:
    data = view.data
    if view.finished:
        best = view.finished[0]
        name = markup("Best single model: {} {}", named(best.candidate), trial_link(best.number))
        yield _Rival(name, best.value, best.fold_scores, "single")
    what = f"This ensemble of {len(data.weights)}" if len(data.weights) > 1 else "This model"
    yield _Rival(tag("b", what), data.score, data.fold_scores, "model")
    if data.honest_score is not None:
        yield _Rival(Html("The same, honest score"), data.honest_score, (), "honest")


def _row(view: View, rival: _Rival, low: float, high: float) -> Row:
    if rival.score is None or not _is_number(rival.score):
        reason = rival.reason or "no score"
        return [rival.name, Cell(markup("not evaluated: {}", reason), span=4, kind="quiet")]
    deviation = spread(rival.fold_scores)
    lead = "" if rival.kind in ("model", "honest") else view.score.signed(view.lead(view.expected, rival.score))
    return [
        rival.name,
        view.score(rival.score),
        NOTHING if deviation is None else view.score(deviation),
        Cell(lead, kind="worse" if lead.startswith("−") else ""),
        _dots(view, rival, low, high),
    ]


def _dots(view: View, rival: _Rival, low: float, high: float) -> Child:
    listed = ", ".join(view.score(value) for value in rival.fold_scores)
    title = f"Folds: {listed}" if listed else f"Score: {view.score(rival.score)}"
    return strip(rival.fold_scores, low=low, high=high, centre=rival.score, kind=rival.kind, title=title)


def _callout(kind: str, title: str, text: Html) -> Html:
    return tag("p", tag("strong", title), text, class_=f"callout {kind}")


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _score(baseline: Baseline) -> float:
    return math.nan if baseline.score is None else baseline.score
