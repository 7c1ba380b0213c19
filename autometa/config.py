"""Where things lie, and what the process environment must look like.

Nothing here imports NumPy: the thread limits must be set before anything does.
"""

import importlib.resources
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Literal

import platformdirs

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

ShippedKind = Literal["meta_db", "search_spaces"]


def home() -> Path:
    """Folder of the user's own knowledge base and MLflow store; ``AUTOMETA_HOME`` overrides it."""
    override = os.environ.get("AUTOMETA_HOME")
    return Path(override) if override else Path(platformdirs.user_data_dir("autometa", appauthor=False))


def cache() -> Path:
    """Folder for what can be learned again from a knowledge base; ``AUTOMETA_CACHE`` overrides it.

    Processes may share one; it grows to 200 MB at most.
    """
    override = os.environ.get("AUTOMETA_CACHE")
    return Path(override) if override else home() / "cache"


def shipped(kind: ShippedKind) -> Path:
    """Folder of the data that comes with autometa, in a checkout as in an installed wheel.

    An editable install also holds a copy made when it was installed; the checkout is looked at first
    so that an edited file counts.
    """
    package = Path(str(importlib.resources.files("autometa")))
    checkout = package.parent / kind
    if checkout.is_dir() and (package.parent / "pyproject.toml").is_file():
        return checkout
    return package / "_shipped" / kind


def thread_environment(threads: int = 1) -> Mapping[str, str]:
    """Environment variables that hold every numerical library to ``threads`` threads.

    Two OpenMP pools on the same cores were seen to turn a 0.2 s fit into 300 s, so each worker gets its
    own share and no more. Threads that wait sleep rather than spin, which helps where others want the cores too.
    """
    return {**dict.fromkeys(THREAD_VARIABLES, str(threads)), "OMP_WAIT_POLICY": "PASSIVE"}


def limit_threads(environment: MutableMapping[str, str] | None = None, threads: int = 1) -> None:
    """Set the thread limits in ``environment`` (default: this process), keeping what the user set."""
    target = os.environ if environment is None else environment
    for name, value in thread_environment(threads).items():
        target.setdefault(name, value)


def silence_telemetry(environment: MutableMapping[str, str] | None = None) -> None:
    """Switch MLflow's telemetry off; must run before ``import mlflow``."""
    target = os.environ if environment is None else environment
    target["MLFLOW_DISABLE_TELEMETRY"] = "true"
    target["DO_NOT_TRACK"] = "true"
