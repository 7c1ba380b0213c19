"""What a reader is, what it is given and what it gives back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

HEAD = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A raw table, and what was detected or repaired while reading it.

    ``frame`` has unique string column names, a ``RangeIndex`` and only these dtypes: int64, uint64, float64
    (NaN = missing), bool, ``boolean``, ``str`` (NaN = missing), ``datetime64[us]`` and ``category`` of ``str``.
    ``notes`` are sentences for people. ``blank_lines`` are the numbers of lines between two rows of a text table
    that were left out because nothing stands in them.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    blank_lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A file in memory, decompressed.

    ``name`` is the file name for messages, ``suffix`` the one that is left after the compression suffix, in
    lower case and with its dot, or empty. ``words`` are columns whose words are to be kept as they are written,
    even where all of them read as numbers.
    """

    name: str
    suffix: str
    data: bytes
    notes: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()

    @property
    def head(self) -> bytes:
        """The first bytes, enough to recognise a format by."""
        return self.data[:HEAD]


class Reader(ABC):
    """Turns the bytes of one file format into a `Table`.

    `read_table` opens and decompresses the file, asks the reader that claims the file's suffix whether the
    content looks right (`sniff`), then every other one, and calls `read` once on the one it settled for.
    Readers have no state: one instance may read any number of files.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def sniff(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes is of this format. Never raises."""

    @abstractmethod
    def read(self, source: Source) -> Table:
        """Read the whole table. Same bytes, same table.

        Words may be read as numbers where all of a column are numbers, but not in the columns of ``source.words``.

        Raises:
            TableError: The bytes are damaged or break a rule of the format. No other exception may leave
                this method, whatever the bytes are.
        """
