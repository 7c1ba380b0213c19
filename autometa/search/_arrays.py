"""Arrays on disk that a reader sees whole or not at all."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def save_array(path: Path, values: npt.NDArray[Any]) -> None:
    """Write an array beside its place, then put it there in one step."""
    temporary = path.with_suffix(".tmp")
    try:
        with open(temporary, "wb") as file:
            np.save(file, values, allow_pickle=False)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
