"""The transfer benchmark on a toy problem: what it hides, how it counts, and that it goes on where it stopped."""

import json
import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import _transfer_methods as methods  # noqa: E402
import _transfer_problems as problems  # noqa: E402
import _transfer_results as counted  # noqa: E402
import _transfer_sections as sections  # noqa: E402
import transfer_hpo as benchmark  # noqa: E402
from _peers import PeerError  # noqa: E402
from _transfer_hostile import hostile_base  # noqa: E402
from _transfer_methods import METHODS, Job, Method, Trace, search  # noqa: E402
from _transfer_problems import LeakError, Problem, Scenario, Surrogates, make_base  # noqa: E402
from _transfer_results import Result, Results, by_target, improvements  # noqa: E402

from autometa.knowledge import KnowledgeBase  # noqa: E402
from autometa.metrics import own  # noqa: E402
from autometa.records import Config, ConfigValue  # noqa: E402
from autometa.spaces import SearchSpace  # noqa: E402

SPACE = SearchSpace.from_dict(
    {
        "name": "toy",
        "hyperparameters": {
            "width": {"type": "categorical", "choices": list(range(8)), "default": 0},
            "kind": {"type": "categorical", "choices": ["a", "b"], "default": "a"},
        },
    }
)
CONFIGS: list[Config] = [{"width": width, "kind": kind} for width in range(8) for kind in "ab"]
BEST = {"toy/two": 2, "toy/three": 3, "toy/four": 4, "toy/five": 5}


class Toy(Problem):
    """Accuracy is 1 - |width - best| / 10, and 0.05 less of kind b; the best width differs by dataset."""

    def __init__(self, cache: Path) -> None:
        super().__init__(SPACE, own("accuracy", "maximize"), list(BEST), n_targets=2, n_trials=6)
        self._kb = make_base(cache / "kb-toy", lambda space, metric: map(self.runs, BEST), "toy", self.metric)

    def runs(self, dataset_id: str) -> pd.DataFrame:
        return pd.DataFrame(CONFIGS).assign(value=self.values(dataset_id, CONFIGS), dataset_id=dataset_id)

    @property
    def kb(self) -> KnowledgeBase:
        return self._kb

    def values(self, dataset_id: str, configs: Sequence[Mapping[str, ConfigValue]]) -> npt.NDArray[np.float64]:
        off = [abs(int(str(one["width"])) - BEST[dataset_id]) / 10 + 0.05 * (one["kind"] == "b") for one in configs]
        return 1.0 - np.array(off)

    def extremes(self, dataset_id: str) -> tuple[float, float]:
        values = self.values(dataset_id, CONFIGS)
        return float(values.max()), float(values.min())


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path / "cache")


def job(problem: Problem, tmp_path: Path, *, n_trials: int = 6, seed: int = 0) -> Job:
    base = problem.base("toy/three")
    return Job(problem, base, "toy/three", seed, n_trials, tmp_path / "cache", tmp_path / "environments")


def result(method: str = "tpe", target: str = "t", regrets: Sequence[float] = (0.5,), **changes: object) -> Result:
    made = Result(
        problem="toy",
        target=target,
        method=method,
        key=METHODS[method].key,
        seed=0,
        n_trials=2,
        improvements=improvements(regrets),
        first_seconds=0.1,
        later_seconds=0.1,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_result_keeps_only_trials_that_were_better_than_all_before() -> None:
    assert improvements([0.5, 0.5, 0.2, 0.3, 0.0]) == [(1, 0.5), (3, 0.2), (5, 0.0)]
    kept = result(regrets=[0.5, 0.5, 0.2, 0.3, 0.0])
    assert [kept.at(n) for n in range(1, 6)] == [0.5, 0.5, 0.2, 0.2, 0.0]


def test_regret_is_the_incumbents_distance_from_the_best_as_a_share_of_the_range(toy: Toy) -> None:
    # On "three" the best is 1.0 and the worst 0.55: four widths away, of kind b.
    assert toy.regrets("toy/three", [0.55, 0.82, 0.7, 1.0]).tolist() == pytest.approx([1.0, 0.4, 0.4, 0.0])


def test_targets_are_spread_evenly_over_the_datasets(toy: Toy) -> None:
    assert toy.targets() == ("toy/two", "toy/five")
    assert toy.targets(3) == ("toy/two", "toy/four", "toy/five")
    assert toy.targets(9) == tuple(BEST)


def test_a_search_knows_every_dataset_but_its_own(toy: Toy) -> None:
    base = toy.base("toy/three")
    assert set(base.runs("toy")["dataset_id"]) == set(BEST) - {"toy/three"}
    assert set(toy.sources(base, "toy/three")) == set(BEST) - {"toy/three"}


def test_sources_that_hold_the_target_are_refused_under_any_name(toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(LeakError, match="toy/three"):
        toy.sources(toy.kb, "toy/three")
    twin = toy.runs("toy/three").assign(dataset_id="toy/renamed")
    renamed = make_base(tmp_path / "twin", lambda space, metric: [twin], "toy", toy.metric)
    with pytest.raises(LeakError, match="toy/renamed has its values"):
        toy.sources(toy.base("toy/three", renamed), "toy/three")


def test_inverted_sources_swap_best_and_worst(toy: Toy, tmp_path: Path) -> None:
    runs = hostile_base(toy, "inverted", tmp_path).runs("toy", dataset_ids=["toy/three"])
    told = {(width, kind): value for width, kind, value in zip(runs["width"], runs["kind"], runs["value"], strict=True)}
    assert told[3, "a"] == pytest.approx(0.55)
    assert told[7, "b"] == pytest.approx(1.0)


def test_shuffled_sources_have_the_same_values_elsewhere(toy: Toy, tmp_path: Path) -> None:
    runs = hostile_base(toy, "shuffled", tmp_path).runs("toy", dataset_ids=["toy/three"])
    honest = toy.runs("toy/three")
    assert sorted(runs["value"]) == pytest.approx(sorted(honest["value"]))
    assert runs["value"].tolist() != honest["value"].tolist()


def test_runs_of_another_learner_lie_in_the_space(toy: Toy, tmp_path: Path) -> None:
    class Other(Toy):
        def __init__(self) -> None:
            space = SearchSpace.from_dict(
                {
                    "name": "other",
                    "hyperparameters": {"rate": {"type": "float", "low": 0.01, "high": 1, "log": True, "default": 0.1}},
                }
            )
            super().__init__(tmp_path / "other")
            self.space, self.metric = space, own("error", "minimize")
            frame = pd.DataFrame({"rate": [0.01, 0.1, 1.0], "value": [0.3, 0.2, 0.1], "dataset_id": "other/one"})
            self._kb = make_base(tmp_path / "kb-other", lambda space, metric: [frame], "other", self.metric)

    runs = hostile_base(toy, "other", tmp_path, other=Other()).runs("toy")
    assert runs["width"].tolist() == [0, 4, 7]
    assert set(runs["kind"]) == {"a"}
    assert runs["value"].tolist() == [-0.3, -0.2, -0.1]


@pytest.mark.parametrize("name", ["autometa", "transfer", "random", "tpe", "tpe_after_5", "portfolio"])
def test_a_method_evaluates_as_many_configurations_as_it_may(toy: Toy, tmp_path: Path, name: str) -> None:
    trace, failure = search(METHODS[name], job(toy, tmp_path))
    assert not failure
    assert trace.values == [toy.values("toy/three", [config])[0] for config in trace.configs]
    assert len(trace.values) == len(trace.seconds) == 6


def test_tpe_begins_with_the_portfolio_and_goes_on_by_itself(toy: Toy, tmp_path: Path) -> None:
    portfolio, _ = search(METHODS["portfolio"], job(toy, tmp_path))
    mixed, _ = search(METHODS["tpe_after_5"], job(toy, tmp_path))
    assert mixed.configs[:5] == portfolio.configs[:5]
    assert {config["width"] for config in portfolio.configs[:3]} <= {2, 4, 5}


def test_only_numbers_in_increasing_order_are_ordered_choices(toy: Toy) -> None:
    assert [methods.is_ordered(one) for one in SPACE.hyperparameters] == [True, False]
    assert [one.type for one in methods.parameters(SPACE)] == ["ordinal", "categorical"]


def test_limited_peers_get_the_same_sample_and_the_others_get_all(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = pd.DataFrame({"value": np.arange(1000.0)})
    few = methods.sampled(runs, 300, "toy/two")
    assert len(few) == few["value"].nunique() == 300
    pd.testing.assert_frame_equal(few, methods.sampled(runs, 300, "toy/two"))
    assert few["value"].tolist() != methods.sampled(runs, 300, "toy/four")["value"].tolist()
    one = job(toy, tmp_path)
    assert np.load(methods.sources_file(one, limited=False))["losses"].shape == (3 * 16,)
    assert np.load(methods.sources_file(one, limited=False))["losses"].min() == -1.0
    monkeypatch.setattr(methods, "TOLD_IN_ALL", 15)
    assert np.load(methods.sources_file(one, limited=True))["losses"].shape == (3 * 5,)


def test_slow_peers_get_fewer_seeds(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "problem_of", lambda place, name: toy)
    words = ["--problems", "hpobench_mlp", "--methods", "tpe", "smac_told", "--seeds", "10"]
    place = sections.Place(None, tmp_path, tmp_path)
    found = Counter(one.method for one in benchmark.wanted(benchmark.parsed(words), place))
    assert found == {"tpe": 2 * 10, "smac_told": 2 * methods.SEEDS_OF_SLOW}


def test_a_peer_that_fails_leaves_what_it_had(toy: Toy, tmp_path: Path) -> None:
    def half(one: Job, trace: Trace) -> None:
        trace.evaluate(CONFIGS[0])
        raise PeerError("out of room")

    trace, failure = search(Method("half", "Half", half, "none", "1"), job(toy, tmp_path))
    assert failure == "out of room"
    assert trace.values == [0.7]


def test_results_are_read_back_and_a_broken_end_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    Results(file).add(result(target="one"))
    with file.open("a") as stream:
        stream.write('{"kind": "search", "problem": "to')
    later = Results(file)
    later.add(result(target="two"))
    assert sorted(one.target for one in Results(file).current()) == ["one", "two"]


def test_results_of_other_code_do_not_count(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.add(result(key="optuna 4.0.0"))
    assert results.current() == []
    results.add(result("tpe"))
    results.add(result("random"))
    results.forget("tpe")
    assert [one.method for one in Results(results.path).current()] == ["random"]


def test_the_standard_error_is_that_of_the_datasets() -> None:
    found = [result(target=name, regrets=[r], seed=s) for name, s, r in (("a", 0, 0.1), ("a", 1, 0.3), ("b", 0, 0.6))]
    assert by_target(found, 1).to_dict() == pytest.approx({"a": 0.2, "b": 0.6})
    # Mean 0.4; deviations 0.2 each, so the standard deviation is 0.2 * sqrt(2) and the error 0.2.
    assert counted.mean_and_error(by_target(found, 1)) == "0.4000 ± 0.2000"


def test_a_failed_search_keeps_its_regret_and_one_that_never_began_has_all_of_it() -> None:
    assert result(regrets=[0.5, 0.2], n_trials=60, failure="x").at(60) == 0.2
    assert result(regrets=[], failure="x").at(1) == 1.0


def test_the_goals_of_rpart_follow_cold_tpe() -> None:
    cold = [result(regrets=[0.9] * 59 + [0.3], n_trials=60)]
    assert counted.goals("rbv2_rpart", {"tpe": cold}) == pytest.approx({10: 0.3, 60: 0.1})
    assert counted.goals("hpobench_mlp", {})[100] == 0.006
    assert counted.goals("iaml_glmnet", {"tpe": cold}) == {}


def test_a_misled_method_is_called_worse_only_beyond_the_standard_error() -> None:
    cold = [result(target=name, regrets=[0.2]) for name in "ab"]
    slightly = [result("transfer", name, [r], hostile="inverted") for name, r in (("a", 0.2), ("b", 0.3))]
    clearly = [result("autometa", name, [r], hostile="inverted") for name, r in (("a", 0.4), ("b", 0.5))]
    rows = {row[2]: row for row in counted.hostile_table([*cold, *slightly, *clearly], "toy", "inverted")}
    assert rows["autometa, transfer alone"][-2:] == ["0.0500 ± 0.0500", "no worse"]
    assert rows["autometa"][-1] == "worse"


def test_the_plot_has_a_panel_for_each_problem(tmp_path: Path) -> None:
    found = [result(method, regrets=[0.5, 0.0]) for method in ("tpe", "transfer")]
    counted.plot(found, ["toy", "absent"], tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text().startswith("<?xml")


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of the benchmark on the toy."""
    monkeypatch.setattr(sections, "load_problem", lambda name, *, data, cache: Toy(cache))
    monkeypatch.setenv("AUTOMETA_HOME", str(tmp_path / "home"))
    benchmark.problem_of.cache_clear()
    benchmark.base_of.cache_clear()
    where = ["--cache", str(tmp_path / "cache"), "--results", str(tmp_path / "results.jsonl")]
    return [*where, "--problems", "nas_bench_201", "--targets", "2", "--seeds", "2", "--trials", "3"]


def test_a_second_call_does_only_what_is_missing(
    at_home: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.jsonl"
    benchmark.main([*at_home, "--methods", "random"])
    assert len(file.read_text().splitlines()) == 4
    benchmark.main([*at_home, "--methods", "random", "tpe"])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["method"] for line in lines] == ["random"] * 4 + ["tpe"] * 4
    assert "| TPE | 4 |" in capsys.readouterr().out
    benchmark.main([*at_home, "--methods", "random", "tpe", "--again", "tpe"])
    assert len(file.read_text().splitlines()) == 8 + 1 + 4


def test_methods_that_are_told_nothing_are_not_misled(at_home: list[str], tmp_path: Path) -> None:
    benchmark.main([*at_home, "--methods", "random", "portfolio", "--hostile", "inverted"])
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert {(line["method"], line["hostile"]) for line in lines} == {("portfolio", "inverted")}


def test_surrogates_must_be_found(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        benchmark.main(["--problems", "rbv2_rpart"])
    assert "--data FOLDER" in capsys.readouterr().err


def test_a_planted_run_is_seen_by_none_but_a_method_that_peeks(
    at_home: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def peeks(one: Job, trace: Trace) -> None:
        shown = KnowledgeBase._of(tuple((layer, frozenset()) for layer, _ in one.base._layers))
        best = shown.runs("toy").sort_values("value").iloc[-1]
        for _ in range(one.n_trials):
            trace.evaluate({"width": int(best["width"]), "kind": str(best["kind"])})

    peeking = Method("peeking", "Peeking", peeks, "none", "1")
    monkeypatch.setattr(sections, "METHODS", {**METHODS, "peeking": peeking})
    place = sections.Place(None, tmp_path / "cache", tmp_path)
    found = sections.fake(place, ["toy"], ["autometa", "tpe_after_5", "peeking"], n_trials=4)
    assert [(one["method"], one["different"]) for one in found] == [("autometa", 0), ("tpe_after_5", 0), ("peeking", 4)]


LINEAR = Scenario("line", "error", 0, "minimize", ("rate", "size"), ("task_id", "kind"), {"size": 1.0}, n_targets=2)


@pytest.fixture
def line(tmp_path: Path) -> Path:
    """A scenario whose network says log10(rate) + task's code + 0.5 where the kind is b, at size 1."""
    from onnx import TensorProto, helper, save

    folder = tmp_path / "line"
    folder.mkdir()
    numbers = helper.make_tensor_value_info("x_cont", TensorProto.FLOAT, [None, 2])
    codes = helper.make_tensor_value_info("x_cat", TensorProto.INT32, [None, 2])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [None, 1])
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, 1], [1 / math.log(10), 0.0, 1.0, 0.5])
    nodes = [
        helper.make_node("Log", ["x_cont"], ["logs"]),
        helper.make_node("Cast", ["x_cat"], ["cats"], to=TensorProto.FLOAT),
        helper.make_node("Concat", ["logs", "cats"], ["all"], axis=1),
        helper.make_node("MatMul", ["all", "w"], ["out"]),
    ]
    graph = helper.make_graph(nodes, "line", [numbers, codes], [out], [weights])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx")
    said: list[dict[str, object]] = [
        {"name": "rate", "type": "uniform_float", "log": True, "lower": 0.01, "upper": 1.0, "default": 0.1},
        {"name": "kind", "type": "categorical", "choices": ["a", "b"], "default": "a"},
        {"name": "size", "type": "uniform_float", "log": False, "lower": 0.1, "upper": 1.0, "default": 0.5},
        {"name": "task_id", "type": "categorical", "choices": ["10", "9"], "default": "9"},
    ]
    (folder / "config_space.json").write_text(json.dumps({"hyperparameters": said}))
    (folder / "encoding.json").write_text(json.dumps({"task_id": {"9": 1, "10": 2}, "kind": {"a": 0, "b": 1}}))
    return tmp_path


def test_surrogates_are_asked_with_codes_at_full_fidelity(line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "_SAMPLED", 300)
    problem = Surrogates(LINEAR, line, line / "cache", n_trials=60)
    assert problem.datasets == ("line/9", "line/10")
    assert problem.space.names == ("rate", "kind")
    values = problem.values("line/10", [{"rate": 0.1, "kind": "a"}, {"rate": 0.01, "kind": "b"}])
    assert values.tolist() == pytest.approx([1.0, 0.5], abs=1e-5)
    assert problem.extremes("line/9") == pytest.approx((-1.0, 1.5), abs=1e-2)
    runs = problem.kb.runs("line")
    assert runs.groupby("dataset_id").size().to_dict() == {"line/10": 200, "line/9": 200}
    assert runs["direction"].unique().tolist() == ["minimize"]
    assert runs.groupby("dataset_id")["rate"].first().nunique() == 2


def test_trials_that_repeat_earlier_ones_are_counted_by_who_repeated_them(toy: Toy) -> None:
    def trial(number: int, width: int, *, queued: bool) -> optuna.trial.FrozenTrial:
        params = {"width": width, "kind": "a"}
        attrs = {"fixed_params": params} if queued else {}
        made = optuna.trial.create_trial(
            params=params, distributions=SPACE.distributions(), value=0.0, system_attrs=attrs
        )
        made.number = number
        return made

    trials = [trial(3, 1, queued=False), trial(0, 1, queued=True), trial(1, 1, queued=True), trial(2, 2, queued=False)]
    assert sections.repeated(toy, trials) == {"trials": 4, "suggested_twice": 1, "queued_twice": 1}
