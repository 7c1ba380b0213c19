"""What runs inside a worker process of a few-shot search: one meta-training, and the last evaluation."""

import functools
import time
from pathlib import Path
from typing import Any

import torch

from autometa.fewshot import (
    ClassSet,
    Form,
    Look,
    TrainOptions,
    UniformEpisodes,
    episodes_at,
    evaluate,
    evaluation_of,
    load_learner,
    meta_train,
    save_learner,
    scores_of,
    split_tasks,
)
from autometa.records import Config
from autometa.search._fewshot_setup import setup
from autometa.search._worker import Channel

JUDGED_QUERIES = 5
FINAL_QUERIES = 15
_BATCH = 10
_LEAST_FINAL = 50
_TRAINED = 0.85  # of a trial's seconds; the rest is for starting, looking and saving


class Stopped(Exception):
    """The search has ended the trial."""


@functools.lru_cache(maxsize=1)
def load(tasks: str, data: str | None, rotations: bool, seed: int) -> tuple[ClassSet, ClassSet, ClassSet]:
    """Classes to train on, to choose by, and to judge the choice by; the server calls it first, for all trials."""
    split = split_tasks(tasks, None if data is None else Path(data), rotations=rotations, seed=seed)
    chooses, judges = split.validation.split([1.0, 1.0], seed=seed)
    return split.train, chooses, judges


def form_of(train: ClassSet, n_way: int, n_shot: int) -> Form:
    """What episodes look like."""
    return Form(shape=train.shape, n_way=n_way, n_shot=n_shot, n_base=len(train))


def train(
    channel: Channel,
    *,
    tasks: dict[str, Any],
    n_way: int,
    n_shot: int,
    config: Config,
    n_episodes: int,
    n_looks: int,
    n_judged: int,
    seed: int,
    device: str,
    threads: int,
    folder: str,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Meta-train a configuration, telling the search each look's accuracy; it answers whether to ``go`` on.

    A look comes after each of ``n_looks`` equal shares of ``n_episodes``. The learner with the weights of the best look
    is written to ``folder``.

    Returns:
        ``{"complete": bool, "accuracy": best one, "share": of the episodes that were seen}``.
    """
    torch.set_num_threads(threads)
    classes, chooses, _ = (part.to(device) for part in load(**tasks))
    form = form_of(classes, n_way, n_shot)
    made = setup(config, form, n_episodes=n_episodes, seed=seed)
    learner = made.learner.to(device)
    validation = _episodes(chooses, n_way, n_shot, JUDGED_QUERIES)
    recipe, began = made.recipe, time.monotonic()
    if recipe.n_steps == 0:
        found = evaluate(learner, validation, n_episodes=n_judged, seed=seed)
        channel.ask(event="look", look=n_looks, accuracy=found.accuracy, seconds=time.monotonic() - began)
        save_learner(learner, Path(folder), {"config": config})
        return {"complete": True, "accuracy": found.accuracy, "share": 1.0}

    every = max(1, recipe.n_steps // n_looks)
    told = 0

    def watch(look: Look) -> None:
        nonlocal told
        share = n_looks * look.step // recipe.n_steps
        if share <= told:  # a last look, soon after the one before
            return
        told = share
        accuracy = look.validation.accuracy if look.validation is not None else 0.0
        if not channel.ask(event="look", look=told, accuracy=accuracy, seconds=look.seconds)["go"]:
            raise Stopped

    options = TrainOptions(
        recipe=recipe,
        seed=seed,
        chunk_size=learner.chunk_size(device),
        validate_every=every,
        n_validation=n_judged,
        seconds=0.0 if seconds is None else _TRAINED * seconds,
    )
    source = UniformEpisodes(classes, recipe.n_way, recipe.n_shot, recipe.n_query)
    try:
        done = meta_train(learner, source, options, validation=validation, watch=watch)
    except Stopped:
        return {"complete": False}
    accuracy = max(look.validation.accuracy for look in done.looks if look.validation is not None)
    save_learner(learner, Path(folder), {"config": config})
    return {"complete": True, "accuracy": accuracy, "share": done.looks[-1].step / recipe.n_steps}


def judge(
    channel: Channel,
    *,
    tasks: dict[str, Any],
    n_way: int,
    n_shot: int,
    n_episodes: int,
    seed: int,
    device: str,
    threads: int,
    folder: str,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Evaluate a trained learner on classes that no trial has seen: on fewer episodes where ``seconds`` are over.

    Returns:
        An `Evaluation` as a dict.
    """
    torch.set_num_threads(threads)
    began = time.monotonic()
    _, _, judges = load(**tasks)
    learner = load_learner(Path(folder), device=device)
    source = _episodes(judges.to(device), n_way, n_shot, FINAL_QUERIES)
    done, scores = 0, list[torch.Tensor]()
    while done < n_episodes:
        scores.append(scores_of(learner, episodes_at(source, _BATCH, seed=seed, step=len(scores))))
        done += _BATCH
        if seconds is not None and time.monotonic() - began > seconds and done >= _LEAST_FINAL:
            break
    return evaluation_of(learner, torch.cat(scores)[:n_episodes]).as_dict()


def _episodes(classes: ClassSet, n_way: int, n_shot: int, n_query: int) -> UniformEpisodes:
    return UniformEpisodes(classes, n_way, n_shot, min(n_query, int(classes.counts.min()) - n_shot))
