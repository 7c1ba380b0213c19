"""What every few-shot learner must do, as checks that plug-in authors can run too.

Each ``check_*`` takes a function that makes a learner for a form of episodes, and raises ``AssertionError`` where a
promise of `autometa.fewshot.FewShotLearner` is broken::

    import pytest
    from autometa.testing.fewshot import CHECKS, maker

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_my_learner(check):
        check(maker(MyLearner))

The checks prove manners, and that a learner learns at all; how well it does is for ``benchmarks/few_shot_omniglot.py``.
"""

import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from autometa.errors import InputError
from autometa.fewshot import (
    BackboneSpec,
    ClassSet,
    Episodes,
    FewShotLearner,
    Form,
    NormMode,
    Support,
    TrainOptions,
    UniformEpisodes,
    episodes_at,
    evaluate,
    load_learner,
    meta_train,
    save_learner,
)
from autometa.metatraining import generator_of

Learner = FewShotLearner[Any]
Make = Callable[[Form, Mapping[str, Any]], Learner]
"""Makes a learner for a form, with some of its options set, as far as it has them; ``norm`` is the backbone's."""

WIDTH = 16
N_FEATURES = 8
N_CLASSES = 40
N_ITEMS = 20
_ROUNDS = 8
_WELL_ABOVE_CHANCE = 0.7

__all__ = ["CHECKS", "Make", "blobs", "maker"]


def maker(member: type[Learner]) -> Make:
    """Makes learners of a class, on a small multi-layer perceptron whose norm suits their family."""
    norms: dict[str, NormMode] = {"optimization": "transductive", "model": "none"}
    usual = norms.get(member.ability.family, "running")

    def make(form: Form, options: Mapping[str, Any]) -> Learner:
        spec = BackboneSpec(name="mlp", width=WIDTH, depth=1, norm=options.get("norm", usual))
        known = {name: value for name, value in options.items() if name in _fields(member)}
        return member(form, spec, member.options_class(**known))

    return make


def blobs(*, spread: float = 0.15, seed: int = 0) -> ClassSet:
    """Classes that are clouds around points drawn at random, 40 of 20 items with 8 features."""
    generator = generator_of(seed, 77)
    centres = torch.randn(N_CLASSES, 1, N_FEATURES, generator=generator)
    items = centres + spread * torch.randn(N_CLASSES, N_ITEMS, N_FEATURES, generator=generator)
    return ClassSet.of([(f"class {i}", "", cloud) for i, cloud in enumerate(items)])


def check_logits_have_the_right_shape(make: Make) -> None:
    """Finite logits (n_episodes, n_queries, n_way) for few and more ways and shots, also without autograd."""
    for n_way, n_shot in ((2, 1), (5, 1), (5, 5)):
        episodes = _episodes(n_way, n_shot)
        learner = make(_form(n_way, n_shot), {}).eval()
        with torch.no_grad():
            logits = learner.adapt(episodes.support)(episodes.x)
        assert logits.shape == (3, 3 * n_way, n_way), f"Logits of {n_way} ways have shape {tuple(logits.shape)}."
        assert bool(logits.isfinite().all()), f"Logits of {n_way} ways and {n_shot} shots are not finite."


def check_adapt_is_pure(make: Make) -> None:
    """Nothing changes, and the same support gives the same predictor."""
    episodes = _episodes(5, 2)
    learner = make(_form(5, 2), {}).eval()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    x, y = episodes.support.x.clone(), episodes.support.y.clone()
    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    first = learner.adapt(episodes.support)
    one, again = first(episodes.x), first(episodes.x)
    other = learner.adapt(episodes.support)(episodes.x)
    assert torch.equal(one, again), "The same predictor says two things of the same queries."
    assert torch.equal(one, other), "Adapting twice to the same support gives two predictors."
    for name, value in learner.state_dict().items():
        assert torch.equal(value, before[name]), f"Adapting changed {name}."
    assert torch.equal(x, episodes.support.x), "Adapting changed the support."
    assert torch.equal(y, episodes.support.y), "Adapting changed the support's labels."
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    assert torch.equal(states[0], after[0]), "Adapting moved torch's global generator."
    assert states[1:] == after[1:], "Adapting moved a global generator."


def check_missing_labels_raise(make: Make) -> None:
    """A class without a labelled item is an error that names it."""
    episodes = _episodes(3, 2)
    gap = Support(episodes.support.x, torch.where(episodes.support.y == 1, 2, episodes.support.y), 3)
    learner = make(_form(3, 2), {}).eval()
    message = ""
    try:
        learner.adapt(gap)
    except InputError as error:
        message = str(error)
    assert "class 1" in message, f"A class without a labelled item must be an error that names it, but got {message!r}."


def check_queries_are_independent(make: Make) -> None:
    """Unless it is transductive, a learner says the same of a query whatever the others are."""
    episodes = _episodes(5, 1)
    learner = make(_form(5, 1), {}).eval()
    predict = learner.adapt(episodes.support)
    together, alone = predict(episodes.x)[:, :1], predict(episodes.x[:, :1].repeat(1, 2, 1))[:, :1]
    same = torch.allclose(together, alone, atol=1e-4)
    assert same or learner.transductive, "What is said of a query depends on the others, but transductive is False."


def check_labels_are_only_names(make: Make) -> None:
    """An equivariant learner permutes its logits when the labels are permuted."""
    episodes = _episodes(5, 2)
    learner = make(_form(5, 2), {}).eval()
    if not learner.ability.equivariant:
        return
    order = torch.tensor([3, 0, 4, 1, 2])
    renamed = Support(episodes.support.x, order[episodes.support.y], 5)
    plain, permuted = learner.adapt(episodes.support)(episodes.x), learner.adapt(renamed)(episodes.x)
    assert torch.allclose(permuted[:, :, order], plain, atol=1e-4), "Other names for the classes change the prediction."


def check_gradients_reach_every_parameter(make: Make) -> None:
    """The gradient of the meta-loss is there and finite for every parameter, and not zero for all."""
    episodes = _episodes(5, 2)
    learner = make(_form(5, 2), {}).train()
    loss = learner.meta_loss(episodes)
    assert loss.ndim == 0, f"The meta-loss is a scalar, but has shape {tuple(loss.shape)}."
    if not learner.ability.trained:
        return
    loss.backward()  # type: ignore[no-untyped-call]
    total = 0.0
    for name, value in learner.named_parameters():
        if value.requires_grad:
            assert value.grad is not None, f"No gradient reaches {name}."
            assert bool(value.grad.isfinite().all()), f"The gradient of {name} is not finite."
            total += float(value.grad.abs().sum())
    assert total > 0.0, "All gradients are zero."


def check_second_order_gradients_are_exact(make: Make) -> None:
    """A gradient through the inner loop equals finite differences of the meta-loss, in double precision."""
    form = Form(shape=(2,), n_way=3, n_shot=2, n_base=N_CLASSES)
    learner = make(form, {"n_inner_steps": 3, "inner_lr": 0.1})
    if learner.ability.order != "second":
        return
    if "n_cg_steps" in _fields(type(learner)):
        exact = {"n_inner_steps": 200, "inner_lr": 0.01, "regularization": 20.0, "n_cg_steps": 60}
        learner = make(form, {**exact, "norm": "none"})  # with a norm the inner problem is too crooked to be solved
    learner = learner.double().train()
    learner.started(0.0)
    episodes = _tiny(form)
    learner.meta_loss(episodes).backward()  # type: ignore[no-untyped-call]
    generator = generator_of(5)
    for name, value in learner.named_parameters():
        if not value.requires_grad:
            continue
        assert value.grad is not None
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        expected = _slope(learner, episodes, value, direction)
        found = float((value.grad * direction).sum())
        assert abs(found - expected) <= 1e-5 + 1e-3 * abs(expected), (
            f"The gradient along a direction of {name} is {found:.6g}, but the loss changes by {expected:.6g}."
        )


def check_first_presentations_are_guesses(make: Make) -> None:
    """A learner that reads sequences cannot know a class that it has not seen, and does better when it has.

    After a short training on three classes. What counts is the first item of the class that comes second: half of them
    can be guessed. Only for learners with a method ``sequence``.
    """
    learner = make(_form(3, 1), {})
    sequence = getattr(learner, "sequence", None)
    if sequence is None:
        return
    source = UniformEpisodes(blobs(), 3, 1, 4)
    _train(learner, source, n_steps=400)
    learner.eval()
    with torch.no_grad():
        logits, labels = sequence(episodes_at(source, 400, seed=1, step=0))
    right = (logits.argmax(2) == labels).float()
    shown = torch.nn.functional.one_hot(labels, 3).cumsum(1)
    times = shown.gather(2, labels.unsqueeze(2)).squeeze(2)
    second = (times == 1) & ((shown > 0).sum(2) == 2)
    first, third = float(right[second].mean()), float(right[times == 3].mean())
    assert first < 0.65, f"{first:.0%} of first presentations are right, and 50 % can be guessed: the labels leak."
    assert third > first, f"Third presentations ({third:.0%}) are no better than first ones ({first:.0%})."


def check_it_learns_blobs(make: Make) -> None:
    """After a short meta-training, two unseen classes are told apart well above chance."""
    train, test = blobs().split((30, 10), seed=0)
    form = replace(_form(2, 1), n_base=len(train))
    learner = make(form, {})
    unseen = UniformEpisodes(test, 2, 1, 5)
    n_way = 10 if learner.ability.any_way else 2
    accuracy = evaluate(learner, unseen, n_episodes=100).accuracy
    for _ in range(_ROUNDS if learner.ability.trained else 0):
        _train(learner, UniformEpisodes(train, n_way, 1, 5), n_steps=60)
        accuracy = evaluate(learner, unseen, n_episodes=100).accuracy
        if accuracy > _WELL_ABOVE_CHANCE:
            break
    assert accuracy > _WELL_ABOVE_CHANCE, f"Accuracy on blobs is {accuracy:.0%}, and chance is 50 %."


def _train(learner: Learner, source: UniformEpisodes, *, n_steps: int) -> None:
    recipe = learner.recipe(learner.form)
    lr = 1e-2 if recipe.optimizer == "adam" else recipe.lr
    recipe = replace(recipe, lr=lr, schedule="constant", n_steps=n_steps, episodes_per_step=16, clip=5.0)
    meta_train(learner, source, TrainOptions(recipe=recipe, validate_every=n_steps))


def check_it_can_be_saved(make: Make) -> None:
    """A saved learner says the same after loading."""
    episodes = _episodes(5, 1)
    learner = make(_form(5, 1), {}).eval()
    with tempfile.TemporaryDirectory() as folder:
        save_learner(learner, Path(folder), {})
        loaded = load_learner(Path(folder))
    before, after = (one.adapt(episodes.support)(episodes.x) for one in (learner, loaded))
    assert torch.equal(before, after), "A loaded learner says something else."


def _form(n_way: int, n_shot: int) -> Form:
    return Form(shape=(N_FEATURES,), n_way=n_way, n_shot=n_shot, n_base=N_CLASSES)


def _episodes(n_way: int, n_shot: int) -> Episodes:
    return episodes_at(UniformEpisodes(blobs(), n_way, n_shot, 3), 3, seed=0, step=0)


def _tiny(form: Form) -> Episodes:
    """Two episodes of double precision, labels in turn."""
    generator = generator_of(3)
    y = torch.arange(form.n_way).repeat(2, form.n_shot)
    x = torch.randn(2, y.shape[1], 2, generator=generator, dtype=torch.float64) + y.unsqueeze(2)
    queries = torch.randn(2, y.shape[1], 2, generator=generator, dtype=torch.float64) + y.unsqueeze(2)
    return Episodes(Support(x, y, form.n_way), queries, y)


def _slope(learner: Learner, episodes: Episodes, value: Tensor, direction: Tensor, step: float = 1e-5) -> float:
    """Central difference of the meta-loss along a direction of one parameter."""
    found = []
    for sign in (1.0, -1.0):
        with torch.no_grad():
            value.add_(sign * step * direction)
        found.append(float(learner.meta_loss(episodes).detach()))
        with torch.no_grad():
            value.sub_(sign * step * direction)
    return (found[0] - found[1]) / (2 * step)


def _fields(member: type[Learner]) -> set[str]:
    return set(getattr(member.options_class, "__dataclass_fields__", {}))


CHECKS: list[Callable[[Make], None]] = [
    check_logits_have_the_right_shape,
    check_adapt_is_pure,
    check_missing_labels_raise,
    check_queries_are_independent,
    check_labels_are_only_names,
    check_gradients_reach_every_parameter,
    check_second_order_gradients_are_exact,
    check_first_presentations_are_guesses,
    check_it_learns_blobs,
    check_it_can_be_saved,
]
