"""What the page says, with values that can be worked out by hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autometa.records import Config, Note, Origin, TrialReport
from autometa.report import Baseline, ReportData, render

Build = Callable[..., ReportData]
Read = Callable[[str], Any]

WARM = Origin("nearest_datasets", rank=2, dataset_id="openml:31", dataset_name="adult", distance=0.25, reason="near")
SAMPLER = Origin("sampler")


def _trial(number: int, value: float, **changes: Any) -> TrialReport:
    given: dict[str, Any] = {"candidate": "svm", "config": {"candidate": "svm"}, "origin": SAMPLER}
    given |= {"started": float(number), "ended": number + 1.0, "status": "complete", "fold_scores": (value, value)}
    return TrialReport(number=number, value=value, **(given | changes))


def _baseline(score: float, folds: tuple[float, ...] = ()) -> tuple[Baseline, ...]:
    return (Baseline("LightGBM, defaults", score, folds),)


@pytest.mark.parametrize(
    ("metric", "ours", "theirs"), [("roc_auc", 0.8, 0.7), ("log_loss", 0.3, 0.4), ("accuracy", 0.9, 0.5)]
)
def test_a_model_that_beats_the_baselines_is_said_to(
    build: Build, read: Read, metric: str, ours: float, theirs: float
) -> None:
    page = read(render(build(metric=metric, score=ours, honest_score=None, baselines=_baseline(theirs))))

    assert "Better than every baseline" in page.text
    assert "Not better" not in page.text


@pytest.mark.parametrize(
    ("metric", "ours", "theirs"), [("roc_auc", 0.7, 0.8), ("log_loss", 0.4, 0.3), ("roc_auc", 0.7, 0.7)]
)
def test_a_model_that_does_not_is_said_so_plainly(
    build: Build, read: Read, metric: str, ours: float, theirs: float
) -> None:
    page = read(render(build(metric=metric, score=ours, honest_score=None, baselines=_baseline(theirs))))

    assert "Not better than 1 baseline: LightGBM, defaults" in page.text
    assert "Better than every" not in page.text


def test_the_honest_score_is_the_one_that_is_compared(build: Build, read: Read) -> None:
    page = read(render(build(score=0.81, honest_score=0.79, baselines=_baseline(0.80))))

    assert "Not better than 1 baseline: LightGBM, defaults (0.8000) reaches at least what the model does (0.7900)." in (
        page.text
    )
    assert "gives 0.7900, 0.0200 worse. Expect that on new rows" in page.text


def test_a_lead_within_the_noise_of_the_folds_is_called_that(build: Build, read: Read) -> None:
    # Leads 0.05, -0.04, 0.02: their mean, 0.01, is below twice their standard error, 0.026.
    page = read(
        render(
            build(
                score=0.81,
                honest_score=None,
                fold_scores=(0.85, 0.76, 0.82),
                baselines=_baseline(0.80, (0.80, 0.80, 0.80)),
            )
        )
    )

    assert "Only just better than a baseline" in page.text
    assert "The lead is 0.0100 with a standard error of 0.0265 over the folds" in page.text
    assert "wins 2 of 3" in page.text


def test_a_test_score_far_below_the_folds_is_an_alarm(build: Build, read: Read) -> None:
    far = read(render(build(honest_score=None, test_score=0.70)))
    near = read(render(build(honest_score=None, test_score=0.79)))

    assert "reaches only 0.7000" in far.text
    assert "which no trial saw, the model reaches 0.7900." in near.text


def test_the_history_follows_the_direction(build: Build, read: Read) -> None:
    values = (0.5, 0.7, 0.6)
    trials = tuple(_trial(i, value) for i, value in enumerate(values))
    best = {}
    for metric in ("roc_auc", "log_loss"):
        data = build(metric=metric, reports=trials, weights={1: 1.0})
        best[metric] = read(render(data)).charts()["chart-history"]["data"][-1]

    assert best["roc_auc"]["name"] == "Best so far"
    assert best["roc_auc"]["y"] == [0.5, 0.7, 0.7, 0.7]
    assert best["log_loss"]["y"] == [0.5, 0.5, 0.5, 0.5]
    assert best["log_loss"]["x"] == [0, 1, 2, 2]


def test_a_point_of_the_history_says_where_its_configuration_came_from(build: Build, read: Read) -> None:
    config: Config = {"candidate": "svm", "svm.C": 2.5, "svm.kernel": "rbf"}
    data = build(reports=(_trial(0, 0.8, origin=WARM, config=config),), weights={0: 1.0})

    trace = read(render(data)).charts()["chart-history"]["data"][0]

    assert trace["name"] == "Warm start"
    assert trace["hovertext"] == [
        "trial 0 · svm<br>roc_auc 0.8000<br>nearest_datasets: adult, distance 0.25, rank 2<br>near<br>C 2.5"
        "<br>kernel rbf"
    ]


def test_by_time_the_history_is_in_the_order_in_which_trials_ended(build: Build, read: Read) -> None:
    slow, quick = _trial(0, 0.6, started=0.0, ended=9.0), _trial(1, 0.7, started=0.0, ended=2.0)

    figure = read(render(build(reports=(slow, quick), weights={1: 1.0}))).charts()["chart-history"]

    assert figure["variants"]["By time"]["title"] == "seconds since the start"
    assert figure["variants"]["By time"]["traces"][-1] == {"x": [2, 9, 9], "y": [0.7, 0.7, 0.7]}
    assert figure["variants"]["By trial"]["traces"][-1] == {"x": [0, 1, 1], "y": [0.6, 0.7, 0.7]}


def test_warm_starts_are_compared_after_as_many_trials_of_the_sampler(build: Build, read: Read) -> None:
    trials = (
        _trial(0, 0.80, origin=WARM),
        _trial(1, 0.70, origin=WARM),
        *(_trial(2, 0.75), _trial(3, 0.76), _trial(4, 0.90)),
    )

    page = read(render(build(reports=trials, weights={4: 1.0})))

    assert "After 2 trials finished each, the best warm start has 0.8000, the sampler's best 0.7600" in page.text
    assert "warm start is 0.0400 better" in page.text


def test_the_choice_of_candidate_explains_everything_where_candidates_never_overlap(build: Build, read: Read) -> None:
    trials = tuple(_trial(i, 0.6 + 0.001 * i, candidate="svm" if i < 5 else "ridge") for i in range(10))
    mixed = tuple(_trial(i, 0.6 + 0.001 * i, candidate="svm" if i % 2 else "ridge") for i in range(10))

    apart, together = (read(render(build(reports=reports, weights={9: 1.0}))) for reports in (trials, mixed))

    # H = 6.82 of 10 trials in 2 groups: (6.82 - 1) / 8.
    assert "The choice of candidate decides most: it accounts for 73 %" in apart.text
    assert "The choice of candidate matters little: it accounts for 0 %" in together.text


def test_the_hyperparameter_that_decides_is_the_most_important(build: Build, read: Read) -> None:
    rng = np.random.default_rng(1)
    trials = []
    for i in range(40):
        rate = float(10 ** rng.uniform(-4, 0))
        config: Config = {"candidate": "svm", "svm.rate": rate, "svm.idle": float(rng.random()), "svm.fixed": 3}
        if i % 2:
            config["svm.sometimes"] = i
        trials.append(_trial(i, 0.8 - 0.05 * abs(np.log10(rate) + 2), config=config))

    page = read(render(build(reports=tuple(trials), weights={0: 1.0})))

    part = page.text[page.text.index("functional ANOVA") :]
    assert part.index("rate") < part.index("idle")
    assert "Never varied: fixed" in part
    assert "Only in some of its trials, not compared: sometimes" in part


def test_too_few_trials_for_hyperparameters_are_said(build: Build, read: Read) -> None:
    page = read(render(build(reports=tuple(_trial(i, 0.7 + i / 100) for i in range(7)), weights={0: 1.0})))

    assert "svm (7 trials: fewer than 8 finished trials)" in page.text


def test_confusion_and_classes_are_counted(build: Build, read: Read) -> None:
    # Actual good, good, good, bad; predicted good, good, bad, bad.
    predictions = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9]])

    page = read(render(build(y=np.array([0, 0, 0, 1]), predictions=predictions)))

    assert "Of 4 rows predicted out of fold, the most probable class is right for 3 (75.0 %)" in page.text
    assert "would be right for 75.0 %" in page.text
    cells = [cell["style"] for cell in page.all("td") if (cell.get("class") or "").startswith(("right", "wrong"))]
    assert cells == ["--s:0.667", "--s:0.333", "--s:0.000", "--s:1.000"]
    assert "The rarest class, bad, has 1 row; the most frequent, good, has 3 rows, 3.0 times as many." in page.text
    good, bad = (page.text[page.text.index(word) :] for word in ("good375.0 %", "bad125.0 %"))
    assert good.startswith("good375.0 %1.0000.6670.800")
    assert bad.startswith("bad125.0 %0.5001.0000.667")


def test_the_roc_curve_is_scikit_learns(build: Build, read: Read) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    data = build(n_rows=20_000)
    tied = data.predictions.round(2)

    page = read(render(replace(data, predictions=tied)))

    assert f"Area under the ROC curve {roc_auc_score(data.y, tied[:, 1]):.4f}" in page.text
    assert f"Average precision {average_precision_score(data.y, tied[:, 1]):.4f}" in page.text
    curve = page.charts()["chart-roc"]["data"][1]
    assert (curve["x"][0], curve["y"][0], curve["x"][-1], curve["y"][-1]) == (0, 0, 1, 1)
    assert len(curve["x"]) <= 302


def test_the_calibration_is_of_bins_with_counts(build: Build, read: Read) -> None:
    # Ten rows at 0.25, four of them positive; ten at 0.75, all positive.
    probability = np.repeat([0.25, 0.75], 10)
    y = np.repeat([1, 0, 1], [4, 6, 10])

    page = read(render(build(y=y, predictions=np.column_stack([1 - probability, probability]))))

    dots = page.charts()["chart-calibration"]["data"][1]
    assert dots["x"] == [0.25, 0.75]
    assert dots["y"] == [0.4, 1]
    assert dots["customdata"] == [10, 10]
    assert "Expected calibration error 0.200" in page.text
    # Wilson's 95 % interval of 4 of 10 is 0.168 to 0.687.
    assert dots["error_y"]["arrayminus"][0] == pytest.approx(0.4 - 0.168, abs=1e-3)
    assert dots["error_y"]["array"][0] == pytest.approx(0.687 - 0.4, abs=1e-3)


def test_multiclass_calibration_is_of_the_most_probable_class(build: Build, read: Read) -> None:
    predictions = np.array([[0.6, 0.3, 0.1], [0.2, 0.6, 0.2]])

    dots = read(render(build("multiclass", y=np.array([0, 2]), predictions=predictions))).charts()["chart-calibration"][
        "data"
    ][1]

    assert (dots["x"], dots["y"], dots["customdata"]) == ([0.6], [0.5], [2])


def test_the_largest_errors_of_a_regression_come_first(build: Build, read: Read) -> None:
    y = np.array([10.0, 20.0, 30.0, 40.0])

    page = read(render(build("regression", y=y, predictions=y - np.array([1.0, -3.0, 0.0, 2.0]))))

    largest = page.text[page.text.index("Largest errors") :]
    assert largest.index("−3") < largest.index("38")
    # Squares 1 + 9 + 0 + 4 over 4 rows.
    assert "root mean squared error 1.871" in page.text
    assert "mean absolute error 1.5" in page.text


def test_few_rows_are_points_and_many_are_counts(build: Build, read: Read) -> None:
    few, many = (read(render(build("regression", n_rows=n))).charts()["chart-actual"] for n in (2000, 2001))

    assert few["data"][0]["type"] == "scatter"
    assert len(few["data"][0]["x"]) == 2000
    assert many["data"][0]["type"] == "heatmap"
    assert sum(map(sum, many["data"][0]["customdata"])) == 2001


def test_reasons_that_differ_only_in_numbers_are_one(build: Build, read: Read) -> None:
    late = [
        replace(_trial(i, 0.7), status="timeout", value=None, fold_scores=(), reason=f"took longer than {i}.5 s")
        for i in (1, 2)
    ]

    page = read(render(build(reports=(_trial(0, 0.7), *late), weights={0: 1.0}, notes=())))

    assert page.text.count("such as: took longer than 1.5 s") == 1
    assert "svm ×2" in page.text


def test_notes_are_grouped_by_kind_and_repeats_are_counted(build: Build, read: Read) -> None:
    notes = (Note("b leaks", "warning"), Note("no xgboost", "skipped"), Note("no xgboost", "skipped"))

    page = read(render(build(notes=notes)))

    kinds = [div["class"] for div in page.all("div") if (div.get("class") or "").startswith("notes ")]
    assert kinds == ["notes warning", "notes skipped"]
    assert "no xgboost ×2" in page.text


def test_a_column_tells_its_kind_and_why(build: Build, read: Read) -> None:
    page = read(render(build()))

    assert "column_4identifier, not a featurewhole numbers, distinct in every row, and named like a key" in page.text
    assert "column_0numericnumbers with fractions" in page.text


def test_the_leaderboard_is_best_first_in_either_direction(build: Build, read: Read) -> None:
    for metric, expected in (("roc_auc", ["1", "2", "0"]), ("log_loss", ["0", "2", "1"])):
        trials = tuple(_trial(i, value) for i, value in enumerate((0.5, 0.7, 0.6)))
        page = read(render(build(metric=metric, reports=trials, weights={0: 1.0})))
        ids = [str(span["id"]) for span in page.all("span") if (span.get("id") or "").startswith("trial-")]
        assert ids == [f"trial-{number}" for number in expected]


def test_the_page_tells_how_to_go_on(build: Build, read: Read) -> None:
    data = build()
    page = read(render(replace(data, info=replace(data.info, folder="credit"))))

    for line in (
        "autometa predict credit new.csv",
        "autometa.load_model('credit')",
        "autometa tune --resume credit --time-limit 180",
        "autometa replay credit",
        data.command,
        "Linux 6.8",
        "3.11.9",
    ):
        assert line in page.text


@pytest.mark.parametrize(
    ("score", "shown"), [(0.81234, "0.8123"), (1.0, "1.0000"), (345.678, "345.7"), (0.00012348, "0.0001235")]
)
def test_scores_have_four_digits(build: Build, read: Read, score: float, shown: str) -> None:
    page = read(render(build(score=score, honest_score=None, baselines=())))

    assert f"{shown}± " in page.text
