"""Composes the commands; what they do lies in one file each."""

import os
import sys
import time
from typing import Annotated

BEGAN = time.monotonic()  # a time limit counts from here, imports included

import typer  # noqa: E402

from autometa.cli import (  # noqa: E402
    export,
    fewshot,
    fewshot_tune,
    kb,
    optimizers,
    predict,
    recommend,
    replay,
    report,
    tune,
    ui,
)
from autometa.config import limit_threads, silence_telemetry  # noqa: E402
from autometa.errors import AutometaError, InputError  # noqa: E402

app = typer.Typer(
    name="autometa",
    help="AutoML that remembers: searches start from what worked on other datasets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("tune")(tune.tune)
app.command("recommend")(recommend.recommend)
app.command("predict")(predict.predict)
app.command("export")(export.export)
app.command("report")(report.report)
app.command("replay")(replay.replay)
app.command("ui")(ui.ui)
app.add_typer(kb.app, name="kb")
fewshot.app.command("tune")(fewshot_tune.tune)
app.add_typer(fewshot.app, name="fewshot")
app.add_typer(optimizers.app, name="optimizers")


def _version(asked: bool) -> None:
    if asked:
        from autometa import __version__

        typer.echo(f"autometa {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """AutoML that remembers: searches start from what worked on other datasets."""


def main() -> None:
    """Run a command; bad input ends with code 2 and one clear message, never with a traceback."""
    limit_threads()
    silence_telemetry()
    try:
        app()
    except AutometaError as error:
        typer.secho(f"Error: {error}", fg=typer.colors.RED, err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except BrokenPipeError:
        # The reader of our output, such as `head`, has gone; that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        typer.secho(f"Error: {error}. What was finished before is kept.", fg=typer.colors.RED, err=True)
        sys.exit(1)
    except (KeyboardInterrupt, SystemExit) as end:
        code = 130 if isinstance(end, KeyboardInterrupt) else end.code  # Typer makes an exit code of Ctrl-C itself
        if code == 130:
            again = "a search by autometa tune --resume FOLDER, a training by its own command with --resume"
            typer.echo(f"Stopped. What had begun goes on: {again}.", err=True)
        sys.exit(code)


if __name__ == "__main__":
    main()
