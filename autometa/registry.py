"""A named collection of interchangeable parts: candidates, warm starters, readers, ..."""

import difflib
import fnmatch
import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from autometa.errors import UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One registered part and what people are told about it."""

    name: str
    factory: Callable[[], T]
    summary: str
    reference: str = ""
    tags: Mapping[str, str | bool] = field(default_factory=dict)


class Registry(Generic[T]):
    """Maps names to factories, and says so clearly when a name is unknown.

    Built-in parts are registered explicitly by the family's ``__init__``. Third parties join through the
    entry-point group ``autometa.<family>``: each entry point names an `Entry`. They are loaded on the
    first look-up, never on import; one that fails to load is kept in `broken` and named in the error
    that its absence causes.
    """

    def __init__(self, kind: str, *, group: str | None = None) -> None:
        """``kind`` is the singular noun for messages, ``group`` the entry-point group, if any."""
        self.kind = kind
        self.group = group
        self.broken: dict[str, str] = {}
        self._entries: dict[str, Entry[T]] = {}
        self._plugins_loaded = group is None

    def register(self, entry: Entry[T]) -> None:
        """Add an entry; a name that is taken raises ``ValueError``."""
        if entry.name in self._entries:
            raise ValueError(f"A {self.kind} named {entry.name!r} is registered already.")
        self._entries[entry.name] = entry

    def names(self, pattern: str = "*") -> list[str]:
        """Names that match a shell pattern, in alphabetical order."""
        self._load_plugins()
        return sorted(fnmatch.filter(self._entries, pattern))

    def entry(self, name: str) -> Entry[T]:
        """The entry of that name.

        Raises:
            UnknownNameError: There is none; the message offers the nearest names.
        """
        self._load_plugins()
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self._miss(name)) from None

    def create(self, name: str) -> T:
        """A fresh instance of the part of that name."""
        return self.entry(name).factory()

    def __contains__(self, name: object) -> bool:
        self._load_plugins()
        return name in self._entries

    def __iter__(self) -> Iterator[Entry[T]]:
        return (self._entries[name] for name in self.names())

    def __len__(self) -> int:
        return len(self.names())

    def _load_plugins(self) -> None:
        if self._plugins_loaded or self.group is None:
            return
        self._plugins_loaded = True
        for point in importlib.metadata.entry_points(group=self.group):
            try:
                self.register(point.load())
            except Exception as error:  # a broken plug-in must not break the rest; it is reported by name
                self.broken[point.name] = f"{type(error).__name__}: {error}"

    def _miss(self, name: str) -> str:
        message = f"Unknown {self.kind} {name!r}."
        near = difflib.get_close_matches(name, self._entries, n=1)
        if near:
            message += f" Did you mean {near[0]!r}?"
        message += f" Available: {', '.join(sorted(self._entries)) or 'none'}."
        if name in self.broken:
            message += f" The plug-in of that name failed to load: {self.broken[name]}."
        return message
