"""Learners against values worked out by hand, and against what their papers say they do."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from autometa.errors import OptionError
from autometa.fewshot import (
    LEARNERS,
    BackboneSpec,
    Episodes,
    Form,
    Support,
    make_learner,
)
from autometa.metatraining import generator_of, log_and_sign

PLAIN = BackboneSpec(name="pixels", norm="none")


def make(name: str, options: Mapping[str, Any] | None = None, *, n_way: int = 2, n_base: int = 0) -> Any:
    """A learner on two numbers as they are."""
    return make_learner(name, Form(shape=(2,), n_way=n_way, n_base=n_base), PLAIN, options)


def support(*items: tuple[float, float, int], n_way: int = 2) -> Support:
    """One episode of labelled points."""
    x = torch.tensor([[[a, b] for a, b, _ in items]], dtype=torch.float32)
    return Support(x, torch.tensor([[label for *_, label in items]]), n_way)


def ask(learner: Any, given: Support, *points: tuple[float, float]) -> Tensor:
    """Logits of points, (n_points, n_way)."""
    logits: Tensor = learner.eval().adapt(given)(torch.tensor([list(points)], dtype=torch.float32))
    return logits.detach()[0]


def test_prototypes_are_means_and_distances_are_squared() -> None:
    given = support((0, 0, 0), (2, 0, 0), (0, 3, 1))
    assert ask(make("prototypical"), given, (1, 2)).tolist() == [[-4.0, -2.0]]


def test_a_class_of_more_items_counts_no_more() -> None:
    given = support((1, 0, 0), (1, 0, 0), (1, 0, 0), (-1, 0, 1))
    assert ask(make("prototypical"), given, (0, 5))[0].diff().item() == 0.0
    siamese = ask(make("siamese"), given, (0, 5))
    assert siamese[0].diff().abs().item() < 0.2


def test_matching_adds_up_attention_by_class() -> None:
    learner = make("matching", {"temperature": 1.0})
    given = support((1, 0, 0), (0, 1, 0), (-1, 0, 1))
    weights = [math.exp(1), math.exp(0), math.exp(-1)]
    expected = [math.log((weights[0] + weights[1]) / sum(weights)), math.log(weights[2] / sum(weights))]
    assert ask(learner, given, (5, 0))[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_full_context_makes_the_embedding_of_one_item_depend_on_the_others() -> None:
    first, other = support((1, 0, 0), (0, 1, 1)), support((1, 0, 0), (0, 9, 1))
    for full_context, same in ((False, True), (True, False)):
        learner = make("matching", {"full_context": full_context})
        read = getattr(learner, "_read_support", None)
        found = [read(one.x)[0, 0] if full_context and read else one.x[0, 0] for one in (first, other)]
        assert torch.allclose(found[0], found[1]) == same


def test_the_nearest_neighbor_is_the_nearest_item_not_the_nearest_mean() -> None:
    given = support((0, 0, 0), (10, 0, 0), (4, 0, 1))
    logits = ask(make("nearest_neighbor"), given, (9, 0))
    assert logits.tolist() == [[-1.0, -25.0]]


def test_simple_shot_centres_and_normalizes() -> None:
    learner = make("simple_shot", n_base=3)
    learner.get_buffer("mean").copy_(torch.tensor([1.0, 1.0]))
    logits = ask(learner, support((3, 1, 0), (1, 9, 1)), (9, 1))
    assert logits[0].tolist() == pytest.approx([0.0, -2.0], abs=1e-5)


def test_baselines_that_learn_all_classes_must_know_how_many_there_are() -> None:
    with pytest.raises(OptionError, match="n_base"):
        make("simple_shot")
    learner = make("linear_head", n_base=3)
    given = support((0, 0, 0), (1, 1, 1))
    with pytest.raises(OptionError, match="which classes"):
        learner.meta_loss(Episodes(given, given.x, given.y))


def test_the_relation_of_a_class_is_that_of_the_sum_of_its_items() -> None:
    learner = make("relation")
    one = ask(learner, support((3, 1, 0), (0, 9, 1)), (1, 1))
    two = ask(learner, support((1, 0, 0), (2, 1, 0), (0, 9, 1)), (1, 1))
    assert torch.allclose(one, two, atol=1e-6)
    assert 0.0 < float(one.min()) <= float(one.max()) < 1.0
    with pytest.raises(OptionError, match="running, transductive or none"):
        make_learner("relation", Form(shape=(2,), n_way=2), replace(PLAIN, norm="support"))


def by_hand(learner: Any, given: Support, lr: float, n_steps: int) -> dict[str, Tensor]:
    """Plain gradient descent on the support, by autograd."""
    params = {name: value.detach().clone().requires_grad_() for name, value in learner.net.named_parameters()}
    for _ in range(n_steps):
        loss = F.cross_entropy(functional_call(learner.net, params, (given.x[0],)), given.y[0])
        gradients = torch.autograd.grad(loss, list(params.values()))
        params = {
            name: (value - lr * gradient).detach().requires_grad_()
            for (name, value), gradient in zip(params.items(), gradients, strict=True)
        }
    return params


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil"])
def test_adapting_is_gradient_descent_on_the_support(name: str) -> None:
    given = support((1, 0, 0), (0, 1, 1), (2, 1, 0))
    learner = make(name, {"inner_lr": 0.3, "n_inner_steps_test": 4})
    expected = functional_call(learner.net, by_hand(learner, given, 0.3, 4), (torch.tensor([[1.0, 2.0]]),))
    assert ask(learner, given, (1, 2))[0].tolist() == pytest.approx(expected[0].tolist(), abs=1e-5)


def test_anil_adapts_the_head_alone_and_maml_all() -> None:
    spec = BackboneSpec(name="mlp", width=4, depth=1, norm="none")
    given = support((1, 0, 0), (0, 1, 1))
    for name, moves in (("maml", True), ("anil", False)):
        learner: Any = make_learner(name, Form(shape=(2,), n_way=2), spec)
        start = learner.initial
        after = learner.inner(start, {}, given.x[0], given.y[0], n_steps=2)
        moved = {key: not torch.equal(start[key], after[key]) for key in start}
        assert moved["head.weight"]
        assert moved["backbone.layers.0.weight"] == moves


def test_first_order_gradients_are_those_at_the_adapted_weights() -> None:
    given, queries = support((1, 0, 0), (0, 1, 1)), support((2, 1, 0), (1, 2, 1))
    episodes = Episodes(given, queries.x, queries.y)
    learner = make("fomaml", {"inner_lr": 0.3, "n_inner_steps": 3})
    learner.meta_loss(episodes).backward()
    adapted = by_hand(learner, given, 0.3, 3)
    loss = F.cross_entropy(functional_call(learner.net, adapted, (queries.x[0],)), queries.y[0])
    expected = torch.autograd.grad(loss, list(adapted.values()))
    for value, gradient in zip(learner.net.parameters(), expected, strict=True):
        assert torch.allclose(value.grad, gradient, atol=1e-6)


def test_meta_sgd_starts_with_rates_between_its_bounds_and_learns_them() -> None:
    learner = make("meta_sgd")
    rates = torch.cat(
        [value.detach().flatten() for name, value in learner.named_parameters() if name.startswith("rates")]
    )
    assert 0.005 <= float(rates.min()) < float(rates.max()) <= 0.1
    given = support((1, 0, 0), (0, 1, 1))
    before = ask(learner, given, (1, 0))
    with torch.no_grad():
        for name, value in learner.named_parameters():
            if name.startswith("rates"):
                value.mul_(10)
    assert not torch.allclose(before, ask(learner, given, (1, 0)))


def test_maml_plus_plus_ends_with_the_last_loss_alone() -> None:
    learner = make("maml_plus_plus", {"n_inner_steps": 4, "multi_step_share": 0.5})
    weights = []
    for step in (0, 25, 50, 99):
        learner.started(step / 100)
        weights.append(list(learner._importance))
    assert weights[0] == pytest.approx([0.25] * 4)
    assert weights[1] == pytest.approx([0.125] * 3 + [0.625])
    assert weights[2] == weights[3] == [0.0, 0.0, 0.0, 1.0]


def test_maml_plus_plus_normalizes_by_step_and_does_not_adapt_that() -> None:
    spec = BackboneSpec(name="mlp", width=4, depth=1, norm="transductive")
    learner: Any = make_learner("maml_plus_plus", Form(shape=(2,), n_way=2), spec, {"n_inner_steps": 2})
    names = {name for name, value in learner.named_parameters() if value.requires_grad}
    assert {"step_norms.backbone/norms/0/weight", "step_norms.backbone/norms/0/bias"} <= names
    assert not any(name.startswith("net.") and ".norm" in name for name in names)
    assert learner.get_parameter("rates.head/weight").shape == (5,)


def test_reptile_moves_to_where_the_task_ends() -> None:
    learner = make("reptile", {"inner_batch_size": 2, "n_inner_steps": 3, "inner_lr": 0.1})
    given = support((1, 0, 0), (0, 1, 1))
    start = {name: value.detach().clone() for name, value in learner.initial.items()}
    x, y = torch.cat([given.x[0], given.x[0]]), torch.cat([given.y[0], given.y[0]])
    end, _ = learner._train(start, x, y, 3, 2)
    learner.meta_loss(Episodes(given, given.x, given.y)).backward()
    for name, value in learner.initial.items():
        assert torch.allclose(value - value.grad, end[name], atol=1e-6)


def test_reptiles_first_step_of_adam_is_the_rate_in_the_direction_of_the_sign() -> None:
    learner = make("reptile", {"inner_lr": 0.1})
    given = support((1, 0, 0), (0, 1, 1))
    start = {name: value.detach().clone() for name, value in learner.initial.items()}
    end, _ = learner._train(start, given.x[0], given.y[0], 1, 2)
    assert (end["head.weight"] - start["head.weight"]).abs().flatten().tolist() == pytest.approx([0.1] * 4, rel=1e-3)


def test_reptile_takes_plain_steps_of_gradient_descent_where_asked() -> None:
    learner = make("reptile", {"inner_optimizer": "sgd", "inner_lr": 0.1})
    given = support((1, 0, 0), (0, 1, 1))
    start = {name: value.detach().clone() for name, value in learner.initial.items()}
    end, moments = learner._train(start, given.x[0], given.y[0], 1, 2)
    gradients = learner.gradients(start, given.x[0], given.y[0])
    assert all(torch.equal(end[name], value - 0.1 * gradients[name]) for name, value in start.items())
    assert not any(bool(value.any()) for value in moments.values())


def test_the_meta_learner_lstm_starts_as_slow_gradient_descent() -> None:
    learner = make("meta_learner_lstm", {"n_inner_steps_test": 1})
    given = support((1, 0, 0), (0, 1, 1))
    start = {name: value.detach() for name, value in learner.initial.items()}
    after = learner.inner(start, learner.learned, given.x[0], given.y[0], n_steps=1)
    gradients = learner.gradients(start, given.x[0], given.y[0])
    weight, gradient = start["head.weight"], gradients["head.weight"]
    kept = (after["head.weight"] + 0.0095 * gradient) / weight
    assert ((kept > 0.97) & (kept < 1.01)).all()


def test_logarithm_and_sign_meet_at_the_bound() -> None:
    numbers = torch.tensor([1.0, -math.exp(-5), math.exp(-10), 0.5 * math.exp(-10), 0.0])
    found = log_and_sign(numbers)
    assert found[:, 0].tolist() == pytest.approx([0.0, -0.5, -1.0, -1.0, -1.0], abs=1e-5)
    assert found[:, 1].tolist() == pytest.approx([1.0, -1.0, 1.0, 0.5, 0.0], abs=1e-5)


def test_snail_looks_at_nothing_ahead() -> None:
    """What is computed for a labelled item does not change with those that come after it."""
    learner: Any = make_learner("snail", Form(shape=(2,), n_way=2, n_shot=3), PLAIN, {"n_filters": 8})
    x = torch.randn(1, 6, 4, generator=generator_of(0))
    changed = x.clone()
    changed[:, 4:] += 1.0
    for layer in learner.layers:
        (one, _), (other, _) = layer(x, x[:, :1]), layer(changed, x[:, :1])
        assert torch.allclose(one[:, :4], other[:, :4], atol=1e-6)
        assert not torch.allclose(one[:, 4:], other[:, 4:])
        x, changed = one, other


def test_snail_treats_a_query_as_the_item_after_the_support() -> None:
    """The shared computation equals a sequence with the query at its end."""
    learner: Any = make_learner("snail", Form(shape=(2,), n_way=2, n_shot=2), PLAIN, {"n_filters": 8})
    sequence = torch.randn(1, 5, 4, generator=generator_of(1))
    past, now, whole = sequence[:, :4], sequence[:, 4:], sequence
    for layer in learner.layers:
        whole, _ = layer(whole, whole[:, :1])
        past, now = layer(past, now)
    assert torch.allclose(whole[:, 4:], now, atol=1e-5)


def test_mann_writes_to_rows_it_has_not_used_and_labels_come_late() -> None:
    learner = make("mann", {"n_slots": 6, "n_heads": 1, "slot_size": 3, "n_hidden": 4}, n_way=3)
    features = torch.randn(1, 3, 2, generator=generator_of(0))
    start = learner._start(1, features)
    with torch.no_grad():
        learner.gates.bias.fill_(-50.0)  # always to the least used row
        learner.gates.weight.zero_()
        one, state = learner._run(features, torch.tensor([[0, 1, 2]]), start)
        other, _ = learner._run(features, torch.tensor([[0, 1, 0]]), start)
    written = (state.memory.abs().sum(2) > 1e-3).sum()
    assert int(written) == 3
    assert torch.equal(one, other)  # the last label is never shown


def test_a_learner_made_for_some_ways_says_so() -> None:
    learner = make("maml")
    with pytest.raises(OptionError, match=r"made for 2-way episodes.*--n-way 3"):
        learner.adapt(support((0, 0, 0), (1, 1, 1), (2, 2, 2), n_way=3))
    with pytest.raises(OptionError, match=r"items of shape \(2,\)"):
        learner.adapt(Support(torch.zeros(1, 2, 3), torch.tensor([[0, 1]]), 2))


@pytest.mark.parametrize("name", LEARNERS.names())
def test_every_learner_cites_its_paper_and_names_its_deviations(name: str) -> None:
    member = LEARNERS.create(name)
    assert member.ability.paper
    assert "eviation" in (member.__doc__ or "") or issubclass(member, LEARNERS.create("maml"))
    recipe = member.recipe(Form(shape=(1, 28, 28)))
    assert recipe.n_way >= 2
