"""How long a candidate is expected to take, as a power law of the table's size."""

import math
from dataclasses import dataclass

_ROWS, _COLUMNS, _CLASSES = 1000, 10, 2


@dataclass(frozen=True, slots=True)
class FitCost:
    """Expected seconds of one fit of a typical configuration, on one thread of a current processor.

    ``(start + scale * (n_rows / 1000) ** rows) * (n_columns / 10) ** columns * (n_classes / 2) ** classes``,
    where a regression counts as two classes. A fit comes with the preparation of the table and with the
    prediction of a quarter as many rows, as in five-fold cross-validation: neighbours cost nothing before.

    ``benchmarks/fit_cost.py`` measures what the candidates take and prints the numbers that suit them.

    Args:
        start: Seconds that a fit of 10 columns and 2 classes takes however few the rows.
        scale: Seconds on top for 1,000 rows.
        rows: Power of the rows; 1 is proportional, and more is felt on large tables.
        columns: Power of the columns.
        classes: Power of the classes.
    """

    start: float
    scale: float
    rows: float
    columns: float
    classes: float = 0.0

    def seconds(self, n_rows: int, n_columns: int, n_classes: int = 0) -> float:
        """Expected seconds for a table; ``n_classes`` is 0 for a regression."""
        seconds = self.start + self.scale * math.pow(n_rows / _ROWS, self.rows)
        seconds *= math.pow(n_columns / _COLUMNS, self.columns)
        return seconds * math.pow(max(n_classes, _CLASSES) / _CLASSES, self.classes)


BY_EFFORT: dict[int, FitCost] = {
    1: FitCost(start=0.05, scale=0.1, rows=1.0, columns=0.7, classes=0.7),
    2: FitCost(start=0.1, scale=0.5, rows=1.0, columns=0.7, classes=0.7),
    3: FitCost(start=0.2, scale=2.0, rows=1.1, columns=0.7, classes=0.7),
}
"""What a candidate that names no cost of its own is expected to take, by `Candidate.effort`."""
