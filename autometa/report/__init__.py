"""The page that a search leaves behind for people."""

from autometa.report._data import Baseline, ColumnImportance, ReportData
from autometa.report._page import render, write_report

__all__ = ["Baseline", "ColumnImportance", "ReportData", "render", "write_report"]
