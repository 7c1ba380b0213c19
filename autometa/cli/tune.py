"""``autometa tune``: from a table to a trained model."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from autometa.api import TuneResult


class Task(StrEnum):
    """What is predicted."""

    binary = "binary"
    multiclass = "multiclass"
    regression = "regression"


class ClassWeight(StrEnum):
    """Whether fits give every class the same weight."""

    auto = "auto"
    balanced = "balanced"
    none = "none"


_BUDGET = "Budget"
_JUDGE = "How models are judged"
_DATA = "Table"
_SEARCH = "Search"
_OUTPUT = "Output"


def tune(
    table: Annotated[
        Path | None,
        typer.Argument(
            help="CSV, TSV, Parquet or ARFF, compressed or not; or openml:31. Not needed with --resume.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Column to predict; else one called target, class, label or y, else the last.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None,
    task: Annotated[Task | None, typer.Option(help="Else inferred.", rich_help_panel=_DATA, show_default=False)] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(help="Column not to learn from; may be repeated.", rich_help_panel=_DATA, show_default=False),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(
            help="Column that says how much a row counts; not learned from.", rich_help_panel=_DATA, show_default=False
        ),
    ] = None,
    cv: Annotated[
        str, typer.Option(help="Folds such as 5, repeated folds 5x3, holdout or holdout:0.3.", rich_help_panel=_JUDGE)
    ] = "5",
    group: Annotated[
        str | None,
        typer.Option(
            help="Column of groups that are never split, such as patients; not learned from.",
            rich_help_panel=_JUDGE,
            show_default=False,
        ),
    ] = None,
    time_column: Annotated[
        str | None,
        typer.Option(
            help="Column that orders rows in time: judge on later rows.", rich_help_panel=_JUDGE, show_default=False
        ),
    ] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            help="Table that the search never sees, to score the model on.", rich_help_panel=_JUDGE, show_default=False
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            help="Seconds for everything, refit included; 300 if --trials is not given either.",
            rich_help_panel=_BUDGET,
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(help="End after this many trials.", rich_help_panel=_BUDGET, show_default=False)
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            help="Trials at the same time; else one per core.",
            rich_help_panel=_BUDGET,
            show_default=False,
        ),
    ] = None,
    memory_limit: Annotated[
        int | None,
        typer.Option(
            help="Megabytes for one trial; else what is free, shared out.", rich_help_panel=_BUDGET, show_default=False
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="Any scikit-learn scorer; else roc_auc, log_loss or rmse by task.",
            rich_help_panel=_JUDGE,
            show_default=False,
        ),
    ] = None,
    class_weight: Annotated[
        ClassWeight, typer.Option(help="Whether fits give every class the same weight.", rich_help_panel=_SEARCH)
    ] = ClassWeight.auto,
    seed: Annotated[int, typer.Option(help="Of everything that is random.", rich_help_panel=_SEARCH)] = 0,
    warm_start: Annotated[
        str, typer.Option(help="auto, another warm starter's name, or none.", rich_help_panel=_SEARCH)
    ] = "auto",
    sampler: Annotated[
        str,
        typer.Option(help="auto, transfer, rgpe, deep_kernel, tpe or random.", rich_help_panel=_SEARCH),
    ] = "auto",
    exclude_dataset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Dataset of the knowledge base that may not advise, nor copies of it; may be repeated.",
            rich_help_panel=_SEARCH,
            show_default=False,
        ),
    ] = None,
    candidates: Annotated[
        str | None,
        typer.Option(help="Comma-separated; else every installed one.", rich_help_panel=_SEARCH, show_default=False),
    ] = None,
    kb: Annotated[
        str | None,
        typer.Option(
            help="Knowledge base: folder or URL; else the shipped one and your own runs.",
            rich_help_panel=_SEARCH,
            show_default=False,
        ),
    ] = None,
    learn: Annotated[
        bool,
        typer.Option(
            "--learn/--no-learn", help="Let the knowledge base keep configurations and scores.", rich_help_panel=_SEARCH
        ),
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Folder; else autometa_runs/NAME-TIME.", rich_help_panel=_OUTPUT, show_default=False
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Continue the search in this folder; --time-limit and --trials are then new totals.",
            rich_help_panel=_OUTPUT,
            show_default=False,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Optuna storage URL; else a journal in the output folder.", rich_help_panel=_OUTPUT, show_default=False
        ),
    ] = None,
    study_name: Annotated[
        str | None,
        typer.Option(
            help="Name of the study in that storage; else the folder's.", rich_help_panel=_OUTPUT, show_default=False
        ),
    ] = None,
    mlflow_uri: Annotated[
        str | None,
        typer.Option(
            help="MLflow tracking URI; else your own SQLite store.", rich_help_panel=_OUTPUT, show_default=False
        ),
    ] = None,
    mlflow: Annotated[
        bool, typer.Option("--mlflow/--no-mlflow", help="Track in MLflow.", rich_help_panel=_OUTPUT)
    ] = True,
) -> None:
    """Search for the best model of a table, starting from what worked on other tables.

    Prints a leaderboard and says where the trained model lies. Ctrl-C once: finish with what there is; twice: stop.
    """
    from rich.console import Console

    from autometa import api
    from autometa.cli import main
    from autometa.cli._progress import show
    from autometa.knowledge import KnowledgeBase

    console = Console() if sys.stdout.isatty() else Console(width=120)
    result = api.tune(
        table,
        target=target,
        task=None if task is None else task.value,
        metric=metric,
        time_limit=time_limit,
        trials=trials,
        jobs=jobs,
        memory_limit=memory_limit,
        seed=seed,
        cv=cv,
        group=group,
        time_column=time_column,
        weight=weight,
        class_weight=class_weight.value,
        ignore=ignore or (),
        test=test,
        warm_start=warm_start,
        sampler=sampler,
        exclude_datasets=exclude_dataset or (),
        candidates=None if candidates is None else [name.strip() for name in candidates.split(",")],
        learn=learn,
        output=output,
        resume=resume,
        storage=storage,
        study_name=study_name,
        kb=None if kb is None else KnowledgeBase(kb),
        mlflow=mlflow_uri or mlflow if mlflow else False,
        listeners=[show(console)],
        began=main.BEGAN,
    )
    summarise(result, console)


def summarise(result: "TuneResult", console: "Console") -> None:
    """Print the leaderboard, the model's score and where everything lies."""
    import pandas as pd
    from rich.table import Table
    from rich.text import Text

    metric = result.metric.name
    table = Table(title=f"Leaderboard ({metric}, {result.info.settings['splits']})", title_justify="left")
    for title in ("rank", "trial", "candidate", metric, "±", "weight", "from", "seconds"):
        wide = title in ("candidate", "from")
        table.add_column(title, justify="left" if wide else "right", overflow="fold", no_wrap=title != "from")
    origins = {report.number: str(report.origin) for report in result.trials}
    done = result.leaderboard[result.leaderboard["status"] == "complete"]
    for row in done.head(10).to_dict("records"):
        cells = (
            str(row["rank"]),
            str(row["trial"]),
            str(row["candidate"]),
            f"{row['score']:.5g}",
            "" if pd.isna(row["score_std"]) else f"{row['score_std']:.2g}",
            f"{row['weight']:.2f}" if row["weight"] else "",
            origins[row["trial"]],
            f"{row['seconds']:.1f}",
        )
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    members = f"{len(result.weights)} member{'s' if len(result.weights) > 1 else ''}"
    lines = [
        f"{len(result.leaderboard)} trials, {len(done)} finished, in {result.seconds:.1f} s",
        f"Model of {members}: {metric} {result.score:.5g} in cross-validation"
        + (f" ({result.honest_score:.5g} with the ensemble chosen anew for each split)" if result.honest_score else ""),
        *([] if result.test_score is None else [f"On the test table: {metric} {result.test_score:.5g}"]),
        f"Everything lies in {result.folder}: model/, leaderboard.csv, study.journal, autometa.log",
        *([f"Report: {result.report}"] if result.report.is_file() else []),
        f"Predict: autometa predict {result.folder} NEW_TABLE.csv",
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
