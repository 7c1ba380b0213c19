"""Datetimes as ONNX operators: whole microseconds since 1970 to the numbers that `DatetimeParts` makes of them."""

import numpy as np

from autometa.export._graph import Graph

MISSING = int(np.iinfo(np.int64).min)
"""How a missing datetime is passed in: as NumPy and pandas store it."""

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


def parts_of(graph: Graph, x: str) -> str:
    """(n, 1) int64 microseconds to (n, 6) doubles: year, month, day, weekday, hour, days since 1970.

    The calendar after Neri, Schneider (2023), *Euclidean affine functions and their application to calendar
    algorithms*, Software: Practice and Experience 53: years that begin in March, in eras of 400 of them.
    """
    missing = graph.op("Equal", x, MISSING)
    moment = graph.op("Where", missing, 0, x)
    days, within = _divided(graph, moment, _DAY)
    hour, _ = _divided(graph, within, _HOUR)
    weekday = graph.op("Mod", graph.op("Add", days, 3), 7)
    era, day_of_era = _divided(graph, graph.op("Add", days, 719_468), 146_097)
    leaps = [(-1, 1_460), (1, 36_524), (-1, 146_096)]
    shifted = day_of_era
    for sign, length in leaps:
        part = graph.op("Div", day_of_era, length)
        shifted = graph.op("Add" if sign > 0 else "Sub", shifted, part)
    year_of_era = graph.op("Div", shifted, 365)
    before = _year_days(graph, year_of_era)
    day_of_year = graph.op("Sub", day_of_era, before)
    march_month = graph.op("Div", graph.op("Add", graph.op("Mul", day_of_year, 5), 2), 153)
    month_start = graph.op("Div", graph.op("Add", graph.op("Mul", march_month, 153), 2), 5)
    day = graph.op("Add", graph.op("Sub", day_of_year, month_start), 1)
    late = graph.op("GreaterOrEqual", march_month, 10)
    month = graph.op("Add", march_month, graph.op("Where", late, -9, 3))
    year = graph.op("Add", graph.op("Add", year_of_era, graph.op("Mul", era, 400)), graph.op("Where", late, 1, 0))
    elapsed = graph.op("Div", graph.cast(moment, np.float64), float(_DAY))
    whole = [graph.cast(part, np.float64) for part in (year, month, day, weekday, hour)]
    return graph.op("Where", missing, np.nan, graph.beside([*whole, elapsed]))


def _divided(graph: Graph, x: str, by: int) -> tuple[str, str]:
    """Quotient, rounded down, and remainder; ONNX's own quotient of whole numbers rounds towards zero."""
    rest = graph.op("Mod", x, by)
    return graph.op("Div", graph.op("Sub", x, rest), by), rest


def _year_days(graph: Graph, years: str) -> str:
    """Days before a year of the era."""
    plain = graph.op("Mul", years, 365)
    with_leaps = graph.op("Add", plain, graph.op("Div", years, 4))
    return graph.op("Sub", with_leaps, graph.op("Div", years, 100))
