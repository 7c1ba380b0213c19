"""Sample weights: what they must be, and what they mean."""

from typing import Any

import numpy as np
import numpy.typing as npt

from autometa.errors import OptionError

Floats = npt.NDArray[np.float64]


def weighted_rows(X: Any, y: npt.NDArray[Any], sample_weight: npt.ArrayLike | None) -> tuple[Any, Any, Floats | None]:
    """The rows that count, their targets, and their weights, which average 1.

    Weights are relative: only their ratios matter, so that a penalty or the least size of a leaf means the same
    whatever their unit. Rows of weight 0 are left out, and weights that are all the same are none at all.

    Args:
        X: (n, d) array or sparse matrix.
        y: (n,) targets.
        sample_weight: n numbers, none negative and some positive; None weighs all rows alike.

    Raises:
        OptionError: The weights are not n such numbers.
    """
    if sample_weight is None:
        return X, y, None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != y.shape[:1]:
        raise OptionError(f"sample_weight must hold a number per row, shape ({len(y)},), but got {weights.shape}.")
    bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(bad):
        raise OptionError(
            f"sample_weight must be finite numbers of 0 or more, but row {bad[0]} has {weights[bad[0]]}. Use 0 for a "
            "row that must not count."
        )
    if not weights.any():
        raise OptionError(
            "sample_weight must be above 0 for some row, but is zero for all. Leave it out to weigh all alike."
        )
    weights = weights / weights.max()
    counts = weights > 0
    if not counts.all():
        X, y, weights = X[counts], y[counts], weights[counts]
    return X, y, None if np.ptp(weights) == 0 else weights / weights.mean()


def require_two_classes(y: npt.NDArray[Any], sample_weight: npt.ArrayLike | None) -> None:
    """Refuse weights that leave a classifier a single class; ``y`` are the targets of the rows that count.

    Raises:
        OptionError: They do.
    """
    if sample_weight is not None and len(np.unique(y)) < 2:
        raise OptionError("sample_weight must be above 0 for rows of two classes at least, but only one has such rows.")
