"""Gathering the parts of a space's runs: which ones, and into what."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from autometa.knowledge._columns import RUN_COLUMNS
from autometa.knowledge._files import Footer
from autometa.knowledge._parts import RunFolder, rows_by_dataset
from autometa.knowledge._rewriting import Seal, exchange
from autometa.knowledge._selection import Selection, in_groups

FILE_ROWS = 1 << 19
"""Rows in a gathered file, at most."""

_LARGE = FILE_ROWS // 4
_SHARE_WORTH_ALL = 4
_LAYERS = 4


def compact_runs(folder: RunFolder, seal: Seal) -> None:
    """Gather a space's parts into files sorted by dataset; see `choose`."""
    footers = folder.footers(folder.parts())
    chosen = choose(footers)
    if chosen:
        rows = rows_by_dataset(folder, chosen)
        groups = [(ids, sum(rows[one] for one in ids)) for ids in in_groups(rows, FILE_ROWS)]
        files = sum(-(-count // FILE_ROWS) for _, count in groups)
        tables = _gathered(folder, chosen, [ids for ids, _ in groups])
        n_rows = sum(footers[part].n_rows for part in chosen)
        exchange(folder.store, folder.path, chosen, tables, at_most=files, seal=seal, n_rows=n_rows)


def choose(footers: Mapping[str, Footer]) -> list[str]:
    """The parts to gather; none where nothing is gained.

    Large sorted files stay as they are while small ones are gathered, so that a compaction costs what was added since
    the last one. Everything is gathered anew once the small ones make a quarter of it, or once large files overlap so
    much that a query for one dataset has to look into more than four.
    """
    large = [part for part, one in footers.items() if one.is_sorted and _LARGE <= one.n_rows <= FILE_ROWS]
    small = [part for part in footers if part not in large]
    if len(small) == 1 and footers[small[0]].is_sorted and footers[small[0]].n_rows <= FILE_ROWS:
        small = []
    rows = {True: 0, False: 0}
    for part, one in footers.items():
        rows[part in small] += one.n_rows
    if _depth([footers[part] for part in large]) > _LAYERS or (small and _SHARE_WORTH_ALL * rows[True] >= rows[False]):
        return list(footers)
    return small


def _depth(files: Sequence[Footer]) -> int:
    """How many of the files can hold the same dataset, at most."""
    ends: list[str] = []
    deepest = 0
    for first, last in sorted((one.groups[0].first or "", one.groups[-1].last or "") for one in files):
        ends = [*(end for end in ends if end > first), last]
        deepest = max(deepest, len(ends))
    return deepest


def _gathered(folder: RunFolder, parts: Sequence[str], groups: Sequence[Sequence[str]]) -> Iterator[pa.Table]:
    for ids in groups:
        table = ordered(folder.read_parts(parts, Selection.of(ids)))
        for start in range(0, table.num_rows, FILE_ROWS):
            yield table.slice(start, FILE_ROWS)


def ordered(table: pa.Table) -> pa.Table:
    """Runs as parts hold them: by dataset, then metric, then as they were; without columns that say nothing."""
    order = np.lexsort([_ranks(table.column(name)) for name in ("metric", "dataset_id")])
    kept = [name for name in table.column_names if name in RUN_COLUMNS or table.column(name).null_count < len(table)]
    return table.select(kept).combine_chunks().take(pa.array(order))


def _ranks(values: pa.ChunkedArray) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    distinct = pc.unique(values)
    ordered = distinct.take(pc.sort_indices(distinct))
    ranks: np.ndarray[tuple[int], np.dtype[np.int64]] = pc.index_in(values, ordered).to_numpy().astype(np.int64)
    return ranks
