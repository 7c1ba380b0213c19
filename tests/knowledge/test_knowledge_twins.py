"""Datasets that are recognised by their description, on the shipped base."""

from collections.abc import Mapping

import pytest

from autometa.knowledge import KnowledgeBase
from autometa.records import MetaFeatures

# Whole tables as KEEL publishes them, under other names than OpenML's; figures computed from their files.
PIMA = {
    "NumberOfInstances": 768.0,
    "NumberOfFeatures": 8.0,
    "NumberOfNumericFeatures": 8.0,
    "NumberOfCategoricalFeatures": 0.0,
    "NumberOfClasses": 2.0,
    "ClassProbabilityMin": 0.349,
    "ClassProbabilityMax": 0.651,
    "PercentageOfMissingValues": 0.0,
    "SkewnessMean": 0.5282,
    "KurtosisMean": 2.7495,
}
PENBASED = PIMA | {
    "NumberOfInstances": 10992.0,
    "NumberOfFeatures": 16.0,
    "NumberOfNumericFeatures": 16.0,
    "NumberOfClasses": 10.0,
    "ClassProbabilityMin": 0.096,
    "ClassProbabilityMax": 0.1041,
    "SkewnessMean": -0.0392,
    "KurtosisMean": -0.5014,
}


@pytest.fixture(scope="module")
def shipped() -> KnowledgeBase:
    return KnowledgeBase.open_default(overlay=False)


def twins(kb: KnowledgeBase, values: Mapping[str, float]) -> list[str]:
    return kb.twins(MetaFeatures("target", values))


def test_a_whole_table_is_recognised_in_the_share_that_was_described(shipped: KnowledgeBase) -> None:
    assert twins(shipped, PIMA) == ["auto-sklearn/diabetes", "keel/pima"]
    assert twins(shipped, PENBASED) == ["auto-sklearn/pendigits"]


def test_a_few_dropped_rows_do_not_hide_a_table(shipped: KnowledgeBase) -> None:
    assert twins(shipped, PENBASED | {"NumberOfInstances": 10980.0}) == ["auto-sklearn/pendigits"]


@pytest.mark.parametrize(
    "changed",
    [
        {"NumberOfInstances": 700.0},
        {"NumberOfFeatures": 9.0},
        {"NumberOfNumericFeatures": 7.0, "NumberOfCategoricalFeatures": 1.0},
        {"NumberOfClasses": 3.0},
        {"NumberOfClasses": float("nan")},
        {"ClassProbabilityMax": 0.8},
        {"PercentageOfMissingValues": 0.1},
        {"SkewnessMean": 2.0},
        {"KurtosisMean": 30.0},
    ],
    ids=lambda changed: ",".join(changed),
)
def test_a_difference_in_any_mark_tells_tables_apart(shipped: KnowledgeBase, changed: dict[str, float]) -> None:
    assert twins(shipped, PIMA | changed) == []


def test_a_target_without_the_counts_has_no_twins(shipped: KnowledgeBase) -> None:
    assert twins(shipped, {}) == []
    assert twins(shipped, {name: value for name, value in PIMA.items() if name != "NumberOfFeatures"}) == []


def test_every_described_dataset_is_its_own_twin_and_few_have_others(shipped: KnowledgeBase) -> None:
    described = shipped.meta_features()
    pairs = set()
    for key, values in described.iloc[::3].iterrows():
        found = twins(shipped, {str(name): float(value) for name, value in values.items()})
        assert key in found
        pairs |= {tuple(sorted((str(key), other))) for other in found if other != key}
    # All but a handful of the 38 pairs of the whole base are siblings from one generator (arsenic-*, gametes_*).
    assert len(pairs) <= 30


def test_an_empty_base_knows_no_twins() -> None:
    assert twins(KnowledgeBase("memory://empty/twins"), PIMA) == []
