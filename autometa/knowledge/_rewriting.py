"""The record of a rewriting: how parts of runs are exchanged for others while anybody reads and adds.

``runs/<space>/_rewriting.json`` is in one of three phases. A reader looks at it before and after it lists the folder,
and lists again where it has changed in between; what the record hides, the reader leaves out.

=========  =============================================  ========
phase      what the rewriter does                         hidden
=========  =============================================  ========
writing    writes the new parts                           new
replacing  deletes the old parts, seals the new ones      old
done       nothing                                        nothing
=========  =============================================  ========

The step from writing to replacing is one rename: before it everybody sees the old parts, after it the new ones. Whoever
dies in the first phase leaves new parts that nobody sees, in the second old ones; the next rewriter deletes them. A
reader whose listing names a part that is gone by the time it opens it lists again. The generation makes two records of
different rewritings differ, so that a whole rewriting during one listing does not go unnoticed.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from autometa.errors import KnowledgeBaseError
from autometa.knowledge._files import run_parquet
from autometa.knowledge._store import Store, part_name

RECORD = "_rewriting.json"
Seal = Callable[[Collection[str], Collection[str]], None]


@dataclass(frozen=True, slots=True)
class Rewriting:
    """Content of the record; ``new`` and ``old`` are names of parts."""

    generation: int = 0
    phase: Literal["writing", "replacing", "done"] = "done"
    new: tuple[str, ...] = ()
    old: tuple[str, ...] = ()

    @property
    def hidden(self) -> frozenset[str]:
        """Parts that a reader leaves out."""
        return frozenset({"writing": self.new, "replacing": self.old, "done": ()}[self.phase])


def read_record(store: Store, folder: str) -> Rewriting:
    """The record of a folder; that of a folder in which nothing was ever rewritten where there is none.

    Raises:
        KnowledgeBaseError: It is damaged.
    """
    name = f"{folder}/{RECORD}"
    if store.stamp(name) is None:
        return Rewriting()
    try:
        content = json.loads(store.read(name))
        return Rewriting(int(content["generation"]), content["phase"], tuple(content["new"]), tuple(content["old"]))
    except (ValueError, KeyError, TypeError) as error:
        raise KnowledgeBaseError(
            f"{name} of the knowledge base {store.url} is damaged ({type(error).__name__}: {error}). Restore it from a "
            "copy. Without one, delete it: unless a compaction was interrupted, nothing else depends on it; "
            "'autometa kb verify' then tells whether runs are there twice."
        ) from error


def exchange(
    store: Store,
    folder: str,
    old: Sequence[str],
    new: Iterable[pa.Table],
    *,
    at_most: int,
    seal: Seal,
    n_rows: int | None = None,
) -> None:
    """Put new parts in the place of old ones.

    Only one process at a time may, and `recover` comes first.

    Args:
        store: The base.
        folder: Of a space's runs.
        old: Names of the parts to replace.
        new: Their content, in order; taken one by one.
        at_most: How many tables ``new`` gives at most.
        seal: Told of the names that went and those that came, while they still are in the record.
        n_rows: How many rows the new parts must have together; None where any number will do.

    Raises:
        KnowledgeBaseError: They have another number of rows. The old parts stay.
    """
    generation = read_record(store, folder).generation + 1
    names = sorted(part_name(folder) for _ in range(at_most))
    record = Rewriting(generation, "writing", tuple(names), tuple(old))
    _write(store, folder, record)
    try:
        _fill(store, names, new, n_rows)
    except Exception:
        recover(store, folder, seal)
        raise
    record = replace(record, phase="replacing")
    _write(store, folder, record)
    _finish(store, folder, record, seal)


def _fill(store: Store, names: Sequence[str], new: Iterable[pa.Table], n_rows: int | None) -> None:
    written = 0
    for position, table in enumerate(new):
        store.write(names[position], run_parquet(table))
        written += table.num_rows
    if n_rows not in (None, written):
        raise KnowledgeBaseError(
            f"{n_rows} runs of the knowledge base {store.url} were to be gathered, but only {written} of them have a "
            "dataset id. They stay as they are. 'autometa kb verify' says where those without one are."
        )


def recover(store: Store, folder: str, seal: Seal) -> bool:
    """Bring an interrupted rewriting to an end; whether there was one. Its rewriter must be dead."""
    record = read_record(store, folder)
    if record.phase == "done":
        return False
    if record.phase == "replacing":
        _finish(store, folder, record, seal)
        return True
    for name in record.new:
        store.delete(name)
    _write(store, folder, Rewriting(record.generation))
    return True


def _finish(store: Store, folder: str, record: Rewriting, seal: Seal) -> None:
    for name in record.old:
        store.delete(name)
    there = set(store.files(folder))
    seal(record.old, [name for name in record.new if name in there])
    _write(store, folder, Rewriting(record.generation))


def _write(store: Store, folder: str, record: Rewriting) -> None:
    content = {"generation": record.generation, "phase": record.phase, "new": record.new, "old": record.old}
    store.write(f"{folder}/{RECORD}", (json.dumps(content) + "\n").encode())
