"""Meta-training by name: what is usual, what is refused, what is kept; tables as rows of numbers."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autometa.datasets import read_dataset
from autometa.distributed import Ranks
from autometa.errors import InputError, OptionError, TableError, UnknownNameError
from autometa.learned_optimizers import (
    Rows,
    RuleLook,
    RuleTrained,
    TablePerceptron,
    dataset_rows,
    load_rule,
    make_optimizees,
    meta_train_rule_by_name,
)

TINY = {"n_hidden": 4, "n_layers": 1}


def train(rule: str, kinds: list[str], folder: Path, **more: Any) -> RuleTrained:
    told = {"steps": 4, "validate_every": 2, "horizon": 4, "n_problems": 2, "device": "cpu", **more}
    return meta_train_rule_by_name(rule, kinds, folder=folder, **told)


def card(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "card.json").read_text())
    return told


def weights(folder: Path) -> list[torch.Tensor]:
    return list(load_rule(folder).parameters())


def test_quadratics_alone_are_learned_whole_and_many_at_a_time(tmp_path: Path) -> None:
    train("lstm", ["quadratic"], tmp_path / "q", steps=1, horizon=2, n_problems=None, options=TINY)
    told = card(tmp_path / "q")
    assert told["options"] == {**TINY, "preprocessing": "none", "scale": 1.0}
    assert (told["recipe"]["n_problems"], told["recipe"]["n_coordinates"], told["recipe"]["scaling"]) == (64, 0, 0.0)
    assert told["recipe"]["unroll_length"] == 2  # no longer than the horizon


def test_what_was_asked_for_has_the_last_word(tmp_path: Path) -> None:
    options = {**TINY, "preprocessing": "log_and_sign"}
    train("lstm", ["quadratic"], tmp_path / "q", options=options, scaling=0.5, lr=0.1, n_coordinates=3, objective="log")
    told = card(tmp_path / "q")
    assert told["options"] == {**options, "scale": 1.0}
    recipe = told["recipe"]
    assert (recipe["scaling"], recipe["lr"], recipe["n_coordinates"], recipe["objective"]) == (0.5, 0.1, 3, "log")
    more = {"estimator": "evolution", "n_pairs": 1, "spread": 0.25, "steps": 1}
    train("lstm", ["quadratic"], tmp_path / "e", options=TINY, **more)
    recipe = card(tmp_path / "e")["recipe"]
    assert (recipe["estimator"], recipe["n_pairs"], recipe["spread"]) == ("evolution", 1, 0.25)


@pytest.mark.parametrize(("rule", "scaling"), [("rnnprop", 1.0), ("small_mlp", 1.0), ("lstm", 0.0), ("adam", 0.0)])
def test_rules_are_trained_on_networks_as_suits_them(rule: str, scaling: float, tmp_path: Path) -> None:
    options = {} if rule == "adam" else {**TINY, "n_layers": 1} if rule != "small_mlp" else {"n_hidden": 4}
    more = {"steps": 2, "horizon": 2, "n_problems": None, "options": options, "kind_options": {"width": 2}}
    train(rule, ["digits_mlp", "quadratic"], tmp_path / rule, **more)
    told = card(tmp_path / rule)
    assert (told["recipe"]["n_problems"], told["recipe"]["n_coordinates"]) == (4, 2048)
    assert told["recipe"]["scaling"] == scaling
    assert told["options"].get("preprocessing", "log_and_sign") == "log_and_sign"


def test_the_card_says_how_it_was_made(tmp_path: Path) -> None:
    done = train("rnnprop", ["quadratic"], tmp_path / "r", options=TINY, seed=3)
    told = card(tmp_path / "r")
    assert (told["kind"], told["rule"], told["seed"], told["stopped"]) == ("learned_optimizer", "rnnprop", 3, "steps")
    assert told["optimizees"] == [{"name": "quadratic", "n_dimensions": 10}]
    assert told["steps"] == done.best_step
    assert told["curve"] == [[look.step, look.loss, look.validation] for look in done.looks]
    assert told["validation"] == next(look.validation for look in done.looks if look.step == done.best_step)
    assert "tables" not in told


def test_a_time_limit_ends_a_training_and_the_card_says_so(tmp_path: Path) -> None:
    done = train("adam", ["quadratic"], tmp_path / "a", steps=1_000_000, seconds=0.3, validate_every=1_000_000)
    assert done.stopped == card(tmp_path / "a")["stopped"] == "time"


def test_the_same_seed_gives_the_same_rule_and_leaves_no_trace_in_the_global_generator(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train("lstm", ["quadratic"], tmp_path / name, options=TINY, seed=seed)
    assert torch.equal(before, torch.get_rng_state())
    one, two, other = (weights(tmp_path / name) for name in "abc")
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("more", [{"n_coordinates": 5, "first_horizon": 2}, {"estimator": "evolution"}], ids=str)
def test_an_interrupted_training_goes_on_to_the_same_weights(more: dict[str, Any], tmp_path: Path) -> None:
    how = {"options": {"n_hidden": 4}, "steps": 6, "kind_options": {"width": 2}, "unroll_length": 2, **more}
    kinds = ["digits_mlp", "quadratic"]
    train("small_mlp", kinds, tmp_path / "whole", **how)
    with pytest.raises(KeyboardInterrupt):
        train("small_mlp", kinds, tmp_path / "cut", watch=_stops_at(4), **how)
    seen: list[int] = []
    train("small_mlp", kinds, tmp_path / "cut", watch=lambda look: seen.append(look.step), resume=True, **how)
    assert seen == [4, 6]  # the look that was interrupted was made again
    assert all(torch.equal(a, b) for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "cut"), strict=True))
    assert card(tmp_path / "whole")["curve"] == card(tmp_path / "cut")["curve"]


def _stops_at(step: int) -> Callable[[RuleLook], None]:
    def watch(look: RuleLook) -> None:
        if look.step == step:
            raise KeyboardInterrupt

    return watch


def test_a_training_learns(tmp_path: Path) -> None:
    more = {"steps": 30, "horizon": 8, "n_problems": 8, "lr": 0.01, "validate_every": 15}
    done = train("lstm", ["quadratic"], tmp_path / "q", **more)
    first = train("lstm", ["quadratic"], tmp_path / "p", **{**more, "steps": 1})
    assert done.looks[-1].validation["quadratic"] < 0.5 * first.looks[-1].validation["quadratic"]


def test_processes_without_a_problem_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Three processes would take two, two and none.
    monkeypatch.setattr(Ranks, "join", classmethod(lambda cls: cls(0, 3)))
    with pytest.raises(OptionError, match="3 processes share the 4 problems of a step, and 1 of them would have none"):
        train("lstm", ["quadratic"], tmp_path / "q", n_problems=4)
    assert not (tmp_path / "q").exists()


def test_each_kind_takes_what_it_takes() -> None:
    assert make_optimizees("quadratic", options={"n_dimensions": 3}).description["n_dimensions"] == 3
    made = make_optimizees("digits_mlp", options={"width": 5, "activation": "tanh", "depth": None})
    assert made.description == {"name": "digits_mlp", "width": 5, "depth": 1, "activation": "tanh", "batch_size": 128}
    rows = Rows(torch.zeros(12, 2), torch.zeros(12))
    assert make_optimizees("table_mlp", tables={"mine": rows}).description["n_tables"] == 1


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("quadratic", {"options": {"width": 3}}, r"quadratic takes no width\. It takes: n_dimensions;.*digits_mlp"),
        ("digits_mlp", {"data": Path()}, r"digits_mlp takes no data\..*use it with mnist_mlp"),
        ("digits_mlp", {"options": {"colour": 3}}, r"digits_mlp takes no colour\..*autometa optimizers list"),
        ("digits_conv", {"options": {"width": 0}}, r"width of digits_conv is at least 1, but got 0"),
        ("digits_mlp", {"options": {"depth": -1}}, r"depth of digits_mlp is at least 0, but got -1"),
        (
            "digits_mlp",
            {"options": {"activation": "loud"}},
            r"activation is one of sigmoid, relu, tanh, but got 'loud'",
        ),
        ("mnist_mlp", {}, r"mnist_mlp needs MNIST's files"),
        ("table_mlp", {"tables": {}}, r"table_mlp needs at least one table"),
    ],
)
def test_impossible_kinds_are_refused(name: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_optimizees(name, **given)


def test_no_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"at least one kind of optimizees\. Take of: digits_conv, "):
        train("lstm", [], tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'quadratic'"):
        make_optimizees("quadratics")


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        ("rnnprop", {"decay": "much"}, r"Option decay of rnnprop is a finite number, but got 'much'\. Usual: 0\.95"),
        ("rnnprop", {"decay": math.nan}, r"a finite number, but got nan"),
        ("lstm", {"n_layers": 0}, r"Option n_layers of lstm is a whole number of at least 1, but got 0\. Usual: 2"),
        ("lstm", {"n_hidden": True}, r"a whole number of at least 1, but got True"),
        ("adam", {"lr": 0}, r"adam cannot be made with lr=0: .*Change what is out of range"),
        ("small_mlp", {"hidden": 3}, r"no option 'hidden'\. Known: magnitude_scale, n_hidden, n_layers, scale"),
    ],
)
def test_impossible_options_are_refused(rule: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=message):
        train(rule, ["quadratic"], tmp_path, options=options)


def test_categories_become_columns_or_codes_and_what_is_missing_the_mean() -> None:
    n = 40
    many = [f"level {i % 13}" for i in range(n)]
    frame = pd.DataFrame(
        {
            "size": [math.nan, *range(1, n)],
            "colour": [None, "red", *["blue", "red"] * (n // 2 - 1)],
            "many": many,
            "when": pd.date_range("2020-01-01", periods=n, freq="36h"),
            "told": [f"a long sentence about row {i}, which says nothing at all" for i in range(n)],
            "target": [i % 2 for i in range(n)],
        }
    )
    rows = dataset_rows(read_dataset(frame, target="target", task="binary"))
    assert rows.x.shape == (n, 1 + 2 + 1 + 1)  # a number, two colours, codes, days; no text
    assert rows.y.tolist() == frame["target"].tolist()
    x = rows.x.double().numpy()
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    assert x[0, 0] == 0  # its size is not known
    assert (x[0, 1:3] < 0).all()  # no colour is neither of them
    assert np.all(np.sign(x[1:, 1]) == -np.sign(x[1:, 2]))
    counts = frame["many"].value_counts()
    codes = {name: code for code, name in enumerate(sorted(counts.index, key=lambda one: (-counts[one], one)))}
    assert np.corrcoef(x[:, 3], [codes[one] for one in many])[0, 1] == pytest.approx(1)
    np.testing.assert_allclose(np.diff(x[:, 4]), np.diff(x[:, 4])[0], rtol=1e-3)  # equal steps of time


def test_tables_of_texts_alone_are_refused_by_name() -> None:
    told = {"told": [f"a long sentence about row {i}, which says nothing at all" for i in range(20)]}
    frame = pd.DataFrame({**told, "target": [0.5 * i for i in range(20)]})
    with pytest.raises(TableError, match=r"diary has no column of numbers, categories or dates.*Leave it out"):
        dataset_rows(read_dataset(frame, target="target", name="diary"))


def test_numbers_to_predict_stay_numbers() -> None:
    frame = pd.DataFrame({"size": [i % 7 for i in range(20)], "target": [0.5 * i for i in range(20)]})
    rows = dataset_rows(read_dataset(frame, target="target"))
    assert rows.y.is_floating_point()
    problems = TablePerceptron(tables={"mine": rows}, width=2).sample(3, seed=0)
    assert problems.losses(problems.layout.flat(problems.params), 0).isfinite().all()


def test_a_rule_begins_with_a_trained_one(tmp_path: Path) -> None:
    train("lstm", ["quadratic"], tmp_path / "first", options=TINY, steps=2, horizon=4, n_problems=2)
    train("lstm", ["quadratic"], tmp_path / "on", options=TINY, steps=0, horizon=4, start=tmp_path / "first")
    assert all(torch.equal(a, b) for a, b in zip(weights(tmp_path / "first"), weights(tmp_path / "on"), strict=True))
    assert card(tmp_path / "on")["start"]["optimizees"] == card(tmp_path / "first")["optimizees"]
    with pytest.raises(OptionError, match="cannot begin with the lstm"):
        train("lstm", ["quadratic"], tmp_path / "other", options={"n_hidden": 5}, steps=1, start=tmp_path / "first")
