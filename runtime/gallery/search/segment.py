"""Templates as ONNX Runtime lays them out for its integer matrix product."""

import mmap
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedge.runtime.encoders.sessions import ort_session
from embedge.runtime.gallery.search.matmul_graph import matmul_graph

__all__ = ["HIGH", "MIDDLE", "Segment"]

# A query's bytes lie in MIDDLE ± HIGH. On x86 without VNNI the product adds two bytes' products
# in 16 bits, which 2 x 127 x 127 just fits: a byte above 127 could clip the sum.
MIDDLE, HIGH = 64, 63
_QUERIES = 32
_BLOCK = 512
_KEPT = 2**19  # scores that are worth their memory (2 MB) between searches


class Segment:
    """Rows of templates that never change. They are held in one layout only."""

    def __init__(self, codes: NDArray[np.int8]) -> None:
        self.rows, self._dim = codes.shape
        graph = matmul_graph(self._dim, self.rows, middle=MIDDLE)
        columns = _columns(codes)
        self._session = ort_session(graph, threads=1, weights={"templates": columns})
        self._columns = None if _are_laid_out() else columns
        self._bound: _Bound | None = None

    def products(self, queries: NDArray[np.uint8]) -> NDArray[np.int32]:
        """(queries, rows): whole numbers, exact; valid until the next products."""
        bound = self._bound
        if bound is None or bound.count != len(queries):
            kept = len(queries) * self.rows <= _KEPT
            bound = _Bound(self._session, (len(queries), self._dim, self.rows), kept)
            if kept:
                self._bound = bound
        return bound.products(queries)

    def codes(self) -> NDArray[np.int8]:
        """The rows again: the products with unit vectors are the columns."""
        units = np.eye(self._dim, dtype=np.uint8) + np.uint8(MIDDLE)
        codes = np.empty((self.rows, self._dim), np.int8)
        for start in range(0, self._dim, _QUERIES):
            part = slice(start, start + _QUERIES)
            codes[:, part] = self.products(units[part]).T
        return codes


def _columns(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """(dim, rows), by blocks that the processor's cache holds: four times faster."""
    columns = np.empty(codes.shape[::-1], np.int8)
    for start in range(0, len(codes), _BLOCK):
        columns[:, start : start + _BLOCK] = codes[start : start + _BLOCK].T
    return columns


@cache
def _are_laid_out() -> bool:
    """Whether ONNX Runtime has a layout of its own here, and reads the columns no more."""
    columns = np.ones((_BLOCK, _BLOCK), np.int8)
    graph = matmul_graph(_BLOCK, _BLOCK, middle=MIDDLE)
    session = ort_session(graph, threads=1, weights={"templates": columns})
    columns[:] = 0
    query = np.full((1, _BLOCK), MIDDLE + 1, np.uint8)
    return bool(session.run(None, {"queries": query})[0].all())


class _Bound:
    """Memory that the product reads and writes in place: copies cost a tenth of a small search."""

    def __init__(self, session: Any, shape: tuple[int, int, int], kept: bool) -> None:
        count, dim, rows = shape
        self.count = count
        self._queries = np.empty((count, dim), np.uint8)
        if kept:  # in pages of its own: malloc may hand out huge ones, left by a larger array
            pages = mmap.mmap(-1, 4 * count * rows, flags=mmap.MAP_PRIVATE)
            self._scores = np.frombuffer(pages, np.int32).reshape(count, rows)
        else:
            self._scores = np.empty((count, rows), np.int32)
        self._session, self._binding = session, session.io_binding()
        for bind, name, array in (
            (self._binding.bind_input, "queries", self._queries),
            (self._binding.bind_output, "scores", self._scores),
        ):
            bind(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)

    def products(self, queries: NDArray[np.uint8]) -> NDArray[np.int32]:
        self._queries[:] = queries
        self._session.run_with_iobinding(self._binding)
        return self._scores
