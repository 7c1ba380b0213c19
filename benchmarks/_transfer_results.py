"""What the transfer benchmark has measured: a file of JSON lines that only grows, and the tables made of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from _transfer_methods import METHODS

Floats = npt.NDArray[np.float64]

AT = (1, 5, 10, 20, 25, 30, 60, 100)
GOALS: Mapping[str, Mapping[int, float]] = {
    "hpobench_mlp": {1: 0.0229, 5: 0.0150, 10: 0.0120, 25: 0.0100, 100: 0.0060},
    "nas_bench_201": {1: 0.0029, 5: 0.0029, 10: 0.0029, 25: 0.0, 100: 0.0},
}
COLD = "tpe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One finished search.

    Attributes:
        problem: Its name.
        hostile: How the base misleads; empty where it does not.
        target: The dataset that was searched.
        method: Its name.
        key: `Method.key` when it was measured.
        seed: From 0; see `Problem.seed`.
        n_trials: How many there were to be.
        improvements: Trials that were better than all before, from 1, and the normalized regret after each of them.
        first_seconds: What choosing the first trial took; None if there was none.
        later_seconds: What choosing another one took, the median; None if there was none.
        failure: Why it ended early; empty if it did not.
    """

    problem: str
    hostile: str = ""
    target: str
    method: str
    key: str
    seed: int
    n_trials: int
    improvements: Sequence[tuple[int, float]]
    first_seconds: float | None = None
    later_seconds: float | None = None
    failure: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str, str, int, int]:
        """What is not measured twice."""
        return self.problem, self.hostile, self.target, self.method, self.key, self.seed, self.n_trials

    def at(self, n: int) -> float:
        """Regret after so many trials; a search that failed stays where it was, and is 1 if it never began."""
        return min((regret for trial, regret in self.improvements if trial <= n), default=1.0)


class Results:
    """The file: one JSON object per line, with its ``kind``.

    Kinds are ``search`` (a `Result`), ``again`` (earlier results of a method do not count) and those of the sections,
    of which the newest counts.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is written before `add`."""
        self.path = path
        self.searches: dict[tuple[Any, ...], Result] = {}
        self.sections: dict[str, dict[str, Any]] = {}
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # the end of a call that was killed while it wrote
                    continue
                self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        kind = entry.pop("kind")
        if kind == "search":
            result = Result(**entry)
            self.searches[result.identity] = result
        elif kind == "again":
            self.searches = {key: one for key, one in self.searches.items() if one.method != entry["method"]}
        else:
            self.sections[kind] = entry

    def add(self, result: Result) -> None:
        """Keep a search."""
        self._append("search", asdict(result))

    def forget(self, method: str) -> None:
        """Earlier results of a method no longer count."""
        self._append("again", {"method": method})

    def add_section(self, kind: str, entry: Mapping[str, Any]) -> None:
        """Keep what a section has measured."""
        self._append(kind, dict(entry))

    def _append(self, kind: str, entry: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write((json.dumps({"kind": kind, **entry}) + "\n").encode())
        self._take({"kind": kind, **entry})

    def current(self) -> list[Result]:
        """The searches by methods as they are now."""
        return [one for one in self.searches.values() if one.method in METHODS and one.key == METHODS[one.method].key]


def improvements(regrets: Sequence[float]) -> list[tuple[int, float]]:
    """Trials that were better than all before, from 1, and their regret."""
    found: list[tuple[int, float]] = []
    for trial, regret in enumerate(regrets, 1):
        if not found or regret < found[-1][1]:
            found.append((trial, regret))
    return found


def by_target(results: Iterable[Result], n: int) -> "pd.Series[float]":
    """Regret after ``n`` trials, the mean of the seeds, by target."""
    frame = pd.DataFrame([{"target": one.target, "regret": one.at(n)} for one in results])
    return frame.groupby("target")["regret"].mean()


def mean_and_error(values: "pd.Series[float]", digits: int = 4) -> str:
    """Mean and its standard error; a single value has none."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}" if len(values) > 1 else f"{values.mean():.{digits}f}"


def of(results: Iterable[Result], problem: str, hostile: str = "") -> dict[str, list[Result]]:
    """The searches of a problem by method, in the order of `METHODS`; of the greatest number of trials alone."""
    mine = [one for one in results if one.problem == problem and one.hostile == hostile]
    longest = max((one.n_trials for one in mine), default=0)
    found: dict[str, list[Result]] = {name: [] for name in METHODS}
    for one in mine:
        if one.n_trials == longest:
            found[one.method].append(one)
    return {name: searches for name, searches in found.items() if searches}


def goals(problem: str, found: Mapping[str, list[Result]]) -> dict[int, float]:
    """Regret that is to be reached, by number of trials."""
    if problem != "rbv2_rpart" or COLD not in found:
        return dict(GOALS.get(problem, {}))
    cold = float(by_target(found[COLD], 60).mean())
    return {10: cold, 60: cold / 3}


def regret_table(problem: str, found: Mapping[str, list[Result]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a method each, below the goals."""
    longest = max(one.n_trials for searches in found.values() for one in searches)
    at = [n for n in AT if n <= longest]
    wanted = goals(problem, found)
    header = ["method", "searches", *(f"{n} trial{'s' if n > 1 else ''}" for n in at), "s per trial", "s to first"]
    rows = []
    if wanted:
        rows.append(["*goal*", "", *(f"{wanted[n]:.4f}" if n in wanted else "" for n in at), "", ""])
    for name, searches in found.items():
        later = [one.later_seconds for one in searches if one.later_seconds is not None]
        first = [one.first_seconds for one in searches if one.first_seconds is not None]
        failed = sum(bool(one.failure) for one in searches)
        rows.append(
            [
                METHODS[name].title,
                f"{len(searches)}" + (f", {failed} failed" if failed else ""),
                *(mean_and_error(by_target(searches, n)) for n in at),
                f"{np.median(later):.3f}" if later else "",
                f"{np.median(first):.2f}" if first else "",
            ]
        )
    return header, rows


def summary(results: Sequence[Result], problems: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: autometa beside the goal, cold TPE and the best of all others, by problem and trials."""
    header = ["problem", "trials", "goal", "autometa", "transfer alone", "cold TPE", "best of the others"]
    rows = []
    for problem in problems:
        found = of(results, problem)
        wanted = goals(problem, found)
        for n in [n for n in AT if found and n <= max(one.n_trials for one in next(iter(found.values())))]:
            means = {name: float(by_target(searches, n).mean()) for name, searches in found.items()}
            others = {name: mean for name, mean in means.items() if not METHODS[name].own}
            best = min(others, key=lambda name: others[name]) if others else ""
            told = [f"{means[name]:.4f}" if name in means else "" for name in ("autometa", "transfer", COLD)]
            goal = f"{wanted[n]:.4f}" if n in wanted else ""
            rows.append([problem, str(n), goal, *told, f"{others[best]:.4f} ({METHODS[best].title})" if best else ""])
    return header, rows


def hostile_table(results: Sequence[Result], problem: str, kind: str, n: int = 60) -> list[list[str]]:
    """Rows: a method that was misled beside cold TPE, their difference by target, and whether it was hurt."""
    cold = of(results, problem).get(COLD)
    if not cold:
        return []
    reference = by_target(cold, n)
    rows = []
    for name, searches in of(results, problem, kind).items():
        mine = by_target(searches, n)
        shared = mine.index.intersection(reference.index)
        difference = mine[shared] - reference[shared]
        error = difference.std(ddof=1) / np.sqrt(len(shared)) if len(shared) > 1 else 0.0
        verdict = "worse" if difference.mean() > error else "no worse"
        cells = [mean_and_error(mine[shared]), mean_and_error(reference[shared]), mean_and_error(difference), verdict]
        rows.append([problem, kind, METHODS[name].title, str(len(searches)), *cells])
    return rows


HOSTILE_HEADER = ["problem", "sources", "method", "searches", "regret", "cold TPE", "difference", "than cold TPE"]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *rows])


def plot(results: Sequence[Result], problems: Sequence[str], file: Path) -> None:
    """Mean normalized regret over trials, a panel per problem, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = [problem for problem in problems if of(results, problem)]
    floor = 1e-4
    with mpl.rc_context({"svg.hashsalt": "autometa", "font.size": 8}):
        figure = Figure(figsize=(11, 4.2 * ((len(shown) + 1) // 2)), layout="constrained")
        panels = figure.subplots((len(shown) + 1) // 2, 2, squeeze=False).ravel()
        colours = {name: mpl.colormaps["tab20"](i % 20) for i, name in enumerate(METHODS)}
        for panel, problem in zip(panels, shown, strict=False):
            for name, searches in of(results, problem).items():
                trials = np.arange(1, max(one.n_trials for one in searches) + 1)
                means = [by_target(searches, int(n)).mean() for n in trials]
                width = 2.2 if METHODS[name].own else 1.0
                panel.plot(trials, np.maximum(means, floor), lw=width, color=colours[name], label=METHODS[name].title)
            panel.set(title=problem, yscale="log", xlabel="trials", ylabel="normalized regret")
            panel.legend(fontsize=6, ncols=2)
        for panel in panels[len(shown) :]:
            panel.set_visible(False)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="svg", metadata={"Date": None})
