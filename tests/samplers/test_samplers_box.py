"""Samplers that keep to a part of a space."""

from pathlib import Path

import numpy as np
import optuna
import pytest

import autometa
from autometa.errors import OptionError
from autometa.knowledge import KnowledgeBase
from autometa.samplers import SAMPLERS
from autometa.samplers._box import Box
from autometa.samplers._coding import Coding
from autometa.spaces import SearchSpace
from autometa.testing.samplers import CONDITIONAL, ERROR, loss
from tests.samplers.test_samplers_sources import fill

NARROW = SearchSpace.from_dict(
    {
        "name": CONDITIONAL.name,
        "hyperparameters": {
            "model": {"type": "categorical", "choices": ["trees", "none"], "default": "trees"},
            "depth": {"type": "int", "low": 3, "high": 5, "default": 4, "when": {"model": ["trees"]}},
            "leaves": {"type": "int", "low": 8, "high": 64, "log": True, "default": 31, "when": {"model": ["trees"]}},
            "weights": {
                "type": "categorical",
                "choices": ["balanced"],
                "default": "balanced",
                "when": {"model": ["trees"]},
            },
            "share": {"type": "float", "low": 0.2, "high": 0.6, "step": 0.1, "default": 0.5},
        },
    }
)


def test_what_lies_outside_is_moved_in_with_its_branch() -> None:
    coding = Coding(CONDITIONAL)
    box, rng = Box(coding, NARROW), np.random.default_rng(0)
    codes = coding.random(300, rng)
    inside = box.holds(codes)
    assert 0 < inside.sum() < 100
    for config in map(coding.decode, codes[inside]):
        NARROW.validate(config)
    moved = box.move(codes, rng)
    np.testing.assert_array_equal(moved[inside], codes[inside])
    configs = [coding.decode(code) for code in moved]
    for config in configs:
        NARROW.validate(config)
    assert {config["model"] for config in configs} == {"trees", "none"}


@pytest.mark.parametrize("name", ["transfer", "rgpe", "random"])
def test_proposals_keep_to_it(name: str, tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    fill(kb)
    sampler = SAMPLERS.create(name)(CONDITIONAL, kb, metric=ERROR, cache=tmp_path, within=NARROW, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: loss(CONDITIONAL.suggest(trial)), n_trials=8)
    for trial in study.trials:
        NARROW.validate(trial.params)


def test_a_study_can_be_kept_to_where_others_had_their_best(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    fill(kb, n_datasets=6, n_runs=60)
    options = {"kb": kb, "metric": "error", "warm_start": "none", "sampler": "random", "seed": 0}
    study = autometa.create_study(CONDITIONAL, prune_space="bounding_box", **options)  # type: ignore[arg-type]
    study.optimize(lambda trial: loss(CONDITIONAL.suggest(trial)), n_trials=10)
    said = study.user_attrs["autometa.pruned"]
    assert "6 datasets" in said["summary"]
    assert "share" in said["reasons"]
    free = autometa.create_study(CONDITIONAL, **options)  # type: ignore[arg-type]
    free.optimize(lambda trial: loss(CONDITIONAL.suggest(trial)), n_trials=10)
    means = [np.mean([trial.value for trial in one.trials]) for one in (study, free)]
    assert means[0] < 0.6 * means[1]


def test_optunas_own_samplers_cannot_be_kept_to_a_part(tmp_path: Path) -> None:
    kb = KnowledgeBase(tmp_path / "kb")
    fill(kb, n_datasets=6)
    own = optuna.samplers.RandomSampler(seed=0)
    with pytest.raises(OptionError, match="tpe cannot keep to a part of a space"):
        autometa.create_study(CONDITIONAL, kb=kb, metric="error", prune_space="bounding_box", sampler="tpe")
    with pytest.raises(OptionError, match="needs a sampler by name"):
        autometa.create_study(CONDITIONAL, kb=kb, metric="error", prune_space="bounding_box", sampler=own)
