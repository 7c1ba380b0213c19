"""``autometa predict``: apply a saved model to a table."""

from pathlib import Path
from typing import Annotated

import typer


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
    """Predict every row of a table, with probabilities for classes."""
    import sys

    import pandas as pd

    from autometa.datasets import read_table
    from autometa.errors import OptionError
    from autometa.model import Model

    if output is not None and output.suffix not in (".csv", ".parquet"):
        raise OptionError(f"--output must end in .csv or .parquet, got {output.name!r}.")
    loaded = Model.load(model)
    rows = read_table(table).frame
    if loaded.task == "regression":
        predictions = pd.DataFrame({"prediction": loaded.predict(rows)})
    else:
        probabilities = loaded.predict_proba(rows)
        labels = loaded.schema.decode_target(probabilities.argmax(axis=1))
        columns = {f"probability_{label}": probabilities[:, k] for k, label in enumerate(loaded.classes)}
        predictions = pd.DataFrame({"prediction": labels, **columns})
    if output is None:
        predictions.to_csv(sys.stdout, index=False)
        return
    try:
        if output.suffix == ".csv":
            predictions.to_csv(output, index=False)
        else:
            predictions.to_parquet(output, index=False)
    except OSError as error:
        raise OptionError(f"{output} cannot be written: {error}. Choose another --output.") from error
    typer.echo(f"{len(predictions)} predictions written to {output}")
