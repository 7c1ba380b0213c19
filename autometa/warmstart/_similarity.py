"""How near datasets are to each other, judged by their meta-features."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.records import MetaFeatures

Floats = npt.NDArray[np.float64]


def dataset_distances(target: MetaFeatures, meta_features: pd.DataFrame) -> Floats:
    """Distance of every row of ``meta_features`` from the target: 0 = the same, 1 = opposite ends.

    The mean absolute difference (L1, as in auto-sklearn) of the qualities, each replaced by its quantile
    among the base's datasets. Qualities are heavy-tailed: the number of rows spans five decades, skewness
    more. Min-max scaling, auto-sklearn's choice, lets the one largest dataset press all others
    together; the quantile is the same with or without a logarithm and needs no list of which quality
    wants one.

    A quality that the target lacks, or that does not vary in the base, is left out. A dataset that lacks a
    quality is charged the mean difference of the others: leaving it out there would let a dataset of which
    little is known look near.

    Args:
        target: The new dataset.
        meta_features: One row per dataset, one numeric column per quality; anything not finite counts as
            missing.

    Returns:
        Shape (n_rows,). NaN where nothing can be compared.
    """
    shared = [name for name in meta_features.columns if np.isfinite(target.values.get(name, np.nan))]
    known = meta_features[shared].to_numpy(dtype=np.float64)
    known = np.where(np.isfinite(known), known, np.nan)
    wanted = np.array([target.values[name] for name in shared], dtype=np.float64)
    columns = [_quantile_gap(known[:, j], wanted[j]) for j in range(len(shared))]
    gaps = np.column_stack([gap for gap in columns if gap is not None] or [np.full(len(known), np.nan)])
    missing = np.isnan(gaps)
    with np.errstate(invalid="ignore"):
        usual = np.where(missing, 0.0, gaps).sum(axis=0) / (~missing).sum(axis=0)
    distances: Floats = np.where(missing, usual, gaps).mean(axis=1)
    distances[missing.all(axis=1)] = np.nan
    return distances


def _quantile_gap(values: Floats, wanted: float) -> Floats | None:
    """Share of the base between each value and the wanted one; None where the values do not vary."""
    ordered = np.sort(values[~np.isnan(values)])
    if not len(ordered) or ordered[0] == ordered[-1]:
        return None
    gaps: Floats = np.abs(_quantile(ordered, values) - _quantile(ordered, np.array([wanted])))
    gaps[np.isnan(values)] = np.nan
    return gaps


def _quantile(ordered: Floats, values: Floats) -> Floats:
    """Mid-rank of each value among the ordered ones, in [0, 1]; ties share the middle of their ranks."""
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    quantiles: Floats = (below + up_to) / (2 * len(ordered))
    return quantiles
