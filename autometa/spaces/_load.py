"""Spaces by name or path, each file parsed once per version of it."""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from autometa.config import shipped
from autometa.errors import SpaceError
from autometa.records import TaskType
from autometa.spaces._narrowing import keep_members
from autometa.spaces._read import Place, build
from autometa.spaces._rules import did_you_mean
from autometa.spaces._space import SearchSpace
from autometa.spaces._yaml import Document, parse

_SUFFIXES = (".yaml", ".yml")
Stamp = tuple[int, int]


def load_space(
    name: str | os.PathLike[str], *, task: TaskType | None = None, members: Sequence[str] | None = None
) -> SearchSpace:
    """Load a space that ships with autometa, or a YAML file of your own.

    >>> load_space("tabular", task="regression", members=["ridge", "svm"]).member_names
    ('ridge', 'svm')

    Args:
        name: A shipped space's name, or a path (with a separator, or ending in .yaml or .yml).
        task: Keep only what exists for this task type; None keeps all.
        members: Keep only these members of a composed space, such as those that are installed. Where the
            default is not among them, the first member takes its place.

    Raises:
        SpaceError: There is no such space, a rule is broken (the message names the line), a member is
            unknown, or nothing is left.
    """
    space = from_file(name) if _is_path(name) else _from_shipped(str(name))
    if members is not None:
        space = keep_members(space, members)
    return space if task is None else space.for_task(task)


def space_names() -> list[str]:
    """Names of the spaces that ship with autometa, in alphabetical order."""
    return sorted(path.stem for path in shipped("search_spaces").glob("*.yaml"))


def from_file(path: str | os.PathLike[str]) -> SearchSpace:
    """See `SearchSpace.from_yaml`."""
    return _from_file(Path(path).absolute(), ())


def from_dict(entries: Mapping[str, Any]) -> SearchSpace:
    """See `SearchSpace.from_dict`."""
    name = entries.get("name", "custom") if isinstance(entries, Mapping) else "custom"
    return build(entries, Place(f"space {name!r}"), lambda member: _member(member, shipped("search_spaces"), ()))


def _is_path(name: str | os.PathLike[str]) -> bool:
    if not isinstance(name, str):
        return True
    separators = [os.sep, *([os.altsep] if os.altsep else [])]
    return name.endswith(_SUFFIXES) or any(separator in name for separator in separators)


def _from_shipped(name: str) -> SearchSpace:
    path = shipped("search_spaces") / f"{name}.yaml"
    if name not in space_names():
        known = space_names()
        raise SpaceError(
            f"There is no search space {name!r}.{did_you_mean(name, known)} Shipped: {', '.join(known)}. "
            "A file of your own is given by its path, such as ./my_space.yaml."
        )
    return _from_file(path, ())


def _from_file(path: Path, above: tuple[Path, ...]) -> SearchSpace:
    if path in above:
        circle = " -> ".join(one.stem for one in (*above[above.index(path) :], path))
        raise SpaceError(f"{_shown(above[-1])}: a space cannot contain itself, but {circle}. Cut the circle.")
    stamp = _stamp(path)
    document = _parsed(path, stamp)
    if isinstance(document.value, dict) and "compose" in document.value:
        return _built(path, document, above)
    return _leaf(path, stamp)


def _member(name: str, folder: Path, above: tuple[Path, ...]) -> SearchSpace:
    """A member's space: from the same folder, or a shipped one."""
    for place in (folder, shipped("search_spaces")):
        path = place / f"{name}.yaml"
        if not _is_path(name) and path.is_file():
            space = _from_file(path, above)
            if space.name != name:
                raise SpaceError(
                    f"{_shown(path)}: the file of member {name!r} names itself {space.name!r}. Rename one."
                )
            return space
    known = sorted({path.stem for place in (folder, shipped("search_spaces")) for path in place.glob("*.yaml")})
    raise KeyError(f"there is no space {name!r}.{did_you_mean(name, known)} Known: {', '.join(known)}.")


def _built(path: Path, document: Document, above: tuple[Path, ...]) -> SearchSpace:
    place = Place(_shown(path), lines=document.lines)
    return build(
        document.value,
        place,
        lambda name: _member(name, path.parent, (*above, path)),
        fallback_name=path.stem,
    )


@lru_cache(maxsize=256)
def _leaf(path: Path, stamp: Stamp) -> SearchSpace:
    return _built(path, _parsed(path, stamp), ())


@lru_cache(maxsize=256)
def _parsed(path: Path, stamp: Stamp) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"{_shown(path)}: the file cannot be read as UTF-8 text: {error}.") from None
    return parse(text, _shown(path))


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise SpaceError(f"{_shown(path)}: there is no such file ({error.strerror}). Check the path.") from None
    return status.st_mtime_ns, status.st_size


def _shown(path: Path) -> str:
    """The path from the working directory where it lies below it, so that messages stay short."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
