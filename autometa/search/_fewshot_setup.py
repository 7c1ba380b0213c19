"""A configuration of the space ``few_shot`` as a learner and a recipe, and the other way round."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from autometa.fewshot import LEARNERS, FewShotLearner, Form, Recipe, make_learner
from autometa.knowledge import KnowledgeBase
from autometa.records import Config
from autometa.spaces import SearchSpace, load_space

SPACE = "few_shot"
ALGORITHM = "algorithm"
_OPTIONS = (
    *("inner_lr", "n_inner_steps", "regularization", "full_context", "n_filters", "slot_size", "usage_decay"),
    *("n_hidden", "weight_decay"),
)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a trial trains.

    Attributes:
        learner: Untrained.
        recipe: How, with as many steps as the trial has episodes for.
        share: How many episodes of the form asked for one training episode counts as: one of twelve times the classes
            costs twelve times as much.
    """

    learner: FewShotLearner[Any]
    recipe: Recipe
    share: float


def space_for(form: Form) -> SearchSpace:
    """The space of the zoo; items that are no images have no choice of a backbone."""
    space = load_space(SPACE)
    if len(form.shape) == 3:
        return space
    kept = [one for one in space.hyperparameters if one.name != "backbone"]
    return SearchSpace(SPACE, tuple(kept))


def setup(config: Mapping[str, Any], form: Form, *, n_episodes: int, seed: int) -> Setup:
    """The learner of a configuration, and a recipe that spends a number of episodes of that form."""
    name = str(config[ALGORITHM])
    member = LEARNERS.create(name)
    spec = replace(member.usual_backbone(form), seed=seed, **_spec_changes(config, member, form))
    options = {key: config[key] for key in _OPTIONS if key in config}
    if "reptile_lr" in config:
        options["inner_lr"] = config["reptile_lr"]
    known = {field.name for field in fields(member.options_class)}
    if "n_inner_steps" in options and "n_inner_steps_test" in known:
        options["n_inner_steps_test"] = max(3, int(options["n_inner_steps"]))
    learner = make_learner(name, form, spec, options)
    recipe = member.recipe(form)
    if "way_factor" in config:
        recipe = replace(recipe, n_way=min(form.n_way * int(config["way_factor"]), form.n_base))
    share = recipe.n_way / form.n_way if member.ability.any_way else 1.0
    n_steps = max(1, round(n_episodes / (recipe.episodes_per_step * share))) if member.ability.trained else 0
    lr = float(config.get("lr", recipe.lr))
    return Setup(learner, replace(recipe, n_steps=n_steps, lr=lr), share)


def _spec_changes(config: Mapping[str, Any], member: type[FewShotLearner[Any]], form: Form) -> dict[str, Any]:
    changes: dict[str, Any] = {name: config[name] for name in ("width", "norm") if name in config}
    wanted = config.get("backbone", "mlp" if len(form.shape) != 3 else None)
    usual = member.usual_backbone(form).name
    if wanted is not None and not (wanted == "conv4" and usual == "conv4_maps"):
        changes["name"] = wanted
    return changes


def config_of(learner: FewShotLearner[Any], recipe: Recipe) -> Config:
    """The nearest configuration of the space: what a meta-training by hand is filed under in the base."""
    space, spec = space_for(learner.form), learner.spec
    options: Mapping[str, Any] = asdict(learner.options)
    found: dict[str, Any] = {key: options[key] for key in _OPTIONS if key in options}
    found |= {ALGORITHM: learner.name, "width": spec.width, "norm": spec.norm, "lr": recipe.lr}
    found["backbone"] = "conv4" if spec.name == "conv4_maps" else spec.name
    if learner.name == "reptile":
        found["reptile_lr"] = options["inner_lr"]
    found["way_factor"] = max(1, round(recipe.n_way / max(learner.form.n_way, 1)))
    known = {one.name for one in space.hyperparameters}
    return space.project({name: value for name, value in found.items() if name in known})


def dataset_id(tasks: str, classes: str, n_way: int, n_shot: int) -> str:
    """What the base calls few-shot tasks: the same classes, ways and shots have the same name everywhere.

    Args:
        tasks: Their name, or a path.
        classes: Their `fingerprint`, those to validate by among them.
        n_way: Classes of an episode.
        n_shot: Labelled items of each.
    """
    return f"few-shot {Path(tasks).name} {classes} {n_way}-way {n_shot}-shot"


def learn_curve(
    kb: KnowledgeBase,
    dataset: str,
    config: Config,
    curve: Sequence[tuple[float, float]],
    *,
    source: str = "own searches",
) -> None:
    """Add a meta-training to the base: one run per look, with the best accuracy so far and its share of the episodes.

    Args:
        kb: Where to.
        dataset: See `dataset_id`.
        config: Of the space.
        curve: Share of the episodes, and validation accuracy.
        source: Where it comes from.
    """
    best, rows = 0.0, []
    for share, accuracy in curve:
        best = max(best, accuracy)
        rows.append({**config, "value": best, "fidelity": share})
    if rows:
        kb.add_runs(dataset, SPACE, pd.DataFrame(rows), metric="accuracy", direction="maximize", source=source)
