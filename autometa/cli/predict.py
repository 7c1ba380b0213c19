"""``autometa predict``: apply a saved model to a table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from autometa.datasets import Table
    from autometa.model import Model


def predict(
    model: Annotated[
        Path, typer.Argument(help="Model folder, or the search folder that holds one.", show_default=False)
    ],
    table: Annotated[Path, typer.Argument(help="Table to predict: CSV, TSV, Parquet, ARFF.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write here (.csv or .parquet) instead of the screen.", show_default=False),
    ] = None,
) -> None:
    """Predict every row of a table, with probabilities for classes: one line for each row, in the table's order.

    In CSV, labels that a spreadsheet would run as a formula (=..., +..., -..., @...) get a leading apostrophe; Parquet
    holds them as they are.
    """
    from autometa.datasets import read_table
    from autometa.errors import OptionError
    from autometa.model import Model

    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise OptionError(f"--output must end in .csv or .parquet, got {output.name!r}.")
    loaded = Model.load(model)
    rows = read_table(table, words=loaded.schema.words)
    _check_blank_lines(rows, table)
    predictions = _predictions(loaded, rows.frame)
    for note in rows.notes:
        if not (note.startswith("Delimiter ") and note.endswith("decimal mark '.'.")):
            typer.echo(f"note: {note}", err=True)
    _write(predictions, output)


def _check_blank_lines(rows: "Table", file: Path) -> None:
    from autometa.errors import TableError

    if rows.blank_lines:
        more = f" ({len(rows.blank_lines)} such lines in all)" if len(rows.blank_lines) > 1 else ""
        raise TableError(
            f"Each row of {file.name} gets one prediction, but line {rows.blank_lines[0]} between two rows is blank"
            f"{more}. Remove it, or write the delimiters if it is a row without values."
        )


def _predictions(model: "Model", rows: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    if model.task == "regression":
        return pd.DataFrame({"prediction": model.predict(rows)})
    probabilities = model.predict_proba(rows)
    columns = {f"probability_{label}": probabilities[:, k] for k, label in enumerate(model.classes)}
    return pd.DataFrame({"prediction": model.schema.decode_target(probabilities.argmax(axis=1)), **columns})


def _write(predictions: "pd.DataFrame", output: Path | None) -> None:
    import sys

    from autometa.datasets import safe_cells
    from autometa.errors import OptionError

    if output is None:
        safe_cells(predictions).to_csv(sys.stdout, index=False)
        return
    try:
        if output.suffix == ".csv":
            safe_cells(predictions).to_csv(output, index=False)
        else:
            predictions.to_parquet(output, index=False)
    except OSError as error:
        raise OptionError(f"{output} cannot be written: {error}. Choose another --output.") from error
    typer.echo(f"{len(predictions)} predictions written to {output}")
