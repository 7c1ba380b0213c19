"""Words that are dates: ISO, day.month.year, month/day/year, with or without a time."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

DateOrder = Literal["ymd", "dmy", "mdy"]

_CLOCK = r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.(?P<f>\d{1,9}))?)?"
_TIME = rf"(?:[T ]\s*{_CLOCK}\s?(?P<z>Z|UTC|[+-]\d{{2}}:?\d{{2}})?)?\s*$"
_YEAR_FIRST = r"^\s*(?P<y>\d{4})(?P<s>[-/.])(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})" + _TIME
_YEAR_LAST = r"^\s*(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})[-/.](?P<y>\d{4})" + _TIME
_SPOKEN = {"ymd": "year-month-day", "dmy": "day.month.year", "mdy": "month/day/year"}


def parse_dates(words: Any, order: DateOrder | None = None) -> tuple[npt.NDArray[np.datetime64], DateOrder] | None:
    """Distinct words (null = missing) as ``datetime64[us]`` in UTC, and the order that all of them share.

    The order must be the same in the whole column: with a part above 12 it is certain; without, a dot or a
    dash means day first and a slash month first.

    Args:
        words: An Arrow array of strings.
        order: Take year-last dates in this order instead of looking for one; ``ymd`` accepts no others.

    Returns:
        None where a word is not a date, where orders are mixed, or where there is no word at all.
    """
    if words.null_count == len(words):
        return None
    for pattern, year_first in ((_YEAR_FIRST, True), (_YEAR_LAST, False)):
        parts = pc.extract_regex(words, pattern)
        if parts.null_count != words.null_count:
            continue
        fields = _Fields(parts)
        if year_first:
            found: DateOrder | None = "ymd"
        elif order is None:
            found = _order(fields)
        else:
            found = None if order == "ymd" else order
        values = None if found is None else fields.moments(found)
        return None if values is None or found is None else (values, found)
    return None


def spoken(order: DateOrder) -> str:
    """The order for people."""
    return _SPOKEN[order]


class _Fields:
    """The parts of the words, each an int64 array; 0 where the part or the word is missing."""

    def __init__(self, parts: Any) -> None:
        self._parts = parts
        self.missing: npt.NDArray[np.bool_] = np.asarray(parts.is_null().to_numpy(zero_copy_only=False))
        self.a, self.b, self.year = self._integers("a"), self._integers("b"), self._integers("y")

    def _text(self, name: str) -> Any:
        return pc.fill_null(pc.struct_field(self._parts, name), "")

    def _integers(self, name: str) -> npt.NDArray[np.int64]:
        text = self._text(name)
        digits = pc.if_else(pc.equal(text, ""), "0", text)
        return np.asarray(pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False))

    def separators(self) -> set[str]:
        """The separators in use."""
        return {word for word in pc.unique(self._text("s")).to_pylist() if word}

    def moments(self, order: DateOrder) -> npt.NDArray[np.datetime64] | None:
        """The points in time; None where one does not exist, such as 30 February or 25:00."""
        month, day = (self.b, self.a) if order == "dmy" else (self.a, self.b)
        month, day = np.where(self.missing, 1, month), np.where(self.missing, 1, day)
        hour, minute, second = (self._integers(name) for name in "HMS")
        if max(hour.max(), 0) > 23 or minute.max() > 59 or second.max() > 59:
            return None
        if month.min() < 1 or month.max() > 12 or day.min() < 1 or self.year[~self.missing].min() < 1:
            return None
        months = (self.year - 1970) * 12 + month - 1
        days = months.astype("M8[M]").astype("M8[D]") + (day - 1).astype("m8[D]")
        if (days.astype("M8[M]").astype(np.int64) != months).any():
            return None
        seconds = hour * 3600 + minute * 60 + second - self._offset()
        values = days.astype("M8[us]") + (seconds * 1_000_000 + self._microseconds()).astype("m8[us]")
        values[self.missing] = np.datetime64("NaT")
        return np.asarray(values)

    def _microseconds(self) -> npt.NDArray[np.int64]:
        padded = pc.utf8_slice_codeunits(pc.utf8_rpad(self._text("f"), 6, "0"), 0, 6)
        return np.asarray(pc.cast(padded, pa.int64()).to_numpy(zero_copy_only=False))

    def _offset(self) -> npt.NDArray[np.int64]:
        """Seconds east of Greenwich."""
        zone = pc.replace_substring(self._text("z"), ":", "")
        unique = {word: _seconds_east(word) for word in pc.unique(zone).to_pylist()}
        if not any(unique.values()):
            return np.zeros(len(self.missing), dtype=np.int64)
        return np.array([unique[word] for word in zone.to_pylist()], dtype=np.int64)


def _seconds_east(zone: str) -> int:
    if zone in ("", "Z", "UTC"):
        return 0
    return (-1 if zone[0] == "-" else 1) * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60)


def _order(fields: _Fields) -> DateOrder | None:
    day_first, month_first = fields.a.max() > 12, fields.b.max() > 12
    if day_first and month_first:
        return None
    if fields.separators() == {"."}:
        return None if month_first else "dmy"
    if day_first or month_first:
        return "dmy" if day_first else "mdy"
    return "mdy" if "/" in fields.separators() else "dmy"
