"""Learners that are trained on top of a backbone that stays as it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from autometa.errors import OptionError, ResumeError
from autometa.fewshot import (
    UniformEpisodes,
    embedded,
    evaluate,
    load_learner,
    meta_train_by_name,
    read_card,
    split_tasks,
    without_backbone,
)

SMALL: dict[str, Any] = {"width": 8, "validate_every": 5, "n_steps": 10, "device": "cpu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("frozen") / "characters", np.random.default_rng(0)
    for place in range(30):
        character = folder / f"alphabet{place // 6}" / f"character{place}"
        character.mkdir(parents=True)
        shape = rng.integers(0, 2, (7, 7)).repeat(4, 0).repeat(4, 1)
        for drawer in range(4):
            noisy = np.where(rng.random((28, 28)) < 0.1, 1 - shape, shape)
            Image.fromarray((255 * noisy).astype(np.uint8)).save(character / f"{drawer}.png")
    return folder


@pytest.fixture(scope="module")
def start(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frozen") / "start"
    meta_train_by_name("prototypical", str(data), folder=folder, train_way=5, train_query=1, **SMALL)
    return folder


@pytest.mark.parametrize("name", ["siamese", "snail", "meta_networks"])
def test_the_backbone_stays_and_all_else_learns(name: str, data: Path, start: Path, tmp_path: Path) -> None:
    before = load_learner(start).state_dict()
    done = meta_train_by_name(
        name, str(data), folder=tmp_path, start=start, freeze_backbone=True, train_query=1, **SMALL
    )
    learner = load_learner(tmp_path)
    after = learner.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    untrained = type(learner)(learner.form, learner.spec, learner.options)
    fresh = {key: value for key, value in untrained.named_parameters() if not key.startswith("backbone.")}
    assert fresh
    assert all(not torch.equal(value, after[key]) for key, value in fresh.items())
    assert read_card(tmp_path)["start"]["backbone_frozen"] is True
    # What was validated on vectors is what the whole learner does on images.
    classes = split_tasks(str(data)).validation
    n_query = int(classes.counts.min()) - 1
    found = evaluate(learner, UniformEpisodes(classes, 5, 1, n_query), n_episodes=200, seed=0)
    best = next(look for look in reversed(done.looks) if look.best)
    assert best.validation is not None
    assert found.accuracy == pytest.approx(best.validation.accuracy, abs=1e-6)


def test_vectors_of_the_backbone_say_what_images_do(data: Path, start: Path) -> None:
    learner, classes = load_learner(start), split_tasks(str(data)).validation
    whole = evaluate(learner, UniformEpisodes(classes, 3, 1, 2), n_episodes=50, seed=0)
    source = UniformEpisodes(embedded(learner, classes), 3, 1, 2)
    assert evaluate(without_backbone(learner).eval(), source, n_episodes=50, seed=0) == whole


def test_a_frozen_training_goes_on_only_as_such(data: Path, start: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"folder": tmp_path, "start": start, "train_query": 1, **SMALL}
    meta_train_by_name("siamese", str(data), freeze_backbone=True, **asked)
    with pytest.raises(ResumeError):
        meta_train_by_name("siamese", str(data), resume=True, **asked)


def test_a_frozen_training_goes_on_with_the_same_backbone(data: Path, start: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    meta_train_by_name("prototypical", str(data), folder=other, train_way=5, train_query=1, **{**SMALL, "seed": 1})
    asked: dict[str, Any] = {"folder": tmp_path / "s", "freeze_backbone": True, "train_query": 1, **SMALL}
    meta_train_by_name("siamese", str(data), start=start, **asked)
    meta_train_by_name("siamese", str(data), start=start, resume=True, **asked)
    with pytest.raises(ResumeError, match="its frozen_backbone is"):
        meta_train_by_name("siamese", str(data), start=other, resume=True, **asked)


def test_there_must_be_a_backbone_to_freeze(data: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="name a start"):
        meta_train_by_name("siamese", str(data), folder=tmp_path, freeze_backbone=True, **SMALL)


@pytest.mark.parametrize(("name", "says"), [("prototypical", "is all backbone"), ("anil", "needs its backbone")])
def test_something_must_be_left_to_train(name: str, says: str, data: Path, start: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"start": start, "freeze_backbone": True, "downsample": "max", **SMALL}
    with pytest.raises(OptionError, match=says):
        meta_train_by_name(name, str(data), folder=tmp_path, **asked)


def test_a_frozen_backbone_sees_each_item_by_itself(data: Path, tmp_path: Path) -> None:
    first = tmp_path / "start"
    meta_train_by_name("prototypical", str(data), folder=first, norm="support", train_way=5, train_query=1, **SMALL)
    with pytest.raises(OptionError, match="norm running or none"):
        meta_train_by_name(
            "snail", str(data), folder=tmp_path, start=first, freeze_backbone=True, norm="support", **SMALL
        )
