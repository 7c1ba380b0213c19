"""Names and values as MLflow takes them."""

import posixpath
import re
from collections.abc import Iterable

_NOT_IN_NAMES = re.compile(r"[^\w.\- :/]")
_MAX_NAME = 250  # MLflow's MAX_ENTITY_KEY_LENGTH


def name(text: str) -> str:
    """A metric's, parameter's or tag's name: at most 250 letters, digits and ``_ . - : /`` or space.

    MLflow also refuses names that are no plain relative path, such as ``../x`` or ``a//b``.
    """
    clean = _NOT_IN_NAMES.sub("_", text)[:_MAX_NAME]
    if posixpath.normpath(clean) != clean or clean.startswith(("/", "..")) or clean == ".":
        clean = clean.replace("/", "_").replace(".", "_")
    return clean or "_"


def names(texts: Iterable[str]) -> dict[str, str]:
    """Each text with its `name`; those that would fall on the same name are numbered."""
    taken: dict[str, str] = {}
    for text in texts:
        clean, n = name(text), 1
        while clean in taken.values():
            n += 1
            clean = f"{name(text)[: _MAX_NAME - 6]}_{n}"
        taken[text] = clean
    return taken


def value(raw: object, limit: int) -> str:
    """Text of at most ``limit`` characters; what is longer is cut and marked with its length.

    Lone surrogates and NUL, which no database stores, become question marks and U+FFFD.
    """
    text = str(raw).replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if len(text) <= limit:
        return text
    mark = f"… [cut: {len(text)} characters]"
    return text[: limit - len(mark)] + mark
