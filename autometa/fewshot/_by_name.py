"""Meta-training as the command line asks for it: everything by name, the result in a folder."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from autometa.distributed import Ranks
from autometa.errors import OptionError
from autometa.fewshot._backbones import BackboneSpec
from autometa.fewshot._base import FewShotLearner, Form, Recipe
from autometa.fewshot._frozen import backbone_fingerprint, embedded, with_head_of, without_backbone
from autometa.fewshot._keeping import KIND, load_learner, make_learner, read_card, save_learner
from autometa.fewshot._registry import LEARNERS
from autometa.fewshot._sampling import UniformEpisodes
from autometa.fewshot._tasks import Tasks, fingerprint, split_tasks
from autometa.fewshot._training import Training, TrainOptions, Watch, meta_train
from autometa.metatraining import device_of, shipped_model, shipped_models

_N_QUERY = 15
_N_VALIDATION = 200


def shipped_learners() -> dict[str, Path]:
    """The learners that come with autometa, trained on Omniglot, by name, each with its folder."""
    return shipped_models(KIND)


def shipped_learner(name: str) -> Path:
    """The folder of a learner that comes with autometa.

    Raises:
        UnknownNameError: There is none of that name.
    """
    return shipped_model(KIND, name, "Train one: autometa fewshot train.")


def backbone_of(
    member: type[FewShotLearner[Any]],
    form: Form,
    *,
    name: str | None,
    width: int,
    norm: str | None,
    downsample: str | None = None,
    seed: int,
) -> BackboneSpec:
    """The backbone that a learner usually has for such items, with what was asked for otherwise.

    Raises:
        OptionError: There is no such norm or downsampling.
    """
    spec = replace(member.usual_backbone(form), width=width, seed=seed)
    changes: dict[str, Any] = {"name": name, "norm": norm, "downsample": downsample}
    return replace(spec, **{key: value for key, value in changes.items() if value is not None})


def meta_train_by_name(
    algorithm: str,
    tasks: str,
    data: Path | None = None,
    *,
    folder: Path,
    rotations: bool = False,
    n_way: int = 5,
    n_shot: int = 1,
    n_steps: int | None = None,
    seconds: float = 0.0,
    patience: int = 0,
    validate_every: int = 250,
    backbone: str | None = None,
    width: int = 64,
    norm: str | None = None,
    downsample: str | None = None,
    options: Mapping[str, Any] | None = None,
    lr: float | None = None,
    episodes_per_step: int | None = None,
    train_way: int | None = None,
    train_query: int | None = None,
    start: Path | None = None,
    freeze_backbone: bool = False,
    device: str = "auto",
    mixed_precision: bool = False,
    seed: int = 0,
    resume: bool = False,
    watch: Watch | None = None,
) -> Training:
    """Train a learner of the registry on named tasks, and keep it in a folder.

    Args:
        algorithm: Its name.
        tasks: See `split_tasks`.
        data: See there.
        folder: Where checkpoints, weights and card go.
        rotations: See `split_tasks`.
        n_way: Classes of the episodes that it is to be good at.
        n_shot: Labelled items of each class.
        n_steps: Outer steps; None takes the recipe's.
        seconds: Time limit; 0 is none.
        patience: Validations without a better one that end it; 0 never does.
        validate_every: Steps between validations.
        backbone: Its name; None takes the learner's usual one.
        width: Of the backbone.
        norm: Where batch normalization takes its statistics from; None takes the usual.
        downsample: How Conv-4 halves images, ``max`` or ``stride``; None takes the usual.
        options: Hyperparameters of the learner.
        lr: Outer learning rate; None takes the recipe's.
        episodes_per_step: Averaged in an outer step; None takes the recipe's.
        train_way: Classes of the training episodes; None takes the recipe's, which may be more than ``n_way``.
        train_query: Queries of each class of the training episodes; None takes the recipe's.
        start: Folder of a trained learner that this one begins with; see `FewShotLearner.start_from`.
        freeze_backbone: Train only what stands on the backbone of ``start``. What that makes of each item is computed
            once, so steps cost a tenth or less.
        device: See `device_of`.
        mixed_precision: See `TrainOptions`.
        seed: Of weights, episodes and split.
        resume: Go on with the folder's checkpoint.
        watch: Is told of every look.

    Raises:
        UnknownNameError: There is no such learner or backbone.
        OptionError: Options contradict each other.
        InputError: The tasks cannot be read, or are too few.
        ResumeError: The folder holds another training.
    """
    member, where = LEARNERS.create(algorithm), device_of(device)
    split = split_tasks(tasks, data, rotations=rotations, seed=seed)
    form = Form(shape=split.train.shape, n_way=n_way, n_shot=n_shot, n_base=len(split.train))
    spec = backbone_of(member, form, name=backbone, width=width, norm=norm, downsample=downsample, seed=seed)
    learner = make_learner(algorithm, form, spec, options)
    if start is not None:
        learner.start_from(load_learner(start))
    elif freeze_backbone:
        raise OptionError("freeze_backbone keeps a trained backbone as it is, so it needs one: name a start.")
    learner = learner.to(where)
    if train_way not in (None, n_way) and not member.ability.any_way:
        raise OptionError(f"{algorithm} is trained with the ways it is for, {n_way}, but train_way is {train_way}.")
    asked: dict[str, Any] = {"n_steps": n_steps, "lr": lr, "episodes_per_step": episodes_per_step}
    asked |= {"n_way": train_way, "n_query": train_query}
    recipe = replace(
        _fitting(member.recipe(form), split), **{name: value for name, value in asked.items() if value is not None}
    )
    train, validation = (part.to(where) for part in (split.train, split.validation))
    trained = learner
    if freeze_backbone:
        trained = without_backbone(learner).to(where)
        if not any(True for _ in trained.parameters()):
            raise OptionError(f"{algorithm} is all backbone: where that is frozen, nothing is left to train.")
        train, validation = embedded(learner, train), embedded(learner, validation)
    settings = TrainOptions(
        recipe=recipe,
        seed=seed,
        chunk_size=trained.chunk_size(where),
        validate_every=validate_every,
        n_validation=_N_VALIDATION,
        patience=patience,
        seconds=seconds,
        folder=folder,
        mixed_precision=mixed_precision,
        frozen_backbone=backbone_fingerprint(learner) if freeze_backbone else "",
    )
    n_query = min(_N_QUERY, int(validation.counts.min()) - n_shot)
    done = meta_train(
        trained,
        UniformEpisodes(train, recipe.n_way, recipe.n_shot, recipe.n_query),
        settings,
        validation=UniformEpisodes(validation, n_way, n_shot, n_query),
        watch=watch,
        resume=resume,
    )
    if freeze_backbone:
        with_head_of(learner, trained)
    if Ranks.join().is_first:
        began = _started_from(start, freeze_backbone)
        save_learner(learner, folder, {**_card(done, split, settings, rotations), **began})
    return done


def _fitting(recipe: Recipe, split: Tasks) -> Recipe:
    """The recipe with no more classes and items than there are."""
    least = int(split.train.counts.min())
    n_shot = min(recipe.n_shot, max(1, least - 1))
    n_way, n_query = min(recipe.n_way, len(split.train)), max(1, min(recipe.n_query, least - n_shot))
    return replace(recipe, n_way=n_way, n_shot=n_shot, n_query=n_query)


def _started_from(start: Path | None, frozen: bool) -> dict[str, Any]:
    if start is None:
        return {}
    card = read_card(start)
    told = {name: card.get(name) for name in ("algorithm", "tasks", "steps", "seconds")}
    return {"start": {**told, "backbone_frozen": frozen}}


def _card(done: Training, split: Tasks, settings: TrainOptions, rotations: bool) -> dict[str, Any]:
    best = next((look for look in reversed(done.looks) if look.best), None)
    return {
        "tasks": split.name,
        "rotations": rotations,
        "classes": fingerprint(split.train, split.validation),
        "n_train_classes": len(split.train),
        "n_validation_classes": len(split.validation),
        "seed": settings.seed,
        "recipe": asdict(settings.recipe),
        "steps": done.best_step,
        "stopped": done.stopped,
        "seconds": round(done.looks[-1].seconds, 1) if done.looks else 0.0,
        "validation": best.validation.as_dict() if best is not None and best.validation is not None else None,
        "curve": [[one.step, one.loss, one.validation.accuracy if one.validation else None] for one in done.looks],
    }
