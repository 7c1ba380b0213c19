"""Outside sources of knowledge, turned into records of a knowledge base."""

from autometa.ingest._auto_sklearn import import_auto_sklearn
from autometa.ingest._report import ImportReport, Tally

__all__ = ["ImportReport", "Tally", "import_auto_sklearn"]
