"""A query in bytes: coarse ones, and finer ones for what those leave over."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders import Embeddings
from embedge.runtime.gallery.search.int8 import int8_scale
from embedge.runtime.gallery.search.segment import HIGH, MIDDLE

__all__ = ["FINER", "QueryBytes", "Whole", "query_bytes"]

_BITS = 7  # a fine step is a coarse one / FINER, and its numbers fill the same range
FINER = 1 << _BITS
_FINEST = HIGH << _BITS  # the largest coordinate, in fine steps
_HALF = np.float32((MIDDLE << _BITS) + MIDDLE + 0.5)  # both bytes' middle, and rounding

Whole = NDArray[np.int32]


@dataclass(slots=True)
class QueryBytes:
    """`rows` holds the queries' coarse bytes, then their fine ones, all around MIDDLE."""

    rows: NDArray[np.uint8]
    largest: Embeddings  # each query's largest coordinate

    def joined(self, products: Whole) -> Whole:
        """Products with coarse and fine bytes as one; overwrites them.

        Whole numbers are several times faster than mixed ones, and identical templates score
        identically. Rows of length one stay far below 2^31 up to some thousand dimensions.
        """
        count = len(products) // 2
        together = products[:count]
        together <<= _BITS
        together += products[count:]
        return together

    def step(self, query: int) -> float:
        """What a joined product is to be multiplied with for a cosine."""
        return float(self.largest[query]) / _FINEST / int8_scale(self.rows.shape[1])

    def error(self, query: int) -> float:
        """The most that such a cosine is off."""
        half = 0.501 * float(self.largest[query]) / _FINEST  # float32 rounds to a thousandth
        return math.sqrt(self.rows.shape[1]) * half + 1e-6


def query_bytes(queries: Embeddings) -> QueryBytes:
    """Of rows of length one."""
    count, dim = queries.shape
    largest = np.maximum.reduce(np.abs(queries), axis=1)
    finest = queries * (np.float32(_FINEST) / largest)[:, None]
    finest += _HALF
    numbers = finest.astype(np.uint16)
    rows = np.empty((2 * count, dim), np.uint8)
    np.right_shift(numbers, _BITS, out=rows[:count], casting="unsafe")
    np.bitwise_and(numbers, FINER - 1, out=rows[count:], casting="unsafe")
    return QueryBytes(rows, largest)
