"""What a regressor gets wrong: predicted against actual, residuals, the largest errors. On out-of-fold predictions."""

from typing import Any

import numpy as np

from autometa.report._charts import Chart, Trace, axis, label, numbers
from autometa.report._format import aligned, count, number, share
from autometa.report._html import Html, join, markup, tag
from autometa.report._statistics import Floats, grid
from autometa.report._table import Head, Row, table
from autometa.report._view import Section, View

_MOST_POINTS = 2000
_MOST_BINS = 60
_LARGEST = 10
_QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)


def regression(view: View) -> Section:
    """Errors of a regressor."""
    predicted = np.asarray(view.data.predictions, dtype=np.float64).ravel()
    actual = np.asarray(view.data.y, dtype=np.float64)
    kept = np.isfinite(predicted) & np.isfinite(actual) if len(predicted) == len(actual) else np.zeros(0, dtype=bool)
    if not kept.any():
        return Section("errors", "Errors", tag("p", "No out-of-fold predictions are kept.", class_="quiet"))
    actual, predicted = actual[kept], predicted[kept]
    residual = actual - predicted
    target = label(view.data.schema.target, 30)
    charts = (_against(actual, predicted, target), _residuals(predicted, residual, target), _distribution(residual))
    parts = [
        tag("p", _fit(actual, residual)),
        tag("div", [chart.element() for chart in charts], class_="plots n3"),
        tag("div", _sizes(residual), _largest(actual, predicted, residual), class_="columns"),
    ]
    return Section("errors", "Errors", join(parts), charts)


def _fit(actual: Floats, residual: Floats) -> Html:
    rmse, mae = float(np.sqrt(np.mean(residual**2))), float(np.mean(np.abs(residual)))
    bias, spread = float(residual.mean()), float(actual.std())
    said = "no more than chance" if abs(bias) <= 2 * residual.std() / np.sqrt(len(residual)) else "a systematic error"
    explained = (
        f" It explains {share(1 - rmse**2 / spread**2, 1)} of the target's variance." if 0 < rmse < spread else ""
    )
    return markup(
        "Of {} predicted out of fold: root mean squared error {}, mean absolute error {}, against a standard deviation "
        "of the target of {}.{} The mean residual (actual − predicted) is {}: {}.",
        count(len(actual), "row"),
        number(rmse),
        number(mae),
        number(spread),
        explained,
        number(bias, 3),
        said,
    )


def _cloud(x: Floats, y: Floats, names: tuple[str, str]) -> Trace:
    """Points, or counts on a grid where there are too many of them."""
    if len(x) <= _MOST_POINTS:
        return {
            "type": "scatter",
            "mode": "markers",
            "x": numbers(x),
            "y": numbers(y),
            "marker": {"color": "@model", "size": 6, "opacity": 0.5},
            "hovertemplate": f"{names[0]} %{{x}}<br>{names[1]} %{{y}}<extra></extra>",
            "showlegend": False,
        }
    columns, rows, counts = grid(x, y)
    return {
        "type": "heatmap",
        "x": numbers(columns),
        "y": numbers(rows),
        "z": [numbers(np.log10(line, out=np.full(len(line), np.nan), where=line > 0)) for line in counts],
        "customdata": counts.tolist(),
        "colorscale": [[0, "@pale"], [1, "@model"]],
        "showscale": False,
        "hoverongaps": False,
        "hovertemplate": f"{names[0]} about %{{x}}<br>{names[1]} about %{{y}}<br>%{{customdata:,}} rows<extra></extra>",
    }


def _how(n: int) -> str:
    return "" if n <= _MOST_POINTS else " Darker: more rows, on a logarithmic scale."


def _against(actual: Floats, predicted: Floats, target: str) -> Chart:
    low, high = float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))
    traces = [_cloud(actual, predicted, ("actual", "predicted")), _diagonal([low, high], [low, high])]
    return Chart(
        "chart-actual",
        traces,
        f"Predicted against actual values, both from {number(low)} to {number(high)}.",
        {"xaxis": axis(f"actual {target}"), "yaxis": axis("predicted")},
        Html(f"<b>Predicted against actual.</b> The dotted line is a perfect prediction.{_how(len(actual))}"),
        380,
    )


def _residuals(predicted: Floats, residual: Floats, target: str) -> Chart:
    low, high = float(predicted.min()), float(predicted.max())
    traces = [_cloud(predicted, residual, ("predicted", "residual")), _diagonal([low, high], [0.0, 0.0])]
    return Chart(
        "chart-residuals",
        traces,
        f"Residuals from {number(float(residual.min()))} to {number(float(residual.max()))} against predicted values.",
        {"xaxis": axis(f"predicted {target}"), "yaxis": axis("residual (actual − predicted)")},
        Html(f"<b>Residuals.</b> A slope, a bend or a funnel is something the model misses.{_how(len(residual))}"),
        380,
    )


def _diagonal(x: list[float], y: list[float]) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(x),
        "y": numbers(y),
        "line": {"color": "@ink", "width": 1.2, "dash": "dot"},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _distribution(residual: Floats) -> Chart:
    low, high = np.quantile(residual, [0.005, 0.995])
    if high - low <= 1e-12 * max(1.0, abs(high)):
        low, high = low - 0.5 * max(abs(low), 1.0), high + 0.5 * max(abs(high), 1.0)
    bins = int(min(_MOST_BINS, max(8, np.sqrt(len(residual)))))
    counts, edges = np.histogram(residual, bins=bins, range=(float(low), float(high)))
    outside = len(residual) - int(counts.sum())
    bars: dict[str, Any] = {
        "type": "bar",
        "x": numbers((edges[1:] + edges[:-1]) / 2),
        "y": counts.tolist(),
        "marker": {"color": "@model", "line": {"width": 0}},
        "hovertemplate": "about %{x}<br>%{y:,} rows<extra></extra>",
        "showlegend": False,
    }
    beyond = f" {count(outside, 'row')} beyond the ends not drawn." if outside else ""
    quartiles = ", ".join(number(float(q)) for q in np.quantile(residual, [0.25, 0.5, 0.75]))
    return Chart(
        "chart-distribution",
        [bars],
        f"Distribution of residuals; quartiles {quartiles}.",
        {"xaxis": axis("residual"), "yaxis": axis("rows"), "bargap": 0.04},
        Html(f"<b>Distribution of residuals.</b> Quartiles: {quartiles}.{beyond}"),
        380,
    )


def _sizes(residual: Floats) -> Html:
    size = np.abs(residual)
    heads = (Head("Share of rows"), Head("Error is at most", number=True))
    names = {0.5: "half", 1.0: "all"}
    limits = np.quantile(size, _QUANTILES).tolist()
    write = aligned(limits, 4)
    rows = [[names.get(q, f"{100 * q:.0f} %"), write(limit)] for q, limit in zip(_QUANTILES, limits, strict=True)]
    return tag("div", tag("h3", "Size of errors"), table(heads, rows, caption="Quantiles of the absolute error"))


def _largest(actual: Floats, predicted: Floats, residual: Floats) -> Html:
    order = np.argsort(-np.abs(residual), kind="stable")[:_LARGEST]
    heads = (Head("#"), Head("Actual", number=True), Head("Predicted", number=True), Head("Residual", number=True))
    write = aligned([float(v) for values in (actual, predicted) for v in values[order]], 5)
    rows: list[Row] = [
        [rank, write(float(actual[i])), write(float(predicted[i])), write(float(residual[i]))]
        for rank, i in enumerate(order, start=1)
    ]
    return tag("div", tag("h3", "Largest errors"), table(heads, rows, caption="Rows with the largest errors"))
