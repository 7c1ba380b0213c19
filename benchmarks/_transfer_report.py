"""The transfer benchmark's report: tables for the terminal, and docs/benchmarks/transfer_hpo.md with its plot."""

from collections.abc import Sequence
from typing import Any

import _report
from _transfer_hostile import HOSTILE
from _transfer_methods import METHODS, SEEDS_OF_SLOW, TOLD_IN_ALL, TOLD_OF_EACH
from _transfer_problems import PROBLEMS
from _transfer_results import (
    HOSTILE_HEADER,
    Results,
    hostile_table,
    markdown,
    of,
    plot,
    regret_table,
    summary,
)

COMMAND = "python benchmarks/transfer_hpo.py --data FOLDER"


def write(results: Results) -> None:
    """Print the summary, and write all tables and the plot to docs/benchmarks."""
    current = results.current()
    picture = _report.FOLDER / "transfer_hpo.svg"
    plot(current, PROBLEMS, picture)
    header, rows = summary(current, PROBLEMS)
    _report.write("transfer_hpo", header, rows, COMMAND, remarks(results, picture.name))


def tables(results: Results, problems: Sequence[str], hostile: Sequence[str]) -> str:
    """The tables of these problems and hostile bases, and all sections."""
    current = results.current()
    texts = []
    for problem in problems:
        for kind in hostile or [""]:
            if found := of(current, problem, kind):
                texts.append(f"{problem} {kind}\n\n{markdown(*regret_table(problem, found))}")
    return "\n\n".join([*texts, *section_texts(results)])


def section_texts(results: Results) -> list[str]:
    """The sections in words and tables."""
    found: dict[str, list[dict[str, Any]]] = {name: entry["rows"] for name, entry in results.sections.items()}
    texts = []
    if "speed" in found:
        columns = ["first_cold", "first_warm", "at_50", "slowest_at_50", "at_1000", "slowest_at_1000"]
        rows = [[METHODS[one["method"]].title, *(f"{one[name]:.3f}" for name in columns)] for one in found["speed"]]
        header = [
            "method",
            "first, empty cache",
            "first, warm cache",
            "50 trials",
            "slowest",
            "1,000 trials",
            "slowest",
        ]
        texts.append(
            "## Time per suggestion\n\nSeconds with 100 sources of 200 runs (rbv2_rpart). First: from `create_study` "
            "to the configuration in a new process, imports included. Others: median and slowest of 15 suggestions "
            "from so many observations on.\n\n" + markdown(header, rows)
        )
    if "fake" in found:
        rows = [
            [one["problem"], METHODS[one["method"]].title, f"{one['different']} of {one['trials']}"]
            for one in found["fake"]
        ]
        texts.append(
            "## A planted run\n\nThe base gets a perfect run on the target, at a bad configuration. Trials of the "
            "search that differ from those without it:\n\n" + markdown(["problem", "method", "different"], rows)
        )
    if "workers" in found:
        texts.append(_workers_text(found["workers"]))
    return texts


def _workers_text(found: Sequence[dict[str, Any]]) -> str:
    header = [
        "problem",
        "method",
        "workers",
        "searches",
        "suggested twice",
        "queued twice",
        "regret",
        "with one worker",
        "difference",
    ]
    rows = [
        [
            one["problem"],
            METHODS[one["method"]].title,
            str(one["workers"]),
            str(one["searches"]),
            f"{one['suggested_twice']} of {one['trials']}",
            f"{one['queued_twice']} of {one['trials']}",
            f"{one['several']:.4f}",
            f"{one['one']:.4f}",
            f"{one['difference']:.4f} ± {one['error']:.4f}",
        ]
        for one in found
    ]
    return (
        "## Several workers\n\nWorker processes share a journal storage; an evaluation takes 0.1 to 0.4 s. Final "
        "regret after 60 trials in all; the difference with its standard error over the searches.\n\n"
        + markdown(header, rows)
    )


def remarks(results: Results, picture: str) -> str:
    """What the figures are, and all tables but the first."""
    current = results.current()
    texts = [
        "Normalized regret is (best - incumbent) / (best - worst) of the dataset: 0 is the best one. "
        "Best and worst are those of the table; where a surrogate stands for the dataset, those of 10,000 random "
        "configurations and of local searches from them. Values are means over the datasets, of each of which the mean "
        "over the seeds is taken; ± is the standard error over the datasets. The dataset that is searched, its "
        "runs included, is hidden. `s per trial` is the median time to choose, `s to first` what passes before the "
        "first trial: reading the base, models that are not cached, imports of other libraries.",
        "A search that failed keeps the regret it had. Ordered choices are whole numbers to Optuna's samplers, and to "
        "the other libraries where they have them. Bases of the YAHPO problems have 200 random runs of every task. "
        f"Syne Tune is told of all runs; OpenBox and SMAC3 of a random sample of at most {TOLD_OF_EACH} of each "
        f"dataset and {TOLD_IN_ALL:,} in all, the same for both and for every seed. Methods whose searches take "
        f"minutes have fewer seeds, OpenBox and SMAC3 at most {SEEDS_OF_SLOW}, and not every problem: `searches` "
        "counts datasets times seeds. Some choices of the samplers (how many proposals serve sources, how often one "
        "does without) were made while looking at these problems, so their figures flatter a little.",
        f"![Normalized regret over trials]({picture})",
    ]
    for problem in PROBLEMS:
        if found := of(current, problem):
            texts.append(f"## {problem}\n\n{markdown(*regret_table(problem, found))}")
    rows = [row for problem in PROBLEMS for kind in HOSTILE for row in hostile_table(current, problem, kind)]
    if rows:
        texts.append(
            "## Sources that mislead\n\nInverted: the best configurations of every dataset have its worst values. "
            "Shuffled: its values are dealt out anew. Other: runs of another learner, moved into the space. "
            "Regret after 60 trials, beside cold TPE's; the difference by dataset, with its standard error.\n\n"
            + markdown(HOSTILE_HEADER, rows)
        )
    failed = {(one.method, one.failure.splitlines()[-1]) for one in current if one.failure}
    texts += (
        ["Failures: " + "; ".join(f"{METHODS[name].title}: {why}" for name, why in sorted(failed))] if failed else []
    )
    libraries = {(one.library, one.version) for one in METHODS.values() if one.peer is not None}
    versions = "Other libraries: " + ", ".join(f"{name} {version}" for name, version in sorted(libraries)) + "."
    return "\n\n".join([*texts, *section_texts(results), versions])
