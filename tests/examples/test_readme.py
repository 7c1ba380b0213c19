"""Every snippet of the README runs; budgets are cut, nothing else is changed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)


def snippets(language: str) -> list[str]:
    return [body for name, body in SNIPPETS if name == language]


def commands() -> list[str]:
    return [line.split("#")[0].strip() for body in snippets("sh") for line in body.splitlines() if line.strip()]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cut(line: str) -> str:
    """With a smaller budget; few-shot searches keep to the clock, too, as one of their trials may take minutes."""
    if line.startswith("autometa fewshot"):
        return line.replace("--time-limit 60", "--time-limit 150 --trials 2 --episodes 100")
    return line.replace("--time-limit 60", "--trials 3").replace("--time-limit 90", "--trials 5")


def test_there_are_only_snippets_that_are_tested() -> None:
    assert {name for name, _ in SNIPPETS} == {"sh", "python"}
    assert all(line.split()[0] in {"make", "pip", "autometa"} for line in commands())


def test_autometa_commands_run_one_after_the_other(workplace: Path) -> None:
    lines = [line for line in commands() if line.startswith("autometa")]
    assert len(lines) >= 4
    for line in lines:
        run(cut(line).split(), workplace)
    assert len((workplace / "predictions.csv").read_text().splitlines()) == 1001
    assert len((workplace / "credit" / "leaderboard.csv").read_text().splitlines()) == 1 + 5


@pytest.mark.parametrize("body", snippets("python"))
def test_python_snippets_run(body: str, workplace: Path) -> None:
    assert len(body.strip().splitlines()) <= 12
    printed = run([sys.executable, "-c", body.replace("trials=12", "trials=4")], workplace)
    if "FewShotClassifier" in body:
        assert 0.6 < float(printed) <= 1  # ten digits, five labelled rows each
    elif "LSTMOptimizer" in body:
        assert float(printed.removeprefix("loss ")) < 1.0  # of ten digits; it begins at 2.3
    else:
        assert printed.startswith("rmse " if "penguins" in body else "first tried: " if "history" in body else "[[")


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("make")])
def test_make_knows_its_targets(line: str) -> None:
    run([*line.split(), "--dry-run"], ROOT)


@pytest.mark.parametrize("line", [line for line in commands() if line.startswith("pip")])
def test_the_install_command_names_files_and_extras_that_exist(line: str) -> None:
    assert (ROOT / line.split()[3]).is_file()
    extras = re.findall(r"\[(\w+)\]", line)
    assert all(f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text() for extra in extras)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
