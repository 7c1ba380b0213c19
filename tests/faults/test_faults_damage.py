"""What a power loss leaves of a search's files: a resumed search goes on, or says which file is damaged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fault_runs import Runs, trials_in

import autometa
from autometa.api import TuneResult
from autometa.errors import AutometaError, InputError

TRIALS = 4


@pytest.fixture(scope="module")
def finished(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search that every test damages a copy of."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMETA_HOME", str(folder / "home"))
        autometa.tune(
            table,
            trials=TRIALS,
            candidates=["logistic_regression", "k_nearest_neighbors"],
            cv=3,
            jobs=1,
            mlflow=False,
            learn=False,
            report=False,
            output=folder / "out",
        )
    return folder / "out"


@pytest.fixture
def damaged(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def resume(folder: Path) -> TuneResult:
    return autometa.tune(resume=folder, trials=TRIALS + 1, mlflow=False, report=False)


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def best(folder: Path) -> int:
    return int(pd.read_csv(folder / "leaderboard.csv")["trial"][0])


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_torn_state_file_is_named(damaged: Path, share: float) -> None:
    cut(damaged / "search.json", share)
    with pytest.raises(InputError, match=r"search\.json is damaged .*cannot be resumed"):
        resume(damaged)


def test_a_damaged_folder_is_code_2_and_one_message(damaged: Path, runs: Runs) -> None:
    cut(damaged / "search.json", 0.5)
    ended = runs.run("tune", "--resume", damaged, "--no-mlflow")
    assert ended.code == 2
    assert "is damaged" in ended.told
    assert "Traceback" not in ended.told


def predictions_gone(folder: Path) -> None:
    (folder / "work" / "predictions" / f"{best(folder):05d}.npy").unlink()


def predictions_torn(folder: Path) -> None:
    cut(folder / "work" / "predictions" / f"{best(folder):05d}.npy", 0.5)


def predictions_empty(folder: Path) -> None:
    cut(folder / "work" / "predictions" / f"{best(folder):05d}.npy", 0.0)


def leaderboard_gone(folder: Path) -> None:
    (folder / "leaderboard.csv").unlink()


def model_gone(folder: Path) -> None:
    shutil.rmtree(folder / "model")


def model_torn(folder: Path) -> None:
    cut(folder / "model" / "card.json", 0.5)


def leftovers_there(folder: Path) -> None:
    (folder / "search.tmp").write_text("{")
    (folder / "study.journal.lock").write_text("")
    (folder / "work" / "model" / "members").mkdir(parents=True)
    (folder / "work" / "old-model").mkdir()


def log_gone(folder: Path) -> None:
    (folder / "autometa.log").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        predictions_gone,
        pytest.param(predictions_torn),
        pytest.param(predictions_empty, marks=pytest.mark.slow),
        leaderboard_gone,
        pytest.param(model_gone, marks=pytest.mark.slow),
        pytest.param(model_torn, marks=pytest.mark.slow),
        leftovers_there,
        pytest.param(log_gone, marks=pytest.mark.slow),
    ],
)
def test_a_search_goes_on_without(damaged: Path, table: Path, damage: Callable[[Path], None]) -> None:
    before = pd.read_csv(damaged / "leaderboard.csv").set_index("trial")["score"].dropna()
    damage(damaged)
    result = resume(damaged)
    after = pd.read_csv(damaged / "leaderboard.csv").set_index("trial")["score"]
    pd.testing.assert_series_equal(after.loc[before.index], before)
    assert len(after) == TRIALS + 1
    assert result.model.predict(pd.read_csv(table)).shape == (80,)


@pytest.mark.parametrize(
    "cut_off", [pytest.param(1, marks=pytest.mark.slow), 40, pytest.param(300, marks=pytest.mark.slow)]
)
def test_a_torn_last_line_of_the_journal_costs_what_it_said_and_no_more(
    damaged: Path, tmp_path: Path, cut_off: int
) -> None:
    journal = damaged / "study.journal"
    journal.write_bytes(journal.read_bytes()[:-cut_off])
    before = trials_in(damaged, tmp_path)
    result = resume(damaged)
    after = trials_in(damaged, tmp_path)
    for number, trial in before.items():
        if trial.state.is_finished():
            assert (after[number].state, after[number].values) == (trial.state, trial.values)
    kept = sum(trial.state.is_finished() for trial in before.values())
    assert kept >= TRIALS - 1
    assert len([trial for trial in result.trials if trial.status != "interrupted"]) == TRIALS + 1


def table_torn(folder: Path) -> None:
    cut(folder / "work" / "data" / "values.arrow", 0.5)


def table_facts_torn(folder: Path) -> None:
    cut(folder / "work" / "data" / "dataset.json", 0.5)


def table_gone(folder: Path) -> None:
    shutil.rmtree(folder / "work" / "data")


def splits_torn(folder: Path) -> None:
    cut(folder / "work" / "splits-0.npy", 0.5)


def splits_gone(folder: Path) -> None:
    (folder / "work" / "splits-0.npy").unlink()


def work_gone(folder: Path) -> None:
    shutil.rmtree(folder / "work")


def journal_torn_inside(folder: Path) -> None:
    journal = folder / "study.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], lines[5][:20] + b"\n", *lines[6:]]))


def state_of_something_else(folder: Path) -> None:
    (folder / "search.json").write_text('{"format": 2}')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (table_torn, "work/data"),
        (table_facts_torn, "work/data"),
        (table_gone, "work/data"),
        pytest.param(splits_torn, "splits-0.npy"),
        pytest.param(splits_gone, "splits-0.npy"),
        (work_gone, "work"),
        pytest.param(journal_torn_inside, "study.journal"),
        (state_of_something_else, "search.json"),
    ],
)
def test_damage_that_cannot_be_mended_is_named(damaged: Path, damage: Callable[[Path], None], words: str) -> None:
    damage(damaged)
    with pytest.raises(AutometaError, match=words):
        resume(damaged)
