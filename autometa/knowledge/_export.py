"""A part of a base as a folder of its own: as a base, or as CSV files."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from autometa.datasets import safe_cells
from autometa.errors import KnowledgeBaseError
from autometa.knowledge._columns import RUN_COLUMNS, to_frame
from autometa.knowledge._merge import Choice, groups_of, merge
from autometa.knowledge._store import open_store

if TYPE_CHECKING:
    from autometa.knowledge._knowledge_base import KnowledgeBase


def export(kb: "KnowledgeBase", path: str | os.PathLike[str], choice: Choice) -> None:
    """See `KnowledgeBase.export`."""
    from autometa.knowledge._knowledge_base import KnowledgeBase

    with _new_folder(path) as folder:
        target = KnowledgeBase(folder)
        merge(target, kb, choice)
        target.compact()


def export_csv(kb: "KnowledgeBase", path: str | os.PathLike[str], choice: Choice) -> None:
    """See `KnowledgeBase.export_csv`."""
    if "://" in os.fspath(path):
        raise KnowledgeBaseError(f"CSV files are written to a local folder, but got {os.fspath(path)!r}.")
    with _new_folder(path) as name:
        folder = Path(name)
        folder.mkdir(exist_ok=True)
        counts = choice.runs(kb)
        datasets = choice.datasets(kb, counts)
        described = kb.meta_features()
        safe_cells(datasets.reset_index()).to_csv(folder / "datasets.csv", index=False)
        chosen = described[described.index.isin(datasets.index)]
        safe_cells(chosen.reset_index()).to_csv(folder / "meta_features.csv", index=False)
        for space in sorted(set(counts["space"])):
            _write_runs(kb, folder / f"runs_{space}.csv", space, choice, counts)
        used = {*datasets["source"], *counts["source"]}
        sources = [{**asdict(one), "counts": None} for one in kb.sources() if one.name in used]
        if sources:
            frame = pd.DataFrame(sources).drop(columns="counts")
            frame["citation"] = frame["citation"].map("\n".join)
            safe_cells(frame).to_csv(folder / "sources.csv", index=False)


def _write_runs(kb: "KnowledgeBase", file: Path, space: str, choice: Choice, counts: pd.DataFrame) -> None:
    columns = [*RUN_COLUMNS, *kb.hyperparameters(space)]
    with file.open("w", encoding="utf-8", newline="") as stream:
        safe_cells(pd.DataFrame(columns=columns)).to_csv(stream, index=False)
        for ids in groups_of(counts, space):
            frame = to_frame(kb._read(space, choice.selection(ids)))
            safe_cells(frame.reindex(columns=columns)).to_csv(stream, index=False, header=False)


@contextlib.contextmanager
def _new_folder(path: str | os.PathLike[str]) -> Iterator[str]:
    """Where to write: a local folder appears under its name when all is in it."""
    store = open_store(path)
    try:
        if store.files("") or store.folders(""):
            raise KnowledgeBaseError(
                f"{store.url} is not empty, and an export makes a new folder. Name another one; to add to a base that "
                "is there, use merge."
            )
        if "://" in store.url:
            yield store.url
            return
        final = Path(store.url)
        final.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.parent))
        try:
            yield str(made)
            made.chmod(0o755)  # mkdtemp keeps others out
            if final.exists():
                final.rmdir()
            made.rename(final)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise KnowledgeBaseError(f"{store.url} cannot be written: {error}. Name another folder.") from error
