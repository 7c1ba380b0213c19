"""A learner that did otherwise than its configuration says: the trial says so wherever it is shown."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autometa
from autometa.api import TuneResult
from autometa.candidates import CANDIDATES
from autometa.search._replay import Replay
from autometa.search._study import read_reports
from autometa.search._trials import fell_back

SAID = "on 5 of 5 splits the learned optimizer diverged: the loss went from "


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidate, installed as a package would install it."""
    from autometa.candidates import _mlp_optimizer

    monkeypatch.setattr(_mlp_optimizer, "rule_for_tables", _mlp_optimizer.rule_for_tables)  # the plug-in changes it
    info = tmp_path / "site" / "exploding-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exploding\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autometa.candidates]\nexploding = plugin_exploding:exploding\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{Path(__file__).parent}")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(CANDIDATES, "_entries", dict(CANDIDATES._entries))
    monkeypatch.setattr(CANDIDATES, "_plugins_loaded", False)


def searched(folder: Path) -> TuneResult:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(100, 3))
    table = pd.DataFrame(x, columns=["a", "b", "c"]).round(3)
    table["class"] = np.where(x[:, 0] + rng.normal(0, 0.7, 100) > 0, "yes", "no")
    return autometa.tune(
        table,
        target="class",
        trials=2,
        candidates=["logistic_regression", "exploding"],
        warm_start="none",
        mlflow=False,
        learn=False,
        output=folder,
    )


@pytest.mark.usefixtures("plugin")
def test_an_optimizer_that_diverged_is_named_in_trial_leaderboard_report_and_replay(tmp_path: Path) -> None:
    result = searched(tmp_path / "out")
    told = {trial.candidate: trial for trial in result.trials}
    assert told["exploding"].status == "complete"
    assert told["exploding"].value is not None
    assert told["exploding"].reason.startswith(SAID)
    assert told["exploding"].reason.endswith("; AdamW trained instead")
    assert told["logistic_regression"].reason == ""
    board = pd.read_csv(tmp_path / "out" / "leaderboard.csv").set_index("candidate")
    assert board.loc["exploding", "reason"] == told["exploding"].reason
    assert SAID in (tmp_path / "out" / "report.html").read_text()
    assert {report.reason for report in read_reports(result.study)} == {"", told["exploding"].reason}
    assert all(one.identical for one in Replay(tmp_path / "out").run())


def test_splits_are_counted_and_the_first_one_that_fell_back_is_told() -> None:
    assert fell_back(["", "one; AdamW instead", "two"]) == "on 2 of 3 splits one; AdamW instead"
    assert fell_back(["", ""]) == fell_back([]) == ""
