"""Templates as ONNX Runtime lays them out for its integer matrix product."""

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.gallery.matmul_graph import matmul_graph
from embedge.runtime.sessions import ort_session

__all__ = ["HIGH", "MIDDLE", "Segment"]

# A query's bytes lie in MIDDLE ± HIGH. On x86 without VNNI the product adds two bytes' products
# in 16 bits, which 2 x 127 x 127 just fits: a byte above 127 could clip the sum.
MIDDLE, HIGH = 64, 63
_QUERIES = 32


class Segment:
    """Rows of templates that never change. They are held in one layout only."""

    def __init__(self, codes: NDArray[np.int8]) -> None:
        self.rows, self._dim = codes.shape
        self._session = ort_session(matmul_graph(codes, middle=MIDDLE), threads=1, frugal=True)

    def products(self, queries: NDArray[np.uint8]) -> NDArray[np.int32]:
        """(queries, rows): whole numbers, exact."""
        (found,) = self._session.run(["scores"], {"queries": queries})
        products: NDArray[np.int32] = found
        return products

    def codes(self) -> NDArray[np.int8]:
        """The rows again: the products with unit vectors are the columns."""
        units = np.eye(self._dim, dtype=np.uint8) + np.uint8(MIDDLE)
        codes = np.empty((self.rows, self._dim), np.int8)
        for start in range(0, self._dim, _QUERIES):
            part = slice(start, start + _QUERIES)
            codes[:, part] = self.products(units[part]).T
        return codes
