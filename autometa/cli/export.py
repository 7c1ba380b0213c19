"""``autometa export``: a saved model in the forms that other tools take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd

    from autometa.export import Difference
    from autometa.model import Model

_ROWS = 20_000


def export(
    folder: Annotated[Path, typer.Argument(help="Search folder, or the model folder in it.", show_default=False)],
    onnx: Annotated[
        Path | None,
        typer.Option(
            "--onnx",
            help="Write the whole model, preparation and ensemble included, as this ONNX file (.onnx).",
            show_default=False,
        ),
    ] = None,
    pipeline: Annotated[
        Path | None,
        typer.Option(
            "--pipeline",
            help="Write the member with the most weight as a scikit-learn pipeline (.skops).",
            show_default=False,
        ),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option("--member", min=0, help="With --pipeline: another member, by its place.", show_default=False),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="With --pipeline: all members, as a vote.")] = False,
    opset: Annotated[
        int | None,
        typer.Option("--opset", help="With --onnx: version of ONNX's operators; default: 18.", show_default=False),
    ] = None,
) -> None:
    """Write a trained model as an ONNX file or as a scikit-learn pipeline.

    What was written is read again and compared with the model on the rows of the search folder, where they are still
    there; ends with code 1 if it predicts something else. A file that exists is replaced.
    """
    from autometa.model import Model

    _check_options(onnx, pipeline, alone=member is not None or whole, opset=opset)
    model = Model.load(folder)
    rows = _rows(model)
    if pipeline is not None:
        _write_pipeline(model, pipeline, rows, member=member, whole=whole)
    if onnx is not None:
        _write_onnx(model, onnx, rows, opset)


def _check_options(onnx: Path | None, pipeline: Path | None, *, alone: bool, opset: int | None) -> None:
    from autometa.errors import OptionError

    if onnx is None and pipeline is None:
        raise OptionError("Say what to write: --onnx FILE.onnx, --pipeline FILE.skops, or both.")
    for option, path, suffix in (("--onnx", onnx, ".onnx"), ("--pipeline", pipeline, ".skops")):
        if path is not None and path.suffix != suffix:
            raise OptionError(f"{option} must end in {suffix}, got {path.name!r}.")
        if path is not None and not path.parent.is_dir():
            raise OptionError(f"{option} names a file in {path.parent}, which is no folder. Make it first.")
    if alone and pipeline is None:
        raise OptionError("--member and --whole choose what --pipeline writes. Add --pipeline FILE.skops.")
    if opset is not None and onnx is None:
        raise OptionError("--opset goes with --onnx. Add --onnx FILE.onnx.")


def _rows(model: "Model") -> "pd.DataFrame | None":
    """The rows that the search kept beside its model; of very many, evenly spaced ones."""
    from autometa.datasets import Dataset

    folder = model.folder.parent / "work" / "data"
    if not folder.is_dir():
        return None
    X = Dataset.from_folder(folder).X
    return X.iloc[:: -(-len(X) // _ROWS)].reset_index(drop=True)


def _write_pipeline(
    model: "Model", path: Path, rows: "pd.DataFrame | None", *, member: int | None, whole: bool
) -> None:
    import skops.io

    from autometa import export
    from autometa.errors import OptionError

    made = export.pipeline(model, member=member, whole=whole)
    try:
        skops.io.dump(made, path)
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error.strerror}. Choose another --pipeline.") from error
    typer.echo(f"Written: {path} (scikit-learn pipeline, {_what(model, member, whole=whole)})")
    typer.echo(f"  takes: a pandas DataFrame with the columns {', '.join(model.schema.names())}")
    typer.echo(f"  gives: {'numbers' if not model.classes else 'labels ' + ', '.join(map(str, model.classes))}")
    typer.echo(f"  load:  skops.io.load({str(path)!r}, trusted=autometa.export.TRUSTED_TYPES)")
    if rows is not None:
        trusted = [*export.TRUSTED_TYPES, *export.plugin_types(model)]
        loaded = skops.io.load(path, trusted=trusted)
        place = None if whole else export.chosen_member(model, member)
        _say(export.compare_pipeline(model, loaded, rows, member=place), path, model)
    else:
        typer.echo("  check: none, since the search folder holds no rows")


def _what(model: "Model", member: int | None, *, whole: bool) -> str:
    from autometa.export import chosen_member

    if whole:
        return f"all {len(model.members)} members"
    place = chosen_member(model, member)
    chosen = model.members[place]
    return f"member {place} of {len(model.members)}: {chosen.candidate}, weight {chosen.weight:.2f}"


def _write_onnx(model: "Model", path: Path, rows: "pd.DataFrame | None", opset: int | None) -> None:
    import importlib.util

    from autometa import export

    written = export.to_onnx(model, path, opset=opset)
    typer.echo(f"Written: {path} (ONNX, {path.stat().st_size / 1e6:.2f} MB, {_what(model, None, whole=True)})")
    typer.echo(f"  takes: {_listed(written.inputs)}")
    typer.echo(f"  gives: {_listed(written.outputs)}")
    if rows is None:
        typer.echo("  check: none, since the search folder holds no rows")
    elif importlib.util.find_spec("onnxruntime") is None:
        typer.echo("  check: none, since onnxruntime is not installed (pip install onnxruntime)")
    else:
        _say(export.compare_onnx(model, path, rows), path, model)


def _listed(types: Any) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in types.items())


def _say(found: "Difference", path: Path, model: "Model") -> None:
    from autometa.errors import AutometaError
    from autometa.export import TOLERANCE

    unit = "of a probability" if model.classes else "of the largest prediction"
    typer.echo(f"  check: {found.n_rows} rows, worst difference to the model {found.worst:.1e} {unit}")
    if found.beyond:
        raise AutometaError(
            f"{path} differs from the model by more than {TOLERANCE:g} in {found.beyond} of {found.n_rows} rows, up to "
            f"{found.worst:.1e}. Rows that are equally near to several neighbours can do that; anything else is an "
            "error in autometa. Compare before you use it, or search again with other --candidates."
        )
