"""Markup that escapes by default: what is not `Html` is text, wherever it came from."""

import html
import json
import re
from collections.abc import Iterable
from typing import Any

# Control characters, lone surrogates and the marks that reverse the order of the text around them.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset({"input", "meta"})
_LONGEST_NAME = 120
_LONGEST_TITLE = 600
_UNBROKEN = 22


class Html(str):
    """Markup that may be written as it is. Only this module's functions and literals in code should make it."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def clean(text: object) -> str:
    """Text without the characters that cannot be shown, or that change how the text around them is shown."""
    return _UNFIT.sub("\ufffd", str(text))


def escape(value: object) -> Html:
    """The value as text, for an element or a quoted attribute; `Html` passes."""
    return value if isinstance(value, Html) else Html(html.escape(clean(value)))


def markup(template: str, *values: object) -> Html:
    """Fill the ``{}`` of a literal template with escaped values."""
    return Html(template.format(*map(escape, values)))


def join(children: Iterable[Child], separator: str = "") -> Html:
    """Children one after another; None is left out and nested ones are flattened. The separator is markup."""
    return Html(separator.join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, (str, int)):
            yield escape(child)
        else:
            yield from _flat(child)


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """One element.

    An attribute's trailing underscore is dropped, and others become hyphens (``class_``, ``aria_label``). None and
    False leave it out; True writes it bare.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{join(children)}</{name}>")


def named(name: object) -> Html:
    """A name from outside: its writing direction stays its own, and a very long one is cut (the whole is its title)."""
    text = clean(name)
    if not text.strip():
        return tag("bdi", "(blank)", class_="name blank")
    if len(text) <= _LONGEST_NAME:
        return tag("bdi", text, class_="name short" if len(text) <= _UNBROKEN else "name")
    return tag("bdi", cut(text, _LONGEST_NAME), class_="name", title=cut(text, _LONGEST_TITLE))


def cut(text: str, length: int) -> str:
    """The text, or its beginning and an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def data_block(name: str, value: Any) -> Html:
    """JSON that no content can break out of, for scripts to read."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Html(f'<script type="application/json" id="{escape(name)}">{safe}</script>')
