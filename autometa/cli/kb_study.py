"""``autometa kb add-study`` and ``add-mlflow``: what one's own studies have found."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._base import JsonOption, open_base, print_json
from autometa.cli.tune import Task
from autometa.errors import OptionError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage, RDBStorage

    from autometa.datasets import Dataset
    from autometa.knowledge import StudyReport

_SQLITE = b"SQLite format 3\0"
_STATE = "search.json"

TableOption = Annotated[
    Path, typer.Option("--dataset", metavar="TABLE", help="The table that the trials were measured on.")
]
TargetOption = Annotated[str | None, typer.Option(help="Column that was predicted; else as autometa tune takes it.")]
TaskOption = Annotated[Task | None, typer.Option(help="Else inferred.")]
IgnoreOption = Annotated[list[str] | None, typer.Option(metavar="COLUMN", help="Not learned from; may repeat.")]
SpaceOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="A shipped space, a space's YAML file, or a name. Default: the study's name."),
]
KbOption = Annotated[str | None, typer.Option("--kb", metavar="PATH", help="Folder or URL. Default: your own base.")]


def add_study(
    storage: Annotated[
        str,
        typer.Argument(help="Optuna's storage: a URL, a journal or SQLite file, or a search folder of autometa."),
    ],
    study: Annotated[str | None, typer.Argument(help="Its name. Not needed where there is only one.")] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--dataset",
            metavar="TABLE",
            help="The table that the trials were measured on. Not needed with a search folder, which holds it.",
        ),
    ] = None,
    target: TargetOption = None,
    task: TaskOption = None,
    ignore: IgnoreOption = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the values are, such as roc_auc, rmse or neg_log_loss.")
    ] = None,
    objective: Annotated[int | None, typer.Option(help="Which value of a multi-objective study, from 0.")] = None,
    space: SpaceOption = None,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the trials of an Optuna study, and what its table looks like; never a row of the table.

    Adding a study again adds only what is new in it.
    """
    with _storage(storage) as found:
        chosen = _study(found, study)
        dataset = _dataset(table, target, task, ignore) if table is not None else found.dataset()
        asked = found.metric(metric, dataset)
        report = open_base(kb).add_study(chosen, dataset, space=space, metric=asked, objective=objective)
    _print(report, "trials", as_json=as_json)


def add_mlflow(
    experiment: Annotated[str, typer.Argument(help="Name or id of the experiment.")],
    table: TableOption,
    tracking_uri: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Database, server or folder of MLflow. Default: autometa's own store."),
    ] = None,
    target: TargetOption = None,
    task: TaskOption = None,
    ignore: IgnoreOption = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What the values are, such as roc_auc. Searches of autometa know it."),
    ] = None,
    logged_as: Annotated[
        str | None, typer.Option(metavar="NAME", help="MLflow's name of the metric, if it is another, such as val_auc.")
    ] = None,
    direction: Annotated[
        str | None, typer.Option(metavar="maximize|minimize", help="Which way is better, of a metric of your own.")
    ] = None,
    space: SpaceOption = None,
    params: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME", help="A hyperparameter; may repeat. Default: all that was logged."),
    ] = None,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the finished runs of an MLflow experiment, and what its table looks like; never a row of the table.

    Adding an experiment again adds only what is new in it.
    """
    from autometa.ingest._mlflow import add_mlflow as add

    if direction not in (None, "maximize", "minimize"):
        raise OptionError(f"--direction must be maximize or minimize, got {direction!r}.")
    report = add(
        open_base(kb),
        experiment,
        _dataset(table, target, task, ignore),
        metric=metric,
        direction=direction,  # type: ignore[arg-type]
        logged_as=logged_as,
        tracking_uri=tracking_uri,
        space=space,
        params=params or None,
    )
    _print(report, "runs", as_json=as_json)


def _dataset(table: Path, target: str | None, task: Task | None, ignore: list[str] | None) -> "Dataset":
    from autometa.datasets import read_dataset

    return read_dataset(table, target=target, task=None if task is None else task.value, ignore=ignore or ())


@dataclass(frozen=True, slots=True)
class _Found:
    """A storage that is there; ``folder`` and ``state`` are those of the search of autometa that it belongs to."""

    storage: "BaseStorage"
    shown: str
    folder: Path | None = None
    state: Mapping[str, Any] | None = None

    def dataset(self) -> "Dataset":
        """The table that a search has kept."""
        from autometa.datasets import Dataset
        from autometa.search._folder import SearchFolder

        if self.folder is None:
            raise OptionError("Say which table the trials were measured on: --dataset TABLE.")
        return Dataset.from_folder(SearchFolder(self.folder).data)

    def metric(self, given: str | None, dataset: "Dataset") -> str | None:
        """The metric that a search asked for, after a look at whether the table is the one that it searched."""
        from autometa.metrics import resolve

        if self.state is None:
            return given
        if dataset.content_hash != self.state["table"]["content_hash"]:
            raise OptionError(
                f"{dataset.name} is not the table that {self.folder} searched ({self.state['table']['name']}). Leave "
                "--dataset out; the folder holds the table."
            )
        asked = resolve(self.state["options"]["metric"], dataset.task).name
        if given is not None and resolve(given, dataset.task).name != asked:
            raise OptionError(
                f"The values of the search in {self.folder} are {asked}, not {given}. Leave --metric out."
            )
        return asked


@contextmanager
def _storage(text: str) -> Iterator[_Found]:
    """Open a storage to read it; nothing is made where there is none.

    Raises:
        OptionError: There is none, or it is not Optuna's.
    """
    if "://" not in text:
        path = Path(text)
        if path.is_dir():
            with _search(path) as found:
                yield found
            return
        with path.open("rb") if path.is_file() else _missing(path) as file:
            head = file.read(len(_SQLITE))
        if head != _SQLITE:
            yield _Found(_journal(path), text)
            return
        text = f"sqlite:///{path.absolute()}"
    with _database(text) as database:
        yield _Found(database, text)


def _missing(path: Path) -> Any:
    raise OptionError(f"There is no storage at {path}. Give a file that is there, a search folder, or a URL.")


@contextmanager
def _search(path: Path) -> Iterator[_Found]:
    from autometa.search._folder import SearchFolder

    folder = SearchFolder(path)
    if not folder.state_file.is_file():
        raise OptionError(f"{path} is no search folder of autometa: there is no {_STATE} in it.")
    state = folder.read_state()
    with _storage(state["storage"] or str(folder.journal)) as found:
        yield _Found(found.storage, str(path), path, state)


def _journal(path: Path) -> "BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(f"{path} is neither Optuna's journal nor an SQLite file: {error}.") from error


@contextmanager
def _database(url: str) -> "Iterator[BaseStorage]":
    import sqlalchemy

    shown, storage = url, None
    try:
        shown = sqlalchemy.make_url(url).render_as_string(hide_password=True)
        _check_database(url, shown)
        storage = _read_only(url, shown)
        yield storage
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:  # a driver that is not installed
        raise OptionError(f"The storage {shown} cannot be read: {error}") from error
    finally:
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _check_database(url: str, shown: str) -> None:
    """See that a database is Optuna's, which would otherwise make it one."""
    import sqlalchemy

    parts = sqlalchemy.make_url(url)
    if parts.get_backend_name() == "sqlite" and not Path(parts.database or "").is_file():
        raise OptionError(f"There is no storage at {shown}. Check the path; nothing was made.")
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    if not sqlalchemy.inspect(engine).has_table("studies"):
        raise OptionError(f"{shown} is no storage of Optuna: it has no table of studies.")


def _read_only(url: str, shown: str) -> "RDBStorage":
    from optuna.storages import RDBStorage

    try:
        return RDBStorage(url, skip_table_creation=True)
    except RuntimeError as error:  # another version's schema; Optuna says how to upgrade it
        raise OptionError(f"The storage {shown} cannot be read: {error}") from error


def _study(found: _Found, name: str | None) -> "Study":
    import optuna

    names = sorted(optuna.get_all_study_names(found.storage))
    recorded = None if found.state is None else str(found.state["study_name"])
    if name is None and recorded is None and len(names) == 1:
        name = names[0]
    chosen = name or recorded
    if chosen not in names or (recorded is not None and chosen != recorded):
        listed = ", ".join(names if recorded is None else [recorded]) or "none"
        said = "Say which study" if chosen is None else f"There is no study {chosen!r} in {found.shown}"
        raise OptionError(f"{said}. It has: {listed}.")
    return optuna.load_study(study_name=chosen, storage=found.storage)


def _print(report: "StudyReport", what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(report.to_json())
        return
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)
    runs = ", ".join(f"{count} {status}" for status, count in report.runs.items()) or "none"
    said = (
        f"{report.name}: {report.found} {what}; runs of {report.space} by {report.metric} ({report.direction}): {runs}"
    )
    console.print(said, soft_wrap=True, markup=False)
    news = "described anew" if report.added_dataset else "known before"
    curves = f", {report.points} points of learning curves" if report.points else ""
    said = f"added {report.added_runs} runs{curves} on {report.dataset_name} ({news})"
    console.print(said, soft_wrap=True, markup=False)
    projected = f"Changes to {report.projected} configurations outside the space"
    for title, counts in ((projected, report.changes), (f"{what.capitalize()} that were skipped", report.skipped)):
        if counts:
            console.print(title, style="bold", soft_wrap=True, markup=False)
            table = Table(show_header=False, box=box.SIMPLE)
            for name, count in counts.items():
                table.add_row(escape(name), str(count))
            console.print(table)
    for note in report.notes:
        console.print(f"Note: {note}", soft_wrap=True, markup=False)
