"""Meta-training as the command line asks for it: everything by name, the result in a folder."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import torch

from autometa.distributed import Ranks
from autometa.errors import AutometaError, OptionError, ResumeError
from autometa.learned_optimizers._base import LearnedOptimizer
from autometa.learned_optimizers._data import Rows
from autometa.learned_optimizers._keeping import FORMAT, KIND, load_rule, make_rule, save_rule
from autometa.learned_optimizers._problems import Optimizees
from autometa.learned_optimizers._registry import OPTIMIZEES, RULES
from autometa.learned_optimizers._training import (
    Estimator,
    RuleRecipe,
    RuleTrained,
    RuleTraining,
    RuleWatch,
    meta_train_rule,
)
from autometa.learned_optimizers._unroll import Objective
from autometa.metatraining import Checkpoint, device_of, read_card

_SCALED = frozenset({"rnnprop", "small_mlp"})
"""Rules that the papers train on coordinates of random scale."""

_LEAST_OF_KIND = {"width": 1, "depth": 0, "batch_size": 1, "n_dimensions": 1}


def meta_train_rule_by_name(
    rule: str,
    optimizees: Sequence[str],
    *,
    folder: Path,
    data: Path | None = None,
    tables: Mapping[str, Rows] | None = None,
    options: Mapping[str, Any] | None = None,
    kind_options: Mapping[str, Any] | None = None,
    steps: int | None = None,
    horizon: int | None = None,
    unroll_length: int | None = None,
    first_horizon: int | None = None,
    n_problems: int | None = None,
    scaling: float | None = None,
    objective: str | None = None,
    n_coordinates: int | None = None,
    estimator: str | None = None,
    n_pairs: int | None = None,
    spread: float | None = None,
    lr: float | None = None,
    seconds: float = 0.0,
    patience: int = 0,
    validate_every: int = 50,
    start: Path | None = None,
    device: str = "auto",
    seed: int = 0,
    resume: bool = False,
    watch: RuleWatch | None = None,
) -> RuleTrained:
    """Train a rule of the registry on named kinds of optimizees, and keep it in a folder.

    Where nothing else is asked for, ``rnnprop`` and ``small_mlp`` are trained with random scaling; and on quadratics
    alone every rule sees 64 of them side by side, whole, and ``lstm`` their gradients as they are, as in its paper.

    Args:
        rule: Its name.
        optimizees: Names of kinds; they take turns.
        folder: Where checkpoints, weights and card go. Under ``torchrun`` the first process writes.
        data: Where the files of a kind lie that needs some.
        tables: Of a kind that learns from tables; None takes those that come with scikit-learn.
        options: Hyperparameters of the rule.
        kind_options: ``width``, ``depth``, ``activation``, ``batch_size`` and the like; each kind gets those it takes.
        steps: Outer steps; None takes the recipe's, as it does below.
        horizon: Steps of an optimization; None takes the kinds'.
        unroll_length: See `RuleRecipe`; None takes 20, or the horizon if that is shorter.
        first_horizon: See there.
        n_problems: See there.
        scaling: See there.
        objective: See there.
        n_coordinates: See there.
        estimator: See there.
        n_pairs: See there.
        spread: See there.
        lr: See there.
        seconds: Time limit; 0 is none.
        patience: Looks without a better one that end it; 0 never does.
        validate_every: Steps between looks.
        start: Folder of a trained rule of the same kind and options, which this one begins with.
        device: See `device_of`.
        seed: Of weights and problems.
        resume: Go on with the folder's checkpoint.
        watch: Is told of every look.

    Raises:
        UnknownNameError: There is no such rule or kind.
        OptionError: An option is impossible, or nobody takes it.
        InputError: Files cannot be read.
        ResumeError: The folder holds another training, or one that is not to go on.
    """
    RULES.entry(rule)
    kinds, where = _kinds(optimizees, data, tables, kind_options or {}), device_of(device)
    simple = all(kind.name == "quadratic" for kind in kinds)
    usual = {"preprocessing": "none", "scale": 1.0} if simple and rule == "lstm" else {}
    trained = _make_rule(rule, {**usual, **(options or {})}, seed)
    if start is not None:
        _begin_with(trained, start)
    trained = trained.to(where)
    asked = {
        "n_steps": steps,
        "horizon": horizon,
        "unroll_length": unroll_length,
        "first_horizon": first_horizon,
        "n_problems": n_problems,
        "scaling": scaling,
        "objective": objective,
        "n_coordinates": n_coordinates,
        "estimator": estimator,
        "n_pairs": n_pairs,
        "spread": spread,
        "lr": lr,
    }
    training = RuleTraining(
        recipe=_recipe(rule, kinds, {name: value for name, value in asked.items() if value is not None}, simple=simple),
        seed=seed,
        validate_every=validate_every,
        n_validation=64 if simple else 16,
        patience=patience,
        seconds=seconds,
        folder=folder,
    )
    _check(training)
    if not resume and Checkpoint.read(folder, trained) is not None:
        raise ResumeError(f"{folder} holds a training already. Go on with it by --resume, or name another folder.")
    done = meta_train_rule(trained, [kind.to(where) for kind in kinds], training, watch=watch, resume=resume)
    if Ranks.join().is_first:
        save_rule(
            trained,
            folder,
            {**_card(done, kinds, training), **({"tables": sorted(tables)} if tables else {}), **_started_from(start)},
        )
    return done


def _begin_with(rule: LearnedOptimizer[Any], folder: Path) -> None:
    other = load_rule(folder)
    if (rule.name, rule.options) != (other.name, other.options):
        raise OptionError(
            f"A {rule.name} with {rule.options} cannot begin with the {other.name} of {folder}, which has "
            f"{other.options}. Pass the same options."
        )
    rule.load_state_dict(other.state_dict())


def make_optimizees(
    name: str,
    *,
    data: Path | None = None,
    tables: Mapping[str, Rows] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Optimizees:
    """A kind of the registry.

    Args:
        name: Its own.
        data: Where its files lie, if it needs some.
        tables: What it learns from, if it learns from tables.
        options: ``width``, ``depth``, ``activation``, ``batch_size`` and the like.

    Raises:
        UnknownNameError: There is no such kind.
        OptionError: It does not take one of them, or not this value.
        InputError: Its files cannot be read.
    """
    given = _given(data, tables, options or {})
    known = _taken(name)
    if unknown := [one for one in given if one not in known]:
        raise OptionError(
            f"{name} takes no {unknown[0]}. It takes: {', '.join(known) or 'nothing'}; take that out, or "
            f"{_takers(unknown[0])}."
        )
    for option, least in _LEAST_OF_KIND.items():
        if option in given and not given[option] >= least:
            raise OptionError(f"{option} of {name} is at least {least}, but got {given[option]!r}. Raise it.")
    made = OPTIMIZEES.create(name)(**given)
    made.sample(1, seed=0)  # what is impossible shows itself here, not after an hour
    return made


def _kinds(
    names: Sequence[str], data: Path | None, tables: Mapping[str, Rows] | None, options: Mapping[str, Any]
) -> list[Optimizees]:
    """Each with what of the options it takes; what nobody takes is refused."""
    if not names:
        raise OptionError(f"A rule is trained on at least one kind of optimizees. Take of: {', '.join(_names())}.")
    given, taken = _given(data, tables, options), {name: _taken(name) for name in names}
    for option in given:
        if not any(option in its for its in taken.values()):
            raise OptionError(
                f"{', '.join(taken)} {'takes' if len(taken) == 1 else 'take'} no {option}. Leave it out, or "
                f"{_takers(option)}."
            )
    return [
        make_optimizees(
            name,
            data=data if "data" in taken[name] else None,
            tables=tables if "tables" in taken[name] else None,
            options={option: value for option, value in options.items() if option in taken[name]},
        )
        for name in names
    ]


def _given(data: Path | None, tables: Mapping[str, Rows] | None, options: Mapping[str, Any]) -> dict[str, Any]:
    every = {"data": data, "tables": tables, **options}
    return {name: value for name, value in every.items() if value is not None}


def _taken(name: str) -> tuple[str, ...]:
    """What the constructor of a kind takes."""
    return tuple(inspect.signature(OPTIMIZEES.create(name)).parameters)


def _takers(option: str) -> str:
    """Who takes an option, as advice."""
    who = [name for name in _names() if option in _taken(name)]
    return f"use it with {' or '.join(who)}" if who else "look which ones there are: autometa optimizers list"


def _names() -> list[str]:
    return OPTIMIZEES.names()


def _make_rule(name: str, options: Mapping[str, Any], seed: int) -> LearnedOptimizer[Any]:
    """`make_rule`, with values that are possible: they are of the options' types, and the rule makes a step."""
    member = RULES.create(name).options_class
    hints, usual = get_type_hints(member), {field.name: field.default for field in fields(member)}
    for option, value in options.items():
        if option in hints and (rule := _broken(hints[option], value, usual[option])):
            raise OptionError(f"Option {option} of {name} is {rule}, but got {value!r}. Usual: {usual[option]!r}.")
    try:
        made = make_rule(name, options, seed=seed)
        with torch.no_grad():
            made.update({"theta": torch.ones(3)}, made.init_state({"theta": torch.ones(3)}), loss=torch.ones(()))
    except AutometaError:
        raise
    except (ValueError, ArithmeticError, RuntimeError, TypeError) as error:
        told = ", ".join(f"{option}={value!r}" for option, value in options.items())
        raise OptionError(f"{name} cannot be made with {told}: {error}. Change what is out of range.") from error
    return made


def _broken(hint: Any, value: Any, usual: Any) -> str:
    """The rule that a value breaks, in words; nothing where it keeps it."""
    if get_origin(hint) is Literal:
        return "" if value in get_args(hint) else f"one of {', '.join(map(str, get_args(hint)))}"
    if hint is bool:
        return "" if type(value) is bool else "true or false"
    if hint is int:
        least = min(1, usual) if type(usual) is int else 0
        return "" if type(value) is int and value >= least else f"a whole number of at least {least}"
    if hint is float:
        return "" if type(value) in (int, float) and math.isfinite(value) else "a finite number"
    return ""


def _recipe(rule: str, kinds: Sequence[Optimizees], asked: dict[str, Any], *, simple: bool) -> RuleRecipe:
    """The recipe for a rule on some kinds, with what was asked for otherwise."""
    for name, choices in (("objective", get_args(Objective)), ("estimator", get_args(Estimator))):
        if asked.get(name, choices[0]) not in choices:
            raise OptionError(f"{name} is one of {', '.join(choices)}, but got {asked[name]!r}.")
    horizon = asked.get("horizon", max(kind.horizon for kind in kinds))
    usual: dict[str, Any] = {
        "horizon": horizon,
        "unroll_length": max(1, min(RuleRecipe().unroll_length, horizon)),
        "n_problems": 64 if simple else 4,
        "n_coordinates": 0 if simple else RuleRecipe().n_coordinates,
        "scaling": 1.0 if rule in _SCALED else 0.0,
    }
    return RuleRecipe(**{**usual, **asked})


def _check(training: RuleTraining) -> None:
    """Numbers must be possible, and every process must have something to do."""
    recipe = training.recipe
    least: dict[str, tuple[float, float]] = {
        "scaling": (recipe.scaling, 0),
        "n_coordinates": (recipe.n_coordinates, 0),
        "seconds": (training.seconds, 0),
        "patience": (training.patience, 0),
        "seed": (training.seed, 0),
        "validate_every": (training.validate_every, 1),
    }
    for name, (value, bound) in least.items():
        if not value >= bound:
            raise OptionError(f"{name} is at least {bound:g}, but got {value!r}. Raise it.")
    if not 0 < recipe.lr < math.inf:
        raise OptionError(f"lr is a positive number, but got {recipe.lr!r}. The usual one is {RuleRecipe().lr:g}.")
    if not 0 <= recipe.first_horizon <= recipe.horizon:
        raise OptionError(
            f"The horizon grows from first_horizon to {recipe.horizon}, but first_horizon is {recipe.first_horizon}. "
            "Lower it; 0 lets nothing grow."
        )
    n_processes = Ranks.join().size
    idle = [rank for rank in range(n_processes) if not Ranks(rank, n_processes).share(recipe.n_problems)]
    if recipe.estimator == "backpropagation" and idle:
        raise OptionError(
            f"{n_processes} processes share the {recipe.n_problems} problems of a step, and {len(idle)} of them would "
            f"have none. Make n_problems a multiple of {n_processes}."
        )


def _started_from(start: Path | None) -> dict[str, Any]:
    if start is None:
        return {}
    card = read_card(start, KIND, FORMAT)
    return {"start": {name: card.get(name) for name in ("optimizees", "steps", "seconds", "seed")}}


def _card(done: RuleTrained, kinds: Sequence[Optimizees], training: RuleTraining) -> dict[str, Any]:
    best = next((look for look in reversed(done.looks) if look.best), None)
    return {
        "optimizees": [dict(kind.description) for kind in kinds],
        "seed": training.seed,
        "recipe": asdict(training.recipe),
        "steps": done.best_step,
        "stopped": done.stopped,
        "seconds": round(done.looks[-1].seconds, 1) if done.looks else 0.0,
        "validation": None if best is None else _plain(best.validation),
        "curve": [[look.step, _finite(look.loss), _plain(look.validation)] for look in done.looks],
    }


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _finite(value) for name, value in values.items()}


def _finite(value: float) -> float | None:
    """The number, or what JSON has for one that is none."""
    return value if math.isfinite(value) else None
