"""Makes the pictures in ``docs/pictures`` from a real search: ``python docs/make_pictures.py``.

It needs Chromium, the packages playwright and pillow, a free port 5000 and about two minutes. Everything happens in a
folder with a neutral name, so that no picture shows whose machine it was made on.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = Path(__file__).parent / "pictures"
TABLE = Path(__file__).parents[1] / "examples" / "credit-g.csv"
MAX_BYTES = 400_000
SCALE = 2
WIDTH, REPORT_HEIGHT, UI_HEIGHT = 1200, 1800, 860
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
# On the first visit MLflow opens a panel for its assistant, and shows its pages for language models.
RETURNING_VISITOR = """
if (location.protocol.startsWith('http')) {
  localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
  localStorage.setItem('mlflow.workflowType_v1', '"machine_learning"');
}
"""


def main() -> None:
    """Search, then photograph the report and MLflow's pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time-limit", type=float, default=30, help="seconds of the search (default: 30)")
    seconds = parser.parse_args().time_limit
    PICTURES.mkdir(exist_ok=True)
    with neutral_folder() as folder:
        environment = neutral_environment(folder)
        shutil.copy(TABLE, folder)
        tune = ["tune", TABLE.name, "--target", "class", "--time-limit", f"{seconds:g}", "--seed", "0"]
        autometa([*tune, "--output", "credit-g"], folder, environment)
        with chromium() as browser:
            report = folder / "credit-g" / "report.html"
            if report.is_file():
                photograph_report(browser, report)
            else:
                say(f"{report} is not there: no pictures of it")
            with ui(folder, environment) as page:
                photograph_ui(browser, page)


@contextmanager
def neutral_folder() -> Iterator[Path]:
    """A folder whose name may be seen, gone afterwards."""
    folder = Path(tempfile.gettempdir()) / "demo"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def neutral_environment(folder: Path) -> dict[str, str]:
    """The environment of a user without a name and without earlier searches."""
    own = {"HOME": str(folder), "AUTOMETA_HOME": str(folder / ".autometa"), "USER": "ada", "LOGNAME": "ada"}
    return {**os.environ, **own, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def autometa(arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a command to its end."""
    subprocess.run([sys.executable, "-m", "autometa", *arguments], cwd=folder, env=environment, check=True)


@contextmanager
def ui(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The page that ``autometa ui`` names, while it runs."""
    command = [sys.executable, "-m", "autometa", "ui", "--no-open"]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the output of autometa ui cannot be read")
            yield next(line for line in process.stdout if line.startswith("Your searches: ")).split()[-1]
        finally:
            process.terminate()


@contextmanager
def chromium() -> "Iterator[Browser]":
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("No Chromium was found: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, headless=True, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


def photograph_report(browser: "Browser", report: Path) -> None:
    """The first part of the report, by day and by night."""
    schemes: dict[str, Literal["light", "dark"]] = {"report": "light", "report-dark": "dark"}
    for name, scheme in schemes.items():
        page = browser.new_page(
            viewport={"width": WIDTH, "height": REPORT_HEIGHT}, device_scale_factor=SCALE, color_scheme=scheme
        )
        page.goto(report.as_uri())
        save(page, name)
        page.close()


def photograph_ui(browser: "Browser", address: str) -> None:
    """The searches with the trials of the first, and the page of that search."""
    page = browser.new_page(viewport={"width": WIDTH + 300, "height": UI_HEIGHT}, device_scale_factor=SCALE)
    page.add_init_script(RETURNING_VISITOR)
    page.goto(address)
    search = page.get_by_role("link", name="credit-g", exact=True)
    search.wait_for()
    page.locator(".ag-row button").first.click()
    page.locator(".ag-row").nth(8).wait_for()
    page.get_by_role("button", name="Hide banner").click()
    save(page, "ui")
    search.click()
    page.get_by_text("autometa tune --resume").wait_for()
    page.get_by_text("Child runs", exact=True).wait_for()
    save(page, "ui-run")
    page.close()


def save(page: "Page", name: str) -> None:
    """Write a picture with as few colours as make it small enough."""
    from PIL import Image

    page.mouse.move(0, 0)
    page.wait_for_timeout(1500)  # for what fades in
    whole = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for colours in (256, 128, 64, 32):
        small = io.BytesIO()
        whole.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if small.tell() <= MAX_BYTES:
            break
    path = PICTURES / f"{name}.png"
    path.write_bytes(small.getvalue())
    say(f"{path}: {whole.width} x {whole.height}, {small.tell() / 1000:.0f} kB, {colours} colours")


def say(text: str) -> None:
    """One line for whoever runs this."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
