"""Which rows are held out when: the folds that every trial of a search shares."""

import numpy as np
import numpy.typing as npt

from autometa.errors import OptionError, TableError
from autometa.records import TaskType

Folds = npt.NDArray[np.int64]
RARE_ROWS = 50


def make_folds(y: npt.NDArray[np.float64] | npt.NDArray[np.int64], task: TaskType, *, n_folds: int, seed: int) -> Folds:
    """Assign each row to the fold in which it is held out.

    Classification folds are stratified by class. Regression folds are stratified by rank, so that each fold
    sees the whole range of a skewed target.

    Args:
        y: Target of shape (n_rows,): class codes or numbers.
        task: Decides the stratification.
        n_folds: At least 2.
        seed: Shuffles the rows.

    Returns:
        Fold numbers 0 .. n_folds-1 of shape (n_rows,).

    Raises:
        OptionError: ``n_folds`` is below 2.
        TableError: There are fewer rows than folds.
    """
    if n_folds < 2:
        raise OptionError(f"Cross-validation needs at least 2 folds, got {n_folds}. Use 5 unless rows are few.")
    if len(y) < n_folds:
        raise TableError(f"{n_folds} folds need at least {n_folds} rows, got {len(y)}. Use fewer folds.")
    rng = np.random.default_rng(seed)
    # Rows of one class (or of neighbouring target ranks) lie together and are dealt out like cards: fold sizes
    # differ by at most one within each class and overall.
    order = _by_target(y, rng)
    folds = np.empty(len(y), dtype=np.int64)
    if task == "regression":
        for start in range(0, len(y), n_folds):
            block = order[start : start + n_folds]
            folds[block] = rng.permutation(n_folds)[: len(block)]
    else:
        folds[order] = np.arange(len(y)) % n_folds
    return folds


def sample_rows(
    y: npt.NDArray[np.float64] | npt.NDArray[np.int64], task: TaskType, *, keep: int, seed: int
) -> npt.NDArray[np.int64]:
    """Choose ``keep`` rows that look like all of them: stratified as the folds are.

    Of each class `RARE_ROWS` rows stay where there are that many, also if that makes a rare class less rare: a class
    that is not there cannot be learned.

    Returns:
        Row numbers in ascending order; all of them if there are no more than ``keep``.
    """
    if len(y) <= keep:
        return np.arange(len(y))
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(y), dtype=bool)
    chosen[_by_target(y, rng)[np.arange(keep) * len(y) // keep]] = True  # evenly spaced along the sorted target
    if task != "regression":
        for code in np.unique(y):
            missing = RARE_ROWS - np.count_nonzero(chosen[y == code])
            if missing > 0:
                chosen[rng.permutation(np.flatnonzero((y == code) & ~chosen))[:missing]] = True
    return np.flatnonzero(chosen)


def _by_target(y: npt.NDArray[np.float64] | npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Row numbers sorted by the target, equal ones in random order."""
    shuffled = rng.permutation(len(y))
    return shuffled[np.argsort(y[shuffled], kind="stable")]
