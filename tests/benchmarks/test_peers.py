"""How the transfer benchmark drives libraries that live in other environments; small scripts stand for them."""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import _peers as peers  # noqa: E402
from _peers import Parameter, Peer, PeerError, Problem  # noqa: E402

SPACE = (
    Parameter("rate", "float", 0.001, 1.0, log=True),
    Parameter("depth", "int", 1, 9),
    Parameter("width", "ordinal", choices=(16, 64, 256)),
    Parameter("kind", "categorical", choices=("relu", None, True)),
)
BEST_OF_SOURCES = """
from _protocol import serve

class Best:
    def __init__(self, task):
        print("a library that talks")
        source = task.sources[0]
        self.order, self.told = source.losses.argsort(kind="stable"), []
        self.names, self.codes = [one.name for one in task.space], source.codes
    def ask(self):
        return dict(zip(self.names, self.codes[self.order[len(self.told)]]))
    def tell(self, loss):
        self.told.append(loss)

serve(Best)
"""
OUT_OF_RANGE = """
from _protocol import serve

class Beyond:
    def __init__(self, task): pass
    def ask(self): return {"rate": 1.0 + 1e-15, "depth": 9.4, "width": 2.2, "kind": 0.0}
    def tell(self, loss): pass

serve(Beyond)
"""


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[Peer, Path]]:
    """Makes a peer of a script; its environment is the one that the tests run in."""

    def make(code: str) -> tuple[Peer, Path]:
        scripts, environment = tmp_path / "peers", tmp_path / "environment"
        (environment / "bin").mkdir(parents=True, exist_ok=True)
        python = environment / "bin" / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        scripts.mkdir(exist_ok=True)
        (scripts / "_protocol.py").write_text((BENCHMARKS / "peers" / "_protocol.py").read_text())
        (scripts / "script.py").write_text(textwrap.dedent(code))
        (scripts / "requirements.txt").write_text("")
        monkeypatch.setattr(peers, "FOLDER", scripts)
        return Peer("toy", "Toy", "toy", "1.0", "requirements.txt", "script.py", "method", "none"), environment

    return make


@pytest.fixture
def problem(tmp_path: Path) -> Problem:
    frame = pd.DataFrame(
        {
            "rate": [0.1, 0.01, 1.0],
            "depth": [1, 2, 3],
            "width": [256, 16, 64],
            "kind": pd.Series(["relu", None, True], dtype=object),
        }
    )
    return Problem(SPACE, peers.write_sources(tmp_path / "sources.npz", SPACE, {"other": (frame, [0.3, 0.1, 0.2])}))


def test_a_peer_knows_the_sources_and_is_told_every_loss(
    peer: Callable[[str], tuple[Peer, Path]], problem: Problem
) -> None:
    asked: list[dict[str, Any]] = []

    def evaluate(config: dict[str, Any]) -> float:
        asked.append(config)
        return float(config["depth"])

    losses = peers.run(*peer(BEST_OF_SOURCES), problem, evaluate, seed=0, n_trials=3, timeout=60)
    assert losses == [2.0, 3.0, 1.0]
    assert asked[0] == {"rate": 0.01, "depth": 2, "width": 16, "kind": None}
    assert asked[1] == {"rate": 1.0, "depth": 3, "width": 64, "kind": True}
    assert [type(asked[1][name]) for name in ("depth", "width", "kind")] == [int, int, bool]


def test_what_rounding_puts_outside_the_space_is_moved_to_its_end(
    peer: Callable[[str], tuple[Peer, Path]], problem: Problem
) -> None:
    asked: list[dict[str, Any]] = []
    peers.run(*peer(OUT_OF_RANGE), problem, lambda config: asked.append(config) or 0.0, seed=0, n_trials=1, timeout=60)  # type: ignore[func-returns-value]
    assert asked == [{"rate": 1.0, "depth": 9, "width": 256, "kind": "relu"}]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise MemoryError('no room left')", "no room left"),
        ("import time; time.sleep(60)", "took longer than 1 s"),
        ("print('hello', flush=True)", "where a line of JSON was due"),
        ("print('{\"done\": true}', flush=True)", "must ask 2 times, but was done after 0"),
        ("print('{\"other\": 1}', flush=True)", "must ask 2 times and be done"),
    ],
    ids=["crash", "hang", "noise", "too early", "nonsense"],
)
def test_a_peer_that_breaks_down_is_named_with_its_last_words(
    peer: Callable[[str], tuple[Peer, Path]], problem: Problem, code: str, message: str
) -> None:
    with pytest.raises(PeerError, match=message) as caught:
        peers.run(*peer(code), problem, lambda config: 0.0, seed=0, n_trials=2, timeout=1 if "sleep" in code else 60)
    assert "Toy" in str(caught.value)


def test_an_error_of_the_objective_ends_the_peer_and_comes_through(
    peer: Callable[[str], tuple[Peer, Path]], problem: Problem
) -> None:
    def fail(config: dict[str, Any]) -> float:
        raise KeyError("unknown configuration")

    with pytest.raises(KeyError, match="unknown configuration"):
        peers.run(*peer(BEST_OF_SOURCES), problem, fail, seed=0, n_trials=2, timeout=60)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("rate", 2.0, "within"), ("width", 17, "one of"), ("depth", 0, "within"), ("kind", "tanh", "one of")],
)
def test_sources_outside_the_space_are_refused(tmp_path: Path, column: str, value: object, message: str) -> None:
    row: dict[str, object] = {"rate": 0.1, "depth": 1, "width": 16, "kind": "relu"}
    frame = pd.DataFrame([row | {column: value}])
    with pytest.raises(ValueError, match=f"Every '{column}' must be {message}"):
        peers.write_sources(tmp_path / "sources.npz", SPACE, {"other": (frame, [0.5])})


def test_losses_of_sources_must_be_finite(tmp_path: Path) -> None:
    frame = pd.DataFrame([{"rate": 0.1, "depth": 1, "width": 16, "kind": "relu"}])
    with pytest.raises(ValueError, match="finite, but got nan on 'other'"):
        peers.write_sources(tmp_path / "sources.npz", SPACE, {"other": (frame, [np.nan])})


def test_an_environment_is_made_once_and_again_when_its_requirements_change(
    peer: Callable[[str], tuple[Peer, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = peer("")
    made: list[str] = []

    def make(command: list[str], what: str) -> None:
        made.append(command[2])
        (tmp_path / "environments" / "script").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(peers, "_make", make)
    where = peers.environment(one, tmp_path / "environments")
    assert where == tmp_path / "environments" / "script"
    peers.environment(one, tmp_path / "environments")
    assert made == ["venv", "pip"]
    (peers.FOLDER / one.requirements).write_text("toy==2.0\n")
    peers.environment(one, tmp_path / "environments")
    assert made == ["venv", "pip"] * 2


def test_a_failed_installation_says_what_pip_said(
    peer: Callable[[str], tuple[Peer, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = peer("")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PeerError, match="The environment of Toy could not be installed"):
        peers.environment(one, tmp_path / "environments")


def test_every_peer_has_its_files_and_a_digest_that_follows_them(
    peer: Callable[[str], tuple[Peer, Path]],
) -> None:
    for one in peers.PEERS:
        assert (peers.FOLDER / one.script).is_file()
        assert f"{one.library}=={one.version}" in (peers.FOLDER / one.requirements).read_text()
    assert len({one.name for one in peers.PEERS}) == len(peers.PEERS)
    toy, _ = peer("first")
    before = toy.digest()
    (peers.FOLDER / toy.script).write_text("second")
    assert toy.digest() != before
