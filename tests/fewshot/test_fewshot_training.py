"""Meta-training: resumed to the bit, stopped early, kept at its best."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autometa.errors import ModelError, OptionError, ResumeError
from autometa.fewshot import (
    LEARNERS,
    BackboneSpec,
    Episodes,
    FewShotLearner,
    Form,
    Look,
    NormMode,
    Recipe,
    SineEpisodes,
    TrainOptions,
    UniformEpisodes,
    evaluate,
    load_learner,
    make_learner,
    meta_train,
    read_card,
    save_learner,
)
from autometa.testing.fewshot import blobs, maker

FORM = Form(shape=(8,), n_way=3, n_shot=1)
RECIPE = Recipe(n_way=3, n_shot=1, n_query=2, episodes_per_step=4, n_steps=12, lr=1e-2)


class KilledError(Exception):
    """Stands for a kill."""


def source(seed: int = 0) -> UniformEpisodes:
    return UniformEpisodes(blobs(seed=seed), 3, 1, 2)


def options(folder: Path | None = None, **changes: Any) -> TrainOptions:
    base = TrainOptions(recipe=RECIPE, validate_every=4, n_validation=20, folder=folder, checkpoint_every=3)
    return replace(base, **changes)


def weights(learner: FewShotLearner[Any]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in learner.state_dict().items()}


@pytest.mark.parametrize("name", ["prototypical", "maml_plus_plus", "reptile", "simple_shot"])
@pytest.mark.parametrize("killed_at", [4, 8])
def test_a_killed_training_goes_on_as_if_it_had_not_been(name: str, killed_at: int, tmp_path: Path) -> None:
    def make() -> FewShotLearner[Any]:
        return maker(LEARNERS.create(name))(replace(FORM, n_base=40), {})

    def kill(look: Look) -> None:
        if look.step == killed_at:
            raise KilledError

    whole = make()
    expected = meta_train(whole, source(), options(), validation=source(1))
    with pytest.raises(KilledError):
        meta_train(make(), source(), options(tmp_path), validation=source(1), watch=kill)
    resumed = make()
    found = meta_train(resumed, source(), options(tmp_path), validation=source(1), resume=True)
    assert [(one.step, one.loss, one.validation) for one in found.looks] == [
        (one.step, one.loss, one.validation) for one in expected.looks
    ]
    assert found.best_step == expected.best_step
    for name_of, value in weights(whole).items():
        assert torch.equal(value, resumed.state_dict()[name_of]), name_of


def test_a_folder_of_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    make = maker(LEARNERS.create("prototypical"))
    meta_train(make(FORM, {}), source(), options(tmp_path))
    with pytest.raises(ResumeError, match="its seed is 0, but here it is 1"):
        meta_train(make(FORM, {}), source(), options(tmp_path, seed=1), resume=True)
    with pytest.raises(ResumeError, match="prototypical"):
        meta_train(maker(LEARNERS.create("matching"))(FORM, {}), source(), options(tmp_path), resume=True)
    with pytest.raises(OptionError, match="Name it"):
        meta_train(make(FORM, {}), source(), options(), resume=True)


def test_the_best_validation_is_what_stays() -> None:
    learner = maker(LEARNERS.create("prototypical"))(FORM, {})
    accuracies: list[float] = []
    kept: list[dict[str, torch.Tensor]] = []

    def watch(look: Look) -> None:
        assert look.validation is not None
        accuracies.append(look.validation.accuracy)
        kept.append(weights(learner))

    high = replace(RECIPE, lr=1.0, schedule="constant")  # wrecks it sooner or later
    done = meta_train(learner, source(), options(recipe=high), validation=source(1), watch=watch)
    best = accuracies.index(max(accuracies))
    assert done.best_step == (best + 1) * 4
    for name, value in weights(learner).items():
        assert torch.equal(value, kept[best][name])


def test_patience_and_time_end_a_training() -> None:
    make = maker(LEARNERS.create("prototypical"))
    still = replace(RECIPE, lr=0.0, n_steps=400)
    done = meta_train(make(FORM, {}), source(), options(recipe=still, patience=2), validation=source(1))
    assert done.stopped == "patience"
    assert done.looks[-1].step == 12
    done = meta_train(make(FORM, {}), source(), options(recipe=replace(RECIPE, n_steps=10**6), seconds=0.3))
    assert done.stopped == "time"
    assert done.looks[-1].seconds < 3


def test_chunks_change_nothing_but_rounding() -> None:
    found = []
    for chunk_size in (0, 1, 3):
        learner = maker(LEARNERS.create("maml"))(FORM, {}).double()
        meta_train(learner, _Double(source()), options(chunk_size=chunk_size))
        found.append(weights(learner))
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], atol=1e-8)
        assert torch.allclose(value, found[2][name], atol=1e-8)


class _Double:
    """Episodes in double precision."""

    def __init__(self, inner: UniformEpisodes) -> None:
        self.inner = inner

    def draw(self, n_episodes: int, generator: torch.Generator) -> Episodes:
        drawn = self.inner.draw(n_episodes, generator)
        return replace(drawn, support=replace(drawn.support, x=drawn.support.x.double()), x=drawn.x.double())


def test_maml_learns_sine_waves() -> None:
    learner = make_learner(
        "maml",
        Form(shape=(1,), n_way=0, n_shot=10),
        BackboneSpec(name="mlp", width=40, norm="none"),
        {"inner_lr": 0.01, "n_inner_steps": 1, "n_inner_steps_test": 5},
    )
    unseen = SineEpisodes(10, 20)
    before = evaluate(learner, unseen, n_episodes=100).accuracy
    recipe = replace(learner.recipe(learner.form), n_steps=300)
    meta_train(learner, SineEpisodes(), options(recipe=recipe, validate_every=1000))
    assert evaluate(learner, unseen, n_episodes=100).accuracy < 0.8 * before


def test_evaluation_leaves_the_learner_as_it_was_and_gives_an_honest_interval() -> None:
    learner = maker(LEARNERS.create("prototypical"))(FORM, {}).train()
    before = weights(learner)
    unclear = UniformEpisodes(blobs(spread=1.5), 3, 1, 2)
    found = [evaluate(learner, unclear, n_episodes=n).ci95 for n in (50, 800)]
    assert learner.training
    assert all(torch.equal(value, before[name]) for name, value in weights(learner).items())
    assert found[1] == pytest.approx(found[0] / 4, rel=0.4)
    with pytest.raises(OptionError, match="at least 2"):
        evaluate(learner, source(), n_episodes=1)


def test_a_saved_learner_carries_its_card_and_damage_is_told(tmp_path: Path) -> None:
    learner = maker(LEARNERS.create("maml"))(FORM, {"inner_lr": 0.2})
    save_learner(learner, tmp_path, {"data": "blobs"}, half=True)
    assert read_card(tmp_path)["data"] == "blobs"
    assert read_card(tmp_path)["options"]["inner_lr"] == 0.2
    assert load_learner(tmp_path, norm="support").norm_mode == "support"
    forbidden: NormMode = "running"
    with pytest.raises(ModelError, match="cannot become running"):
        load_learner(tmp_path, norm=forbidden)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ModelError, match="cannot be read"):
        load_learner(tmp_path)
    with pytest.raises(ModelError, match="no few-shot learner"):
        load_learner(tmp_path / "nothing")


def test_unknown_options_are_named() -> None:
    with pytest.raises(OptionError, match="no option 'depth'"):
        make_learner("maml", FORM, BackboneSpec(name="mlp"), {"depth": 3})
    with pytest.raises(OptionError, match="learns classes, not numbers"):
        make_learner("prototypical", Form(shape=(1,), n_way=0), BackboneSpec(name="mlp"))


@pytest.mark.parametrize("name", ["maml", "maml_plus_plus", "snail", "reptile"])
def test_a_learner_begins_with_the_backbone_of_another(name: str) -> None:
    spec = BackboneSpec(name="mlp", width=16, depth=2, norm="transductive", seed=3)
    trained, learner = make_learner("prototypical", FORM, spec), make_learner(name, FORM, replace(spec, seed=4))
    others = {key: value for key, value in weights(learner).items() if "backbone" not in key}
    learner.start_from(trained)
    mine = {key.rpartition("backbone.")[2]: value for key, value in weights(learner).items() if "backbone." in key}
    its = {key.removeprefix("backbone."): value for key, value in weights(trained).items()}
    assert all(torch.equal(mine[key], value) for key, value in its.items())
    after = weights(learner)
    heads = [key for key in others if key.startswith("net.head.")]
    assert len(heads) == (0 if name == "snail" else 2)
    assert all(bool((after[key] == 0.0).all()) for key in heads)  # their first step makes them a classifier
    assert all(
        torch.equal(after[key], value) for key, value in others.items() if "norm" not in key and key not in heads
    )


def test_the_normalization_of_every_step_begins_as_the_trained_one() -> None:
    spec = BackboneSpec(name="mlp", width=16, depth=1, norm="transductive")
    trained, learner = make_learner("prototypical", FORM, spec), make_learner("maml_plus_plus", FORM, spec)
    with torch.no_grad():
        for value in trained.parameters():
            value.fill_(0.25)
    learner.start_from(trained)
    steps = [value for key, value in weights(learner).items() if key.startswith("step_norms")]
    assert steps
    assert all(bool((value == 0.25).all()) for value in steps)


@pytest.mark.parametrize(
    ("other", "what"), [({"width": 8}, "width=8"), ({"norm": "none"}, "norm='none'"), ({"depth": 1}, "depth=1")]
)
def test_a_learner_cannot_begin_with_a_backbone_of_another_kind(other: dict[str, Any], what: str) -> None:
    spec = BackboneSpec(name="mlp", width=16, depth=2, norm="transductive")
    trained = make_learner("prototypical", FORM, replace(spec, **other))
    with pytest.raises(OptionError, match=what):
        make_learner("maml", FORM, spec).start_from(trained)


@pytest.mark.parametrize("name", ["prototypical", "maml_plus_plus", "reptile"])
def test_a_learner_goes_on_from_one_of_its_kind(name: str) -> None:
    def make() -> FewShotLearner[Any]:
        return maker(LEARNERS.create(name))(replace(FORM, n_base=40), {})

    trained, learner = make(), make()
    meta_train(trained, source(), options())
    learner.start_from(trained)
    mine, its = weights(learner), weights(trained)
    assert all(torch.equal(mine[key], value) for key, value in its.items())
