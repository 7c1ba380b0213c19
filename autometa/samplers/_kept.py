"""What was learned from a base, kept in a file for the next time."""

import contextlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Arrays = Mapping[str, npt.NDArray[Any]]


def kept(
    file: Path | None, make: Callable[[], T], to_arrays: Callable[[T], Arrays], from_arrays: Callable[[Arrays], T]
) -> T:
    """Read what was made before; else make it and keep it.

    A file that is damaged, or that ``from_arrays`` refuses with a ValueError, KeyError or TypeError, is made anew. A
    cache that cannot be written is no loss.
    """
    if file is None:
        return make()
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return from_arrays({name: stored[name] for name in stored.files})
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        pass
    made = make()
    _write(file, to_arrays(made))
    return made


def _write(file: Path, arrays: Arrays) -> None:
    temporary = file.with_suffix(f".{np.random.SeedSequence().entropy:x}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
        temporary.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
