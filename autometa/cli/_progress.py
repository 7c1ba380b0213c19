"""What a search looks like while it runs: a live panel on a terminal, plain lines elsewhere."""

from collections.abc import Callable

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autometa.records import NoteKind, SearchInfo, TrialReport
from autometa.search._listener import Listener, Progress

RECENT = 6
Headline = Callable[[SearchInfo], str]


def show(console: Console) -> Listener:
    """The display that suits the console."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)


def headline(info: SearchInfo) -> str:
    """One line: what is searched, and by which measure."""
    settings = info.settings
    return (
        f"{info.dataset_name}: {info.task}, {settings['rows']} rows x {settings['columns']} columns, "
        f"metric {info.metric} ({info.direction}), time limit {settings['time limit']}, {settings['jobs']} jobs"
    )


def label(kind: NoteKind) -> str:
    """What a note's line begins with."""
    return "note" if kind in ("info", "inferred") else kind


def score_text(report: TrialReport) -> str:
    """A trial's score, or why it has none."""
    if report.value is None:
        return report.status
    return f"{report.value:.5g}" if report.status == "complete" else f"({report.value:.5g})"


class PlainProgress(Listener):
    """One line per trial, for logs and pipes."""

    def __init__(self, console: Console, head: Headline = headline) -> None:
        """Lines go to ``console``; ``head`` makes the first one."""
        self._console = console
        self._head = head
        self._best: Progress | None = None

    def started(self, info: SearchInfo) -> None:
        """The headline."""
        self._line(self._head(info))

    def note(self, text: str, kind: NoteKind = "info") -> None:
        """One line."""
        self._line(f"{label(kind)}: {text}")

    def trial_finished(self, report: TrialReport) -> None:
        """Time, number, candidate, score, origin, reason."""
        reason = f"  {report.reason}" if report.reason else ""
        self._line(
            f"[{report.ended or 0:7.1f} s] trial {report.number:3d}  {report.candidate:<22} {score_text(report):>10}"
            f"  {report.origin}{reason}"
        )

    def phase(self, text: str) -> None:
        """One line."""
        self._line(text)

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveProgress(Listener):
    """A panel that redraws itself: budget, best score, what runs now, the last trials."""

    def __init__(self, console: Console, head: Headline = headline) -> None:
        """Draws on ``console``; ``head`` makes the line above the panel."""
        self._console = console
        self._head = head
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._recent: list[TrialReport] = []
        self._progress: Progress | None = None
        self._phase = "reading the table, asking the knowledge base"

    def started(self, info: SearchInfo) -> None:
        """The headline, then the panel."""
        self._console.print(self._head(info), markup=False, highlight=False)
        self._live.start()
        self._draw()

    def note(self, text: str, kind: NoteKind = "info") -> None:
        """One line above the panel."""
        style = "yellow" if kind in ("warning", "failed") else "dim"
        self._console.print(f"{label(kind)}: {text}", markup=False, highlight=False, style=style)

    def trial_finished(self, report: TrialReport) -> None:
        """Move it to the list."""
        self._recent = [*self._recent, report][-RECENT:]

    def tick(self, progress: Progress) -> None:
        """Redraw."""
        self._progress = progress
        self._phase = ""
        self._draw()

    def phase(self, text: str) -> None:
        """Say it in the panel."""
        self._phase = text
        self._draw()

    def ended(self) -> None:
        """Remove the panel."""
        self._live.stop()

    def _draw(self) -> None:
        self._live.update(Group(*self._lines()))

    def _lines(self) -> list[RenderableType]:
        lines: list[RenderableType] = []
        if self._recent:
            lines.append(self._table())
        progress = self._progress
        if progress is not None:
            lines.append(_budget(progress))
            lines.append(_best(progress))
            for report in progress.running:
                lines.append(Text(f"  now: {report.candidate}, from {report.origin}", style="dim"))
        if self._phase:
            lines.append(Text(self._phase, style="cyan"))
        return lines

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title, justify in (("trial", "right"), ("candidate", "left"), ("score", "right"), ("from", "left")):
            table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
        for report in self._recent:
            style = "" if report.status == "complete" else "dim"
            row = (str(report.number), report.candidate, score_text(report), str(report.origin))
            table.add_row(*(Text(cell) for cell in row), style=style)
        return table


def _budget(progress: Progress) -> RenderableType:
    parts = [f"{progress.finished} trials"]
    share = 0.0
    if progress.trials is not None:
        parts = [f"{progress.finished} of {progress.trials} trials"]
        share = progress.finished / progress.trials
    if progress.time_limit is not None:
        left = max(0.0, progress.time_limit - progress.elapsed)
        parts.append(f"{left:.0f} s left")
        share = max(share, progress.elapsed / progress.time_limit)
    row = Table.grid(padding=(0, 1))
    row.add_row(ProgressBar(total=1.0, completed=min(1.0, share), width=30), Text(", ".join(parts)))
    return row


def _best(progress: Progress) -> Text:
    if progress.best is None:
        return Text("no score yet", style="dim")
    return Text(
        f"best {progress.best.value:.5g}: {progress.best.candidate}, from {progress.best.origin}", style="bold green"
    )
