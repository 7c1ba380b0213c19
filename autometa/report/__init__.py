"""The page that a search leaves behind for people."""

from autometa.report._data import Baseline, ColumnImportance, ReportData

__all__ = ["Baseline", "ColumnImportance", "ReportData"]
