"""Bilinear look-up in small tables, the one expensive operation of the renderer."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.surface.shapes import Floats, clamp

__all__ = ["bilinear", "bilinear_wrapped", "corners_of", "nearest", "nearest_wrapped"]


def nearest(table: Floats, x: Floats, y: Floats) -> Floats:
    """Table values at the texels nearest to (x, y)."""
    height, width = table.shape
    columns = np.rint(clamp(x, 0, width - 1))
    rows = np.rint(clamp(y, 0, height - 1))
    rows *= width
    rows += columns
    return table.ravel().take(rows.astype(np.intp))


def bilinear(table: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate a (height, width) table; clamped at the border."""
    return corners_of(table.shape, x, y).blend(table)


def bilinear_wrapped(table: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate a table that repeats, given with its first row and column once more at the end.

    Its period is a power of two.
    """
    period = table.shape[0] - 1
    left, top = np.floor(x), np.floor(y)
    column = left.astype(np.int32) & (period - 1)
    row = top.astype(np.int32) & (period - 1)
    index = row * (period + 1) + column
    return Corners(index.astype(np.intp), period + 1, x - left, y - top).blend(table)


def nearest_wrapped(table: Floats, x: Floats, y: Floats) -> Floats:
    """The texel at the upper left, of the same kind of table."""
    period = table.shape[0] - 1
    column = np.floor(x).astype(np.int32) & (period - 1)
    row = np.floor(y).astype(np.int32) & (period - 1)
    row *= period + 1
    row += column
    found: Floats = table.ravel().take(row.astype(np.intp))
    return found


def corners_of(shape: tuple[int, ...], x: Floats, y: Floats) -> "Corners":
    """The four texels around each (x, y) in tables of this shape."""
    height, width = shape
    x = clamp(x, 0, width - 1.001)
    y = clamp(y, 0, height - 1.001)
    # numbers of texels are exact in single precision; integers would make doubles of the rest
    left, top = np.floor(x), np.floor(y)
    x -= left
    y -= top
    top *= width
    top += left
    return Corners(top.astype(np.intp), width, x, y)


@dataclass(frozen=True, slots=True)
class Corners:
    """Where to read and how to weigh: shared by all tables of one shape."""

    index: NDArray[np.intp]
    width: int
    fx: Floats
    fy: Floats

    def blend(self, table: Floats) -> Floats:
        flat = table.ravel()
        upper = self._pair(flat)
        lower = self._pair(flat[self.width :])
        lower -= upper
        lower *= self.fy
        upper += lower
        return upper

    def _pair(self, flat: Floats) -> Floats:
        left, right = flat.take(self.index), flat[1:].take(self.index)
        right -= left
        right *= self.fx
        left += right
        return left
