"""Trainings in several processes, as torchrun starts them; on a CPU, where gloo takes the place of NCCL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from characters import draw_characters

from autometa.fewshot import load_learner, read_card

COMMON = [
    "--validate-every",
    "3",
    "--width",
    "4",
    "--n-way",
    "3",
    "--threads",
    "1",
    "--seed",
    "1",
    "--no-mlflow",
    "--no-learn",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_characters(tmp_path_factory.mktemp("characters"))


def train(algorithm: str, characters: Path, folder: Path, n_processes: int, *more: str) -> str:
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n_processes)]
    command = [*(start if n_processes > 1 else [sys.executable]), "-m", "autometa", "fewshot", "train", algorithm]
    command += ["--tasks", str(characters), "--output", str(folder), *COMMON, *more]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_processes_learn_what_one_learns(characters: Path, tmp_path: Path) -> None:
    shown = train("fomaml", characters, tmp_path / "two", 2, "--steps", "6", "--episodes-per-step", "5")
    train("fomaml", characters, tmp_path / "one", 1, "--steps", "6", "--episodes-per-step", "5")
    assert shown.count("step 6 of 6") == 1  # one process tells
    one, two = (load_learner(tmp_path / name) for name in ("one", "two"))
    for (name, value), other in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(value, other, rtol=1e-3, atol=1e-5, msg=name)
    curves = [read_card(tmp_path / name)["curve"] for name in ("one", "two")]
    assert [look[1] for look in curves[0]] == pytest.approx([look[1] for look in curves[1]], rel=1e-3)


def test_processes_end_together_when_the_time_is_over(characters: Path, tmp_path: Path) -> None:
    # Each has a clock of its own, and running averages of its own; one that went on alone would wait for ever.
    more = ("--steps", "1000000", "--time-limit", "4", "--patience", "1000", "--train-way", "4")
    shown = train("prototypical", characters, tmp_path / "p", 2, *more)
    assert read_card(tmp_path / "p")["stopped"] == "time"
    assert shown.count("kept in") == 1
