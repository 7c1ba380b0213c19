"""What a classifier gets wrong: confusion, classes, ranking, calibration. On out-of-fold predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.report._charts import Chart, Trace, axis, label, numbers
from autometa.report._format import NOTHING, count, share
from autometa.report._html import Html, join, markup, named, tag
from autometa.report._statistics import Floats, Ints, Ranking, confusion, ranking, reliability
from autometa.report._table import Cell, Head, Row, fold, table
from autometa.report._view import Section, View

_MOST_CLASSES = 20
_ROOMY_CLASSES = 10
_TOP = 10
_OPEN_CLASSES = 30
_UNEVEN, _IMBALANCED = 1.5, 3.0


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    """Predictions by class code, with the classes' names."""

    y: Ints
    probabilities: Floats
    predicted: Ints
    counts: Ints
    names: tuple[str, ...]


def classification(view: View) -> Section:
    """Errors of a classifier."""
    outcome = _outcome(view)
    if outcome is None:
        return Section("errors", "Errors", tag("p", "No out-of-fold predictions are kept.", class_="quiet"))
    charts = _charts(view, outcome)
    parts = [
        tag("p", _accuracy(outcome)),
        tag("h3", "Confusion matrix"),
        *_matrix(outcome),
        _top_confusions(outcome),
        tag("h3", "Classes"),
        tag("p", _balance(outcome)),
        _classes(outcome),
        tag("h3", "Probabilities"),
        tag("div", [chart.element() for chart in charts], class_=f"plots n{len(charts)}"),
    ]
    return Section("errors", "Errors", join(parts), charts)


def _outcome(view: View) -> _Outcome | None:
    probabilities = np.asarray(view.data.predictions, dtype=np.float64)
    if probabilities.ndim != 2 or not len(probabilities):
        return None
    kept = np.isfinite(probabilities).all(axis=1)
    if not kept.any():
        return None
    y: npt.NDArray[Any] = np.asarray(view.data.y)[kept]
    probabilities = np.clip(probabilities[kept], 0.0, 1.0)
    predicted = probabilities.argmax(axis=1)
    n_classes = probabilities.shape[1]
    known = [str(name) for name in view.data.schema.classes]
    names = tuple(known[k] if k < len(known) else f"class {k}" for k in range(n_classes))
    codes = y.astype(np.int64)
    return _Outcome(codes, probabilities, predicted, confusion(codes, predicted, n_classes), names)


def _accuracy(outcome: _Outcome) -> Html:
    n, right = int(outcome.counts.sum()), int(np.trace(outcome.counts))
    most = int(outcome.counts.sum(axis=1).max())
    return markup(
        "Of {} predicted out of fold, the most probable class is right for {} ({}). Always answering the most frequent "
        "class would be right for {}.",
        count(n, "row"),
        f"{right:,}",
        share(right / n, 1),
        share(most / n, 1),
    )


def _shown(outcome: _Outcome) -> list[int]:
    """The classes in the matrix: all, or those that are confused most."""
    if len(outcome.names) <= _MOST_CLASSES:
        return list(range(len(outcome.names)))
    wrong = outcome.counts - np.diag(np.diag(outcome.counts))
    errors = wrong.sum(axis=0) + wrong.sum(axis=1)
    return sorted(np.argsort(-errors, kind="stable")[:_MOST_CLASSES].tolist())


def _matrix(outcome: _Outcome) -> list[Html]:
    shown = _shown(outcome)
    capped = len(shown) < len(outcome.names)
    counts = outcome.counts[shown]
    totals = counts.sum(axis=1)
    columns = counts[:, shown]
    names = [named(outcome.names[k]) for k in shown]
    if capped:
        columns = np.column_stack([columns, totals - columns.sum(axis=1)])
    roomy = len(shown) <= _ROOMY_CLASSES
    heading = tag("tr", tag("td"), tag("th", "predicted", colspan=columns.shape[1], scope="colgroup"), tag("td"))
    tops = [*names, *([Html("others")] if capped else []), Html("rows")]
    head = tag("tr", tag("th", "actual", scope="col"), [tag("th", name, scope="col") for name in tops])
    rows = [
        tag(
            "tr",
            tag("th", names[i], scope="row"),
            [_count(int(n), int(totals[i]), right=i == j, roomy=roomy) for j, n in enumerate(columns[i])],
            tag("td", f"{int(totals[i]):,}", class_="total"),
        )
        for i in range(len(shown))
    ]
    caption = "Rows by actual and predicted class; the shade is the share of the actual class"
    matrix = tag(
        "table",
        tag("caption", caption),
        tag("thead", heading, head),
        tag("tbody", rows),
        class_="matrix" + ("" if roomy else " dense"),
    )
    note = f"{caption}."
    if capped:
        note += f" The {_MOST_CLASSES} of {len(outcome.names)} classes with most errors; “others” are the rest."
    box = tag("div", matrix, class_="scroll", tabindex="0", role="region", aria_label="Confusion matrix")
    return [box, tag("p", note, class_="note")]


def _count(n: int, total: int, *, right: bool, roomy: bool) -> Html:
    part = n / total if total else 0.0
    kind = " ".join(filter(None, ("right" if right else "wrong", "" if n else "zero")))
    small = tag("small", share(part)) if roomy and n else None
    title = None if roomy else f"{n:,} of {total:,}: {share(part)}"
    return tag("td", f"{n:,}", small, class_=kind, style=f"--s:{part:.3f}", title=title)


def _top_confusions(outcome: _Outcome) -> Html | None:
    if len(outcome.names) < 4:
        return None
    wrong = outcome.counts - np.diag(np.diag(outcome.counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_TOP]
    pairs = [(int(k) // len(wrong), int(k) % len(wrong)) for k in order if wrong.flat[int(k)]]
    if not pairs:
        return None
    totals = outcome.counts.sum(axis=1)
    heads = (Head("Actual"), Head("Taken for"), Head("Rows", number=True), Head("Of the actual class", number=True))
    rows = [
        [named(outcome.names[i]), named(outcome.names[j]), f"{int(wrong[i, j]):,}", share(wrong[i, j] / totals[i], 1)]
        for i, j in pairs
    ]
    return join(
        [tag("h4", "Most frequent confusions"), table(heads, rows, caption="Most frequent confusions", kind="narrow")]
    )


def _balance(outcome: _Outcome) -> Html:
    support = outcome.counts.sum(axis=1)
    present = support[support > 0]
    rare, frequent = int(np.argmin(np.where(support > 0, support, support.max()))), int(np.argmax(support))
    ratio = float(present.max() / present.min())
    if ratio < _UNEVEN:
        return Html("The classes are about equally frequent.")
    advice = "" if ratio < _IMBALANCED else " Accuracy hides errors on the rare ones; look at their recall."
    return markup(
        "The rarest class, {}, has {}; the most frequent, {}, has {}, {} times as many.{}",
        named(outcome.names[rare]),
        count(int(support[rare]), "row"),
        named(outcome.names[frequent]),
        count(int(support[frequent]), "row"),
        f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.1f}",
        advice,
    )


def _classes(outcome: _Outcome) -> Html:
    support, answered = outcome.counts.sum(axis=1), outcome.counts.sum(axis=0)
    heads = (
        Head("Class"),
        Head("Rows", number=True),
        Head("Share", number=True),
        Head("Precision", number=True, hint="Of the rows predicted as this class, how many are of it"),
        Head("Recall", number=True, hint="Of the rows of this class, how many are found"),
        Head("F1", number=True, hint="Harmonic mean of precision and recall"),
    )
    rows = [
        _class_row(name, int(outcome.counts[k, k]), int(support[k]), int(answered[k]), len(outcome.y))
        for k, name in enumerate(outcome.names)
    ]
    whole = table(heads, rows, caption="Precision and recall by class", sortable=True, kind="narrow")
    return whole if len(rows) <= _OPEN_CLASSES else fold(f"All {len(rows)} classes", whole)


def _class_row(name: str, right: int, support: int, answered: int, n: int) -> Row:
    def part(of: int) -> Cell:
        return Cell(f"{right / of:.3f}", sort=right / of) if of else Cell(NOTHING)

    both = support + answered
    f1 = Cell(f"{2 * right / both:.3f}", sort=2 * right / both) if both else Cell(NOTHING)
    return [
        named(name),
        Cell(f"{support:,}", sort=support),
        Cell(share(support / n, 1), sort=support / n),
        part(answered),
        part(support),
        f1,
    ]


def _charts(view: View, outcome: _Outcome) -> tuple[Chart, ...]:
    if len(outcome.names) != 2:
        top = outcome.probabilities.max(axis=1)
        right = outcome.predicted == outcome.y
        return (_calibration(top, right, "confidence of the most probable class", "share that is right"),)
    positive = outcome.y == 1
    probability = outcome.probabilities[:, 1]
    name = label(outcome.names[1], 30)
    charts = [_calibration(probability, positive, f"predicted probability of {name}", f"share that is {name}")]
    curves = ranking(probability, positive)
    if curves is not None:
        charts += [_roc(curves), _precision_recall(curves, float(positive.mean()))]
    return tuple(charts)


def _line(x: Sequence[float] | Floats, y: Sequence[float] | Floats, template: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(x),
        "y": numbers(y),
        "line": {"color": "@model", "width": 2.5},
        "hovertemplate": template + "<extra></extra>",
        "showlegend": False,
    }


def _reference(x: Sequence[float], y: Sequence[float]) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "line": {"color": "@muted", "width": 1, "dash": "dot"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _unit_axes(x: str, y: str) -> dict[str, Any]:
    return {"xaxis": axis(x, range=[-0.02, 1.02]), "yaxis": axis(y, range=[-0.02, 1.02])}


def _calibration(probability: Floats, happened: npt.NDArray[np.bool_], x: str, y: str) -> Chart:
    curve = reliability(probability, happened)
    dots = _line(curve.predicted, curve.observed, "predicted %{x:.3f}, observed %{y:.3f}<br>%{customdata:,} rows")
    dots |= {
        "mode": "lines+markers",
        "marker": {"color": "@model", "size": 7},
        "customdata": curve.counts.tolist(),
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": numbers(curve.high - curve.observed),
            "arrayminus": numbers(curve.observed - curve.low),
            "color": "@model",
            "thickness": 1,
            "width": 3,
        },
    }
    bars = {
        "type": "bar",
        "x": numbers(curve.predicted),
        "y": curve.counts.tolist(),
        "yaxis": "y2",
        "width": 0.06,
        "marker": {"color": "@soft"},
        "hovertemplate": "%{y:,} rows<extra></extra>",
        "showlegend": False,
    }
    layout = _unit_axes(x, y)
    layout["yaxis"]["domain"] = [0.3, 1.0]
    layout["yaxis2"] = axis("rows", domain=[0.0, 0.2], nticks=3, rangemode="tozero")
    layout["xaxis"]["anchor"] = "y2"
    said = f"Expected calibration error {curve.error:.3f}"
    pairs = zip(curve.predicted, curve.observed, strict=True)
    listed = "; ".join(f"{p:.2f} predicted, {o:.2f} observed" for p, o in pairs)
    caption = Html(f"<b>Calibration.</b> {said}: the mean gap to the diagonal. Bars are 95 % intervals; below, rows.")
    return Chart(
        "chart-calibration", [_reference([0, 1], [0, 1]), dots, bars], f"{said}. {listed}.", layout, caption, 400
    )


def _roc(curves: Ranking) -> Chart:
    line = _line(curves.false_positive, curves.true_positive, "false positives %{x:.3f}<br>true positives %{y:.3f}")
    said = f"Area under the ROC curve {curves.area:.4f}"
    return Chart(
        "chart-roc",
        [_reference([0, 1], [0, 1]), line],
        f"{said}.",
        _unit_axes("false positive rate", "true positive rate (recall)"),
        Html(f"<b>ROC.</b> {said}, over all rows at once."),
        400,
    )


def _precision_recall(curves: Ranking, base: float) -> Chart:
    line = _line(curves.recall, curves.precision, "recall %{x:.3f}<br>precision %{y:.3f}")
    said = f"Average precision {curves.average_precision:.4f}"
    return Chart(
        "chart-precision",
        [_reference([0, 1], [base, base]), line],
        f"{said}; guessing gives {base:.4f}.",
        _unit_axes("recall", "precision"),
        Html(f"<b>Precision and recall.</b> {said}; guessing gives {base:.4f} (dotted)."),
        400,
    )
