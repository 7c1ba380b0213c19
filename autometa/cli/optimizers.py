"""``autometa optimizers``: train optimizers, and see how well they do beside tuned ones."""

import importlib
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autometa.cli._base import JsonOption, cited, console, new_table, pair, print_json
from autometa.cli.fewshot import DeviceOption, MlflowOption, MlflowUriOption, SeedOption

if TYPE_CHECKING:
    from rich.console import Console

    from autometa.learned_optimizers import Curve, Optimizees, RuleLook

app = typer.Typer(help="Optimizers that are trained: train, evaluate and compare them.", no_args_is_help=True)

KindsOption = Annotated[
    list[str] | None,
    typer.Option("--optimizees", metavar="NAME", help="A kind of problems in `autometa optimizers list`; may repeat."),
]
DataOption = Annotated[Path | None, typer.Option(metavar="PATH", help="Folder of MNIST's files, for mnist_mlp.")]
TablesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Tables for table_mlp: CSV, TSV, Parquet or ARFF; targets as autometa tune finds them. Default: five "
        "of scikit-learn. Of up to ten categories each becomes a column (one-hot), more become codes.",
    ),
]
PlanOption = Annotated[
    Path | None,
    typer.Option(metavar="PLAN.yaml", help="Tables for table_mlp: those that autometa kb build measures by it."),
]
PackagesOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Of the wheels that the plan's tables come from.")
]
WidthOption = Annotated[int | None, typer.Option(help="Units or channels of a layer of the optimizees.")]
DepthOption = Annotated[int | None, typer.Option(help="Hidden layers of the optimizees.")]
ActivationOption = Annotated[str | None, typer.Option(help="Of the optimizees: sigmoid, relu or tanh.")]
ShrinkOption = Annotated[
    int | None, typer.Option(help="Of mnist_mlp: so many pixels each way are averaged to one, for small networks.")
]
BatchOption = Annotated[int | None, typer.Option("--batch-size", help="Rows of a step of the optimizees.")]


@app.command("list")
def list_rules(as_json: JsonOption = False) -> None:
    """Print what rules there are, what they read, and what they can be trained on."""
    from autometa.learned_optimizers import OPTIMIZEES, RULES, shipped_rules

    _enter_candidates()
    trained = {name: _trained(folder) for name, folder in shipped_rules().items()}
    if as_json:
        rules = {
            one.name: {
                "summary": one.summary,
                "paper": one.reference,
                **one.tags,
                "options": asdict(one.factory().options_class()),
            }
            for one in RULES
        }
        kinds = {one.name: {"summary": one.summary, "options": _options(one.factory())} for one in OPTIMIZEES}
        print_json({"rules": rules, "optimizees": kinds, "trained": trained})
        return
    shown = console()
    table = new_table("Rules", "name", "reads", "loss", "paper", text=4)
    for one in RULES:
        reads_loss = "yes" if one.tags["needs_loss"] else ""
        table.add_row(one.name, str(one.tags["inputs"]), reads_loss, cited(one.reference))
    shown.print(table)
    table = new_table("Optimizees", "name", "what", "options", text=3)
    for kind in OPTIMIZEES:
        table.add_row(kind.name, kind.summary, ", ".join(_options(kind.factory())))
    shown.print(table)
    told = [
        f"{name} ({one['rule']}, {'on ' + ', '.join(one['optimizees']) if one['optimizees'] else 'not trained yet'})"
        for name, one in trained.items()
    ]
    shown.print(f"Trained, for autometa optimizers eval NAME: {'; '.join(told) or 'none'}", soft_wrap=True)


@app.command()
def train(
    rule: Annotated[str, typer.Argument(help="Its name in `autometa optimizers list`.")],
    optimizees: KindsOption = None,
    data: DataOption = None,
    tables: TablesOption = None,
    plan: PlanOption = None,
    packages: PackagesOption = None,
    width: WidthOption = None,
    depth: DepthOption = None,
    activation: ActivationOption = None,
    batch_size: BatchOption = None,
    shrink: ShrinkOption = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A hyperparameter of the rule; may repeat.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Outer steps: optimizations of fresh problems. Default: 1000.")
    ] = None,
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="Ends the training; 0 is none.")] = 0.0,
    patience: Annotated[int, typer.Option(help="Validations without a better one that end it; 0 never does.")] = 0,
    validate_every: Annotated[int, typer.Option(help="Outer steps between validations.")] = 50,
    horizon: Annotated[int | None, typer.Option(help="Steps of an optimization. Default: 100.")] = None,
    unroll_length: Annotated[
        int | None, typer.Option(help="Steps that are differentiated through at a time. Default: 20.")
    ] = None,
    first_horizon: Annotated[
        int | None, typer.Option(help="Curriculum: the horizon grows from so many steps; 0 is none.")
    ] = None,
    problems: Annotated[
        int | None, typer.Option(help="Optimizees side by side. Default: 4, of quadratics alone 64.")
    ] = None,
    scaling: Annotated[
        float | None,
        typer.Option(help="Bound of the random scaling of coordinates. Default: 1 for rnnprop and small_mlp, else 0."),
    ] = None,
    objective: Annotated[str | None, typer.Option(help="sum of the losses, or of their log.")] = None,
    coordinates: Annotated[
        int | None,
        typer.Option(help="Of each problem, to take derivatives of; 0 is all. Default: 2048, of quadratics alone all."),
    ] = None,
    estimator: Annotated[str | None, typer.Option(help="backpropagation, truncated, or evolution.")] = None,
    pairs: Annotated[
        int | None, typer.Option(help="Of evolution: rules that are perturbed in opposite directions. Default: 4.")
    ] = None,
    spread: Annotated[
        float | None, typer.Option(help="Of evolution: standard deviation of what perturbs. Default: 0.01.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Outer learning rate. Default: 0.003.")] = None,
    device: DeviceOption = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU. Default: all.")] = None,
    seed: SeedOption = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where it is kept. Default: optimizer-RULE."),
    ] = None,
    start: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Begin with a trained rule.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on with what lies in the folder; options as they were.")] = False,
    mlflow: MlflowOption = True,
    mlflow_uri: MlflowUriOption = None,
) -> None:
    """Train an optimizer; the folder then holds its weights, its card and its curve.

    Ctrl-C or a kill loses at most the steps since the last checkpoint: go on with --resume. Several processes:
    torchrun --nproc-per-node 4 -m autometa optimizers train ...
    """
    import torch

    from autometa.cli._optimizers_record import Record
    from autometa.cli._tables import read_tables
    from autometa.distributed import processes_here, started_first
    from autometa.learned_optimizers import meta_train_rule_by_name

    torch.set_num_threads(threads or max(1, (os.cpu_count() or 1) // processes_here()))
    _enter_candidates()
    first, shown = started_first(), console()
    folder, names = output or Path(f"optimizer-{rule}"), optimizees or ["digits_mlp"]
    kinds = {"width": width, "depth": depth, "activation": activation, "batch_size": batch_size, "shrink": shrink}
    recipe = {
        "steps": steps,
        "horizon": horizon,
        "unroll_length": unroll_length,
        "first_horizon": first_horizon,
        "n_problems": problems,
        "scaling": scaling,
        "objective": objective,
        "n_coordinates": coordinates,
        "estimator": estimator,
        "n_pairs": pairs,
        "spread": spread,
        "lr": lr,
    }
    options = dict(pair(one) for one in option or [])
    settings = {"rule": rule, "optimizees": ", ".join(names), **_given({**kinds, **recipe, **options})}
    tracked = (mlflow_uri or True) if mlflow and first else False
    with Record(folder, settings["optimizees"], seed, settings, tracked, resume=resume) as record:

        def watch(look: "RuleLook") -> None:
            _tell(shown, look, time_limit)
            record.look(look)

        done = meta_train_rule_by_name(
            rule,
            names,
            folder=folder,
            data=data,
            tables=read_tables(tables, plan, packages, lambda text: _note(shown, text) if first else None),
            options=options,
            kind_options=kinds,
            **recipe,  # type: ignore[arg-type]
            seconds=time_limit,
            patience=patience,
            validate_every=validate_every,
            start=start,
            device=device,
            seed=seed,
            resume=resume,
            watch=watch,
        )
        if not first:
            return
        record.finish(done)
    for problem in record.problems:
        _note(shown, problem)
    shown.print(f"kept in {folder}; evaluate it: autometa optimizers eval {folder}", soft_wrap=True)


@app.command("eval")
def evaluate(
    rule: Annotated[str, typer.Argument(help="Folder of a training, or name of a shipped one.")],
    optimizees: KindsOption = None,
    data: DataOption = None,
    tables: TablesOption = None,
    plan: PlanOption = None,
    packages: PackagesOption = None,
    width: WidthOption = None,
    depth: DepthOption = None,
    activation: ActivationOption = None,
    batch_size: BatchOption = None,
    shrink: ShrinkOption = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of each optimization. Default: 100.")] = None,
    problems: Annotated[int, typer.Option(min=1, help="Unseen optimizees of each kind.")] = 16,
    device: DeviceOption = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU. Default: all.")] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Print how a trained optimizer does on unseen problems, beside tuned ones.

    The learning rates of SGD, Nesterov, RMSprop and Adam are tuned on as many problems of the validation split, over
    25 values. Without --optimizees the problems are of the kinds that it was trained on.
    """
    import torch

    from autometa.cli._tables import read_tables
    from autometa.learned_optimizers import compare, load_rule, make_optimizees
    from autometa.metatraining import device_of

    torch.set_num_threads(threads or os.cpu_count() or 1)
    _enter_candidates()
    shown, where, folder = console(), device_of(device), _folder(rule)
    loaded, card = load_rule(folder, device=where), _card(folder)
    rows = read_tables(tables, plan, packages, lambda text: _note(shown, text) if not as_json else None)
    given = {"width": width, "depth": depth, "activation": activation, "batch_size": batch_size, "shrink": shrink}
    asked = _asked(optimizees, card, {**given, "data": data, "tables": rows})
    kinds = {name: make_optimizees(name, **its).to(where) for name, its in asked.items()}
    found: dict[str, Any] = {}
    for name, kind in kinds.items():
        n_steps = steps or kind.horizon
        with shown.status(f"{name}: {loaded.name}, and four optimizers with 25 learning rates each"):
            curves = compare({"learned": loaded}, kind, n_steps=n_steps, n_problems=problems, seed=seed)
        found[name] = {
            "description": dict(kind.description),
            "n_steps": n_steps,
            "curves": [_plain(curve.as_dict()) for curve in curves],
        }
        if not as_json:
            _show(shown, f"{rule} on {name}: {_described(kind)}", curves, n_steps, problems)
    if as_json:
        print_json({"rule": loaded.name, "n_problems": problems, "seed": seed, "optimizees": found})


def _enter_candidates() -> None:
    """The MLP candidate's networks are optimizees, too, which the registry below the candidates cannot know of."""
    importlib.import_module("autometa.candidates._mlp_optimizees")


def _trained(folder: Path) -> dict[str, Any]:
    """What a shipped rule is."""
    card = _card(folder)
    kinds = [one["name"] for one in card.get("optimizees", [])]
    return {"rule": card["rule"], "optimizees": kinds, **{name: card.get(name) for name in ("steps", "seconds")}}


def _card(folder: Path) -> dict[str, Any]:
    from autometa.learned_optimizers._keeping import FORMAT, KIND
    from autometa.metatraining import read_card

    return read_card(folder, KIND, FORMAT)


def _folder(rule: str) -> Path:
    from autometa.learned_optimizers import shipped_rule

    return Path(rule) if Path(rule).is_dir() else shipped_rule(rule)


def _options(kind: "type[Optimizees]") -> dict[str, Any]:
    """What a kind is made with, and the defaults."""
    import inspect

    return {name: one.default for name, one in inspect.signature(kind).parameters.items()}


def _asked(names: list[str] | None, card: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """For each kind the arguments of `make_optimizees`; kinds are as in training where none is named."""
    from autometa.errors import OptionError
    from autometa.learned_optimizers import OPTIMIZEES

    trained = {} if names else {one["name"]: one for one in card.get("optimizees", [])}
    wanted = list(dict.fromkeys(names or trained))
    if not wanted:
        raise OptionError("The card does not say what the rule was trained on. Say what to try it on: --optimizees.")
    takes = {name: _options(OPTIMIZEES.create(name)) for name in wanted}
    asked: dict[str, dict[str, Any]] = {}
    for name, taken in takes.items():
        as_trained = {option: value for option, value in trained.get(name, {}).items() if option in taken}
        # What some kind takes is for those that do; what none takes is refused by the first.
        here = {
            option: value
            for option, value in given.items()
            if value is not None and (option in taken or not any(option in its for its in takes.values()))
        }
        files: dict[str, Any] = {option: here.pop(option) for option in ("data", "tables") if option in here}
        asked[name] = {**files, "options": {**as_trained, **here}}
    return asked


def _given(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _note(shown: "Console", text: str) -> None:
    shown.print(f"note: {text}", soft_wrap=True, markup=False)


def _tell(shown: "Console", look: "RuleLook", limit: float) -> None:
    scores = "".join(f", {name} {value:.4g}" for name, value in look.validation.items())
    left = look.seconds / look.step * (look.n_steps - look.step)
    left = min(left, max(limit - look.seconds, 0.0)) if limit else left
    done = f"step {look.step} of {look.n_steps}, {look.seconds:.0f} s, about {left:.0f} s left"
    shown.print(f"{done}: loss {look.loss:.4g}{scores}{'  best' if look.best else ''}", soft_wrap=True, markup=False)


def _described(kind: "Optimizees") -> str:
    return ", ".join(f"{name} {value}" for name, value in kind.description.items() if name != "name")


def _show(shown: "Console", title: str, curves: "list[Curve]", n_steps: int, n_problems: int) -> None:
    """Losses at the start, in the middle and at the end, and late loss."""
    middle = n_steps // 2
    table = new_table(title, "optimizer", "rate", "start", f"step {middle}", f"step {n_steps}", "late")
    table.columns[0].no_wrap = True
    for curve in curves:
        at = [f"{curve.losses[step]:.4g} ± {curve.errors[step]:.1g}" for step in (0, middle, n_steps)]
        table.add_row(curve.name, "" if curve.lr is None else f"{curve.lr:.3g}", *at, f"{curve.late:.4g}")
    shown.print(table)
    shown.print(
        f"Mean loss of {n_problems} unseen problems ± standard error; late: mean of the last tenth of the steps.",
        soft_wrap=True,
    )


def _plain(value: Any) -> Any:
    """Without numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
