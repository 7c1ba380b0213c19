"""``autometa kb list | show | nearest | export | merge | verify | compact | remove``: the base as a tool."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._base import JsonOption, KbOption, console, new_table, open_base, print_json
from autometa.cli.tune import Task

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from autometa.datasets import Dataset
    from autometa.knowledge import DatasetReport, KnowledgeBase, Neighbour
    from autometa.records import Config, MetaFeatures, TaskType

TaskOption = Annotated[Task | None, typer.Option(help="Only datasets of this task type.")]
DatasetsOption = Annotated[
    list[str] | None, typer.Option("--dataset", metavar="ID", help="Only this dataset; may repeat.")
]
SourcesOption = Annotated[
    list[str] | None, typer.Option("--source", metavar="NAME", help="Only rows of this source; may repeat.")
]

_ALIKE = 0.05
_APART = 3


class Order(StrEnum):
    """What datasets are listed by."""

    id = "id"
    name = "name"
    rows = "rows"
    features = "features"
    runs = "runs"


class Format(StrEnum):
    """What an export is."""

    base = "base"
    csv = "csv"


def register(app: typer.Typer) -> None:
    """Add the commands to ``autometa kb``."""
    app.command("list")(list_)
    for command in (show, nearest, export, merge, verify, compact, remove):
        app.command(command.__name__)(command)


def list_(
    task: TaskOption = None,
    source: Annotated[str | None, typer.Option(metavar="NAME", help="Only of sources that begin like this.")] = None,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="Only where id or name contain this.")] = None,
    sort: Annotated[Order, typer.Option(help="Rows, features and runs: most first.")] = Order.id,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the datasets of the knowledge base, with their sizes and how many runs they have."""
    from autometa.knowledge import list_datasets

    found = list_datasets(
        open_base(kb, read_only=True), task=None if task is None else task.value, source=source, search=search
    )
    by = {"id": "dataset_id"}.get(sort.value, sort.value)
    found = found.sort_values(by, ascending=sort in (Order.id, Order.name), kind="stable", na_position="last")
    if as_json:
        print_json(_rows(found))
        return
    table = new_table(f"{len(found)} datasets", "dataset", "task", "rows", "features", "classes", "runs", text=2)
    for row in _rows(found):
        sizes = (_count(row[name]) for name in ("rows", "features", "classes", "runs"))
        table.add_row(row["dataset_id"], row["task"], *sizes)
    console().print(table)


def show(
    dataset: Annotated[str, typer.Argument(metavar="ID", help="Id, OpenML id such as openml:31, or name.")],
    best: Annotated[int, typer.Option(min=0, help="How many of the best configurations by each metric.")] = 1,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the knowledge base knows of one dataset."""
    from autometa.knowledge import report_dataset

    report = report_dataset(open_base(kb, read_only=True), dataset, n_best=best)
    if as_json:
        print_json(report.to_json())
    else:
        _print_dataset(report)


def nearest(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV, TSV, Parquet or ARFF.")],
    target: Annotated[str | None, typer.Option(help="Column to predict; else as autometa tune takes it.")] = None,
    task: Annotated[Task | None, typer.Option(help="Else inferred.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many datasets.")] = 10,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the datasets that look most like a table, how near they are and why.

    Distance 0 is the same, 1 the opposite end: the mean difference of the meta-features, each counted as the share of
    the base's datasets that lie between the two. It is what warm starts go by.
    """
    from autometa.config import limit_threads

    limit_threads()
    from autometa import metafeatures
    from autometa.datasets import read_dataset

    dataset = read_dataset(table, target=target, task=None if task is None else task.value)
    base, features = open_base(kb, read_only=True), metafeatures.compute(dataset)
    own = base.copies(dataset, features)
    tasks: tuple[TaskType, ...] = ("regression",) if dataset.task == "regression" else ("binary", "multiclass")
    found = base.without(*own).nearest(features, n, tasks=tasks)
    if as_json:
        print_json({"table": str(table), "task": dataset.task, "itself": own, "nearest": _neighbours(base, found)})
    else:
        _print_nearest(base, dataset, features, own, found)


def export(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A new folder.")],
    dataset: DatasetsOption = None,
    source: SourcesOption = None,
    space: Annotated[
        list[str] | None, typer.Option("--space", metavar="NAME", help="Only runs of this space; may repeat.")
    ] = None,
    file_format: Annotated[Format, typer.Option("--format", help="A base, or CSV files.")] = Format.base,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of the knowledge base, or of a part of it, with its sources and licences."""
    base = open_base(kb, read_only=True)
    base.export(path, dataset_ids=dataset, sources=source, spaces=space, csv=file_format is Format.csv)
    files = sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())
    if as_json:
        print_json({"path": str(path), "files": files})
    elif file_format is Format.csv:
        console().print(f"{path}: {', '.join(files)}", soft_wrap=True)
    else:
        from autometa.knowledge import KnowledgeBase

        info = KnowledgeBase(path, read_only=True).info()
        console().print(f"{path}: {info.n_datasets} datasets, {info.n_runs} runs, {len(files)} files", soft_wrap=True)


def merge(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The base to take from: folder or URL.")],
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add what another knowledge base has and yours lacks.

    Merging again adds nothing, and the order in which bases are merged does not matter.
    """
    from autometa.knowledge import KnowledgeBase

    report = open_base(kb).merge(KnowledgeBase(path, read_only=True))
    if as_json:
        print_json(report.to_json())
        return
    runs = ", ".join(f"{count} runs of {space}" for space, count in report.runs.items()) or "no runs"
    out = console()
    out.print(f"Added {report.datasets} datasets (new or completed), {runs}, {report.sources} sources", soft_wrap=True)
    if report.disagreements:
        some = ", ".join(report.disagreements[:5])
        more = ", ..." if len(report.disagreements) > 5 else ""
        count = len(report.disagreements)
        said = f"Of {count} datasets the two say different things; what says more stands: {some}{more}"
        out.print(said, soft_wrap=True)


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended without loss.")] = False,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check checksums, ranges, duplicates, orphan rows, sources, configurations and leftovers of the knowledge base.

    Every finding says how to mend it. The exit code is 1 where something is wrong.
    """
    base = open_base(kb, read_only=not repair)
    if repair:
        base.repair()
    findings = base.verify()
    if as_json:
        print_json([one.to_json() for one in findings])
    elif not findings:
        console().print("Nothing is wrong.")
    else:
        table = new_table(f"{len(findings)} findings", "what is wrong", "rows", "repairable", text=1)
        for one in findings:
            said = f"[bold]{_escape(one.rule)}[/bold], {_escape(one.where)}: {_escape(one.what)}\n{_escape(one.mend)}"
            table.add_row(said, str(one.count), "yes" if one.repairable else "no")
        console().print(table)
    if findings:
        raise typer.Exit(1)


def compact(kb: KbOption = None, as_json: JsonOption = False) -> None:
    """Gather the files of the knowledge base into few, sorted ones, and seal them with checksums.

    Others may read and add meanwhile.
    """
    base = open_base(kb)
    before = base.n_files()
    base.compact()
    after = base.n_files()
    if as_json:
        print_json({"files_before": before, "files_after": after})
    else:
        console().print(f"{before} files before, {after} now")


def remove(
    source: SourcesOption = None,
    dataset: DatasetsOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    kb: KbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove what came from a source, or a dataset with its runs, from the knowledge base."""
    from autometa.errors import OptionError

    if not source and not dataset:
        raise OptionError("Nothing was named that could be removed. Give --source NAME or --dataset ID.")
    base = open_base(kb)
    if not yes:
        named = [*(f"source {one!r}" for one in source or ()), *(f"dataset {one!r}" for one in dataset or ())]
        asked = f"Remove all of {', '.join(named)} from {base.paths[-1]}? This cannot be undone."
        typer.confirm(asked, abort=True, err=True)
    report = base.remove(sources=source or (), dataset_ids=dataset or ())
    if as_json:
        print_json(report.to_json())
        return
    out = console()
    out.print(f"Removed {report.runs} runs and {report.datasets} datasets")
    if report.kept_datasets:
        kept = ", ".join(report.kept_datasets[:5]) + (", ..." if len(report.kept_datasets) > 5 else "")
        why = f"Kept {len(report.kept_datasets)} datasets on which other sources have runs: {kept}"
        out.print(f"{why}. --dataset removes them with those runs.", soft_wrap=True)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows with plain values; None for what is not known."""
    import pandas as pd

    rows = frame.reset_index().to_dict("records")
    return [{str(name): None if pd.isna(value) else _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return int(value) if value == int(value) else float(value)


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _print_dataset(report: "DatasetReport") -> None:
    out, record = console(), report.record
    if record is None:
        out.print(f"[bold]{_escape(report.dataset_id)}[/bold]: runs only; the dataset itself is not known")
    else:
        hints = [record.task, f"source {record.source}"]
        hints += [f"openml:{record.openml_id}"] if record.openml_id is not None else []
        hints += [report.source.licence] if report.source is not None else []
        heading = f"[bold]{_escape(report.dataset_id)}[/bold] ({_escape(record.name)})"
        out.print(f"{heading}: {_escape('; '.join(hints))}", soft_wrap=True)
    known = [(name, value) for name, value in report.meta_features.items() if value == value]
    if known:
        features = new_table(f"{len(known)} meta-features", "quality", "value", "quality", "value", text=1)
        half = (len(known) + 1) // 2
        for left, right in zip(known[:half], [*known[half:], ("", None)], strict=False):
            features.add_row(left[0], _figure(left[1]), right[0], _figure(right[1]))
        out.print(features)
    runs = new_table("Runs", "space", "metric", "runs", "complete", "best", "median", "source", text=2)
    for one in report.runs:
        figures = (str(one.n_runs), str(one.n_complete), _figure(one.best), _figure(one.median))
        runs.add_row(one.space, one.metric, *figures, ", ".join(one.sources))
    out.print(runs)
    if report.best:
        out.print(_best(report))


def _best(report: "DatasetReport") -> "Table":
    """Each configuration once, with what it is among the best in."""
    table = new_table("Best configurations", "space", "configuration", "value", text=2)
    found: dict[tuple[str, str], list[str]] = {}
    for run in report.best:
        value = _figure(run.value) + ("" if run.spread is None else f" ± {_figure(run.spread)}")
        place = f" ({run.rank}.)" if run.rank > 1 else ""
        found.setdefault((run.space, _config(run.config)), []).append(f"{run.metric} {value}{place}")
    for (space, config), values in found.items():
        table.add_row(space, _escape(config), "\n".join(values))
    return table


def _config(config: "Config") -> str:
    """A configuration in short: names without the candidate that they belong to, figures rounded."""
    prefix = f"{config.get('candidate')}."
    said = {name.removeprefix(prefix): value for name, value in config.items()}
    return ", ".join(f"{name}={_figure(v) if isinstance(v, float) else v}" for name, v in said.items())


def _neighbours(base: "KnowledgeBase", found: "Sequence[Neighbour]") -> list[dict[str, Any]]:
    datasets = base.datasets()
    counts = base.count_runs().groupby("dataset_id")["n"].sum()
    rows = []
    for one in found:
        known = datasets.loc[one.dataset_id] if one.dataset_id in datasets.index else {"name": "", "task": ""}
        about = {"dataset_id": one.dataset_id, "name": str(known["name"]), "task": str(known["task"])}
        rows.append(about | {"distance": one.distance, "runs": int(counts.get(one.dataset_id, 0)), "gaps": one.gaps})
    return rows


def _print_nearest(
    base: "KnowledgeBase", dataset: "Dataset", features: "MetaFeatures", own: list[str], found: "Sequence[Neighbour]"
) -> None:
    out, described = console(), base.meta_features()
    rows, columns = dataset.X.shape
    out.print(f"{_escape(dataset.name)}: {dataset.task}, {rows} rows, {columns} features", soft_wrap=True)
    if own:
        out.print(f"Left out, since it is the table itself: {_escape(', '.join(own))}", soft_wrap=True)
    table = new_table("Nearest datasets", "dataset", "task", "why", "distance", "runs", text=3)
    for row in _neighbours(base, found):
        gaps, values = row["gaps"], described.loc[row["dataset_id"]]
        alike = sum(gap <= _ALIKE for gap in gaps.values())
        apart = [name for name in reversed(list(gaps)) if gaps[name] > _ALIKE and not name.startswith("Log")][:_APART]
        told = ", ".join(f"{name} {_figure(values[name])} (here {_figure(features.values[name])})" for name in apart)
        why = f"{alike} of {len(gaps)} meta-features alike" + (f"; apart in {told}" if told else "")
        table.add_row(row["dataset_id"], row["task"], _escape(why), f"{row['distance']:.3f}", _count(row["runs"]))
    out.print(table)
