"""Every warm starter and space pruner against every check, and every check against one that deserves to fail it."""

import inspect
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autometa.testing.warmstart as suite
from autometa.evidence import Evidence
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric
from autometa.records import Config, MetaFeatures, Origin, Suggestion, TaskType
from autometa.spaces import SearchSpace
from autometa.testing.warmstart import CHECKS, PRUNER_CHECKS, Make
from autometa.warmstart import (
    SPACE_PRUNERS,
    WARM_STARTERS,
    Auto,
    Pruned,
    SpacePruner,
    WarmStarter,
    bounding_box,
    quantile_box,
)

Check = Callable[[Make], None]
PrunerCheck = Callable[[SpacePruner], None]

MATRIX = [
    pytest.param(name, check, id=f"{name}-{check.__name__}") for name in WARM_STARTERS.names() for check in CHECKS
]
PRUNER_MATRIX = [
    pytest.param(name, check, id=f"{name}-{check.__name__}")
    for name in SPACE_PRUNERS.names()
    for check in PRUNER_CHECKS
]


@pytest.mark.parametrize(("name", "check"), MATRIX)
def test_warm_starter(name: str, check: Check) -> None:
    check(lambda: WARM_STARTERS.create(name))


@pytest.mark.parametrize(("name", "check"), PRUNER_MATRIX)
def test_space_pruner(name: str, check: PrunerCheck) -> None:
    check(SPACE_PRUNERS.create(name))


class Liar(WarmStarter):
    """An honest warm starter, for a subclass to spoil."""

    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        return self.spoil(Auto().suggest(target, kb, space, n, metric=metric, task=task, seed=seed))

    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return suggestions


def careless(kb: KnowledgeBase, space: SearchSpace, n: int, *, by: str, ascending: bool) -> list[Suggestion]:
    """The base's rows ordered by one column; metric, direction, status, fidelity and task are not looked at."""
    runs = kb.runs(space.name).reset_index().sort_values(by, ascending=ascending)
    names = dict(kb.datasets()["name"])
    chosen: dict[str, Suggestion] = {}
    for row in runs.to_dict("records"):
        given: Config = {"weights": None}
        given |= {one.name: row[one.name] for one in space.hyperparameters if pd.notna(row.get(one.name))}
        config = space.project(given)
        origin = Origin("careless", 1, row["dataset_id"], names[row["dataset_id"]], None, "It came first.")
        chosen.setdefault(space.key(config), Suggestion(config, origin))
    return list(chosen.values())[:n]


class SaysEverythingTwice(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return [*suggestions[:1], *suggestions[:-1]] if len(suggestions) > 1 else suggestions


class SaysTooMuch(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        extra: Config = {"model": "lines", "penalty": 3.21, "scale": 0.321}
        return [*suggestions, Suggestion(extra, Origin("liar", 1, reason="One more."))]


class SaysNothing(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return []


class LeavesInactiveValues(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return [replace(one, config={"penalty": 1.0, "depth": 2, **one.config}) for one in suggestions]


class Peeks(Liar):
    """Reads the base on disk, in which nothing is hidden."""

    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        return Auto().suggest(target, KnowledgeBase(kb.info().paths[-1]), space, n, metric=metric, task=task, seed=seed)


class TakesTheFirstRows(Liar):
    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        return careless(kb, space, n, by="index", ascending=True)


class Writes(Liar):
    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        run = pd.DataFrame([{**space.default(), "value": 0.5}])
        kb.add_runs("checks/a", space.name, run, metric=metric.name, direction=metric.direction)
        return super().suggest(target, kb, space, n, metric=metric, task=task, seed=seed)


class TakesTheLargest(Liar):
    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        return careless(kb, space, n, by="value", ascending=False)


class TakesTheSmallest(Liar):
    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        return careless(kb, space, n, by="value", ascending=True)


class FallsBackOnTheDefault(Liar):
    """Invents advice where there is none."""

    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        honest = super().suggest(target, kb, space, n, metric=metric, task=task, seed=seed)
        return honest or [Suggestion(space.default(), Origin("liar", 1, reason="The default."))][:n]


class NeedsMetaFeatures(Liar):
    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        honest = super().suggest(target, kb, space, n, metric=metric, task=task, seed=seed)
        return honest if all(np.isfinite(value) for value in target.values.values()) and target.values else []


class HidesTheMetric(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return [replace(one, origin=replace(one.origin, reason="It is good.")) for one in suggestions]


class HidesTheProjection(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return [replace(one, origin=replace(one.origin, projected=False)) for one in suggestions]


class NamesAnyDataset(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return [replace(one, origin=replace(one.origin, dataset_id="checks/silent")) for one in suggestions]


class RollsDice(Liar):
    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return sorted(suggestions, key=lambda _: random.random())


class LikesEvenSeeds(Liar):
    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        return super().suggest(target, kb, space, n - seed % 2, metric=metric, task=task, seed=seed)


class SpreadsOut(Liar):
    """What comes first depends on how many are asked for."""

    def spoil(self, suggestions: list[Suggestion]) -> list[Suggestion]:
        return suggestions[::-1]


class DrawsFromEverywhere(Liar):
    """One piece of advice, then draws from the whole space."""

    def suggest(
        self,
        target: MetaFeatures,
        kb: KnowledgeBase,
        space: SearchSpace,
        n: int,
        *,
        metric: Metric,
        task: TaskType | None,
        seed: int,
    ) -> list[Suggestion]:
        honest = super().suggest(target, kb, space, n, metric=metric, task=task, seed=seed)
        rng = np.random.default_rng(seed)
        return [*honest[:1], *(replace(one, config=space.sample(rng)) for one in honest[1:])]


def widens(evidence: Evidence, space: SearchSpace) -> Pruned:
    """Takes what the first datasets tried for the space that was to be narrowed."""
    wider = replace(space["scale"], high=2.0)
    others = tuple(wider if one.name == "scale" else one for one in space.hyperparameters)
    return replace(bounding_box(evidence, space), space=replace(space, hyperparameters=others))


def cuts_nothing(evidence: Evidence, space: SearchSpace) -> Pruned:
    return Pruned(space, (), len(evidence.advisers), "Nothing was cut.")


def cuts_the_unknown(evidence: Evidence, space: SearchSpace) -> Pruned:
    """Takes a choice that nobody tried for a bad one."""
    seen = {config["model"] for config in evidence.configs}
    kept = [choice for choice in space["model"].choices if choice in seen]
    return replace(bounding_box(evidence, space), space=space.restrict({"model": kept}) if kept else space)


def believes_anyone(evidence: Evidence, space: SearchSpace) -> Pruned:
    return bounding_box(evidence, space, min_datasets=1)


def says_half(evidence: Evidence, space: SearchSpace) -> Pruned:
    pruned = bounding_box(evidence, space)
    return replace(pruned, cuts=pruned.cuts[::2])


def uses_up_the_evidence(evidence: Evidence, space: SearchSpace) -> Pruned:
    pruned = quantile_box(evidence, space)
    evidence.runs["regret"] = 0.0
    return pruned


LIARS: list[tuple[type[Liar], Check]] = [
    (SaysEverythingTwice, suite.check_suggestions_are_few_distinct_and_valid),
    (SaysTooMuch, suite.check_suggestions_are_few_distinct_and_valid),
    (SaysNothing, suite.check_suggestions_are_few_distinct_and_valid),
    (LeavesInactiveValues, suite.check_suggestions_are_few_distinct_and_valid),
    (LeavesInactiveValues, suite.check_suggestions_can_be_enqueued),
    (Peeks, suite.check_the_targets_own_runs_never_matter),
    (TakesTheFirstRows, suite.check_the_order_of_rows_does_not_matter),
    (Writes, suite.check_the_base_is_unchanged),
    (TakesTheLargest, suite.check_maximizing_equals_minimizing_the_negative),
    (FallsBackOnTheDefault, suite.check_nothing_to_learn_from_is_a_cold_start),
    (TakesTheSmallest, suite.check_one_dataset_is_enough),
    (NeedsMetaFeatures, suite.check_unknown_meta_features_are_no_obstacle),
    (HidesTheMetric, suite.check_a_related_metric_stands_in_and_is_named),
    (TakesTheLargest, suite.check_the_metric_asked_for_decides),
    (HidesTheProjection, suite.check_runs_outside_the_space_are_projected_or_left_out),
    (NamesAnyDataset, suite.check_the_origin_names_a_dataset_of_the_base),
    (TakesTheLargest, suite.check_classification_and_regression_never_mix),
    (TakesTheLargest, suite.check_failed_and_partial_runs_do_not_advise),
    (RollsDice, suite.check_the_same_seed_gives_the_same_suggestions),
    (LikesEvenSeeds, suite.check_any_seed_will_do),
    (SpreadsOut, suite.check_fewer_are_the_beginning_of_more),
    (DrawsFromEverywhere, suite.check_what_does_well_everywhere_comes_first),
]

LYING_PRUNERS: list[tuple[SpacePruner, PrunerCheck]] = [
    (widens, suite.check_pruning_gives_a_part_of_the_whole),
    (cuts_nothing, suite.check_pruning_finds_where_all_did_well),
    (cuts_the_unknown, suite.check_pruning_keeps_what_nobody_tried),
    (believes_anyone, suite.check_pruning_needs_several_datasets),
    (says_half, suite.check_pruning_says_what_it_cut),
    (uses_up_the_evidence, suite.check_pruning_leaves_the_evidence_alone),
]


@pytest.mark.parametrize(
    ("liar", "check"), [pytest.param(*pair, id=f"{pair[0].__name__}-{pair[1].__name__}") for pair in LIARS]
)
def test_the_check_rejects(liar: type[Liar], check: Check) -> None:
    with pytest.raises(AssertionError) as caught:
        check(liar)
    assert str(caught.value)


@pytest.mark.parametrize(("liar", "check"), [pytest.param(*pair, id=pair[0].__name__) for pair in LYING_PRUNERS])
def test_the_pruner_check_rejects(liar: SpacePruner, check: PrunerCheck) -> None:
    with pytest.raises(AssertionError) as caught:
        check(liar)
    assert str(caught.value)


def test_every_check_has_a_liar_and_is_in_the_suite() -> None:
    written = {value for name, value in vars(suite).items() if name.startswith("check_")}
    assert written == {*CHECKS, *PRUNER_CHECKS}
    assert set(CHECKS) == {check for _, check in LIARS}
    assert set(PRUNER_CHECKS) == {check for _, check in LYING_PRUNERS}


def descendants(kind: type[Any]) -> set[type[Any]]:
    """All classes below, however deep."""
    return {below for one in kind.__subclasses__() for below in (one, *descendants(one))}


def test_every_concrete_warm_starter_is_registered() -> None:
    found = {one for one in descendants(WarmStarter) if not inspect.isabstract(one)}
    ours = {one for one in found if one.__module__.startswith("autometa.")}
    assert ours == {type(WARM_STARTERS.create(name)) for name in WARM_STARTERS.names()}
    assert len(MATRIX) == len(WARM_STARTERS) * len(CHECKS) > 0
    assert len(PRUNER_MATRIX) == len(SPACE_PRUNERS) * len(PRUNER_CHECKS) > 0
