"""`autometa fewshot tune` on glyphs: its best beside each learner's default, and a warm start beside a cold one.

The history of the warm search is one search on Omniglot's background set, as long as the others. Every default of the
space is trained for as many episodes as a trial of the searches, and may take as long. All are judged on the same
classes, which neither trainings nor choices have seen. Results lie in a folder; a second call goes on where the first
one stopped.

    python benchmarks/few_shot_tune.py --omniglot images_background.zip [--seconds 600] [--jobs 2] [--seeds 1]
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _report import write

from autometa import KnowledgeBase
from autometa.fewshot import LEARNERS, TrainOptions, UniformEpisodes, evaluate, meta_train
from autometa.search._fewshot_options import FewShotOptions
from autometa.search._fewshot_run import tune_few_shot
from autometa.search._fewshot_setup import ALGORITHM, setup, space_for
from autometa.search._fewshot_trial import FINAL_QUERIES, JUDGED_QUERIES, form_of, load

MARKS = (0.1, 0.2, 0.5, 1.0)
"""Shares of the time at which the best so far is reported."""


def main() -> None:
    """Run what is missing, then write the table."""
    given = _arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    history = KnowledgeBase(given.folder / "history")
    _kept(given.folder / "omniglot.json", partial(_search, given, "omniglot", given.omniglot, history, 0, "history"))
    bases = {"cold": KnowledgeBase(given.folder / "empty"), "warm": history}
    for seed in range(given.seeds):
        for start, base in bases.items():
            _kept(given.folder / f"{start}-{seed}.json", partial(_search, given, "glyphs", None, base, seed, start))
    names = [name for name in LEARNERS.names() if not (given.folder / f"default-{name}.json").is_file()]
    with ProcessPoolExecutor(given.jobs) as pool:
        for name, found in zip(names, pool.map(_default, names, [given.seconds] * len(names)), strict=True):
            (given.folder / f"default-{name}.json").write_text(json.dumps(found))
    _report(given)


def _kept(file: Path, run: Callable[[], dict[str, Any]]) -> None:
    if not file.is_file():
        file.write_text(json.dumps(run()))
        print(file.name, file.read_text(), flush=True)


def _options(seconds: float, seed: int, jobs: int) -> FewShotOptions:
    return FewShotOptions(time_limit=seconds, jobs=jobs, seed=seed, learn=False)


def _search(
    given: argparse.Namespace, tasks: str, data: Path | None, base: KnowledgeBase, seed: int, start: str
) -> dict[str, Any]:
    """One search; only that on Omniglot adds to the base."""
    output = given.folder / f"{tasks}-{start}-{seed}"
    shutil.rmtree(output, ignore_errors=True)
    options = FewShotOptions(
        tasks=tasks,
        data=None if data is None else str(data),
        rotations=data is not None,
        time_limit=given.seconds,
        jobs=given.jobs,
        warm_start="none" if start == "cold" else "auto",
        seed=seed,
        learn=start == "history",
    )
    began = time.monotonic()
    found = tune_few_shot(options, output, kb=base)
    trials = found.study.get_trials(deepcopy=False)
    start_of_all = min(trial.datetime_start for trial in trials if trial.datetime_start)
    complete = [
        (trial.datetime_complete, trial.values[0])
        for trial in trials
        if trial.state.name == "COMPLETE" and trial.datetime_complete
    ]
    best = {}
    for mark in MARKS:
        until = start_of_all + timedelta(seconds=mark * given.seconds)
        best[str(mark)] = max((value for ended, value in complete if ended <= until), default=0.0)
    return {
        "seconds": time.monotonic() - began,
        "accuracy": found.evaluation.accuracy,
        "ci95": found.evaluation.ci95,
        "config": dict(found.best.config),
        "trials": len(trials),
        "complete": len(complete),
        "best": best,
    }


def _default(name: str, seconds: float) -> dict[str, Any]:
    """A learner at the defaults of the space, trained as a trial is, judged as the best one is."""
    torch.set_num_threads(1)
    options = _options(seconds, 0, 1)
    classes, chooses, judges = load(**options.source)
    form = form_of(classes, options.n_way, options.n_shot)
    config = space_for(form).project({ALGORITHM: name})
    made = setup(config, form, n_episodes=options.n_episodes, seed=0)
    if made.recipe.n_steps:
        settings = TrainOptions(
            recipe=made.recipe,
            chunk_size=made.learner.chunk_size("cpu"),
            validate_every=max(1, made.recipe.n_steps // 8),
            n_validation=options.n_judged,
            seconds=options.trial_seconds or 0.0,
        )
        source = UniformEpisodes(classes, made.recipe.n_way, made.recipe.n_shot, made.recipe.n_query)
        validation = UniformEpisodes(chooses, options.n_way, options.n_shot, JUDGED_QUERIES)
        meta_train(made.learner, source, settings, validation=validation)
    source = UniformEpisodes(judges, options.n_way, options.n_shot, FINAL_QUERIES)
    found = evaluate(made.learner, source, n_episodes=options.n_final, seed=options.seed)
    return {"accuracy": found.accuracy, "ci95": found.ci95, "transductive": found.transductive}


def _report(given: argparse.Namespace) -> None:
    rows = []
    for name in ("warm", "cold"):
        found = list(_read(given.folder, name))
        by_mark = [[one["best"][str(mark)] for one in found] for mark in MARKS]
        cells = [f"{100 * np.mean(values):.2f}" for values in by_mark]
        what = ", ".join(sorted({one["config"][ALGORITHM] for one in found}))
        trials = f"{np.mean([one['trials'] for one in found]):.0f}"
        rows.append([f"search, {name}: {what}", _accuracy(found), trials, *cells])
    defaults = {file.stem.partition("-")[2]: json.loads(file.read_text()) for file in given.folder.glob("default-*")}
    for name, one in sorted(defaults.items(), key=lambda pair: -float(pair[1]["accuracy"])):
        rows.append([f"default of {name}{' (transductive)' if one['transductive'] else ''}", _accuracy([one]), "1"])
    rows = [row + [""] * (3 + len(MARKS) - len(row)) for row in rows]
    heads = ["what", "accuracy", "trials", *(f"best after {mark * given.seconds / 60:g} min" for mark in MARKS)]
    remarks = (
        f"5-way 1-shot on glyphs; {given.seconds:g} s and {given.jobs} jobs of one thread for each search, "
        f"{given.seeds} seed(s). Accuracy: in per cent, 600 episodes of classes that nothing has seen, with the 95 % "
        "interval over episodes, or, of several seeds, the standard error over these. Best after: on the classes that "
        "choose, over 100 episodes, so the best of many looks better than it is."
    )
    write("few_shot_tune", heads, rows, "python benchmarks/few_shot_tune.py --omniglot images_background.zip", remarks)


def _read(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob(f"{name}-*.json")):
        yield json.loads(file.read_text())


def _accuracy(found: list[dict[str, Any]]) -> str:
    values = 100 * np.array([one["accuracy"] for one in found])
    if len(values) == 1:
        return f"{values[0]:.2f} ± {100 * found[0]['ci95']:.2f}"
    return f"{values.mean():.2f} ± {values.std(ddof=1) / np.sqrt(len(values)):.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--omniglot", type=Path, required=True, help="images_background.zip, for the history")
    parser.add_argument("--folder", type=Path, default=Path("few-shot-tune"), help="of searches and results")
    parser.add_argument("--seconds", type=float, default=600.0, help="of each search")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
