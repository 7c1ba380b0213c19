"""The head of a knowledge base: its schema version, its sources, and what was sealed."""

import importlib.metadata
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from autometa.errors import KnowledgeBaseError

SCHEMA_VERSION = 2
"""Version 2 added `spread` and `repeats` to runs; bases of version 1 are read as having neither."""

MANIFEST = "manifest.json"
_FORMAT = "autometa knowledge base"


@dataclass(frozen=True, slots=True)
class Source:
    """Where content of a knowledge base comes from, and on what terms it may be used.

    ``name`` is what the ``source`` column of datasets and runs says. ``version`` and ``released`` are the
    source's own; ``imported`` is when its content came in (ISO 8601, UTC), filled in when it is recorded.
    ``licence`` is an SPDX identifier; ``licence_file`` names its text within the base. ``counts`` is what the
    import reported.
    """

    name: str
    licence: str
    copyright: str = ""
    citation: tuple[str, ...] = ()
    url: str = ""
    version: str = ""
    released: str = ""
    imported: str = ""
    licence_file: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SealedFile:
    """Checksum of a file at the time the base was sealed; parts that came later have none."""

    sha256: str
    n_bytes: int
    n_rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Content of ``manifest.json``."""

    created: str
    written_by: str
    sources: tuple[Source, ...] = ()
    files: Mapping[str, SealedFile] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def with_source(self, source: Source) -> "Manifest":
        """The manifest with a source added, or put in the place of the one of that name."""
        kept = tuple(known for known in self.sources if known.name != source.name)
        return replace(self, sources=(*kept, source))

    def without_sources(self, names: Collection[str]) -> "Manifest":
        """The manifest with the entries of these sources left out."""
        return replace(self, sources=tuple(source for source in self.sources if source.name not in names))

    def with_files(self, files: Mapping[str, SealedFile]) -> "Manifest":
        """The manifest with other checksums."""
        return replace(self, files=files)

    def lifted(self) -> "Manifest":
        """The manifest of a base that is written to in this schema from now on; older autometa refuses it."""
        return replace(self, schema_version=SCHEMA_VERSION, written_by=f"autometa {_version()}")

    def to_json(self) -> bytes:
        """Text of the file, for people too."""
        content = {
            "format": _FORMAT,
            "schema_version": self.schema_version,
            "created": self.created,
            "written_by": self.written_by,
            "sources": [asdict(source) for source in self.sources],
            "files": {name: asdict(file) for name, file in sorted(self.files.items())},
        }
        return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def timestamp() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def new_manifest() -> Manifest:
    """The manifest of a base that begins now."""
    return Manifest(created=timestamp(), written_by=f"autometa {_version()}")


def parse_manifest(data: bytes, url: str) -> Manifest:
    """Read a manifest.

    Raises:
        KnowledgeBaseError: It is not one, it is damaged, or it belongs to a newer schema.
    """
    try:
        content = json.loads(data)
        if content["format"] != _FORMAT:
            raise ValueError(f"its format is {content['format']!r}")
        version = int(content["schema_version"])
        if version > SCHEMA_VERSION:
            raise KnowledgeBaseError(_newer(url, version, str(content.get("written_by", ""))))
        return Manifest(
            created=str(content["created"]),
            written_by=str(content["written_by"]),
            sources=tuple(_source(source) for source in content["sources"]),
            files={name: SealedFile(**file) for name, file in content["files"].items()},
            schema_version=version,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KnowledgeBaseError(
            f"{url}/{MANIFEST} is damaged ({type(error).__name__}: {error}). Restore it from a copy; without "
            "one, move the folder away, and autometa begins a new base. The Parquet files beside it are intact."
        ) from error


def _source(content: dict[str, Any]) -> Source:
    return Source(**{**content, "citation": tuple(content.get("citation", ()))})


def _newer(url: str, version: int, written_by: str) -> str:
    needed = written_by.removeprefix("autometa").strip()
    return (
        f"The knowledge base {url} has schema version {version}, but autometa {_version()} reads up to "
        f"{SCHEMA_VERSION}. Install the version that wrote it, or a newer one: "
        f"pip install 'autometa{'>=' + needed if needed else ''}'."
    )


def _version() -> str:
    return importlib.metadata.version("autometa")
