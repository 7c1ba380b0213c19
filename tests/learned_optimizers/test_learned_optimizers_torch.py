"""Learned optimizers in the place of torch's: groups, schedulers, closures, copies, precision; and as files."""

import copy
import json
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from autometa.errors import ModelError, OptionError, UnknownNameError
from autometa.learned_optimizers import (
    RULES,
    LSTMOptimizer,
    RuleRecipe,
    RuleTraining,
    TablePerceptron,
    TorchOptimizer,
    load_rule,
    make_rule,
    meta_train_rule,
    save_rule,
    shipped_rule,
    shipped_rules,
    table_rows,
)
from autometa.metatraining import generator_of, seeded


def parameter(*values: float, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=dtype))


def descend(*values: nn.Parameter) -> Tensor:
    """Gradients of the sum of squares, in place of those before."""
    for value in values:
        value.grad = None
    loss = sum((value.float().square().sum() for value in values), torch.zeros(()))
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def sign_like(lr: float = 0.1) -> Any:
    """A rule whose first step is as long as its rate, whatever the gradient."""
    return make_rule("adam", {"lr": lr, "epsilon": 1e-12})


def test_groups_have_rates_of_their_own() -> None:
    fast, slow, still = parameter(1.0), parameter(1.0, -1.0), parameter(1.0)
    groups: list[dict[str, Any]] = [{"params": [fast], "lr": 2.0}, {"params": [slow]}, {"params": [still], "lr": 0.0}]
    optimizer = TorchOptimizer(groups, sign_like(), lr=0.5)
    descend(fast, slow, still)
    optimizer.step()
    assert fast.tolist() == pytest.approx([0.8])
    assert slow.tolist() == pytest.approx([0.95, -0.95])
    assert still.tolist() == [1.0]
    optimizer.add_param_group({"params": [late := parameter(1.0)], "lr": 3.0})
    descend(fast, slow, still, late)
    optimizer.step()
    assert late.tolist() == pytest.approx([0.7])


def test_the_usual_rate_is_what_the_rule_was_trained_for() -> None:
    value = parameter(1.0)
    optimizer = TorchOptimizer([value], sign_like())
    descend(value)
    optimizer.step()
    assert value.tolist() == pytest.approx([0.9])
    for lr in (-1.0, float("nan")):
        with pytest.raises(OptionError, match="at least 0"):
            TorchOptimizer([value], sign_like(), lr=lr)


def test_parameters_without_a_gradient_stay_and_are_as_new_when_they_get_one() -> None:
    rule = make_rule("adam", {"lr": 0.1, "beta1": 0.5})
    used, late, frozen = parameter(1.0), parameter(1.0), nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = TorchOptimizer([used, late, frozen], rule)
    for _ in range(3):
        descend(used)
        optimizer.step()
    assert late.tolist() == [1.0]
    assert frozen.tolist() == [1.0, 1.0]
    alone = parameter(1.0)
    other = TorchOptimizer([alone], rule)
    for _ in range(2):
        descend(used, late)
        optimizer.step()
        descend(alone)
        other.step()
    assert torch.equal(late, alone)  # as if it had been there alone, beside one that is three steps ahead
    assert float(optimizer.state[used]["step"]) == 5.0
    assert float(optimizer.state[late]["step"]) == 2.0
    optimizer.zero_grad()
    before = used.detach().clone()
    optimizer.step()
    assert torch.equal(used, before)


def test_zero_grad_forgets_gradients() -> None:
    value = parameter(1.0, 2.0)
    optimizer = TorchOptimizer([value], sign_like())
    descend(value)
    optimizer.zero_grad(set_to_none=False)
    assert value.grad is not None
    assert value.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert value.grad is None


def test_a_rule_that_reads_the_loss_needs_a_closure() -> None:
    value = parameter(1.0, -2.0)
    optimizer = TorchOptimizer([value], make_rule("meta_learner_lstm"))
    descend(value)
    with pytest.raises(OptionError, match="Pass loss= to update, or a closure to step"):
        optimizer.step()
    assert value.tolist() == [1.0, -2.0]
    calls = []

    def closure() -> float:
        calls.append(torch.is_grad_enabled())
        return float(descend(value))

    assert optimizer.step(closure) == 5.0
    assert calls == [True]
    assert value.tolist() != [1.0, -2.0]


def test_the_loss_that_is_read_is_that_of_the_closure() -> None:
    found = []
    for level in (0.0, 1e6):
        value, rule = parameter(1.0, -2.0), make_rule("meta_learner_lstm")
        with torch.no_grad():
            rule.get_parameter("rule.reader.inputs.weight").mul_(100.0)
            rule.get_parameter("rule.gates.weight").mul_(100.0)
        TorchOptimizer([value], rule).step(lambda value=value, level=level: descend(value) + level)  # type: ignore[misc]
        found.append(value.detach().clone())
    assert not torch.allclose(found[0], found[1], atol=1e-4)


def test_a_scheduler_sets_the_rate() -> None:
    value = parameter(1.0)
    optimizer = TorchOptimizer([value], make_rule("adam", {"lr": 0.1, "epsilon": 1e-12}), lr=2.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    places = [1.0]
    for _ in range(3):
        value.grad = torch.ones(1)
        optimizer.step()
        scheduler.step()
        places.append(value.item())
    moves = [before - after for before, after in pairwise(places)]
    assert moves == pytest.approx([0.2, 0.1, 0.05], rel=1e-4)


def test_the_rule_is_not_changed() -> None:
    rule, value = make_rule("lstm"), parameter(1.0, 2.0)
    before = {name: one.clone() for name, one in rule.state_dict().items()}
    optimizer = TorchOptimizer([value], rule)
    for _ in range(3):
        descend(value)
        optimizer.step()
    assert all(torch.equal(one, before[name]) for name, one in rule.state_dict().items())
    assert all(one.requires_grad and one.grad is None for one in rule.parameters())
    assert not any(one.requires_grad for slots in optimizer.state.values() for one in slots.values())
    assert value.requires_grad


@pytest.mark.parametrize("name", RULES.names())
def test_copies_and_pickles_of_the_state_are_whole(name: str) -> None:
    def step(optimizer: TorchOptimizer, *values: nn.Parameter) -> None:
        optimizer.step(lambda: descend(*values))

    values = [parameter(1.0, 2.0), parameter(-3.0)]
    optimizer = TorchOptimizer(values, make_rule(name))
    for _ in range(3):
        step(optimizer, *values)
    at = [value.detach().clone() for value in values]
    copies = [copy.deepcopy(optimizer.state_dict()), pickle.loads(pickle.dumps(optimizer.state_dict()))]
    for _ in range(2):
        step(optimizer, *values)
    for state in copies:
        again = [nn.Parameter(value.clone()) for value in at]
        other = TorchOptimizer(again, make_rule(name))
        other.load_state_dict(state)
        for _ in range(2):
            step(other, *again)
        assert all(torch.equal(one, two) for one, two in zip(values, again, strict=True))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_of_the_optimizer_is_an_optimizer(copied: Any) -> None:
    value = parameter(1.0, -2.0)
    optimizer = TorchOptimizer([value], make_rule("lstm"))
    for _ in range(2):
        descend(value)
        optimizer.step()
    other, moved = copied((optimizer, value))
    for one, its in ((optimizer, value), (other, moved)):
        descend(its)
        one.step()
    assert torch.equal(value, moved)
    assert value is not moved
    assert other.rule is not optimizer.rule


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_state_of_other_precisions_is_reloaded_exactly(dtype: torch.dtype) -> None:
    rule = make_rule("lstm")
    value = parameter(1.0, -2.0, 0.5, dtype=dtype)
    optimizer = TorchOptimizer([value], rule)
    for _ in range(3):
        descend(value)
        optimizer.step()
    again = nn.Parameter(value.detach().clone())
    other = TorchOptimizer([again], rule)
    other.load_state_dict(optimizer.state_dict())
    assert value.dtype == again.dtype == dtype
    for slot, kept in optimizer.state[value].items():
        assert kept.dtype == torch.float32
        assert torch.equal(kept, other.state[again][slot]), slot
    for _ in range(3):
        for one, its in ((optimizer, value), (other, again)):
            descend(its)
            one.step()
    assert torch.equal(value, again)


def test_a_state_of_other_parameters_is_refused() -> None:
    optimizer = TorchOptimizer([parameter(1.0), parameter(2.0)], sign_like())
    with pytest.raises(ValueError, match="doesn't match the size"):
        TorchOptimizer([parameter(1.0)], sign_like()).load_state_dict(optimizer.state_dict())


def test_parameters_of_any_form_are_stepped() -> None:
    scalar, wide = nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.ones(2, 3).T)
    optimizer = TorchOptimizer([scalar, wide], sign_like())
    descend(scalar, wide)
    optimizer.step()
    assert scalar.shape == ()
    assert float(scalar.detach()) == pytest.approx(1.9)
    assert torch.allclose(wide, torch.full((3, 2), 0.9))


def test_very_many_parameters_are_stepped_as_few_are() -> None:
    """More than a chunk: what is cut out of the middle goes as it would alone."""
    start = torch.randn(40_000, generator=generator_of(1))
    many, few = nn.Parameter(start.clone()), nn.Parameter(start[16_000:17_000].clone())
    rule = make_rule("rnnprop", {"n_hidden": 4})
    optimizers = TorchOptimizer([many], rule), TorchOptimizer([few], rule)
    for _ in range(3):
        descend(many)
        descend(few)
        for optimizer in optimizers:
            optimizer.step()
    assert torch.allclose(many[16_000:17_000], few, atol=1e-6)


def test_a_module_is_trained_by_a_rule_that_was_shortly_trained_on_others() -> None:
    def line(seed: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(64, 3, generator=generator_of(seed))
        return x, torch.sin(x[:, 0]) + x[:, 1] * x[:, 2]

    made = {f"t{i}": table_rows(*(part.numpy() for part in line(i))) for i in range(2)}
    kind = TablePerceptron(tables=made, width=8, depth=1, activation="tanh", batch_size=16)
    rule = make_rule("rnnprop", {"n_hidden": 8})
    recipe = RuleRecipe(n_steps=12, n_problems=4, horizon=20, unroll_length=10, lr=0.01, schedule="constant")
    found = []
    x, y = line(77)
    for trained in (False, True):
        if trained:
            meta_train_rule(rule, [kind], RuleTraining(recipe=recipe, validate_every=6))
        with seeded(0):
            module = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))
        optimizer = TorchOptimizer(module.parameters(), rule)
        for _ in range(60):
            optimizer.zero_grad()
            loss = (module(x).squeeze(1) - y).square().mean()
            loss.backward()
            optimizer.step()
        found.append(float(loss.detach()))
    untrained, trained_loss = found
    assert trained_loss < 0.5 * float(y.var())
    assert trained_loss < 0.5 * untrained


def test_a_rule_lies_in_a_folder_and_says_what_it_is(tmp_path: Path) -> None:
    rule = make_rule("lstm", {"n_hidden": 4, "scale": 0.2}, seed=5)
    save_rule(rule, tmp_path / "a" / "rule", {"data": "bowls"})
    card = json.loads((tmp_path / "a" / "rule" / "card.json").read_text())
    assert (card["kind"], card["rule"], card["data"]) == ("learned_optimizer", "lstm", "bowls")
    assert card["options"] == {"n_hidden": 4, "n_layers": 2, "preprocessing": "log_and_sign", "scale": 0.2}
    value, same = parameter(1.0, -2.0), parameter(1.0, -2.0)
    for one, optimizer in (
        (value, TorchOptimizer([value], rule)),
        (same, LSTMOptimizer.from_pretrained(tmp_path / "a" / "rule", [same], lr=1.0)),
    ):
        for _ in range(3):
            descend(one)
            optimizer.step()
    assert torch.equal(value, same)
    assert not load_rule(tmp_path / "a" / "rule").training


def test_damaged_and_foreign_files_are_told(tmp_path: Path) -> None:
    save_rule(make_rule("adam"), tmp_path, {})
    card, file = tmp_path / "card.json", tmp_path / "weights.safetensors"
    whole, told = file.read_bytes(), json.loads(card.read_text())
    for damaged, message in (
        ({**told, "format": 99}, "is of format 99, but this version reads 1"),
        ({**told, "kind": "few_shot_learner"}, "holds no learned optimizer: its card says 'few_shot_learner'"),
        ({name: value for name, value in told.items() if name != "rule"}, "card of the optimizer in .* is damaged"),
        ({**told, "options": 3}, "card of the optimizer in .* is damaged"),
        ({**told, "rule": "lstm", "options": {}}, "weights of the optimizer in .* cannot be read"),
    ):
        card.write_text(json.dumps(damaged))
        with pytest.raises(ModelError, match=message):
            load_rule(tmp_path)
    card.write_text(json.dumps(told))
    for content in (whole[:-3], b"", b"\x80\x04K\x01."):
        file.write_bytes(content)
        with pytest.raises(ModelError, match=r"cannot be read: .* Train it again"):
            load_rule(tmp_path)
    file.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        load_rule(tmp_path)
    with pytest.raises(ModelError, match="holds no learned optimizer"):
        load_rule(tmp_path / "nothing")


def test_names_that_nobody_ships_and_rules_of_another_kind_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="autometa optimizers train"):
        TorchOptimizer.from_pretrained("no_such_rule", [parameter(1.0)])
    with pytest.raises(UnknownNameError, match="neither a folder nor a shipped learned optimizer"):
        shipped_rule("no_such_rule")
    with pytest.raises(OptionError, match="takes an LSTM, but this rule is adam"):
        LSTMOptimizer([parameter(1.0)], make_rule("adam"))


def test_shipped_rules_can_be_used() -> None:
    for name, folder in shipped_rules().items():
        assert shipped_rule(name) == folder
        value = parameter(1.0, -2.0)
        optimizer = TorchOptimizer.from_pretrained(name, [value])
        for _ in range(20):
            optimizer.step(lambda value=value: descend(value))  # type: ignore[misc]
        assert bool(value.isfinite().all()), name
        assert value.tolist() != [1.0, -2.0], name
