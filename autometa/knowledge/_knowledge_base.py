"""The knowledge base: what is known of other datasets."""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from autometa import config
from autometa.errors import KnowledgeBaseError
from autometa.knowledge._columns import RUN_COLUMNS, to_frame, unify
from autometa.knowledge._counts import count_runs, describe, hyperparameters_in
from autometa.knowledge._identity import family, is_described, is_known, lookalikes, named
from autometa.knowledge._info import KnowledgeBaseInfo
from autometa.knowledge._keys import contained, row_keys
from autometa.knowledge._layer import KEYED, Layer
from autometa.knowledge._manifest import Source
from autometa.knowledge._nearest import DatasetIndex, Neighbour
from autometa.knowledge._runs import encode_runs
from autometa.knowledge._selection import Selection
from autometa.knowledge._store import open_store
from autometa.knowledge._upkeep import Upkeep
from autometa.records import DatasetRecord, Direction, MetaFeatures, TaskType

if TYPE_CHECKING:
    from autometa.datasets import Dataset

_IDS_AT_ONCE = 500


class KnowledgeBase(Upkeep):
    """Datasets, what they look like, and how configurations did on them.

    A base is a directory, local or any fsspec URL, that pandas, DuckDB or Spark can read without autometa::

        manifest.json                         schema version; sources with licence, citation, counts; checksums
        datasets.parquet                      dataset_id, name, openml_id, task, content_hash, source
        datasets/part-<uuid>.parquet          datasets added since
        meta_features.parquet                 dataset_id, one column per OpenML quality
        meta_features/part-<uuid>.parquet     meta-features added since
        runs/<space>/part-<uuid>.parquet      one row per run, one typed, nullable column per hyperparameter
        runs/<space>/_rewriting.json          which parts a compaction replaces; there after the first one
        licenses/                             texts of the sources' licences

    Adding writes a new part under a temporary name and renames it into place, so any number of processes
    add and read at the same time without a lock, and one that is killed leaves nothing behind that a reader
    sees. Parts never change. Of rows with the same dataset id the newest counts, in datasets and in
    meta-features; names of parts sort by time. The manifest is written when the base begins and when a
    source is recorded. `compact` gathers parts into few, sorted files.

    A hyperparameter is stored in the type that its shipped space gives it, otherwise in the narrowest that
    holds its values; one whose values are of mixed types is stored as JSON text, marked so in the column's
    metadata, and read back as it was. Null means inactive, or the choice None.

    Runs carry ``source``, the name of an entry of the manifest, and ``projected``: the value was measured
    with a configuration that lies just outside the space, of which the nearest point inside is stored. Bases of
    schema version 1 have no ``spread`` and ``repeats``; they are read as null, and the first thing added makes the
    base one of version 2, which older versions of autometa refuse.

    Opening reads the manifest only.

    Example:
        >>> import tempfile, pandas as pd
        >>> kb = KnowledgeBase(tempfile.mkdtemp())
        >>> kb.add_runs("mine", "demo", pd.DataFrame({"depth": [3], "value": [0.9]}),
        ...             metric="roc_auc", direction="maximize")
        1
        >>> kb.runs("demo")[["dataset_id", "metric", "value", "depth"]].to_dict("records")
        [{'dataset_id': 'mine', 'metric': 'roc_auc', 'value': 0.9, 'depth': 3}]
        >>> len(kb.without("mine").runs("demo"))
        0
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        """Open the base at ``path``; one that is missing or empty begins with the first thing added.

        Raises:
            KnowledgeBaseError: The manifest is damaged, missing beside other files, or newer than this
                autometa reads; or there is nothing at ``path`` and ``read_only`` is set.
        """
        self._layers: tuple[tuple[Layer, frozenset[str]], ...] = (
            (Layer(open_store(path), read_only=read_only), frozenset()),
        )
        self._indexed: tuple[object, DatasetIndex] | None = None

    @classmethod
    def layered(cls, bases: Sequence["KnowledgeBase"]) -> "KnowledgeBase":
        """Several bases read as one; what is added goes to the last.

        Of a dataset that several hold, the last one's row counts, and the runs of all.
        """
        if not bases:
            raise KnowledgeBaseError("A layered knowledge base needs at least one base, but got none.")
        return cls._of(tuple(layer for base in bases for layer in base._layers))

    @classmethod
    def open_default(cls, *, overlay: bool = True) -> "KnowledgeBase":
        """The base that ships with autometa, and over it the user's own, which takes what is added.

        The overlay lies in ``kb`` of the user's data folder (`autometa.config.home`) and is made when
        something is first added. ``overlay=False`` gives the shipped base alone, read-only.
        """
        shipped = cls(config.shipped("meta_db"), read_only=True)
        return cls.layered([shipped, cls(config.home() / "kb")]) if overlay else shipped

    @classmethod
    def _of(cls, layers: tuple[tuple[Layer, frozenset[str]], ...]) -> "KnowledgeBase":
        base = cls.__new__(cls)
        base._layers = layers
        base._indexed = None
        return base

    def __repr__(self) -> str:
        urls = ", ".join(repr(layer.url) for layer, _ in self._layers)
        return f"{type(self).__name__}({urls})"

    def without(self, *dataset_ids: str) -> "KnowledgeBase":
        """The same base as if these datasets were not in it: leave-one-dataset-out in one call.

        A view, not a copy: it follows what is added later, and what is added to it goes to the base.
        Ids that the base does not have are fine.
        """
        hidden = frozenset(dataset_ids)
        return self._of(tuple((layer, mine | hidden) for layer, mine in self._layers))

    def datasets(self) -> pd.DataFrame:
        """All datasets: index ``dataset_id``; ``name, openml_id, task, content_hash, source``."""
        return self._stack([(layer.datasets(), hidden) for layer, hidden in self._layers])

    def meta_features(self) -> pd.DataFrame:
        """One row per described dataset: index ``dataset_id``, one float column per OpenML quality; NaN unknown."""
        return self._stack([(layer.meta_features(), hidden) for layer, hidden in self._layers])

    def spaces(self) -> list[str]:
        """Names of the spaces that have runs, in alphabetical order."""
        return sorted({name for layer, _ in self._layers for name in layer.spaces()})

    def runs(
        self,
        space: str,
        *,
        dataset_ids: Iterable[str] | None = None,
        metrics: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """Runs of a space, one row each.

        Row groups of which the filters exclude every dataset are not read from disk. The order is that in which runs
        were added, until a compaction sorts them by dataset and metric.

        Args:
            space: Name of the search space.
            dataset_ids: Only runs on these datasets; None takes all.
            metrics: Only runs of these metrics; None takes all.

        Returns:
            The columns `RUN_COLUMNS` (dataset_id, metric, direction, value, spread, repeats, fidelity, duration,
            status, source, created, projected), then one per hyperparameter, in alphabetical order.

        Raises:
            KnowledgeBaseError: A part is damaged; the message names it.
        """
        return to_frame(self.run_table(space, dataset_ids=dataset_ids, metrics=metrics))

    def run_table(
        self,
        space: str,
        *,
        dataset_ids: Iterable[str] | None = None,
        metrics: Iterable[str] | None = None,
        sources: Iterable[str] | None = None,
    ) -> pa.Table:
        """Runs of a space as an Arrow table: as `runs`, for whoever wants arrays and not pandas.

        A hyperparameter of mixed types is JSON text here, marked by ``encoding: json`` in its field's metadata.
        """
        table = self._read(space, Selection.of(dataset_ids, metrics=metrics, sources=sources))
        return table.select([*RUN_COLUMNS, *hyperparameters_in(table.column_names)])

    def hyperparameters(self, space: str) -> list[str]:
        """Names of the hyperparameters that runs of a space have, in alphabetical order."""
        return sorted({name for layer, _ in self._layers for name in layer.runs_of(space).hyperparameters()})

    def same_dataset(
        self, *, content_hash: str | None = None, openml_id: int | None = None, name: str | None = None
    ) -> list[str]:
        """Ids of the datasets that are this one, by any of the three.

        Names are compared without regard to case, and ``-``, ``_`` and space are the same. A name such as
        ``openml:31`` counts as that OpenML id, a dataset id as itself. See `twins` for tables that came
        under another name.
        """
        return named(self.datasets(), content_hash, openml_id, name)

    def twins(self, meta_features: MetaFeatures) -> list[str]:
        """Ids of the datasets whose description says that they are the same table under another name.

        A description may have been made of the whole table or of the 67 % of its rows that auto-sklearn
        trained on. Called a twin is one with the same numbers of features, numeric and categorical, and of
        classes; a number of rows that is equal, or 67 % of the other, but for one in 500; shares of the
        smallest and largest class within four standard errors of such a draw; missing values alike; and,
        where all columns are numeric, mean skewness and kurtosis that agree within 15 %. A target that lacks
        the counts has no twins. Siblings from one generator, which differ in little but the target, may pass.
        """
        return lookalikes(meta_features, self.meta_features())

    def copies(self, dataset: "Dataset", meta_features: MetaFeatures) -> list[str]:
        """Ids under which a table may lie in the base: those of `same_dataset`, and its `twins`.

        What is tried on the table is no advice for it: hide these with `without` before it is advised.
        """
        same = self.same_dataset(content_hash=dataset.content_hash, openml_id=dataset.openml_id, name=dataset.name)
        return list(dict.fromkeys([*same, *self.twins(meta_features)]))

    def family(self, name: str) -> list[str]:
        """Ids of the datasets that a person names, and of all that may be the same tables under other ids.

        Args:
            name: An id, the last part of one, an OpenML id such as ``openml:31``, or a name.

        Raises:
            UnknownNameError: There is no such dataset.
        """
        return family(name, self.datasets(), self.meta_features())

    def nearest(
        self, target: MetaFeatures, n: int = 10, *, tasks: Collection[TaskType] | None = None
    ) -> list[Neighbour]:
        """The datasets that look most like the target, nearest first, and in which qualities.

        Quick to ask again: the columns of meta-features are sorted once, until some are added.

        Args:
            target: A described table, which need not be in the base.
            n: How many.
            tasks: Only datasets of these task types; None takes all. Quantiles are taken among them.
        """
        return self._index(tasks).nearest(target, n)

    def count_runs(self) -> pd.DataFrame:
        """How many runs there are: one row per ``space, dataset_id, metric, direction, source, status, projected``.

        The number is in ``n``. Needs memory for the counts, not for the runs.
        """
        return count_runs(self._layers)

    def add_dataset(self, record: DatasetRecord, meta_features: MetaFeatures | None = None) -> None:
        """Add a dataset, or replace what is known of it.

        Nothing is written where the base says the same already. The meta-features are stored under
        ``record.dataset_id``.
        """
        self.add_datasets([record], {} if meta_features is None else {record.dataset_id: meta_features})

    def add_datasets(
        self, records: Sequence[DatasetRecord], meta_features: Mapping[str, MetaFeatures] | None = None
    ) -> int:
        """Add many datasets at once; ``meta_features`` by dataset id. Returns how many were new or changed."""
        known, described = self._whole().datasets(), self._whole().meta_features()
        new = [record for record in records if not is_known(record, known)]
        descriptions = [MetaFeatures(key, one.values) for key, one in (meta_features or {}).items()]
        changed = [one for one in descriptions if not is_described(one, described)]
        self._writable.add_datasets(new)
        self._writable.add_meta_features(changed)
        return len({record.dataset_id for record in new} | {one.dataset_id for one in changed})

    def add_runs(
        self,
        dataset_id: str,
        space: str,
        frame: pd.DataFrame,
        *,
        metric: str,
        direction: Direction,
        source: str = "user",
    ) -> int:
        """Add the runs of one dataset and metric.

        Args:
            dataset_id: Need not be among `datasets`.
            space: Name of the search space.
            frame: One row per run: ``value`` in the metric's natural unit, one column per hyperparameter
                (NaN or None = inactive), and optionally ``spread`` (standard deviation of the value over repeats
                or splits, in its unit), ``repeats`` (how many values it is the mean of), ``duration`` in seconds,
                ``fidelity``, ``status``, ``created`` and ``projected``. A value may be NaN only where the status is
                not complete.
            metric: Name of the metric, as in `autometa.metrics`.
            direction: Which way is better.
            source: Where the runs come from.

        Returns:
            How many rows were added.

        Raises:
            KnowledgeBaseError: A rule is broken, or the base cannot be written.
        """
        clash = {"dataset_id", "metric", "direction", "source"} & set(frame.columns)
        if clash:
            raise KnowledgeBaseError(
                f"Column {sorted(clash)[0]!r} is given once for all runs, as an argument. Drop the column, or "
                "use add_run_table, which takes it from the table."
            )
        given = {"dataset_id": dataset_id, "metric": metric, "direction": direction, "source": source}
        return self.add_run_table(space, frame.assign(**given))

    def add_run_table(self, space: str, frame: pd.DataFrame, *, only_new: bool = False) -> int:
        """Add runs of many datasets and metrics as one part.

        Args:
            space: Name of the search space.
            frame: As for `add_runs`, with the columns ``dataset_id``, ``metric`` and ``direction`` too.
            only_new: Leave out runs that the base has already: same dataset, metric, value, fidelity, status
                and configuration. This makes imports repeatable.

        Returns:
            How many rows were added.
        """
        runs = encode_runs(frame, space)
        if only_new and runs.num_rows:
            ids = sorted(runs.column("dataset_id").unique().to_pylist())
            groups = [ids[start : start + _IDS_AT_ONCE] for start in range(0, len(ids), _IDS_AT_ONCE)]
            known = [row_keys(self._whole()._read(space, Selection.of(group))) for group in groups]
            runs = runs.filter(pa.array(~contained(row_keys(runs), known)))
        self._writable.add_runs(space, runs)
        return int(runs.num_rows)

    def sources(self) -> list[Source]:
        """The sources that are recorded; of entries of the same name the last layer's."""
        manifests = (layer.manifest() for layer, _ in self._layers)
        return list({one.name: one for manifest in manifests if manifest for one in manifest.sources}.values())

    def add_source(self, source: Source, *, licence_text: str = "") -> None:
        """Record where content comes from; an entry of the same name is replaced.

        Where the file system has no locks, one at a time: of two that record a source at the same moment one entry
        may be lost, though never a row of data.
        """
        self._writable.add_source(source, licence_text)

    def info(self) -> KnowledgeBaseInfo:
        """What the base holds, counted by source. Reads the columns that are counted by, a block at a time."""
        return describe(self._layers, self.datasets(), self.meta_features())

    def version(self, space: str) -> str:
        """A text that changes whenever what the base shows of a space, its datasets or meta-features may have changed.

        For caches of what was learned from the base. It reads the names of files only, which never change.
        """
        states = [(layer.url, sorted(hidden), layer.runs_of(space).parts()) for layer, hidden in self._layers]
        keyed = [[str(layer.state_of(name)) for name in KEYED] for layer, _ in self._layers]
        return json.dumps([states, keyed])

    def _index(self, tasks: Collection[TaskType] | None) -> DatasetIndex:
        states = [(layer.state_of(name), hidden) for layer, hidden in self._layers for name in KEYED]
        state = (states, None if tasks is None else sorted(tasks))
        if self._indexed is None or self._indexed[0] != state:
            described = self.meta_features()
            if tasks is not None:
                known = self.datasets()["task"].isin(list(tasks))
                described = described[described.index.isin(known.index[known])]
            self._indexed = (state, DatasetIndex(described))
        return self._indexed[1]

    def _read(self, space: str, selection: Selection) -> pa.Table:
        return unify([layer.runs_of(space).read(selection.without(hidden)) for layer, hidden in self._layers])

    @property
    def _writable(self) -> Layer:
        return self._layers[-1][0]

    def _whole(self) -> "KnowledgeBase":
        """The base with nothing hidden: what is hidden must not be added twice."""
        return self._of(tuple((layer, frozenset()) for layer, _ in self._layers))

    @staticmethod
    def _stack(frames: Sequence[tuple[pd.DataFrame, frozenset[str]]]) -> pd.DataFrame:
        shown = [frame[~frame.index.isin(hidden)] if hidden else frame for frame, hidden in frames]
        if len(shown) == 1:
            return shown[0]
        full = [frame for frame in shown if len(frame)] or shown[:1]
        stacked = pd.concat(full)
        return stacked[~stacked.index.duplicated(keep="last")]
