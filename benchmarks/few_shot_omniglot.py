"""Every few-shot learner on Omniglot's background set, beside its paper.

25 alphabets to train on, 5 to validate on (`autometa.fewshot.OMNIGLOT_VALIDATION`); 28 x 28 pixels; classes turned by
quarters are classes of their own. The evaluation set stays untouched, as the official protocol asks. Each learner is
trained anew for each of ``--forms`` (5-way 1-shot, 5-way 5-shot and 20-way 1-shot), each time for ``--minutes`` of one
core, and evaluated on 600 episodes of the validation alphabets, in the other forms too where it takes them. Trainings
and results lie in a folder; a second call goes on where the first one stopped. What was published before stays in the
table until it is measured anew.

    python benchmarks/few_shot_omniglot.py --data images_background.zip [--minutes 20] [--jobs 2] [--algorithms ...]

``--ship FOLDER`` writes the learners that come with autometa, in half precision, from what there is.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _report import FOLDER, write

from autometa.fewshot import OMNIGLOT_VALIDATION, ClassSet, FewShotLearner

FORMS = ((5, 1), (5, 5), (20, 1))
N_EPISODES = 600
LONG = 1_000_000  # steps: the time ends a training
PUBLISHED = FOLDER / "few_shot_omniglot.jsonl"

PAPERS: dict[str, tuple[tuple[float, float, float], str]] = {
    "nearest_neighbor": ((41.7, 63.2, 26.7), "Vinyals et al. (2016), Pixels"),
    "linear_head": ((80.0, 95.0, 69.5), "Vinyals et al. (2016), baseline classifier (by cosine)"),
    "simple_shot": ((float("nan"),) * 3, "none on Omniglot"),
    "siamese": ((96.7, 98.4, 88.0), "Vinyals et al. (2016), convolutional Siamese net"),
    "matching": ((98.1, 98.9, 93.8), "Vinyals et al. (2016)"),
    "prototypical": ((98.8, 99.7, 96.0), "Snell et al. (2017)"),
    "relation": ((99.6, 99.8, 97.6), "Sung et al. (2018); transductive, which ours is not"),
    "mann": ((82.8, 94.9, float("nan")), "Santoro et al. (2016), second and fifth presentation; no convolutions"),
    "meta_networks": ((98.95, float("nan"), 97.0), "Munkhdalai, Yu (2017)"),
    "snail": ((99.07, 99.78, 97.64), "Mishra et al. (2018)"),
    "maml": ((98.7, 99.9, 95.8), "Finn et al. (2017); transductive"),
    "fomaml": ((98.3, 99.2, 89.4), "Nichol et al. (2018); transductive"),
    "meta_sgd": ((99.53, 99.93, 95.93), "Li et al. (2017); transductive"),
    "maml_plus_plus": ((99.47, 99.93, 97.65), "Antoniou et al. (2019); five checkpoints together"),
    "anil": ((float("nan"), float("nan"), 96.2), "Raghu et al. (2020); 5-way beside MAML's 98.7"),
    "imaml": ((99.16, 99.67, 94.46), "Rajeswaran et al. (2019), gradient descent; transductive"),
    "reptile": ((97.68, 99.48, 89.43), "Nichol et al. (2018), with transduction"),
    "meta_learner_lstm": ((float("nan"),) * 3, "none on Omniglot"),
}
"""Accuracies in per cent for the three forms, and where they are from."""

GRADIENT = ("maml", "fomaml", "meta_sgd", "maml_plus_plus", "anil", "imaml", "reptile", "meta_learner_lstm")
"""In single precision always; the others may do with less."""

_FEW = {"episodes_per_step": 4, "train_query": 5}
SETTINGS: dict[str, dict[str, Any]] = {
    "mann": {"backbone": "pixels", "norm": "none", "lr": 1e-2},
    "prototypical": {"train_way": 20},
    "relation": {"train_query": 10},
    "matching": {"train_way": 20, "episodes_per_step": 1},
    "meta_learner_lstm": {"episodes_per_step": 1, "train_query": 5, "validate_every": 25},
    "maml_plus_plus": {**_FEW, "options": {"first_order_share": 0.5}},  # the paper's, not the released configurations'
    "snail": {"options": {"n_filters": 32}},
    **dict.fromkeys(("maml", "fomaml", "meta_sgd", "anil", "imaml"), _FEW),
}
"""Where a training of some minutes needs something else than the recipe: more steps of fewer tasks."""

BACKBONES: dict[str, dict[str, Any]] = {
    "strides": {"train_way": 20, "norm": "transductive", "downsample": "stride"},
    "maps": {"train_way": 20, "backbone": "conv4_maps"},
}
"""Backbones that others begin with, each trained as a Prototypical Network for as long as the others."""

STARTS: dict[str, str] = {
    **dict.fromkeys(GRADIENT, "strides"),
    "relation": "maps",
    **dict.fromkeys(("siamese", "snail", "meta_networks"), "prototypical"),
}
"""Who begins with what: on a CPU the trainings of their own papers, of millions of tasks, take days."""

_FROZEN = {"freeze_backbone": True}
_GENTLY = {"lr": 5e-5}
_THREE_STEPS = {"n_inner_steps": 3, "n_inner_steps_test": 5}
STARTED: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("siamese", "snail", "meta_networks"), _FROZEN),
    **dict.fromkeys(("anil", "meta_learner_lstm"), _GENTLY),
    "imaml": {**_GENTLY, "options": {"regularization": 0.5}},
    "reptile": {"lr": 0.1, "options": {"inner_optimizer": "sgd", "inner_lr": 0.1, "n_inner_steps_test": 20}},
    "maml": {**_GENTLY, "options": _THREE_STEPS},
    "fomaml": {**_GENTLY, "options": _THREE_STEPS},
    "maml_plus_plus": {**_GENTLY, "options": {"inner_lr": 0.4}},
    "meta_sgd": {**_GENTLY, "options": {**_THREE_STEPS, "lowest_rate": 0.2, "highest_rate": 0.4}},
}
"""What who begins so needs beside `SETTINGS`: where the rest has much to learn, a backbone that stays as it is, which
makes steps cheap; else small outer steps, which do not lose what is there, and inner loops that go far enough, as a
head that begins at zero is no classifier after one step."""

FURTHER = ("maml", "fomaml", "meta_sgd", "anil")
"""Who takes 20 inner steps in testing where ways are 20: a head that begins at zero tells so many apart late."""

SHIPPED = ("prototypical", "matching", "relation", "maml_plus_plus", "anil", "snail")
"""Those of 5-way 1-shot lie in ``meta_db/models``."""

_OMNIGLOT = {
    "name": "Omniglot, images_background",
    "url": "https://github.com/brendenlake/omniglot",
    "licence": "MIT, Copyright (c) 2015 Brenden Lake",
    "citation": "B. Lake, R. Salakhutdinov, J. Tenenbaum (2015): Human-level concept learning through probabilistic "
    "program induction. Science 350(6266)",
}
_REMARKS = (
    "25 alphabets to train on, five to validate on: " + ", ".join(OMNIGLOT_VALIDATION).replace("_", " ") + ". 28 x 28 "
    "pixels, classes turned by quarters are classes of their own; the evaluation set was not touched."
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One training."""

    algorithm: str
    n_way: int
    n_shot: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.algorithm}-{self.n_way}w{self.n_shot}s"


def main() -> None:
    """Train what is missing, then write the table."""
    given = _arguments()
    if given.unit:
        algorithm, n_way, n_shot = given.unit.split(":")
        train(Unit(algorithm, int(n_way), int(n_shot)), given)
        return
    if given.ship is not None:
        ship(given)
        return
    # The form with which papers are compared first comes first.
    units = [Unit(name, *form) for form in given.forms for name in given.algorithms]
    if any(unit.algorithm in STARTS for unit in units) and not given.from_scratch:
        _ensure_starts(units, given)
    missing = [unit for unit in units if not (given.folder / unit.name / "result.json").is_file()]
    running: list[tuple[subprocess.Popen[bytes], Unit]] = []
    while missing or running:
        while missing and len(running) < given.jobs:
            unit = missing.pop(0)
            running.append((_start(unit, given), unit))
            print(f"{unit.name} begins; {len(missing)} wait", flush=True)
        for process, unit in [pair for pair in running if pair[0].poll() is not None]:
            running.remove((process, unit))
            print(f"{unit.name} ended with {process.returncode}", flush=True)
            report(given)
        time.sleep(0.5)
    report(given)


def _ensure_starts(units: list[Unit], given: argparse.Namespace) -> None:
    """Train the backbones that others begin with, unless they are trained already."""
    needed = sorted({STARTS[unit.algorithm] for unit in units if unit.algorithm in STARTS})
    missing = [
        unit for name in needed if not (given.folder / (unit := Unit(name, 5, 1)).name / "result.json").is_file()
    ]
    for process in [_start(unit, given) for unit in missing]:
        process.wait()


def _start(unit: Unit, given: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, __file__, "--data", str(given.data), "--folder", str(given.folder)]
    command += ["--minutes", str(given.minutes), "--seed", str(given.seed), "--device", given.device]
    command += ["--mixed-precision"] if given.mixed_precision else []
    command += ["--from-scratch"] if given.from_scratch else []
    command += ["--go-on-from", str(given.go_on_from)] if given.go_on_from is not None else []
    command += ["--unit", f"{unit.algorithm}:{unit.n_way}:{unit.n_shot}"]
    # One thread each: two trainings side by side get more out of two cores than one of them.
    threads = str(given.threads)
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads})


def train(unit: Unit, given: argparse.Namespace) -> None:
    """Meta-train and evaluate; writes ``result.json``."""
    from autometa.fewshot import (
        embedded,
        load_learner,
        meta_train_by_name,
        read_card,
        split_tasks,
        without_backbone,
    )

    folder = given.folder / unit.name
    settings = {"validate_every": 500, **SETTINGS.get(unit.algorithm, {})}
    untrained = unit.algorithm == "nearest_neighbor"
    start = None if given.from_scratch else STARTS.get(unit.algorithm)
    begins = None if start is None else given.folder / Unit(start, 5, 1).name
    before = 0.0
    if given.go_on_from is not None and (earlier := _earlier(given.go_on_from, unit)) is not None:
        begins, before = earlier
    if begins is not None:
        started = STARTED.get(unit.algorithm, {})
        further = {"n_inner_steps_test": 20} if unit.algorithm in FURTHER and unit.n_way == 20 else {}
        settings |= {**started, "options": {**settings.get("options", {}), **started.get("options", {}), **further}}
    settings |= BACKBONES.get(unit.algorithm, {})
    done = meta_train_by_name(
        "prototypical" if unit.algorithm in BACKBONES else unit.algorithm,
        "omniglot",
        given.data,
        folder=folder,
        rotations=True,
        n_way=unit.n_way,
        n_shot=unit.n_shot,
        n_steps=0 if untrained else LONG,
        seconds=60.0 * given.minutes,
        device=given.device,
        seed=given.seed,
        start=begins,
        mixed_precision=given.mixed_precision and unit.algorithm not in (*GRADIENT, "mann"),
        resume=(folder / "checkpoint.json").is_file(),
        **settings,
    )
    learner = load_learner(folder)
    classes = split_tasks("omniglot", given.data, rotations=True, seed=given.seed).validation
    if learner.ability.on_vectors and learner.items_apart:
        # The same results, from what the backbone makes of each item once.
        classes, learner = embedded(learner, classes), without_backbone(learner).eval()
    score = partial(_score, classes=classes, seed=given.seed + 1)
    evaluations = {learner.norm_mode: score(learner, unit.n_way, unit.n_shot)}
    if learner.norm_mode == "transductive" and (unit.n_way, unit.n_shot) == FORMS[0]:
        evaluations["support"] = score(load_learner(folder, norm="support"), unit.n_way, unit.n_shot)
    others = [form for form in FORMS if form != (unit.n_way, unit.n_shot) and _takes(learner, *form)]
    looks = done.looks
    result = {
        "algorithm": unit.algorithm,
        "n_way": unit.n_way,
        "n_shot": unit.n_shot,
        "steps": looks[-1].step if looks else 0,
        "episodes": looks[-1].episodes if looks else 0,
        "seconds": before + (looks[-1].seconds if looks else 0.0),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "norm": learner.norm_mode,
        "evaluations": evaluations,
        "other_forms": {f"{n_way}:{n_shot}": score(learner, n_way, n_shot) for n_way, n_shot in others},
        "seed": given.seed,
        "start": start,
        "card": {name: read_card(folder)[name] for name in ("backbone", "options", "recipe")},
        "weights_kb": round((folder / "weights.safetensors").stat().st_size / 1024),
    }
    (folder / "result.json").write_text(json.dumps(result, indent=1))


def _score(learner: FewShotLearner[Any], n_way: int, n_shot: int, classes: ClassSet, seed: int) -> dict[str, Any]:
    from autometa.fewshot import UniformEpisodes, evaluate

    source = UniformEpisodes(classes, n_way, n_shot, 15)
    return evaluate(learner, source, n_episodes=N_EPISODES, seed=seed).as_dict()


def _earlier(folder: Path, unit: Unit) -> tuple[Path, float] | None:
    """Where a learner lies that was trained before, and for how many seconds: of a call of this, or shipped."""
    if (of_call := folder / unit.name / "result.json").is_file():
        return of_call.parent, json.loads(of_call.read_text())["seconds"]
    if (shipped := folder / unit.algorithm / "card.json").is_file():
        return shipped.parent, json.loads(shipped.read_text())["seconds"]
    return None


def _takes(learner: FewShotLearner[Any], n_way: int, n_shot: int) -> bool:
    """Whether a learner of another form takes this one.

    SNAIL is made for a length, a relation for sums of so many shots, and many for their ways.
    """
    bound = learner.name in ("relation", "snail") and n_shot != learner.form.n_shot
    return not bound and (learner.ability.any_way or learner.form.n_way == n_way)


def ship(given: argparse.Namespace) -> None:
    """Write the learners that come with autometa."""
    from autometa.fewshot import load_learner, read_card, save_learner

    for name in (name for name in SHIPPED if (given.folder / Unit(name, 5, 1).name / "result.json").is_file()):
        folder = given.folder / Unit(name, 5, 1).name
        card, result = read_card(folder), json.loads((folder / "result.json").read_text())
        kept = ("rotations", "classes", "n_train_classes", "n_validation_classes", "seed", "recipe", "steps")
        what = {**{key: card[key] for key in kept}, "seconds": result["seconds"], "start": card.get("start")}
        command = f"python benchmarks/few_shot_omniglot.py --algorithms {name} --ship FOLDER"
        told = {"tasks": _OMNIGLOT, **what, "evaluations": result["evaluations"], "command": command}
        save_learner(load_learner(folder), given.ship / name, told, half=True)


def report(given: argparse.Namespace) -> None:
    """Write the table of what there is, and the results beside it, to which other runs may add."""
    lines = PUBLISHED.read_text().splitlines() if PUBLISHED.is_file() else []
    texts = [*lines, *(file.read_text() for file in given.folder.glob("*/result.json"))]
    found = {(one["algorithm"], one["n_way"], one["n_shot"]): one for one in map(json.loads, texts)}
    by_unit = dict(sorted(found.items()))
    PUBLISHED.write_text("".join(f"{json.dumps(one)}\n" for one in by_unit.values()))
    rows = [_row(name, by_unit) for name in PAPERS if any((name, *form) in by_unit for form in FORMS)]
    heads = ["learner"]
    for n_way, n_shot in FORMS:
        heads += [f"{n_way}-way {n_shot}-shot", "paper"]
    heads += ["norm", "alone", "begins with", "steps", "minutes", "paper's figures"]
    remarks = (
        f"{_REMARKS} Accuracy in per cent with 95 % intervals over {N_EPISODES} episodes of 15 queries a class, seed "
        f"{given.seed}; * by the learner that was trained for 5-way 1-shot. Papers use other splits (1,200 characters "
        "to train on, 423 to test) and train for hours. "
        "*Alone*: 5-way 1-shot where normalization takes its statistics from the support alone, so that queries do not "
        "help each other. *Begins with*: whose trained backbone, as the papers' own trainings take days on a CPU: "
        f"{_backbones_told(by_unit)}, which the minutes leave out. Siamese, SNAIL and Meta Networks leave it as it is "
        "and train what stands on it. The gradient family's head begins at zero; MAML, FOMAML and Meta-SGD take three "
        "inner steps in training where their papers take one, and with ANIL 20 in testing on 20 ways; Reptile's inner "
        "optimizer is SGD. Weights are those of the best look at the validation classes (200 episodes), so figures "
        "are a little too good."
    )
    command = "python benchmarks/few_shot_omniglot.py --data images_background.zip"
    write("few_shot_omniglot", heads, rows, command, remarks)


def _backbones_told(by_unit: dict[tuple[str, int, int], dict[str, Any]]) -> str:
    """Which backbones there are, and for how long they were trained."""
    minutes = {name: by_unit[name, 5, 1]["seconds"] / 60 for name in BACKBONES if (name, 5, 1) in by_unit}
    told = " and ".join(f"`{name}` ({done:.0f} minutes)" for name, done in minutes.items())
    return f"{told or 'They'} are Prototypical Networks on the backbones of gradient learners and Relation Networks"


def _row(name: str, by_unit: dict[tuple[str, int, int], dict[str, Any]]) -> list[str]:
    cells, alone, steps, minutes, norm, begins = [name], "", "", "", "", ""
    for i, form in enumerate(FORMS):
        one, paper = by_unit.get((name, *form)), PAPERS[name][0][i]
        told = _accuracy(one) if one is not None else _borrowed(by_unit.get((name, *FORMS[0])), form)
        cells += [told, "" if paper != paper else f"{paper:g}"]
        if one is not None and not steps:
            norm, steps, minutes = one["norm"], f"{one['steps']:,}", f"{one['seconds'] / 60:.0f}"
            begins = one.get("start") or ""
            alone = _accuracy(one, "support") if "support" in one["evaluations"] else ""
    return [*cells, norm, alone, begins, steps, minutes, PAPERS[name][1]]


def _borrowed(one: dict[str, Any] | None, form: tuple[int, int]) -> str:
    """What a learner that was trained for the first form reaches in another."""
    found = one["other_forms"].get("{}:{}".format(*form)) if one is not None else None
    return "" if found is None else f"{_percent(found)} *"


def _accuracy(one: dict[str, Any], norm: str = "") -> str:
    return _percent(one["evaluations"][norm or one["norm"]])


def _percent(found: dict[str, Any]) -> str:
    return f"{100 * found['accuracy']:.2f} ± {100 * found['ci95']:.2f}"


def _form(text: str) -> tuple[int, int]:
    n_way, n_shot = text.split(":")
    return int(n_way), int(n_shot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="Omniglot's images_background.zip, or its folder")
    parser.add_argument("--folder", type=Path, default=Path("few-shot-omniglot"), help="of trainings and results")
    parser.add_argument("--algorithms", nargs="+", choices=list(PAPERS), default=list(PAPERS))
    parser.add_argument("--forms", nargs="+", type=_form, default=list(FORMS), metavar="WAYS:SHOTS")
    parser.add_argument("--minutes", type=float, default=20.0, help="of each training")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at the same time")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--mixed-precision", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from-scratch", action="store_true", help="let no learner begin with another's backbone")
    parser.add_argument(
        "--go-on-from", type=Path, help="begin with what another call's folder, or a folder of shipped learners, has"
    )
    parser.add_argument("--ship", type=Path, help="write the learners that come with autometa there")
    parser.add_argument("--unit", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
