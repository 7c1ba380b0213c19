"""The memory of autometa: datasets, what they look like, and how configurations did on them."""

from autometa.knowledge._columns import RUN_COLUMNS
from autometa.knowledge._finding import Finding
from autometa.knowledge._info import KnowledgeBaseInfo, SourceInfo
from autometa.knowledge._knowledge_base import KnowledgeBase
from autometa.knowledge._manifest import SCHEMA_VERSION, Source
from autometa.knowledge._merge import MergeReport
from autometa.knowledge._nearest import DatasetIndex, Neighbour
from autometa.knowledge._overview import (
    BestRun,
    DatasetReport,
    RunSummary,
    find_dataset,
    list_datasets,
    report_dataset,
)
from autometa.knowledge._removal import RemovalReport
from autometa.knowledge._study_runs import StudyReport

__all__ = [
    "RUN_COLUMNS",
    "SCHEMA_VERSION",
    "BestRun",
    "DatasetIndex",
    "DatasetReport",
    "Finding",
    "KnowledgeBase",
    "KnowledgeBaseInfo",
    "MergeReport",
    "Neighbour",
    "RemovalReport",
    "RunSummary",
    "Source",
    "SourceInfo",
    "StudyReport",
    "find_dataset",
    "list_datasets",
    "report_dataset",
]
