"""The sine benchmark: regression from five points (Finn, Abbeel, Levine, 2017, sec. 5.1).

Waves of amplitude 0.1 to 5 and phase 0 to pi, x between -5 and 5; a network of two layers of 40; 25 waves a step. Each
learner adapts to five points of 600 new waves; the figure is the mean squared error on the rest of the wave after 1, 5
and 10 gradient steps. Meta-training has tasks of five points, too: a network that learned to make one step from ten
is better after one step from five, but soon unstable after more (``--shots 10``). Results are kept in a file; a second
call goes on where the first one stopped, and may ask for more seeds.

    python benchmarks/few_shot_sine.py [--share 1.0] [--seeds 3] [--shots 5]
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _report import write

from autometa.fewshot import (
    BackboneSpec,
    Form,
    SineEpisodes,
    TrainOptions,
    evaluate,
    make_learner,
    meta_train,
)

AFTER = (1, 5, 10)
N_TASKS = 600
PAPER = {"maml": (0.67, 0.38, 0.35)}
SPEC = BackboneSpec(name="mlp", width=40, depth=2, norm="none")

LEARNERS: dict[str, dict[str, Any]] = {
    "maml": {"inner_lr": 0.01, "n_inner_steps": 1},
    "fomaml": {"inner_lr": 0.01, "n_inner_steps": 1},
    "reptile": {"inner_lr": 0.01, "n_inner_steps": 10, "inner_batch_size": 10, "beta2": 0.999},
    "anil": {"inner_lr": 0.01, "n_inner_steps": 1},
    "meta_sgd": {},
    "imaml": {"inner_lr": 0.02, "n_inner_steps": 16, "regularization": 10.0},
}
"""Hyperparameters; all else as the papers have it."""

STEPS = {"reptile": 20_000, "imaml": 10_000}
"""Fewer outer steps than the paper's where one costs as much as five to ten of MAML's."""

PAPER_STEPS = 70_000
_MANY = 100  # seeds


def main() -> None:
    """Train, adapt, tell."""
    given = _arguments()
    torch.set_num_threads(1)
    done: dict[str, list[float]] = json.loads(given.results.read_text()) if given.results.is_file() else {}
    for name in given.learners:
        for seed in range(given.seeds):
            key, n_steps = _key(name, seed, given), _steps(name, given.share)
            if key not in done:
                done[key] = errors(name, seed, n_steps, given.shots)
                given.results.write_text(json.dumps(done, indent=1))
                print(key, *(f"{one:.3f}" for one in done[key]), flush=True)
    rows = []
    for name in LEARNERS:
        # What was measured before stays in the table: dear learners may have fewer seeds.
        found = np.array([done[key] for seed in range(_MANY) if (key := _key(name, seed, given)) in done])
        if not len(found):
            continue
        cells = [f"{mean:.3f}" if np.isfinite(mean) else "diverges" for mean in found.mean(0)]
        if len(found) > 1:
            errors_of_means = found.std(0, ddof=1) / np.sqrt(len(found))
            pairs = zip(cells, errors_of_means, strict=True)
            cells = [f"{cell} ± {error:.3f}" if np.isfinite(error) else cell for cell, error in pairs]
        paper = " / ".join(f"{one:g}" for one in PAPER.get(name, ())) or "none"
        rows.append([name, *cells, paper, f"{_steps(name, given.share):,}", str(len(found))])
    remarks = (
        f"Mean squared error over {N_TASKS} waves, mean and standard error over seeds; meta-trained on "
        f"{given.shots} points of 25 waves a step, adapted to five."
    )
    heads = ["learner", *(f"after {n} step{'s' * (n > 1)}" for n in AFTER), "paper", "outer steps", "seeds"]
    write("few_shot_sine", heads, rows, "python benchmarks/few_shot_sine.py", remarks)


def _key(name: str, seed: int, given: argparse.Namespace) -> str:
    return f"{name} {seed} {given.share:g} {given.shots}"


def _steps(name: str, share: float) -> int:
    return max(1, round(share * STEPS.get(name, PAPER_STEPS)))


def errors(name: str, seed: int, n_steps: int, n_shot: int) -> list[float]:
    """Mean squared error after each of `AFTER` steps, meta-trained on so many points."""
    form = Form(shape=(1,), n_way=0, n_shot=n_shot)
    options = LEARNERS[name]
    spec = replace(SPEC, seed=seed)
    learner = make_learner(name, form, spec, options)
    recipe = replace(type(learner).recipe(form), n_steps=n_steps, n_shot=n_shot, n_query=10)
    settings = TrainOptions(recipe=recipe, seed=seed, validate_every=n_steps)
    meta_train(learner, SineEpisodes(n_shot=n_shot, n_query=10), settings)
    found = []
    for n in AFTER:
        tested = make_learner(name, form, spec, {**options, "n_inner_steps_test": n})
        tested.load_state_dict(learner.state_dict())
        source = SineEpisodes(n_shot=5, n_query=100)
        found.append(evaluate(tested, source, n_episodes=N_TASKS, seed=1000 + seed).accuracy)
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", nargs="+", choices=list(LEARNERS), default=list(LEARNERS))
    parser.add_argument("--share", type=float, default=1.0, help="of the outer steps, for a quick look")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shots", type=int, default=5, help="points of a task in meta-training")
    parser.add_argument("--results", type=Path, default=Path("few-shot-sine.json"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
