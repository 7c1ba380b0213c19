"""Measuring a search space on many tables, to fill a knowledge base."""

from autometa.measure._build import Progress, build, read_entry
from autometa.measure._plan import Entry, Limits, Plan, load_plan

__all__ = ["Entry", "Limits", "Plan", "Progress", "build", "load_plan", "read_entry"]
