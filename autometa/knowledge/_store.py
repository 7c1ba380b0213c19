"""Folders of immutable files: a local path, or any fsspec URL."""

import contextlib
import os
import secrets
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from autometa.errors import KnowledgeBaseError

_TEMPORARY = ".tmp"
_PATIENCE = 60.0
_PAUSE = 0.01
_LOCKS = {"manifest": ".", "rewriting": "runs"}


class Store(ABC):
    """A folder in which files appear whole or not at all.

    Names are relative, with ``/`` between folders. `write` and `create` put a complete file in place in one
    step, so a reader never sees a part of one and a writer that dies leaves nothing that is listed.
    """

    url: str
    """What people read in messages: the path or URL."""

    @abstractmethod
    def files(self, folder: str) -> list[str]:
        """Names of the files in a folder, sorted; empty where there is no such folder."""

    @abstractmethod
    def folders(self, folder: str) -> list[str]:
        """Last parts of the names of the folders in a folder, sorted."""

    @abstractmethod
    def stamp(self, name: str) -> tuple[int, ...] | None:
        """Changes whenever the file is replaced; None where there is no such file."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Content of a file; ``FileNotFoundError`` where there is none."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Put a file in place, replacing one of that name."""

    @abstractmethod
    def create(self, name: str, data: bytes) -> None:
        """Put a file in place unless one of that name is there already."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Remove a file; one that is gone already is fine."""

    @abstractmethod
    def leftovers(self) -> list[tuple[str, float]]:
        """Names of temporary files that writers left behind, each with the seconds since it was last written to."""

    @abstractmethod
    def locked(self, name: str) -> AbstractContextManager[None]:
        """Keep every other process and thread out that asks for the lock of that name.

        A process that dies gives its locks back. File systems that know no locks, object stores among them, keep
        nobody out.

        Raises:
            KnowledgeBaseError: Another holds the lock for longer than a minute.
        """

    @abstractmethod
    def arrow(self) -> tuple[Any, str]:
        """A pyarrow filesystem, and the path of this folder in it with a ``/`` at its end."""


def open_store(path: str | os.PathLike[str]) -> Store:
    """The store behind a path or URL. Nothing is touched yet."""
    text = os.fspath(path)
    if text.startswith("file://"):
        return LocalStore(Path(text.removeprefix("file://")))
    return RemoteStore(text) if "://" in text else LocalStore(Path(text))


def part_name(folder: str) -> str:
    """A new name ``folder/part-<uuid>.parquet``; names made later sort later.

    A UUID of version 7 (RFC 9562, section 6.2, method 3: the time to a quarter of a microsecond).
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    value = (milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | (rest << 12) // 1_000_000 << 64
    value |= 2 << 62 | secrets.randbits(62)
    return f"{folder}/part-{uuid.UUID(int=value)}.parquet"


def _lock(descriptor: int, url: str) -> None:
    """Wait for an exclusive lock; go on without one where the file system has none."""
    import fcntl

    until = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise KnowledgeBaseError(
                    f"Another process has been rewriting the knowledge base {url} for {_PATIENCE:.0f} s. "
                    "Try again when it has ended."
                ) from error
            time.sleep(_PAUSE)
        except OSError:
            return


class LocalStore(Store):
    """A folder of the local file system. A file is written under another name, flushed, then renamed."""

    def __init__(self, root: Path) -> None:
        """``root`` may be missing: the first write makes it."""
        self._root = root.expanduser().absolute()
        self.url = str(self._root)

    def files(self, folder: str) -> list[str]:
        """See `Store`."""
        return [self._name(entry) for entry in self._entries(folder) if entry.is_file()]

    def folders(self, folder: str) -> list[str]:
        """See `Store`."""
        return [entry.name for entry in self._entries(folder) if entry.is_dir()]

    def stamp(self, name: str) -> tuple[int, ...] | None:
        """See `Store`."""
        try:
            status = (self._root / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def size(self, name: str) -> int:
        """See `Store`."""
        return (self._root / name).stat().st_size

    def read(self, name: str) -> bytes:
        """See `Store`."""
        return (self._root / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """See `Store`."""
        temporary = self._temporary(name, data)
        try:
            os.replace(temporary, self._root / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def create(self, name: str, data: bytes) -> None:
        """See `Store`. A hard link, unlike a rename, refuses a name that is taken."""
        temporary = self._temporary(name, data)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, self._root / name)
        finally:
            temporary.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """See `Store`."""
        (self._root / name).unlink(missing_ok=True)

    def leftovers(self) -> list[tuple[str, float]]:
        """See `Store`."""
        found = []
        for path in sorted(self._root.rglob(f".*{_TEMPORARY}")):
            with contextlib.suppress(FileNotFoundError):
                found.append((self._name(path), time.time() - path.stat().st_mtime))
        return found

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """See `Store`. The lock is that of a folder (flock), so that no file is needed for it."""
        folder = self._root / _LOCKS[name]
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            _lock(descriptor, self.url)
            yield
        finally:
            os.close(descriptor)

    def arrow(self) -> tuple[Any, str]:
        """See `Store`."""
        import pyarrow.fs

        return pyarrow.fs.LocalFileSystem(), f"{self._root.as_posix()}/"

    def _entries(self, folder: str) -> list[Path]:
        try:
            entries = sorted((self._root / folder).iterdir())
        except FileNotFoundError:
            return []
        return [entry for entry in entries if not entry.name.endswith(_TEMPORARY)]

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _temporary(self, name: str, data: bytes) -> Path:
        folder = (self._root / name).parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=".", suffix=_TEMPORARY, dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(path, 0o644)  # mkstemp keeps others out; a shared base is read by colleagues
        except OSError:
            os.unlink(path)
            raise
        return Path(path)


class RemoteStore(Store):
    """Anything that fsspec reaches. On object stores a put is atomic, which is what `write` relies on."""

    def __init__(self, url: str) -> None:
        """Opens the file system of ``url``; its package must be installed (s3fs, gcsfs, adlfs, ...)."""
        import fsspec

        try:
            self._fs, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise KnowledgeBaseError(f"The knowledge base {url!r} cannot be opened: {error}") from error
        self._fs.use_listings_cache = False
        self._root = root.rstrip("/")
        self.url = url

    def files(self, folder: str) -> list[str]:
        """See `Store`."""
        return self._list(folder, "file")

    def folders(self, folder: str) -> list[str]:
        """See `Store`."""
        return [name.rpartition("/")[2] for name in self._list(folder, "directory")]

    def stamp(self, name: str) -> tuple[int, ...] | None:
        """See `Store`."""
        try:
            return (hash(self._fs.ukey(self._path(name))),)
        except FileNotFoundError:
            return None

    def size(self, name: str) -> int:
        """See `Store`."""
        return int(self._fs.size(self._path(name)))

    def read(self, name: str) -> bytes:
        """See `Store`."""
        return bytes(self._fs.cat_file(self._path(name)))

    def write(self, name: str, data: bytes) -> None:
        """See `Store`."""
        path = self._path(name)
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._fs.pipe_file(path, data)

    def create(self, name: str, data: bytes) -> None:
        """See `Store`. Two first writers may both write; what they write is the same."""
        if not self._fs.exists(self._path(name)):
            self.write(name, data)

    def delete(self, name: str) -> None:
        """See `Store`."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    def leftovers(self) -> list[tuple[str, float]]:
        """See `Store`. A put leaves none."""
        return []

    def locked(self, name: str) -> AbstractContextManager[None]:
        """See `Store`."""
        return contextlib.nullcontext()

    def arrow(self) -> tuple[Any, str]:
        """See `Store`."""
        import pyarrow.fs

        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self._fs)), f"{self._root}/"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def _list(self, folder: str, kind: str) -> list[str]:
        try:
            entries = self._fs.ls(self._path(folder), detail=True)
        except FileNotFoundError:
            return []
        prefix = f"{folder}/" if folder else ""
        names = (entry["name"].rstrip("/").rpartition("/")[2] for entry in entries if entry["type"] == kind)
        return sorted(prefix + name for name in names)
