"""Meta-training for one table of which few rows are labelled: STUNT, and tasks of labelled rows beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from autometa.errors import OptionError
from autometa.fewshot._base import FewShotLearner, Recipe
from autometa.fewshot._classes import ClassSet
from autometa.fewshot._episodes import Support
from autometa.fewshot._mixtures import MixedEpisodes, TableEpisodes
from autometa.fewshot._sampling import EpisodeSource, UniformEpisodes
from autometa.fewshot._stunt import StuntEpisodes, kmeans
from autometa.fewshot._training import Training, TrainOptions, meta_train
from autometa.metatraining import generator_of

_HELD_OUT = 0.2
_FEWEST_HELD_OUT = 20
_LOOK_EVERY = 50
_LOOK_EPISODES = 50
_LOOK_QUERIES = 30
_ROWS_OF_CLUSTER = 2
_ENOUGH_LABELS = 8
_SPLITS = 20
_TEMPERATURES = 61


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTraining:
    """How a learner is meta-trained for a table.

    Attributes:
        n_way: Pseudo-classes of a STUNT task; learners with a fixed number of classes take that of the labels.
        n_shot: Labelled rows of each class of a task.
        n_query: Queries of each.
        n_steps: Most outer steps.
        tasks_per_step: Tasks whose losses are averaged.
        lr: Of Adam, constant.
        own_share: How often a task made of the table is made of its labelled rows, in [0, 1].
        others_share: How often tasks are made of other tables, in [0, 1].
        patience: Looks, one every 50 steps, without a better one that end it; 0 never does.
        seconds: Time limit; 0 is none.
        seed: Of everything that is random.
    """

    n_way: int = 10
    n_shot: int = 1
    n_query: int = 15
    n_steps: int = 1000
    tasks_per_step: int = 4
    lr: float = 1e-3
    own_share: float = 0.0
    others_share: float = 0.0
    patience: int = 4
    seconds: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Shares must be shares."""
        if not (0 <= self.own_share <= 1 and 0 <= self.others_share <= 1):
            raise OptionError(
                f"own_share and others_share lie in [0, 1], but got {self.own_share} and {self.others_share}."
            )


@dataclass(frozen=True, slots=True)
class TableTrained:
    """What a meta-training for a table did.

    Attributes:
        training: Steps, looks, and why it ended; None where no task could be made.
        sources: What tasks were made of: some of ``stunt``, ``own``, ``others``.
    """

    training: Training | None
    sources: tuple[str, ...]


def meta_train_for_table(
    learner: FewShotLearner[Any],
    support: Support,
    unlabelled: Tensor,
    options: TableTraining,
    *,
    others: Sequence[ClassSet] = (),
) -> TableTrained:
    """Train a learner in place on tasks made of a table.

    Nam et al. (2023), STUNT, sec. 3.2 and 3.3: tasks are k-means clusters of some columns, to be told from the others;
    the weights that are kept are those that best tell clusters of held-out rows over all columns; or, where tasks are
    made of labelled rows too and every class has eight, those that best tell a quarter of these which no task has.
    Where rows are too few for tasks of the asked form, queries and clusters become fewer; where there are none at all
    the learner stays as it is.

    Args:
        learner: On its device.
        support: The labelled rows, one episode.
        unlabelled: More rows of the table, float32, shape (n, n_columns).
        options: See `TableTraining`.
        others: Other tables, labelled.
    """
    generator = generator_of(options.seed)
    pool = torch.cat([support.x[0], unlabelled.to(support.x.device)])
    held_out, practice = _divided(pool, len(support.x[0]), generator)
    own, judges = _own_classes(support, generator) if options.own_share > 0 else (None, None)
    sources = _sources(learner, support.n_way, practice, own, options, others)
    if not sources or not options.n_steps or not learner.ability.trained:
        return TableTrained(None, tuple(sources))
    recipe = Recipe(
        n_way=support.n_way,
        n_shot=options.n_shot,
        n_query=options.n_query,
        episodes_per_step=options.tasks_per_step,
        n_steps=options.n_steps,
        lr=options.lr,
        schedule="constant",
        clip=learner.recipe(learner.form).clip,
        clip_value=learner.recipe(learner.form).clip_value,
    )
    settings = TrainOptions(
        recipe=recipe,
        seed=options.seed,
        validate_every=_LOOK_EVERY,
        n_validation=_LOOK_EPISODES,
        patience=options.patience,
        seconds=options.seconds,
    )
    mixed = MixedEpisodes([source for source, _ in sources.values()], [share for _, share in sources.values()])
    if judges is None:
        judges = _clusters(held_out, support.n_way, options.n_shot, generator)
    validation = None if judges is None else _episodes_of(learner, judges, options.n_shot, _LOOK_QUERIES)
    return TableTrained(meta_train(learner, mixed, settings, validation=validation), tuple(sources))


def _divided(pool: Tensor, n_labelled: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows to look at, and rows to make tasks of: a fifth of the unlabelled ones are held out, if these are enough."""
    n_held_out = int(_HELD_OUT * (len(pool) - n_labelled))
    if n_held_out < _FEWEST_HELD_OUT:
        return pool[:0], pool
    order = n_labelled + torch.randperm(len(pool) - n_labelled, generator=generator).to(pool.device)
    rest = torch.cat([torch.arange(n_labelled, device=pool.device), order[n_held_out:]])
    return pool[order[:n_held_out]], pool[rest]


def _own_classes(support: Support, generator: torch.Generator) -> tuple[ClassSet, ClassSet | None]:
    """Labelled rows to make tasks of, and some to look at, if every class has enough."""
    parts, kept_out = [], []
    enough = int(torch.bincount(support.y[0]).min()) >= _ENOUGH_LABELS
    for way in range(support.n_way):
        rows = support.x[0][support.y[0] == way]
        rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
        n = len(rows) // 4 if enough else 0
        parts.append((str(way), "", rows[n:]))
        kept_out.append((str(way), "", rows[:n]))
    return ClassSet.of(parts), ClassSet.of(kept_out) if enough else None


def _sources(
    learner: FewShotLearner[Any],
    n_way: int,
    practice: Tensor,
    own: ClassSet | None,
    options: TableTraining,
    others: Sequence[ClassSet],
) -> dict[str, tuple[EpisodeSource, float]]:
    """What tasks are made of, by name, each with its share."""
    fixed = not learner.ability.any_way
    found: dict[str, tuple[EpisodeSource, float]] = {}
    stunt, labelled = ((1.0 - options.others_share) * share for share in (1.0 - options.own_share, options.own_share))
    most = n_way if fixed else options.n_way
    n_clusters = min(most, len(practice) // (_ROWS_OF_CLUSTER * (options.n_shot + 1)))
    if stunt > 0 and n_clusters >= (n_way if fixed else 2):
        # Clusters differ in size: on average they must have twice the rows that a task takes of each.
        room = len(practice) // (_ROWS_OF_CLUSTER * n_clusters) - options.n_shot
        n_query = max(1, min(options.n_query, room))
        found["stunt"] = StuntEpisodes(practice, n_clusters, options.n_shot, n_query), stunt
    episodes = None if own is None else _episodes_of(learner, own, options.n_shot, options.n_query)
    if episodes is not None and labelled > 0:
        found["own"] = episodes, labelled
    if options.others_share > 0 and others:
        n_ways = n_way if fixed else options.n_way
        theirs = TableEpisodes(others, practice.shape[1], n_ways, options.n_shot, options.n_query, same_way=fixed)
        found["others"] = theirs, options.others_share
    return found


def _clusters(rows: Tensor, n_way: int, n_shot: int, generator: torch.Generator) -> ClassSet | None:
    """Clusters of held-out rows over all columns, as many as there are classes."""
    if len(rows) < n_way * 2 * (n_shot + 1):
        return None
    labels = kmeans(rows, n_way, generator)
    return ClassSet.of([(str(way), "", rows[labels == way]) for way in range(n_way)])


def _episodes_of(learner: FewShotLearner[Any], classes: ClassSet, n_shot: int, n_query: int) -> UniformEpisodes | None:
    """Episodes of the classes that have two rows or more, with fewer shots and queries where rows are few."""
    large = (classes.counts > 1).nonzero().flatten().tolist()
    if len(large) < (2 if learner.ability.any_way else len(classes)):
        return None
    chosen = classes.take(large)
    least = int(chosen.counts.min())
    shots = min(n_shot, least - 1)
    return UniformEpisodes(chosen, len(chosen), shots, min(n_query, least - shots))


@torch.no_grad()
def fitting_temperature(learner: FewShotLearner[Any], support: Support, *, seed: int) -> float:
    """What logits are divided by, so that probabilities suit labelled rows that were left out.

    Guo, Pleiss, Sun, Weinberger (2017), *On Calibration of Modern Neural Networks*, ICML, sec. 4.2: the temperature of
    least cross-entropy, here over 20 random halves of the support's classes, each half predicted from the other.
    Targets are smoothed as in Platt (1999), *Probabilistic Outputs for Support Vector Machines*, sec. 2.2: a few rows
    that are all told right are no proof of certainty. It stays 1 where no class has two rows.

    Args:
        learner: Trained, in evaluation mode.
        support: The labelled rows, one episode.
        seed: Of the halves.
    """
    generator = generator_of(seed, 1)
    logits, wanted = [], []
    for _ in range(_SPLITS):
        kept, left = _halves(support, generator)
        if not len(left):
            return 1.0
        part = Support(support.x[:, kept], support.y[:, kept], support.n_way)
        logits.append(learner.adapt(part)(support.x[:, left])[0])
        wanted.append(support.y[0, left])
    scores, labels = torch.cat(logits), torch.cat(wanted)
    scale = float(scores.std()) or 1.0
    temperatures = scale * torch.logspace(-3, 3, _TEMPERATURES)
    doubt = 1.0 / (len(wanted[0]) + 2)
    losses = torch.stack([F.cross_entropy(scores / float(one), labels, label_smoothing=doubt) for one in temperatures])
    return float(temperatures[int(losses.argmin())])


def _halves(support: Support, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Positions to learn from and to predict: half of each class, rounded up, and the other half."""
    kept, left = [], []
    for way in range(support.n_way):
        rows = (support.y[0] == way).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
        half = (len(rows) + 1) // 2
        kept.append(rows[:half])
        left.append(rows[half:])
    return torch.cat(kept), torch.cat(left)
