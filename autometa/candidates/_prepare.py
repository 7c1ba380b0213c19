"""From a table to an array: the preparation that suits each kind of learner.

Two forms. `scaled` is for models that see distances or weights (linear, neighbours, kernels, networks):
everything a number, none missing, all of about the same size. `coded` is for trees, which ask only for an
order and, where they can, handle missing values and categories themselves: its categorical columns come
first, as codes, so a model that knows categories needs only their count.

Both treat a categorical column with many categories alike: its most frequent ones are kept apart, the rest
are grouped, and a column with the smoothed mean of the target for each category is added (Micci-Barreca,
2001, *A preprocessing scheme for high-cardinality categorical attributes*, SIGKDD Explorations 3;
scikit-learn's `TargetEncoder`, whose cross-fitting keeps a row's own target out of its code).
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
    TargetEncoder,
)

from autometa.candidates._transformers import (
    CategoryCodes,
    DatetimeParts,
    Finite,
    ManyCategories,
    QuantileNormalizer,
    SquashingScaler,
    TextComponents,
)
from autometa.datasets import TableSchema

Scaling = Literal["standard", "minmax", "quantile", "robust"]
Dtype = Literal["float32", "float64"]

MAX_CATEGORIES = 50
"""Categories of a column that are kept apart; a column with more also gets its target means."""

_MIN_ROWS = 3
_MEANS_UP_TO_CLASSES = 10
_SPARSE_BELOW = 0.1
_Step = tuple[str, BaseEstimator, Any]


def scaled(
    schema: TableSchema,
    *,
    scaling: str = "standard",
    seed: int,
    dtype: Dtype = "float64",
    sparse: bool = True,
    polynomial: int = 0,
    means: bool = True,
) -> ColumnTransformer:
    """Prepare a table for a model that sees distances or weights.

    Columns, in this order: numeric ones and the parts of datetimes (median for missing, then scaled; zero
    or one per numeric column with missing values for "was missing"), one-hot categories, target means of
    columns with many categories, components of texts.

    Args:
        schema: The columns of the table.
        scaling: One of `Scaling`.
        seed: For the folds of target encoding, quantiles of large tables, text components.
        dtype: Of the array; float32 is enough where the model works in single precision.
        sparse: Whether a table that is mostly zeros may come as a CSR matrix.
        polynomial: The first so many numeric columns also give their squares and products.
        means: Whether columns with many categories also give target means, which need a target to be fitted.
    """
    numeric = schema.names("numeric")
    steps: list[_Step] = []
    if numeric[polynomial:]:
        steps.append(("numeric", _scaled_numbers(scaling, seed, dtype), numeric[polynomial:]))
    if numeric[:polynomial]:
        products = _scaled_numbers(scaling, seed, dtype, PolynomialFeatures(2, include_bias=False))
        steps.append(("products", products, numeric[:polynomial]))
    if numeric:
        missing = make_pipeline(Finite(), MissingIndicator(error_on_new=False, sparse=False), Finite(dtype))
        steps.append(("missing", missing, numeric))
    if dates := schema.names("datetime"):
        steps.append(("datetime", make_pipeline(DatetimeParts(), _scaled_numbers(scaling, seed, dtype)), dates))
    if names := schema.names("categorical"):
        steps.append(("categorical", make_pipeline(CategoryCodes(), _one_hot(dtype)), names))
        if means:
            targets = make_pipeline(CategoryCodes(), _target_means(schema, seed), StandardScaler(), Finite(dtype))
            steps.append(("means", targets, ManyCategories(names, MAX_CATEGORIES)))
    steps += _texts(schema, seed, dtype)
    return ColumnTransformer(steps, sparse_threshold=_SPARSE_BELOW if sparse else 0.0)


def coded(
    schema: TableSchema,
    *,
    seed: int,
    dtype: Dtype = "float32",
    missing: float = np.nan,
    unknown: float = np.nan,
    max_categories: int | None = MAX_CATEGORIES,
    always_means: bool = False,
) -> ColumnTransformer:
    """Prepare a table for trees.

    Columns, in this order: a code per categorical column (0, 1, ... in alphabetical order, rare categories
    last, together), numeric ones as they are, parts of datetimes, target means of columns with many
    categories, components of texts. NaN stays where a number is missing.

    Args:
        schema: The columns of the table.
        seed: For the folds of target encoding and text components.
        dtype: Of the array; give float64 to a model that bins at double precision.
        missing: Code of a missing category.
        unknown: Code of a category that was not there in `fit`.
        max_categories: Codes of a column; None leaves them all to a model that copes.
        always_means: Add the target means of every column with three categories or more, for a model that
            splits codes in their arbitrary order. Left out beyond ten classes, each of which has its mean.
    """
    steps: list[_Step] = []
    names = schema.names("categorical")
    if names:
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=unknown if np.isnan(unknown) else int(unknown),
            encoded_missing_value=missing,
            max_categories=max_categories,
            dtype=np.dtype(dtype).type,
        )
        steps.append(("categorical", make_pipeline(CategoryCodes(), codes), names))
    if numeric := schema.names("numeric"):
        steps.append(("numeric", Finite(dtype), numeric))
    if dates := schema.names("datetime"):
        steps.append(("datetime", make_pipeline(DatetimeParts(), Finite(dtype)), dates))
    if names and max_categories is not None:
        means = make_pipeline(CategoryCodes(), _target_means(schema, seed), Finite(dtype))
        ordered = always_means and len(schema.classes) <= _MEANS_UP_TO_CLASSES
        steps.append(("means", means, ManyCategories(names, 2 if ordered else max_categories)))
    steps += _texts(schema, seed, dtype)
    return ColumnTransformer(steps, sparse_threshold=0.0)


def _scaled_numbers(scaling: str, seed: int, dtype: Dtype, *then: BaseEstimator) -> Pipeline:
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    steps = [Finite("float64"), fill, scaler(scaling, seed=seed)]
    for step in then:
        steps += [step, scaler(scaling, seed=seed)]
    if then:  # the square of a number far beyond those in `fit` may be none
        return make_pipeline(*steps, Finite(dtype), SimpleImputer(strategy="constant", fill_value=0.0))
    return make_pipeline(*steps, Finite(dtype))


def scaler(scaling: str, *, seed: int) -> BaseEstimator:
    """The transformer behind a value of `Scaling`."""
    if scaling == "minmax":
        return MinMaxScaler()
    if scaling == "quantile":
        return QuantileNormalizer(output_distribution="normal", random_state=seed)
    return SquashingScaler() if scaling == "robust" else StandardScaler()


def _one_hot(dtype: Dtype) -> OneHotEncoder:
    return OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=_MIN_ROWS,
        max_categories=MAX_CATEGORIES,
        dtype=np.dtype(dtype).type,
    )


def _target_means(schema: TableSchema, seed: int) -> TargetEncoder:
    # Left to itself, it takes whole numbers for classes, and gives each of a thousand prices a column.
    kind = "continuous" if schema.task == "regression" else "auto"
    # Plain folds: stratified ones warn about, and fail on, classes with fewer rows than folds.
    return TargetEncoder(target_type=kind, cv=KFold(5, shuffle=True, random_state=seed))


def _texts(schema: TableSchema, seed: int, dtype: Dtype) -> Sequence[_Step]:
    return [
        (f"text:{name}", make_pipeline(TextComponents(random_state=seed), Finite(dtype)), name)
        for name in schema.names("text")
    ]
