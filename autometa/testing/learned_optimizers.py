"""What every learned optimizer must do, as checks that plug-in authors can run too.

Each ``check_*`` takes a function that makes an untrained rule, and raises ``AssertionError`` where a promise of
`autometa.learned_optimizers.LearnedOptimizer` is broken::

    import pytest
    from autometa.testing.learned_optimizers import CHECKS, maker

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_rule(check):
        check(maker(MyRule))

The checks prove manners, and that a rule learns at all; how well it does is for ``benchmarks/learned_optimizers.py``.
"""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from autometa.errors import OptionError
from autometa.learned_optimizers import (
    Objective,
    Params,
    Problems,
    RuleRecipe,
    RuleTraining,
    TorchOptimizer,
    advance,
    late_loss,
    load_rule,
    meta_train_rule,
    rollout,
    save_rule,
    unroll,
)
from autometa.metatraining import generator_of
from autometa.testing._optimizer_tools import (
    HORIZON,
    N_DIMENSIONS,
    N_STEPS,
    Bowls,
    Make,
    Rule,
    close,
    closure_of,
    double_of,
    forms,
    generators,
    gradient_of,
    height,
    meta_gradients,
    module_loss,
    module_of,
    nth,
    params_of,
    shaken,
    spoiled,
    tensors,
    unrolled,
)

_MANY = 20_000
_ROUNDS = 3
_WELL_BELOW = 0.5

__all__ = ["CHECKS", "Bowls", "Make", "maker"]


def maker(member: type[Rule]) -> Make:
    """Makes rules of a class with its usual options."""
    return lambda: member(member.options_class(), seed=0)


def check_updates_have_the_form_of_the_parameters(make: Make) -> None:
    """The same names, shapes and precision, for one optimizee and for many, at the first update and later."""
    for dtype in (torch.float32, torch.float64):
        rule = make().to(dtype)
        for leading in ((), (3,)):
            params = params_of(leading, dtype)
            state, expected = rule.init_state(params, n_leading=len(leading)), forms(params)
            for step in range(2):
                grads, loss = params_of(leading, dtype, step), torch.ones(leading, dtype=dtype)
                after, state = rule.update(grads, state, loss=loss)
                assert forms(after) == expected, f"Parameters of {expected} become {forms(after)}."
                assert list(after) == list(params), f"Parameters {list(params)} come back as {list(after)}."


def check_updates_are_finite(make: Make) -> None:
    """Whatever gradients and losses are, parameters stay finite, and what is remembered does too.

    NaN and infinite gradients count as zero.
    """
    largest = torch.finfo(torch.float32).max
    for value in (0.0, 1e-30, 1e30, largest, -largest, torch.nan, torch.inf, -torch.inf):
        for every in (1, 2):
            rule = make()
            state = rule.init_state(params_of())
            for step in range(6):
                strange = step < 3
                grads = spoiled(params_of(seed=step), value, every) if strange else params_of(seed=step)
                after, state = rule.update(grads, state, loss=torch.tensor(value if strange else 1.0))
                assert all(bool(one.isfinite().all()) for one in after.values()), (
                    f"After a gradient of {value} parameters are not finite."
                )
            for slot, kept in {**state.memory, **state.statistics}.items():
                assert bool(kept.isfinite().all()), f"After gradients of {value} {slot} is not finite, and remains so."
    for value in (torch.nan, torch.inf, -torch.inf):
        rule = make()
        state, loss = rule.init_state(params_of()), torch.tensor(1.0)
        found = rule.update(spoiled(params_of(seed=1), value, 2), state, loss=loss)[1]
        expected = rule.update(spoiled(params_of(seed=1), 0.0, 2), state, loss=loss)[1]
        assert torch.equal(found.weights, expected.weights), f"A gradient of {value} does not count as zero."


def check_update_is_pure(make: Make) -> None:
    """The same inputs give the same update, and neither they nor any global generator change."""
    before = generators()
    rule, loss = make(), torch.tensor(2.0)
    params, grads = params_of(), params_of(seed=1)
    state = rule.init_state(params)
    for _ in range(2):
        _, state = rule.update(grads, state, loss=loss)
    inputs = {**params, **{f"{name}'s gradient": value for name, value in grads.items()}, **tensors(state)}
    inputs |= {"loss": loss, **rule.state_dict()}
    copies = {name: value.clone() for name, value in inputs.items()}
    first, again = rule.update(grads, state, loss=loss)[1], rule.update(grads, state, loss=loss)[1]
    for name, value in tensors(first).items():
        assert torch.equal(value, tensors(again)[name]), f"The same inputs give two updates; look at {name}."
    for name, value in inputs.items():
        assert torch.equal(value, copies[name]), f"An update changed {name}."
    for name, now in generators().items():
        assert now == before[name], f"An update moved the global generator of {name}."


def check_needs_loss_is_true(make: Make) -> None:
    """A rule that says it reads the loss is not silently without it, and another one does not read it."""
    rule, grads = make(), params_of(seed=1)
    state = rule.init_state(params_of())
    if not rule.ability.needs_loss:
        found = [rule.update(grads, state, loss=loss)[1] for loss in (None, torch.tensor(1.0), torch.tensor(3.0))]
        same = all(torch.equal(one.weights, found[0].weights) for one in found)
        assert same, "The update depends on the loss, but needs_loss is False."
        return
    message = ""
    try:
        rule.update(grads, state)
    except OptionError as error:
        message = str(error)
    assert "loss" in message, f"Without a loss there must be an error that names it, but got {message!r}."


def check_optimizees_are_independent(make: Make) -> None:
    """Many optimizees at once give what each gives alone, however different their gradients are."""
    rule, sizes = shaken(make), torch.tensor([1.0, 100.0, 0.01], dtype=torch.float64)
    losses = torch.tensor([1.0, 50.0, 1e-3], dtype=torch.float64)
    grads = [
        {name: value * sizes.view(3, *(1 for _ in value.shape[1:])) for name, value in double_of((3,), step).items()}
        for step in range(N_STEPS)
    ]
    params = double_of((3,))
    together, alone = rule.init_state(params, n_leading=1), [rule.init_state(nth(params, i)) for i in range(3)]
    for given in grads:
        together = rule.update(given, together, loss=losses)[1]
        alone = [rule.update(nth(given, i), one, loss=losses[i])[1] for i, one in enumerate(alone)]
    for i, one in enumerate(alone):
        assert close(together.weights[i], one.weights), "An optimizee's update depends on the others beside it."


def check_order_of_coordinates_does_not_matter(make: Make) -> None:
    """Parameters in another order, and the coordinates of each in another order, are updated as before."""
    rule, loss = shaken(make), torch.tensor(2.0, dtype=torch.float64)
    order = torch.tensor([4, 2, 0, 5, 1, 3])

    def other(params: Params) -> Params:
        weight = params["weight"].flatten()[order].view(3, 2)
        return {"scale": params["scale"], "weight": weight, "bias": params["bias"].flip(0)}

    state, moved = rule.init_state(double_of()), rule.init_state(other(double_of()))
    for step in range(N_STEPS):
        grads = double_of(seed=step)
        after, state = rule.update(grads, state, loss=loss)
        after_moved, moved = rule.update(other(grads), moved, loss=loss)
    for name, value in other(after).items():
        assert close(value, after_moved[name]), f"In another order {name} is updated otherwise."


def check_chunks_change_nothing(make: Make) -> None:
    """Very many coordinates, which go through the rule in chunks where no derivatives are wanted."""
    for leading in ((), (2,)):
        rule, params = make(), {"all": torch.randn(*leading, _MANY // 2 ** len(leading), generator=generator_of(1))}
        grads, loss = {"all": params["all"].flip(-1)}, torch.ones(leading)
        whole = parts = rule.init_state(params, n_leading=len(leading))
        for _ in range(2):
            whole = rule.update(grads, whole, loss=loss)[1].detached()
            with torch.no_grad():
                parts = rule.update(grads, parts, loss=loss)[1]
        for name, value in tensors(whole).items():
            assert torch.allclose(value, tensors(parts)[name], rtol=1e-4, atol=1e-5), (
                f"In chunks {name} comes out otherwise: an update looks at other coordinates than its own."
            )


def check_gradients_reach_every_parameter(make: Make) -> None:
    """The meta-gradient is there and finite for every parameter of the rule, and at a minimum it is finite too."""
    problems = Bowls().sample(3, seed=0)
    for rule in (make(), shaken(make, torch.float32)):
        gradients = meta_gradients(rule, problems)
        for name, value in rule.named_parameters():
            assert not value.requires_grad or name in gradients, f"No gradient reaches {name}."
        for name, gradient in gradients.items():
            assert bool(gradient.isfinite().all()), f"The gradient of {name} is not finite."
    for name, gradient in gradients.items():
        assert bool((gradient != 0).any()), f"The gradient of {name} is zero."
    still = Problems(problems.params, lambda params, data: 0.0 * height(params, data), problems.batch)
    for name, gradient in meta_gradients(shaken(make, torch.float32), still).items():
        assert bool(gradient.isfinite().all()), f"Where optimizees have no gradient, that of {name} is not finite."


def check_meta_gradient_is_exact(make: Make) -> None:
    """It equals autograd through the losses of the unrolled updates, in double precision.

    The gradients that the rule reads count as given. And an optimization that is traced is the same as one that is not.
    """
    problems = Bowls(torch.float64).sample(3, seed=0)
    objectives: tuple[Objective, ...] = ("sum", "log")
    for objective in objectives:
        rule = shaken(make)
        start = rule.init_state(problems.params, n_leading=1)
        segment = unroll(rule, problems, start, N_STEPS, objective=objective)
        plain = advance(rule, problems, start, N_STEPS)
        assert close(segment.losses, plain.losses), "Losses are others where derivatives are wanted."
        assert segment.surrogate is not None
        found = gradient_of(segment.surrogate, rule)
        expected = gradient_of(unrolled(rule, problems, objective), rule)
        assert close(found, expected), (
            f"The meta-gradient of the {objective} is off by {float((found - expected).abs().max()):.3g}."
        )


def check_sampled_coordinates_are_unbiased(make: Make) -> None:
    """The mean over all choices of one coordinate is the meta-gradient of all of them."""
    problems, rule = Bowls(torch.float64).sample(1, seed=0), shaken(make)
    start = rule.init_state(problems.params, n_leading=1)
    whole = unroll(rule, problems, start, N_STEPS)
    assert whole.surrogate is not None
    found: list[Tensor] = []
    for seed in range(40):
        sampled = unroll(rule, problems, start, N_STEPS, n_coordinates=1, generator=generator_of(seed))
        assert close(sampled.losses, whole.losses), "Losses are others where some coordinates are traced."
        assert sampled.surrogate is not None
        one = gradient_of(sampled.surrogate, rule)
        if not any(close(one, other) for other in found):
            found.append(one)
    assert len(found) == N_DIMENSIONS, f"There are {N_DIMENSIONS} coordinates, but {len(found)} gradients of one."
    expected = gradient_of(whole.surrogate, rule)
    assert close(torch.stack(found).mean(0), expected), (
        "The meta-gradients of single coordinates do not add up: an update looks at other coordinates than its own."
    )


def check_it_learns_bowls(make: Make) -> None:
    """After a short meta-training it lowers unseen quadratics, and better than it did untrained."""
    rule, unseen = make(), Bowls().sample(32, seed=1, split="test")
    before = rollout(rule, unseen, HORIZON)
    start, untrained = float(before[:, 0].mean()), late_loss(before)
    recipe = RuleRecipe(
        n_steps=20, n_problems=8, horizon=HORIZON, unroll_length=HORIZON // 2, lr=0.03, schedule="constant"
    )
    trained = untrained
    for seed in range(_ROUNDS):
        meta_train_rule(rule, [Bowls()], RuleTraining(recipe=recipe, seed=seed, validate_every=10))
        trained = late_loss(rollout(rule, unseen, HORIZON))
        if trained < min(_WELL_BELOW * start, untrained):
            break
    assert trained < _WELL_BELOW * start, f"It starts at {start:.3g}, and gets no lower than {trained:.3g}."
    assert trained < untrained, f"Trained it gets to {trained:.3g}, untrained to {untrained:.3g}."


def check_it_steps_a_module(make: Make) -> None:
    """`TorchOptimizer` does to a module what `init_state` and `update` do to its parameters."""
    module, rule = module_of(), shaken(make, torch.float32)
    optimizer = TorchOptimizer(module.parameters(), rule)
    state = rule.init_state({name: value.detach().clone() for name, value in module.named_parameters()})
    for step in range(N_STEPS):
        loss = module_loss(module, step)
        grads = torch.autograd.grad(loss, list(module.parameters()))
        names = [name for name, _ in module.named_parameters()]
        expected, state = rule.update(dict(zip(names, grads, strict=True)), state.detached(), loss=loss.detach())
        optimizer.step(closure_of(module, optimizer, step))
        for name, value in module.named_parameters():
            assert torch.allclose(value, expected[name], atol=1e-6), f"Step {step} of {name} is not that of update."


def check_it_goes_on_from_a_state_dict(make: Make) -> None:
    """An optimization that is saved and reloaded in the middle goes on to the bit."""
    rule = shaken(make, torch.float32)
    module = module_of()
    optimizer = TorchOptimizer(module.parameters(), rule)
    kept = io.BytesIO()
    for step in range(2 * N_STEPS):
        if step == N_STEPS:
            torch.save({"module": module.state_dict(), "optimizer": optimizer.state_dict()}, kept)
        optimizer.step(closure_of(module, optimizer, step))
    kept.seek(0)
    read = torch.load(kept, weights_only=True)
    fresh, resumed = make(), module_of()
    fresh.load_state_dict(rule.state_dict())
    resumed.load_state_dict(read["module"])
    optimizer = TorchOptimizer(resumed.parameters(), fresh)
    optimizer.load_state_dict(read["optimizer"])
    for step in range(N_STEPS, 2 * N_STEPS):
        optimizer.step(closure_of(resumed, optimizer, step))
    for name, value in module.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), f"After reloading {name} goes another way."


def check_it_can_be_saved(make: Make) -> None:
    """A saved rule does the same after loading."""
    rule, loss = shaken(make, torch.float32), torch.tensor(2.0)
    with tempfile.TemporaryDirectory() as folder:
        save_rule(rule, Path(folder), {})
        loaded = load_rule(Path(folder))
    states = [one.init_state(params_of()) for one in (rule, loaded)]
    for step in range(N_STEPS):
        states = [
            one.update(params_of(seed=step), state, loss=loss)[1]
            for one, state in zip((rule, loaded), states, strict=True)
        ]
        assert torch.equal(states[0].weights, states[1].weights), "A loaded rule does something else."


CHECKS: list[Callable[[Make], None]] = [
    check_updates_have_the_form_of_the_parameters,
    check_updates_are_finite,
    check_update_is_pure,
    check_needs_loss_is_true,
    check_optimizees_are_independent,
    check_order_of_coordinates_does_not_matter,
    check_chunks_change_nothing,
    check_gradients_reach_every_parameter,
    check_meta_gradient_is_exact,
    check_sampled_coordinates_are_unbiased,
    check_it_learns_bowls,
    check_it_steps_a_module,
    check_it_goes_on_from_a_state_dict,
    check_it_can_be_saved,
]
