"""Tables of the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autometa.report._html import Child, Html, join, tag


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell that needs more than its content: a value to sort by, a class, a span."""

    content: Child
    sort: float | str | None = None
    kind: str = ""
    span: int = 1


@dataclass(frozen=True, slots=True)
class Head:
    """A column: its heading, whether it holds numbers, and what the heading means."""

    text: str
    number: bool = False
    hint: str = ""
    wide: bool = False


Row = Sequence[Cell | Child]


def table(
    heads: Sequence[Head],
    rows: Iterable[Row],
    *,
    caption: str,
    sortable: bool = False,
    kind: str = "",
    name: str | None = None,
    marked: Iterable[int] = (),
) -> Html:
    """A table in a box of its own that scrolls where the page is too narrow.

    The first cell of a row is its heading. The caption is for screen readers. ``marked`` are the positions of rows
    that stand out.
    """
    strong = set(marked)
    body = [tag("tr", _cells(heads, row), class_="marked" if i in strong else None) for i, row in enumerate(rows)]
    whole = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", [_head(head, sortable=sortable) for head in heads])),
        tag("tbody", body),
        class_=f"{kind}{' sortable' if sortable else ''}".strip() or None,
        id=name,
    )
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _head(head: Head, *, sortable: bool) -> Html:
    content: Child = tag("button", head.text, type="button") if sortable else head.text
    kind = " ".join(filter(None, ("num" if head.number else "", "wide" if head.wide else "")))
    return tag("th", content, scope="col", class_=kind or None, title=head.hint or None)


def _cells(heads: Sequence[Head], row: Row) -> Html:
    written = []
    position = 0
    for item in row:
        cell = item if isinstance(item, Cell) else Cell(item)
        head = heads[position]
        kind = " ".join(filter(None, ("num" if head.number and cell.span == 1 else "", cell.kind)))
        first = position == 0
        written.append(
            tag(
                "th" if first else "td",
                cell.content,
                scope="row" if first else None,
                class_=kind or None,
                colspan=cell.span if cell.span > 1 else None,
                data_v=cell.sort,
            )
        )
        position += cell.span
    return join(written)


def fold(summary: Child, *content: Child, opened: bool = False) -> Html:
    """Content that a click unfolds."""
    return tag("details", tag("summary", summary), *content, open=opened)
