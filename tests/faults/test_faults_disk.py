"""A disk that is full, and folders that cannot be written: a clear message, and nothing lost."""

import ctypes
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from fault_runs import Runs, board_of, half_files, trials_in

MNT_DETACH = 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(place), b"tmpfs", 0, b"size=2m"):
        pytest.skip("mounting a small file system needs more rights than these tests have")
    yield place
    libc.umount2(bytes(place), MNT_DETACH)


def fill(place: Path, leave: int) -> Path:
    """Leave so many bytes free."""
    filler = place / "filler"
    free = shutil.disk_usage(place).free
    filler.write_bytes(b"x" * max(0, free - leave))
    return filler


@pytest.mark.parametrize("leave", [pytest.param(24_000, marks=pytest.mark.slow), 60_000])
def test_a_full_disk_is_named_and_the_search_goes_on_once_there_is_space(
    runs: Runs, small_disk: Path, table: Path, quick: tuple[str, ...], leave: int
) -> None:
    out = small_disk / "out"
    filler = fill(small_disk, leave)
    ended = runs.run("tune", table, "--trials", 12, "--output", out, *quick)
    assert ended.code in (1, 2), ended.told
    assert "No space left on device" in ended.told
    assert "Traceback" not in ended.told
    told = trials_in(out, runs.folder)
    filler.unlink()
    again = runs.run("tune", "--resume", out, "--no-mlflow")
    assert again.code == 0, again.told
    after = trials_in(out, runs.folder)
    for number, trial in told.items():
        if trial.state.is_finished():
            assert (after[number].state, after[number].values) == (trial.state, trial.values)
    assert set(board_of(out).index) == {number for number, trial in after.items() if trial.state.is_finished()}
    predicted = runs.run("predict", out, table, "--output", "p.csv")
    assert predicted.code == 0, predicted.told
    assert len(pd.read_csv(runs.folder / "p.csv")) == 80


def test_a_full_disk_blames_no_trial_keeps_the_leaderboard_whole_and_names_the_way_out(
    runs: Runs, small_disk: Path, table: Path, quick: tuple[str, ...]
) -> None:
    out = small_disk / "out"
    fill(small_disk, 60_000)
    ended = runs.run("tune", table, "--trials", 12, "--output", out, *quick)
    assert f"--resume {out}" in ended.told
    assert " crash " not in ended.told
    assert half_files(out) == []
    assert not (out / "leaderboard.csv").exists() or len(board_of(out)) >= 1


def test_a_disk_without_space_for_the_table_is_named_and_leaves_no_search(
    runs: Runs, small_disk: Path, table: Path, quick: tuple[str, ...]
) -> None:
    out = small_disk / "out"
    filler = fill(small_disk, 0)
    ended = runs.run("tune", table, "--trials", 2, "--output", out, *quick)
    assert ended.code in (1, 2), ended.told
    assert "No space left on device" in ended.told
    assert "Traceback" not in ended.told
    filler.unlink()
    again = runs.run("tune", table, "--trials", 2, "--output", out, *quick)
    assert again.code == 0, again.told


def test_an_output_folder_that_cannot_be_made_is_named(runs: Runs, table: Path, quick: tuple[str, ...]) -> None:
    closed = runs.folder / "closed"
    closed.mkdir(mode=0o500)
    ended = runs.run("tune", table, "--trials", 2, "--output", closed / "out", *quick, powerless=True)
    assert ended.code == 2
    assert f"The output folder {closed / 'out'} cannot be made" in ended.told
    assert "Choose another --output" in ended.told
    assert list(closed.iterdir()) == []


def test_a_search_that_cannot_be_written_any_more_says_so(runs: Runs, table: Path, quick: tuple[str, ...]) -> None:
    out = runs.folder / "out"
    assert runs.run("tune", table, "--trials", 2, "--output", out, *quick).code == 0
    folders = [out, *(path for path in out.rglob("*") if path.is_dir())]
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for path in before:
        path.chmod(0o400)
    for path in folders:
        path.chmod(0o500)
    ended = runs.run("tune", "--resume", out, "--trials", 3, "--no-mlflow", powerless=True)
    predicted = runs.run("predict", out, table, "--output", "p.csv", powerless=True)
    for path in folders:
        path.chmod(0o700)
    assert ended.code == 2, ended.told
    assert f"{out} cannot be written" in ended.told
    assert "Make it writable" in ended.told
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert predicted.code == 0, predicted.told


def test_a_home_that_cannot_be_written_costs_only_what_would_be_kept_there(
    runs: Runs, table: Path, quick: tuple[str, ...]
) -> None:
    home = runs.folder / "closed-home"
    home.mkdir(mode=0o500)
    tracked = [option for option in quick if option != "--no-mlflow"]
    ended = runs.run(
        *("tune", table, "--trials", 2, "--output", "out", *tracked),
        environment={"AUTOMETA_HOME": str(home)},
        powerless=True,
    )
    assert ended.code == 0, ended.told
    assert "failed: the knowledge base could not take these runs" in ended.told
    assert "failed: tracking: " in ended.told
    assert str(home) in ended.told
    assert "Traceback" not in ended.told
    assert (board_of(runs.folder / "out")["status"] == "complete").any()
    assert list(home.iterdir()) == []
