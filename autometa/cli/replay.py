"""``autometa replay``: run a search's trials again and compare."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from autometa.search._replay import Replayed


def replay(
    folder: Annotated[Path, typer.Argument(help="The search's output folder.", show_default=False)],
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Trials at the same time.")] = 1,
) -> None:
    """Evaluate every finished trial of a search again and say whether the values are the same, bit for bit.

    Ends with code 1 if one differs. Trials that were cut off have no value and are only listed.
    """
    from autometa.search._replay import Replay

    search = Replay(folder)
    for change in search.changes():
        typer.secho(f"Warning: {change}", fg="yellow", err=True)
    compared = different = 0
    for replayed in search.run(jobs=jobs):
        typer.echo(_line(replayed))
        compared += replayed.identical is not None
        different += replayed.identical is False
    typer.echo(f"{compared} of {len(search)} trials replayed, {compared - different} identical, {different} different")
    sys.exit(1 if different else 0)


def _line(replayed: "Replayed") -> str:
    report = replayed.report
    verdict = {True: "identical", False: "DIFFERENT", None: "not replayed"}[replayed.identical]
    value = "" if report.value is None else f"{report.value:.17g}"
    line = f"trial {report.number:3d}  {report.candidate:<22} {verdict:<12} {value}"
    if replayed.identical is False and replayed.scores:
        line += f"  now {sum(replayed.scores) / len(replayed.scores):.17g}"
    return f"{line}  {replayed.reason}".rstrip()
