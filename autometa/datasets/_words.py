"""Words that mean numbers, truth values or nothing.

Every text column, whichever file it came from, passes through `settle` once: a column whose words are all
numbers becomes one of numbers. The rules look at values only, never at where they came from, so the same table
means the same in every format.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

DecimalMark = Literal[".", ","]

MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "nan", "NaN", "NAN", "NaT", "null", "NULL", "Null", "?")
"""Words that are always read as a missing value."""

MISSING_AMONG_NUMBERS = ("-", "--", ".", "None", "none", "NONE", "na", "n.a.", "nil")
"""Words that are read as a missing value only where all others are numbers or dates: they may be categories."""

_THOUSANDS = {
    ",": r"^[+-]?\d{1,3}(,\d{3})+(\.\d*)?$",
    ".": r"^[+-]?\d{1,3}(\.\d{3})+(,\d*)?$",
}
_EXACT = 2**53


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """A column after its words were understood: an array of int64, float64 or pandas' ``str``.

    ``note`` says what is worth knowing, or is empty.
    """

    values: Any
    note: str = ""


def settle(words: Any, *, decimal: DecimalMark = ".", strip: bool = False, as_words: bool = False) -> Settled:
    """Turn a column of words into numbers where all of them are, else into tidy words.

    Args:
        words: An Arrow array or chunked array of strings; null = missing.
        decimal: The mark that a file of this kind uses. A comma inside numbers is understood either way; the
            mark decides what "1.234" and "1,234" mean.
        strip: Remove white space around words that are not numbers, too.
        as_words: Make no numbers of them, even if all could be: "007" is a code.
    """
    direct = None if as_words else _quick(words, decimal)
    if direct is not None:
        return Settled(_as_numpy(direct, words))
    encoded = combined(words).dictionary_encode()
    unique, trimmed = encoded.dictionary, pc.utf8_trim_whitespace(encoded.dictionary)
    present = _without(trimmed, MISSING)
    understood = None if as_words else parse_numbers(_without(present, MISSING_AMONG_NUMBERS), decimal)
    if understood is not None:
        numbers, remark = understood
        taken = pc.take(numbers, encoded.indices)
        return Settled(_as_numpy(taken, None), _join(remark, _doubtful(present)))
    tidy = _canonical_booleans(trimmed if strip else unique, trimmed)
    tidy = pc.if_else(pc.is_valid(present), tidy, pa.scalar(None, tidy.type))
    return Settled(pc.take(tidy, encoded.indices).to_pandas().array)


def parse_numbers(words: Any, decimal: DecimalMark = ".") -> tuple[Any, str] | None:
    """Distinct words (null = missing) as float64 and a remark; None where one of them is no number.

    A column without any word at all is none of numbers either.
    """
    if words.null_count == len(words):
        return None
    for candidate, remark in _spellings(words, decimal):
        numbers = _cast(candidate)
        if numbers is not None:
            return numbers, remark
    return None


def partly_numbers(words: Any) -> tuple[Any, Any]:
    """Words as float64, null where a word is no number; and the mask of words that are none."""
    shaped = pc.match_substring_regex(words, r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$")
    numbers = pc.cast(pc.utf8_trim_whitespace(pc.if_else(shaped, words, None)), pa.float64())
    return numbers, pc.and_(pc.is_valid(words), pc.invert(pc.fill_null(shaped, False)))


def combined(words: Any) -> Any:
    """One Arrow array of large strings, from an array, a chunked array or a pandas column of words."""
    if isinstance(words, pd.Series):
        words = pa.array(words, type=pa.large_string(), from_pandas=True)
    if isinstance(words, pa.ChunkedArray):
        words = words.combine_chunks() if words.num_chunks != 1 else words.chunk(0)
        words = words.combine_chunks() if isinstance(words, pa.ChunkedArray) else words
    return words if pa.types.is_large_string(words.type) else words.cast(pa.large_string())


def integers(values: "npt.NDArray[Any] | pd.Series[Any]") -> bool:
    """Whether every number that is there is whole."""
    numbers = values.to_numpy() if isinstance(values, pd.Series) else values
    return numbers.dtype.kind in "iu" or (_whole(numbers[:1000]) and _whole(numbers))


def _whole(values: npt.NDArray[np.float64]) -> bool:
    whole = (np.trunc(values) == values) & np.isfinite(values)
    return bool((whole | np.isnan(values)).all())


def word_of(number: float | int) -> str:
    """The one spelling of a number among words: 5 for 5.0, the shortest that is exact for others."""
    return str(int(number)) if float(number).is_integer() and abs(number) < _EXACT else repr(number)


def _cast(words: Any | None) -> Any | None:
    try:
        return None if words is None else pc.cast(words, pa.float64())
    except pa.ArrowInvalid:
        return None


def _as_numpy(numbers: Any, words: Any | None) -> npt.NDArray[np.float64] | npt.NDArray[np.int64]:
    """As int64 where all values are there and whole, else float64."""
    values = numbers.to_numpy() if isinstance(numbers, pa.ChunkedArray) else numbers.to_numpy(zero_copy_only=False)
    values = values if values.flags.writeable else values.copy()
    if numbers.null_count or not len(values) or np.isnan(values[0]) or not integers(values) or np.isnan(values).any():
        return np.asarray(values)
    if np.abs(values).max() < _EXACT:
        return np.asarray(values.astype(np.int64))
    try:
        return np.asarray(values if words is None else pc.cast(words, pa.int64()).to_numpy())
    except pa.ArrowInvalid:
        return np.asarray(values)


def _without(words: Any, missing: tuple[str, ...]) -> Any:
    return pc.if_else(pc.is_in(words, value_set=pa.array(missing, words.type)), pa.scalar(None, words.type), words)


def _quick(words: Any, decimal: DecimalMark) -> Any | None:
    """The whole column as float64 where that takes no thought, else None."""
    if decimal == ",":
        if _any_has(words, "."):
            return None
        words = pc.replace_substring(words, ",", ".")
    return _cast(words)


def _spellings(words: Any, decimal: DecimalMark) -> Iterator[tuple[Any, str]]:
    """The words as they read with a decimal point and without separators between thousands, likeliest first."""
    as_point = pc.replace_substring(words, ",", ".")
    if decimal == ",":
        yield _ungrouped(words, "."), "'.' separates thousands"
        yield as_point, ""
        yield _ungrouped(words, ","), "',' separates thousands"
    elif _any_has(words, ","):
        yield _ungrouped(words, ","), "',' separates thousands"
        yield as_point, "',' is the decimal mark"
        yield _ungrouped(words, "."), "'.' separates thousands, ',' is the decimal mark"
    yield words, ""


def _any_has(words: Any, mark: str) -> bool:
    return bool(pc.any(pc.match_substring(words, mark)).as_py())


def _ungrouped(words: Any, separator: DecimalMark) -> Any | None:
    """The words without separators of thousands; None unless all separators stand where those do."""
    having = pc.fill_null(pc.match_substring(words, separator), False)
    if not pc.any(having).as_py():
        return None
    if not pc.all(pc.if_else(having, pc.match_substring_regex(words, _THOUSANDS[separator]), True)).as_py():
        return None
    plain = pc.replace_substring(words, separator, "")
    return pc.replace_substring(plain, ",", ".") if separator == "." else plain


def _canonical_booleans(words: Any, trimmed: Any) -> Any:
    """Any spelling of true and false as Python's, so that booleans mean the same from every format."""
    lower = pc.utf8_lower(trimmed)
    for word in ("True", "False"):
        words = pc.if_else(pc.equal(lower, word.lower()), pa.scalar(word, words.type), words)
    return words


def _doubtful(present: Any) -> str:
    found = [word for word in present.to_pylist() if word in MISSING_AMONG_NUMBERS]
    return f"{', '.join(map(repr, sorted(found)))} read as missing" if found else ""


def _join(*remarks: str) -> str:
    return "; ".join(remark for remark in remarks if remark)
