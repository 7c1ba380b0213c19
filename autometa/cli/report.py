"""``autometa report``: write a search's page again."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="The output folder of a finished search.", show_default=False)],
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write report.html of a finished search anew, and say where it is."""
    from autometa.search._reporting import rewrite

    page = rewrite(folder)
    typer.echo(f"Report: {page}")
    if show:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
