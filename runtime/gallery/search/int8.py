"""Templates in one byte a dimension."""

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings

__all__ = ["Matrix", "float_from_int8", "float_from_rows", "int8_from_float", "int8_scale"]

Matrix = NDArray[np.float32] | NDArray[np.int8]


def int8_scale(dim: int) -> float:
    """Steps per unit: 736 at 512 dimensions, where ±127 reaches 3.9 standard deviations.

    The coordinates of a unit vector shrink with the root of the dimension, and the scale grows.
    """
    return 736.0 * float(np.sqrt(dim / 512))


def int8_from_float(rows: Embeddings) -> NDArray[np.int8]:
    scaled = np.rint(rows * np.float32(int8_scale(rows.shape[1])))
    codes: NDArray[np.int8] = np.clip(scaled, -127, 127).astype(np.int8)
    return codes


def float_from_int8(codes: NDArray[np.int8]) -> Embeddings:
    return codes.astype(np.float32) / np.float32(int8_scale(codes.shape[1]))


def float_from_rows(rows: Matrix) -> Embeddings:
    """Whichever of the two kinds they are."""
    if rows.dtype == np.int8:
        return float_from_int8(np.asarray(rows, np.int8))
    return np.asarray(rows, np.float32)
