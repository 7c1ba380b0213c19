"""The shape of the columns: means, spreads, skewness and kurtosis.

Two definitions live side by side. auto-sklearn encodes first: numeric columns have their missing values
replaced by the mean and are left out if they do not vary, categorical columns become one indicator column
per symbol, missing being a symbol too; then it takes moments divided by n. OpenML looks at numeric
attributes only, a numeric target among them, skips missing values and corrects for the sample size.

auto-sklearn 0.15.0 groups rare symbols before it encodes; its published tables, which were made by an
earlier version, do not (the largest kurtosis of ``mushroom``, 1356, belongs to a symbol of 4 rows in 5444),
and a constant indicator has skewness 0 and kurtosis -3 there. We follow the tables. Tables whose
encoding would have been too large were described by their non-zero cells only; that we do not imitate.
"""

import numpy as np

from autometa.metafeatures._base import (
    Context,
    Feature,
    FloatArray,
    auto_sklearn_summaries,
    openml_summaries,
    shared,
)
from autometa.metafeatures._columns import Moments, moments, symbols, target_moments
from autometa.metafeatures._sources import AUTO_SKLEARN, OPENML


@shared
def encoded_skewness(context: Context) -> FloatArray:
    """Skewness m3 / m2^1.5 of every column of the encoded table."""
    spread = moments(context)
    varying = spread.s2 > 0.0
    s2, s3 = spread.s2[varying], spread.s3[varying]
    # Values replaced by the mean deviate by nothing: they add to the count only.
    numeric = np.sqrt(context.n_rows) * s3 / s2**1.5
    share = _indicator_shares(context)
    variance = share * (1.0 - share)
    indicators = np.where(variance > 0.0, (1.0 - 2.0 * share) / np.sqrt(variance), 0.0)
    return np.concatenate([numeric, indicators])


@shared
def encoded_kurtosis(context: Context) -> FloatArray:
    """Excess kurtosis m4 / m2^2 - 3 of every column of the encoded table."""
    spread = moments(context)
    varying = spread.s2 > 0.0
    s2, s4 = spread.s2[varying], spread.s4[varying]
    numeric = context.n_rows * s4 / (s2 * s2) - 3.0
    share = _indicator_shares(context)
    variance = share * (1.0 - share)
    indicators = np.where(variance > 0.0, 1.0 / variance - 6.0, -3.0)
    return np.concatenate([numeric, indicators])


def _indicator_shares(context: Context) -> FloatArray:
    """Share of ones in each indicator column; its moments follow from it, so it is never built."""
    counts = [column.occurring for column in symbols(context)]
    return np.concatenate(counts) / context.n_rows if counts else np.zeros(0)


@shared
def attribute_moments(context: Context) -> Moments:
    """Moments of the numeric attributes as OpenML counts them: a numeric target is one."""
    features, target = moments(context), target_moments(context)
    return Moments(
        *(np.concatenate([getattr(features, n), getattr(target, n)]) for n in Moments.__slots__),
    )


def attribute_means(context: Context) -> FloatArray:
    """Mean of each numeric attribute."""
    spread = attribute_moments(context)
    return spread.mean * spread.scale


def attribute_deviations(context: Context) -> FloatArray:
    """Sample standard deviation of each numeric attribute that has two values."""
    spread = attribute_moments(context)
    enough = spread.count > 1
    deviations = np.sqrt(spread.s2[enough] / (spread.count[enough] - 1.0)) * spread.scale[enough]
    return deviations[np.isfinite(deviations)]


def attribute_skewness(context: Context) -> FloatArray:
    """Adjusted Fisher-Pearson skewness of each numeric attribute that has three values; 0 if it is constant."""
    spread = attribute_moments(context)
    enough = spread.count > 2
    n, s2, s3 = spread.count[enough], spread.s2[enough], spread.s3[enough]
    return np.where(s2 > 0.0, n * np.sqrt(n - 1.0) / (n - 2.0) * s3 / s2**1.5, 0.0)


def attribute_kurtosis(context: Context) -> FloatArray:
    """Sample excess kurtosis of each numeric attribute that has four values; 0 if it is constant."""
    spread = attribute_moments(context)
    enough = spread.count > 3
    n, s2, s4 = spread.count[enough], spread.s2[enough], spread.s4[enough]
    correction = (n - 1.0) / ((n - 2.0) * (n - 3.0))
    return np.where(s2 > 0.0, correction * (n * (n + 1.0) * s4 / (s2 * s2) - 3.0 * (n - 1.0)), 0.0)


FEATURES: tuple[Feature, ...] = (
    *auto_sklearn_summaries(
        "Skewness",
        encoded_skewness,
        group="statistical",
        formula="m3 / m2^1.5 over the columns of the encoded table",
        source=AUTO_SKLEARN,
        cost="n d",
    ),
    *auto_sklearn_summaries(
        "Kurtosis",
        encoded_kurtosis,
        group="statistical",
        formula="m4 / m2^2 - 3 over the columns of the encoded table",
        source=AUTO_SKLEARN,
        cost="n d",
    ),
    *openml_summaries(
        "MeansOfNumericAtts",
        attribute_means,
        group="statistical",
        formula="the means of the numeric attributes, a numeric target included",
        source=OPENML,
        cost="n d",
    ),
    *openml_summaries(
        "StdDevOfNumericAtts",
        attribute_deviations,
        group="statistical",
        formula="sqrt(S2 / (m - 1)) over the numeric attributes, m being the observed values of one",
        source=OPENML,
        cost="n d",
    ),
    *openml_summaries(
        "SkewnessOfNumericAtts",
        attribute_skewness,
        group="statistical",
        formula="m sqrt(m - 1) / (m - 2) S3 / S2^1.5 over the numeric attributes",
        source=OPENML,
        cost="n d",
    ),
    *openml_summaries(
        "KurtosisOfNumericAtts",
        attribute_kurtosis,
        group="statistical",
        formula="(m - 1) / ((m - 2)(m - 3)) (m (m + 1) S4 / S2^2 - 3 (m - 1)) over the numeric attributes",
        source=OPENML,
        cost="n d",
    ),
)
