"""Which datasets of a base are the one at hand, by what they are called or by how they look."""

import difflib
import math
import re

import numpy as np
import pandas as pd

from autometa.errors import UnknownNameError
from autometa.records import DatasetRecord, MetaFeatures

# auto-sklearn described the 67 % of the rows that it trained on.
_TRAINING_SHARE = 0.67
_ROWS_LOST = 0.002
_HEAVY_TAILS = 10.0
_EXACT = ("NumberOfFeatures", "NumberOfNumericFeatures", "NumberOfCategoricalFeatures")
_CLASS_SHARES = ("ClassProbabilityMin", "ClassProbabilityMax")


def named(datasets: pd.DataFrame, content_hash: str | None, openml_id: int | None, name: str | None) -> list[str]:
    """Ids of the rows that a hash, an OpenML id or a name points at; see `KnowledgeBase.same_dataset`."""
    ids = pd.Series(datasets.index, index=datasets.index, dtype="str")
    hit = pd.Series(False, index=datasets.index)
    if content_hash:
        bare = content_hash.removeprefix("sha256:")
        stored = datasets["content_hash"].astype("str").str.removeprefix("sha256:")
        hit |= (stored == bare) | (ids == f"sha256:{bare}")
    if openml_id is None and name is not None:
        match = re.fullmatch(r"openml[:/](\d+)", name.strip(), re.IGNORECASE)
        openml_id = int(match[1]) if match else None
    if openml_id is not None:
        hit |= (datasets["openml_id"] == openml_id).fillna(False).astype(bool) | (ids == f"openml:{openml_id}")
    if name:
        hit |= (datasets["name"].map(_bare) == _bare(name)) | (ids == name)
    return list(datasets.index[hit])


def family(name: str, datasets: pd.DataFrame, meta_features: pd.DataFrame) -> list[str]:
    """Ids that a name points at, and those of the same tables; see `KnowledgeBase.family`."""
    known = [*datasets.index, *meta_features.index.difference(datasets.index)]
    found = dict.fromkeys(one for one in known if _bare(one.rsplit("/", 1)[-1]) == _bare(name) or one == name)
    found |= dict.fromkeys(named(datasets, None, None, name))
    if not found:
        near = difflib.get_close_matches(name, [*known, *datasets["name"].astype(str)], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"The knowledge base has no dataset {name!r}.{hint} 'autometa kb list' shows all.")
    for one in list(found):
        if one in datasets.index:
            row = datasets.loc[one]
            openml_id = None if pd.isna(row["openml_id"]) else int(row["openml_id"])
            content_hash = None if pd.isna(row["content_hash"]) else str(row["content_hash"])
            found |= dict.fromkeys(named(datasets, content_hash, openml_id, str(row["name"])))
        if one in meta_features.index:
            described = MetaFeatures(one, {str(key): float(value) for key, value in meta_features.loc[one].items()})
            found |= dict.fromkeys(lookalikes(described, meta_features))
    return list(found)


def _bare(name: object) -> str:
    return re.sub(r"[-_\s]+", " ", str(name)).strip().casefold()


def lookalikes(target: MetaFeatures, meta_features: pd.DataFrame) -> list[str]:
    """Ids of descriptions that fit the target's table; see `KnowledgeBase.twins`."""
    wanted = target.values
    if not all(math.isfinite(wanted.get(name, math.nan)) for name in ("NumberOfInstances", *_EXACT)):
        return []
    if not {"NumberOfInstances", *_EXACT} <= set(meta_features.columns):
        return []
    fits = _plausible_rows(meta_features["NumberOfInstances"], wanted["NumberOfInstances"])
    for name in _EXACT:
        fits &= meta_features[name] == wanted[name]
    fits &= _same_classes(meta_features, target)
    fits &= _same_missing(meta_features, target)
    fits &= _same_shape(meta_features, target)
    return list(meta_features.index[fits])


def _plausible_rows(known: pd.Series, wanted: float) -> pd.Series:
    """Same number of rows, or one is the training share of the other, but for a few rows someone dropped."""
    near = [
        (known - wanted * ratio).abs() <= max(1.001, _ROWS_LOST * wanted * ratio)
        for ratio in (1.0, _TRAINING_SHARE, 1 / _TRAINING_SHARE)
    ]
    return near[0] | near[1] | near[2]


def _same_classes(known: pd.DataFrame, target: MetaFeatures) -> pd.Series:
    """As many classes, and shares of the smallest and largest within what drawing 67 % of the rows explains."""
    everywhere = pd.Series(True, index=known.index)
    classes = target.values.get("NumberOfClasses", math.nan)
    classes = classes if classes > 0 else math.nan
    if "NumberOfClasses" not in known:
        return everywhere & math.isnan(classes)
    stored = known["NumberOfClasses"].where(known["NumberOfClasses"] > 0)
    fits = stored.isna() if math.isnan(classes) else stored == classes
    rows = np.minimum(known["NumberOfInstances"], target.values["NumberOfInstances"])
    for name in _CLASS_SHARES:
        share = target.values.get(name, math.nan)
        if name in known and math.isfinite(share):
            spread = np.sqrt(share * (1 - share) * (1 - _TRAINING_SHARE) / rows)
            fits &= ((known[name] - share).abs() <= 4 * spread + 1 / rows) | known[name].isna()
    return fits


def _same_missing(known: pd.DataFrame, target: MetaFeatures) -> pd.Series:
    """Missing values in neither or in both; the share of them may differ by a tenth."""
    share = target.values.get("PercentageOfMissingValues", math.nan)
    if "PercentageOfMissingValues" not in known or math.isnan(share):
        return pd.Series(True, index=known.index)
    stored = known["PercentageOfMissingValues"]
    return stored.isna() | ((stored - share).abs() <= 0.1 * max(share, 0.0)) | (stored == share)


def _same_shape(known: pd.DataFrame, target: MetaFeatures) -> pd.Series:
    """Where all columns are numeric, their mean skewness and kurtosis agree.

    With categorical columns they depend on how those were coded, and are not compared.
    """
    fits = pd.Series(True, index=known.index)
    if target.values["NumberOfCategoricalFeatures"] > 0:
        return fits
    rows = np.minimum(known["NumberOfInstances"], target.values["NumberOfInstances"])
    skewness = target.values.get("SkewnessMean", math.nan)
    if "SkewnessMean" in known and math.isfinite(skewness):
        apart = (known["SkewnessMean"] - skewness).abs()
        fits &= ~(apart > 0.15 * abs(skewness) + np.sqrt(6 / rows))
    kurtosis = target.values.get("KurtosisMean", math.nan)
    if "KurtosisMean" in known and math.isfinite(kurtosis):
        apart = (known["KurtosisMean"] - kurtosis).abs()
        share = 0.15 if kurtosis < _HEAVY_TAILS else 0.4
        fits &= ~(apart > share * (kurtosis + 3) + np.sqrt(24 / rows))
    return fits


def is_known(record: DatasetRecord, known: pd.DataFrame) -> bool:
    """Whether a table of datasets says the same already."""
    if record.dataset_id not in known.index:
        return False
    row = known.loc[record.dataset_id]
    given = {name: getattr(record, name) for name in known.columns}
    return all(_same(row[name], value) for name, value in given.items())


def is_described(description: MetaFeatures, described: pd.DataFrame) -> bool:
    """Whether a table of meta-features says the same already."""
    if description.dataset_id not in described.index or not set(description.values) <= set(described.columns):
        return False
    row = described.loc[description.dataset_id]
    return all(_same(row[name], value) for name, value in description.values.items())


def _same(stored: object, given: object) -> bool:
    if pd.isna(stored) or pd.isna(given):  # type: ignore[call-overload]
        return bool(pd.isna(stored) and pd.isna(given))  # type: ignore[call-overload]
    return bool(stored == given)
