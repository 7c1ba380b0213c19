"""The few transformers that scikit-learn lacks.

skrub has relatives of `DatetimeParts`, `TextComponents` and `SquashingScaler`; these are here because every
trial runs in a process of its own, and importing skrub there would cost more than most fits.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import QuantileTransformer

Array = npt.NDArray[np.floating[Any]]

_LARGEST = 1e30
_DAY = 86_400 * 10**6  # in microseconds


class Finite(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Numbers of one dtype; what no float32 can hold (infinite, beyond 1e30) becomes missing."""

    def __init__(self, dtype: str = "float32") -> None:
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns nothing but the number of columns."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Array:
        """(n, d) numbers to (n, d) of ``dtype``."""
        values = np.asarray(X, dtype=np.float64)
        return np.where(np.abs(values) < _LARGEST, values, np.nan).astype(self.dtype)


class CategoryCodes(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Categories as numbers 0, 1, ... in alphabetical order; NaN where missing, -1 where not there in `fit`.

    scikit-learn's encoders come to the same with these numbers as with texts, which they count one by one in Python:
    half of the time that it took to prepare a table for trees.
    """

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learn the categories of each column of (n, d) texts."""
        self.n_features_in_ = X.shape[1]
        self.categories_ = [np.sort(X.iloc[:, j].dropna().unique().astype(object)) for j in range(X.shape[1])]
        return self

    def transform(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """(n, d) texts to (n, d) numbers."""
        columns = (X.iloc[:, j] for j in range(X.shape[1]))
        codes = [self._codes(column, known) for column, known in zip(columns, self.categories_, strict=True)]
        return np.column_stack(codes)

    @staticmethod
    def _codes(column: "pd.Series[Any]", known: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        codes, found = pd.factorize(column)
        numbers = np.append(pd.Index(known, dtype=object).get_indexer(found.astype(object)).astype(np.float64), np.nan)
        return np.asarray(numbers[codes])  # a missing category has the code -1, the last


class DatetimeParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Datetimes as numbers: year, month, day, weekday, hour, and days since 1970; NaN where missing."""

    n_parts = 6

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Learns nothing but the number of columns."""
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: pd.DataFrame) -> npt.NDArray[np.float64]:
        """(n, d) datetimes to (n, 6 d) numbers."""
        return np.hstack([self._parts(X.iloc[:, j]) for j in range(X.shape[1])])

    @staticmethod
    def _parts(column: "pd.Series[Any]") -> npt.NDArray[np.float64]:
        at = column.dt
        # Not as a difference of times: those are in nanoseconds, which hold no more than 292 years.
        microseconds = column.to_numpy(dtype="datetime64[us]").astype(np.int64)
        elapsed = pd.Series(np.where(column.isna(), np.nan, microseconds / _DAY))
        parts = (at.year, at.month, at.day, at.day_of_week, at.hour, elapsed)
        return np.column_stack([part.to_numpy(dtype=np.float64, na_value=np.nan) for part in parts])


class TextComponents(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A text column as the leading components of its character n-grams.

    TF-IDF of n-grams within words, of 3 and 4 characters, then a truncated SVD (latent semantic analysis:
    Deerwester et al., 1990), scaled so that the strongest component has unit spread. Missing text is empty
    text. A column without any n-gram gives a single column of zeros.
    """

    def __init__(self, n_components: int = 20, max_features: int = 20_000, random_state: int = 0) -> None:
        self.n_components = n_components
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, X: "pd.Series[str]", y: Any = None) -> Self:
        """Learn the n-grams and their components from a column of n texts."""
        self.fit_transform(X)
        return self

    def fit_transform(self, X: "pd.Series[str]", y: Any = None, **fit_params: Any) -> npt.NDArray[np.float64]:
        """Fit, and return the (n, k) components; k <= ``n_components``."""
        texts = self._texts(X)
        self.vectorizer_ = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, max_features=self.max_features
        )
        self.svd_: TruncatedSVD | None = None
        self.scale_, self._n_features_out = 1.0, 1
        if any(text.strip() for text in texts):
            weights = self.vectorizer_.fit_transform(texts)
            self.svd_ = TruncatedSVD(min(self.n_components, *weights.shape), random_state=self.random_state)
            with warnings.catch_warnings():
                # Texts that are all alike have no variance to explain; the ratio that says so divides by it.
                warnings.simplefilter("ignore", RuntimeWarning)
                components = self.svd_.fit_transform(weights)
            self._n_features_out = components.shape[1]
            self.scale_ = float(components.std(axis=0).max()) or 1.0
        return self.transform(X)

    def transform(self, X: "pd.Series[str]") -> npt.NDArray[np.float64]:
        """Components of n texts, (n, k)."""
        if self.svd_ is None:
            return np.zeros((len(X), 1))
        return np.asarray(self.svd_.transform(self.vectorizer_.transform(self._texts(X))) / self.scale_)

    @staticmethod
    def _texts(column: "pd.Series[str]") -> list[str]:
        return ["" if pd.isna(text) else str(text) for text in column]


class SquashingScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Robust scaling, then a smooth clip to (-3, 3).

    Each column is centred at its median and divided by its interquartile range, or, where that is zero, by
    half its range; z then becomes z / sqrt(1 + (z / 3)^2). Holzmüller, Grinsztajn, Steinwart (2024), *Better
    by Default*, https://arxiv.org/abs/2407.04491, section 3. Expects no missing values.
    """

    def fit(self, X: npt.ArrayLike, y: Any = None) -> Self:
        """Learn centre and spread of each column of (n, d) numbers."""
        values = np.asarray(X, dtype=np.float64)
        low, first, self.center_, third, high = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0], axis=0)
        with np.errstate(over="ignore"):
            spread = np.where(third > first, third - first, high / 2 - low / 2)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        self.n_features_in_ = values.shape[1]
        return self

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """(n, d) numbers to (n, d) numbers between -3 and 3."""
        with np.errstate(over="ignore"):  # far beyond a tiny spread is 3, however far
            z = np.clip((np.asarray(X, dtype=np.float64) - self.center_) / self.scale_, -1e9, 1e9)
        return np.asarray(z / np.sqrt(1 + np.square(z / 3)))


class QuantileNormalizer(QuantileTransformer):  # type: ignore[misc]
    """scikit-learn's `QuantileTransformer`, silent where a table has fewer rows than quantiles.

    It then takes one quantile per row, which is what anyone would have asked for.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the quantiles of each column."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "n_quantiles", UserWarning)
            super().fit(X, y)
        return self


class ManyCategories:
    """Chooses, when a `ColumnTransformer` is fitted, the columns with more than ``above`` categories."""

    def __init__(self, names: Sequence[str], above: int) -> None:
        self.names = list(names)
        self.above = above

    def __call__(self, X: pd.DataFrame) -> list[str]:
        """Those of ``names`` that have more than ``above`` distinct values, missing ones not counted."""
        return [name for name in self.names if X[name].nunique() > self.above]
