import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import _automl_systems as systems  # noqa: E402
import automl  # noqa: E402
from automl_systems import autometa as ours  # noqa: E402
from automl_systems._exchange import Job  # noqa: E402

ANSWER = """
import json, os, signal, subprocess, sys, time
train, test, target, seconds, seed, out = sys.argv[1:7]
n = len(open(test).read().split()) - 1
def answer(classes, row):
    said = dict(classes=classes, probabilities=[row] * n, fit_seconds=1.0, predict_seconds=0.5, versions={"lib": "1"})
    open(out, "w").write(json.dumps(said | dict(note="chosen")))
"""
FAKES = {
    "half": 'answer(["ca", "cb"], [0.5, 0.5])',
    "turned": 'answer(["cb", "ca"], [0.2, 0.8])',
    "crashing": 'raise MemoryError("no room")',
    "silent": "pass",
    "framed": "print('╭─ Error ─╮\\n│ No such option │\\n╰─────────╯'); raise SystemExit(2)",
    "nan": 'answer(["ca", "cb"], [float("nan"), 0.5])',
    "half_sum": 'answer(["ca", "cb"], [0.25, 0.25])',
    "one_column": 'answer(["ca"], [1.0, 0.0])',
    "stranger": 'answer(["ca", "cz"], [0.5, 0.5])',
}


@pytest.fixture
def table() -> pd.DataFrame:
    """Seventy rows of class ca and thirty of cb."""
    return pd.DataFrame({"x": np.arange(100), "class": ["ca"] * 70 + ["cb"] * 30})


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: pd.DataFrame) -> Mapping[str, systems.System]:
    """Systems that answer at once, in place of the real ones; two tables in place of KEEL's."""
    found = {}
    for name, code in FAKES.items():
        script = tmp_path / f"{name}.py"
        script.write_text(ANSWER + code)
        found[name] = systems.System(name, name.title(), script)
    monkeypatch.setattr(automl, "SYSTEMS", found)
    monkeypatch.setattr(automl, "read_tables", lambda names, wheels: dict.fromkeys(names, table))
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: None)
    return found


def task_of(folder: Path, *, seconds: float = 20.0, n_test: int = 2) -> systems.Task:
    (folder / "train.csv").write_text("x,class\n1,ca\n2,ca\n3,ca\n4,cb\n")
    (folder / "test.csv").write_text("x\n" + "5\n" * n_test)
    return systems.Task(folder / "train.csv", folder / "test.csv", "class", n_test, seconds, 0)


def measured(system: systems.System, folder: Path) -> automl.Result:
    labels = pd.Series(["ca", "ca", "ca", "cb"]), pd.Series(["ca", "cb"])
    return automl.measure(system, Path(sys.executable), "banana", task_of(folder), labels)


def result(system: str, table: str, seed: int, log_loss: float, failure: str = "") -> automl.Result:
    return automl.Result(
        system=system,
        table=table,
        seed=seed,
        seconds=60.0,
        log_loss=log_loss,
        accuracy=0.5,
        auc=0.5,
        fit_seconds=2.0,
        predict_seconds=1.0,
        versions={"lib": "1"},
        failure=failure,
    )


def test_figures_are_those_of_the_definitions() -> None:
    log_loss, accuracy, auc = automl.figures(
        ("a", "b"), np.array([[0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]), ["a", "b", "a"]
    )
    assert log_loss == pytest.approx(-(np.log(0.8) + np.log(0.3) + np.log(0.6)) / 3)
    assert accuracy == pytest.approx(2 / 3)
    assert auc == pytest.approx(0.5)  # of the two rows of class a, one has a lower probability of b


def test_columns_are_matched_by_the_names_of_their_classes() -> None:
    log_loss, accuracy, auc = automl.figures(("b", "a"), np.array([[0.2, 0.8], [0.9, 0.1]]), ["a", "b"])
    assert log_loss == pytest.approx(-(np.log(0.8) + np.log(0.9)) / 2)
    assert (accuracy, auc) == (1.0, 1.0)


def test_a_class_that_was_never_seen_has_the_least_probability() -> None:
    log_loss, accuracy, _ = automl.figures(("a", "b"), np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]), ["a", "b", "c"])
    assert log_loss == pytest.approx(-np.log(1e-15) / 3)
    assert accuracy == pytest.approx(2 / 3)


def test_a_sure_mistake_costs_no_more_than_the_clip() -> None:
    log_loss, _, _ = automl.figures(("a", "b"), np.array([[0.0, 1.0]]), ["a"])
    assert log_loss == pytest.approx(-np.log(1e-15))


def test_auc_of_many_classes_is_the_mean_of_each_against_the_rest() -> None:
    values = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3]])
    _, _, auc = automl.figures(("a", "b", "c"), values, ["a", "b", "c"])
    assert auc == pytest.approx((1.0 + 1.0 + 0.75) / 3)  # c ties with one of the two other rows


def test_equal_log_losses_share_their_rank() -> None:
    results = [result("autometa", "banana", 0, 0.2), result("flaml", "banana", 0, 0.2 + 1e-12)]
    results.append(result("lightgbm", "banana", 0, 0.5))
    frame = automl.frame_of(results, ["autometa", "flaml", "lightgbm"])
    assert dict(zip(frame["system"], frame["rank"], strict=True)) == {"autometa": 1.5, "flaml": 1.5, "lightgbm": 3.0}


def test_standings_count_ranks_wins_ties_losses_and_failures() -> None:
    losses = {"banana": (0.1, 0.2), "vowel": (0.3, 0.3), "splice": (0.5, 0.4), "texture": (0.1, 0.9)}
    results = []
    for table, (mine, other) in losses.items():
        results.append(result("autometa", table, 0, mine))
        results.append(result("flaml", table, 0, other, failure="exit 1" if table == "texture" else ""))
    rows = automl.standings(automl.frame_of(results, ["flaml", "autometa"]), ["flaml", "autometa"])
    # Ranks of autometa: 1, 1.5, 2, 1; of FLAML: 2, 1.5, 1, 2; their standard deviation is sqrt(0.6875 / 3).
    error = np.sqrt(0.6875 / 3) / 2
    assert (rows[0][:2], rows[0][3]) == (["autometa", f"1.38 ± {error:.2f}"], "0.2500")
    assert (rows[1][:2], rows[1][3]) == (["FLAML", f"1.62 ± {error:.2f}"], "0.4500")
    assert [row[2] for row in rows] == ["3 of 4", "2 of 4"]
    assert [row[6:] for row in rows] == [["2.0", "1.00", "0 of 4", ""], ["2.0", "1.00", "1 of 4", "2 / 1 / 1"]]


def test_seeds_of_one_table_do_not_narrow_the_error_of_the_rank() -> None:
    results = [result("autometa", table, seed, 0.1) for table in ("banana", "vowel") for seed in (0, 1)]
    results += [result("flaml", "banana", seed, 0.2) for seed in (0, 1)]
    results += [result("flaml", "vowel", seed, 0.05) for seed in (0, 1)]
    rows = automl.standings(automl.frame_of(results, ["autometa", "flaml"]), ["autometa", "flaml"])
    assert [row[1] for row in rows] == ["1.50 ± 0.50", "1.50 ± 0.50"]  # of two tables, with ranks 1 and 2


def test_splits_that_not_all_systems_have_count_for_none() -> None:
    results = [result("autometa", "banana", seed, 0.1) for seed in (0, 1)] + [result("flaml", "banana", 1, 0.2)]
    frame = automl.frame_of(results, ["autometa", "flaml"])
    assert set(frame["seed"]) == {1}


def test_each_table_shows_its_best_system_in_bold() -> None:
    results = [result("autometa", "vowel", seed, 0.1 + 0.2 * seed) for seed in (0, 1)]
    results += [result("flaml", "vowel", seed, 0.3) for seed in (0, 1)]
    names = ["autometa", "flaml"]
    assert automl.by_table(automl.frame_of(results, names), names) == [
        ["vowel", "**0.2000 ± 0.1000**", "0.3000 ± 0.0000"]
    ]


def test_failures_and_versions_are_told() -> None:
    results = [result("autometa", "vowel", 0, 0.1), result("flaml", "vowel", 0, 0.3, failure="took more than 180 s")]
    names = ["autometa", "flaml"]
    text = automl.remarks(automl.frame_of(results, names), names, 60.0)
    assert "- FLAML on vowel, seed 0: took more than 180 s" in text
    assert re.search(r"^- autometa: `autometa tune.*\. lib 1$", text, re.MULTILINE)
    assert "Nothing failed." not in text


def test_a_split_keeps_the_shares_of_classes(table: pd.DataFrame) -> None:
    train, test = automl.split(table, 0)
    assert train["class"].value_counts().to_dict() == {"ca": 49, "cb": 21}
    assert sorted([*train["x"], *test["x"]]) == list(range(100))
    assert not automl.split(table, 1)[1]["x"].equals(test["x"])


def test_an_answer_is_measured(tmp_path: Path, fakes: Mapping[str, systems.System]) -> None:
    found = measured(fakes["turned"], tmp_path)
    assert found.log_loss == pytest.approx(-(np.log(0.8) + np.log(0.2)) / 2)
    assert (found.fit_seconds, found.note, found.versions, found.failure) == (1.0, "chosen", {"lib": "1"}, "")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("crashing", "exit 1: MemoryError: no room"),
        ("silent", "exit 0: no output"),
        ("framed", "exit 2: No such option"),
        ("nan", "no probabilities"),
        ("half_sum", "no probabilities"),
        ("one_column", "shape"),
        ("stranger", "cz"),
    ],
)
def test_a_system_that_fails_gets_the_class_frequencies(
    tmp_path: Path, fakes: Mapping[str, systems.System], name: str, why: str
) -> None:
    found = measured(fakes[name], tmp_path)
    assert why in found.failure
    assert found.log_loss == pytest.approx(-(np.log(0.75) + np.log(0.25)) / 2)
    assert (found.accuracy, found.auc) == (0.5, 0.5)


def test_a_late_system_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    python, told = tmp_path / "python", tmp_path / "pid"  # a shell, which is there at once on the busiest machine
    python.write_text(f"#!/bin/sh\nsetsid sleep 60 &\necho $! > {told}\nsleep 60\n")
    python.chmod(0o755)
    system = systems.System("late", "Late", tmp_path / "late.py")
    with pytest.raises(systems.SystemFailedError, match=r"took more than 1\.5 s"):
        systems.run(system, python, task_of(tmp_path, seconds=0.5), tmp_path / "scratch")
    child = int(told.read_text())
    for _ in range(50):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.1)
    else:
        pytest.fail(f"process {child} is still there")
    assert not (tmp_path / "scratch").exists()


def test_a_second_call_measures_only_what_is_missing(
    tmp_path: Path, fakes: Mapping[str, systems.System], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.jsonl"
    words = ["--tables", "banana", "vowel", "--seeds", "1", "--seconds", "20", "--results", str(file)]
    words = ["--systems", "half", "turned", *words]
    automl.main(words)
    lines = file.read_text().splitlines(keepends=True)
    assert [json.loads(line)["system"] for line in lines] == ["half", "turned", "half", "turned"]
    file.write_text("".join(lines[:2]) + lines[2][:40])  # as if killed while the third was written
    capsys.readouterr()
    automl.main(words)
    printed = capsys.readouterr().out
    assert "vowel, seed 0" in printed
    assert "banana, seed 0" not in printed
    again = file.read_text().splitlines(keepends=True)
    assert again[:2] == lines[:2]
    assert [json.loads(line)["log_loss"] for line in again] == [json.loads(line)["log_loss"] for line in lines]


def test_a_system_is_measured_again_on_request(tmp_path: Path, fakes: Mapping[str, systems.System]) -> None:
    file = tmp_path / "results.jsonl"
    old = [replace(result(name, "banana", 0, 9.0), seconds=20.0) for name in ("half", "turned")]
    automl.keep(old, file)
    words = ["--systems", "half", "turned", "--tables", "banana", "--seeds", "1", "--seconds", "20"]
    automl.main([*words, "--results", str(file), "--again", "turned"])
    found = {one.system: one.log_loss for one in automl.read_results(file)}
    assert found["half"] == 9.0
    assert found["turned"] == pytest.approx(-(21 * np.log(0.8) + 9 * np.log(0.2)) / 30)  # 21 of 30 rows are of ca


def test_results_of_another_time_limit_are_measured_anew(tmp_path: Path, fakes: Mapping[str, systems.System]) -> None:
    file = tmp_path / "results.jsonl"
    for seconds in ("20", "30"):
        automl.main(
            ["--systems", "half", "--tables", "banana", "--seeds", "1", "--seconds", seconds, "--results", str(file)]
        )
    assert [json.loads(line)["seconds"] for line in file.read_text().splitlines()] == [20.0, 30.0]


def test_systems_see_the_test_rows_without_their_classes(tmp_path: Path, table: pd.DataFrame) -> None:
    system = systems.System("one", "One", tmp_path / "one.py")
    ((_, _, task, (_, truth)),) = automl.work([system], {"banana": table}, 1, 20.0, tmp_path)
    assert list(pd.read_csv(task.test).columns) == ["x"]
    assert len(truth) == task.n_test == 30
    assert set(task.leave_out) == {f"keel/{name}" for name in automl.TABLES}


def test_autometa_searches_by_log_loss_and_learns_nothing_from_the_benchmark(
    tmp_path: Path,
) -> None:
    left_out = ("keel/banana", "keel/vowel")
    job = Job(tmp_path / "train.csv", tmp_path / "test.csv", "class", 60.0, 2, tmp_path / "out.json", left_out)
    words = ours.command(job)
    for option, value in (("--metric", "log_loss"), ("--time-limit", "60"), ("--jobs", "2"), ("--seed", "2")):
        assert words[words.index(option) + 1] == value
    assert "--no-learn" in words
    assert words[-4:] == ["--exclude-dataset", "keel/banana", "--exclude-dataset", "keel/vowel"]


def test_default_lightgbm_reads_words_and_gaps(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=200), "w": rng.choice(["u", "v"], 200)})
    frame["class"] = np.where((frame["x"] > 0) & (frame["w"] == "u"), "ca", "cb")
    frame.loc[3, "w"], frame.loc[150, "x"] = None, np.nan
    train, test = frame[:140], frame[140:]
    train.to_csv(tmp_path / "train.csv", index=False)
    test.drop(columns="class").assign(w=[*test["w"][:-1], "unseen"]).to_csv(tmp_path / "test.csv", index=False)
    task = systems.Task(tmp_path / "train.csv", tmp_path / "test.csv", "class", 60, 200.0, 0)
    answer = systems.run(systems.SYSTEMS["lightgbm"], Path(sys.executable), task, tmp_path / "scratch")
    assert answer.classes == ("ca", "cb")
    assert automl.figures(answer.classes, answer.probabilities, list(test["class"]))[1] > 0.9


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "flaml").mkdir()
    (tmp_path / "flaml" / "thesis.txt").write_text("all of it")
    with pytest.raises(RuntimeError, match="holds something else"):
        systems.environment(systems.SYSTEMS["flaml"], tmp_path)
    assert (tmp_path / "flaml" / "thesis.txt").is_file()


@pytest.mark.slow
def test_an_environment_is_made_once_for_its_requirements(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# none\n")
    system = systems.System("some", "Some", tmp_path / "some.py", (requirements,))
    python = systems.environment(system, tmp_path / "peers")
    made = (tmp_path / "peers" / "some" / "pyvenv.cfg").stat().st_mtime_ns
    assert systems.environment(system, tmp_path / "peers") == python
    assert (tmp_path / "peers" / "some" / "pyvenv.cfg").stat().st_mtime_ns == made
    requirements.write_text("# other\n")
    systems.environment(system, tmp_path / "peers")
    assert (tmp_path / "peers" / "some" / "pyvenv.cfg").stat().st_mtime_ns > made


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in systems.SYSTEMS if name != systems.OURS])
def test_peers_whose_environments_are_there_answer(tmp_path: Path, table: pd.DataFrame, name: str) -> None:
    folder = Path(os.environ.get("AUTOMETA_BENCHMARK_PEERS", automl.parsed([]).environments))
    if not (folder / name / systems.MARKER).is_file():
        pytest.skip(f"{folder / name} is made by python benchmarks/automl.py --systems {name}")
    system = systems.SYSTEMS[name]
    ((_, _, task, labels),) = automl.work([system], {"banana": table}, 1, 30.0, tmp_path)
    found = automl.measure(system, folder / name / "bin" / "python", "banana", task, labels)
    assert found.failure == ""
    assert found.accuracy > 0.9
