"""MLflow's SQLite store: made quickly and once, written without waiting for the disk at every step."""

import contextlib
import os
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import sqlalchemy

_NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "fuse.")


def prepare(path: Path, artifacts: Path) -> None:
    """Make the store if it is not there, and let this process write to it quickly.

    MLflow builds a new store in some hundred steps, each of which would wait for the disk. It is built
    under another name without those waits, then moved into place whole, so that several searches may
    begin at once.
    """
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _relax)
    if path.exists():
        _probe(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        _build(draft, artifacts)
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another search was first; its store is as good


def _probe(path: Path) -> None:
    """Fail at once on a file that is damaged or read-only; MLflow would retry for minutes."""
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):  # SQLite would not say why
        raise PermissionError(f"{path} cannot be written to: it, or its folder, is read-only")
    with contextlib.closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.execute("BEGIN IMMEDIATE")


def settle(path: Path) -> None:
    """Bring what lies in the write-ahead log into the store's file, so that a copy of it is whole."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _build(draft: Path, artifacts: Path) -> None:
    from mlflow.store.tracking import sqlalchemy_store

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", _unsafe)
    try:
        store: Any = sqlalchemy_store.SqlAlchemyStore  # untyped in MLflow
        store(f"sqlite:///{draft}", artifacts.as_uri()).engine.dispose()
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", _unsafe)
    if not _on_network(draft):
        with contextlib.closing(sqlite3.connect(draft)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")  # kept in the file: readers do not block writers
    with draft.open("rb") as file:
        os.fsync(file.fileno())


def _unsafe(connection: Any, _record: object) -> None:
    """Do not wait for the disk at all: a draft that a power cut ruins is never moved into place."""
    connection.execute("PRAGMA synchronous=OFF")


def _relax(connection: Any, _record: object) -> None:
    """With a write-ahead log, wait for the disk at its checkpoints only, which SQLite declares safe."""
    if connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        connection.execute("PRAGMA synchronous=NORMAL")


def _on_network(path: Path) -> bool:
    """Whether a path lies on a network file system, where a write-ahead log must not be used."""
    mounts = Path("/proc/self/mounts")
    known = mounts.read_text(errors="replace") if mounts.exists() else ""
    return file_system(path.resolve(), known).startswith(_NETWORK_FILE_SYSTEMS)


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that holds ``path``, by the lines of ``/proc/self/mounts``."""
    points: dict[str, str] = {}
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        points[re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), point)] = kind
    return next((points[str(place)] for place in (path, *path.parents) if str(place) in points), "")
