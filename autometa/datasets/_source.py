"""From a path to bytes: the file's checks and its compression."""

import bz2
import difflib
import gzip
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from autometa.datasets._base import HEAD, Source
from autometa.errors import TableError

_SUFFIXES = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zip": "zip", ".zst": "zstd"}
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
}
# White space and the bytes of byte order marks.
_BLANK = b" \t\r\n\0\xff\xfe\xef\xbb\xbf"
# Path makes one slash of two.
_ADDRESS = re.compile(r"[a-z][a-z0-9+]+:/", re.IGNORECASE)
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
    NotImplementedError,
)


def open_source(path: str | os.PathLike[str]) -> Source:
    """Read a file into memory and decompress it.

    The content decides how it is decompressed; the suffix only decides what is said about it.

    Raises:
        TableError: There is no such file, it cannot be read, it is empty, or its compression is damaged.
    """
    where = Path(path)
    data = _read(where)
    suffixes = [suffix.lower() for suffix in where.suffixes[-2:]]
    claimed = _SUFFIXES.get(suffixes[-1]) if suffixes else None
    suffix = (suffixes[-2] if len(suffixes) == 2 else "") if claimed else (suffixes[-1] if suffixes else "")
    found = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    notes: tuple[str, ...] = ()
    if found != claimed:
        notes = (f"{where.name} is {_described(found)} although its name says {_described(claimed)}.",)
    if found is not None:
        data, inner = _decompress(data, found, where.name)
        suffix = suffix or inner
    if not data[:HEAD].strip(_BLANK) and not data.strip(_BLANK):
        raise TableError(f"{where.name} is empty. A table needs a header and at least one row.")
    return Source(where.name, suffix, data, notes)


def _described(compression: str | None) -> str:
    return f"compressed with {compression}" if compression else "not compressed"


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise TableError(f"{path} is a folder. Give the path of one table file.")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"There is no file {str(path)!r}.{_near(path)}") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TableError(f"{path} cannot be read: {reason}.") from error


def _near(path: Path) -> str:
    if _ADDRESS.match(str(path)):
        return " Addresses are not fetched: download the file and give its path."
    try:
        names = [entry.name for entry in path.parent.iterdir() if entry.is_file()]
    except OSError:
        return f" There is no folder {str(path.parent)!r} either."
    near = difflib.get_close_matches(path.name, names, n=1)
    return f" Did you mean {str(path.with_name(near[0]))!r}?" if near else ""


def _decompress(data: bytes, kind: str, name: str) -> tuple[bytes, str]:
    """The content, and the suffix of the file inside where the archive knows it."""
    try:
        if kind == "zip":
            return _unzip(data, name)
        return _DECOMPRESS[kind](data), ""
    except _DAMAGED as error:
        if isinstance(error, TableError):
            raise
        raise TableError(
            f"{name} is damaged or cut off: its {kind} compression cannot be undone ({error}). Get the file again."
        ) from error


def _unzip(data: bytes, name: str) -> tuple[bytes, str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [
            info.filename
            for info in archive.infolist()
            if not info.is_dir() and not info.filename.startswith("__MACOSX") and Path(info.filename).name[0] != "."
        ]
        if "xl/workbook.xml" in members or "[Content_Types].xml" in members:
            raise TableError(f"{name} is an office document. Save the sheet as CSV and give that file.")
        if len(members) != 1:
            listed = ", ".join(members[:5]) or "none"
            raise TableError(
                f"A zip archive must hold exactly one table, but {name} holds {len(members)} files ({listed}). "
                "Unpack it and give one file."
            )
        return archive.read(members[0]), Path(members[0]).suffix.lower()


def _zstd(data: bytes) -> bytes:
    with pa.input_stream(pa.py_buffer(data), compression="zstd") as stream:
        return bytes(stream.read())


_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "bzip2": bz2.decompress,
    "xz": lzma.decompress,
    "zstd": _zstd,
}
