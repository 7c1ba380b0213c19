"""Text that a spreadsheet does not take for a formula."""

import re
from typing import Any

import pandas as pd

# https://owasp.org/www-community/attacks/CSV_Injection; the wide forms are what East Asian spreadsheets fold to these.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def safe_cells(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before every text that a spreadsheet would run as a formula.

    For CSV files that hold words from outside: labels, names of columns, categories. Texts that begin with ``= + - @``,
    a tab or a line end get one, unless they are plain numbers such as ``-1.5`` or ``+3``; so do names of columns.
    Other values and the frame that was passed stay as they are.
    """
    safe = frame.copy()
    for place in range(frame.shape[1]):
        values = frame.iloc[:, place]
        if values.dtype.kind == "O":
            safe.isetitem(place, values.astype(object).map(_safe).array)
    safe.columns = pd.Index([_safe(name) for name in frame.columns], dtype=frame.columns.dtype)
    return safe


def _safe(value: Any) -> Any:
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value
