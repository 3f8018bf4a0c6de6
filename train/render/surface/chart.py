"""The map of the head: how a direction from its centre becomes two chart coordinates.

`across` is tan(azimuth / 2): 0 ahead, +-1 at the ears. `down` is the sine of the latitude.
Products of one function of each are cheap to tabulate, and faces are made of such products.
"""

from typing import NamedTuple

import numpy as np

from embedge.train.render.identity import Skull
from embedge.train.render.surface.shapes import Floats

__all__ = [
    "CHART",
    "COLUMNS",
    "ROWS",
    "Grid",
    "across_of",
    "at",
    "axes_of",
    "chart_grid",
    "on_sphere",
    "texel",
]

_REACH = 1.8
CHART = (128, 192)  # rows, columns: a texel is little more than a pixel of a crop
_ROWS, _COLUMNS = CHART


class Grid(NamedTuple):
    across: Floats  # (columns,)
    down: Floats  # (rows,)


def chart_grid() -> Grid:
    return Grid(
        np.linspace(-_REACH, _REACH, _COLUMNS, dtype=np.float32),
        np.linspace(-1.0, 1.0, _ROWS, dtype=np.float32),
    )


ROWS = (_ROWS - 1) / 2.0  # texels per unit of `down`
COLUMNS = (_COLUMNS - 1) / (2.0 * _REACH)  # texels per unit of `across`


def texel(across: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Chart coordinates to table coordinates."""
    return (across + _REACH) * COLUMNS, (down + 1.0) * ROWS


def across_of(x: Floats, z: Floats) -> Floats:
    """tan(azimuth / 2) of a direction, without trigonometry."""
    reach = np.sqrt(x * x + z * z)
    across: Floats = x / np.maximum(reach + z, 1e-3)
    return across


def axes_of(skull: Skull) -> Floats:
    return np.array([skull.width, skull.height, skull.depth], np.float32)


def on_sphere(skull: Skull, x: float, y: float) -> tuple[float, float, float]:
    """Direction, in the round space, of what a bare ellipsoid shows at (x, y) from the front."""
    side, down = x / skull.width, y / skull.height
    return side, down, max(1.0 - side * side - down * down, 1e-4) ** 0.5


def at(skull: Skull, x: float, y: float) -> tuple[float, float]:
    """Chart coordinates of the same point."""
    side, down, ahead = on_sphere(skull, x, y)
    return side / ((side * side + ahead * ahead) ** 0.5 + ahead), down
