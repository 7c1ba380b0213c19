"""The memory of autometa: datasets, what they look like, and how configurations did on them."""

from autometa.knowledge._columns import RUN_COLUMNS
from autometa.knowledge._info import KnowledgeBaseInfo, SourceInfo
from autometa.knowledge._knowledge_base import KnowledgeBase
from autometa.knowledge._manifest import SCHEMA_VERSION, Source

__all__ = ["RUN_COLUMNS", "SCHEMA_VERSION", "KnowledgeBase", "KnowledgeBaseInfo", "Source", "SourceInfo"]
