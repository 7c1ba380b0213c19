"""auto-sklearn's published tables, in a folder, an unpacked source distribution, or its archive."""

import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autometa.errors import InputError

TABLES = ("algorithm_runs.arff", "configurations.csv", "feature_values.arff", "description.txt")
_INSIDE = PurePosixPath("autosklearn/metalearning/files")
_LARGEST = 16 * 1024 * 1024
_LARGEST_TOTAL = 256 * 1024 * 1024
_EXPECTED = (
    "the folder autosklearn/metalearning/files, auto-sklearn's unpacked source distribution, or its archive, such "
    "as auto-sklearn-0.15.0.tar.gz (pip download auto-sklearn==0.15.0 --no-deps --no-binary :all:)"
)


@dataclass(frozen=True, slots=True)
class Published:
    """The tables by folder and file name, and what the distribution says of itself where it is at hand.

    A folder is named ``<metric>_<task>_<dense or sparse>``.
    """

    folders: Mapping[str, Mapping[str, bytes]]
    version: str
    licence_text: str


def read_published(path: Path) -> Published:
    """Read the tables; nothing is unpacked to disk.

    Raises:
        InputError: There is nothing of the kind at ``path``, or the archive is damaged.
    """
    if path.is_dir():
        found = dict(_from_folder(path))
    elif path.is_file():
        found = _from_archive(path)
    else:
        raise InputError(f"PATH must be {_EXPECTED}; but there is nothing at {path}.")
    folders: dict[str, dict[str, bytes]] = {}
    for name, data in found.items():
        folder, _, file = name.partition("/")
        if file in TABLES:
            folders.setdefault(folder, {})[file] = data
    if not folders:
        raise InputError(f"PATH must be {_EXPECTED}; {path} holds no such tables.")
    incomplete = {name: set(TABLES) - set(files) for name, files in folders.items()}
    for name, missing in sorted(incomplete.items()):
        if missing:
            raise InputError(f"{path}: folder {name} lacks {sorted(missing)[0]}. Use a complete copy.")
    return Published(folders, _version(found), found.get("LICENSE.txt", b"").decode("utf-8", "replace"))


def _version(found: Mapping[str, bytes]) -> str:
    said = found.get("PKG-INFO", b"").decode("utf-8", "replace")
    match = re.search(r"^Version: (\S+)$", said, re.MULTILINE)
    return match[1] if match else ""


def _from_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    root = path.resolve()
    if (root / _INSIDE).is_dir():
        files = root / _INSIDE
    elif root.parts[-3:] == _INSIDE.parts:
        files, root = root, root.parents[2]
    else:
        files = root
    for name in ("PKG-INFO", "LICENSE.txt"):
        if (root / name).is_file():
            yield name, _bounded(root / name)
    for folder in sorted(entry for entry in files.iterdir() if entry.is_dir()):
        for name in TABLES:
            if (folder / name).is_file():
                yield f"{folder.name}/{name}", _bounded(folder / name)


def _bounded(path: Path) -> bytes:
    if path.stat().st_size > _LARGEST:
        raise InputError(f"{path} is larger than {_LARGEST >> 20} MiB, which none of auto-sklearn's tables is.")
    return path.read_bytes()


def _from_archive(path: Path) -> dict[str, bytes]:
    """Regular files of the archive that have the expected names; everything else in it is ignored."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        # Not as a stream ("r|*"): that takes an archive cut off between two files for a whole one.
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = _wanted(member)
                if name is None:
                    continue
                total += member.size
                if member.size > _LARGEST or total > _LARGEST_TOTAL:
                    raise InputError(f"{path}: {member.name} is larger than any of auto-sklearn's tables.")
                content = archive.extractfile(member)
                if content is not None:
                    found[name] = content.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        why = str(error).replace("\n", " ")
        raise InputError(
            f"PATH must be {_EXPECTED}; {path} cannot be read as an archive ({why}). Download it again."
        ) from error
    return found


def _wanted(member: tarfile.TarInfo) -> str | None:
    """``<folder>/<file>`` of a table, or the bare name of a file about the distribution."""
    parts = PurePosixPath(member.name).parts
    if not member.isfile() or ".." in parts:
        return None
    if len(parts) == 2 and parts[1] in ("PKG-INFO", "LICENSE.txt"):
        return parts[1]
    if len(parts) >= 5 and parts[-5:-2] == _INSIDE.parts and parts[-1] in TABLES:
        return f"{parts[-2]}/{parts[-1]}"
    return None
