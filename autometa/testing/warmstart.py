"""What every warm starter must do, as checks that plug-in authors can run too.

Each ``check_*`` takes a function that makes a warm starter, and raises ``AssertionError`` where a promise of
`autometa.warmstart.WarmStarter` is broken::

    import pytest
    from autometa.testing.warmstart import CHECKS

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_warm_starter(check):
        check(MyWarmStarter)

The checks prove manners, not merit: ``benchmarks/warmstart_coverage.py`` measures that.
"""

import contextlib
import math
import random
import tempfile
import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from autometa.errors import InvalidConfigError
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric, resolve
from autometa.records import Config, DatasetRecord, Direction, MetaFeatures, Suggestion, TaskType
from autometa.spaces import SearchSpace
from autometa.warmstart import WarmStarter

Make = Callable[[], WarmStarter]

SPACE = {
    "name": "warmstart-checks",
    "summary": "A small conditional space",
    "reference": "autometa",
    "hyperparameters": {
        "model": {"type": "categorical", "choices": ["trees", "lines"], "default": "trees", "reference": "-"},
        "depth": {
            "type": "int",
            "low": 1,
            "high": 12,
            "default": 6,
            "when": {"model": ["trees"]},
            "reference": "-",
        },
        "weights": {
            "type": "categorical",
            "choices": [None, "balanced"],
            "default": "balanced",
            "when": {"model": ["trees"]},
            "reference": "-",
        },
        "penalty": {
            "type": "float",
            "low": 1e-4,
            "high": 1e2,
            "log": True,
            "default": 1.0,
            "when": {"model": ["lines"]},
            "reference": "-",
        },
        "scale": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.5, "reference": "-"},
    },
}
TARGET = MetaFeatures("target", {"NumberOfInstances": 350.0, "NumberOfClasses": 2.0, "ClassEntropy": 0.8})


def space() -> SearchSpace:
    """The space that the checks search: a choice of model, and what belongs to each."""
    return SearchSpace.from_dict(SPACE)


class Base:
    """A small knowledge base in the making: datasets with random runs, told apart by their meta-features."""

    def __init__(self, *, seed: int = 0) -> None:
        """Starts empty."""
        self.datasets: list[tuple[DatasetRecord, MetaFeatures | None]] = []
        self.runs: list[tuple[str, str, pd.DataFrame, str, Direction]] = []
        self._rng = np.random.default_rng(seed)

    def add(
        self,
        name: str,
        *,
        task: TaskType = "binary",
        values: dict[str, float] | None = None,
        metric: str = "roc_auc",
        direction: Direction = "maximize",
        configs: Sequence[Config] | None = None,
        n_runs: int = 6,
        space_name: str = "warmstart-checks",
    ) -> "Base":
        """Add a dataset and its runs; by default random meta-features and random configurations."""
        record = DatasetRecord(f"checks/{name}", name, task, "checks")
        rows = float(self._rng.integers(50, 5000))
        drawn = {"NumberOfInstances": rows, "NumberOfClasses": 2.0, "ClassEntropy": self._rng.uniform(0, 1)}
        self.datasets.append((record, MetaFeatures(record.dataset_id, drawn if values is None else values)))
        chosen = [space().sample(self._rng) for _ in range(n_runs)] if configs is None else list(configs)
        frame = pd.DataFrame(chosen).assign(value=self._rng.uniform(0.5, 0.9, size=len(chosen)).round(6))
        self.runs.append((record.dataset_id, space_name, frame, metric, direction))
        return self

    def write(self, folder: Path) -> KnowledgeBase:
        """The base on disk."""
        kb = KnowledgeBase(folder)
        described = {record.dataset_id: values for record, values in self.datasets if values is not None}
        kb.add_datasets([record for record, _ in self.datasets], described)
        rows: dict[str, list[dict[Hashable, object]]] = {}
        for dataset_id, name, frame, metric, direction in self.runs:
            said = {"dataset_id": dataset_id, "metric": metric, "direction": direction}
            usually = {"status": "complete", "fidelity": 1.0}
            rows.setdefault(name, []).extend(usually | said | row for row in frame.to_dict("records"))
        for name, table in rows.items():
            kb.add_run_table(name, pd.DataFrame(table))
        return kb


def usual(*, seed: int = 0) -> Base:
    """Eight binary datasets of six runs each."""
    base = Base(seed=seed)
    for name in "abcdefgh":
        base.add(name)
    return base


@contextlib.contextmanager
def _written(base: Base) -> Iterator[KnowledgeBase]:
    with tempfile.TemporaryDirectory() as folder:
        yield base.write(Path(folder))


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
    with _written(base) as kb:
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
    with _written(usual()) as kb:
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
    with _written(planted) as kb:
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
        before = _contents(kb), _files(Path(folder))
        _ask(make, kb)
        after = _contents(kb), _files(Path(folder))
    assert before == after, "The warm starter changed the base."


def _contents(kb: KnowledgeBase) -> list[str]:
    frames = kb.datasets(), kb.meta_features(), kb.runs("warmstart-checks")
    return [frame.to_csv() for frame in frames]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


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
        with _written(base) as kb:
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
    with _written(base) as kb:
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
    with _written(usual()) as kb:
        random.seed(1)
        np.random.seed(1)
        first = _ask(make, kb, seed=3)
        after = random.random(), float(np.random.random())
        random.seed(1)
        np.random.seed(1)
        untouched = random.random(), float(np.random.random())
        assert after == untouched, "Global random state was touched."
        assert _ask(make, kb, seed=3) == first, "The same seed gave other suggestions."


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
)
