"""Bilinear look-up in small tables, the one expensive operation of the renderer."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "bilinear", "bilinear_wrapped", "nearest"]

# single precision throughout; numpy's stubs would call a float times such an array double
Floats = NDArray[Any]


def nearest(table: Floats, x: Floats, y: Floats) -> Floats:
    """Table values at the texels nearest to (x, y)."""
    height, width = table.shape[:2]
    columns = np.clip(x + 0.5, 0, width - 1).astype(np.int32)
    rows = np.clip(y + 0.5, 0, height - 1).astype(np.int32)
    return table.reshape(height * width, *table.shape[2:])[rows * width + columns]


def bilinear(table: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate a (height, width) or (height, width, channels) table; clamped at the border."""
    height, width = table.shape[:2]
    x = np.clip(x, 0, width - 1.001)
    y = np.clip(y, 0, height - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    return _blend(table, top * width + left, 1, width, x - left, y - top)


def bilinear_wrapped(table: Floats, x: Floats, y: Floats) -> Floats:
    """Interpolate a (size + 1, size + 1) table whose last row and column repeat the first."""
    size = table.shape[0] - 1
    left, top = np.floor(x), np.floor(y)
    column = left.astype(np.int32) % size
    row = top.astype(np.int32) % size
    return _blend(table, row * (size + 1) + column, 1, size + 1, x - left, y - top)


def _blend(
    table: Floats, index: NDArray[np.int32], right: int, below: int, fx: Floats, fy: Floats
) -> Floats:
    flat = table.reshape(table.shape[0] * table.shape[1], *table.shape[2:])
    if flat.ndim == 2:
        fx, fy = fx[..., None], fy[..., None]
    upper, lower = flat.take(index, axis=0), flat.take(index + below, axis=0)
    upper += fx * (flat.take(index + right, axis=0) - upper)
    lower += fx * (flat.take(index + below + right, axis=0) - lower)
    upper += fy * (lower - upper)
    blended: Floats = upper.astype(np.float32, copy=False)
    return blended
