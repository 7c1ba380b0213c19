"""Which datasets are left out together."""

from pathlib import Path

import pytest

from autometa.errors import UnknownNameError
from autometa.knowledge import KnowledgeBase
from autometa.records import DatasetRecord, MetaFeatures

LOOKS = {
    "NumberOfInstances": 500.0,
    "NumberOfFeatures": 3.0,
    "NumberOfNumericFeatures": 3.0,
    "NumberOfCategoricalFeatures": 0.0,
    "NumberOfClasses": 2.0,
    "ClassProbabilityMin": 0.3,
    "ClassProbabilityMax": 0.7,
    "SkewnessMean": 0.4,
    "KurtosisMean": 1.2,
}


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    base = KnowledgeBase(tmp_path / "kb")
    other = LOOKS | {"NumberOfInstances": 9000.0}
    for record, looks in (
        (DatasetRecord("keel/banana", "banana", "binary", "s", openml_id=1460), LOOKS),
        (DatasetRecord("other/renamed", "renamed", "binary", "s"), LOOKS),
        (DatasetRecord("auto/1460", "Banana set", "binary", "s", openml_id=1460), other),
        (DatasetRecord("keel/apple", "apple", "binary", "s"), LOOKS | {"NumberOfFeatures": 4.0}),
    ):
        base.add_dataset(record, MetaFeatures(record.dataset_id, looks))
    return base


@pytest.mark.parametrize("name", ["banana", "keel/banana", "BANANA", "openml:1460"])
def test_a_name_stands_for_all_copies_of_the_dataset(kb: KnowledgeBase, name: str) -> None:
    assert set(kb.family(name)) == {"keel/banana", "other/renamed", "auto/1460"}


def test_the_last_part_of_an_id_is_a_name(kb: KnowledgeBase) -> None:
    assert set(kb.family("renamed")) == {"other/renamed", "keel/banana"}


def test_others_stay(kb: KnowledgeBase) -> None:
    assert kb.family("apple") == ["keel/apple"]


def test_a_name_that_is_not_there_is_refused_with_the_nearest(kb: KnowledgeBase) -> None:
    with pytest.raises(UnknownNameError, match=r"no dataset 'aple'\. Did you mean 'apple'"):
        kb.family("aple")
