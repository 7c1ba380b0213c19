"""How long does one fit of each candidate take, and does `Candidate.fit_seconds` say so?

Times the defaults and two random configurations of each candidate on synthetic tables: seven columns of ten are
numeric, three are categories of 4, 12 and 60 levels, one value in twenty is missing, and the target is a noisy,
nonlinear function of them. A time is the processor time of preparing and fitting so many rows on one thread, and of
predicting a quarter as many. A configuration that a smaller table shows to take longer than the limit is left out;
random ones stop at 20,000 rows. A cell shows the geometric mean over configurations of the seconds measured, and of
measured / predicted. The last rows sum up, with the constants that would suit these measurements best.

    python benchmarks/fit_cost.py [--limit 25] [--candidates svm,ridge] [--measurements FILE]

With ``--measurements`` every time is appended to a file of JSON lines, and times that it holds already are not taken
again: a run can be stopped and go on, and two runs can share the work.
"""

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autometa.config import limit_threads

limit_threads()

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import pandas as pd  # noqa: E402
from _report import write  # noqa: E402
from scipy.optimize import least_squares  # noqa: E402

from autometa.candidates import CANDIDATES, FitCost  # noqa: E402
from autometa.datasets import Dataset, read_dataset  # noqa: E402
from autometa.records import Config, TaskType  # noqa: E402

ROWS = (1_000, 5_000, 20_000, 80_000)
COLUMNS = (10, 60)
TASKS: dict[str, tuple[TaskType, int]] = {
    "binary": ("binary", 2),
    "10 classes": ("multiclass", 10),
    "regression": ("regression", 0),
}
RANDOM_CONFIGS = 2
RANDOM_UP_TO = 20_000
LEVELS = (4, 12, 60)
STEEPEST = 2.3


@dataclass(frozen=True, slots=True)
class Fit:
    """One timed fit; ``config`` 0 is the default, the others are random."""

    candidate: str
    task: str
    rows: int
    columns: int
    config: int
    seconds: float

    @property
    def classes(self) -> int:
        """Classes of the target, 0 for a regression."""
        return TASKS[self.task][1]


def table(task: str, n_rows: int, n_columns: int) -> Dataset:
    """A table of ``n_rows``, of which a quarter more are there to be predicted."""
    rng = np.random.default_rng(0)
    n = n_rows + n_rows // 4
    score, columns = rng.normal(size=n), {}
    for j in range(n_columns):
        if j % 10 < 7:
            x = rng.normal(size=n)
            score += (x if j % 2 else x * x) / (1 + j / 5)
            columns[f"x{j}"] = pd.Series(x).mask(rng.random(n) < 0.05)
        else:
            levels = LEVELS[j % 10 - 7]
            code = rng.integers(0, levels, n)
            score += rng.normal(size=levels)[code] / (1 + j / 5)
            names = np.array([f"level {i}" for i in range(levels)], dtype=object)
            columns[f"x{j}"] = pd.Series(names[code]).mask(rng.random(n) < 0.05)
    kind, n_classes = TASKS[task]
    cuts: Any = np.quantile(score, np.linspace(0, 1, n_classes + 1)[1:-1]) if n_classes else []
    target = np.digitize(score, cuts) if n_classes else score
    return read_dataset(pd.DataFrame(columns).assign(target=target), target="target", task=kind, name="synthetic")


def configs(name: str, task: TaskType) -> list[Config]:
    """The defaults, and random configurations."""
    space = CANDIDATES.create(name).space_for(task)
    return [space.default(), *(space.sample(np.random.default_rng(seed)) for seed in range(RANDOM_CONFIGS))]


def timed(name: str, config: Config, data: Dataset, n_rows: int) -> float:
    """Processor seconds of a fit on the first rows and of predicting the rest."""
    X, y = data.X, data.y.to_numpy()
    began = time.process_time()
    pipeline = CANDIDATES.create(name).build(config, schema=data.schema, seed=0).fit(X.iloc[:n_rows], y[:n_rows])
    pipeline.predict(X.iloc[n_rows:])
    return time.process_time() - began


def measure(names: Sequence[str], limit: float, known: Sequence[Fit]) -> Iterator[Fit]:
    """Time what is not known yet, small tables first."""
    times = {(f.candidate, f.task, f.columns, f.config, f.rows): f.seconds for f in known}
    for task, (kind, _) in TASKS.items():
        learners = [name for name in names if kind in CANDIDATES.create(name).tasks]
        small = table(task, 100, COLUMNS[0])
        for name in learners:
            timed(name, configs(name, kind)[0], small, 100)  # imports what the library needs
        for n_columns in COLUMNS:
            for n_rows in ROWS:
                data = table(task, n_rows, n_columns)
                for name in learners:
                    for i, config in enumerate(configs(name, kind)):
                        series = {
                            rows: times[key] for rows in ROWS if (key := (name, task, n_columns, i, rows)) in times
                        }
                        if n_rows in series or not _worth(series, n_rows, i, limit):
                            continue
                        fit = Fit(name, task, n_rows, n_columns, i, timed(name, config, data, n_rows))
                        times[(name, task, n_columns, i, n_rows)] = fit.seconds
                        yield fit


def _worth(series: dict[int, float], n_rows: int, config: int, limit: float) -> bool:
    """Whether a fit of that size should end within the limit, going by smaller ones."""
    if config and n_rows > RANDOM_UP_TO:
        return False
    smaller = ROWS[: ROWS.index(n_rows)]
    if not smaller:
        return True
    if smaller[-1] not in series:
        return False
    power = 1.0
    if len(smaller) > 1:
        growth = series[smaller[-1]] / max(series[smaller[-2]], 1e-3)
        power = float(np.clip(np.log(growth) / np.log(smaller[-1] / smaller[-2]), 1.0, STEEPEST))
    return bool(series[smaller[-1]] * (n_rows / smaller[-1]) ** power <= limit)


def suited(fits: Sequence[Fit]) -> FitCost:
    """The constants with the least squared error of log(seconds), each configuration with a factor of its own.

    What is typical lies halfway between the defaults and the mean of the random ones. Without the factors,
    configurations that are left out of large tables would make these look cheaper than they are.
    """
    rows, columns, classes = np.log([(f.rows / 1000, f.columns / 10, max(f.classes, 2) / 2) for f in fits]).T
    seconds = np.log([f.seconds for f in fits])
    which = np.array([f.config for f in fits])

    def errors(theta: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        factors = np.append(-theta[5:].mean(), theta[5:])
        predicted = np.logaddexp(theta[0], theta[1] + theta[2] * rows) + theta[3] * columns + theta[4] * classes
        return np.append(predicted + factors[which] - seconds, 1e-3 * theta)

    first = np.array([-3.0, -2.0, 1.0, 0.7, 0.5, *[0.0] * RANDOM_CONFIGS])
    bounds = ([-7.0, -9.0, 0.3, 0.0, 0.0, *[-3.0] * RANDOM_CONFIGS], [1.0, 4.0, 2.3, 2.0, 2.0, *[3.0] * RANDOM_CONFIGS])
    start, scale, *powers = least_squares(errors, first, bounds=bounds).x[:5]
    return FitCost(_short(np.exp(start)), _short(np.exp(scale)), *(round(float(power), 2) for power in powers))


def _short(value: float) -> float:
    return float(f"{value:.2g}")


def report(fits: Sequence[Fit], command: str) -> None:
    """Print and write the table."""
    cells: dict[tuple[str, int, int, str], list[Fit]] = defaultdict(list)
    for fit in fits:
        cells[fit.candidate, fit.columns, fit.rows, fit.task].append(fit)
    names = sorted({fit.candidate for fit in fits})
    lines = [
        [name, f"{n_rows:,} x {n_columns}", *(_cell(cells[name, n_columns, n_rows, task]) for task in TASKS)]
        for name in names
        for n_columns in COLUMNS
        for n_rows in ROWS
        if any(cells[name, n_columns, n_rows, task] for task in TASKS)
    ]
    for name in names:
        own = [fit for fit in fits if fit.candidate == name]
        off = np.abs(np.log([_ratio(fit) for fit in own if fit.config == 0]))
        within = (
            f"defaults within a factor 3: {np.mean(off <= np.log(3)):.0%} of {len(off)}; worst {np.exp(off.max()):.1f}"
        )
        lines.append([f"**{name}**", within, f"`{suited(own)}`", "", ""])
    header = ["candidate", "rows x columns", *(f"{task}: s, measured / predicted" for task in TASKS)]
    write("fit_cost", header, lines, command, (__doc__ or "").split("\n\n")[1].replace("\n", " "))


def _ratio(fit: Fit) -> float:
    return fit.seconds / CANDIDATES.create(fit.candidate).fit_seconds(fit.rows, fit.columns, fit.classes)


def _cell(fits: Sequence[Fit]) -> str:
    if not fits:
        return ""
    seconds, ratio = (np.exp(np.mean(np.log(v))) for v in ([f.seconds for f in fits], [_ratio(f) for f in fits]))
    return f"{seconds:.2f}, {ratio:.2f}"


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=25.0, help="seconds beyond which a fit is left out")
    parser.add_argument("--candidates", help="only these, separated by commas")
    parser.add_argument("--measurements", type=Path, help="file of JSON lines to go on from")
    options = parser.parse_args()
    names = options.candidates.split(",") if options.candidates else CANDIDATES.names()
    fits: list[Fit] = []
    if options.measurements and options.measurements.exists():
        fits = [Fit(**json.loads(line)) for line in options.measurements.read_text().splitlines()]
        fits = [fit for fit in fits if fit.candidate in names]
    for fit in measure(names, options.limit, fits):
        fits.append(fit)
        print(f"{fit.candidate} {fit.task} {fit.rows} x {fit.columns} #{fit.config}: {fit.seconds:.2f} s", flush=True)
        if options.measurements:
            with options.measurements.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(fit)) + "\n")
    print()
    report(fits, f"python benchmarks/fit_cost.py --limit {options.limit:g}")


if __name__ == "__main__":
    main()
