"""Learned optimizers beside tuned ones: quadratics, MNIST, tables, and what a step costs.

The rules are those that ship with autometa. Each baseline's learning rate is the best of 25 between 1e-5 and 10 at the
same number of steps, on problems of the validation split; what is shown is of the test split, on the same problems for
all. Curves are drawn into docs/benchmarks.

    python benchmarks/learned_optimizers.py --mnist FOLDER [--problems 128] [--seeds 32] [--sections ...]

Results lie in a file; a second call goes on where the first one stopped.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from _report import FOLDER, write

from autometa.learned_optimizers import (
    MNISTPerceptron,
    Optimizees,
    Quadratic,
    RuleRecipe,
    TorchOptimizer,
    compare,
    load_rule,
    make_rule,
    shipped_rules,
    unroll,
)
from autometa.metatraining import generator_of

matplotlib.use("Agg")

N_COST_STEPS = 20
MILLION = 1_000_000
ROUNDS = 5


def main() -> None:
    """Measure what is missing, then write tables and plots."""
    given = _arguments()
    torch.set_num_threads(given.threads)
    if given.one_cost:
        print(json.dumps(step_cost(given.one_cost)))
        return
    done: dict[str, Any] = json.loads(given.results.read_text()) if given.results.is_file() else {}
    for key, measure in _cases(given).items():
        if key not in done:
            done[key] = measure()
            given.results.write_text(json.dumps(done))
            print(key, flush=True)
    _report(given, done)


def _cases(given: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    cases: dict[str, Callable[[], Any]] = {}
    if "quadratic" in given.sections:
        for n_steps in (100, 200):
            cases[f"quadratic {n_steps}"] = partial(_curves, Quadratic(), ["quadratic"], n_steps, given.problems)
    if "mnist" in given.sections:
        if given.mnist is None:
            raise SystemExit(
                "--mnist FOLDER is where MNIST's files lie; or leave the section out: --sections quadratic"
            )
        kinds: dict[str, dict[str, Any]] = {
            "784-20-10 sigmoid": {},
            "784-40-10 sigmoid": {"width": 40},
            "784-20-20-10 sigmoid": {"depth": 2},
            "784-20-10 relu": {"activation": "relu"},
        }
        for name, network in kinds.items():
            for n_steps in (100, 200):
                kind = MNISTPerceptron(data=given.mnist, **network)
                cases[f"mnist {name} {n_steps}"] = partial(_curves, kind, ["mlp", "rnnprop"], n_steps, given.seeds)
    if "cost" in given.sections:
        for name in ("adam", "adam, one tensor at a time", *shipped_rules()):
            cases[f"cost {name}"] = partial(_apart, name, given)
        cases["meta-training"] = meta_training_cost
    return cases


def _curves(optimizees: Optimizees, names: list[str], n_steps: int, n_problems: int) -> list[dict[str, Any]]:
    """Of the shipped rules among the names, and of all baselines."""
    rules = {name: load_rule(folder) for name, folder in shipped_rules().items() if name in names}
    found = compare(rules, optimizees, n_steps=n_steps, n_problems=n_problems)
    return [curve.as_dict() for curve in found]


def _apart(name: str, given: argparse.Namespace) -> dict[str, float]:
    """`step_cost` in a process of its own, whose memory is nobody else's."""
    command = [sys.executable, __file__, "--one-cost", name, "--threads", str(given.threads)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told)
    return found


def step_cost(name: str) -> dict[str, float]:
    """Seconds of a step on a million parameters in some layers, and bytes that it takes beside them."""
    generator = generator_of(0)
    shapes = [(1000, 500), (1000,), (400, 1000), (400,), (240, 400), (240,), (10, 240), (10,)]
    params = [torch.nn.Parameter(0.01 * torch.randn(shape, generator=generator)) for shape in shapes]
    for value in params:
        value.grad = torch.randn(value.shape, generator=generator)
    n = sum(value.numel() for value in params)
    before = _peak()
    if name.startswith("adam") and name not in shipped_rules():
        optimizer: torch.optim.Optimizer = torch.optim.Adam(params, foreach="," not in name)
    else:
        optimizer = TorchOptimizer.from_pretrained(name, params)
    optimizer.step(lambda: 1.0)
    times = []
    for _ in range(N_COST_STEPS):
        began = time.perf_counter()
        optimizer.step(lambda: 1.0)
        times.append(time.perf_counter() - began)
    return {"seconds": float(np.median(times)), "bytes": float(_peak() - before), "parameters": float(n)}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def meta_training_cost() -> dict[str, float]:
    """Inner steps of meta-training per second: quadratics side by side and one after the other; sampled derivatives."""
    rule = make_rule("lstm", {"preprocessing": "none", "scale": 1.0})
    found = {}
    recipe = RuleRecipe()
    for label, n_problems, n_rounds in (("64 side by side", 64, 1), ("one after the other", 1, 64)):
        times = []
        for _ in range(ROUNDS):
            problems = Quadratic().sample(n_problems, seed=0)
            began = time.perf_counter()
            for _ in range(n_rounds):
                state = rule.init_state(problems.params, n_leading=1)
                segment = unroll(rule, problems, state, recipe.unroll_length)
                assert segment.surrogate is not None
                segment.surrogate.backward()  # type: ignore[no-untyped-call]
            times.append(time.perf_counter() - began)
        found[label] = n_problems * n_rounds * recipe.unroll_length / float(np.median(times))
    return found


def _report(given: argparse.Namespace, done: dict[str, Any]) -> None:
    rows, costs = [], []
    for key, found in done.items():
        if key.startswith(("quadratic", "mnist")):
            _plot(key, found)
            rows += [_curve_row(key, curve) for curve in sorted(found, key=lambda one: float(one["losses"][-1]))]
        if key.startswith("cost"):
            times = found["seconds"] / done["cost adam"]["seconds"]
            name, ms, mib = key.removeprefix("cost "), f"{1e3 * found['seconds']:.1f}", f"{found['bytes'] / 2**20:.0f}"
            costs.append([name, ms, mib, f"{times:.0f}"])
    heads = ["problems", "optimizer", "learning rate", "loss at the start", "at half", "at the end", "late"]
    lines = ["## What a step costs", "", "On a million parameters in eight tensors:", ""]
    lines += _table(["optimizer", "ms", "MiB", "times Adam"], costs)
    if "meta-training" in done:
        speeds = done["meta-training"]
        lines += ["", "Inner steps of meta-training per second, LSTM on quadratics: "]
        lines[-1] += ", ".join(f"{label} {speed:,.0f}" for label, speed in speeds.items()) + "."
    pictures = [f"![{key}]({_picture(key).name})" for key in done if key.startswith(("quadratic", "mnist"))]
    remarks = (
        f"Mean loss over {given.problems} quadratics, or {given.seeds} networks with starting points and batches of "
        "their own, ± its standard error; the number at the end of a row's problems is the steps. Learning rates are "
        "the best of 25 for the late loss, the mean of the last tenth of the steps, on other problems of the same "
        "kind. The rule `quadratic` was trained on 100 steps, `mlp` on 100 steps of 784-20-10 sigmoid networks alone: "
        "all else is generalization.\n\n" + "\n".join(lines) + "\n\n" + "\n".join(pictures)
    )
    write("learned_optimizers", heads, rows, "python benchmarks/learned_optimizers.py --mnist FOLDER", remarks)


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _curve_row(key: str, curve: dict[str, Any]) -> list[str]:
    n = len(curve["losses"]) - 1

    def at(step: int) -> str:
        return f"{curve['losses'][step]:.4g} ± {curve['errors'][step]:.2g}"

    lr = "" if curve["lr"] is None else f"{curve['lr']:.3g}"
    name = curve["name"] if curve["lr"] is not None else f"**{curve['name']}** (learned)"
    return [key, name, lr, at(0), at(n // 2), at(n), f"{curve['late']:.4g}"]


def _picture(key: str) -> Path:
    return FOLDER / f"learned_optimizers_{key.replace(' ', '_').replace('-', '_')}.svg"


def _plot(key: str, curves: list[dict[str, Any]]) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for curve in curves:
        losses, errors = np.array(curve["losses"]), np.array(curve["errors"])
        steps = np.arange(len(losses))
        label = curve["name"] if curve["lr"] is None else f"{curve['name']}, {curve['lr']:.2g}"
        (line,) = axes.plot(steps, losses, label=label, linewidth=2.2 if curve["lr"] is None else 1.2)
        axes.fill_between(steps, losses - errors, losses + errors, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="step", ylabel="loss", yscale="log", title=key)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(_picture(key))
    plt.close(figure)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, help="folder with MNIST's files")
    parser.add_argument("--sections", nargs="+", choices=["quadratic", "mnist", "cost"], default=None)
    parser.add_argument("--problems", type=int, default=128, help="quadratics")
    parser.add_argument("--seeds", type=int, default=32, help="networks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("learned-optimizers.json"))
    parser.add_argument("--one-cost", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.sections = given.sections or ["quadratic", "mnist", "cost"]
    return given


if __name__ == "__main__":
    main()
