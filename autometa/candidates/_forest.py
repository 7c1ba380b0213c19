"""What random forests and extremely randomised trees share."""

from typing import Any

from sklearn.compose import ColumnTransformer

from autometa.candidates._prepare import coded
from autometa.datasets import TableSchema
from autometa.records import Config

_MISSING, _UNKNOWN = -1, -2


def prepare_trees(schema: TableSchema, *, seed: int) -> ColumnTransformer:
    """Ordinal codes, those of missing and unknown categories below all others, target means, plain numbers."""
    return coded(schema, seed=seed, missing=_MISSING, unknown=_UNKNOWN, always_means=True)


def forest_settings(config: Config, *, schema: TableSchema, seed: int, n_threads: int) -> dict[str, Any]:
    """Keyword arguments of scikit-learn's forest for a configuration."""
    settings: dict[str, Any] = {name: value for name, value in config.items() if name != "max_features_power"}
    power = float(config["max_features_power"] or 0.0)
    settings["max_features"] = column_share(len(schema.features), power)
    return settings | {"random_state": seed, "n_jobs": n_threads}


def column_share(n_columns: int, power: float) -> float:
    """Share of columns to try at a split, so that scikit-learn tries n ** power of n."""
    # scikit-learn truncates share * n; the margin keeps 9 ** 0.5 from becoming 2.
    return min(1.0, float(n_columns ** (power - 1.0)) + 1e-9)
