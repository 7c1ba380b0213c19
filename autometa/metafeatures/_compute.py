"""The table of all meta-features, and the functions that people call."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from autometa.errors import OptionError
from autometa.metafeatures import _information, _landmarking, _simple, _statistical
from autometa.metafeatures._base import GROUPS, Feature, evaluate
from autometa.records import MetaFeatures

if TYPE_CHECKING:
    from autometa.datasets import Dataset

FEATURES: Mapping[str, Feature] = {
    feature.name: feature
    for group in (_simple.FEATURES, _statistical.FEATURES, _information.FEATURES, _landmarking.FEATURES)
    for feature in group
}

AUTO_SKLEARN: tuple[str, ...] = (
    "ClassEntropy",
    "ClassProbabilityMax",
    "ClassProbabilityMean",
    "ClassProbabilityMin",
    "ClassProbabilitySTD",
    "DatasetRatio",
    "InverseDatasetRatio",
    "KurtosisMax",
    "KurtosisMean",
    "KurtosisMin",
    "KurtosisSTD",
    "LogDatasetRatio",
    "LogInverseDatasetRatio",
    "LogNumberOfFeatures",
    "LogNumberOfInstances",
    "NumberOfCategoricalFeatures",
    "NumberOfClasses",
    "NumberOfFeatures",
    "NumberOfFeaturesWithMissingValues",
    "NumberOfInstances",
    "NumberOfInstancesWithMissingValues",
    "NumberOfMissingValues",
    "NumberOfNumericFeatures",
    "PercentageOfFeaturesWithMissingValues",
    "PercentageOfInstancesWithMissingValues",
    "PercentageOfMissingValues",
    "RatioNominalToNumerical",
    "RatioNumericalToNominal",
    "SkewnessMax",
    "SkewnessMean",
    "SkewnessMin",
    "SkewnessSTD",
    "SymbolsMax",
    "SymbolsMean",
    "SymbolsMin",
    "SymbolsSTD",
    "SymbolsSum",
)


def compute(dataset: "Dataset", *, groups: Sequence[str] = GROUPS, seed: int = 0) -> MetaFeatures:
    """Describe a dataset in numbers, so that it can be compared with others.

    Use it on the table that is searched and on those that are added to a knowledge base: values compare only
    where one definition made them. All but the landmarkers are independent of the order of rows and columns
    and of the names of symbols.

    Args:
        dataset: The dataset; it is not changed.
        groups: Which features: "simple", "statistical", "information", "landmarking". The last costs the most.
        seed: Decides the rows and folds of the landmarkers.

    Returns:
        Every feature of the groups; NaN where the dataset has no such thing.

    Raises:
        OptionError: A group does not exist.

    Example:
        >>> compute(read_dataset("credit-g.csv"), groups=["simple"]).values["NumberOfInstances"]
        1000.0
    """
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown:
        raise OptionError(
            f"groups must be some of {', '.join(GROUPS)}; got {', '.join(map(repr, unknown))}. "
            "Leave groups out for all of them."
        )
    chosen = [feature for feature in FEATURES.values() if feature.group in groups]
    return MetaFeatures(dataset_id=f"sha256:{dataset.content_hash}", values=evaluate(chosen, dataset, seed=seed))


def describe() -> pd.DataFrame:
    """Every feature, one row each: group, formula, source, cost and note, by name.

    In the formulas n is the number of rows, d of feature columns, k of classes, p the share of each class;
    m is the number of observed values of a column, m2, m3, m4 its central moments (divided by m) and S2, S3,
    S4 the sums they come from. X is a column, Y the class, H entropy and I mutual information in bits.
    """
    columns = ("name", "group", "formula", "source", "cost", "note")
    rows = [[getattr(feature, column) for column in columns] for feature in FEATURES.values()]
    return pd.DataFrame(rows, columns=list(columns)).set_index("name")
