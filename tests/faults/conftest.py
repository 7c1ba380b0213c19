import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fault_runs import Runs

QUICK = ("--candidates", "logistic_regression,k_nearest_neighbors", "--cv", "3", "--jobs", "1", "--no-mlflow")


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 rows that a linear model learns well enough."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(80, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).round(3)
    frame["class"] = np.where(x[:, 0] + 0.5 * x[:, 1] + rng.normal(0, 0.7, 80) > 0, "yes", "no")
    path = tmp_path_factory.mktemp("table") / "people.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Commands with a knowledge base of their own."""
    made = Runs(tmp_path, {"AUTOMETA_HOME": str(tmp_path / "home")})
    yield made
    made.close()


@pytest.fixture
def quick() -> tuple[str, ...]:
    """Options of a search that takes seconds."""
    return QUICK


@pytest.fixture
def plugins(tmp_path: Path) -> dict[str, str]:
    """An environment in which the misbehaving candidates are installed, as a package would install them."""
    import fault_candidates

    info = tmp_path / "site" / "faulty-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    lines = "\n".join(f"{name} = fault_candidates:{name}_entry" for name in fault_candidates.HOWS)
    (info / "entry_points.txt").write_text(f"[autometa.candidates]\n{lines}\n")
    assert len(list(importlib.metadata.Distribution.discover(path=[str(tmp_path / "site")]))) == 1
    return {"PYTHONPATH": f"{tmp_path / 'site'}:{Path(fault_candidates.__file__).parent}"}
