"""What every sampler must do that models the trials of a space, as checks that plug-in authors can run too.

Each ``check_*`` takes a function that makes a sampler for a space, a knowledge base, a metric and a seed, and raises
``AssertionError`` where a promise of `autometa.samplers.ModelSampler` is broken. They prove manners, not merit:
``benchmarks/transfer_hpo.py`` measures that.
"""

import contextlib
import math
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import optuna
import pandas as pd

from autometa.errors import OptionError
from autometa.knowledge import KnowledgeBase
from autometa.metrics import Metric, own
from autometa.records import Config
from autometa.spaces import SearchSpace

Make = Callable[[SearchSpace, KnowledgeBase, Metric, int], optuna.samplers.BaseSampler]

ERROR = own("error", "minimize")
SCORE = own("score", "maximize")

CONDITIONAL = SearchSpace.from_dict(
    {
        "name": "sampler-checks",
        "hyperparameters": {
            "model": {"type": "categorical", "choices": ["trees", "lines", "none"], "default": "trees"},
            "depth": {"type": "int", "low": 1, "high": 12, "default": 6, "when": {"model": ["trees"]}},
            "leaves": {"type": "int", "low": 2, "high": 512, "log": True, "default": 31, "when": {"model": ["trees"]}},
            "weights": {
                "type": "categorical",
                "choices": [None, "balanced"],
                "default": None,
                "when": {"model": ["trees"]},
            },
            "penalty": {
                "type": "float",
                "low": 1e-4,
                "high": 1e2,
                "log": True,
                "default": 1.0,
                "when": {"model": ["lines"]},
            },
            "batch": {"type": "categorical", "choices": [16, 32, 64, 128], "default": 32, "when": {"model": ["lines"]}},
            "share": {"type": "float", "low": 0.1, "high": 1.0, "step": 0.1, "default": 0.5},
        },
    }
)
SMALL = SearchSpace.from_dict(
    {
        "name": "sampler-checks-small",
        "hyperparameters": {
            "x": {"type": "int", "low": 0, "high": 3, "default": 0},
            "y": {"type": "categorical", "choices": ["a", "b", "c"], "default": "a"},
        },
    }
)


def loss(config: Config) -> float:
    """A smooth function of `CONDITIONAL`, of which the best is 0: lines, penalty 0.1, batch 64, share 0.5."""
    far = abs(float(config["share"] or 0) - 0.5)
    if config["model"] == "lines":
        batch = {16: 0.2, 32: 0.1, 64: 0.0, 128: 0.1}[int(str(config["batch"]))]
        return far + batch + 0.2 * abs(math.log10(float(config["penalty"] or 1)) + 1.0)
    return far + (0.5 if config["model"] == "none" else 0.3 + 0.02 * abs(float(config["depth"] or 0) - 4))


@contextlib.contextmanager
def _base(*, n_datasets: int = 4, n_runs: int = 30) -> Iterator[KnowledgeBase]:
    """A base of datasets on which `loss` holds, each shifted and scaled a little."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        kb = KnowledgeBase(Path(folder))
        for number in range(n_datasets):
            configs = [CONDITIONAL.sample(rng) for _ in range(n_runs)]
            values = [loss(config) * (1 + number / 4) + number + rng.normal(0, 0.01) for config in configs]
            for metric, sign in ((ERROR, 1.0), (SCORE, -1.0)):
                frame = pd.DataFrame(configs).assign(value=[sign * value for value in values])
                kb.add_runs(f"checks/{number}", CONDITIONAL.name, frame, metric=metric.name, direction=metric.direction)
        yield kb


def _study(sampler: optuna.samplers.BaseSampler, metric: Metric = ERROR) -> optuna.Study:
    return optuna.create_study(sampler=sampler, direction=metric.direction)


def _run(study: optuna.Study, n: int, *, space: SearchSpace = CONDITIONAL, sign: float = 1.0) -> list[Config]:
    """Trials one after the other, and what they tried."""
    tried = []
    for _ in range(n):
        trial = study.ask()
        config = space.suggest(trial)
        tried.append(config)
        study.tell(trial, sign * (loss(config) if space is CONDITIONAL else float(len(tried) % 3)))
    return tried


def check_proposals_are_in_the_space(make: Make) -> None:
    """Conditions, types and ranges hold, and the sampler itself proposes all that the objective asks for."""
    with _base() as kb:
        study = _study(make(CONDITIONAL, kb, ERROR, 0))
        for config in _run(study, 20):
            CONDITIONAL.validate(config)


def check_no_configuration_is_tried_twice(make: Make) -> None:
    """A space of twelve configurations is tried whole in twelve trials; the thirteenth repeats one."""
    with _base() as kb:
        study = _study(make(SMALL, kb, ERROR, 0))
        tried = [SMALL.key(config) for config in _run(study, 13, space=SMALL)]
        assert len(set(tried[:12])) == 12, "A configuration was tried twice while others were left."


def check_both_directions_are_served(make: Make) -> None:
    """Trials get better, smaller or larger: soon where the base is right about the target, and without a base too."""
    rng = np.random.default_rng(1)
    usual = float(np.mean([loss(CONDITIONAL.sample(rng)) for _ in range(500)]))
    with _base() as kb, tempfile.TemporaryDirectory() as folder:
        for metric, sign in ((ERROR, 1.0), (SCORE, -1.0)):
            for base, first in ((kb, 6), (KnowledgeBase(Path(folder)), 12)):
                tried = _run(_study(make(CONDITIONAL, base, metric, 0), metric), first + 6, sign=sign)
                later = float(np.median([loss(config) for config in tried[first:]]))
                said = f"a median of {later:.2f} after {first} trials, random ones {usual:.2f} ({metric.direction})"
                assert later < 0.7 * usual, f"It learns nothing: {said}."


def check_an_empty_base_is_a_cold_start(make: Make) -> None:
    """Without runs, and with runs of another space or metric only, the search goes on, and improves."""
    with _base() as kb, tempfile.TemporaryDirectory() as folder:
        for base, metric in ((KnowledgeBase(Path(folder)), ERROR), (kb, own("unknown", "minimize"))):
            study = _study(make(CONDITIONAL, base, metric, 0), metric)
            tried = _run(study, 25)
            first = np.mean([loss(config) for config in tried[:5]])
            assert study.best_value < first, "Twenty trials found nothing better than the first five on average."


def check_trials_that_end_badly_are_borne(make: Make) -> None:
    """Failed and pruned trials, values that are infinite, and equal values neither stop nor fool it."""
    with _base() as kb:
        study = _study(make(CONDITIONAL, kb, ERROR, 0))
        keys = []
        for number in range(16):
            trial = study.ask()
            config = CONDITIONAL.suggest(trial)
            keys.append(CONDITIONAL.key(config))
            if number % 4 == 0:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            elif number % 4 == 1:
                trial.report(loss(config), 1)
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(trial, math.inf if number % 8 == 2 else 0.5)
        assert len(set(keys)) == len(keys), "What failed was proposed again."


def check_running_trials_are_not_repeated(make: Make) -> None:
    """Eight trials that all run at the same time try eight configurations."""
    with _base() as kb:
        study = _study(make(CONDITIONAL, kb, ERROR, 0))
        _run(study, 3)
        keys = [CONDITIONAL.key(CONDITIONAL.suggest(study.ask())) for _ in range(8)]
        assert len(set(keys)) == len(keys), "Two workers were given the same configuration."


def check_the_queue_comes_first_and_is_not_repeated(make: Make) -> None:
    """Queued configurations are tried as they are, and none is proposed while it waits."""
    with _base() as kb:
        study = _study(make(CONDITIONAL, kb, ERROR, 0))
        best: Config = {"model": "lines", "penalty": 0.1, "batch": 64, "share": 0.5}
        study.enqueue_trial(best)
        (tried,) = _run(study, 1)
        assert tried == best, "A queued configuration was changed."
        keys = [CONDITIONAL.key(config) for config in _run(study, 6)]
        assert CONDITIONAL.key(best) not in keys, "A queued configuration was proposed again."


def check_the_same_seed_gives_the_same_trials(make: Make) -> None:
    """Twice the same search, another with another seed, and global random state is neither used nor touched."""
    with _base() as kb:
        random.seed(1)
        np.random.seed(1)
        before = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        first = _run(_study(make(CONDITIONAL, kb, ERROR, 7)), 12)
        after = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
        assert before == after, "Global random state was touched."
        random.seed(2)
        np.random.seed(2)
        assert _run(_study(make(CONDITIONAL, kb, ERROR, 7)), 12) == first, "The same seed gave other trials."
        assert _run(_study(make(CONDITIONAL, kb, ERROR, 8)), 12) != first, "Another seed gave the same trials."


def check_a_resumed_search_goes_on_as_it_would_have(make: Make) -> None:
    """A new sampler with the same seed on the same study proposes what the first would have proposed."""
    with _base() as kb:
        whole = _run(_study(make(CONDITIONAL, kb, ERROR, 3)), 12)
        study = _study(make(CONDITIONAL, kb, ERROR, 3))
        parts = _run(study, 5)
        study.sampler = make(CONDITIONAL, kb, ERROR, 3)
        assert [*parts, *_run(study, 7)] == whole, "The resumed search took another way."


def check_parameters_outside_the_space_are_drawn(make: Make) -> None:
    """An objective may ask for more than the space has, or for less."""
    with _base() as kb:
        study = _study(make(CONDITIONAL, kb, ERROR, 0))
        study.optimize(lambda trial: trial.suggest_float("other", 0, 1) + trial.suggest_float("share", 0.1, 1), 8)
        others = {trial.params["other"] for trial in study.trials}
        assert len(others) == 8, "A parameter outside the space did not vary."


def check_several_objectives_are_refused(make: Make) -> None:
    """A study of two objectives is an error that says so."""
    with _base() as kb:
        study = optuna.create_study(sampler=make(CONDITIONAL, kb, ERROR, 0), directions=["minimize", "minimize"])
        said = ""
        try:
            CONDITIONAL.suggest(study.ask())
        except OptionError as error:
            said = str(error)
        assert "one objective" in said, "A study of two objectives was accepted."


def check_threads_share_a_study(make: Make) -> None:
    """Four threads on one study try different configurations."""
    with _base() as kb:
        study = _study(make(CONDITIONAL, kb, ERROR, 0))
        study.optimize(lambda trial: loss(CONDITIONAL.suggest(trial)), n_trials=12, n_jobs=4)
        keys = [CONDITIONAL.key(trial.params) for trial in study.trials]
        assert len(set(keys)) == len(keys) == 12, "Two threads tried the same configuration."


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_proposals_are_in_the_space,
    check_no_configuration_is_tried_twice,
    check_both_directions_are_served,
    check_an_empty_base_is_a_cold_start,
    check_trials_that_end_badly_are_borne,
    check_running_trials_are_not_repeated,
    check_the_queue_comes_first_and_is_not_repeated,
    check_the_same_seed_gives_the_same_trials,
    check_a_resumed_search_goes_on_as_it_would_have,
    check_parameters_outside_the_space_are_drawn,
    check_several_objectives_are_refused,
    check_threads_share_a_study,
)
