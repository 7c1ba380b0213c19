"""From bytes to UTF-8: which encoding a text file has."""

import codecs
import re
from dataclasses import dataclass

from autometa.errors import TableError

# The longer marks come first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8", "UTF-8 with byte order mark"),
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
# What tables are really saved in where it is not Unicode; charset-normalizer's full list finds exotic twins.
_LEGACY = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp932", "gb18030", "big5", "euc_kr"]
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f"))
_PRINTABLE = bytes(set(range(256)) - set(_CONTROLS))
_SAMPLE = 1 << 16
_BREAKS = re.compile(rb'[\s,;|"0-9]+')
_LATIN = re.compile(rb"[A-Za-z]")
_ASCII = frozenset(range(128))
_ACCENTS = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿœŒ€£°²³µ«»–’“”".encode("cp1252"))


@dataclass(frozen=True, slots=True)
class Text:
    """Valid UTF-8 without a byte order mark, and the encoding that it came in."""

    data: bytes
    encoding: str


def decode(data: bytes, name: str) -> Text:
    """Detect the encoding and convert to UTF-8.

    Order: byte order mark, UTF-8, UTF-16 without a mark (every second byte is zero), then
    charset-normalizer on the lines that are not ASCII.

    Raises:
        TableError: The bytes are no text, or no encoding fits.
    """
    data = data.removesuffix(b"\x1a")
    text = _unicode(data, name) or _legacy(data, name)
    controls = text.data.translate(None, delete=_PRINTABLE)
    if b"\0" in controls or len(controls) > 0.01 * len(text.data):
        raise TableError(
            f"{name} is not a text table: it holds binary data. Readable are CSV, TSV, Parquet and ARFF files."
        )
    return text


def looks_binary(head: bytes) -> bool:
    """Whether the first bytes of a file can hardly be text in any encoding."""
    if head.startswith(tuple(mark for mark, _, _ in _MARKS)) or _unmarked_utf16(head):
        return False
    controls = head.translate(None, delete=_PRINTABLE)
    return b"\0" in controls or len(controls) > 0.01 * len(head)


def _unicode(data: bytes, name: str) -> Text | None:
    for mark, encoding, described in _MARKS:
        if data.startswith(mark):
            return Text(_recode(data[len(mark) :], encoding, name), described)
    unmarked = _unmarked_utf16(data[:4096])
    if unmarked:
        return Text(_recode(data, unmarked, name), "UTF-16 without byte order mark")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return Text(data, "UTF-8")


def _unmarked_utf16(head: bytes) -> str | None:
    half = len(head) // 2
    if half < 4:
        return None
    even, odd = head[::2].count(0), head[1::2].count(0)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 * half and odd < 0.05 * half else None


def _legacy(data: bytes, name: str) -> Text:
    words = [word for word in _BREAKS.split(data[: 1 << 22]) if not word.isascii()]
    encoding = "cp1252" if _western(words) else _guess(b" ".join(words)[:_SAMPLE], name)
    return Text(_recode(data, encoding, name), f"{encoding} (guessed)")


def _western(words: list[bytes]) -> bool:
    """Whether accents are sprinkled over Latin letters, too few of them to tell one Latin code page from another."""
    longer = [word for word in words if len(word) > 1]
    latin = sum(_LATIN.search(word) is not None for word in longer)
    return (
        set(b"".join(words)) - _ASCII <= _ACCENTS
        and len(set(b"".join(words)) - _ASCII) < 8
        and latin >= 0.8 * len(longer)
    )


def _guess(sample: bytes, name: str) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=_LEGACY).best()
    if best is None:
        raise TableError(f"The encoding of {name} cannot be told. Save the file as UTF-8.")
    return "cp1252" if "cp1252" in best.could_be_from_charset else best.encoding


def _recode(data: bytes, encoding: str, name: str) -> bytes:
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        position = getattr(error, "start", 0)
        line = data[:position].count(b"\n") + 1
        raise TableError(
            f"{name} looks like {encoding}, but line {line} breaks that encoding. Save the file as UTF-8."
        ) from error
