"""A small folder in Omniglot's layout, whose characters are easily told."""

from pathlib import Path

import numpy as np
from PIL import Image


def draw_characters(folder: Path, *, n_alphabets: int = 6, n_characters: int = 4, n_drawers: int = 8) -> Path:
    """Alphabets of characters by several drawers: a dot of its own place for each character, a little moved."""
    rng = np.random.default_rng(0)
    for alphabet in range(n_alphabets):
        for character in range(n_characters):
            row, column = rng.integers(2, 24, 2)
            where = folder / f"alphabet{alphabet}" / f"character{character}"
            where.mkdir(parents=True)
            for drawer in range(n_drawers):
                pixels = np.full((28, 28), 255, dtype=np.uint8)
                shift = rng.integers(-1, 2, 2)
                pixels[row + shift[0] : row + shift[0] + 4, column + shift[1] : column + shift[1] + 4] = 0
                Image.fromarray(pixels).save(where / f"{drawer}.png")
    return folder
