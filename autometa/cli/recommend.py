"""``autometa recommend``: what to try first on a table, and why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autometa.cli._base import JsonOption, KbOption, console, new_table, open_base, print_json
from autometa.cli.tune import Task

if TYPE_CHECKING:
    from autometa.records import Suggestion


def recommend(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, TSV, Parquet or ARFF, compressed or not.")],
    target: Annotated[str | None, typer.Option(help="Column to predict; else as autometa tune takes it.")] = None,
    task: Annotated[Task | None, typer.Option(help="Else inferred.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many configurations.")] = 5,
    metric: Annotated[str | None, typer.Option(help="Any scikit-learn scorer; else the task's default.")] = None,
    space: Annotated[str, typer.Option(help="Name of a shipped space, or a YAML file.")] = "tabular",
    warm_start: Annotated[str, typer.Option(help="Name of a warm starter.")] = "auto",
    exclude_dataset: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Dataset of the base that may not advise, nor copies of it; may be repeated."),
    ] = None,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which configurations to try first on a table, and which datasets they worked on; nothing is trained.

    What the knowledge base has of the table itself advises nothing.
    """
    from autometa.config import limit_threads

    limit_threads()
    from autometa.datasets import read_dataset
    from autometa.studies import recommend as recommended

    dataset = read_dataset(table, target=target, task=None if task is None else task.value)
    base = open_base(kb, read_only=True)
    hidden = {one for name in exclude_dataset or () for one in base.family(name)}
    found = recommended(
        space, n, dataset=dataset, kb=base.without(*hidden), metric=metric, warm_start=warm_start, seed=0
    )
    if as_json:
        print_json([_plain(one) for one in found])
        return
    if not found:
        console().print(f"The knowledge base knows nothing of {space} for a {dataset.task} task.")
        return
    shown = new_table(f"What to try first on {dataset.name}", "#", "configuration", "because", text=3)
    for rank, one in enumerate(found, start=1):
        shown.add_row(str(rank), _config(one), one.origin.reason)
    console().print(shown)


def _config(suggestion: "Suggestion") -> str:
    """The configuration for people: what is chosen first, then its hyperparameters without the choice's name."""
    from rich.markup import escape

    config = dict(suggestion.config)
    choice = str(config.pop("candidate", ""))
    lines = [f"[bold]{escape(choice)}[/bold]"] if choice else []
    for name, value in config.items():
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        lines.append(escape(f"{name.removeprefix(f'{choice}.')} = {shown}"))
    return "\n".join(lines)


def _plain(suggestion: "Suggestion") -> dict[str, object]:
    from dataclasses import asdict

    return {"config": dict(suggestion.config), "origin": asdict(suggestion.origin)}
