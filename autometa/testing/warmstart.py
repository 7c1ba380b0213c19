"""What every warm starter and every space pruner must do, as checks that plug-in authors can run too.

Each ``check_*`` takes a function that makes a warm starter, and raises ``AssertionError`` where a promise of
`autometa.warmstart.WarmStarter` is broken::

    import pytest
    from autometa.testing.warmstart import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_warm_starter(check):
        check(MyWarmStarter)

Each ``check_pruning_*`` takes a space pruner itself (`autometa.warmstart.SpacePruner`); they are in ``PRUNER_CHECKS``.

The checks prove manners, not merit: ``benchmarks/warmstart_coverage.py`` measures that.
"""

import math
import random
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from autometa.errors import InvalidConfigError
from autometa.evidence import Evidence, gather
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric, resolve
from autometa.records import Config, MetaFeatures, Suggestion, TaskType
from autometa.testing._warmstart_tools import SPACE, TARGET, Base, agreed, contents, space, usual, written
from autometa.warmstart import SpacePruner, WarmStarter

Make = Callable[[], WarmStarter]

__all__ = ["CHECKS", "PRUNER_CHECKS", "SPACE", "TARGET", "Base", "Make", "agreed", "space", "usual"]


def _ask(
    make: Make,
    kb: KnowledgeBase,
    *,
    n: int = 10,
    target: MetaFeatures = TARGET,
    metric: Metric | None = None,
    task: TaskType = "binary",
    seed: int = 0,
) -> list[Suggestion]:
    wanted = metric or resolve(None, task)
    suggestions = make().suggest(target, kb, space(), n, metric=wanted, task=task, seed=seed)
    _check_shape(suggestions, n)
    return suggestions


def _ask_base(make: Make, base: Base, **options: object) -> list[Suggestion]:
    with written(base) as kb:
        return _ask(make, kb, **options)  # type: ignore[arg-type]


def _check_shape(suggestions: list[Suggestion], n: int) -> None:
    """What holds of every answer: few enough, valid, distinct, ranked and explained."""
    assert len(suggestions) <= n, f"{n} suggestions were asked for, {len(suggestions)} came."
    for suggestion in suggestions:
        try:
            space().validate(suggestion.config)
        except InvalidConfigError as error:
            raise AssertionError(f"A suggestion lies outside the space: {error}") from error
        origin = suggestion.origin
        assert origin.strategy, "Origin.strategy is empty."
        assert origin.reason, "Origin.reason is empty."
        assert (origin.rank or 0) >= 1, f"Ranks count from 1, but got {origin.rank}."
        assert origin.distance is None or origin.distance >= 0, f"Distance {origin.distance} is negative or NaN."
    keys = [space().key(suggestion.config) for suggestion in suggestions]
    assert len(set(keys)) == len(keys), "A configuration was suggested twice."


def _configs(suggestions: list[Suggestion]) -> list[Config]:
    return [suggestion.config for suggestion in suggestions]


def check_suggestions_are_few_distinct_and_valid(make: Make) -> None:
    """At most ``n``, each in the space, no two the same, for any ``n``; and some where there are runs."""
    with written(usual()) as kb:
        for n in (0, 1, 3, 10, 1000):
            assert len(_ask(make, kb, n=n)) >= min(n, 1), f"{n} suggestions were asked for, none came."


def check_suggestions_can_be_enqueued(make: Make) -> None:
    """Optuna takes every suggestion without a warning, and the trial gets exactly that configuration."""
    import optuna

    suggestions = _ask_base(make, usual())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for suggestion in suggestions:
            study.enqueue_trial(suggestion.config)
        for suggestion in suggestions:
            trial = study.ask()
            config = space().suggest(trial)
            assert config == suggestion.config, f"Enqueued {suggestion.config}, but the trial got {config}."
            assert trial.params == suggestion.config, f"Unknown to the space: {suggestion.config}."


def check_the_targets_own_runs_never_matter(make: Make) -> None:
    """A perfect run of the target's own dataset, hidden by ``kb.without``, changes nothing."""
    perfect: Config = {"model": "lines", "penalty": 0.0123, "scale": 0.987}
    planted = usual().add("target", values=dict(TARGET.values), configs=[perfect])
    planted.runs[-1][2]["value"] = 1.0
    alone = _ask_base(make, usual())
    with written(planted) as kb:
        hidden = _ask(make, kb.without("checks/target"))
    assert perfect not in _configs(hidden), "The hidden run of the target itself was suggested."
    assert hidden == alone, "The hidden runs of the target itself changed the suggestions."


def check_the_order_of_rows_does_not_matter(make: Make) -> None:
    """The same datasets and runs, added in another order, give the same suggestions."""
    shuffled = usual()
    rng = random.Random(1)
    rng.shuffle(shuffled.datasets)
    shuffled.runs = [
        (dataset_id, name, frame.sample(frac=1.0, random_state=1), metric, direction)
        for dataset_id, name, frame, metric, direction in shuffled.runs
    ]
    rng.shuffle(shuffled.runs)
    assert _ask_base(make, usual()) == _ask_base(make, shuffled), "The order of the base's rows matters."


def check_the_base_is_unchanged(make: Make) -> None:
    """Datasets, meta-features, runs and files are the same afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        kb = usual().write(Path(folder))
        before = contents(kb, Path(folder))
        _ask(make, kb)
        after = contents(kb, Path(folder))
    assert before == after, "The warm starter changed the base."


def check_maximizing_equals_minimizing_the_negative(make: Make) -> None:
    """The direction of each run decides which values are good, not their sign."""
    negated = usual()
    negated.runs = [
        (dataset_id, name, frame.assign(value=-frame["value"]), metric, "minimize")
        for dataset_id, name, frame, metric, _ in negated.runs
    ]
    expected, got = _ask_base(make, usual()), _ask_base(make, negated)
    assert expected == got, "Maximizing v and minimizing -v differ."


def check_nothing_to_learn_from_is_a_cold_start(make: Make) -> None:
    """An empty base, and one with runs of other spaces or of the other kind of task only, give no advice."""
    other_space = Base().add("a", space_name="another")
    other_task = Base().add("a", task="regression", metric="rmse", direction="minimize")
    no_runs = Base().add("a")
    no_runs.runs.clear()
    for base in (Base(), other_space, other_task, no_runs):
        assert _ask_base(make, base) == [], "There was nothing to learn from, yet there were suggestions."


def check_one_dataset_is_enough(make: Make) -> None:
    """A single dataset advises with its runs, and its best run comes first."""
    base = Base().add("only")
    suggestions = _ask_base(make, base, n=3)
    assert suggestions, "The only dataset has 6 runs, but there were no suggestions."
    rows = base.runs[0][2].sort_values("value", ascending=False).to_dict("records")
    best = {str(name): value for name, value in rows[0].items() if name != "value" and pd.notna(value)}
    first = {name: value for name, value in suggestions[0].config.items() if value is not None}
    assert first == best, f"The only dataset's best run is {best}, but {first} came first."


def check_unknown_meta_features_are_no_obstacle(make: Make) -> None:
    """NaN on either side, datasets without meta-features and a target without any still give advice."""
    partial = usual()
    for i, (record, meta_features) in enumerate(partial.datasets):
        if i % 3 == 0:
            partial.datasets[i] = (record, None)
        elif i % 3 == 1 and meta_features is not None:
            partial.datasets[i] = (record, replace(meta_features, values={"NumberOfInstances": math.nan}))
    unknown = MetaFeatures("target", dict.fromkeys(TARGET.values, math.nan))
    for base in (usual(), partial):
        with written(base) as kb:
            for target in (TARGET, unknown, MetaFeatures("target", {})):
                suggestions = _ask(make, kb, target=target)
                assert suggestions, f"There were no suggestions for a target of {dict(target.values)}."


def check_a_related_metric_stands_in_and_is_named(make: Make) -> None:
    """Datasets without the metric asked for advise by a relative, the reason naming it; strangers never do."""
    suggestions = _ask_base(make, Base().add("a", metric="accuracy").add("b", metric="accuracy"), n=3)
    assert suggestions, "Runs scored by accuracy may advise a search by ROC AUC."
    for suggestion in suggestions:
        reason = suggestion.origin.reason
        assert "accuracy" in reason, f"The reason does not name the metric that stood in: {reason}"
    stranger = _ask_base(make, Base().add("a", metric="seconds", direction="minimize"))
    assert stranger == [], "A metric that is no relative of the one asked for must not advise."


def check_the_metric_asked_for_decides(make: Make) -> None:
    """Where a dataset has runs of the metric asked for, those of its relatives play no part."""
    expected = _ask_base(make, usual())
    both = usual()
    worst: Config = {"model": "lines", "penalty": 100.0, "scale": 0.0}
    for dataset_id, name, *_ in list(both.runs):
        both.runs.append((dataset_id, name, pd.DataFrame([worst]).assign(value=1.0), "accuracy", "maximize"))
    assert _ask_base(make, both) == expected, "Runs of a related metric outweighed those of the one asked for."


def check_runs_outside_the_space_are_projected_or_left_out(make: Make) -> None:
    """A value beyond its range is moved and marked; a model that the space lacks is never suggested."""
    beyond: Config = {"model": "trees", "depth": 40, "weights": "balanced", "scale": 0.25}
    foreign: Config = {"model": "splines", "scale": 0.25}
    base = Base().add("a", configs=[beyond]).add("b", configs=[foreign]).add("c", configs=[{**beyond, "depth": 3}])
    suggestions = _ask_base(make, base)
    assert suggestions, "Two of the three runs can be brought into the space, but there were no suggestions."
    for suggestion in suggestions:
        moved = suggestion.config.get("depth"), suggestion.origin.projected
        assert moved in ((12, True), (3, False)), f"Expected depth 12, projected, or 3, as it was; got {moved}."


def check_the_origin_names_a_dataset_of_the_base(make: Make) -> None:
    """Each suggestion names a dataset that exists, by id and name, and that has runs on this space."""
    silent = usual().add("silent")
    silent.runs.pop()
    names = {f"checks/{name}": name for name in "abcdefgh"}
    for suggestion in _ask_base(make, silent):
        origin = suggestion.origin
        assert origin.dataset_id in names, f"{origin.dataset_id!r} has no run on this space."
        assert origin.dataset_name == names[origin.dataset_id], f"{origin.dataset_id!r} is not {origin.dataset_name!r}."


def check_classification_and_regression_never_mix(make: Make) -> None:
    """Binary and multiclass datasets advise each other; regression is on its own."""
    base = Base().add("two", task="binary", metric="log_loss", direction="minimize")
    base.add("many", task="multiclass", metric="log_loss", direction="minimize")
    base.add("number", task="regression", metric="rmse", direction="minimize")
    expected: dict[TaskType, set[str | None]] = {
        "binary": {"checks/two", "checks/many"},
        "multiclass": {"checks/two", "checks/many"},
        "regression": {"checks/number"},
    }
    with written(base) as kb:
        for task, allowed in expected.items():
            advisers = {suggestion.origin.dataset_id for suggestion in _ask(make, kb, task=task, n=20)}
            assert advisers, f"A {task} task got no advice."
            assert advisers <= allowed, f"A {task} task may be advised by {allowed}, but was by {advisers}."


def check_failed_and_partial_runs_do_not_advise(make: Make) -> None:
    """A run that did not finish, or that saw a part of the budget only, is not suggested, whatever its value says."""
    base = usual()
    odd: Config = {"model": "lines", "penalty": 0.5, "scale": 0.125}
    for dataset_id, name, *_ in list(base.runs):
        for extra in ({"status": "crash"}, {"fidelity": 0.1}):
            frame = pd.DataFrame([{**odd, "value": 1.0, **extra}])
            base.runs.append((dataset_id, name, frame, "roc_auc", "maximize"))
    suggested = [suggestion.config for suggestion in _ask_base(make, base)]
    assert suggested, "Nothing was suggested, though full runs are there."
    assert odd not in suggested, "A crashed run or one of low fidelity was taken for a good one."


def check_the_same_seed_gives_the_same_suggestions(make: Make) -> None:
    """Twice the same call gives the same list, and global random state is neither used nor touched."""
    with written(usual()) as kb:
        random.seed(1)
        np.random.seed(1)
        first = _ask(make, kb, seed=3)
        after = random.random(), float(np.random.random())
        random.seed(1)
        np.random.seed(1)
        untouched = random.random(), float(np.random.random())
        assert after == untouched, "Global random state was touched."
        assert _ask(make, kb, seed=3) == first, "The same seed gave other suggestions."


def check_any_seed_will_do(make: Make) -> None:
    """Whatever is drawn, all promises hold, and as many suggestions come."""
    with written(agreed()) as kb:
        counts = {len(_ask(make, kb, n=8, seed=seed)) for seed in (0, 1, 7, 2**32 + 1)}
    assert len(counts) == 1, f"The seed decided how many suggestions came: {sorted(counts)}."
    assert counts != {0}, "Nothing was suggested, though 12 datasets have 18 runs each."


def check_fewer_are_the_beginning_of_more(make: Make) -> None:
    """Who asks for three gets the first three of ten."""
    for base in (usual(), agreed()):
        with written(base) as kb:
            many = _ask(make, kb, n=10)
            for n in (1, 3, 5):
                few = _ask(make, kb, n=n)
                assert few == many[:n], f"The first {n} of 10 suggestions are others than those of {n}."


def check_what_does_well_everywhere_comes_first(make: Make) -> None:
    """Where all datasets agree on a region, the first five suggestions lie in it."""
    for number, config in enumerate(_configs(_ask_base(make, agreed(), n=5)), start=1):
        scale = config["scale"]
        assert isinstance(scale, float)
        inside = config["model"] == "lines" and 0.2 <= scale <= 0.4
        assert inside, f"Lines of scale 0.2 to 0.4 do well on all 12 datasets, but suggestion {number} is {config}."


def _evidence(base: Base) -> Evidence:
    with written(base) as kb:
        return gather(kb, space(), TARGET, metric=resolve(None, "binary"), task="binary")


def check_pruning_gives_a_part_of_the_whole(prune: SpacePruner) -> None:
    """The part has the whole's name, and whatever is drawn from it is one of the whole; so is its default."""
    whole, rng = space(), np.random.default_rng(0)
    for base in (Base(), usual(), agreed()):
        part = prune(_evidence(base), whole).space
        assert part.name == whole.name, f"Runs are filed under {whole.name!r}, but the part is called {part.name!r}."
        for config in (part.default(), *(part.sample(rng) for _ in range(50))):
            found = whole.problems(config)
            assert not found, f"The part holds what the whole does not: {config}: {'; '.join(found)}."


def check_pruning_finds_where_all_did_well(prune: SpacePruner) -> None:
    """What all datasets agree on is kept, what all tried in vain is cut, and its branch with it."""
    part = prune(_evidence(agreed()), space()).space
    assert part["model"].choices == ("lines",), f"Trees did badly everywhere, but {part['model'].choices} are left."
    assert "depth" not in part, "Trees were cut, but their depth is left."
    low, high = part["scale"].bounds
    assert 0.2 <= low <= high <= 0.4, f"Scales of 0.2 to 0.4 do well, but {low:.2f} to {high:.2f} is left."
    assert high - low > 0.1, f"Scales of 0.2 to 0.4 do well, but only {low:.2f} to {high:.2f} is left."


def check_pruning_keeps_what_nobody_tried(prune: SpacePruner) -> None:
    """Nothing speaks against a choice that was never tried: it stays, and its branch stays whole."""
    part = prune(_evidence(agreed(others=["lines"])), space()).space
    assert part["model"].choices == ("trees", "lines"), f"Nobody tried trees, but {part['model'].choices} are left."
    assert part["depth"] == space()["depth"], f"Nobody tried any depth, but {part['depth'].range_text} is left."


def check_pruning_needs_several_datasets(prune: SpacePruner) -> None:
    """Where nothing is known, or two datasets speak only, nothing is cut."""
    for base in (Base(), agreed(2)):
        pruned = prune(_evidence(base), space())
        assert pruned.space == space(), f"{len(base.datasets)} datasets were enough to cut {list(pruned.reasons)}."
        assert not pruned.cuts, "The space is whole, but cuts are told."
        assert pruned.summary, "Why nothing was cut is not told."


def check_pruning_says_what_it_cut(prune: SpacePruner) -> None:
    """Each hyperparameter that was narrowed or is gone has its reason, and no other has one."""
    whole, pruned = space(), prune(_evidence(agreed()), space())
    ranges = {one.name: one.range_text for one in pruned.space.hyperparameters}
    changed = {one.name for one in whole.hyperparameters if ranges.get(one.name) != one.range_text}
    assert changed == set(pruned.reasons), f"{sorted(changed)} were cut, but {sorted(pruned.reasons)} have reasons."
    assert all(pruned.reasons.values()), "A reason is empty."
    assert pruned.summary, "The summary is empty."


def check_pruning_leaves_the_evidence_alone(prune: SpacePruner) -> None:
    """The evidence is the same afterwards, and gives the same part again."""
    evidence = _evidence(agreed())
    before = evidence.runs.to_csv(), repr(evidence.configs)
    first = prune(evidence, space())
    assert (evidence.runs.to_csv(), repr(evidence.configs)) == before, "The evidence was changed."
    assert prune(evidence, space()) == first, "The same evidence gave another part."


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_suggestions_are_few_distinct_and_valid,
    check_suggestions_can_be_enqueued,
    check_the_targets_own_runs_never_matter,
    check_the_order_of_rows_does_not_matter,
    check_the_base_is_unchanged,
    check_maximizing_equals_minimizing_the_negative,
    check_nothing_to_learn_from_is_a_cold_start,
    check_one_dataset_is_enough,
    check_unknown_meta_features_are_no_obstacle,
    check_a_related_metric_stands_in_and_is_named,
    check_the_metric_asked_for_decides,
    check_runs_outside_the_space_are_projected_or_left_out,
    check_the_origin_names_a_dataset_of_the_base,
    check_classification_and_regression_never_mix,
    check_failed_and_partial_runs_do_not_advise,
    check_the_same_seed_gives_the_same_suggestions,
    check_any_seed_will_do,
    check_fewer_are_the_beginning_of_more,
    check_what_does_well_everywhere_comes_first,
)

PRUNER_CHECKS: tuple[Callable[[SpacePruner], None], ...] = (
    check_pruning_gives_a_part_of_the_whole,
    check_pruning_finds_where_all_did_well,
    check_pruning_keeps_what_nobody_tried,
    check_pruning_needs_several_datasets,
    check_pruning_says_what_it_cut,
    check_pruning_leaves_the_evidence_alone,
)
