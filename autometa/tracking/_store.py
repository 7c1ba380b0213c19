"""Which MLflow store an address means."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from autometa import config
from autometa.errors import OptionError

_DATABASES = ("postgresql", "mysql", "mssql")
_TELLING = 4  # shorter passwords are words of any text; they are only blanked inside an address


@dataclass(frozen=True, slots=True)
class Store:
    """An MLflow store.

    ``artifacts`` is the folder for files, or None where a server keeps them.
    """

    uri: str
    kind: Literal["sqlite", "database", "server"]
    artifacts: Path | None

    @property
    def file(self) -> Path | None:
        """The file of an SQLite store."""
        return Path(self.uri.removeprefix("sqlite:///")) if self.kind == "sqlite" else None

    def __str__(self) -> str:
        return self.redact(self.uri)

    def redact(self, text: str) -> str:
        """``text`` without the password of this store's address."""
        parts = None if self.kind == "sqlite" else _split(self.uri)
        password = (parts and parts.password) or ""
        for secret in {password, unquote(password)} - {""}:
            text = text.replace(f":{secret}@", ":***@")
            if len(secret) >= _TELLING:
                text = text.replace(secret, "***")
        return text


def resolve(uri: str | None) -> Store:
    """The store of an address; None means ``mlflow.db`` in the user's autometa folder.

    An SQLite path is made absolute, so that a search and ``autometa ui`` mean the same file.

    Raises:
        OptionError: MLflow cannot track there.
    """
    if uri is None:
        return _sqlite(config.home() / "mlflow.db")
    scheme = uri.partition("://")[0].partition("+")[0].lower()
    if scheme == "sqlite":
        return _named_sqlite(uri)
    if "://" in uri and scheme in _DATABASES and _split(uri):
        return Store(uri, "database", config.home() / "mlflow-artifacts")
    if scheme in ("http", "https") and (parts := _split(uri)) and parts.hostname:
        return Store(uri.rstrip("/"), "server", None)
    raise OptionError(
        f"Cannot track in {uri!r}{_hint(uri)}. An MLflow address is sqlite:////folder/mlflow.db, "
        "postgresql://..., mysql://... or http(s)://host:port. Without --mlflow-uri it is "
        f"sqlite:///{config.home() / 'mlflow.db'}; --no-mlflow turns tracking off."
    )


def _named_sqlite(uri: str) -> Store:
    path = uri.partition("://")[2].removeprefix("/")
    if not uri.startswith("sqlite:///") or not path or path.endswith("/") or path == ":memory:":
        raise OptionError(
            f"{uri!r} names no SQLite file: write sqlite:///relative.db or sqlite:////absolute/mlflow.db."
        )
    return _sqlite(Path(unquote(path)))


def _sqlite(path: Path) -> Store:
    absolute = path.absolute()
    if re.search(r"\?|%[0-9a-fA-F]{2}", str(absolute)):
        raise OptionError(
            f"An SQLite store cannot lie in {str(absolute)!r}: a question mark, or a percent sign before two "
            "digits, means something else in its address. Name another file with --mlflow-uri."
        )
    return Store(f"sqlite:///{absolute}", "sqlite", absolute.parent / "mlflow-artifacts")


def _split(uri: str) -> SplitResult | None:
    try:
        return urlsplit(uri)
    except ValueError:  # for example http://[::1 without its bracket
        return None


def _hint(uri: str) -> str:
    path = Path(uri.removeprefix("file://"))
    if path.suffix in (".db", ".sqlite", ".sqlite3"):
        return f" (did you mean sqlite:///{path}?)"
    if uri.startswith("file:") or "://" not in uri:
        return " (MLflow no longer tracks in plain folders)"
    return ""
