"""``autometa kb sync``: fetch what others have measured."""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Self

import typer

from autometa.cli._base import JsonOption, console, new_table, open_base, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from autometa.ingest import OpenMLReport, SyncProgress

_REASONS_SHOWN = 25
_EVERY = 20


def openml(
    suite: Annotated[
        str | None, typer.Option(metavar="NAME", help="A benchmark suite's id or alias, such as OpenML-CC18.")
    ] = None,
    tasks: Annotated[list[int] | None, typer.Option("--tasks", metavar="ID", help="A task; may repeat.")] = None,
    flows: Annotated[
        list[int] | None, typer.Option("--flows", metavar="ID", help="Only runs of this flow; may repeat.")
    ] = None,
    max_runs: Annotated[
        int | None, typer.Option(metavar="N", help="At most N runs of each task and measure, the oldest first.")
    ] = None,
    kb: Annotated[
        str | None, typer.Option("--kb", metavar="PATH", help="Folder or URL. Default: your own base.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for what was fetched. Default: openml in autometa's data folder.")
    ] = None,
    interval: Annotated[float, typer.Option(min=0.0, metavar="S", help="Seconds between requests, at least.")] = 0.5,
    timeout: Annotated[float, typer.Option(min=0.1, metavar="S", help="Seconds to wait for an answer.")] = 60.0,
    server: Annotated[
        str, typer.Option(metavar="URL", help="Address of the API.")
    ] = "https://www.openml.org/api/v1/xml",
    as_json: JsonOption = False,
) -> None:
    """Add datasets and runs from OpenML.

    Stop it whenever you like: called again, it goes on where it stopped. Later calls fetch only what is new.
    """
    from autometa.ingest import Patience, sync_openml

    base = open_base(kb)
    try:
        with _Syncing(console(), quiet=as_json) as shown:
            report = sync_openml(
                base,
                suite=int(suite) if suite is not None and suite.isdigit() else suite,
                tasks=tasks or (),
                flows=flows or (),
                max_runs=max_runs,
                cache=cache,
                patience=Patience(interval=interval, timeout=timeout),
                on_progress=shown.progress,
                on_note=shown.note,
                server=server,
            )
    except KeyboardInterrupt:
        typer.echo("Stopped. What was fetched is kept: the same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(report.to_json())
    else:
        _print_report(console(), report)


class _Syncing:
    """A bar in a terminal; elsewhere a line now and then. Notes go to standard error."""

    def __init__(self, console: "Console", *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._console = console
        self._errors = Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._bar = Progress(*columns, console=console, disable=quiet or not console.is_terminal)
        self._row: TaskID | None = None
        self._calls = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """A retry, or a task that is left out."""
        self._errors.print(text, soft_wrap=True, markup=False)

    def progress(self, now: "SyncProgress") -> None:
        """One more page or task."""
        said = f"task {now.task_id}, {now.evaluations} evaluations fetched, {now.added} runs added"
        if self._row is None:
            self._row = self._bar.add_task(said, total=now.total)
        self._bar.update(self._row, completed=now.number, total=now.total, description=said)
        self._calls += 1
        if not self._quiet and not self._console.is_terminal and self._calls % _EVERY == 1:
            self._console.print(f"{now.number} of {now.total}: {said}", soft_wrap=True)


def _print_report(console: "Console", report: "OpenMLReport") -> None:
    console.print(
        f"OpenML: added {report.added_datasets} datasets and {report.added_runs} runs; {report.tasks} tasks, "
        f"{report.requests} requests, {report.retries} of them again",
        soft_wrap=True,
    )
    runs = report.runs
    table = new_table("Evaluations", "", "count")
    for name, count in (
        ("mapped as they are", runs.mapped),
        ("projected", runs.projected),
        ("not mapped", runs.dropped),
        ("saying the same as another", report.repeated),
    ):
        table.add_row(name, str(count))
    console.print(table)
    if report.changes:
        table = new_table("Changes to projected runs", "", "count")
        for name, count in report.changes.items():
            table.add_row(name, str(count))
        console.print(table)
    _print_unmapped(console, report)
    for task_id, reason in report.skipped_tasks.items():
        console.print(f"task {task_id} left out: {reason}", soft_wrap=True, markup=False)


def _print_unmapped(console: "Console", report: "OpenMLReport") -> None:
    rows = [(flow, reason, count) for flow, reasons in report.unmapped.items() for reason, count in reasons.items()]
    if not rows:
        return
    table = new_table("Not mapped", "flow", "reason", "count", text=2)
    table.columns[0].ratio, table.columns[1].ratio = 3, 2
    for flow, reason, count in rows[:_REASONS_SHOWN]:
        table.add_row(flow, reason, str(count))
    console.print(table)
    if len(rows) > _REASONS_SHOWN:
        console.print(f"and {len(rows) - _REASONS_SHOWN} more; --json lists all", soft_wrap=True)
