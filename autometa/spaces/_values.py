"""Plain values: which type they count as, and the grid that a step makes."""

from typing import TypeVar

import numpy as np

T = TypeVar("T")


def plain(value: T) -> T:
    """A NumPy scalar as the Python value that it stands for; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def plain_type(value: object) -> type | None:
    """The type that a value counts as: bool is not int; a subclass of float or str is one. None = not plain."""
    kind = type(value)
    if kind in (bool, int, float, str):
        return kind
    if value is None:
        return type(None)
    return next((base for base in (float, str) if isinstance(value, base)), None)


def off_grid(value: float, low: float, step: float) -> float:
    """How far a value lies from the nearest whole number of steps above ``low``, in steps."""
    position = (value - low) / step
    return abs(position - round(position))


def n_steps(low: float, high: float, step: float) -> int:
    """Number of steps between the ends of a range."""
    return round((high - low) / step)


def number_text(value: float | None) -> str:
    """A number as people write it: 10 for 10.0, all digits where they count."""
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else repr(value)
