"""How near datasets are to each other, ready to be asked often."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from autometa.records import MetaFeatures

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A dataset near the target.

    ``distance`` is 0 for the same and 1 for opposite ends. ``gaps`` holds, nearest first, the share of the base's
    datasets that lie between the two in each quality that both have; ``distance`` is their mean, where all are there.
    """

    dataset_id: str
    distance: float
    gaps: Mapping[str, float]


class DatasetIndex:
    """Meta-features of many datasets, each quality replaced by its quantile among them.

    The distance is the mean absolute difference (L1, as in auto-sklearn) of the quantiles. Qualities are heavy-tailed:
    the number of rows spans five decades, skewness more. Min-max scaling, auto-sklearn's choice, lets the one largest
    dataset press all others together; the quantile is the same with or without a logarithm and needs no list of which
    quality wants one.

    A quality that the target lacks, or that does not vary, is left out. A dataset that lacks a quality is charged the
    mean difference of the others: leaving it out there would let a dataset of which little is known look near. Sorting
    the columns is most of the work and does not depend on the target, so it is done once.
    """

    def __init__(self, meta_features: pd.DataFrame) -> None:
        """``meta_features`` has one row per dataset and one numeric column per quality; not finite = missing."""
        self._ids = meta_features.index
        self._names = [str(name) for name in meta_features.columns]
        values = meta_features.to_numpy(dtype=np.float64)
        columns = [values[:, j][np.isfinite(values[:, j])] for j in range(values.shape[1])]
        self._ordered = [np.sort(column) for column in columns]
        self._quantiles = np.full(values.shape, np.nan)
        for j, ordered in enumerate(self._ordered):
            known = np.isfinite(values[:, j])
            self._quantiles[known, j] = _quantiles(ordered, values[known, j])

    def __len__(self) -> int:
        return len(self._ids)

    def distances(self, target: MetaFeatures) -> Floats:
        """Distance of every dataset from the target, shape (n_datasets,); NaN where nothing can be compared."""
        gaps = self._gaps(target)[1]
        if not gaps.shape[1]:
            return np.full(len(self), np.nan)
        missing = np.isnan(gaps)
        known = np.where(missing, 0.0, gaps)
        with np.errstate(invalid="ignore"):
            usual = known.sum(axis=0) / (~missing).sum(axis=0)
        distances: Floats = np.where(missing, usual, gaps).mean(axis=1)
        distances[missing.all(axis=1)] = np.nan
        return distances

    def nearest(self, target: MetaFeatures, n: int) -> list[Neighbour]:
        """The ``n`` nearest datasets, nearest first, equally near ones by id; without those that cannot be compared."""
        distances = self.distances(target)
        names, gaps = self._gaps(target)
        ids = self._ids.to_numpy(dtype=object)
        comparable = np.flatnonzero(~np.isnan(distances))
        order = comparable[np.lexsort((ids[comparable].astype(str), distances[comparable]))][: max(n, 0)]
        return [_neighbour(str(ids[row]), float(distances[row]), names, gaps[row]) for row in order]

    def _gaps(self, target: MetaFeatures) -> tuple[list[str], Floats]:
        """Names of the qualities that count, and the difference in each, shape (n_datasets, n_names)."""
        shared, wanted = [], []
        for j, (name, ordered) in enumerate(zip(self._names, self._ordered, strict=True)):
            value = target.values.get(name, np.nan)
            if np.isfinite(value) and len(ordered) and ordered[0] < ordered[-1]:
                shared.append(j)
                wanted.append(float(_quantiles_of(ordered, np.array([value]))[0]))
        return [self._names[j] for j in shared], np.abs(
            np.ascontiguousarray(self._quantiles[:, shared]) - np.array(wanted)
        )


def _neighbour(dataset_id: str, distance: float, names: list[str], gaps: Floats) -> Neighbour:
    order = [j for j in np.argsort(gaps, kind="stable") if not np.isnan(gaps[j])]
    return Neighbour(dataset_id, distance, {names[j]: float(gaps[j]) for j in order})


def _quantiles(ordered: Floats, values: Floats) -> Floats:
    """As `_quantiles_of`, quicker for values that are those which were ordered."""
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, dtype=np.int64)
    ends = np.r_[starts[1:], len(ordered)] if len(ordered) else starts
    order = np.argsort(values, kind="stable")
    quantiles = np.empty(len(values))
    quantiles[order] = np.repeat((starts + ends) / (2 * max(len(ordered), 1)), ends - starts)
    return quantiles


def _quantiles_of(ordered: Floats, values: Floats) -> Floats:
    """Mid-rank of each value among the ordered ones, in [0, 1]; ties share the middle of their ranks."""
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    quantiles: Floats = (below + up_to) / (2 * len(ordered))
    return quantiles
