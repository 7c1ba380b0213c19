"""Runs from before a hyperparameter was added, in one base with runs from after: both are read, checked and advise."""

from pathlib import Path

import pandas as pd
import pytest

from autometa.evidence import gather
from autometa.knowledge import KnowledgeBase
from autometa.metrics import resolve
from autometa.records import Config, DatasetRecord, MetaFeatures
from autometa.spaces import load_space
from autometa.warmstart import WARM_STARTERS

TARGET = MetaFeatures("new", {})
SPACE = load_space("tabular", task="binary")
DEFAULT = SPACE.project({"candidate": "mlp"})


def old(**change: float) -> Config:
    """A configuration as it was stored before the MLP had a choice of optimizers."""
    changed = {**DEFAULT, **{f"mlp.{name}": value for name, value in change.items()}}
    return {name: value for name, value in changed.items() if name != "mlp.optimizer"}


def add(kb: KnowledgeBase, dataset_id: str, *pairs: tuple[Config, float]) -> None:
    kb.add_datasets([DatasetRecord(dataset_id, dataset_id, "binary", "user")], {})
    frame = pd.DataFrame([{**config, "value": value} for config, value in pairs])
    kb.add_runs(dataset_id, "tabular", frame, metric="log_loss", direction="minimize")


@pytest.fixture
def kb(tmp_path: Path) -> KnowledgeBase:
    """Two datasets of old runs, one of new ones."""
    base = KnowledgeBase(tmp_path)
    add(base, "a", (old(width=64), 0.2), (old(learning_rate=0.02), 0.4))
    add(base, "b", (old(width=64), 0.1))
    return base


def new(kb: KnowledgeBase) -> Config:
    learned = SPACE.project({**DEFAULT, "mlp.optimizer": "learned", "mlp.width": 32})
    add(kb, "c", (learned, 0.1), (DEFAULT, 0.3))
    return learned


def test_old_runs_advise_as_what_they_were(kb: KnowledgeBase) -> None:
    found = gather(kb, SPACE, TARGET, metric=resolve("log_loss", "binary"), task="binary")
    assert all(config["mlp.optimizer"] == "adamw" for config in found.configs)
    assert {config["mlp.learning_rate"] for config in found.configs} == {0.003, 0.02}
    assert len(found.runs) == 3
    assert not found.runs["projected"].any()


def test_old_and_new_runs_advise_together(kb: KnowledgeBase) -> None:
    learned = new(kb)
    assert "mlp.learning_rate" not in learned
    found = gather(kb, SPACE, TARGET, metric=resolve("log_loss", "binary"), task="binary")
    assert learned in found.configs
    assert len(found.configs) == 4
    assert len(found.runs) == 5
    assert not found.runs["projected"].any()


def test_the_same_configuration_from_before_and_after_is_one(kb: KnowledgeBase) -> None:
    add(kb, "c", (SPACE.up_to_date(old(width=64)), 0.1))
    found = gather(kb, SPACE, TARGET, metric=resolve("log_loss", "binary"), task="binary")
    assert len(found.configs) == 2


def test_what_old_runs_suggest_is_in_todays_space_and_not_called_moved(kb: KnowledgeBase) -> None:
    new(kb)
    for name in ("portfolio", "nearest_datasets"):
        found = WARM_STARTERS.create(name).suggest(
            TARGET, kb, SPACE, 3, metric=resolve("log_loss", "binary"), task="binary", seed=0
        )
        assert found, name
        for one in found:
            SPACE.validate(one.config)
            assert not one.origin.projected


def test_old_rows_are_null_in_the_new_column_and_checks_find_nothing(kb: KnowledgeBase) -> None:
    assert "mlp.optimizer" not in kb.runs("tabular")
    assert not kb.verify()
    new(kb)
    runs = kb.runs("tabular").set_index("dataset_id")["mlp.optimizer"]
    assert runs["a"].isna().all()
    assert sorted(runs["c"]) == ["adamw", "learned"]
    assert not kb.verify()


def test_checks_still_find_what_is_wrong(kb: KnowledgeBase) -> None:
    wrong = [{**DEFAULT, "mlp.optimizer": "learned"}, {**DEFAULT, "mlp.optimizer": "adam"}, {**old(), "mlp.width": 7.0}]
    for number, config in enumerate(wrong):
        add(kb, f"wrong {number}", (config, 0.5))
    (found,) = kb.verify()
    assert (found.rule, found.count) == ("configurations", 3)
