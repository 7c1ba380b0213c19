"""What a dataset looks like, in numbers that compare across datasets.

`compute` describes a dataset, `describe` explains the numbers, `FEATURES` holds their definitions and
`AUTO_SKLEARN` names those that auto-sklearn published for the datasets of the shipped knowledge base.

One private file per group (`_simple`, `_statistical`, `_information`, `_landmarking`) lists its features
in a table; a new group is a new file whose table is added in `_compute` and whose name in `_base.GROUPS`.
"""

from autometa.metafeatures._base import GROUPS, Context, Feature, Group, evaluate, shared
from autometa.metafeatures._compute import AUTO_SKLEARN, FEATURES, compute, describe

__all__ = [
    "AUTO_SKLEARN",
    "FEATURES",
    "GROUPS",
    "Context",
    "Feature",
    "Group",
    "compute",
    "describe",
    "evaluate",
    "shared",
]
