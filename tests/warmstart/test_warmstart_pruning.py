import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autometa.errors import OptionError
from autometa.evidence import Adviser, Evidence
from autometa.metrics import resolve
from autometa.records import Config
from autometa.spaces import SearchSpace
from autometa.warmstart import SPACE_PRUNERS, bounding_box, quantile_box
from autometa.warmstart._pruning import leaders

Runs = Sequence[tuple[Config, float]]


def make_space(hyperparameters: Mapping[str, Mapping[str, Any]]) -> SearchSpace:
    return SearchSpace.from_dict({"name": "own", "hyperparameters": hyperparameters})


LINE = make_space({"x": {"type": "float", "low": 0.0, "high": 1.0, "default": 0.9}})
SVM = make_space(
    {
        "C": {"type": "float", "low": 0.01, "high": 100.0, "log": True, "default": 1.0},
        "kernel": {"type": "categorical", "choices": ["rbf", "poly", "sigmoid"], "default": "rbf"},
        "degree": {"type": "int", "low": 2, "high": 8, "default": 3, "when": {"kernel": ["poly"]}},
        "coef0": {"type": "float", "low": -1.0, "high": 1.0, "default": 0.0, "when": {"kernel": ["poly", "sigmoid"]}},
    }
)


def evidence(space: SearchSpace, datasets: Sequence[Runs]) -> Evidence:
    """Regret by dataset and configuration."""
    keys = sorted({space.key(config) for runs in datasets for config, _ in runs})
    configs = {space.key(config): config for runs in datasets for config, _ in runs}
    rows = [
        {"adviser": adviser, "config": keys.index(space.key(config)), "regret": regret, "projected": False}
        for adviser, runs in enumerate(datasets)
        for config, regret in runs
    ]
    frame = pd.DataFrame(rows).sort_values(["adviser", "regret", "config"], ignore_index=True)
    advisers = tuple(Adviser(f"id/{i}", f"d{i}", "roc_auc", math.nan) for i in range(len(datasets)))
    return Evidence(space, resolve("roc_auc", "binary"), advisers, tuple(configs[key] for key in keys), frame)


def points(*best: float) -> Evidence:
    """On each dataset one x did best; 0 and 1 were tried by all, and did badly."""
    return evidence(LINE, [[({"x": x}, 0.0), ({"x": 0.0}, 1.0), ({"x": 1.0}, 1.0)] for x in best])


def svm(kernel: str, c: float = 1.0, **others: int | float) -> Config:
    return {"C": c, "kernel": kernel, **others}


def tried(best: Config) -> Runs:
    """One best configuration, and every kernel in vain."""
    bad = svm("rbf", 50.0), svm("poly", 50.0, degree=8, coef0=1.0), svm("sigmoid", 50.0, coef0=1.0)
    return [(best, 0.0), *((config, 1.0) for config in bad)]


def test_the_box_reaches_from_the_smallest_best_to_the_largest() -> None:
    pruned = bounding_box(points(0.4, 0.3, 0.5, 0.6, 0.35), LINE)
    assert pruned.space["x"].bounds == (0.3, 0.6)
    assert pruned.n_datasets == 5
    (cut,) = pruned.cuts
    assert (cut.name, cut.before, cut.after, cut.n_datasets) == ("x", "[0, 1]", "[0.3, 0.6]", 5)
    assert cut.left == pytest.approx(0.3)
    assert cut.set_by == ("d1", "d3")
    assert pruned.reasons == {
        "x": "[0, 1] became [0.3, 0.6]: it holds the best of 5 datasets; 'd1' set the low end, 'd3' the high end."
    }
    assert pruned.summary == (
        "Of 1 hyperparameters 1 were narrowed by the best of 5 datasets, and 0 went with their parents."
    )


def test_the_default_moves_inside() -> None:
    assert bounding_box(points(0.4, 0.3, 0.5, 0.6, 0.35), LINE).space.default() == {"x": 0.6}


def test_four_datasets_cut_nothing() -> None:
    pruned = bounding_box(points(0.4, 0.3, 0.5, 0.6), LINE)
    assert pruned.space is LINE
    assert pruned.reasons == {}
    assert pruned.summary == "Nothing was cut by the best of 4 datasets: 5 are needed."
    assert bounding_box(points(0.4, 0.3, 0.5, 0.6), LINE, min_datasets=4).space["x"].bounds == (0.3, 0.6)


def test_nothing_known_cuts_nothing() -> None:
    empty = evidence(LINE, [[({"x": 0.5}, 0.0)]])
    empty = Evidence(empty.space, empty.metric, (), (), empty.runs[:0])
    for name in SPACE_PRUNERS.names():
        assert SPACE_PRUNERS.create(name)(empty, LINE).space is LINE


def test_one_odd_dataset_widens_the_bounding_box_but_not_the_quantile_box() -> None:
    odd = points(*(0.4 + i / 100 for i in range(12)), 0.05)
    assert bounding_box(odd, LINE).space["x"].bounds == (0.05, 0.51)
    # A tenth of 13 datasets is one at each end: 0.05 and 0.51.
    pruned = quantile_box(odd, LINE)
    assert pruned.space["x"].bounds == pytest.approx((0.4, 0.5))
    assert "it holds the best 10 % of 13 datasets, less 1 at each end" in pruned.reasons["x"]


def test_the_quantile_box_needs_a_dataset_to_trim_at_each_end() -> None:
    assert quantile_box(points(*[0.4] * 4, *[0.5] * 5), LINE).space is LINE
    assert quantile_box(points(*[0.4] * 5, *[0.5] * 5), LINE).space["x"].bounds == (0.4, 0.5)
    assert quantile_box(points(*[0.4] * 2, *[0.5] * 3), LINE, trim=0.2).space["x"].bounds == (0.4, 0.5)
    assert quantile_box(points(0.4, 0.4, 0.5, 0.5, 0.6), LINE, trim=0.0).space["x"].bounds == (0.4, 0.6)


def test_the_quantile_is_the_share_of_each_datasets_configurations() -> None:
    ladder: Runs = [({"x": i / 10}, i / 10) for i in range(1, 11)]  # the smaller the better
    ten = evidence(LINE, [ladder] * 10)
    assert quantile_box(ten, LINE, quantile=0.3).space["x"].bounds == (0.1, 0.3)
    assert quantile_box(ten, LINE, quantile=0.31).space["x"].bounds == (0.1, 0.4)
    assert quantile_box(ten, LINE, quantile=0.0).space["x"].bounds == (0.1, 0.1)


def test_integers_and_steps_stay_on_their_grid() -> None:
    space = make_space(
        {
            "n": {"type": "int", "low": 0, "high": 100, "step": 5, "default": 0},
            "rate": {"type": "float", "low": 0.0, "high": 1.0, "step": 0.1, "default": 1.0},
            "leaves": {"type": "int", "low": 1, "high": 1024, "log": True, "default": 1},
        }
    )
    best: list[Config] = [{"n": 15 + 5 * i, "rate": (3 + i) / 10, "leaves": 3 + i} for i in range(5)]
    narrowed = bounding_box(evidence(space, [[(config, 0.0)] for config in best]), space).space
    assert [narrowed[name].bounds for name in ("n", "rate", "leaves")] == [(15, 35), (0.3, 0.7), (3, 7)]
    assert narrowed.default() == {"n": 15, "rate": 0.7, "leaves": 3}
    assert [narrowed[name].type for name in ("n", "leaves")] == ["int", "int"]


def test_a_choice_that_was_tried_in_vain_goes_with_its_branch() -> None:
    pruned = bounding_box(evidence(SVM, [tried(svm("rbf", 1.0 + i)) for i in range(5)]), SVM)
    assert pruned.space.names == ("C", "kernel")
    assert pruned.space["kernel"].choices == ("rbf",)
    assert pruned.reasons["kernel"] == (
        "{rbf, poly, sigmoid} became {rbf}: each of poly, sigmoid was tried, but never among the best of 5 datasets."
    )
    assert pruned.reasons["degree"] == "It exists only where kernel = poly, which was cut."
    assert pruned.reasons["coef0"] == "It exists only where kernel = poly or sigmoid, which was cut."
    assert pruned.summary == (
        "Of 4 hyperparameters 2 were narrowed by the best of 5 datasets, and 2 went with their parents."
    )


def test_a_choice_that_nobody_tried_stays_with_its_branch() -> None:
    known = evidence(SVM, [[(svm("rbf", 1.0 + i), 0.0), (svm("sigmoid", 50.0, coef0=0.0), 1.0)] for i in range(5)])
    narrowed = bounding_box(known, SVM).space
    assert narrowed["kernel"].choices == ("rbf", "poly")
    assert narrowed["degree"] == SVM["degree"]


def test_a_branch_is_narrowed_by_those_who_chose_it() -> None:
    few = [tried(svm("poly", degree=2, coef0=0.0))] * 4
    narrowed = bounding_box(evidence(SVM, [*few, *[tried(svm("rbf"))] * 5]), SVM).space
    assert narrowed["kernel"].choices == ("rbf", "poly")
    assert narrowed["degree"] == SVM["degree"]
    enough = [tried(svm("poly", degree=2 + i % 3, coef0=0.0)) for i in range(5)]
    narrowed = bounding_box(evidence(SVM, [*enough, *[tried(svm("rbf"))] * 5]), SVM).space
    assert narrowed["degree"].bounds == (2, 4)


def test_who_chose_what_was_cut_has_no_say_in_its_branch() -> None:
    poly = [tried(svm("poly", degree=3, coef0=-0.5 + i / 100)) for i in range(19)]
    known = evidence(SVM, [*poly, tried(svm("sigmoid", coef0=0.9))])
    pruned = quantile_box(known, SVM, quantile=0.0)
    assert pruned.space["kernel"].choices == ("poly",)
    assert "each of rbf, sigmoid was tried, but hardly ever among" in pruned.reasons["kernel"]
    # Of 19 datasets with poly one is left out at each end: -0.5 and -0.32. The 0.9 of sigmoid is not one of them.
    assert pruned.space["coef0"].bounds == pytest.approx((-0.49, -0.33))
    assert bounding_box(known, SVM).space["coef0"].bounds == pytest.approx((-0.5, 0.9))


def test_a_rare_choice_that_wins_wherever_it_is_tried_stays() -> None:
    known = evidence(SVM, [*[[(svm("rbf"), 0.0), (svm("rbf", 50.0), 1.0)]] * 19, [(svm("sigmoid", coef0=0.5), 0.0)]])
    assert "sigmoid" in quantile_box(known, SVM).space["kernel"].choices


def test_conditions_on_integers_follow_their_range() -> None:
    space = make_space(
        {
            "layers": {"type": "int", "low": 1, "high": 4, "default": 1},
            "skip": {"type": "categorical", "choices": ["yes", "no"], "default": "no", "when": {"layers": [3, 4]}},
            "width": {"type": "int", "low": 8, "high": 64, "default": 8, "when": {"layers": [2, 3]}},
        }
    )
    best: list[Config] = [{"layers": 1}, {"layers": 2, "width": 8}]
    pruned = bounding_box(evidence(space, [[(best[i % 2], 0.0)] for i in range(6)]), space)
    assert pruned.space.names == ("layers", "width")
    assert pruned.space["width"].when[0].values == (2,)
    assert pruned.reasons["skip"] == "It exists only where layers = 3 or 4, which was cut."


def test_a_member_of_a_composed_space_goes_whole() -> None:
    line = SearchSpace.from_dict({"name": "line", "hyperparameters": LINE.to_dict()["hyperparameters"]})
    both = SearchSpace.compose("both", [line, SearchSpace("svm", SVM.hyperparameters)])
    runs: list[Runs] = [
        [
            ({"candidate": "line", "line.x": 0.5 + i / 100}, 0.0),
            ({"candidate": "svm", "svm.C": 1.0, "svm.kernel": "rbf"}, 1.0),
        ]
        for i in range(5)
    ]
    pruned = bounding_box(evidence(both, runs), both)
    assert pruned.space.member_names == ("line",)
    assert pruned.space["line.x"].bounds == pytest.approx((0.5, 0.54))
    assert pruned.reasons["svm.degree"] == "It exists only where candidate = svm, which was cut."


def test_what_all_tried_alike_is_not_cut() -> None:
    alike = evidence(LINE, [[({"x": 0.5}, 0.0)]] * 8)
    assert bounding_box(alike, LINE).space is LINE
    others: list[Runs] = [[({"x": 0.5}, 0.0), ({"x": 0.7}, 1.0)]] * 5
    same: list[Runs] = [[({"x": 0.5}, 0.0)]] * 3
    pruned = bounding_box(evidence(LINE, [*others, *same]), LINE)
    assert pruned.space["x"].bounds == (0.5, 0.5)
    assert pruned.reasons["x"].endswith("'d0' set both ends.")


def test_of_equally_good_configurations_the_one_like_the_others_counts() -> None:
    tied: Runs = [({"x": 0.05}, 0.0), ({"x": 0.45}, 0.0), ({"x": 0.95}, 1.0)]
    others: list[Runs] = [[({"x": 0.4 + i / 50}, 0.0), ({"x": 0.0}, 1.0)] for i in range(5)]
    assert bounding_box(evidence(LINE, [tied, *others]), LINE).space["x"].bounds == pytest.approx((0.4, 0.48))


def test_a_dataset_on_which_all_did_equally_well_has_no_say() -> None:
    flat: Runs = [({"x": 0.1}, 0.0), ({"x": 0.2}, 0.0)]
    telling: list[Runs] = [[({"x": 0.4 + i / 50}, 0.0), ({"x": 0.0}, 1.0)] for i in range(5)]
    pruned = bounding_box(evidence(LINE, [flat, *telling]), LINE)
    assert pruned.space["x"].bounds == pytest.approx((0.4, 0.48))
    assert pruned.n_datasets == 5


def test_values_outside_the_space_have_no_say() -> None:
    part = LINE.restrict({"x": (0.0, 0.5)})
    known = points(0.4, 0.3, 0.45, 0.35, 0.33, 0.9, 0.8)
    assert bounding_box(known, part).space["x"].bounds == (0.3, 0.45)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantile": 1.5}, "quantile must lie between 0 and 1, got 1.5"),
        ({"trim": 0.5}, "trim must be at least 0 and below 0.5, got 0.5"),
        ({"trim": math.nan}, "trim must be at least 0"),
        ({"min_datasets": 0}, "min_datasets must be at least 1, got 0"),
    ],
)
def test_arguments_out_of_range_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        quantile_box(points(0.5), LINE, **options)


@st.composite
def any_evidence(draw: st.DrawFn) -> Evidence:
    numbers = st.floats(-1.0, 1.0)
    config = st.one_of(
        st.builds(lambda c: svm("rbf", 10**c), numbers),
        st.builds(lambda c, d, x: svm("poly", 10**c, degree=d, coef0=x), numbers, st.integers(2, 8), numbers),
        st.builds(lambda c, x: svm("sigmoid", 10**c, coef0=x), numbers, numbers),
    )
    run = st.tuples(config, st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    runs = st.lists(run, min_size=1, max_size=4, unique_by=lambda one: SVM.key(one[0]))
    return evidence(SVM, draw(st.lists(runs, min_size=1, max_size=14)))


@settings(deadline=None, max_examples=40)
@given(any_evidence())
def test_the_bounding_box_holds_the_best_of_every_dataset_that_tells(known: Evidence) -> None:
    pruned = bounding_box(known, SVM)
    for adviser, config in zip(*(leaders(known)[name] for name in ("adviser", "config")), strict=True):
        regrets = known.runs.loc[known.runs["adviser"] == adviser, "regret"]
        if regrets.max() > 0 or len(regrets) == 1:
            assert pruned.space.problems(known.configs[config]) == ()


@settings(deadline=None, max_examples=40)
@given(any_evidence(), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from([0.0, 1e-300, 0.1, 0.49]))
def test_a_box_is_never_empty_and_always_a_part_of_the_whole(known: Evidence, quantile: float, trim: float) -> None:
    part = quantile_box(known, SVM, quantile=quantile, trim=trim, min_datasets=1).space
    assert SVM.problems(part.default()) == ()
    for one in part.hyperparameters:
        assert one.choices or one.bounds[0] <= one.bounds[1]
        assert set(one.choices) <= set(SVM[one.name].choices)
