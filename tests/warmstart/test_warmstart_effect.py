"""What a search says of its own warm start, checked by hand."""

import math

import pytest

from autometa.metrics import Metric, own, resolve
from autometa.records import Origin, TrialReport
from autometa.warmstart import warm_start_effect

AUC = resolve("roc_auc", "binary")


def trial(strategy: str, *scores: float, status: str = "complete") -> TrialReport:
    return TrialReport(
        number=0,
        candidate="ridge",
        config={"candidate": "ridge"},
        origin=Origin(strategy),
        started=0.0,
        status=status,  # type: ignore[arg-type]
        value=sum(scores) / len(scores),
        fold_scores=scores,
    )


def test_equal_numbers_are_compared_by_their_best() -> None:
    reports = [trial("portfolio", 0.8, 0.9, 0.7), trial("default", 0.7, 0.8, 0.6)]
    effect = warm_start_effect(reports, AUC)
    assert effect.verdict == "helped"
    assert effect.lead == pytest.approx(0.1)
    assert effect.error == pytest.approx(0.0)
    assert effect.warm == pytest.approx(0.8)
    assert effect.cold == pytest.approx(0.7)
    assert effect.n_compared == 1
    assert "helped by 0.1" in effect.sentence("roc_auc")


def test_of_the_larger_group_counts_the_expected_best_of_as_many_as_the_smaller_has() -> None:
    warm = [trial("nearest_datasets", value) for value in (0.9, 0.6, 0.3)]
    # The best of two drawn from three is 0.9 in two of three pairs, and 0.6 in one.
    effect = warm_start_effect([*warm, trial("default", 0.8), trial("baseline", 0.5)], AUC)
    assert effect.warm == pytest.approx(0.8)
    assert effect.cold == pytest.approx(0.8)
    assert effect.verdict == "made no difference"


@pytest.mark.parametrize(
    ("metric", "verdict"), [(AUC, "hurt"), (own("error", "minimize"), "helped")], ids=["maximize", "minimize"]
)
def test_the_direction_of_the_metric_counts(metric: Metric, verdict: str) -> None:
    reports = [trial("portfolio", 0.5, 0.6, 0.55), trial("default", 0.7, 0.8, 0.75)]
    assert warm_start_effect(reports, metric).verdict == verdict


def test_a_lead_within_the_noise_of_the_splits_is_none() -> None:
    reports = [trial("portfolio", 0.9, 0.6, 0.8), trial("default", 0.6, 0.9, 0.7)]
    effect = warm_start_effect(reports, AUC)
    assert effect.lead == pytest.approx(0.1 / 3)
    assert effect.verdict == "made no difference"


def test_failed_trials_other_splits_and_the_sampler_take_no_part() -> None:
    cold = [trial("default", 0.7, 0.7)]
    warm = [trial("portfolio", 0.9), trial("portfolio", 0.9, 0.9, status="timeout"), trial("sampler", 0.9, 0.9)]
    effect = warm_start_effect([*warm, *cold], AUC)
    assert effect.verdict == "cannot be judged"
    assert math.isnan(effect.lead)
    assert "cannot be judged" in effect.sentence("roc_auc")
    assert warm_start_effect([], AUC).verdict == "cannot be judged"
