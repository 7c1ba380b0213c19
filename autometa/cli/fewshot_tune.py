"""``autometa fewshot tune``: search the zoo."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autometa.cli._base import JsonOption, console, new_table, print_json
from autometa.cli.fewshot import (
    DataOption,
    DeviceOption,
    LearnOption,
    MlflowOption,
    MlflowUriOption,
    RotationsOption,
    SeedOption,
    ShotOption,
    TasksOption,
    WayOption,
)

if TYPE_CHECKING:
    from rich.console import Console

    from autometa.search._fewshot_options import FewShotResult
    from autometa.search._listener import Listener


def tune(
    tasks: TasksOption = "glyphs",
    data: DataOption = None,
    rotations: RotationsOption = False,
    n_way: WayOption = 5,
    n_shot: ShotOption = 1,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for everything.")] = 600.0,
    trials: Annotated[int | None, typer.Option(help="Finished trials after which it ends; then no time limit.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", help="Trials at the same time; else one per core.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of the CPU, for each trial.")] = 1,
    episodes: Annotated[int, typer.Option(help="Training episodes of a whole trial.")] = 2000,
    warm_start: Annotated[str, typer.Option(help="auto: learn from past runs on other tasks; none: do not.")] = "auto",
    pruner: Annotated[str, typer.Option(help="hyperband, halving, median, transfer or none.")] = "hyperband",
    device: DeviceOption = "auto",
    seed: SeedOption = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Default: autometa_runs/fewshot-TIME.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the search in --output; options as they were.")] = False,
    learn: LearnOption = True,
    kb: Annotated[Path | None, typer.Option(metavar="PATH", help="Another knowledge base.")] = None,
    mlflow: MlflowOption = True,
    mlflow_uri: MlflowUriOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search learner, backbone and hyperparameters, starting from what worked on other tasks.

    Trials are stopped early by the episodes they have seen; the best learner is judged on classes no trial has seen.
    Ctrl-C once: finish with what there is; twice: stop.
    """
    from autometa.cli.main import BEGAN
    from autometa.knowledge import KnowledgeBase
    from autometa.search._fewshot_options import FewShotOptions
    from autometa.search._fewshot_run import tune_few_shot
    from autometa.tracking import NullTracker, open_tracker

    options = FewShotOptions(
        tasks=tasks,
        data=None if data is None else str(data),
        rotations=rotations,
        n_way=n_way,
        n_shot=n_shot,
        time_limit=time_limit if trials is None or time_limit != 600.0 else None,
        trials=trials,
        jobs=jobs or max(1, (os.cpu_count() or 1) // threads),
        threads=threads,
        n_episodes=episodes,
        warm_start=warm_start,
        pruner=pruner,
        seed=seed,
        device=device,
        learn=learn,
    )
    folder = output or Path("autometa_runs") / f"fewshot-{datetime.now():%Y%m%d-%H%M%S}"
    shown = console()
    found = tune_few_shot(
        options,
        folder,
        kb=None if kb is None else KnowledgeBase(kb),
        listener=None if as_json else _display(shown),
        tracker=NullTracker() if not mlflow else open_tracker(mlflow_uri),
        resume=resume,
        began=BEGAN,
    )
    if as_json:
        print_json({**found.evaluation.as_dict(), "config": dict(found.best.config), "learner": str(found.learner)})
        return
    _show(shown, found, tasks)


def _display(shown: "Console") -> "Listener":
    from autometa.cli._progress import LiveProgress, PlainProgress
    from autometa.records import SearchInfo

    def headline(info: SearchInfo) -> str:
        told = info.settings
        return f"{info.dataset_name}: {told['episodes']}, classes {told['classes']}, time limit {told['time limit']}"

    return LiveProgress(shown, headline) if shown.is_terminal else PlainProgress(shown, headline)


def _show(shown: "Console", found: "FewShotResult", tasks: str) -> None:
    table = new_table("Leaderboard (validation accuracy)", "rank", "trial", "algorithm", "accuracy", "from", "seconds")
    for row in found.leaderboard[found.leaderboard["status"] == "complete"].head(10).to_dict("records"):
        origin = row["strategy"] if not isinstance(row["dataset"], str) else f"{row['strategy']}: {row['dataset']}"
        cells = (row["rank"], row["trial"], row["candidate"], f"{row['score']:.2%}", origin, f"{row['seconds']:.1f}")
        table.add_row(*map(str, cells))
    shown.print(table)
    best = found.evaluation
    config = ", ".join(f"{name}={value}" for name, value in found.best.config.items())
    lines = (
        f"Best: {config}",
        f"On classes that no trial has seen: {best.accuracy:.2%} ± {best.ci95:.2%} ({best.n_episodes} episodes)",
        f"Everything lies in {found.folder}: model/, leaderboard.csv, study.journal, autometa.log",
        f"Use it: autometa fewshot eval {found.learner} --tasks {tasks}",
    )
    for line in lines:
        shown.print(line, markup=False, highlight=False, soft_wrap=True)
