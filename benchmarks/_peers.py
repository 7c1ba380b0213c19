"""The libraries that the transfer benchmark compares with, each in an environment of its own.

A `Peer` is one method of one library. `environment` makes its virtual environment from pinned requirements, once;
`run` starts the peer there and drives one search: the peer asks for configurations, the caller says their losses.
The peers' own side is in ``benchmarks/peers``: a script and a requirements file per library.

Run ``python benchmarks/_peers.py --folder FOLDER`` to make all environments; it takes a few minutes and about 2 GB.
"""

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

FOLDER = Path(__file__).parent / "peers"
MARKER = "requirements.sha256"
LAST_LINES = 15
# The last one is joblib's: SMAC would otherwise start a thread pool for every prediction of its forest.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
ONE_THREAD = dict.fromkeys(THREADS, "1")

Config = dict[str, Any]


class PeerError(RuntimeError):
    """An environment could not be made, or a peer crashed, hung or broke the protocol."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One method of one library.

    Attributes:
        name: What the benchmark calls it.
        title: Name of library and method, for tables.
        library: The library's distribution.
        version: Its version, as pinned.
        requirements: File name of the pinned requirements, in ``benchmarks/peers``.
        script: File name of the peer's side, in ``benchmarks/peers``.
        method: Which of the script's methods.
        paper: Where the method comes from.
        limited: Whether it is too slow to be told of every run, so that it gets a sample.
    """

    name: str
    title: str
    library: str
    version: str
    requirements: str
    script: str
    method: str
    paper: str
    limited: bool = False

    def digest(self) -> str:
        """Changes with the peer's side of the benchmark."""
        said = [(FOLDER / name).read_bytes() for name in (self.script, self.requirements, "_protocol.py")]
        return hashlib.sha256(b"".join(said)).hexdigest()[:12]


def _syne_tune(method: str, title: str, paper: str) -> Peer:
    files = ("requirements-synetune.txt", "synetune.py")
    return Peer(f"syne_tune_{method}", f"Syne Tune {title}", "syne-tune", "0.13.0", *files, method, paper)


def _openbox(method: str, surrogate: str) -> Peer:
    files = ("requirements-openbox_rgpe.txt", "openbox_rgpe.py")
    paper = "Feurer et al. (2018), Practical Transfer Learning for Bayesian Optimization"
    title = f"OpenBox RGPE ({surrogate})"
    return Peer(f"openbox_rgpe_{method}", title, "openbox", "0.9.0", *files, method, paper, limited=True)


PEERS: tuple[Peer, ...] = (
    _syne_tune("zero_shot", "zero-shot", "Wistuba et al. (2015), Sequential Model-Free Hyperparameter Tuning"),
    _syne_tune(
        "bounding_box", "bounding box", "Perrone et al. (2019), Learning Search Spaces for Bayesian Optimization"
    ),
    _syne_tune(
        "quantile", "CTS", "Salinas et al. (2020), A Quantile-based Approach for Hyperparameter Transfer Learning"
    ),
    _openbox("gp", "Gaussian processes"),
    _openbox("prf", "random forests"),
    Peer(
        "smac_told",
        "SMAC3 told the sources' runs",
        "smac",
        "2.4.1",
        "requirements-smac3.txt",
        "smac3.py",
        "hpo_facade",
        "Lindauer et al. (2022), SMAC3: A Versatile Bayesian Optimization Package for Hyperparameter Optimization",
        limited=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyperparameter of a flat space.

    Attributes:
        name: Its name.
        type: A float or an int has low and high (both inclusive) and may be searched on a log scale; an ordinal has
            choices in increasing order, a categorical has choices without order.
        low: The least value.
        high: The greatest value.
        log: Search on a log scale.
        choices: What an ordinal or a categorical can be: text, numbers or truth values.
        default: The library's default, if there is one; no peer uses it.
    """

    name: str
    type: Literal["float", "int", "categorical", "ordinal"]
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    default: Any = None

    def codes(self, values: Sequence[Any]) -> npt.NDArray[np.float64]:
        """Values as the source file keeps them: as they are, or as positions among the choices.

        Raises:
            ValueError: A value is not among the choices, or outside the range.
        """
        if self.choices:
            position = {choice: i for i, choice in enumerate(self.choices)}
            strange = [value for value in values if value not in position]
            coded = np.array([position.get(value, -1) for value in values], dtype=np.float64)
            rule = f"one of {list(self.choices)}"
        else:
            coded = np.asarray(values, dtype=np.float64)
            low, high = self.low, self.high
            if low is None or high is None:
                raise ValueError(f"Parameter {self.name!r} must have low and high, or choices, but got neither.")
            strange = [value for value, code in zip(values, coded, strict=True) if not low <= code <= high]
            rule = f"within [{low}, {high}]"
        if strange:
            raise ValueError(f"Every {self.name!r} must be {rule}, but got {strange[0]!r}.")
        return coded


@dataclass(frozen=True, slots=True)
class Problem:
    """A space to search, and the runs of other datasets. The loss is to be minimized.

    Attributes:
        space: The hyperparameters.
        sources: The file that `write_sources` wrote, with the same space.
    """

    space: tuple[Parameter, ...]
    sources: Path


def write_sources(
    path: Path, space: Sequence[Parameter], tables: Mapping[str, tuple[pd.DataFrame, npt.ArrayLike]]
) -> Path:
    """Write the runs of other datasets where peers can read them; gives the path back.

    The ``.npz`` file has ``names`` (datasets), ``dataset`` (position in names, shape (runs,)), ``codes`` (shape (runs,
    parameters); see `Parameter.codes`) and ``losses`` (shape (runs,)).

    Args:
        path: The file, ending in ``.npz``.
        space: The hyperparameters; each must be a column of every table.
        tables: Configurations and losses by dataset.

    Raises:
        ValueError: A value is outside the space, or a loss is not finite.
    """
    coded, losses, dataset = [], [], []
    for i, (name, (configs, loss)) in enumerate(tables.items()):
        values = np.asarray(loss, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"Every loss must be finite, but got {values[~np.isfinite(values)][0]} on {name!r}.")
        columns = [one.codes(configs[one.name].tolist()) for one in space]
        coded.append(np.column_stack(columns))
        losses.append(values)
        dataset.append(np.full(len(values), i))
    np.savez_compressed(
        path,
        names=np.array(list(tables), dtype=np.str_),
        dataset=np.concatenate(dataset),
        codes=np.concatenate(coded),
        losses=np.concatenate(losses),
    )
    return path


def environment(peer: Peer, folder: Path) -> Path:
    """The peer's virtual environment below the folder, made if it is missing or its requirements have changed.

    Peers of one library share one. Takes minutes the first time, nothing afterwards.

    Raises:
        PeerError: The environment cannot be made; the message has pip's last lines.
    """
    requirements = FOLDER / peer.requirements
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    where = folder.resolve() / Path(peer.script).stem
    marker = where / MARKER
    if marker.is_file() and marker.read_text() == wanted:
        return where
    _make([sys.executable, "-m", "venv", "--clear", str(where)], f"The environment of {peer.title}")
    pip = [str(where / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    _make([*pip, "-r", str(requirements)], f"The requirements of {peer.title} ({requirements.name})")
    marker.write_text(wanted)
    return where


def _make(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise PeerError(f"{what} could not be installed in {sys.prefix}'s Python:\n{_last_lines(done.stdout)}")


def run(
    peer: Peer,
    environment: Path,
    problem: Problem,
    evaluate: Callable[[Config], float],
    *,
    seed: int,
    n_trials: int,
    timeout: float,
) -> list[float]:
    """One search of the peer: the losses of its n_trials configurations, in order.

    The peer has one numerical thread. The time between two calls of evaluate is what it took to choose.

    Args:
        peer: Which.
        environment: What `environment` gave for it.
        problem: The space and the sources.
        evaluate: The loss of a configuration; floats and ints are within their range, choices come back as given.
        seed: Of everything random in the peer.
        n_trials: How many configurations it may ask for.
        timeout: Seconds for the whole search, evaluate included.

    Raises:
        PeerError: The peer crashed, took longer than timeout or broke the protocol; the message has its last lines.
    """
    task = {
        "space": [asdict(one) for one in problem.space],
        "conditions": [],
        "sources": str(problem.sources.resolve()),
        "direction": "minimize",
        "seed": seed,
        "n_trials": n_trials,
        "method": peer.method,
    }
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
        process = _start(peer, environment, complaints)
        late = threading.Event()
        clock = threading.Timer(timeout, _stop_late, (process, late))
        clock.start()
        try:
            return _drive(process, task, evaluate, n_trials)
        except (BrokenPipeError, _ProtocolError) as error:
            _end(process, patience=5)
            reason = f"took longer than {timeout:g} s" if late.is_set() else f"{error} (exit {process.returncode})"
            complaints.seek(0)
            raise PeerError(f"{peer.title} {reason}; its last lines:\n{_last_lines(complaints.read())}") from None
        finally:
            clock.cancel()
            _end(process, patience=0)


class _ProtocolError(Exception):
    """The peer closed its stdout, or said something else than the protocol has."""


def _start(peer: Peer, environment: Path, complaints: IO[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [str(environment / "bin" / "python"), "-W", "ignore", str(FOLDER / peer.script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        text=True,
        cwd=tempfile.gettempdir(),
        env={**os.environ, **ONE_THREAD, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )


def _drive(
    process: "subprocess.Popen[str]", task: Config, evaluate: Callable[[Config], float], n_trials: int
) -> list[float]:
    losses: list[float] = []
    _say(process, task)
    while "done" not in (line := _hear(process)):
        if "ask" not in line or len(losses) == n_trials:
            raise _ProtocolError(f"must ask {n_trials} times and be done, but after {len(losses)} said {line}")
        losses.append(float(evaluate(line["ask"])))
        _say(process, {"value": losses[-1]})
    if len(losses) < n_trials:
        raise _ProtocolError(f"must ask {n_trials} times, but was done after {len(losses)}")
    return losses


def _say(process: "subprocess.Popen[str]", line: Config) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(line) + "\n")
    process.stdin.flush()


def _hear(process: "subprocess.Popen[str]") -> Config:
    assert process.stdout is not None
    text = process.stdout.readline()
    try:
        line = json.loads(text)
    except json.JSONDecodeError:
        line = None
    if not isinstance(line, dict):
        raise _ProtocolError(f"said {text!r} where a line of JSON was due" if text else "stopped before it was done")
    return line


def _stop_late(process: "subprocess.Popen[str]", late: threading.Event) -> None:
    late.set()
    _kill(process)


def _kill(process: "subprocess.Popen[str]") -> None:
    """Kill the peer and whatever it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: "subprocess.Popen[str]", *, patience: float) -> None:
    """Let a peer that stops by itself do so within patience seconds, so that its exit status is its own."""
    if process.returncode is not None:
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    _kill(process)
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(BrokenPipeError):
            assert pipe is not None
            pipe.close()
    process.wait()


def _last_lines(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-LAST_LINES:])


def main() -> None:
    """Make all environments."""
    parser = argparse.ArgumentParser(description="Make the environments of the transfer benchmark's peers.")
    parser.add_argument("--folder", type=Path, required=True, help="where the environments go")
    folder = parser.parse_args().folder
    for peer in PEERS:
        start = time.perf_counter()
        where = environment(peer, folder)
        print(f"{peer.title} {peer.version}: {where} ({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
