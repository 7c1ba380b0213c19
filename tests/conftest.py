"""Set before anything imports NumPy: two OpenMP pools on the same cores ruin every timing."""

import os
from pathlib import Path

from autometa.config import limit_threads, silence_telemetry

limit_threads()
silence_telemetry()

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# The same examples on every run, so that a failure belongs to the change; `explore` looks for new ones.
settings.register_profile("repeat", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a knowledge-base overlay and an MLflow store of its own.

    What samplers learn from the shipped base is the same for all of them, and is learned once.
    """
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("AUTOMETA_HOME", str(home))
    base = tmp_path_factory.getbasetemp()
    all_processes = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    monkeypatch.setenv("AUTOMETA_CACHE", str(all_processes / "cache"))
    return home
