"""What the search said, and how to go on from it."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import get_args

from autometa.records import NoteKind, TrialReport
from autometa.report._format import count, duration, moment
from autometa.report._html import Child, Html, clean, escape, join, markup, named, tag
from autometa.report._table import Head, Row, table
from autometa.report._view import Section, View

_KINDS: dict[NoteKind, tuple[str, str]] = {
    "warning": ("Warnings", "reasons to distrust the score"),
    "failed": ("Failed", "what did not work"),
    "limited": ("Limited", "less than was asked for"),
    "skipped": ("Skipped", "what was left out"),
    "inferred": ("Inferred", "guesses about the table; an option overrides each"),
    "info": ("Further", ""),
}
_MOST_REASONS = 25
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:e[+-]?\d+)?")


def remarks(view: View) -> Section:
    """Notes by kind, and the trials without a score by reason."""
    data = view.data
    parts: list[Html | None] = []
    for kind in (*_KINDS, *(set(get_args(NoteKind)) - set(_KINDS))):
        texts = [note.text for note in data.notes if note.kind == kind]
        if texts:
            parts.append(_notes(kind, texts))
    if not parts:
        parts.append(tag("p", "The search had nothing to say.", class_="quiet"))
    parts += [tag("h3", "Trials by status"), _statuses(data.reports)]
    return Section("notes", "What was inferred, skipped and failed", join(parts), short="Notes")


def _notes(kind: NoteKind, texts: Iterable[str]) -> Html:
    name, meaning = _KINDS.get(kind, (kind, ""))
    items = [
        tag("li", text, tag("small", f" ×{times}") if times > 1 else None, dir="auto")
        for text, times in Counter(texts).items()
    ]
    heading = tag("h3", name, tag("small", meaning) if meaning else None)
    return tag("div", heading, tag("ul", items), class_=f"notes {kind}")


def _statuses(reports: Iterable[TrialReport]) -> Html:
    """Trials by status and reason; reasons that differ only in their numbers are one, with the first as example."""
    groups: dict[tuple[str, str], list[TrialReport]] = {}
    for report in reports:
        groups.setdefault((report.status, _NUMBER.sub("#", report.reason)), []).append(report)
    if not groups:
        return tag("p", "There was no trial.", class_="quiet")
    ordered = sorted(groups.items(), key=lambda item: (item[0][0] != "complete", -len(item[1]), item[0]))
    heads = (Head("Status"), Head("Trials", number=True), Head("Candidates"), Head("Reason", wide=True))
    rows: list[Row] = []
    for (status, _), own in ordered[:_MOST_REASONS]:
        same = len({report.reason for report in own}) == 1
        reason = own[0].reason if same else f"such as: {own[0].reason}"
        mark = tag("span", status, class_=f"status {status}")
        rows.append([mark, len(own), _candidates(own), reason])
    rest = ordered[_MOST_REASONS:]
    more = None
    if rest:
        trials = count(sum(len(own) for _, own in rest), "trial")
        more = tag("p", f"{count(len(rest), 'rarer reason')} of {trials}: see the leaderboard.", class_="note")
    return join([table(heads, rows, caption="Trials by status and reason"), more])


def _candidates(own: Iterable[TrialReport]) -> Html:
    counted = Counter(report.candidate for report in own).most_common()
    shown = [
        markup("{} {}", named(name or "not chosen yet"), tag("span", f"×{times}", class_="quiet"))
        for name, times in counted[:6]
    ]
    return join([*shown, f"and {len(counted) - 6} more" if len(counted) > 6 else None], ", ")


def usage(view: View) -> Section:
    """Commands for predicting, going on and repeating."""
    data = view.data
    folder = shlex.quote(clean(data.info.folder))
    python = (
        "import autometa\nimport pandas as pd\n\n"
        f"model = autometa.load_model({clean(data.info.folder)!r})\n"
        'predictions = model.predict(pd.read_csv("new.csv"))'
    )
    if data.info.task != "regression":
        python += '\nprobabilities = model.predict_proba(pd.read_csv("new.csv"))  # columns: model.classes'
    blocks = [
        _code(
            "Predict a table", f"autometa predict {folder} new.csv --output predictions.csv", "no target column needed"
        ),
        _code("In Python", python, "loads without Optuna, MLflow or the knowledge base"),
        _code(
            "Search on",
            f"autometa tune --resume {folder} --time-limit {_longer(data.seconds)}",
            "a new total in seconds",
        ),
        _code("Watch it again", f"autometa replay {folder}", "trial by trial"),
    ]
    if data.command:
        blocks.append(_code("Do the same search again", data.command, f"seed {data.info.seed}"))
    return Section("use", "How to use the model", join([*blocks, _facts(view)]), short="Use it")


def _longer(seconds: float) -> int:
    """Twice the time, rounded up to a minute."""
    return max(60, 60 * -(-int(2 * seconds) // 60))


def _code(title: str, code: str, hint: str) -> Html:
    head = tag("div", tag("h3", title, tag("small", hint)), tag("button", "Copy", type="button", class_="copy"))
    return tag("div", head, tag("pre", tag("code", code), tabindex="0"), class_="code")


def _facts(view: View) -> Html:
    data = view.data
    search: dict[str, Child] = {
        "name": named(data.info.name),
        "dataset": markup("{} {}", named(data.info.dataset_name), tag("small", named(data.info.dataset_id))),
        "metric": markup("{}, {}", named(data.metric.name), data.metric.direction),
        "seed": data.info.seed,
        "duration": duration(data.seconds),
        "ended": moment(data.created),
        "folder": named(data.info.folder),
    }
    groups = [_pairs("Search", search), _pairs("Settings", _texts(data.info.settings))]
    groups += [_pairs("Versions", _texts(data.versions)), _pairs("Machine", _texts(data.machine))]
    return tag("div", groups, class_="about")


def _texts(values: Mapping[str, str]) -> dict[str, Child]:
    return {key: named(value) for key, value in values.items()}


def _pairs(title: str, values: Mapping[str, Child]) -> Html | None:
    if not values:
        return None
    pairs = [tag("div", tag("dt", escape(key)), tag("dd", value)) for key, value in values.items()]
    return tag("div", tag("h3", title), tag("dl", pairs, class_="settings"))
