"""Which rows are held out when: the folds that every trial of a search shares."""

import numpy as np
import numpy.typing as npt

from autometa.errors import OptionError, TableError
from autometa.records import TaskType

Folds = npt.NDArray[np.int64]


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
    shuffled = rng.permutation(len(y))
    # Rows of one class (or of neighbouring target ranks) lie together and are dealt out like cards: fold sizes
    # differ by at most one within each class and overall.
    order = shuffled[np.argsort(y[shuffled], kind="stable")]
    folds = np.empty(len(y), dtype=np.int64)
    if task == "regression":
        for start in range(0, len(y), n_folds):
            block = order[start : start + n_folds]
            folds[block] = rng.permutation(n_folds)[: len(block)]
    else:
        folds[order] = np.arange(len(y)) % n_folds
    return folds
