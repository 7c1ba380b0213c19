"""Glyphs: letters of the font that matplotlib ships, drawn by seeded hands; a data set that needs no download."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from autometa.fewshot._classes import ClassSet

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

N_DRAWERS = 20
SIZE = 28
_DRAWN = 64  # pixels at which a glyph is drawn before it is distorted
_FONT = "DejaVuSans.ttf"
_ALIKE = 0.75  # overlap (intersection over union) at which two characters count as one
_LEAST_INK, _MOST_INK = 0.02, 0.6
_GRID = 4  # control points of a hand's unsteadiness, in each direction
_FOLDS = 7919


def glyphs(*, n_drawers: int = N_DRAWERS, size: int = SIZE, seed: int = 0) -> ClassSet:
    """More than a thousand characters, each by so many drawers; scripts become groups.

    Letters of the font DejaVu Sans, which matplotlib ships, without those that look like another one. Every drawer has
    a slant, proportions and a pen, and an unsteady hand for each character, so that items of a class differ as
    Omniglot's do. The same arguments give the same bytes.

    Args:
        n_drawers: Items of each class.
        size: Width and height.
        seed: Of the drawers.
    """
    shapes, names, groups = _characters()
    items = _drawn(shapes, n_drawers, size, seed)
    starts = torch.arange(0, len(names) * n_drawers + 1, n_drawers)
    return ClassSet(items.flatten(0, 1).unsqueeze(1), starts, names, groups)


@cache
def _characters() -> tuple[Tensor, tuple[str, ...], tuple[str, ...]]:
    """Bitmaps float32 (n, 64, 64) of characters that look different, with their names and scripts."""
    found: list[Tensor] = []
    names: list[str] = []
    groups: list[str] = []
    for character, name in _candidates():
        bitmap = _bitmap(character)
        if bitmap is not None:
            found.append(bitmap)
            names.append(name)
            groups.append(name.split(" ")[0])
    shapes = torch.stack(found)
    kept = _distinct(shapes)
    return shapes[kept], tuple(names[i] for i in kept), tuple(groups[i] for i in kept)


def _file() -> str:
    import matplotlib

    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / _FONT)


def _candidates() -> list[tuple[str, str]]:
    """Letters of the font with their Unicode names; styles of the same letters for formulas are left out."""
    from matplotlib.ft2font import FT2Font

    found = []
    for code in sorted(FT2Font(_file()).get_charmap()):
        character = chr(code)
        name = unicodedata.name(character, "")
        if unicodedata.category(character) in ("Lu", "Ll", "Lo") and not name.startswith("MATHEMATICAL"):
            found.append((character, name))
    return found


@cache
def _font() -> "FreeTypeFont":
    from PIL import ImageFont

    return ImageFont.truetype(_file(), _DRAWN, layout_engine=ImageFont.Layout.BASIC)


def _bitmap(character: str) -> Tensor | None:
    """A character scaled to fill its square, float32 0 or 1 (64, 64); None where there is hardly any or all is ink."""
    from PIL import Image, ImageDraw

    canvas = Image.new("L", (3 * _DRAWN, 3 * _DRAWN))
    ImageDraw.Draw(canvas).text((_DRAWN, _DRAWN), character, fill=255, font=_font())
    box = canvas.getbbox()
    if box is None:
        return None
    side = max(box[2] - box[0], box[3] - box[1])
    square = Image.new("L", (side, side))
    square.paste(canvas.crop(box), ((side - box[2] + box[0]) // 2, (side - box[3] + box[1]) // 2))
    scaled = np.asarray(square.resize((_DRAWN, _DRAWN), Image.Resampling.BILINEAR), dtype=np.float32) / 255.0
    bitmap = (torch.from_numpy(scaled.copy()) > 0.5).float()
    return bitmap if _LEAST_INK < float(bitmap.mean()) < _MOST_INK else None


def _distinct(shapes: Tensor) -> list[int]:
    """Positions of characters that overlap with no earlier one too much."""
    small = (F.avg_pool2d(shapes.unsqueeze(1), 2).flatten(1) > 0.5).float()
    across = small @ small.T
    ink = small.sum(1)
    alike = across / (ink.unsqueeze(0) + ink.unsqueeze(1) - across).clamp_min(1.0) > _ALIKE
    kept: list[int] = []
    for i in range(len(shapes)):
        if not bool(alike[i, kept].any()):
            kept.append(i)
    return kept


def _drawn(shapes: Tensor, n_drawers: int, size: int, seed: int) -> Tensor:
    """Each character by each drawer, uint8 (n, n_drawers, size, size)."""
    n = len(shapes)
    hand = torch.Generator().manual_seed(seed * _FOLDS + 1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=hand)

    slant, turn = 0.25 * normal(n_drawers), 0.08 * normal(n_drawers)
    across, down = (1.0 + 0.1 * normal(2, n_drawers)).clamp(0.7, 1.3)
    pen = 0.55 * torch.rand(n_drawers, generator=hand)
    hands = normal(n, n_drawers, 2, _GRID, _GRID)
    moves, tilts = 0.06 * normal(n, n_drawers, 2), 0.1 * normal(n, n_drawers)
    pages = []
    for drawer in range(n_drawers):
        angle = turn[drawer] + tilts[:, drawer]
        cos, sin = angle.cos(), angle.sin()
        rows = torch.stack(
            [
                torch.stack([cos * across[drawer], -sin + slant[drawer], moves[:, drawer, 0]], 1),
                torch.stack([sin, cos * down[drawer], moves[:, drawer, 1]], 1),
            ],
            1,
        )
        grid = F.affine_grid(1.2 * rows, [n, 1, size, size], align_corners=False)
        unsteady = F.interpolate(hands[:, drawer], size=(size, size), mode="bicubic", align_corners=True)
        grid = grid + 0.07 * unsteady.permute(0, 2, 3, 1)
        inked = F.max_pool2d(shapes.unsqueeze(1), 3, 1, 1) * pen[drawer] + shapes.unsqueeze(1)
        smooth = F.avg_pool2d(inked.clamp(max=1.0), 3, 1, 1)
        pages.append(F.grid_sample(smooth, grid, mode="bilinear", align_corners=False).squeeze(1))
    return torch.stack(pages, 1).mul(255.0).round().clamp(0, 255).to(torch.uint8)
