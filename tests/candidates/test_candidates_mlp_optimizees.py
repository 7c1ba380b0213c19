"""The candidate's networks as optimizees: what is trained on them is what the candidate trains."""

import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from autometa.candidates._mlp_net import TabularNet
from autometa.candidates._mlp_optimizees import CandidateNets, candidate_rows
from autometa.candidates._mlp_optimizer import EMBEDDING_FACTOR, NetOptimizer
from autometa.candidates._mlp_train import members_loss
from autometa.datasets import read_dataset
from autometa.errors import InputError, OptionError
from autometa.learned_optimizers import (
    OPTIMIZEES,
    Problems,
    Rows,
    RuleRecipe,
    RuleTraining,
    advance,
    make_rule,
    meta_train_rule,
    rollout,
)
from autometa.metatraining import generator_of


def table(n: int = 50, seed: int = 0, *, numbers: bool = False) -> Rows:
    """Two columns of codes, one with 12 levels, and two of numbers, with gaps."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(0, 3, n), rng.integers(0, 12, n), rng.normal(size=(n, 2))])
    y = x[:, 2] * 10 + 500 if numbers else (x[:, 2] + x[:, 0] > 1).astype(np.int64)
    x[rng.random(x.shape) < 0.1] = np.nan
    return Rows(torch.from_numpy(x), torch.from_numpy(y))


def kind(**change: Any) -> CandidateNets:
    """Small networks that are judged by what they learn from, without a schedule."""
    settings: dict[str, Any] = {"tables": {"mine": table()}, "n_categorical": {"mine": 2}, "width": 8, "batch_size": 16}
    return CandidateNets(**(settings | {"held_out": 0.0, "cosine_steps": 0} | change))


def test_it_is_among_the_kinds_and_only_the_candidates_layer_enters_it() -> None:
    assert OPTIMIZEES.create("mlp_candidate") is CandidateNets
    code = """
import autometa.learned_optimizers as below
assert "mlp_candidate" not in below.OPTIMIZEES
import autometa.candidates, sys
assert "mlp_candidate" not in below.OPTIMIZEES
import autometa.candidates._mlp_optimizees
assert "mlp_candidate" in below.OPTIMIZEES
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_networks_are_the_candidates_with_its_defaults() -> None:
    problems = CandidateNets(tables={"mine": table()}, n_categorical={"mine": 2}).sample(2, seed=0)
    assert problems.params["stem.weight"].shape == (2, 128, 2 + 2 * 4 + 2 + 4 + 8)  # numbers, waves, gaps, flags, codes
    assert problems.params["categories.tables.0"].shape[0] == 2
    assert problems.params["head"].shape == (2, 4, 128, 2)
    assert "blocks.1.outer.bias" in problems.params


def net_of(problems: Problems, number: int) -> TabularNet:
    """One of the networks at its starting point, as a module."""
    loss: Any = problems.loss
    net = TabularNet(loss._net.spec, torch.Generator().manual_seed(99))
    whole = problems.layout.flat(problems.params)
    scaled = problems.layout.named(whole if problems.scales is None else whole * problems.scales)
    net.load_state_dict({name: value[number] for name, value in scaled.items()})
    return net


def test_starting_points_are_drawn_by_the_network_itself() -> None:
    problems = kind().sample(2, seed=3)
    generator = generator_of(3, 0)
    torch.randint(1, (), generator=generator)  # which table
    loss: Any = problems.loss
    for number in range(2):
        drawn = TabularNet(loss._net.spec, generator)
        for name, value in net_of(problems, number).state_dict().items():
            torch.testing.assert_close(value, drawn.state_dict()[name], msg=name)


@pytest.mark.parametrize("numbers", [False, True])
def test_losses_and_gradients_are_those_of_the_network(numbers: bool) -> None:
    problems = kind(tables={"mine": table(numbers=numbers)}).sample(3, seed=0)
    weights = problems.layout.flat(problems.params)
    gradients, losses = problems.gradients(weights, 2)
    batch = problems.batch(2)
    net = net_of(problems, 1)
    loss = members_loss(net(batch["numeric"][1], batch["flags"][1], batch["codes"][1]), batch["y"][1])
    assert float(losses[1]) == pytest.approx(float(loss.detach()), rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, value in net.named_parameters():
        factor = EMBEDDING_FACTOR if name.startswith("numeric.") else 1.0
        found = problems.layout.named(gradients[1])[name]
        assert value.grad is not None
        torch.testing.assert_close(found, factor * value.grad, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize("name", ["adam", "rnnprop", "small_mlp"])
def test_a_rule_moves_the_networks_as_it_does_in_the_candidate(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = make_rule(name, {"epsilon": 1e-10} if name == "adam" else None)
    problems = kind().sample(2, seed=0)
    state = advance(rule, problems, rule.init_state(problems.params, n_leading=1), 4).state
    assert problems.scales is not None
    found = problems.layout.named(state.weights * problems.scales)
    monkeypatch.setattr("autometa.candidates._mlp_optimizer.rule_for_tables", lambda: rule)
    net = net_of(problems, 1)
    optimizer = NetOptimizer(net, "learned", learning_rate=1.0, weight_decay=0.0)
    for step in range(4):
        batch = {key: value[1] for key, value in problems.batch(step).items()}
        loss = members_loss(net(batch["numeric"], batch["flags"], batch["codes"]), batch["y"])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(1.0, loss.detach())
    moved = 0.0
    for key, value in net.named_parameters():
        torch.testing.assert_close(found[key][1], value.detach(), rtol=1e-2, atol=2e-4, msg=key)
        moved = max(moved, float((value.detach() - net_of(problems, 1).get_parameter(key).detach()).abs().max()))
    assert moved > 2e-3


def test_an_epoch_holds_every_row_once_in_an_order_of_each_networks_own() -> None:
    n = 50
    rows = Rows(torch.arange(float(n))[:, None], torch.arange(n) % 2)
    problems = kind(tables={"mine": rows, "other": rows}, n_categorical={}).sample(2, seed=0)
    n_rows = len(rows.split()["train"])
    steps = [problems.batch(step)["numeric"] for step in range(4)]
    assert [batch.shape for batch in steps] == [(2, 15, 1), (2, 15, 1), (2, 15, 1), (2, 15, 1)]
    epoch = torch.cat(steps[:2], 1).squeeze(-1)
    assert [len(set(its.tolist())) for its in epoch] == [n_rows, n_rows]
    assert not torch.equal(epoch[0], epoch[1])
    assert not torch.equal(steps[0], steps[2])
    for step in (3, 0, 2):
        assert torch.equal(problems.batch(step)["numeric"], steps[step])


def test_the_same_seed_gives_the_same_and_splits_have_rows_or_tables_of_their_own() -> None:
    first, again, other = (kind().sample(2, seed=seed) for seed in (1, 1, 2))
    rule = make_rule("adam")
    assert torch.equal(rollout(rule, first, 3), rollout(rule, again, 3))
    assert not torch.equal(rollout(rule, first, 3), rollout(rule, other, 3))
    few, many = kind(), kind(tables={f"t{i}": table(seed=i) for i in range(10)}, n_categorical={})
    assert few.names("train") == few.names("test") == ["mine"]
    assert not torch.equal(few.sample(1, seed=0).batch(0)["y"], few.sample(1, seed=0, split="test").batch(0)["y"])
    shared = [set(many.names(split)) for split in ("train", "validation", "test")]
    assert [len(one) for one in shared] == [6, 2, 2]
    assert len(set.union(*shared)) == 10
    assert len(many.sets(3, seed=0)) == 6
    # Whole tables, not parts of them.
    assert sum(many.sample(1, seed=0).batch(step)["y"].numel() for step in range(4)) == 50


def test_held_out_rows_judge_and_are_not_learned_from() -> None:
    n = 50
    rows = Rows(torch.arange(float(n))[:, None], torch.arange(n) % 2)
    tables = dict.fromkeys((f"t{i}" for i in range(5)), rows)
    problems = kind(tables=tables, n_categorical={}, held_out=0.2).sample(2, seed=0)
    assert problems.held_out is not None
    judges = problems.held_out["numeric"]
    assert judges.shape == (2, 10, 1)
    assert torch.equal(judges[0], judges[1])
    n_batches = 3  # of forty rows
    learned = {float(one) for step in range(n_batches) for one in problems.batch(step)["numeric"].flatten()}
    assert len(learned) == 40
    assert not learned & set(judges.flatten().tolist())
    weights = problems.layout.flat(problems.params)
    net = net_of(problems, 1)
    its = {name: value[1] for name, value in problems.held_out.items()}
    loss = members_loss(net(its["numeric"], its["flags"], its["codes"]), its["y"])
    assert float(problems.losses(weights, 0)[1]) == pytest.approx(float(loss.detach()), rel=1e-5)
    assert not torch.equal(rollout(make_rule("adam"), problems, 1)[:, 0], problems.gradients(weights, 0)[1])
    another = kind(tables=tables, n_categorical={}, held_out=0.2).sample(2, seed=1).held_out
    assert another is not None
    assert not torch.equal(another["numeric"], judges)


def test_the_cosine_is_the_candidates_and_ends_at_nothing() -> None:
    problems = kind(cosine_steps=4).sample(2, seed=0)
    assert [problems.rate_of(step) for step in range(6)] == pytest.approx(
        [1.0, 0.853553, 0.5, 0.146447, 0.0, 0.0], abs=1e-6
    )
    rule = make_rule("adam")
    ended = advance(rule, problems, rule.init_state(problems.params, n_leading=1), 4).state
    still = advance(rule, problems, ended, 2).state
    assert torch.equal(ended.weights, still.weights)
    assert not torch.equal(ended.weights, advance(rule, kind().sample(2, seed=0), ended, 2).state.weights)


def test_tables_without_numbers_have_no_units() -> None:
    rows = Rows(torch.arange(40)[:, None] % 12 * 1.0, torch.arange(40) % 3)
    problems = kind(tables={"codes": rows}, n_categorical={"codes": 1}).sample(2, seed=0)
    assert problems.scales is None
    assert rollout(make_rule("adam"), problems, 3).isfinite().all()


def test_random_scaling_keeps_the_losses() -> None:
    problems = kind().sample(2, seed=0)
    other = problems.scaled(2.0, generator_of(1))
    losses = [one.losses(one.layout.flat(one.params), 0) for one in (problems, other)]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("estimator", ["backpropagation", "evolution"])
def test_a_rule_is_trained_on_them(estimator: Any) -> None:
    tables = {"labels": table(), "numbers": table(numbers=True)}
    optimizees = kind(tables=tables, n_categorical={"labels": 2, "numbers": 2}, ensemble_size=2, n_blocks=1)
    rule = make_rule("adam", {"lr": 1e-4})
    before = [value.detach().clone() for value in rule.parameters()]
    recipe = RuleRecipe(
        n_steps=2, n_problems=2, horizon=6, unroll_length=3, estimator=estimator, n_pairs=1, lr=0.1, scaling=0.5
    )
    meta_train_rule(rule, [optimizees], RuleTraining(recipe=recipe, validate_every=1, n_validation=2))
    assert not any(torch.equal(a, b) for a, b in zip(before, rule.parameters(), strict=True))
    told = optimizees.description
    assert (told["name"], told["n_tables"], told["n_blocks"], told["ensemble_size"]) == ("mlp_candidate", 2, 1, 2)


def test_a_dataset_is_prepared_as_the_candidate_does() -> None:
    frame = pd.DataFrame({"size": [1.0, None, 3.0, 4.0] * 5, "colour": ["red", "blue", "red", None] * 5})
    frame["y"] = [0, 1] * 10
    rows, n_categorical = candidate_rows(read_dataset(frame, target="y", name="mine"))
    assert n_categorical == 1
    assert rows.x.shape == (20, 2)
    assert rows.x[:4, 0].tolist()[:3] == [1.0, 0.0, 1.0]  # blue comes before red
    assert rows.x[:4].isnan().tolist() == [[False, False], [False, True], [False, False], [True, False]]
    assert rows.n_out == 2
    problems = kind(tables={"mine": rows}, n_categorical={"mine": 1}).sample(2, seed=0)
    assert rollout(make_rule("adam"), problems, 3).isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width of mlp_candidate is at least 1, but got 0"),
        ({"n_blocks": -1}, "n_blocks of mlp_candidate is at least 0, but got -1"),
        ({"ensemble_size": 0}, "ensemble_size"),
        ({"batch_size": 0}, "batch_size"),
        ({"held_out": -0.1}, "held_out of mlp_candidate is at least 0, but got -0.1"),
        ({"held_out": 0.95}, "share of the rows up to 0.9, but got 0.95"),
        ({"cosine_steps": -1}, "cosine_steps"),
        ({"n_categorical": {"yours": 1}}, r"there is no table 'yours'\. There are: mine"),
    ],
)
def test_bad_options_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        kind(**change)


def test_no_tables_are_refused() -> None:
    with pytest.raises(InputError, match="at least one table"):
        kind(tables={}, n_categorical={})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_they_are_the_same_on_a_gpu() -> None:
    here, there = (kind().to(device).sample(2, seed=0) for device in ("cpu", "cuda"))
    found = [rollout(make_rule("adam").to(device), one, 5).cpu() for device, one in (("cpu", here), ("cuda", there))]
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)
