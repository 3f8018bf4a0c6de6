"""Bilinear look-up in small tables, the one expensive operation of the renderer."""

import numpy as np
from numpy.typing import NDArray

from embedge.train.render.shapes import Floats, clamp

__all__ = ["bilinear", "bilinear_wrapped", "nearest"]


def nearest(table: Floats, x: Floats, y: Floats) -> Floats:
    """Table values at the texels nearest to (x, y)."""
    height, width = table.shape
    columns = clamp(x + 0.5, 0, width - 1).astype(np.int32)
    rows = clamp(y + 0.5, 0, height - 1).astype(np.int32)
    return table.ravel().take((rows * width + columns).astype(np.intp))


def bilinear(table: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate a (height, width) or (height, width, channels) table; clamped at the border."""
    height, width = table.shape[:2]
    x = clamp(x, 0, width - 1.001)
    y = clamp(y, 0, height - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    x -= left
    y -= top
    top *= width
    top += left
    return _blend(table, top, x, y)


def bilinear_wrapped(table: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate a table that repeats, given with its first row and column once more at the end.

    Its period is a power of two.
    """
    period = table.shape[0] - 1
    left, top = np.floor(x), np.floor(y)
    column = left.astype(np.int32) & (period - 1)
    row = top.astype(np.int32) & (period - 1)
    return _blend(table, row * (period + 1) + column, x - left, y - top)


def _blend(table: Floats, index: NDArray[np.int32], fx: Floats, fy: Floats) -> Floats:
    width = table.shape[1]
    flat = table.reshape(table.shape[0] * width, *table.shape[2:])
    if flat.ndim == 2:
        fx, fy = fx[..., None], fy[..., None]
    corner = index.astype(np.intp)  # what take would convert to, four times over
    upper, right = flat.take(corner, axis=0), flat[1:].take(corner, axis=0)
    right -= upper
    right *= fx
    upper += right
    lower, right = flat[width:].take(corner, axis=0), flat[width + 1 :].take(corner, axis=0)
    right -= lower
    right *= fx
    lower += right
    lower -= upper
    lower *= fy
    upper += lower
    return upper
