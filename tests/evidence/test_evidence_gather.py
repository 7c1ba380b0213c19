import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autometa.evidence import MAX_CONFIGS, OTHER_TASK_PENALTY, Evidence, gather
from autometa.knowledge import KnowledgeBase
from autometa.metrics import own, resolve
from autometa.records import Config, DatasetRecord, MetaFeatures, TaskType
from autometa.spaces import SearchSpace
from autometa.testing.warmstart import TARGET, Base, space

TREES: Config = {"model": "trees", "depth": 3, "weights": "balanced", "scale": 0.5}
LINES: Config = {"model": "lines", "penalty": 1.0, "scale": 0.5}


def learn(
    kb: KnowledgeBase,
    *,
    metric: str = "roc_auc",
    task: TaskType = "binary",
    searched: SearchSpace | None = None,
    max_configs: int = MAX_CONFIGS,
) -> Evidence:
    wanted = resolve(metric, task)
    return gather(kb, searched or space(), TARGET, metric=wanted, task=task, max_configs=max_configs)


def scored(kb: KnowledgeBase, dataset_id: str, pairs: list[tuple[Config, float]], **said: str) -> None:
    frame = pd.DataFrame([{**config, "value": value} for config, value in pairs])
    kb.add_runs(dataset_id, "warmstart-checks", frame, metric="roc_auc", direction="maximize", **said)


def regrets(evidence: Evidence) -> dict[tuple[str, float], float]:
    """By dataset and ``scale``, in which the configurations of these tests differ."""
    rows = zip(evidence.runs["adviser"], evidence.runs["config"], evidence.runs["regret"], strict=True)
    return {
        (evidence.advisers[adviser].dataset_id, float(evidence.configs[config]["scale"] or 0)): float(regret)
        for adviser, config, regret in rows
    }


def test_regret_is_in_units_of_the_distance_from_the_best_to_the_worst_quarter_and_capped(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    values = {0.1: 0.9, 0.2: 0.88, 0.3: 0.8, 0.4: 0.7, 0.5: -1e6}
    scored(kb, "a", [({**TREES, "scale": scale}, value) for scale, value in values.items()])
    # The fourth of five values is the upper quartile of the losses: 0.2 above the best.
    expected = {("a", 0.1): 0.0, ("a", 0.2): 0.1, ("a", 0.3): 0.5, ("a", 0.4): 1.0, ("a", 0.5): 1.0}
    assert regrets(learn(kb)) == pytest.approx(expected)


def test_a_lone_run_and_equal_runs_have_no_regret(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "lone", [(TREES, 0.2)])
    scored(kb, "equal", [({**TREES, "scale": 0.1}, 0.7), ({**TREES, "scale": 0.2}, 0.7)])
    assert set(regrets(learn(kb)).values()) == {0.0}


def test_repeats_of_a_configuration_count_as_their_mean(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    pairs = [(0.1, 1.0), (0.1, 0.6), (0.2, 0.9), (0.3, 0.5)]
    scored(kb, "a", [({**TREES, "scale": scale}, value) for scale, value in pairs])
    # Means 0.8, 0.9 and 0.5: the best is 0.9, the median 0.8.
    assert regrets(learn(kb)) == pytest.approx({("a", 0.1): 1.0, ("a", 0.2): 0.0, ("a", 0.3): 1.0})


def test_values_of_different_sources_are_not_compared(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [({**TREES, "scale": 0.1}, 0.99), ({**TREES, "scale": 0.2}, 0.98)], source="easy split")
    scored(kb, "a", [({**TREES, "scale": 0.3}, 0.6), ({**TREES, "scale": 0.4}, 0.5)], source="hard split")
    got = regrets(learn(kb))
    assert got == {("a", 0.1): 0.0, ("a", 0.2): 1.0, ("a", 0.3): 0.0, ("a", 0.4): 1.0}


def test_null_is_the_choice_none_where_active_and_absent_where_not(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [({**TREES, "weights": None}, 0.9), (LINES, 0.8)])
    evidence = learn(kb)
    assert list(evidence.configs) == [{**TREES, "weights": None}, LINES]
    assert not evidence.runs["projected"].any()


def test_whole_numbers_survive_columns_with_nulls(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [(TREES, 0.9), (LINES, 0.8)])
    depth = learn(kb).configs[0]["depth"]
    assert depth == 3
    assert type(depth) is int


def test_a_value_that_nothing_depends_on_takes_its_default_and_is_marked(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [({**TREES, "weights": "inverse"}, 0.9)])
    evidence = learn(kb)
    assert evidence.configs == (TREES,)
    assert evidence.runs["projected"].tolist() == [True]


@pytest.mark.parametrize(
    ("foreign", "reason"),
    [
        ({**TREES, "momentum": 0.9}, "a hyperparameter that the space lacks"),
        ({"model": "trees", "depth": 3, "weights": "balanced"}, "one that the run lacks"),
        ({**TREES, "depth": 99}, "a value beyond its range"),
    ],
)
def test_what_projection_changed_drops_or_invents_is_marked(tmp_path: Path, foreign: Config, reason: str) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [(foreign, 0.9)])
    assert learn(kb).runs["projected"].tolist() == [True], reason


def test_choices_of_mixed_types_are_told_apart(tmp_path: Path) -> None:
    mixed = SearchSpace.from_dict(
        {
            "name": "warmstart-checks",
            "hyperparameters": {
                "share": {"type": "categorical", "choices": [None, True, 2, 0.5, "sqrt"], "default": "sqrt"}
            },
        }
    )
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [({"share": value}, 0.5) for value in (None, True, 2, 0.5, "sqrt")])
    evidence = learn(kb, searched=mixed)
    assert {repr(config["share"]) for config in evidence.configs} == {"None", "True", "2", "0.5", "'sqrt'"}
    assert not evidence.runs["projected"].any()


def test_a_mark_in_the_base_is_kept(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    frame = pd.DataFrame([{**TREES, "value": 0.9, "projected": True}])
    kb.add_runs("a", "warmstart-checks", frame, metric="roc_auc", direction="maximize")
    assert learn(kb).runs["projected"].tolist() == [True]


def test_a_restricted_space_learns_only_from_what_it_still_has(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [(TREES, 0.9), (LINES, 0.5)])
    scored(kb, "b", [(TREES, 0.9)])
    evidence = learn(kb, searched=space().restrict({"model": ["lines"]}))
    assert evidence.configs == (LINES,)
    assert [adviser.dataset_id for adviser in evidence.advisers] == ["a"]
    assert evidence.runs["regret"].tolist() == [0.0]


def test_advisers_are_ordered_by_distance_and_a_cousin_pays(tmp_path: Path) -> None:
    base = Base()
    for name, rows, task in (("far", 9000.0, "binary"), ("same", 350.0, "binary"), ("cousin", 350.0, "multiclass")):
        base.add(name, task=task, values={"NumberOfInstances": rows}, n_runs=1)  # type: ignore[arg-type]
    advisers = learn(base.write(tmp_path)).advisers
    assert [adviser.name for adviser in advisers] == ["same", "cousin", "far"]
    # Quantiles of 350, 350, 9000: 1/3, 1/3, 5/6.
    assert [adviser.distance for adviser in advisers] == pytest.approx([0.0, OTHER_TASK_PENALTY, 0.5])


def test_datasets_that_cannot_be_compared_come_last_by_id(tmp_path: Path) -> None:
    base = Base()
    for name, values in (("z", {"ClassEntropy": 0.1}), ("y", {}), ("x", {}), ("w", {"ClassEntropy": 0.8})):
        base.add(name, values=values, n_runs=1)
    advisers = learn(base.write(tmp_path)).advisers
    assert [adviser.name for adviser in advisers] == ["w", "z", "x", "y"]
    assert math.isnan(advisers[-1].distance)


def test_runs_of_a_dataset_without_a_record_advise_under_its_id(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "dataset-1", [(LINES, 0.5)])
    (adviser,) = learn(kb).advisers
    assert (adviser.dataset_id, adviser.name, adviser.metric) == ("dataset-1", "dataset-1", "roc_auc")


def test_each_dataset_is_judged_by_its_most_wanted_metric(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    for dataset_id, metric in (("a", "accuracy"), ("a", "log_loss"), ("b", "accuracy"), ("b", "roc_auc")):
        frame = pd.DataFrame([{**TREES, "value": 0.5}])
        kb.add_runs(dataset_id, "warmstart-checks", frame, metric=metric, direction="maximize")
    assert [(one.dataset_id, one.metric) for one in learn(kb).advisers] == [("a", "log_loss"), ("b", "roc_auc")]


def test_too_many_configurations_are_thinned_to_best_and_spread(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    for dataset_id, shift in (("a", 0.0), ("b", 0.001)):
        scored(kb, dataset_id, [({**TREES, "scale": i / 100 + shift}, 1 - i / 100) for i in range(100)])
    evidence = learn(kb, max_configs=20)
    assert evidence.runs.groupby("adviser").size().tolist() == [10, 10]
    scales = sorted(float(config["scale"] or 0) for config in evidence.configs)[::2]
    np.testing.assert_allclose(scales, [0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.28, 0.52, 0.76, 0.99], atol=0.011)


def test_thinning_keeps_all_runs_of_what_it_keeps(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    rng = np.random.default_rng(0)
    for dataset_id in "abcd":
        scored(kb, dataset_id, [({**TREES, "scale": i / 100}, float(rng.uniform())) for i in range(100)])
    evidence = learn(kb, max_configs=20)
    assert 5 <= len(evidence.configs) <= 20
    assert len(evidence.runs) == 4 * len(evidence.configs)


def test_nothing_known_is_no_evidence(tmp_path: Path) -> None:
    evidence = learn(KnowledgeBase(tmp_path))
    assert evidence.advisers == ()
    assert evidence.configs == ()
    assert len(evidence.runs) == 0


def test_a_dataset_with_a_record_and_no_runs_is_no_adviser(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    kb.add_dataset(DatasetRecord("silent", "silent", "binary", "tests"), MetaFeatures("silent", {"ClassEntropy": 1.0}))
    scored(kb, "a", [(TREES, 0.5)])
    assert [adviser.dataset_id for adviser in learn(kb).advisers] == ["a"]


def test_a_failed_run_is_as_bad_as_the_worst_and_moves_no_other(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [({**TREES, "scale": scale}, value) for scale, value in {0.1: 0.9, 0.2: 0.8, 0.3: 0.7}.items()])
    for status in ("timeout", "memory", "crash", "invalid", "interrupted", "pruned"):
        frame = pd.DataFrame([{**TREES, "scale": 0.4 + len(status) / 100, "value": np.nan, "status": status}])
        kb.add_runs("a", "warmstart-checks", frame, metric="roc_auc", direction="maximize")
    failed = {("a", 0.4 + len(status) / 100): 1.0 for status in ("timeout", "memory", "crash", "invalid")}
    assert regrets(learn(kb)) == pytest.approx({("a", 0.1): 0.0, ("a", 0.2): 1.0, ("a", 0.3): 1.0} | failed)


def test_a_metric_of_ones_own_and_no_task_take_all_datasets(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    frame = pd.DataFrame([{**TREES, "value": 3.0}, {**LINES, "value": 1.0}])
    for dataset_id, task in (("a", "binary"), ("b", "regression")):
        kb.add_dataset(DatasetRecord(dataset_id, dataset_id, task, "tests"))  # type: ignore[arg-type]
        kb.add_runs(dataset_id, "another-name", frame, metric="latency", direction="minimize")
    metric = own("latency", "minimize")
    found = gather(kb, replace(space(), name="another-name"), MetaFeatures("", {}), metric=metric, task=None)
    assert {adviser.dataset_id for adviser in found.advisers} == {"a", "b"}
    assert found.configs[found.runs.loc[found.runs["regret"] == 0, "config"].iloc[0]] == LINES


def test_thinning_leaves_regrets_as_they_are(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    rng = np.random.default_rng(0)
    for dataset_id in "ab":
        values = rng.uniform(size=300)
        scored(kb, dataset_id, [({**TREES, "scale": i / 300}, float(value)) for i, value in enumerate(values)])
    whole, thinned = regrets(learn(kb)), regrets(learn(kb, max_configs=100))
    assert len(thinned) < len(whole) / 2
    assert all(abs(whole[key] - value) < 0.06 for key, value in thinned.items())


def test_the_unit_of_regret_is_known(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path)
    scored(kb, "a", [({**TREES, "scale": i / 10}, value) for i, value in enumerate([0.9, 0.8, 0.7, 0.5, 0.1])])
    scored(kb, "lone", [(TREES, 0.5)])
    units = {one.dataset_id: one.unit for one in learn(kb).advisers}
    assert units["a"] == pytest.approx(0.4)
    assert math.isnan(units["lone"])
