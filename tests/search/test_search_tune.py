import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

import autometa
from autometa.api import TuneResult
from autometa.errors import InputError, ModelError, OptionError, ResumeError, SearchError
from autometa.knowledge import KnowledgeBase
from autometa.records import DatasetRecord, MetaFeatures
from autometa.search._listener import Listener, Progress
from autometa.search._splits import Splits
from autometa.spaces import load_space

FAST = ("logistic_regression", "k_nearest_neighbors", "extra_trees")


def tuned(table: pd.DataFrame, folder: Path, **options: object) -> TuneResult:
    settings = {"trials": 5, "jobs": 1, "candidates": FAST, "mlflow": False, "output": folder, "name": "people"}
    return autometa.tune(table, **{**settings, **options})  # type: ignore[arg-type]


@pytest.fixture
def small_table() -> pd.DataFrame:
    """120 rows that a linear model and a tree can both learn a little from."""
    rng = np.random.default_rng(7)
    n = 120
    age, income = rng.uniform(20, 70, n), rng.lognormal(10, 0.5, n)
    city = rng.choice(["Graz", "Linz", "Wien"], n)
    logit = 0.08 * (age - 45) + 1.5 * (city == "Wien") + rng.normal(0, 1, n)
    frame = pd.DataFrame({"age": age.round(1), "income": income.round(), "city": city})
    frame.loc[::11, "income"] = np.nan
    frame["class"] = np.where(logit > 0.4, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[TuneResult, pd.DataFrame]:
    """One search that several tests look at; none of them changes it."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(150, 3))
    table = pd.DataFrame(x, columns=["a", "b", "c"]).round(3)
    table["class"] = np.where(x[:, 0] + 0.5 * x[:, 1] + rng.normal(0, 0.7, 150) > 0, "yes", "no")
    folder = tmp_path_factory.mktemp("search") / "out"
    return tuned(table, folder, trials=8, learn=False), table


def test_the_leaderboard_is_sorted_and_says_where_each_trial_came_from(
    finished: tuple[TuneResult, pd.DataFrame],
) -> None:
    result, _ = finished
    board = result.leaderboard
    done = board[board["status"] == "complete"]
    assert len(board) == 8
    assert done["score"].is_monotonic_decreasing
    assert done["rank"].tolist() == list(range(1, len(done) + 1))
    warm = board.sort_values("trial").head(5)
    assert warm["dataset"].notna().all()
    assert set(warm["strategy"]) <= {"nearest_datasets", "similar_portfolio"}
    assert pd.read_csv(result.folder / "leaderboard.csv")["trial"].tolist() == board["trial"].tolist()
    assert all(json.loads(config)["candidate"] in FAST for config in board["config"])


def test_the_study_is_an_optuna_study_with_the_same_values(finished: tuple[TuneResult, pd.DataFrame]) -> None:
    result, _ = finished
    assert isinstance(result.study, optuna.Study)
    by_number = {trial.number: trial.value for trial in result.study.trials if trial.value is not None}
    assert {t.number: t.value for t in result.trials if t.status == "complete"} == {
        number: by_number[number] for number in by_number if number in {t.number for t in result.trials}
    }


def test_the_score_of_the_model_is_that_of_its_blended_out_of_fold_predictions(
    finished: tuple[TuneResult, pd.DataFrame],
) -> None:
    from sklearn.metrics import roc_auc_score

    result, table = finished
    folder = result.folder / "work"
    splits = Splits.load(folder / "splits-0.npy")
    blended = sum(
        weight * np.load(folder / "predictions" / f"{number:05d}.npy") for number, weight in result.weights.items()
    )
    y, folds = (table["class"] == "yes").to_numpy()[splits.rows], splits.folds
    scores = [roc_auc_score(y[folds == k], np.asarray(blended)[folds == k, 1]) for k in range(5)]
    assert result.score == pytest.approx(np.mean(scores))
    assert result.fold_scores == pytest.approx(scores)
    assert sum(result.weights.values()) == pytest.approx(1.0)


def test_a_fresh_process_predicts_without_optuna_mlflow_or_the_base(
    finished: tuple[TuneResult, pd.DataFrame], tmp_path: Path
) -> None:
    result, table = finished
    moved = tmp_path / "elsewhere"
    shutil.copytree(result.folder / "model", moved)
    table.drop(columns="class").to_csv(tmp_path / "new.csv", index=False)
    code = (
        "import sys, autometa, pandas as pd\n"
        "model = autometa.load_model(sys.argv[1])\n"
        "p = model.predict_proba(pd.read_csv(sys.argv[2]))\n"
        "unwanted = {'optuna', 'mlflow', 'autometa.knowledge', 'autometa.search'} & set(sys.modules)\n"
        "print(p.shape, model.classes, unwanted or '')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(moved), str(tmp_path / "new.csv")], capture_output=True, text=True
    )
    assert done.stdout.strip() == "(150, 2) ('no', 'yes')", done.stdout + done.stderr


def test_predictions_beat_chance_and_probabilities_add_up(finished: tuple[TuneResult, pd.DataFrame]) -> None:
    result, table = finished
    model = result.model
    probabilities = model.predict_proba(table)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert set(model.predict(table)) == {"no", "yes"}
    assert (model.predict(table) == table["class"]).mean() > 0.75


def test_a_damaged_member_is_refused(finished: tuple[TuneResult, pd.DataFrame], tmp_path: Path) -> None:
    result, table = finished
    shutil.copytree(result.folder / "model", tmp_path / "model")
    victim = next((tmp_path / "model" / "members").glob("*/pipeline.skops"))
    victim.write_bytes(victim.read_bytes()[:-10])
    with pytest.raises(ModelError, match="does not match its checksum"):
        autometa.load_model(tmp_path / "model").predict(table)


def test_the_same_seed_makes_the_same_search_and_leaves_global_randomness_alone(
    small_table: pd.DataFrame, tmp_path: Path
) -> None:
    random.seed(5)
    np.random.seed(5)
    before = (random.getstate(), repr(np.random.get_state()))
    quick = ("logistic_regression", "k_nearest_neighbors")
    first = tuned(small_table, tmp_path / "a", seed=3, trials=13, candidates=quick, learn=False)
    assert (random.getstate(), repr(np.random.get_state())) == before
    np.random.seed(6)
    second = tuned(small_table, tmp_path / "b", seed=3, trials=13, candidates=quick, learn=False)
    assert [(t.config, t.value, t.status) for t in first.trials] == [
        (t.config, t.value, t.status) for t in second.trials
    ]
    assert first.weights == second.weights
    assert any(trial.origin.strategy == "sampler" for trial in first.trials)
    other = tuned(small_table, tmp_path / "c", seed=4, trials=1, candidates=quick, learn=False)
    assert other.trials[0].value != first.trials[0].value


def test_regression_and_several_classes(small_table: pd.DataFrame, tmp_path: Path) -> None:
    regression = tuned(
        small_table, tmp_path / "r", target="age", trials=3, candidates=["ridge", "extra_trees"], learn=False
    )
    assert (regression.metric.name, regression.info.direction) == ("rmse", "minimize")
    assert regression.leaderboard["score"].dropna().is_monotonic_increasing
    assert regression.model.predict(small_table).shape == (120,)
    several = tuned(small_table, tmp_path / "m", target="city", trials=3, learn=False)
    assert several.metric.name == "log_loss"
    assert several.model.predict_proba(small_table).shape == (120, 3)


def test_a_search_teaches_the_base_but_never_advises_itself(small_table: pd.DataFrame, tmp_path: Path) -> None:
    kb = KnowledgeBase.open_default()
    first = tuned(small_table, tmp_path / "a", kb=kb)
    learned = KnowledgeBase.open_default()
    own = learned.same_dataset(content_hash=first.info.dataset_id.removeprefix("sha256:"))
    assert len(own) == 1
    runs = learned.runs("tabular", dataset_ids=own)
    finished = [trial.value for trial in first.trials if trial.status == "complete"]
    assert sorted(runs["value"]) == pytest.approx(sorted(finished))  # type: ignore[type-var]
    again = tuned(small_table, tmp_path / "b", kb=learned)
    assert [t.config for t in again.trials] == [t.config for t in first.trials]
    assert any("does not advise itself" in note for note in again.notes)


def test_a_planted_perfect_run_of_the_same_table_changes_nothing(small_table: pd.DataFrame, tmp_path: Path) -> None:
    from autometa import metafeatures

    dataset = autometa.read_dataset(small_table, name="people")
    planted = KnowledgeBase.open_default()
    meta_features = metafeatures.compute(dataset)
    record = DatasetRecord("planted", "something else", "binary", "test", content_hash=dataset.content_hash)
    planted.add_dataset(record, MetaFeatures("planted", meta_features.values))
    perfect = autometa.load_space("tabular", task="binary").default()
    frame = pd.DataFrame([{**perfect, "value": 1.0}])
    planted.add_runs("planted", "tabular", frame, metric="roc_auc", direction="maximize", source="test")
    with_plant = tuned(small_table, tmp_path / "a", kb=planted, learn=False)
    without = tuned(small_table, tmp_path / "b", kb=KnowledgeBase.open_default().without("planted"), learn=False)
    assert [t.config for t in with_plant.trials] == [t.config for t in without.trials]


def test_no_learn_leaves_the_base_alone(small_table: pd.DataFrame, tmp_path: Path, own_home: Path) -> None:
    tuned(small_table, tmp_path / "a", trials=2, learn=False)
    assert not (own_home / "kb").exists()


def test_a_cold_start_says_so(small_table: pd.DataFrame, tmp_path: Path) -> None:
    result = tuned(small_table, tmp_path / "a", kb=KnowledgeBase(tmp_path / "empty"), trials=4, learn=False)
    assert any(note.startswith("cold start") for note in result.notes)
    assert [t.origin.strategy for t in result.trials[:3]] == ["baseline", "default", "default"]
    none = tuned(small_table, tmp_path / "b", warm_start="none", trials=4, learn=False)
    assert [t.config for t in none.trials[:3]] == [t.config for t in result.trials[:3]]


def linear_base(folder: Path) -> KnowledgeBase:
    """Three datasets that know one thing: what a weak penalty is worth."""
    kb, rng = KnowledgeBase(folder), np.random.default_rng(0)
    space = load_space("tabular", task="binary")
    for number in range(3):
        drawn = [space.project({**space.sample(rng), "candidate": "logistic_regression"}) for _ in range(12)]
        frame = pd.DataFrame(drawn).assign(value=[0.5 + 0.05 * number + 0.1 * (i % 4) for i in range(12)])
        record = DatasetRecord(f"d{number}", f"d{number}", "binary", "test")
        kb.add_dataset(record, MetaFeatures(record.dataset_id, {"NumberOfInstances": 100.0 * number}))
        kb.add_runs(record.dataset_id, "tabular", frame, metric="roc_auc", direction="maximize", source="test")
    return kb


def test_the_sampler_carries_on_what_the_base_says_and_a_resumed_search_ends_like_one_that_never_stopped(
    small_table: pd.DataFrame, tmp_path: Path
) -> None:
    options = {"kb": linear_base(tmp_path / "kb"), "candidates": ("logistic_regression",), "learn": False}
    whole = tuned(small_table, tmp_path / "a", trials=15, **options)
    reasons = [t.origin.reason for t in whole.trials if t.origin.strategy == "sampler"]
    assert len(reasons) >= 2
    assert all(reason.startswith("TransferSampler; what other datasets say counts ") for reason in reasons)
    tuned(small_table, tmp_path / "b", trials=12, **options)
    resumed = autometa.tune(resume=tmp_path / "b", trials=15, mlflow=False, kb=options["kb"])  # type: ignore[arg-type]
    assert [t.config for t in resumed.trials] == [t.config for t in whole.trials]


def test_excluded_datasets_advise_nothing(small_table: pd.DataFrame, tmp_path: Path) -> None:
    kb = linear_base(tmp_path / "kb")
    options = {"candidates": ("logistic_regression",), "trials": 4, "learn": False}
    result = tuned(small_table, tmp_path / "a", kb=kb, exclude_datasets=("d0", "d1"), **options)
    assert {t.origin.dataset_id for t in result.trials if t.origin.dataset_id} == {"d2"}
    with pytest.raises(InputError, match="no dataset 'd9'"):
        tuned(small_table, tmp_path / "b", kb=kb, exclude_datasets=("d9",), **options)


def test_any_sampler_can_search(small_table: pd.DataFrame, tmp_path: Path) -> None:
    kb = linear_base(tmp_path / "kb")
    result = tuned(small_table, tmp_path / "a", kb=kb, sampler="random", warm_start="none", trials=5, learn=False)
    assert [t.origin.reason for t in result.trials if t.origin.strategy == "sampler"] == ["", ""]


def test_resume_continues_the_same_study(small_table: pd.DataFrame, tmp_path: Path) -> None:
    first = tuned(small_table, tmp_path / "a", trials=4, learn=False)
    second = autometa.tune(resume=tmp_path / "a", trials=7, mlflow=False)
    assert len(second.trials) == 7
    assert [t.config for t in second.trials[:4]] == [t.config for t in first.trials]
    assert [t.value for t in second.trials[:4]] == [t.value for t in first.trials]
    with pytest.raises(ResumeError, match="is not the one that this search began with"):
        autometa.tune(small_table.iloc[:-1], resume=tmp_path / "a", trials=9, mlflow=False)
    assert len(autometa.tune(small_table, resume=tmp_path / "a", trials=8, mlflow=False).trials) == 8


def test_an_output_folder_is_never_overwritten(finished: tuple[TuneResult, pd.DataFrame]) -> None:
    result, table = finished
    with pytest.raises(OptionError, match="holds a search already"):
        tuned(table, result.folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "accuracy_score"}, "Unknown metric 'accuracy_score'. Did you mean 'accuracy'"),
        ({"candidates": ["random_forrest"]}, "Did you mean 'random_forest'"),
        ({"candidates": ["ridge"]}, "'ridge' cannot be used here"),
        ({"warm_start": "magic"}, "Unknown warm starter 'magic'"),
        ({"sampler": "transfr"}, "Unknown sampler 'transfr'. Did you mean 'transfer'"),
        ({"trials": 0}, "trials must be at least 1, got 0"),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"cv": 1}, "cv must be at least 2 folds, got 1"),
        ({"cv": "many"}, "cv must be a number of folds such as 5, .*got 'many'"),
        ({"class_weight": "heavy"}, "class_weight must be one of auto, balanced, none, got 'heavy'"),
        ({"time_limit": -1.0}, "time_limit must be at least 1"),
        ({"time_limit": float("nan")}, "time_limit must be at least 1"),
        ({"storage": "nonsense://x"}, "cannot be opened"),
        ({"target": "clas"}, "class"),
    ],
)
def test_bad_options_are_named(
    small_table: pd.DataFrame, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        tuned(small_table, tmp_path / "a", **options)


def test_resuming_nothing(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="holds no search"):
        autometa.tune(resume=tmp_path)
    with pytest.raises(OptionError, match="There is no table"):
        autometa.tune()


def test_a_study_in_a_storage_of_ones_own(small_table: pd.DataFrame, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    tuned(small_table, tmp_path / "a", trials=2, storage=url, study_name="mine", learn=False)
    assert len(optuna.load_study(storage=url, study_name="mine").trials) >= 2
    assert not (tmp_path / "a" / "study.journal").exists()
    with pytest.raises(OptionError, match="'mine' with trials in it"):
        tuned(small_table, tmp_path / "b", trials=2, storage=url, study_name="mine")


class Recorder(Listener):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, info: object) -> None:
        self.heard.append("started")

    def trial_finished(self, report: object) -> None:
        self.heard.append("finished")
        raise RuntimeError("a broken display")

    def tick(self, progress: Progress) -> None:
        self.heard.append("tick")


def test_a_broken_listener_does_not_cost_the_search(small_table: pd.DataFrame, tmp_path: Path) -> None:
    recorder = Recorder()
    result = tuned(small_table, tmp_path / "a", trials=3, listeners=[recorder], learn=False)
    assert len(result.trials) == 3
    assert recorder.heard[0] == "started"
    assert recorder.heard.count("finished") == 1
    assert "Recorder failed and is dropped" in (tmp_path / "a" / "autometa.log").read_text()


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The misbehaving candidates, installed as a package would install them."""
    import plugin_candidates

    from autometa.candidates import CANDIDATES

    info = tmp_path / "site" / "misbehaving-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = plugin_candidates:{name}" for name in (*plugin_candidates.HOWS, "constant"))
    (info / "entry_points.txt").write_text(f"[autometa.candidates]\n{lines}\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}:{Path(__file__).parent}")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(CANDIDATES, "_entries", dict(CANDIDATES._entries))
    monkeypatch.setattr(CANDIDATES, "_plugins_loaded", False)
    return plugin_candidates.HOWS


def test_every_kind_of_failure_is_one_recorded_trial(
    small_table: pd.DataFrame, tmp_path: Path, plugins: tuple[str, ...]
) -> None:
    result = tuned(
        small_table,
        tmp_path / "a",
        candidates=["logistic_regression", *plugins],
        trials=6,
        time_limit=40.0,
        warm_start="none",
        memory_limit=500,
        learn=False,
    )
    ended = {trial.candidate: (trial.status, trial.reason) for trial in result.trials}
    assert ended["logistic_regression"] == ("complete", "")
    assert ended["raises"] == ("crash", "RuntimeError: this candidate always fails")
    assert ended["segfaults"] == ("crash", "the process ended with SIGSEGV")
    assert ended["eats_memory"] == ("memory", "needed more than 500 MB")
    assert ended["says_nan"][0] == "invalid"
    assert "not finite" in ended["says_nan"][1]
    assert ended["sleeps"][0] == "timeout"
    board = pd.read_csv(tmp_path / "a" / "leaderboard.csv")
    assert board["reason"].notna().sum() == 5


def test_a_search_in_which_everything_fails_says_why(
    small_table: pd.DataFrame, tmp_path: Path, plugins: tuple[str, ...]
) -> None:
    with pytest.raises(SearchError, match=r"None of 2 trials finished \(2 x crash: RuntimeError: this candidate"):
        tuned(small_table, tmp_path / "a", candidates=["raises"], trials=2, warm_start="none")
    assert len(pd.read_csv(tmp_path / "a" / "leaderboard.csv")) == 2
    assert plugins


def test_a_plugins_model_loads_where_the_plugin_is_installed_and_only_there(
    small_table: pd.DataFrame, tmp_path: Path, plugins: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autometa.candidates import CANDIDATES

    result = tuned(small_table, tmp_path / "a", candidates=["constant"], trials=2, warm_start="none", learn=False)
    assert result.score == 0.5
    np.testing.assert_allclose(result.model.predict_proba(small_table), result.model.predict_proba(small_table)[0, 0])
    monkeypatch.delitem(CANDIDATES._entries, "constant")
    with pytest.raises(ModelError, match="'constant', which is no candidate here"):
        result.model.predict(small_table)
    assert plugins


def test_a_table_too_large_for_the_time_is_judged_on_fewer_splits_and_rows_and_the_model_learns_from_all(
    small_table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autometa.candidates import LogisticRegression
    from autometa.search import _plan

    monkeypatch.setattr(_plan, "MIN_ROWS", 100)
    monkeypatch.setattr(_plan, "ENOUGH_ROWS", 100)
    monkeypatch.setattr(LogisticRegression, "fit_seconds", lambda self, rows, *rest, **given: rows / 50)
    rng = np.random.default_rng(0)
    large = pd.DataFrame({"x": rng.normal(size=1000), "class": rng.choice(["a", "b"], 1000)})
    options = {"candidates": ["logistic_regression"], "time_limit": 60.0, "learn": False}
    result = tuned(large, tmp_path / "a", trials=2, **options)
    splits = Splits.load(tmp_path / "a" / "work" / "splits-0.npy")
    assert len(splits) == 1
    assert 250 <= len(splits.train[0]) <= 600  # fifteen seconds a trial, 12 of them for a typical one, 50 rows a second
    assert any("trials use" in note and "of 1,000 rows" in note for note in result.notes)
    assert any("judged on 1 of 5 stratified folds" in note for note in result.notes)
    card = json.loads((tmp_path / "a" / "model" / "card.json").read_text())
    assert card["rows"] == 1000  # the real fits take no time, so that the model can have them all
    assert result.model.predict(large).shape == (1000,)
    resumed = autometa.tune(large, resume=tmp_path / "a", trials=3, mlflow=False)
    assert len(resumed.trials) == 3
