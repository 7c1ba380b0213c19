"""What was learned from a base, kept in a file for the next time."""

import contextlib
import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Arrays = Mapping[str, npt.NDArray[Any]]

# Every change of a base makes new files, of some megabytes each for the base that ships.
MAX_BYTES = 200_000_000


def kept(
    file: Path | None, make: Callable[[], T], to_arrays: Callable[[T], Arrays], from_arrays: Callable[[Arrays], T]
) -> T:
    """Read what was made before; else make it and keep it.

    A file that is damaged, or that ``from_arrays`` refuses with a ValueError, KeyError or TypeError, is made anew. A
    cache that cannot be written is no loss. What was not asked for longest is deleted where the folder grows beyond
    `MAX_BYTES`.
    """
    if file is None:
        return make()
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            found = from_arrays({name: stored[name] for name in stored.files})
        with contextlib.suppress(OSError):
            os.utime(file)
        return found
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
        _evict(file)
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _evict(kept_file: Path) -> None:
    """Delete the files that were longest unused, as many as it takes, but never the one given."""
    aged = sorted(((one.stat().st_mtime, one) for one in kept_file.parent.glob("*.npz")), reverse=True)
    total = 0
    for _, file in aged:
        total += file.stat().st_size
        if total > MAX_BYTES and file != kept_file:
            file.unlink()
