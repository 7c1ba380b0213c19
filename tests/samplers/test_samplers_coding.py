"""Codes of configurations: there and back, valid when drawn and when mutated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autometa.records import Config
from autometa.samplers._coding import Coding
from autometa.spaces import SearchSpace, load_space
from autometa.testing.samplers import CONDITIONAL, SMALL

SPACES = {"conditional": CONDITIONAL, "small": SMALL, "tabular": load_space("tabular", task="binary")}


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_a_configuration_comes_back_as_it_was(space: SearchSpace) -> None:
    coding, rng = Coding(space), np.random.default_rng(0)
    configs = [space.default(), *(space.sample(rng) for _ in range(50))]
    codes = coding.encode(configs)
    for config, code in zip(configs, codes, strict=True):
        back = coding.decode(code)
        assert back.keys() == config.keys()
        for name, value in config.items():
            assert back[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value)
            assert type(back[name]) is type(value)


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_what_is_drawn_or_mutated_is_in_the_space(space: SearchSpace) -> None:
    coding, rng = Coding(space), np.random.default_rng(0)
    codes = coding.random(50, rng)
    for _ in range(4):
        for code in codes:
            space.validate(coding.decode(code))
        codes = coding.mutate(codes, rng)


def test_a_mutation_changes_one_thing_or_two_and_what_hangs_on_them() -> None:
    coding, rng = Coding(CONDITIONAL), np.random.default_rng(0)
    before = coding.random(300, rng)
    after = coding.mutate(before, rng)
    same_model = before[:, 0] == after[:, 0]
    differing = (np.nan_to_num(before, nan=-1.0) != np.nan_to_num(after, nan=-1.0)).sum(axis=1)
    assert differing[same_model].max() <= 2
    assert (differing > 0).mean() > 0.7


def test_every_value_of_a_hyperparameter_is_reached_by_mutations() -> None:
    coding, rng = Coding(SMALL), np.random.default_rng(0)
    codes = coding.encode([SMALL.default()] * 200)
    for _ in range(3):
        codes = coding.mutate(codes, rng)
    assert len(set(coding.keys(codes))) == 12


def test_features_order_numbers_and_set_other_choices_apart() -> None:
    coding = Coding(CONDITIONAL)
    lines: Config = {"model": "lines", "penalty": 1e-4, "batch": 16, "share": 0.1}
    codes = coding.encode([lines, {**lines, "penalty": 1e2}, {**lines, "batch": 64}, {**lines, "share": 1.0}])
    features = coding.features(codes)
    distance = np.linalg.norm(features[1:] - features[0], axis=1)
    np.testing.assert_allclose(distance, [1.0, 2 / 3, 1.0])
    trees: Config = {"model": "trees", "depth": 1, "leaves": 2, "weights": None, "share": 0.1}
    other = coding.features(coding.encode([trees, {"model": "none", "share": 0.1}]))
    model = coding.groups == 0
    assert np.linalg.norm(other[0, model] - other[1, model]) == pytest.approx(1.0)


def test_what_is_inactive_does_not_set_configurations_apart_unless_asked() -> None:
    coding = Coding(CONDITIONAL)
    codes = coding.encode([{"model": "none", "share": 0.1}])
    plain, marked = coding.features(codes), coding.features(codes, inactive=-1.0)
    assert not np.isnan(plain).any()
    assert (marked[0] == -1.0).sum() == 5
    assert (plain[0] == -1.0).sum() == 0


def test_counting_stops_at_its_bound() -> None:
    assert Coding(SMALL).n_configs(at_most=100) == 12
    assert Coding(SMALL).n_configs(at_most=10) == 10
    assert Coding(CONDITIONAL).n_configs(at_most=100) == 100
    assert Coding(load_space("nas_bench_201")).n_configs(at_most=10**6) == 15_625


@given(st.integers(0, 2**32 - 1))
def test_keys_tell_configurations_apart(seed: int) -> None:
    coding, rng = Coding(CONDITIONAL), np.random.default_rng(seed)
    codes = coding.random(30, rng)
    configs = [CONDITIONAL.key(coding.decode(code)) for code in codes]
    keys = coding.keys(codes)
    assert all((keys[i] == keys[j]) == (configs[i] == configs[j]) for i in range(30) for j in range(i))
