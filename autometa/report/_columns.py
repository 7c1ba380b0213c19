"""Which columns of the table the model needs, and how the table was understood."""

import math
from collections import Counter
from collections.abc import Sequence

from autometa.datasets import FEATURE_KINDS, Column
from autometa.report._charts import bar
from autometa.report._data import ColumnImportance
from autometa.report._format import aligned, count, number, sentence
from autometa.report._html import Html, join, markup, named, tag
from autometa.report._table import Head, Row, fold, table
from autometa.report._view import Section, View

_COLUMNS = 20
_MOST_COLUMNS = 1000
_OPEN_COLUMNS = 40
_CLASSES = 30


def columns(view: View) -> Section:
    """Importance of the table's columns."""
    title = "Which columns matter"
    data = view.data
    if not data.importances:
        reason = sentence(data.importances_reason) or "They were not computed."
        return Section(
            "columns", title, tag("p", f"There are no importances. {reason}", class_="quiet"), short="Columns"
        )
    edges = [edge for one in data.importances for edge in (one.loss - one.std, one.loss + one.std, 0.0)]
    finite = [edge for edge in edges if math.isfinite(edge)]
    low, high = min(finite), max(finite)
    heads = (Head("Column"), Head("Increase", number=True), Head("±", number=True), Head("", wide=True))
    write = aligned([one.loss for one in data.importances])
    rows = [
        [named(one.column), write(one.loss), write(one.std), _column_bar(one, low, high)]
        for one in data.importances[:_COLUMNS]
    ]
    parts = [tag("p", _importance_text(view)), table(heads, rows, caption="Importance of columns", kind="columns")]
    rest = data.importances[_COLUMNS:]
    if rest:
        shown = rest[:_MOST_COLUMNS]
        more = [[named(one.column), write(one.loss), write(one.std)] for one in shown]
        cut = f", the first {_MOST_COLUMNS:,} of them here" if len(rest) > len(shown) else ""
        parts.append(fold(f"{count(len(rest), 'other column')}{cut}", table(heads[:3], more, caption="Other columns")))
    return Section("columns", title, join(parts), short="Columns")


def _column_bar(one: ColumnImportance, low: float, high: float) -> Html | None:
    if not math.isfinite(one.loss):
        return None
    title = f"{number(one.loss, 3)} ± {number(one.std, 2)}"
    return bar(one.loss, low=low, high=high, error=one.std if math.isfinite(one.std) else 0.0, title=title)


def _importance_text(view: View) -> Html:
    name = view.data.metric.name
    verb = "falls" if view.maximize else "rises"
    reason = sentence(view.data.importances_reason)
    return markup(
        "By how much {} {} when a column is shuffled, on rows that the model was not trained on, ± the standard "
        "deviation over the shuffles. Columns that say the same share their importance. {}",
        name,
        verb,
        reason,
    )


def understood(view: View) -> Section:
    """Target, task and every column, each with the reason."""
    schema = view.data.schema
    facts: list[tuple[str, Html]] = [
        ("Target", markup("{} {}", named(schema.target), _why(schema.target_reason))),
        ("Task", markup("{} {}", schema.task, _why(schema.task_reason))),
    ]
    if schema.classes:
        facts.append(("Classes", _classes(view)))
    facts.append(("Columns", _kinds(schema.columns)))
    pairs = [tag("div", tag("dt", name), tag("dd", content)) for name, content in facts]
    return Section(
        "table",
        "The table as it was understood",
        join([tag("dl", pairs, class_="facts"), _listing(schema.columns)]),
        short="Table",
    )


def _why(reason: str) -> Html | None:
    return tag("small", f"({reason})") if reason else None


def _classes(view: View) -> Html:
    classes = view.data.schema.classes
    names = join([named(label) for label in classes[:_CLASSES]], ", ")
    more = f" and {len(classes) - _CLASSES:,} more" if len(classes) > _CLASSES else ""
    positive = markup(" {}", tag("small", markup("(positive: {})", named(classes[1])))) if len(classes) == 2 else ""
    return join([names, more, positive])


def _kinds(columns: Sequence[Column]) -> Html:
    counts = Counter(column.kind for column in columns)
    listed = ", ".join(f"{times:,} {kind}" for kind, times in counts.most_common())
    dropped = sum(column.kind not in FEATURE_KINDS for column in columns)
    unused = f"; {dropped:,} of them no feature" if dropped else ""
    return markup("{}: {}{}", f"{len(columns):,}", listed or "none", unused)


def _listing(columns: Sequence[Column]) -> Html:
    if not columns:
        return tag("p", "There are no columns besides the target.", class_="quiet")
    heads = (Head("Column"), Head("Taken for"), Head("Why", wide=True))
    rows: list[Row] = [[named(column.name), _kind(column), column.reason] for column in columns]
    whole = table(heads, rows, caption="Columns, what each is taken for, and why", kind="listing")
    return whole if len(columns) <= _OPEN_COLUMNS else fold(f"All {len(columns):,} columns", whole)


def _kind(column: Column) -> Html:
    if column.kind in FEATURE_KINDS:
        return tag("span", column.kind)
    return tag("span", f"{column.kind}, not a feature", class_="quiet")
