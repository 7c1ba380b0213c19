from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from export_models import Save, save_model, table

import autometa
from autometa.datasets import Dataset
from autometa.model import Model


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(dataset: Dataset, members: Mapping[str, float], **changes: Any) -> Model:
        return save_model(tmp_path / "model", dataset, members, **changes)

    return write


@pytest.fixture(scope="session")
def datasets() -> dict[str, Dataset]:
    made = {
        task: autometa.read_dataset(table(task), target="target", name=task)
        for task in ("binary", "multiclass", "regression")
    }
    made["numbers"] = autometa.read_dataset(table("multiclass")[["size", "count", "target"]], target="target")
    return made
