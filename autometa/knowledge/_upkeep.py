"""The side of a knowledge base that takes in what others hold, and keeps it in order."""

import os
from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from autometa.knowledge._export import export, export_csv
from autometa.knowledge._finding import Finding
from autometa.knowledge._merge import Choice, MergeReport, merge
from autometa.knowledge._removal import RemovalReport, remove
from autometa.knowledge._studies import add_study
from autometa.knowledge._study_runs import SOURCE, StudyReport
from autometa.knowledge._verify import repair, verify
from autometa.records import MetaFeatures
from autometa.spaces import SearchSpace

if TYPE_CHECKING:
    import optuna

    from autometa.datasets import Dataset
    from autometa.knowledge._knowledge_base import KnowledgeBase


class Upkeep:
    """Merging, studies, exporting, removing, checking and compacting: methods of `KnowledgeBase`."""

    def merge(self, other: "KnowledgeBase") -> MergeReport:
        """Add what another base shows and this one lacks: datasets, meta-features, runs and sources.

        Merging twice changes nothing, and two bases come to the same in either order, apart from when, from where and
        how long runs were measured that both have. A run that one base has more often than the other stays as often.
        Of a dataset of which they say different things, the row that says more stands (see the report); rows that do
        not disagree complete each other. A source's later import counts. Interrupted, it can be called again.

        Raises:
            KnowledgeBaseError: One of the two cannot be read, or this one not written.
        """
        return merge(self._base()._whole(), other)

    def add_study(
        self,
        study: "optuna.Study",
        dataset: "Dataset",
        *,
        space: str | SearchSpace | None = None,
        metric: str | None = None,
        objective: int | None = None,
        source: str = SOURCE,
        meta_features: MetaFeatures | None = None,
    ) -> StudyReport:
        """Add the finished trials of an Optuna study, and what its dataset looks like; never a row of the dataset.

        Use it for searches that other code has made: any storage, any sampler, any search space. Adding a study again
        adds only what is new in it. What becomes of its trials:

        - Complete ones are runs. Trials that are running or waiting, without parameters, or with a value that is not
          finite are skipped and counted.
        - A pruned one is a run of lower fidelity, with the last value that it reported, where the steps tell how much
          of an evaluation that was: all complete trials reported at the same steps, which begin above 0 (the share is
          the step's of the last one) or at 0 with equal distances. Otherwise it is skipped.
        - What trials reported on their way are runs of lower fidelity too, up to ten of a trial, where the steps tell:
          learning curves, by which `autometa.pruners.TransferPruner` stops trials of other studies.
        - A failed one is skipped: Optuna does not record whether the configuration or an interruption was to blame. At
          trials of autometa's own searches it is recorded, and they are runs with that status and without a value.

        Durations are those of the trials, of autometa's own the time in fits. A hyperparameter that a trial lacks is
        null, that is, inactive. In a space of your own, numbers keep the type of their distribution; a choice that is a
        list, tuple or dict becomes JSON text; and a hyperparameter whose name is a column of every run, such as
        ``metric``, is stored as ``param.metric``.

        Args:
            study: The study; it is only read.
            dataset: The table that all its trials were measured on.
            space: A shipped space's name, a `SearchSpace` or its file: configurations are checked, and moved into it
                where they lie outside (``projected``). Any other name: they are stored as they are. None: ``tabular``
                for a search of autometa's own, else the study's name, made safe.
            metric: What the values are: a name of `autometa.metrics`, such as ``log_loss`` or ``neg_log_loss``, whose
                direction must be the study's; or a name of your own. None takes the study's ``metric_names``.
            objective: Which value of a multi-objective study, from 0.
            source: What the base says where the runs come from.
            meta_features: Of the dataset, where they are known; else they are computed if the base lacks them.

        Raises:
            OptionError: The metric, objective or space is missing or does not fit; nothing is added.
            KnowledgeBaseError: The base cannot be written.
        """
        return add_study(
            self._base()._whole(),
            study,
            dataset,
            space=space,
            metric=metric,
            objective=objective,
            source=source,
            meta_features=meta_features,
        )

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        dataset_ids: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        spaces: Collection[str] | None = None,
        csv: bool = False,
    ) -> None:
        """Write a part of the base as a new base, with the sources' licences; or, with ``csv``, as CSV files.

        None takes all. A dataset of another source comes along where chosen runs were made on it, and where spaces are
        chosen, only datasets that have runs there. A local folder appears when all is in it. CSV has one file each for
        datasets, meta-features, sources and the runs of each space; text that a spreadsheet would run as a formula
        gets an apostrophe.

        Raises:
            UnknownNameError: The base has no such dataset, source or space.
            KnowledgeBaseError: There is something at ``path`` already, or it cannot be written.
        """
        choice = Choice.checked(self._base(), dataset_ids, sources, spaces)
        (export_csv if csv else export)(self._base(), path, choice)

    def remove(self, *, sources: Collection[str] = (), dataset_ids: Collection[str] = ()) -> RemovalReport:
        """Remove rows: all that come from these sources, and all of these datasets.

        The parts that hold such rows are replaced as in `compact`, so others may read and add meanwhile. A dataset of a
        removed source on which other sources have runs stays, and so does the source's entry then; the report says so.
        Of a layered base only the layer that takes what is added. Interrupted, it can be called again.

        Raises:
            UnknownNameError: There is no such source or dataset.
            KnowledgeBaseError: The base is read-only, or they lie in a layer that is.
        """
        return remove(self._base(), sources=sources, dataset_ids=dataset_ids)

    def verify(self) -> tuple[Finding, ...]:
        """What is wrong with the base, and how to mend it; empty where all is well.

        Checked are every file against its checksum, whether it can be read, and what was left behind by killed
        writers; values, fidelities, durations, spreads and meta-features against their ranges; directions of known
        metrics; runs that say the same twice; runs and meta-features of unknown datasets; rows of sources that are not
        recorded; and configurations against the spaces that autometa ships. Of a layered base every layer, with the
        datasets and sources of all.
        """
        return verify([layer for layer, _ in self._base()._layers])

    def repair(self) -> None:
        """Mend what `verify` finds and can be mended without loss, in the layer that takes what is added.

        Finishes an interrupted compaction, compacts, deletes files that killed writers left more than an hour ago, and
        keeps one of runs that say the same twice.
        """
        repair(self._base()._writable)

    def compact(self) -> None:
        """Gather parts into few files, sorted so that queries for some datasets are quick, and seal all with checksums.

        Datasets and meta-features come to one file each. Parts of runs are gathered per space, into files of up to some
        500,000 rows, sorted by dataset in small row groups; large files that are sorted already stay until small ones
        make a quarter of the space. Within a dataset and metric runs stay in the order in which they were added.

        Others may read and add meanwhile, and see every row exactly once. A compaction that is killed leaves a base
        that reads right, and the next one cleans up. Of processes that compact at the same time one waits for the
        other; where the file system has no locks, see to it that only one does.
        """
        self._base()._writable.compact()

    def n_files(self) -> int:
        """How many Parquet files the base consists of."""
        return sum(len(layer.data_files()) for layer, _ in self._base()._layers)

    @property
    def paths(self) -> tuple[str, ...]:
        """The folders that it is read from; what is added goes to the last."""
        return tuple(layer.url for layer, _ in self._base()._layers)

    def _base(self) -> "KnowledgeBase":
        return cast("KnowledgeBase", self)
