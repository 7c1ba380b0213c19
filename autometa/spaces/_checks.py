"""The rules that a single hyperparameter keeps."""

import math
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from autometa.spaces._rules import RuleError, did_you_mean
from autometa.spaces._values import plain_type

if TYPE_CHECKING:
    from autometa.spaces._hyperparameter import Hyperparameter

_LARGEST_INT = 2**53
TYPES = ("float", "int", "categorical")


def check(one: "Hyperparameter") -> None:
    """Check a hyperparameter's own entries.

    Raises:
        RuleError: One of them breaks a rule; its path leads to it.
    """
    _check_head(one)
    if one.type == "categorical":
        _check_choices(one)
    else:
        _check_numbers(one)
    problem = one.problem(one.default)
    if problem is not None:
        hint = _exponent_hint(one.default) if one.type != "categorical" else ""
        raise RuleError(f"the default must lie inside the space, but it {problem}.{hint}", ("default",))


def _check_head(one: "Hyperparameter") -> None:
    if not isinstance(one.name, str) or not one.name or one.name != one.name.strip():
        raise RuleError(f"a name must be a text without spaces around it, but got {one.name!r}.")
    if one.type not in TYPES:
        hint = did_you_mean(one.type, TYPES)
        raise RuleError(f"type must be float, int or categorical, but got {one.type!r}.{hint}", ("type",))
    if not isinstance(one.log, bool):
        raise RuleError(f"log must be true or false, but got {one.log!r}.", ("log",))
    if not isinstance(one.reference, str):
        raise RuleError(f"a reference must be a text, but got {one.reference!r}.", ("reference",))
    if plain_type(one.before) is None:
        raise RuleError(f"before must be true, false, a number or a text, but got {one.before!r}.", ("before",))
    parents = [condition.parent for condition in one.when]
    if len(set(parents)) < len(parents):
        raise RuleError("a parent may stand in one condition only; join its values.", ("when",))


def _check_choices(one: "Hyperparameter") -> None:
    for key, value in (("low", one.low), ("high", one.high), ("step", one.step)):
        if value is not None:
            raise RuleError(f"a categorical hyperparameter has choices, not {key} = {value!r}. Drop it.", (key,))
    if one.log:
        raise RuleError("a categorical hyperparameter has no scale, but log is true. Drop it.", ("log",))
    if not one.choices:
        raise RuleError("a categorical hyperparameter needs at least one choice. Add choices: [...].", ("choices",))
    for position, choice in enumerate(one.choices):
        if plain_type(choice) is None or (isinstance(choice, float) and not math.isfinite(choice)):
            raise RuleError(
                f"a choice must be null, true, false, a finite number or a text, but got {choice!r}.",
                ("choices", position),
            )
        for earlier in one.choices[:position]:
            if earlier == choice:
                raise RuleError(
                    f"choices {earlier!r} and {choice!r} are equal in Python, so that no one could tell them "
                    "apart. Drop one.",
                    ("choices", position),
                )


def _check_numbers(one: "Hyperparameter") -> None:
    if one.choices:
        raise RuleError(f"a hyperparameter of type {one.type} has low and high, not choices. Drop them.", ("choices",))
    for key, value in (("low", one.low), ("high", one.high)):
        _check_number(one, key, value)
    low, high = one.bounds
    if low > high:
        raise RuleError(f"low must not exceed high, but got low = {low!r} and high = {high!r}. Swap them.", ("low",))
    if one.log and low <= 0:
        raise RuleError(
            f"a logarithmic range must begin above 0, but got low = {low!r}. Raise low or drop log.", ("low",)
        )
    if not math.isfinite(high - low):
        raise RuleError(f"the range must have a finite width, but got {low!r} to {high!r}.", ("high",))
    if one.step is not None:
        _check_step(one, one.step)


def _check_number(one: "Hyperparameter", key: str, value: object) -> None:
    if value is None:
        raise RuleError(f"a hyperparameter of type {one.type} needs {key}. Add it.", (key,))
    wanted = (int,) if one.type == "int" else (int, float)
    if plain_type(value) not in wanted:
        article = "an int" if one.type == "int" else "a number"
        raise RuleError(
            f"{key} must be {article}, but got {value!r} ({type(value).__name__}).{_exponent_hint(value)}", (key,)
        )
    number = cast("float", value)
    if not math.isfinite(number):
        raise RuleError(f"{key} must be finite, but got {value!r}.", (key,))
    if one.type == "int" and abs(number) > _LARGEST_INT:
        raise RuleError(f"{key} must lie within ±2**53, where floats hold ints exactly, but got {value!r}.", (key,))


def _exponent_hint(value: object) -> str:
    """YAML reads 1e-5 as a text: it wants a point and a sign."""
    try:
        number = float(value) if isinstance(value, str) else None
    except ValueError:
        return ""
    if number is None or not math.isfinite(number):
        return ""
    mantissa, _, exponent = f"{number:e}".partition("e")
    return f" YAML reads that as a text; write {float(mantissa)!r}e{exponent} without quotes."


def _check_step(one: "Hyperparameter", step: float) -> None:
    _check_number(one, "step", step)
    low, high = one.bounds
    if step <= 0:
        raise RuleError(f"step must be above 0, but got {step!r}.", ("step",))
    if one.log:
        raise RuleError(f"a logarithmic range has no step, but got step = {step!r}. Drop step or log.", ("step",))
    width, exact_step = Decimal(str(high)) - Decimal(str(low)), Decimal(str(step))
    if width % exact_step != 0:
        last = type(high)(width // exact_step * exact_step + Decimal(str(low)))
        raise RuleError(
            f"high must be a whole number of steps above low, but got low = {low!r}, step = {step!r} and "
            f"high = {high!r}. Write high: {last!r}.",
            ("high",),
        )
