"""``autometa fewshot``: train learners that learn from few examples, and see how well they do."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._base import JsonOption, cited, console, new_table, pair, print_json

if TYPE_CHECKING:
    from rich.console import Console

    from autometa.fewshot import ClassSet, FewShotLearner, Look

app = typer.Typer(help="Learn from few examples: train, evaluate and compare few-shot learners.", no_args_is_help=True)

TasksOption = Annotated[
    str,
    typer.Option(
        metavar="NAME|PATH",
        help="glyphs (no files needed), omniglot, mini-imagenet, tiered-imagenet, images, or the path of a folder "
        "or zip archive as alphabet/character/image.",
    ),
]
DataOption = Annotated[Path | None, typer.Option(metavar="PATH", help="Where the files of a named task lie.")]
RotationsOption = Annotated[bool, typer.Option(help="Whether classes turned by quarters are classes of their own.")]
DeviceOption = Annotated[str, typer.Option(help="auto (CUDA if there is any), cpu, cuda, ...")]
WayOption = Annotated[int, typer.Option("--n-way", help="Classes of an episode.")]
ShotOption = Annotated[int, typer.Option("--n-shot", help="Labelled items of each class.")]
LearnOption = Annotated[
    bool, typer.Option("--learn/--no-learn", help="Let the knowledge base keep the configuration and its curve.")
]
MlflowOption = Annotated[bool, typer.Option("--mlflow/--no-mlflow", help="Track in MLflow.")]
MlflowUriOption = Annotated[str | None, typer.Option(help="MLflow tracking URI. Default: your own SQLite store.")]
SeedOption = Annotated[int, typer.Option(help="Of everything that is random.")]


@app.command("list")
def list_learners(as_json: JsonOption = False) -> None:
    """Print what learners there are, and what each can do."""
    from autometa.fewshot import LEARNERS, shipped_learners

    trained = shipped_learners()
    if as_json:
        found = {
            entry.name: {
                "summary": entry.summary,
                "paper": entry.reference,
                **entry.tags,
                "shipped": entry.name in trained,
            }
            for entry in LEARNERS
        }
        print_json(found)
        return
    table = new_table("Few-shot learners", "name", "family", "order", "ways", "regr.", "paper", text=6)
    for column in table.columns:
        column.no_wrap = True
    for entry in LEARNERS:
        tags = entry.tags
        ways, regression = "any" if tags["any_way"] else "fixed", "yes" if tags["regression"] else ""
        table.add_row(entry.name, str(tags["family"]), str(tags["order"]), ways, regression, cited(entry.reference))
    console().print(table)
    console().print(f"Trained on Omniglot, for autometa fewshot eval NAME: {', '.join(trained) or 'none'}")


@app.command()
def train(
    algorithm: Annotated[str, typer.Argument(help="Its name in `autometa fewshot list`.")],
    tasks: TasksOption = "glyphs",
    data: DataOption = None,
    rotations: RotationsOption = False,
    n_way: WayOption = 5,
    n_shot: ShotOption = 1,
    steps: Annotated[int | None, typer.Option(help="Outer steps. Default: the paper's.")] = None,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="Ends the training; 0 is none.")] = 0.0,
    patience: Annotated[int, typer.Option(help="Validations without a better one that end it; 0 never does.")] = 20,
    validate_every: Annotated[int, typer.Option(help="Outer steps between validations.")] = 250,
    backbone: Annotated[str | None, typer.Option(help="conv4, conv4_maps, resnet12, mlp or pixels.")] = None,
    width: Annotated[int, typer.Option(help="Channels or units of a layer.")] = 64,
    norm: Annotated[
        str | None, typer.Option(help="Statistics of batch normalization: running, transductive, support or none.")
    ] = None,
    downsample: Annotated[str | None, typer.Option(help="How conv4 halves images: max or stride.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A hyperparameter of the algorithm; may be repeated.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Outer learning rate. Default: the paper's.")] = None,
    episodes_per_step: Annotated[
        int | None, typer.Option(min=1, help="Averaged in an outer step. Default: the paper's.")
    ] = None,
    train_way: Annotated[
        int | None, typer.Option(min=2, help="Classes of the training episodes. Default: the paper's.")
    ] = None,
    train_query: Annotated[
        int | None, typer.Option(min=1, help="Queries of each class in training. Default: the paper's.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Begin with a trained learner, or with its backbone; a shipped one by its name."
        ),
    ] = None,
    freeze_backbone: Annotated[
        bool, typer.Option(help="Train only what stands on the backbone of --start: much faster.")
    ] = False,
    device: DeviceOption = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU. Default: all.")] = None,
    mixed_precision: Annotated[bool, typer.Option(help="Compute in bfloat16: pays on GPUs and CPUs with AMX.")] = False,
    seed: SeedOption = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where it is kept. Default: fewshot-ALGORITHM."),
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with what lies in the folder.")] = False,
    learn: LearnOption = True,
    mlflow: MlflowOption = True,
    mlflow_uri: MlflowUriOption = None,
) -> None:
    """Meta-train a learner; the folder then holds its weights, its card and its curve.

    Ctrl-C or a kill loses at most the steps since the last checkpoint: go on with --resume. On several GPUs: torchrun
    --nproc-per-node 4 -m autometa fewshot train ...
    """
    import torch

    from autometa.cli._fewshot_record import Record
    from autometa.distributed import processes_here, started_first
    from autometa.fewshot import meta_train_by_name

    torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // processes_here()))
    first = started_first()
    folder = output or Path(f"fewshot-{algorithm}")
    shown = console()
    settings = {"algorithm": algorithm, "tasks": tasks, "episodes": f"{n_way}-way {n_shot}-shot", "seed": str(seed)}
    tracked = (mlflow_uri or True) if mlflow and first else False
    with Record(folder, settings, tracked, resume=resume) as record:

        def watch(look: "Look") -> None:
            _tell(shown, look)
            record.look(look)

        done = meta_train_by_name(
            algorithm,
            tasks,
            data,
            rotations=rotations,
            n_way=n_way,
            n_shot=n_shot,
            n_steps=steps,
            seconds=time_limit,
            patience=patience,
            validate_every=validate_every,
            backbone=backbone,
            width=width,
            norm=norm,
            downsample=downsample,
            options=dict(pair(one) for one in option or []),
            lr=lr,
            episodes_per_step=episodes_per_step,
            train_way=train_way,
            train_query=train_query,
            start=None if start is None else _folder(start),
            freeze_backbone=freeze_backbone,
            device=device,
            mixed_precision=mixed_precision,
            seed=seed,
            folder=folder,
            resume=resume,
            watch=watch,
        )
        if not first:
            return
        # What began with another learner would promise too much to searches, whose trainings begin with none.
        record.finish(done, learn=learn and start is None)
    for problem in record.problems:
        shown.print(f"note: {problem}", soft_wrap=True)
    shown.print(f"kept in {folder}; evaluate it: autometa fewshot eval {folder} --tasks {tasks}", soft_wrap=True)


@app.command("eval")
def evaluate(
    checkpoint: Annotated[str, typer.Argument(help="Folder of a training, or name of a shipped learner.")],
    tasks: TasksOption = "glyphs",
    data: DataOption = None,
    rotations: RotationsOption = False,
    n_way: WayOption = 5,
    n_shot: ShotOption = 1,
    n_query: Annotated[int, typer.Option("--n-query", help="Queries of each class.")] = 15,
    episodes: Annotated[int, typer.Option(help="Episodes.")] = 600,
    norm: Annotated[str | None, typer.Option(help="support or transductive; default: as in training.")] = None,
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Print the mean accuracy on unseen classes, with its 95 % interval."""
    from autometa.fewshot import UniformEpisodes, read_tasks
    from autometa.fewshot import evaluate as measure
    from autometa.metatraining import device_of

    where = device_of(device)
    learner = _load(checkpoint, where, norm)
    classes = _usable(read_tasks(tasks, data, **_look_of(learner), rotations=rotations), n_shot)
    n_query = min(n_query, int(classes.counts.min()) - n_shot)
    source = UniformEpisodes(classes.to(where), n_way, n_shot, n_query)
    found = measure(learner, source, n_episodes=episodes, seed=seed)
    if as_json:
        print_json({**found.as_dict(), "n_way": n_way, "n_shot": n_shot, "n_query": n_query, "tasks": tasks})
        return
    together = "queries predicted together" if found.transductive else "each query by itself"
    console().print(
        f"{learner.name} on {tasks}, {n_way}-way {n_shot}-shot: {found.accuracy:.2%} ± {found.ci95:.2%} "
        f"({episodes} episodes, norm {found.norm_mode}: {together})",
        soft_wrap=True,
    )


def _usable(classes: "ClassSet", n_shot: int) -> "ClassSet":
    """Classes that have an item to ask about beside the labelled ones."""
    kept = [i for i, count in enumerate(classes.counts.tolist()) if count > n_shot]
    return classes if len(kept) == len(classes) else classes.take(kept)


def _load(checkpoint: str, device: str, norm: str | None) -> "FewShotLearner[Any]":
    from autometa.fewshot import load_learner

    return load_learner(_folder(checkpoint), device=device, norm=norm)  # type: ignore[arg-type]


def _folder(checkpoint: str) -> Path:
    """Of a training, or of a shipped learner."""
    from autometa.fewshot import shipped_learner

    return Path(checkpoint) if Path(checkpoint).is_dir() else shipped_learner(checkpoint)


def _look_of(learner: "FewShotLearner[Any]") -> dict[str, int]:
    """Size and channels of the images that a learner takes."""
    shape = learner.form.shape
    return {"channels": shape[0], "size": shape[1]} if len(shape) == 3 else {}


def _tell(shown: "Console", look: "Look") -> None:
    done = f"step {look.step} of {look.n_steps}, {look.episodes} episodes, {look.seconds:.0f} s"
    score = f", validation {look.validation.accuracy:.2%} ± {look.validation.ci95:.2%}" if look.validation else ""
    shown.print(f"{done}: loss {look.loss:.4f}{score}{'  best' if look.best else ''}", soft_wrap=True)
