"""Where the hair grows, on the chart of the head."""

import numpy as np

from embedge.train.render.identity import Hair
from embedge.train.render.surface.shapes import Floats, clamp

__all__ = ["hair_cover"]


def hair_cover(hair: Hair, across: Floats, down: Floats, softness: float) -> Floats:
    """Cover from 0 to 1; `softness` is the width of the edge in chart units."""
    line = (
        hair.hairline
        + hair.slant * clamp(across - hair.part, -0.6, 0.6)
        + 0.22 * clamp(np.abs(across) - 0.35, 0.0, 0.6)
        - hair.recession * np.exp(-0.5 * ((np.abs(across) - 0.4) / 0.13) ** 2)
        + hair.peak * np.exp(-0.5 * (across / 0.12) ** 2)
    )
    top = _edge((line - down) / softness)
    sides = _edge((np.abs(across) - hair.side) / softness) * _edge((hair.length - down) / softness)
    cover: Floats = np.maximum(top, sides)
    return cover


def _edge(distance: Floats) -> Floats:
    step: Floats = clamp(0.5 + distance, 0.0, 1.0)
    return step
