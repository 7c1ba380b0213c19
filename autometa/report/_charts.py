"""Figures as plain dicts for plotly.js, which draws them in the page; plotly's Python objects are not needed.

Colours are written as ``@name``: the page's script puts the theme's colour there, and again when the theme changes.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.report._html import Html, clean, cut, markup, tag

Trace = dict[str, Any]
_DIGITS = 5
_HOVER_WIDTH, _HOVER_LINES = 64, 14
NO_MARKUP = Html("")


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart of the page.

    Attributes:
        name: The id of its element; unique on the page.
        traces: Plotly traces; numbers must be finite or None.
        layout: Plotly layout, beyond what all charts share.
        label: What the chart shows, for those who cannot see it; text.
        caption: What is written beneath it.
        height: In pixels.
        variants: Other x and y for the traces, and another axis title, by the name of the button that shows them.
    """

    name: str
    traces: Sequence[Trace]
    label: str
    layout: Mapping[str, Any] = field(default_factory=dict)
    caption: Html = NO_MARKUP
    height: int = 340
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def figure(self) -> dict[str, Any]:
        """What the page's script draws."""
        return {"data": list(self.traces), "layout": dict(self.layout), "variants": dict(self.variants)}

    def element(self) -> Html:
        """Where it is drawn."""
        plot = tag(
            "div",
            id=self.name,
            class_="plot",
            role="img",
            aria_label=self.label,
            style=f"height:{self.height}px",
        )
        caption = tag("figcaption", self.caption) if self.caption else None
        return tag("figure", self._buttons(), plot, caption, class_="chart")

    def _buttons(self) -> Html | None:
        if not self.variants:
            return None
        buttons = [
            tag("button", name, type="button", data_chart=self.name, data_variant=name, aria_pressed=str(not i).lower())
            for i, name in enumerate(self.variants)
        ]
        return tag("div", buttons, class_="switch", role="group", aria_label="Horizontal axis")


def numbers(values: Iterable[float] | npt.NDArray[Any]) -> list[float | int | None]:
    """Values for a trace: few digits, so that the page stays small, and None for what is not finite."""
    return [_rounded(value) for value in np.asarray(list(values), dtype=np.float64).tolist()]


def _rounded(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    if value == int(value) and abs(value) < 1e15:
        return int(value)
    return float(f"{value:.{_DIGITS}g}")


def label(text: object, length: int = 60) -> str:
    """Text from outside for a plot's labels; plotly reads some HTML there, and this is none."""
    return html.escape(cut(clean(text), length), quote=False)


def hover(lines: Iterable[str]) -> str:
    """Lines from outside as one hover text; long ones are wrapped, and too many are cut."""
    wrapped: list[str] = []
    for line in lines:
        text = clean(line)
        wrapped += [text[i : i + _HOVER_WIDTH] for i in range(0, max(1, len(text)), _HOVER_WIDTH)]
    if len(wrapped) > _HOVER_LINES:
        wrapped = [*wrapped[: _HOVER_LINES - 1], "…"]
    return "<br>".join(html.escape(line, quote=False) for line in wrapped)


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with a title; a literal, or escaped by `label`."""
    return {"title": {"text": title}, **more}


def strip(
    points: Iterable[float],
    *,
    low: float,
    high: float,
    centre: float | None = None,
    kind: str = "model",
    title: str = "",
) -> Html:
    """A row of dots on a common scale, and a stroke at their centre; for a cell of a table.

    Points outside are left out; ``low`` and ``high`` are the ends of the scale.
    """
    inside = [point for point in points if low <= point <= high]
    dots = [markup('<circle cx="{}%" cy="50%" r="3.5"></circle>', _place(point, low, high)) for point in inside]
    stroke = None
    if centre is not None and low <= centre <= high:
        place = _place(centre, low, high)
        stroke = markup('<line x1="{}%" x2="{}%" y1="12%" y2="88%"></line>', place, place)
    return tag("svg", tag("title", title), dots, stroke, class_=f"strip {kind}", role="img")


def bar(value: float, *, low: float, high: float, error: float = 0.0, title: str = "") -> Html:
    """A bar from zero with a whisker, on a scale that contains zero; for a cell of a table."""
    zero, end = _place(0.0, low, high), _place(value, low, high)
    rect = markup(
        '<rect x="{}%" width="{}%" y="22%" height="56%" rx="2"></rect>', min(zero, end), round(abs(end - zero), 2)
    )
    whisker = None
    if error > 0:
        left, right = (_place(min(high, max(low, place)), low, high) for place in (value - error, value + error))
        whisker = markup('<line x1="{}%" x2="{}%" y1="50%" y2="50%"></line>', left, right)
    return tag("svg", tag("title", title), rect, whisker, class_="bar" + (" below" if value < 0 else ""), role="img")


def _place(value: float, low: float, high: float) -> float:
    """Where a value lies on a scale, in percent with a margin for the dots."""
    return 50.0 if high <= low else round(2.0 + 96.0 * (value - low) / (high - low), 2)
