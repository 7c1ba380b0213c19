import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import autometa
from autometa.search._study import open_study, read_reports

ROOT = Path(__file__).resolve().parents[2]
PENGUINS = ROOT / "examples" / "penguins.csv"
FAST = ["--candidates", "ridge,k_nearest_neighbors,extra_trees", "--no-mlflow", "--jobs", "1"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "autometa", *map(str, arguments)]


def run(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished search and what it printed."""
    folder = tmp_path_factory.mktemp("cli")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMETA_HOME", str(folder / "home"))
        done = run("tune", PENGUINS, "--trials", 4, "--output", "out", *FAST, folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_tune_prints_progress_leaderboard_and_where_things_lie(searched: tuple[Path, str]) -> None:
    folder, printed = searched
    assert "penguins: regression, 342 rows" in printed
    assert "target 'body_mass_g'" in printed
    assert printed.count(" trial ") >= 4
    assert "Leaderboard (rmse, 5 stratified folds)" in printed
    assert "Everything lies in out: model/, leaderboard.csv, study.journal, autometa.log" in printed
    assert sorted(path.name for path in folder.iterdir()) == [
        *("autometa.log", "leaderboard.csv", "model", "report.html", "search.json", "study.journal", "work")
    ]


def test_predict_writes_what_the_model_says(searched: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = searched
    done = run("predict", folder, PENGUINS, "--output", "p.csv", folder=tmp_path)
    assert done.stdout == "344 predictions written to p.csv\n", done.stderr
    written = pd.read_csv(tmp_path / "p.csv")
    expected = autometa.load_model(folder).predict(pd.read_csv(PENGUINS))
    assert written["prediction"].to_numpy() == pytest.approx(expected)
    assert run("predict", folder / "model", PENGUINS, folder=tmp_path).stdout.count("\n") == 345
    assert run("predict", folder, PENGUINS, "-o", "p.parquet", folder=tmp_path).returncode == 0
    assert len(pd.read_parquet(tmp_path / "p.parquet")) == 344


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tune"], "There is no table"),
        (["tune", "nothing.csv"], "nothing.csv"),
        (["tune", PENGUINS, "--target", "body_mass"], "body_mass_g"),
        (["tune", PENGUINS, "--metric", "auc"], "does not fit a regression task"),
        (["tune", PENGUINS, "--time-limit", "0"], "time_limit must be at least 1, got 0"),
        (["tune", PENGUINS, "--warm-start", "magic"], "Unknown warm starter 'magic'"),
        (["tune", "--resume", "."], "holds no search"),
        (["predict", ".", PENGUINS], "holds no model"),
        (["tune", PENGUINS, "--task", "ranking"], "ranking"),
        (["tune", PENGUINS, "--trails", "3"], "--trails"),
    ],
)
def test_bad_input_is_code_2_and_one_message(arguments: list[object], message: str, tmp_path: Path) -> None:
    done = run(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr + done.stdout


def test_predicting_a_table_that_lacks_a_column(searched: tuple[Path, str], tmp_path: Path) -> None:
    pd.read_csv(PENGUINS).drop(columns=["bill_length_mm"]).to_csv(tmp_path / "t.csv", index=False)
    done = run("predict", searched[0], tmp_path / "t.csv", folder=tmp_path)
    assert done.returncode == 2
    assert "bill_length_mm" in done.stderr


def test_version_and_help(tmp_path: Path) -> None:
    assert run("--version", folder=tmp_path).stdout == f"autometa {autometa.__version__}\n"
    printed = run("--help", folder=tmp_path).stdout
    assert all(name in printed for name in ("tune", "predict", "replay", "report", "export", "kb", "ui"))
    for option in (
        "--time-limit",
        "--resume",
        "--memory-limit",
        "--no-learn",
        "--mlflow-uri",
        "--warm-start",
        "--seed",
        *("--cv", "--group", "--time-column", "--test", "--weight", "--class-weight", "--ignore"),
    ):
        assert option in run("tune", "--help", folder=tmp_path).stdout


def wait_for_trials(folder: Path, n: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    log = folder / "autometa.log"
    while not log.exists() or log.read_text().count(" complete: ") < n:
        assert process.poll() is None, "the search ended early"
        assert time.monotonic() < end, "no trial finished"
        time.sleep(0.05)


def test_a_killed_search_resumes_and_loses_only_what_was_running(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("tune", PENGUINS, "--trials", 40, "--output", out, *FAST), stdout=subprocess.DEVNULL, cwd=tmp_path
    )
    wait_for_trials(out, 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = read_reports(open_study(out / "study.journal", None, name="out", direction="minimize"))
    complete = {report.number: (report.config, report.value) for report in before if report.status == "complete"}
    assert len(complete) >= 3
    total = len(before) + 3
    done = run("tune", "--resume", out, "--trials", total, "--no-mlflow", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    after = read_reports(open_study(out / "study.journal", None, name="out", direction="minimize"))
    assert {report.number: (report.config, report.value) for report in after if report.number in complete} == complete
    assert autometa.load_model(out).task == "regression"


def test_ctrl_c_finishes_with_what_there_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("tune", PENGUINS, "--trials", 500, "--output", out, *FAST), stdout=subprocess.PIPE, cwd=tmp_path
    )
    wait_for_trials(out, 2, process)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert b"Leaderboard" in printed
    assert autometa.load_model(out).predict(pd.read_csv(PENGUINS)).shape == (344,)


def test_a_second_search_in_the_same_folder_is_kept_out(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command("tune", PENGUINS, "--trials", 500, "--output", out, *FAST), stdout=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        wait_for_trials(out, 1, process)
        done = run("tune", "--resume", out, "--no-mlflow", folder=tmp_path)
        assert done.returncode == 2
        assert "Another search is running" in done.stderr
    finally:
        process.kill()
        process.wait()


def test_report_is_written_again(searched: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = searched
    page = folder / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    done = run("report", folder, folder=tmp_path)
    assert done.stdout == f"Report: {page}\n", done.stderr
    assert "penguins" in page.read_text(encoding="utf-8")
    assert len(page.read_text(encoding="utf-8")) == pytest.approx(len(before), rel=0.01)


@pytest.mark.parametrize("command_name", ["report", "replay"])
def test_a_folder_without_a_search_has_no_report_and_no_replay(command_name: str, tmp_path: Path) -> None:
    done = run(command_name, tmp_path, folder=tmp_path)
    assert done.returncode == 2
    assert "holds no search" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_search_without_a_result_has_no_report_yet(tmp_path: Path) -> None:
    search = subprocess.Popen(
        command("tune", PENGUINS, "--trials", 50, "--output", "out", *FAST), cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    try:
        wait_for_trials(tmp_path / "out", 1, search)
    finally:
        search.kill()
        search.wait()
    done = run("report", "out", folder=tmp_path)
    assert done.returncode == 2
    assert "has no result yet. Finish it with: autometa tune --resume" in done.stderr
