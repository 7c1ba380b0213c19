import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autometa.errors import OptionError, ResumeError
from autometa.knowledge import KnowledgeBase
from autometa.measure import build, load_plan
from autometa.measure._configurations import STAGES
from autometa.spaces import load_space

PLAN = """
name: mine
space: tabular
candidates: [ridge, k_nearest_neighbors, logistic_regression]
folds: 3
max_rows: 90
shared: 1
own: 2
transferred: 3
searched: 7
champions: 3
limits: {seconds: 10, probe_rows: 20}
licence: CC0-1.0
datasets:
  - {id: t/line, table: line.csv, target: y, openml_id: 7}
  - {id: t/curve, table: curve.csv, target: y, ignore: [noise]}
  - {id: t/ring, table: ring.csv, target: y}
  - {id: t/three, table: three.csv, target: y}
"""


def tables(folder: Path) -> Path:
    """Four small tables and a plan of them."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(120, 3)), columns=["u", "v", "noise"])
    X.assign(y=3 * X.u - X.v + 0.1 * X.noise).to_csv(folder / "line.csv", index=False)
    X.assign(y=X.u**2 + X.v).to_csv(folder / "curve.csv", index=False)
    X.assign(y=np.where(X.u**2 + X.v**2 < 1, "in", "out")).to_csv(folder / "ring.csv", index=False)
    X.assign(y=np.array(["a", "b", "c"])[pd.qcut(X.u, 3).cat.codes]).to_csv(folder / "three.csv", index=False)
    path = folder / "plan.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return path


TINY = PLAN.replace("shared: 1", "shared: 0").replace("own: 2", "own: 0").replace("transferred: 3", "transferred: 0")
TINY = TINY.replace("searched: 7", "searched: 0").replace("champions: 3", "champions: 0")


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    return tables(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan of a base that is built; tests leave it as it is."""
    path = tables(tmp_path_factory.mktemp("whole"))
    built(path)
    return path


def built(plan_file: Path, name: str = "kb", **options: object) -> KnowledgeBase:
    kb = KnowledgeBase(plan_file.parent / name)
    work = plan_file.parent / f"{name}-work"
    build(load_plan(plan_file), kb, packages=plan_file.parent, work=work, **options)  # type: ignore[arg-type]
    return kb


def configs_of(runs: pd.DataFrame, dataset_id: str) -> set[str]:
    space = load_space("tabular")
    rows = runs[runs["dataset_id"] == dataset_id].to_dict("records")
    return {space.key(space.from_row({str(name): value for name, value in row.items()})) for row in rows}


def test_a_plan_fills_a_base(whole: Path) -> None:
    kb = KnowledgeBase(whole.parent / "kb")
    lines = (whole.parent / "kb-work" / "measured.jsonl").read_text().splitlines()
    stages = Counter(json.loads(line)["stage"] for line in lines)
    assert 0 < stages.pop("champions") <= 4  # some were measured before, for another reason
    assert stages == {
        "defaults": 8,
        "shared": 8,
        "own": 16,
        "transferred": 12,
        "searched": 28,
    }
    datasets, runs = kb.datasets(), kb.runs("tabular")
    assert sorted(datasets["task"]) == ["binary", "multiclass", "regression", "regression"]
    assert datasets.loc["t/line", "openml_id"] == 7
    assert set(kb.meta_features().index) == set(datasets.index)
    assert set(runs["source"]) == {"mine"}
    assert kb.info().sources[0].source.licence == "CC0-1.0"  # type: ignore[union-attr]
    for dataset_id, task in datasets["task"].items():
        mine = runs[runs["dataset_id"] == dataset_id]
        counts = mine["metric"].value_counts()
        first = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}[task]
        assert (mine["status"] == "complete").all()
        assert counts[first] in (18, 19)  # 2 candidates: 2 defaults, 2 shared, 4 own; 3 transferred, 7 searched, 0 or 1
        assert counts.nunique() == 1
        assert len(counts) >= 4
        assert (mine["duration"] > 0).all()
        assert (mine["repeats"] == 3).all()
        assert (mine["spread"] >= 0).all()


def test_scores_are_those_of_held_out_rows(whole: Path) -> None:
    runs = KnowledgeBase(whole.parent / "kb").runs("tabular", dataset_ids=["t/line"])
    frame = pd.read_csv(whole.parent / "line.csv")
    wide = runs.pivot_table(index="ridge.alpha", columns="metric", values="value")
    best = wide.sort_values("rmse").iloc[0]
    assert best["rmse"] < 0.1 * frame.y.std()  # a linear target
    assert best["r2"] == pytest.approx(1 - (best["rmse"] / frame.y.std()) ** 2, abs=0.01)
    neighbours = runs[(runs["candidate"] == "k_nearest_neighbors") & (runs["metric"] == "rmse")]
    assert neighbours["value"].min() > 3 * best["rmse"]  # which rows that it has seen would not show


def test_stages_share_and_part_as_the_plan_says(whole: Path) -> None:
    lines = [json.loads(line) for line in (whole.parent / "kb-work" / "measured.jsonl").read_text().splitlines()]

    def configs(dataset_id: str, *stages: str) -> set[str]:
        return {json.dumps(o["config"]) for o in lines if o["dataset_id"] == dataset_id and o["stage"] in stages}

    assert configs("t/line", "defaults", "shared") == configs("t/curve", "defaults", "shared")
    assert not configs("t/line", "own") & configs("t/curve", "own")
    assert configs("t/line", "transferred") <= configs("t/curve", "own")
    assert configs("t/ring", "transferred") <= configs("t/three", "own")
    own = [o for o in lines if o["dataset_id"] == "t/curve" and o["stage"] == "own"]
    best = min(own, key=lambda o: float(np.mean(o["scores"]["rmse"])))
    assert json.dumps(best["config"]) in configs("t/line", "transferred")


def test_a_search_goes_on_from_the_table_alone_and_its_best_goes_to_all_others(whole: Path) -> None:
    lines = [json.loads(line) for line in (whole.parent / "kb-work" / "measured.jsonl").read_text().splitlines()]
    lines = [one for one in lines if one["dataset_id"] in ("t/line", "t/curve")]

    def of(dataset_id: str, *stages: str) -> dict[str, float]:
        mine = [one for one in lines if one["dataset_id"] == dataset_id and one["stage"] in stages]
        return {json.dumps(one["config"]): float(np.mean(one["scores"]["rmse"])) for one in mine}

    for name, other in (("t/line", "t/curve"), ("t/curve", "t/line")):
        independent, searched = of(name, "defaults", "shared", "own"), of(name, "searched")
        assert len(searched) == 7
        assert not set(searched) & set(independent)
        assert np.median(list(searched.values())) < np.median(list(independent.values()))
        everything = independent | searched
        assert min(everything, key=everything.__getitem__) in of(other, *STAGES)


def test_a_second_call_adds_nothing(whole: Path) -> None:
    before = KnowledgeBase(whole.parent / "kb").runs("tabular")
    measured = (whole.parent / "kb-work" / "measured.jsonl").read_bytes()
    kb = built(whole)
    pd.testing.assert_frame_equal(kb.runs("tabular"), before)
    assert (whole.parent / "kb-work" / "measured.jsonl").read_bytes() == measured


def test_a_table_that_cannot_be_read_is_named_and_left_out(plan_file: Path) -> None:
    plan_file.write_text(TINY)
    (plan_file.parent / "curve.csv").write_text("u,y\n1,2\n")
    notes: list[str] = []
    kb = built(plan_file, on_note=notes.append, only=["t/line", "t/curve"])
    assert list(kb.datasets().index) == ["t/line"]
    assert len(notes) == 1
    assert notes[0].startswith("t/curve is left out: ")


def test_what_is_too_slow_is_foreseen(plan_file: Path) -> None:
    plan_file.write_text(TINY.replace("seconds: 10", "seconds: 0.1").replace("max_rows: 90", "max_rows: 5000"))
    rng = np.random.default_rng(0)
    wide = pd.DataFrame(rng.normal(size=(1500, 200))).rename(columns=str)
    wide.assign(y=wide["0"] + wide["1"] ** 2).to_csv(plan_file.parent / "line.csv", index=False)
    kb = built(plan_file, only=["t/line"])
    runs = kb.runs("tabular")
    cut = runs[runs["status"] == "timeout"]
    assert len(cut)
    assert cut["value"].isna().all()
    assert set(cut["metric"]) == {"rmse"}
    lines = (plan_file.parent / "kb-work" / "measured.jsonl").read_text().splitlines()
    assert any("a probe says that it takes" in json.loads(line)["reason"] for line in lines)


@pytest.mark.parametrize(("old", "new"), [("folds: 3", "folds: 4"), ("max_rows: 90", "max_rows: 80")])
def test_another_way_of_measuring_needs_another_folder(plan_file: Path, old: str, new: str) -> None:
    plan_file.write_text(TINY)
    built(plan_file, only=["t/line"])
    plan_file.write_text(TINY.replace(old, new))
    with pytest.raises(ResumeError, match="was begun with"):
        built(plan_file, only=["t/line"])


def test_an_unknown_table_is_refused(plan_file: Path) -> None:
    with pytest.raises(OptionError, match="'t/lines' is no table of the plan mine"):
        built(plan_file, only=["t/lines"])


def test_progress_is_told_and_a_damaged_line_is_named(plan_file: Path) -> None:
    plan_file.write_text(TINY)
    told: list[tuple[int, int]] = []
    built(plan_file, on_progress=lambda now: told.append((now.measured, now.total)))
    assert told == [(n, 8) for n in range(1, 9)]
    journal = plan_file.parent / "kb-work" / "measured.jsonl"
    lines = journal.read_text().splitlines()
    lines[2] = lines[2][:30]
    journal.write_text("\n".join(lines) + "\n")
    with pytest.raises(ResumeError, match=r"Line 3 of .*measured\.jsonl is damaged"):
        built(plan_file)


def test_killed_at_any_moment_and_called_again_it_ends_in_the_same_base(whole: Path, plan_file: Path) -> None:
    command = [sys.executable, "-m", "autometa", "kb", "build", str(plan_file), "--json"]
    command += ["--kb", str(plan_file.parent / "cut"), "--work", str(plan_file.parent / "cut-work")]
    journal = plan_file.parent / "cut-work" / "measured.jsonl"
    for wanted in (1, 9, 25, 50):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None and (not journal.is_file() or len(journal.read_bytes().splitlines()) < wanted):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with open(journal, "ab") as torn:
        torn.write(b'{"dataset_id": "t/l')
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout) == {
        "complete": len((whole.parent / "kb-work" / "measured.jsonl").read_bytes().splitlines())
    }
    columns = ["dataset_id", "metric", "value", "status", "candidate", "ridge.alpha", "k_nearest_neighbors.n_neighbors"]
    one, other = (KnowledgeBase(path).runs("tabular") for path in (whole.parent / "kb", plan_file.parent / "cut"))
    pd.testing.assert_frame_equal(
        one[columns].sort_values(columns, ignore_index=True), other[columns].sort_values(columns, ignore_index=True)
    )


def test_ctrl_c_keeps_what_was_measured(plan_file: Path) -> None:
    command = [sys.executable, "-m", "autometa", "kb", "build", str(plan_file)]
    command += ["--kb", str(plan_file.parent / "kb"), "--work", str(plan_file.parent / "kb-work")]
    journal = plan_file.parent / "kb-work" / "measured.jsonl"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while not journal.is_file() or len(journal.read_bytes().splitlines()) < 5:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "configurations measured" in shown
    measured = len(journal.read_bytes().splitlines())
    assert 5 <= measured < 44
    runs = KnowledgeBase(plan_file.parent / "kb").runs("tabular")
    assert sum(len(configs_of(runs, one)) for one in runs["dataset_id"].unique()) == measured
