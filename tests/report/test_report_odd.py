"""Searches at the edges of what a search can be still get a whole page."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autometa.records import Origin, TrialReport
from autometa.report import Baseline, ReportData, render

Build = Callable[..., ReportData]
Read = Callable[[str], Any]


def _whole(page: Any) -> bool:
    return page.strays == [] and page.open == [] and "nan" not in page.text.split() and "inf" not in page.text.split()


def test_a_single_trial(build: Build, read: Read) -> None:
    data = build(n_trials=1)

    page = read(render(replace(data, weights={0: 1.0}, honest_score=None)))

    assert _whole(page)
    assert "The model is this one trial's, fitted on all rows." in page.text
    assert "This model" in page.text
    assert "Honest score" not in page.text
    assert "chart-history" in page.charts()
    assert "chart-race" not in page.charts()


def test_all_trials_pruned_but_one(build: Build, read: Read) -> None:
    data = build(n_trials=12)
    reports = tuple(
        replace(report, status="pruned", reason="worse than the others") if report.number else report
        for report in data.reports
    )

    page = read(render(replace(data, reports=reports, weights={0: 1.0})))

    assert _whole(page)
    names = [trace["name"] for trace in page.charts()["chart-history"]["data"]]
    assert names == ["Warm start, pruned", "Default", "Default, pruned", "No score", "In the model", "Best so far"]
    assert "Too few candidates or finished trials" in page.text


def test_no_warm_start(build: Build, read: Read) -> None:
    page = read(render(build(n_warm=0)))

    assert _whole(page)
    assert "No finished trial was warm-started" in page.text
    assert "Whose experience helped" not in page.text


def test_nothing_but_warm_starts(build: Build, read: Read) -> None:
    data = build(n_trials=20)
    warm = Origin("portfolio", rank=1)

    page = read(render(replace(data, reports=tuple(replace(report, origin=warm) for report in data.reports))))

    assert _whole(page)
    assert "before the sampler finished a trial" in page.text


def test_fifty_classes_are_capped_at_twenty_and_it_is_said(build: Build, read: Read) -> None:
    page = read(render(build("multiclass", n_classes=50, n_rows=5000)))

    assert _whole(page)
    assert "The 20 of 50 classes with most errors" in page.text
    counts = [cell for cell in page.all("td") if cell.get("class", "").split(" ")[0] in ("right", "wrong")]
    assert len(counts) == 20 * 21
    assert "All 50 classes" in page.text


def test_a_class_that_is_never_seen_nor_predicted(build: Build, read: Read) -> None:
    data = build("multiclass", n_classes=4, n_rows=300)
    kept = data.y != 3
    predictions = np.column_stack([data.predictions[kept, :3], np.zeros(int(kept.sum()))])

    page = read(render(replace(data, y=data.y[kept], predictions=predictions)))

    assert _whole(page)
    assert "class 3" in page.text


def test_rows_of_one_class_only_have_no_roc(build: Build, read: Read) -> None:
    data = build()
    page = read(render(replace(data, y=np.zeros_like(data.y))))

    assert _whole(page)
    assert "chart-roc" not in page.charts()
    assert "chart-calibration" in page.charts()


@pytest.mark.parametrize("residual", [0.0, 3.5])
@pytest.mark.parametrize("n_rows", [1, 50, 5000])
def test_a_constant_residual(build: Build, read: Read, residual: float, n_rows: int) -> None:
    data = build("regression", n_rows=n_rows)

    page = read(render(replace(data, predictions=data.y - residual)))

    assert _whole(page)
    assert sum(page.charts()["chart-distribution"]["data"][0]["y"]) == n_rows


def test_a_constant_prediction(build: Build, read: Read) -> None:
    data = build("regression", n_rows=5000)

    page = read(render(replace(data, predictions=np.full(5000, 7.0))))

    assert _whole(page)
    counts = page.charts()["chart-actual"]["data"][0]["customdata"]
    assert sum(map(sum, counts)) == 5000


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_memory_that_was_not_measured(build: Build, read: Read, value: float | None) -> None:
    data = build(n_trials=10)

    page = read(render(replace(data, reports=tuple(replace(r, peak_memory_mb=value) for r in data.reports))))

    assert _whole(page)
    assert " MB" not in page.text


def test_a_thousand_trials(build: Build, read: Read) -> None:
    page = read(render(build(n_trials=1000)))

    assert _whole(page)
    assert len([span for span in page.all("span") if (span.get("id") or "").startswith("trial-")]) == 1000
    drawn = sum(len(trace["hovertext"]) for trace in page.charts()["chart-history"]["data"] if "hovertext" in trace)
    assert drawn == 1000


def test_one_column_and_none(build: Build, read: Read) -> None:
    assert _whole(read(render(build(n_columns=1))))
    page = read(render(build(n_columns=0)))
    assert _whole(page)
    assert "There are no columns besides the target." in page.text


def test_five_thousand_columns_are_folded(build: Build, read: Read) -> None:
    page = read(render(build(n_columns=5000)))

    assert _whole(page)
    assert "All 5,000 columns" in page.text
    assert "4,980 other columns, the first 1,000 of them here" in page.text


def test_no_importances_say_why(build: Build, read: Read) -> None:
    page = read(render(build(importances=(), importances_reason="no time was left")))

    assert _whole(page)
    assert "There are no importances. No time was left." in page.text


def test_importances_that_are_not_finite(build: Build, read: Read) -> None:
    data = build()
    broken = replace(data.importances[0], loss=math.nan, std=math.inf)

    assert _whole(read(render(replace(data, importances=(broken, *data.importances[1:])))))
    assert _whole(read(render(replace(data, importances=(broken,)))))


def test_baselines_that_were_not_evaluated_say_why(build: Build, read: Read) -> None:
    page = read(render(build(baselines=(Baseline("Linear model", None, reason="no time"),))))

    assert _whole(page)
    assert "No baseline was evaluated (Linear model: no time), so nothing says what this score is worth." in page.text
    assert "not evaluated: no time" in page.text


def test_no_baselines_no_notes_no_versions_no_command(build: Build, read: Read) -> None:
    page = read(render(build(baselines=(), notes=(), versions={}, machine={}, command="", test_score=None)))

    assert _whole(page)
    assert "The search had nothing to say." in page.text
    assert "Do the same search again" not in page.text
    assert "Test score" not in page.text


def test_no_predictions(build: Build, read: Read) -> None:
    for task, shape in (("binary", (0, 2)), ("regression", (0,))):
        page = read(render(build(task, y=np.zeros(0), predictions=np.zeros(shape))))
        assert _whole(page)
        assert "No out-of-fold predictions are kept." in page.text


def test_predictions_that_are_not_finite_are_left_out(build: Build, read: Read) -> None:
    for task, rows in (("binary", 1000), ("regression", 1000)):
        data = build(task, n_rows=rows)
        holes = data.predictions.copy()
        holes[:10] = math.nan
        page = read(render(replace(data, predictions=holes)))
        assert _whole(page)
        assert "Of 990 rows predicted out of fold" in page.text


def test_a_member_without_its_report(build: Build, read: Read) -> None:
    page = read(render(build(weights={9999: 1.0})))

    assert _whole(page)
    assert "The trial's report is missing." in page.text


def test_trials_that_are_still_running_or_were_interrupted(build: Build, read: Read) -> None:
    data = build(n_trials=6)
    running = TrialReport(6, "svm", {}, Origin("sampler"), started=9.0)
    stopped = TrialReport(7, "", {}, Origin("sampler"), started=0.0, status="interrupted", reason="the search ended")

    page = read(render(replace(data, reports=(*data.reports, running, stopped))))

    assert _whole(page)
    assert "running" in page.text
    assert "not chosen yet" in page.text


def test_settings_of_every_kind(build: Build, read: Read) -> None:
    data = build(n_trials=40)
    odd = (1e300, -0.0, math.inf, 10**40, None, True, "", "x", 5, 1e-12)
    reports = tuple(
        replace(report, candidate="svm", config={"candidate": "svm", "svm.a": odd[i % 10], "svm.b": odd[i % 3]})
        for i, report in enumerate(data.reports)
    )

    page = read(render(replace(data, reports=reports)))

    assert page.strays == []
    assert "svm" in page.text


def test_scores_that_are_all_the_same(build: Build, read: Read) -> None:
    data = build(n_trials=30)
    reports = tuple(
        replace(r, value=0.75, fold_scores=(0.75,) * 5) if r.status == "complete" else r for r in data.reports
    )

    page = read(render(replace(data, reports=reports)))

    assert _whole(page)
    assert "accounts for 0 % of the variance" in page.text


def test_one_failed_fit_does_not_flatten_the_history(build: Build, read: Read) -> None:
    data = build("multiclass", metric="log_loss", n_trials=40)
    reports = tuple(replace(r, value=1e6) if r.number == 3 else r for r in data.reports)

    page = read(render(replace(data, reports=reports)))

    assert page.charts()["chart-history"]["layout"]["yaxis"]["range"][1] < 3
    assert "1 trial far from the others lies outside the picture" in page.text
