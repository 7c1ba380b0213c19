"""Reads images by class: Omniglot's layout, mini-ImageNet's and tiered-ImageNet's split files, any folder."""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autometa.errors import InputError
from autometa.fewshot._classes import ClassSet

_ENDINGS = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"))
OMNIGLOT_SIZE = 28
IMAGENET_SIZE = 84


@dataclass(frozen=True, slots=True)
class _File:
    """An image of a class: where it lies below the root, and how to get its bytes."""

    parts: tuple[str, ...]
    read: Callable[[], bytes]


def read_omniglot(path: Path, *, size: int = OMNIGLOT_SIZE) -> ClassSet:
    """Characters in the layout alphabet/character/image, such as Omniglot's archives; ink is 1, paper 0.

    Lake, Salakhutdinov, Tenenbaum (2015); https://github.com/brendenlake/omniglot. Alphabets become groups. Images
    whose paper is bright are inverted, so that ink is always 1.

    Args:
        path: ``images_background.zip``, or a folder; both may hold one more folder above the alphabets.
        size: Width and height to which images are scaled (Vinyals et al., 2016, sec. 4.1.1: 28).

    Raises:
        InputError: There is no such folder or archive, or it holds no images in this layout.
    """
    files = [file for file in _files(path) if len(file.parts) >= 3]
    if not files:
        raise InputError(
            f"{path} holds no images as alphabet/character/image. Name Omniglot's images_background.zip, the folder it "
            "unpacks to, or a folder of that layout."
        )
    return _class_set(files, lambda parts: (parts[-3], f"{parts[-3]}/{parts[-2]}"), size, channels=1)


def read_image_folder(path: Path, *, size: int, channels: int = 3) -> ClassSet:
    """Images in the layout class/image, or group/class/image.

    Args:
        path: A folder or a zip archive.
        size: Width and height to which images are scaled.
        channels: 3 for colour, 1 for grey.

    Raises:
        InputError: There is no such folder or archive, or it holds no images in folders.
    """
    files = [file for file in _files(path) if len(file.parts) >= 2]
    if not files:
        raise InputError(
            f"{path} holds no images as class/image. Put the images of each class into a folder of its own."
        )
    deep = min(len(file.parts) for file in files) >= 3

    def named(parts: tuple[str, ...]) -> tuple[str, str]:
        return (parts[-3], f"{parts[-3]}/{parts[-2]}") if deep else ("", parts[-2])

    return _class_set(files, named, size, channels=channels)


def read_mini_imagenet(folder: Path, part: str, *, size: int = IMAGENET_SIZE) -> ClassSet:
    """One part of mini-ImageNet, by Ravi and Larochelle's split files.

    Args:
        folder: Holds ``train.csv``, ``val.csv`` and ``test.csv`` with columns filename and label, and ``images/``.
        part: ``train`` (64 classes), ``val`` (16) or ``test`` (20).
        size: Width and height to which images are scaled.

    Raises:
        InputError: A file is missing.
    """
    rows = _split_rows(folder, part)
    files = []
    for filename, label in (row[:2] for row in rows if row[0].lower() != "filename"):
        file = folder / "images" / filename
        files.append(_File((label, filename), file.read_bytes))
    return _class_set(files, lambda parts: ("", parts[0]), size, channels=3)


def read_tiered_imagenet(folder: Path, part: str, *, size: int = IMAGENET_SIZE) -> ClassSet:
    """One part of tiered-ImageNet, by Ren et al.'s split files; superclasses become groups.

    Args:
        folder: Holds ``train.csv``, ``val.csv`` and ``test.csv`` with a class and its superclass in each row, and a
            folder of images for each class, directly or in ``images/`` or in one named as the part.
        part: ``train`` (351 classes), ``val`` (97) or ``test`` (160).
        size: Width and height to which images are scaled.

    Raises:
        InputError: A file or a class's folder is missing.
    """
    files, groups = [], {}
    for name, group in (row[:2] for row in _split_rows(folder, part) if len(row) > 1 and row[0].lower() != "class"):
        places = [folder / name, folder / "images" / name, folder / part / name]
        where = next((place for place in places if place.is_dir()), None)
        if where is None:
            raise InputError(
                f"Class {name} of {part}.csv has no folder of images, neither {places[0]} nor {places[2]}."
            )
        groups[name] = group
        files += [_File((name, *file.parts), file.read) for file in _files(where)]
    return _class_set(files, lambda parts: (groups[parts[0]], parts[0]), size, channels=3)


def classes_of_arrays(x: np.ndarray, y: Sequence[object] | np.ndarray, *, at_least: int = 1) -> ClassSet:
    """Classes of any labelled array.

    Args:
        x: Items, shape (n_items, \\*shape); bytes count as images of 0 to 255, all else becomes float32.
        y: Labels, shape (n_items,).
        at_least: Classes with fewer items are left out.

    Raises:
        InputError: Lengths differ, or no class is left.
    """
    labels = np.asarray(y)
    if len(x) != len(labels):
        raise InputError(f"Every item needs a label, but there are {len(x)} items and {len(labels)} labels.")
    items = torch.as_tensor(x if x.dtype == np.uint8 else np.asarray(x, dtype=np.float32))
    parts = []
    for label in sorted(set(labels.tolist()), key=str):
        chosen = np.flatnonzero(labels == label)
        if len(chosen) >= at_least:
            parts.append((str(label), "", items[torch.as_tensor(chosen)]))
    if not parts:
        raise InputError(f"No class has {at_least} items or more.")
    return ClassSet.of(parts)


def _split_rows(folder: Path, part: str) -> list[list[str]]:
    file = folder / f"{part}.csv"
    if not file.is_file():
        raise InputError(f"There is no {file}. The folder needs train.csv, val.csv and test.csv.")
    with file.open(newline="") as lines:
        return [row for row in csv.reader(lines) if row]


def _files(path: Path) -> list[_File]:
    """All images of a folder or a zip archive, in the order of their names."""
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS and file.is_file())
        return [_File(file.relative_to(path).parts, file.read_bytes) for file in found]
    if path.is_file() and zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        names = sorted(name for name in archive.namelist() if Path(name).suffix.lower() in _ENDINGS)
        kept = [name for name in names if not name.startswith("__MACOSX")]
        return [_File(Path(name).parts, lambda name=name: archive.read(name)) for name in kept]  # type: ignore[misc]
    raise InputError(f"There is no folder or zip archive {path}.")


def _class_set(
    files: Iterable[_File], named: Callable[[tuple[str, ...]], tuple[str, str]], size: int, *, channels: int
) -> ClassSet:
    """Decode and sort by class; ``named`` says group and class of a path."""
    members: dict[tuple[str, str], list[Tensor]] = {}
    for file in files:
        members.setdefault(named(file.parts), []).append(_decoded(file, size, channels))
    return ClassSet.of([(name, group, torch.stack(items)) for (group, name), items in sorted(members.items())])


def _decoded(file: _File, size: int, channels: int) -> Tensor:
    """An image as bytes, (channels, size, size)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(file.read())) as image:
            scaled = image.convert("L" if channels == 1 else "RGB").resize((size, size), Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"The image {'/'.join(file.parts)} cannot be read: {error}.") from error
    pixels = np.asarray(scaled, dtype=np.uint8)
    if channels == 1:
        corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
        return torch.from_numpy((255 - pixels if np.median(corners) > 127 else pixels).copy())[None]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()
