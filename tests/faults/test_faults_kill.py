"""``kill -9`` at any moment: nothing that a search had been told is lost, and nothing stays behind."""

import random
import time
from pathlib import Path

import optuna
import pandas as pd
import pytest
from fault_runs import Running, Runs, board_of, half_files, log_of, trials_in

import autometa

TRIALS = 8
RETRY = "autometa.retry_of"
# What the log says when a moment comes near; the second number is how many seconds later the kill may come.
EARLY = (("", 2.5), ("setting table", 0.3))
MIDDLE = (("trial", 0.4),) * 5
LATE = (("choosing the ensemble", 0.1), ("refitting", 0.6), ("measuring", 0.6), ("writing the report", 0.3))
State = optuna.trial.TrialState


class Story:
    """A search that is killed again and again, and what the journal said each time."""

    def __init__(self, runs: Runs, table: Path, quick: tuple[str, ...]) -> None:
        self.runs = runs
        self.out = runs.folder / "out"
        self._begin = ("tune", table, "--trials", TRIALS, "--output", self.out, *quick)
        self.told: dict[int, tuple[State, object, object]] = {}
        self.running: dict[int, dict[str, object]] = {}

    def go_on(self, environment: dict[str, str] | None = None) -> Running:
        """Begin it, or resume it once there is something to resume."""
        resumable = (self.out / "search.json").exists()
        arguments = ("tune", "--resume", self.out, "--no-mlflow") if resumable else self._begin
        return self.runs.start(*arguments, environment=environment)

    def killed(self) -> None:
        """Compare the journal with what it held before, and remember what it holds now."""
        trials = trials_in(self.out, self.runs.folder)
        for number, before in self.told.items():
            assert outcome(trials[number]) == before
        self.told = {number: outcome(trial) for number, trial in trials.items() if trial.state.is_finished()}
        for number, trial in trials.items():
            if trial.state is State.RUNNING and RETRY not in trial.user_attrs:
                self.running[number] = dict(trial.params)

    def ends_well(self, table: Path) -> None:
        """Resume to the end; everything told is in the leaderboard, what ran was tried again, the model predicts."""
        running = self.go_on()
        ended = running.wait()
        assert ended.code == 0, ended.told
        assert "Traceback" not in ended.told
        assert running.leftovers() == []
        self.killed()
        board = board_of(self.out)
        complete = {number: value for number, (state, value, _) in self.told.items() if state is State.COMPLETE}
        scored = board[board["status"] == "complete"]
        assert dict(scored["score"]) == pytest.approx(complete)
        assert set(board.index) == set(self.told)
        assert (board["status"] != "interrupted").sum() == TRIALS
        retried = self.retried()
        assert {number for number, drawn in self.running.items() if drawn} <= retried.keys() <= self.running.keys()
        assert all(self.running[number].items() <= config.items() for number, config in retried.items())
        assert set(board.loc[list(self.running), "status"]) <= {"interrupted"}
        assert half_files(self.out) == []
        assert autometa.load_model(self.out).predict(pd.read_csv(table)).shape == (80,)

    def retried(self) -> dict[int, dict[str, object]]:
        """The configurations that were queued once more, by the number of the trial that was cut off."""
        trials = trials_in(self.out, self.runs.folder).values()
        again = [(trial.user_attrs[RETRY], intended(trial)) for trial in trials if RETRY in trial.user_attrs]
        assert len(again) == len(dict(again))
        return dict(again)


def intended(trial: optuna.trial.FrozenTrial) -> dict[str, object]:
    """The configuration: what was queued, and what has been drawn so far."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}


def outcome(trial: optuna.trial.FrozenTrial) -> tuple[State, object, object]:
    return trial.state, trial.value if trial.state is State.COMPLETE else None, dict(trial.params)


def kill_at(story: Story, moment: tuple[str, float], rng: random.Random, everything: bool) -> None:
    """Run on until the moment has come, kill, and see that nothing outlives the search."""
    word, spread = moment
    said_before = len(log_of(story.out))
    running = story.go_on()
    running.until(lambda: word in log_of(story.out)[said_before:])
    time.sleep(rng.uniform(0, spread))
    if everything:
        running.kill_everything()
    else:
        running.kill()
    assert running.leftovers() == []
    story.killed()


def test_a_search_killed_at_eight_random_moments_loses_nothing(runs: Runs, table: Path, quick: tuple[str, ...]) -> None:
    rng = random.Random(0)
    story = Story(runs, table, quick)
    for number, moment in enumerate((*EARLY, *MIDDLE[:3], *LATE[:3])):
        kill_at(story, moment, rng, everything=number % 3 == 2)
    story.ends_well(table)


@pytest.mark.slow
@pytest.mark.parametrize("everything", [False, True], ids=["the search", "the search, its server and its trials"])
def test_a_search_killed_at_twenty_random_moments_loses_nothing(
    runs: Runs, table: Path, quick: tuple[str, ...], everything: bool
) -> None:
    rng = random.Random(1)
    story = Story(runs, table, quick)
    for moment in (*EARLY * 3, *MIDDLE, *LATE * 2, ("", 2.5)):
        kill_at(story, moment, rng, everything)
    story.ends_well(table)


def killed_before(story: Story, step: int) -> None:
    """Begin the search, and kill it just before its n-th change to its folder."""
    killer = {
        "PYTHONPATH": str(Path(__file__).parent / "killed_at_step"),
        "AUTOMETA_FAULT_STEP": str(step),
        "AUTOMETA_FAULT_FOLDER": str(story.out),
    }
    running = story.go_on(killer)
    assert running.wait().code == -9
    assert running.leftovers() == []
    story.killed()


# 1-16 set the folder up, 17-28 queue the first trials, 29-42 are the first trial, 134-149 are the end.
@pytest.mark.parametrize(
    "step",
    [
        pytest.param(14, marks=pytest.mark.slow),
        *(
            pytest.param(step, marks=pytest.mark.slow)
            for step in (39, 42, 43, 56, 70, 84, 110, 133, 137, 139, 141, 142)
        ),
        140,
        *(pytest.param(step, marks=pytest.mark.slow) for step in (145, 147, 148)),
    ],
)
def test_a_search_killed_before_a_change_to_its_folder_loses_nothing(
    runs: Runs, table: Path, quick: tuple[str, ...], step: int
) -> None:
    story = Story(runs, table, quick)
    killed_before(story, step)
    story.ends_well(table)


def test_a_trial_that_was_reported_and_not_yet_told_counts_once(
    runs: Runs, table: Path, quick: tuple[str, ...]
) -> None:
    story = Story(runs, table, quick)
    killed_before(story, 40)
    story.ends_well(table)


def test_a_queued_trial_that_was_cut_off_while_it_was_drawn_is_tried_again_whole(
    runs: Runs, table: Path, quick: tuple[str, ...]
) -> None:
    story = Story(runs, table, quick)
    killed_before(story, 34)
    (cut_off,) = story.running
    wanted = intended(trials_in(story.out, runs.folder)[cut_off])
    story.ends_well(table)
    assert story.retried()[cut_off] == wanted


def test_a_search_killed_while_it_queues_its_first_trials_queues_the_rest_later(
    runs: Runs, table: Path, quick: tuple[str, ...]
) -> None:
    story = Story(runs, table, quick)
    killed_before(story, 22)
    story.ends_well(table)
    origins = [trial.user_attrs.get("autometa.origin", {}) for trial in trials_in(story.out, runs.folder).values()]
    assert "baseline" in {origin.get("strategy") for origin in origins}
