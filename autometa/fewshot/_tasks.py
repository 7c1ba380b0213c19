"""Tasks by name, as the command line has them: which classes, and which of them are to train and which to validate."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from autometa.errors import InputError, OptionError
from autometa.fewshot._classes import ClassSet
from autometa.fewshot._glyphs import SIZE, glyphs
from autometa.fewshot._images import (
    IMAGENET_SIZE,
    OMNIGLOT_SIZE,
    read_image_folder,
    read_mini_imagenet,
    read_omniglot,
    read_tiered_imagenet,
)

NAMES = ("glyphs", "omniglot", "mini-imagenet", "tiered-imagenet", "images")
"""What ``--tasks`` takes beside a path."""

OMNIGLOT_VALIDATION = (
    "Alphabet_of_the_Magi",
    "Burmese_(Myanmar)",
    "Gujarati",
    "Korean",
    "Tifinagh",
)
"""The five alphabets of Omniglot's background set that validate; the other 25 train."""

_SPLIT_BY_FILES = {"mini-imagenet": read_mini_imagenet, "tiered-imagenet": read_tiered_imagenet}
_VALIDATION = 0.2
_ARCHIVE = "images_background.zip"
_FOLDER = "images_background"


def fingerprint(*parts: ClassSet) -> str:
    """Twelve hexadecimal digits that are the same for the same names of classes, however they are split."""
    names = sorted(name for part in parts for name in part.names)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Tasks:
    """Classes to draw episodes from.

    Attributes:
        name: For cards and tables.
        train: Classes to train on.
        validation: Others, to validate on.
    """

    name: str
    train: ClassSet
    validation: ClassSet


def read_tasks(
    tasks: str,
    data: Path | None = None,
    *,
    size: int | None = None,
    channels: int | None = None,
    rotations: bool = False,
) -> ClassSet:
    """All classes of a name or a path.

    Args:
        tasks: One of `NAMES`, or the path of a folder or archive in Omniglot's layout or of images by class.
        data: Where the files of a name lie.
        size: Width and height to which images are scaled; None takes what is usual for them.
        channels: 1 for grey, 3 for colour; None takes what is usual.
        rotations: Whether every class counts four times, turned by quarters.

    Raises:
        OptionError: The name needs ``data``.
        InputError: There is nothing of that name, or nothing in it.
    """
    classes = _read(tasks, data, size, channels)
    return classes.rotated() if rotations else classes


def split_tasks(tasks: str, data: Path | None = None, *, rotations: bool = False, seed: int = 0) -> Tasks:
    """Classes to train on, and others to validate on.

    Of Omniglot's background set `OMNIGLOT_VALIDATION` validates, of mini- and tiered-ImageNet what their files say, of
    all else a fifth of the groups, or of the classes where there are no groups.

    Args:
        tasks: See `read_tasks`.
        data: See there.
        rotations: See there; turned copies of a class stay on its side.
        seed: Of the split, where it is drawn.
    """
    if tasks in _SPLIT_BY_FILES:
        read, folder = _SPLIT_BY_FILES[tasks], _needed(tasks, data)
        parts = read(folder, "train"), read(folder, "val")
    else:
        parts = _split(_read(tasks, data, None, None), seed)
    train, validation = (part.rotated() if rotations else part for part in parts)
    return Tasks(tasks, train, validation)


def _split(classes: ClassSet, seed: int) -> tuple[ClassSet, ClassSet]:
    groups = set(classes.groups)
    if set(OMNIGLOT_VALIDATION) < groups:
        return classes.of_groups(groups - set(OMNIGLOT_VALIDATION)), classes.of_groups(OMNIGLOT_VALIDATION)
    train, validation = classes.split((1 - _VALIDATION, _VALIDATION), seed=seed, by_group=len(groups) >= 5)
    return train, validation


def _read(tasks: str, data: Path | None, size: int | None, channels: int | None) -> ClassSet:
    if tasks == "glyphs":
        return glyphs(size=size or SIZE)
    if tasks == "omniglot":
        folder = _needed(tasks, data)
        inside = (folder / _ARCHIVE, folder / _FOLDER)
        where = next((place for place in inside if folder.is_dir() and place.exists()), folder)
        return read_omniglot(where, size=size or OMNIGLOT_SIZE)
    if tasks == "images":
        return read_image_folder(_needed(tasks, data), size=size or IMAGENET_SIZE, channels=channels or 3)
    if tasks in _SPLIT_BY_FILES:
        return _SPLIT_BY_FILES[tasks](_needed(tasks, data), "test", size=size or IMAGENET_SIZE)
    path = Path(tasks)
    if not path.exists():
        raise InputError(f"There are no tasks {tasks!r}: it is neither a path nor one of {', '.join(NAMES)}.")
    if channels in (None, 1):
        return read_omniglot(path, size=size or OMNIGLOT_SIZE)
    return read_image_folder(path, size=size or IMAGENET_SIZE, channels=channels or 3)


def _needed(tasks: str, data: Path | None) -> Path:
    if data is None:
        raise OptionError(f"The tasks {tasks} are read from files of your own. Say where they lie: --data FOLDER.")
    return data
