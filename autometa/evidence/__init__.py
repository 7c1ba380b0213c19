"""What the runs of other datasets say about a space, on one scale: the ground of warm starters and samplers."""

from autometa.evidence._curves import Curves, gather_curves
from autometa.evidence._gather import MAX_CONFIGS, OTHER_TASK_PENALTY, Adviser, Evidence, gather, judged_by

__all__ = ["MAX_CONFIGS", "OTHER_TASK_PENALTY", "Adviser", "Curves", "Evidence", "gather", "gather_curves", "judged_by"]
