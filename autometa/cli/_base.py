"""What commands share: options and how they are read, the base they open, and how they print."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.errors import OptionError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from autometa.knowledge import KnowledgeBase

KbOption = Annotated[
    str | None,
    typer.Option("--kb", metavar="PATH", help="Folder or URL. Default: the shipped base and your own over it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def open_base(path: str | None, *, read_only: bool = False) -> "KnowledgeBase":
    """The base at a path; else the shipped one and the user's own over it, which takes what is added."""
    from autometa.knowledge import KnowledgeBase

    return KnowledgeBase.open_default() if path is None else KnowledgeBase(path, read_only=read_only)


def console() -> "Console":
    """Standard output."""
    from rich.console import Console

    return Console(highlight=False)


def new_table(title: str, *columns: str, text: int = 1) -> "Table":
    """A table whose first ``text`` columns are text and whose other columns are figures; one called source is text."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1))
    for position, column in enumerate(columns):
        if position < text or column == "source":
            table.add_column(column, overflow="fold")
        else:
            table.add_column(column, justify="right", no_wrap=True)
    return table


def print_json(content: object) -> None:
    """Print what ``--json`` asks for."""
    typer.echo(json.dumps(content, indent=2))


def pair(text: str) -> tuple[str, Any]:
    """``name=value``, the value as JSON where it is any."""
    name, found, value = text.partition("=")
    if not found:
        raise OptionError(f"A hyperparameter is passed as NAME=VALUE, but got {text!r}.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def cited(paper: str) -> str:
    """First author and year."""
    authors, _, rest = paper.partition(" (")
    return f"{authors.removesuffix(' et al.').split(',')[0]} {rest[:4]}"
