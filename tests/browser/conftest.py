"""A tracked search, ``autometa ui`` on it, and a browser that remembers what it asked for."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

import autometa
from autometa.testing.tracking import sample_info, sample_report
from autometa.tracking import open_tracker

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
TABLE = Path(__file__).parents[2] / "examples" / "penguins.csv"
# On the first visit ever, MLflow opens a panel that advertises its assistant.
RETURNING_VISITOR = """
if (location.protocol === 'http:' && window === top) {
  localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
}
"""
MARKER = "written by its own script"
REPORT_BYTES = 5_000_000


@dataclass(frozen=True)
class Ui:
    """A running ``autometa ui``: the page that it names, and the folder of the search."""

    page: str
    folder: Path
    reported_run: str


@pytest.fixture(scope="package")
def browser() -> "Iterator[Browser]":
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def ui(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """``autometa ui`` on a store with two searches; when it ends, no process of it may be left."""
    folder = tmp_path_factory.mktemp("searches") / "penguins"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMETA_HOME", str(tmp_path_factory.mktemp("home")))
        reported_run = track_report(folder.parent)
        command = [sys.executable, "-m", "autometa", "ui", "--no-open", "--port", str(free_port())]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                search(folder)
                assert process.stdout is not None
                said = next(line for line in process.stdout if line.startswith("Your searches: "))
                yield Ui(said.split()[-1], folder, reported_run)
            finally:
                family = descendants(process.pid)
                process.send_signal(signal.SIGINT)
    assert len(family) >= 2
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page of somebody who was here before; it may ask this machine only, and its scripts may not fail."""
    with browser.new_context(viewport={"width": 1500, "height": 900}) as context:
        context.add_init_script(RETURNING_VISITOR)
        context.set_default_timeout(60_000)
        asked: list[str] = []
        errors: list[str] = []
        context.on("request", lambda request: asked.append(request.url))
        context.on("weberror", lambda error: errors.append(str(error.error)))
        yield context.new_page()
        assert asked
        assert [url for url in asked if urlsplit(url).hostname not in ("127.0.0.1", None)] == []
        assert errors == []


def track_report(folder: Path) -> str:
    """Record a search whose report is a page of five megabytes; gives its run."""
    report = folder / "report.html"
    filling = "<!-- " + "x" * REPORT_BYTES + " -->"
    script = f"<script>document.getElementById('told').textContent = '{MARKER}'</script>"
    report.write_text(f"<!doctype html><title>report</title>{filling}<p id=told>not yet</p>{script}")
    with open_tracker(None, close_timeout=120.0) as tracker:
        tracker.start(sample_info(name="reported"))
        tracker.trial(sample_report(0))
        tracker.finish({"score": 0.75}, [report])
    assert tracker.problems == []
    return str(tracker.run_id)


def search(folder: Path) -> None:
    """A small search on a real table, tracked while the server starts."""
    result = autometa.tune(TABLE, trials=6, jobs=1, seed=0, candidates=["ridge", "k_nearest_neighbors"], output=folder)
    assert not [note for note in result.notes if "tracking" in note]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def descendants(pid: int) -> list[int]:
    """Process ids of the children of a process, and of theirs."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended while we looked
            continue
    found = [child for child, parent in parents.items() if parent == pid and child != os.getpid()]
    return found + [below for child in found for below in descendants(child)]
