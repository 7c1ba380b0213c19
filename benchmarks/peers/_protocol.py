"""What a peer says to the benchmark: JSON lines over stdin and stdout. Runs inside the peer's own environment.

The benchmark sends the task; the peer asks for the loss of one configuration after the other, and closes with
``{"done": true, "seconds": ...}``, the seconds that it spent itself. Importing this module points file descriptor 1
at stderr, so that nothing that a library prints can end up among the lines; import it before the library.

Inside a peer a configuration is an array of codes, one number per parameter: the value itself for a float or an int,
the position among the choices for an ordinal or a categorical.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_channel = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
os.dup2(2, 1)


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter; low and high are inclusive and in codes."""

    name: str
    type: Literal["float", "int", "categorical", "ordinal"]
    low: float
    high: float
    log: bool
    choices: tuple[Any, ...]

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> "Parameter":
        """Make one from its entry in the first line."""
        choices = tuple(entry.get("choices") or ())
        low, high = (0, len(choices) - 1) if choices else (entry["low"], entry["high"])
        return cls(entry["name"], entry["type"], low, high, bool(entry.get("log")), choices)

    def value(self, code: float) -> Any:
        """The value that a code stands for; one that rounding put just outside the range is moved to its end."""
        inside = min(max(float(code), self.low), self.high)
        if self.type == "float":
            return inside
        return self.choices[round(inside)] if self.choices else round(inside)


@dataclass(frozen=True)
class Source:
    """The runs of another dataset: codes of shape (runs, parameters), losses of shape (runs,)."""

    dataset: str
    codes: Floats
    losses: Floats


@dataclass(frozen=True)
class Task:
    """What a peer is asked to do: minimize the loss over the space within n_trials."""

    space: tuple[Parameter, ...]
    sources: tuple[Source, ...]
    seed: int
    n_trials: int
    method: str


class Optimizer(Protocol):
    """A library's search, as the protocol drives it: ask, tell, ask, tell, ..."""

    def ask(self) -> Mapping[str, float]:
        """The codes of the next configuration, by parameter name."""

    def tell(self, loss: float) -> None:
        """The loss of the configuration that was asked last."""


def serve(make: Callable[[Task], Optimizer]) -> None:
    """Read the task from stdin, and search until n_trials losses are known."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    task = _read(json.loads(sys.stdin.readline()))
    start = time.perf_counter()
    waited = 0.0
    optimizer = make(task)
    for _ in range(task.n_trials):
        codes = optimizer.ask()
        _send({"ask": {one.name: one.value(codes[one.name]) for one in task.space}})
        sent = time.perf_counter()
        answer = json.loads(sys.stdin.readline())
        waited += time.perf_counter() - sent
        optimizer.tell(float(answer["value"]))
    _send({"done": True, "seconds": time.perf_counter() - start - waited})


def _end_with(parent: int) -> None:
    """Stop when the benchmark is gone, even in the middle of a fit."""
    while os.getppid() == parent:
        time.sleep(2)
    os._exit(1)


def _read(line: Mapping[str, Any]) -> Task:
    if line["direction"] != "minimize" or line["conditions"]:
        raise ValueError(f"A peer minimizes over a flat space, but got {line['direction']=}, {line['conditions']=}.")
    with np.load(line["sources"], allow_pickle=False) as held:
        dataset, codes, losses = held["dataset"], held["codes"], held["losses"]
        sources = tuple(
            Source(str(name), codes[dataset == i], losses[dataset == i]) for i, name in enumerate(held["names"])
        )
    space = tuple(Parameter.read(entry) for entry in line["space"])
    return Task(space, sources, int(line["seed"]), int(line["n_trials"]), line["method"])


def _send(line: Mapping[str, Any]) -> None:
    _channel.write(json.dumps(line) + "\n")
    _channel.flush()
